//! Weak orders without sampling noise. For a Gaussian law every step is affine in the particles and the noise, so that
//! the law after all steps is Gaussian, and its mean and variance follow from the response of the scheme to each unit of
//! noise alone: one particle for each.

use fokker_sde_core::{
    Diffusion, GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Purpose, Sde, Streams,
    VariancePreserving,
};
use ndarray::Array2;

use super::Block;
use crate::dynamics::Dynamics;
use crate::noise::Increments;
use crate::{ReverseProcess, Solver};

const DATA: (f64, f64) = (1.0, 0.3);
const SPAN: [f64; 2] = [1.0, 0.1];

/// Mean and variance of the process at the end of the span, started from `N(0, 1)`, by the classical Runge–Kutta method for
/// `μ' = A μ + B`, `v' = 2 A v − κ g²`.
fn exact(sde: &dyn Sde, process: &ReverseProcess) -> [f64; 2] {
    let rates = |t: f64, [mean, variance]: [f64; 2]| {
        let law = sde.marginal(t);
        let spread = law.alpha.powi(2) * DATA.1 + law.sigma.powi(2);
        let g_squared = sde.diffusion(t).powi(2);
        let pull = process.score_factor(t) * g_squared / spread;
        let rate = sde.drift_rate(t) + pull;
        let noise = process.lambda(t).powi(2) * g_squared;
        [rate * mean - pull * law.alpha * DATA.0, 2.0 * rate * variance - noise]
    };
    let n = 4000;
    let h = (SPAN[1] - SPAN[0]) / f64::from(n);
    let plus = |[a, b]: [f64; 2], h: f64, [c, d]: [f64; 2]| [a + h * c, b + h * d];
    (0..n).fold([0.0, 1.0], |at, k| {
        let t = SPAN[0] + h * f64::from(k);
        let one = rates(t, at);
        let two = rates(t + 0.5 * h, plus(at, 0.5 * h, one));
        let three = rates(t + 0.5 * h, plus(at, 0.5 * h, two));
        let four = rates(t + h, plus(at, h, three));
        [0, 1].map(|i| at[i] + h / 6.0 * (one[i] + 2.0 * two[i] + 2.0 * three[i] + four[i]))
    })
}

/// The same of a solver that takes `n` steps.
fn found(solver: Solver, sde: &Diffusion, process: &ReverseProcess, n: usize) -> [f64; 2] {
    let data = GaussianMixture::new(vec![(1.0, vec![DATA.0], DATA.1)]).unwrap();
    let score = MixtureMarginals::new(data, sde.clone());
    // No noise, a start at 1, then units of ξ and of ζ in each step.
    let rows = 2 + 2 * n;
    let unit = |row: usize| Array2::from_shape_fn((rows, 1), |(i, _)| f64::from(i == row));
    let steps: Vec<_> = (0..n).map(|k| [unit(2 + 2 * k), unit(3 + 2 * k)]).collect();
    let mut noise = Increments::Given(steps.into_iter(), Array2::default((0, 0)));
    let dynamics = Dynamics::<f64>::new(&score, sde, process);
    let mut block = Block { dynamics: &dynamics, noise: &mut noise, x: unit(1) };
    let mut scheme = solver.scheme((rows, 1), Streams::new(0).rng(Purpose::Path, 1, 0));
    let time = |k: usize| SPAN[0] + (SPAN[1] - SPAN[0]) * k as f64 / n as f64;
    for k in 0..n {
        scheme.step(&mut block, time(k), time(k + 1)).unwrap();
        scheme.accept();
    }
    let mean = block.x[[0, 0]];
    [mean, block.x.iter().skip(1).map(|x| (x - mean).powi(2)).sum()]
}

#[test]
fn weak_orders_are_those_of_the_table() {
    let diffusions = [
        Diffusion::OrnsteinUhlenbeck(OrnsteinUhlenbeck::PAPER),
        Diffusion::VariancePreserving(VariancePreserving::default()),
    ];
    let processes = [
        ReverseProcess::SDE,
        ReverseProcess::family(0.5).unwrap(),
        ReverseProcess::varying(|t| 0.3 + 0.6 * t),
    ];
    for solver in Solver::ALL {
        let Some(order) = solver.properties().weak_order else { continue };
        for sde in &diffusions {
            for process in &processes {
                let exact = exact(sde, process);
                let error = |n| {
                    let [mean, variance] = found(solver, sde, process, n);
                    (mean - exact[0]).hypot(variance - exact[1])
                };
                let errors = [400, 800].map(error);
                let measured = (errors[0] / errors[1]).log2();
                assert!(
                    (measured - f64::from(order)).abs() < 0.2,
                    "{solver}, {process:?}, {sde:?}: {measured} from {errors:?}"
                );
            }
        }
    }
}
