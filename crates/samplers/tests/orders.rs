//! The orders of all solvers. Weak orders, which need the law of a scheme without sampling noise, are measured inside
//! the crate, in `src/scheme/orders.rs`.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod problems;

use fokker_samplers::{ReverseProcess, Solver};
use problems::{distance, problems};

#[test]
fn every_solver_of_the_ode_has_its_order() {
    for problem in problems() {
        let reference =
            problem.run(Solver::DormandPrince, &ReverseProcess::ODE, 2000, 100).unwrap();
        for solver in Solver::ALL {
            let Some(order) = solver.properties().order else { continue };
            // Steps for which the error is neither rounding nor far from its leading term.
            let n = match order {
                1 => 640,
                2 => 400,
                3 => 120,
                4 => 60,
                _ if problem.data.len() == 1 => 8,
                _ => 36,
            };
            let error = |n| {
                let found = problem.run(solver, &ReverseProcess::ODE, n, 100).unwrap();
                distance(&found, &reference)
            };
            let errors = [n, 2 * n].map(error);
            let measured = (errors[0] / errors[1]).log2();
            assert!(
                (measured - f64::from(order)).abs() < 0.2,
                "{}, {solver}: {measured} from {errors:?}",
                problem.name
            );
        }
    }
}

#[test]
fn every_solver_with_noise_has_its_strong_order() {
    // Along one Brownian path for each of 256 particles, seen by grids of 512 and 1024 steps and of 8192.
    let processes = [ReverseProcess::SDE, ReverseProcess::varying(|t| 0.4 + 0.4 * t)];
    for problem in problems() {
        for process in &processes {
            let reference = problem.run(Solver::Sra1, process, 8192, 256).unwrap();
            for solver in Solver::ALL {
                let Some(order) = solver.properties().strong_order else { continue };
                let error =
                    |n| distance(&problem.run(solver, process, n, 256).unwrap(), &reference);
                let errors = [512, 1024].map(error);
                let measured = (errors[0] / errors[1]).log2();
                // A linear score spares SRA1 the terms of order 3/2.
                let linear = problem.data.len() == 1;
                assert!(
                    measured > order - 0.2 && (measured < order + 0.2 || linear),
                    "{}, {solver}, {process:?}: {measured} from {errors:?}",
                    problem.name
                );
            }
        }
    }
}
