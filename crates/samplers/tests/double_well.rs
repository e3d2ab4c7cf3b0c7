//! Scores that are not exact, so that every process has a law of its own: all solvers against the laws on a grid.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod problems;

use fokker_samplers::{
    CellGrid, LastStep, LawSolver, Noise, ReverseProcess, Sampler, Solver, Tolerance, Unobserved,
};
use fokker_sde_core::{BatchError, OrnsteinUhlenbeck, Score, Sde, Streams, TimeGrid};
use ndarray::{ArrayView2, ArrayViewMut2};
use problems::kolmogorov_smirnov;

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

/// The score of a double well that fades into that of the prior: the gradient of
/// `−(1 − w) x² − w (x² − 1)²` with `w = e^{−2t}`, which satisfies no Fokker–Planck equation.
struct DoubleWell;

impl Score<f64> for DoubleWell {
    fn dim(&self) -> usize {
        1
    }

    fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        let w = (-2.0 * t).exp();
        out.assign(&x.mapv(|x| -2.0 * (1.0 - w) * x - 4.0 * w * x * (x * x - 1.0)));
        Ok(())
    }
}

/// `n` steps from `T` to 0.02 that are equal in the logarithm of `t + 0.05`.
fn times(n: usize) -> TimeGrid {
    let [first, last] = [SDE.horizon(), 0.02].map(|t| (t + 0.05).ln());
    let inner = (1..n).map(|k| (first + (last - first) * k as f64 / n as f64).exp() - 0.05);
    TimeGrid::new(std::iter::once(SDE.horizon()).chain(inner).chain([0.02]).collect()).unwrap()
}

#[test]
fn every_solver_samples_the_law_on_the_grid() {
    // Kolmogorov–Smirnov with 1000 particles: D < 2.7/√n has a false-alarm rate of 1e-6 for each of the 40 or so assertions;
    // the bias of 150 steps stays below 0.02.
    let n = 1000;
    let cells = 600;
    let grid = CellGrid::line(-3.0, 3.0, cells).unwrap();
    let solver = LawSolver { grid, most_at_walls: 1e-3 };
    let mut laws = Vec::new();
    for process in [ReverseProcess::ODE, ReverseProcess::family(0.5).unwrap(), ReverseProcess::SDE]
    {
        let law = solver
            .solve(
                &DoubleWell as &dyn Score<f64>,
                &SDE,
                process.clone(),
                &times(1500),
                &mut Unobserved,
            )
            .unwrap();
        let mut below = 0.0;
        let upper: Vec<f64> = law
            .masses
            .iter()
            .map(|mass| {
                below += mass;
                below
            })
            .collect();
        for solver in Solver::ALL {
            let properties = solver.properties();
            // Langevin steps lead to the law whose score this is, not to that of the process.
            if solver.largest_lambda() < process.lambda(0.0) || properties.order.is_none() {
                continue;
            }
            let tolerance = Some(Tolerance { absolute: 1e-3, relative: 1e-3 });
            let adaptive = tolerance.filter(|_| properties.adaptive).map(Some);
            for tolerance in [None].into_iter().chain(adaptive) {
                let sampler = Sampler {
                    process: process.clone(),
                    solver,
                    tolerance,
                    noise: Noise::Steps,
                    last_step: LastStep::Solver,
                };
                let samples = sampler
                    .sample(&DoubleWell, &SDE, &times(150), n, Streams::new(12), &Unobserved)
                    .unwrap();
                let largest = kolmogorov_smirnov(samples, |x| {
                    let place = (x + 3.0) / 6.0 * cells as f64;
                    let (cell, share) = (place.floor() as usize, place.fract());
                    let before = if cell == 0 { 0.0 } else { upper[cell - 1] };
                    before + share * (upper[cell] - before)
                });
                let allowed = 0.02 + 2.7 / (n as f64).sqrt();
                assert!(largest < allowed, "{sampler:?}: D = {largest}");
            }
        }
        laws.push(upper);
    }
    // The three laws are told apart: else the test would show nothing about the weight of the noise.
    for pair in laws.windows(2) {
        let [one, other] = pair else { panic!() };
        let apart = one.iter().zip(other).fold(0.0_f64, |d, (a, b)| d.max((a - b).abs()));
        assert!(apart > 0.02, "{apart}");
    }
}
