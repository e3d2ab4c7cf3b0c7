//! What holds for every solver: the laws it keeps, the bits it gives, what it refuses.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod problems;

use fokker_samplers::{
    LastStep, Noise, ReverseProcess, Sampler, SamplingError, Solver, Tolerance, Unobserved,
};
use fokker_sde_core::{BatchError, GridRule, OrnsteinUhlenbeck, Score, Sde, Streams, TimeGrid};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use problems::{Problem, distribution, kolmogorov_smirnov, problems};

/// All solvers with this process, and those of adaptive steps once more with a tolerance.
fn samplers(process: &ReverseProcess) -> Vec<Sampler> {
    let knows = |solver: &Solver| {
        process.is_ode()
            || solver.properties().weak_order.is_some()
            || *solver == Solver::PredictorCorrector
    };
    let fixed = Solver::ALL.into_iter().filter(knows).map(|solver| Sampler {
        process: process.clone(),
        solver,
        last_step: LastStep::Denoise,
        ..Sampler::default()
    });
    let tolerance = Some(Tolerance { absolute: 1e-3, relative: 1e-3 });
    let all: Vec<Sampler> = fixed.collect();
    let adaptive = all.iter().filter(|sampler| sampler.solver.properties().adaptive);
    let adaptive: Vec<_> = adaptive.map(|of| Sampler { tolerance, ..of.clone() }).collect();
    all.into_iter().chain(adaptive).collect()
}

/// `n` steps, equal in the log-SNR but for the last.
fn grid(problem: &Problem, steps: usize) -> TimeGrid {
    let t_min = problem.sde.time_of_log_snr(9.0).unwrap();
    GridRule::LogSnr { steps, t_min: Some(t_min) }.grid(&problem.sde).unwrap()
}

#[test]
fn every_solver_and_every_weight_of_the_noise_return_the_data() {
    // Kolmogorov–Smirnov with 800 particles: D < 2.7/√n has a false-alarm rate of 1e-6 for each of the 100 or so assertions; the
    // bias of 100 steps, and that of Langevin steps, stays below 0.02.
    let n = 800;
    let processes = [
        ReverseProcess::ODE,
        ReverseProcess::family(0.5).unwrap(),
        ReverseProcess::SDE,
        ReverseProcess::varying(|t| 1.0 / (1.0 + t)),
    ];
    for problem in &problems()[1..] {
        let grid = grid(problem, 100);
        for process in &processes {
            for sampler in samplers(process) {
                let streams = Streams::new(2);
                let samples = sampler
                    .sample::<f64>(&problem.score, &problem.sde, &grid, n, streams, &Unobserved)
                    .unwrap();
                let largest = kolmogorov_smirnov(samples, |x| distribution(&problem.data, x));
                let allowed = 0.02 + 2.7 / (n as f64).sqrt();
                assert!(largest < allowed, "{}, {sampler:?}: D = {largest}", problem.name);
            }
        }
    }
}

#[test]
fn weights_beyond_1_keep_the_marginals_too() {
    // The variance of a Gaussian law within 5 standard errors, a false alarm in 6e-7, and 2 % for the steps.
    let problem = &problems()[0];
    let n = 2000;
    for solver in
        [Solver::Heun, Solver::Sra1, Solver::ExponentialEuler, Solver::DpmSolverPlusPlus2M]
    {
        let process = ReverseProcess::family(1.8).unwrap();
        let sampler =
            Sampler { process, solver, last_step: LastStep::Denoise, ..Sampler::default() };
        let grid = grid(problem, 300);
        let x = sampler
            .sample::<f64>(&problem.score, &problem.sde, &grid, n, Streams::new(3), &Unobserved)
            .unwrap()
            .particles;
        let (_, _, variance) = problem.data[0];
        let error = x.var(1.0) / variance - 1.0;
        assert!(error.abs() < 0.02 + 5.0 * (2.0 / n as f64).sqrt(), "{solver}: {error}");
    }
}

#[test]
fn a_weight_that_is_zero_is_the_ode_bit_for_bit() {
    let problem = &problems()[1];
    let grid = grid(problem, 20);
    let zero = ReverseProcess::varying(|_| 0.0);
    for sampler in samplers(&ReverseProcess::ODE) {
        let run = |process: &ReverseProcess, noise| {
            Sampler { process: process.clone(), noise, ..sampler.clone() }
                .sample::<f64>(
                    &problem.score,
                    &problem.sde,
                    &grid,
                    300,
                    Streams::new(4),
                    &Unobserved,
                )
                .unwrap()
                .particles
        };
        let ode = run(&ReverseProcess::ODE, Noise::Steps);
        assert_eq!(run(&zero, Noise::Steps), ode, "{sampler:?}");
        assert_eq!(run(&ReverseProcess::family(0.0).unwrap(), Noise::Path), ode, "{sampler:?}");
    }
}

#[test]
fn same_bits_for_any_number_of_threads_and_particles() {
    let problem = &problems()[1];
    let grid = grid(problem, 12);
    for process in [ReverseProcess::ODE, ReverseProcess::SDE] {
        for noise in [Noise::Steps, Noise::Path] {
            for sampler in samplers(&process) {
                let sampler = Sampler { noise, ..sampler };
                let run = |threads, n| {
                    let pool =
                        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                    let work = || {
                        sampler.sample::<f32>(
                            &problem.score,
                            &problem.sde,
                            &grid,
                            n,
                            Streams::new(5),
                            &Unobserved,
                        )
                    };
                    pool.install(work).unwrap()
                };
                let one = run(1, 300);
                for threads in [2, 3, 7] {
                    let other = run(threads, 300);
                    assert_eq!(one.particles, other.particles, "{sampler:?}");
                    assert_eq!(one.cost.evaluations, other.cost.evaluations);
                }
                let more = run(2, 520).particles;
                assert_eq!(one.particles, more.view().split_at(Axis(0), 300).0, "{sampler:?}");
            }
        }
    }
}

#[test]
fn costs_are_counted() {
    let problem = &problems()[1];
    let grid = grid(problem, 10);
    for sampler in samplers(&ReverseProcess::ODE) {
        let samples = sampler
            .sample::<f64>(&problem.score, &problem.sde, &grid, 300, Streams::new(6), &Unobserved)
            .unwrap();
        let cost = samples.cost;
        let own = sampler.solver.properties();
        if sampler.tolerance.is_some() {
            assert_eq!(cost.particles, 512);
            assert!(cost.accepted > 0 && cost.rejected < cost.accepted, "{sampler:?}: {cost:?}");
            continue;
        }
        // Nine steps by the solver and one evaluation for the last; those with memory start with Runge–Kutta steps, and
        // those with a stage in common evaluate one more in the first step.
        let steps = 9.0 * f64::from(own.evaluations) + 1.0;
        let extra = match sampler.solver {
            Solver::AdamsBashforth2 => 3.0,
            Solver::AdamsBashforth3 => 6.0,
            Solver::AdamsBashforth4 => 9.0,
            Solver::BogackiShampine | Solver::DormandPrince => 1.0,
            _ => 0.0,
        };
        assert_eq!(cost.evaluations_per_particle(), steps + extra, "{sampler:?}");
        assert_eq!((cost.accepted, cost.rejected), (3000, 0));
    }
}

#[test]
fn smaller_tolerances_cost_more_and_err_less() {
    let problem = &problems()[1];
    let times = problem.grid(10);
    for (process, tolerances) in
        [(ReverseProcess::ODE, [1e-3, 1e-5, 1e-7]), (ReverseProcess::SDE, [1e-2, 1e-3, 1e-4])]
    {
        let exact = if process.is_ode() { Solver::DormandPrince } else { Solver::Sra1 };
        let reference = problem.run(exact, &process, 4096, 256).unwrap();
        for sampler in samplers(&process).into_iter().filter(|sampler| sampler.tolerance.is_some())
        {
            let run = |tolerance: f64| {
                let tolerance = Some(Tolerance { absolute: tolerance, relative: tolerance });
                let sampler = Sampler { tolerance, last_step: LastStep::Solver, ..sampler.clone() };
                let samples = sampler
                    .sample(
                        &problem.score,
                        &problem.sde,
                        &times,
                        256,
                        Streams::new(11),
                        &Unobserved,
                    )
                    .unwrap();
                (problems::distance(&samples, &reference), samples.cost)
            };
            let found = tolerances.map(run);
            for pair in found.windows(2) {
                let [(coarse, before), (fine, after)] = pair else { panic!() };
                assert!(*fine < 0.6 * coarse, "{sampler:?}: {found:?}");
                assert!(after.evaluations > before.evaluations, "{sampler:?}: {found:?}");
            }
        }
    }
}

/// A score that is infinite from some time on.
struct Wall;

impl Score<f64> for Wall {
    fn dim(&self) -> usize {
        1
    }

    fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        out.assign(&x.mapv(|x| if t < 5.0 { f64::INFINITY } else { -2.0 * x }));
        Ok(())
    }
}

/// No force, in so many dimensions.
struct Still(usize);

impl Score<f64> for Still {
    fn dim(&self) -> usize {
        self.0
    }

    fn score(
        &self,
        _t: f64,
        _x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        out.fill(0.0);
        Ok(())
    }
}

/// `−x/σ_t²`.
struct InfiniteAtZero;

impl Score<f64> for InfiniteAtZero {
    fn dim(&self) -> usize {
        1
    }

    fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        let variance = OrnsteinUhlenbeck::PAPER.marginal(t).sigma.powi(2);
        out.assign(&x.mapv(|x| -x / variance));
        Ok(())
    }
}

#[test]
fn what_cannot_be_solved_is_refused() {
    let problem = &problems()[1];
    let sde = OrnsteinUhlenbeck::PAPER;
    let grid = grid(problem, 10);
    let run = |sampler: Sampler, grid: &TimeGrid| {
        let (score, streams) = (&problem.score, Streams::new(7));
        sampler.sample::<f64>(score, &sde, grid, 10, streams, &Unobserved).unwrap_err()
    };
    for solver in Solver::ALL {
        let properties = solver.properties();
        let sampler = Sampler { solver, ..Sampler::default() };
        if properties.weak_order.is_none() && solver != Solver::PredictorCorrector {
            let error = run(sampler.clone(), &grid);
            assert!(matches!(error, SamplingError::Process { .. }), "{error}");
        }
        if !properties.adaptive {
            let tolerance = Some(Tolerance { absolute: 1e-3, relative: 0.0 });
            let sampler = Sampler { tolerance, process: ReverseProcess::ODE, ..sampler };
            let error = run(sampler, &grid);
            assert_eq!(error, SamplingError::NotAdaptive { solver });
        }
    }
    let process = ReverseProcess::family(1.1).unwrap();
    let error = run(Sampler { process, solver: Solver::Ancestral, ..Sampler::default() }, &grid);
    assert!(error.to_string().contains("λ up to 1"), "{error}");
    let heun = Sampler { solver: Solver::Heun, ..Sampler::default() };
    for (absolute, relative) in [(-1.0, 0.1), (0.0, 0.0), (f64::NAN, 0.1), (0.1, f64::INFINITY)] {
        let tolerance = Some(Tolerance { absolute, relative });
        let error = run(Sampler { tolerance, ..heun.clone() }, &grid);
        assert!(matches!(error, SamplingError::Tolerance { .. }), "{error}");
    }
    let high = TimeGrid::new(vec![11.0, 5.0]).unwrap();
    assert_eq!(run(heun.clone(), &high), SamplingError::BeyondHorizon { t: 11.0, horizon: 10.0 });
    let open = TimeGrid::new(vec![10.0, 5.0]).unwrap();
    let sampler = Sampler { last_step: LastStep::Denoise, ..heun.clone() };
    assert_eq!(run(sampler, &open), SamplingError::NothingToDenoise { t: 5.0 });

    let one = TimeGrid::new(vec![10.0, 0.0]).unwrap();
    let tolerance = Some(Tolerance { absolute: 1e-3, relative: 1e-3 });
    let error = run(Sampler { tolerance, ..heun.clone() }, &one);
    assert_eq!(error, SamplingError::NothingAdaptive);
    assert_eq!(ReverseProcess::family(2e6).map(|process| process.lambda(1.0)), None);
    let process = ReverseProcess::varying(|_| 1e200);
    let error = run(Sampler { process, ..heun.clone() }, &grid);
    assert!(matches!(error, SamplingError::Lambda { .. }), "{error}");
    // More steps than any use asks for, none of which is taken back.
    let tolerance = Some(Tolerance { absolute: 1e-12, relative: 0.0 });
    let sampler = Sampler { tolerance, process: ReverseProcess::ODE, ..heun.clone() };
    let grid = GridRule::Uniform { steps: 1_000_000 }.grid(&sde).unwrap();
    let line = &Still(1);
    let error = sampler.sample::<f64>(line, &sde, &grid, 1, Streams::new(7), &Unobserved);
    let Err(SamplingError::StepTooSmall { steps, .. }) = error else { panic!("{error:?}") };
    assert_eq!(steps, 100_000);

    // A score that is not finite where the solver asks for it.
    let whole = GridRule::LogSnr { steps: 5, t_min: None }.grid(&sde).unwrap();
    for solver in Solver::ALL {
        let process = ReverseProcess::ODE;
        let sampler =
            Sampler { solver, process, last_step: LastStep::Solver, ..Sampler::default() };
        let outcome =
            sampler.sample(&InfiniteAtZero, &sde, &whole, 4, Streams::new(7), &Unobserved);
        match outcome {
            Err(error) => assert_eq!(error, SamplingError::InfiniteAtEnd { solver, t: 0.0 }),
            Ok(samples) => assert!(samples.particles.iter().all(|x| x.is_finite()), "{solver}"),
        }
    }

    // A wall in the way of adaptive steps: they get smaller until they end.
    let tolerance = Some(Tolerance { absolute: 1e-3, relative: 1e-3 });
    let process = ReverseProcess::ODE;
    let sampler = Sampler { tolerance, process, solver: Solver::DormandPrince, ..heun };
    let uniform = GridRule::Uniform { steps: 10 }.grid(&sde).unwrap();
    let error =
        sampler.sample(&Wall, &sde, &uniform, 10, Streams::new(8), &Unobserved).unwrap_err();
    let SamplingError::NotFinite { t, state, .. } = &error else { panic!("{error}") };
    assert!((t - 5.0).abs() < 1e-6 && !state[0].is_finite(), "{error}");
}

#[test]
fn names_are_read_back() {
    for solver in Solver::ALL {
        assert_eq!(solver.to_string().parse(), Ok(solver));
    }
    let error = "euler-2".parse::<Solver>().unwrap_err().to_string();
    assert!(error.contains("`euler-2`") && error.contains("dormand-prince"), "{error}");
}

#[test]
fn corrections_pull_a_wrong_start_to_the_law() {
    // Five steps are too few for the predictor; its variance is further off than with corrections.
    let problem = &problems()[0];
    let grid = grid(problem, 6);
    let error = |solver| {
        let sampler = Sampler { solver, last_step: LastStep::Denoise, ..Sampler::default() };
        let x: Array2<f64> = sampler
            .sample(&problem.score, &problem.sde, &grid, 4000, Streams::new(9), &Unobserved)
            .unwrap()
            .particles;
        (x.var(1.0) / problem.data[0].2 - 1.0).abs()
    };
    let (alone, corrected) = (error(Solver::ExponentialEuler), error(Solver::PredictorCorrector));
    assert!(corrected < 0.9 * alone, "{corrected} with corrections, {alone} without");
}
