//! The Sinkhorn iterations, whatever the costs are between.
//!
//! With the soft minimum `T_ν g(x) = -ε log ∫ exp((g(y) - c(x, y)) / ε) dν(y)`, the optimal potentials are
//! those with `f = T_ν g` and `g = T_μ f`. The plan of any two is `exp((f ⊕ g - c) / ε) μ⊗ν`; its
//! first marginal has the density `exp((f - T_ν g) / ε)` with respect to `μ`, and so for the second.

use rayon::prelude::*;

use super::{Kernel, SinkhornError};
use crate::Side;

/// From one level of ε-scaling to the next.
const SCALING: f64 = 0.25;

/// The marginal error at which a level that is not the last is left.
const COARSE: f64 = 1e-2;

/// What rounding may change in a dual value, relative to its parts.
const ROUNDING: f64 = 1e-13;

/// Entries that are summed up together, so that the order of sums does not depend on threads.
const BLOCK: usize = 4096;

/// A probability measure on the points of one side.
pub(super) struct Law {
    pub(super) mass: Vec<f64>,
    log: Vec<f64>,
}

impl Law {
    /// Masses divided by their total.
    pub(super) fn new(mass: impl IntoIterator<Item = f64>, total: f64) -> Self {
        let mass: Vec<f64> = mass.into_iter().map(|m| m / total).collect();
        let log = mass.iter().map(|m| m.ln()).collect();
        Self { mass, log }
    }

    /// The integral of a function.
    pub(super) fn mean(&self, values: &[f64]) -> f64 {
        self.mass.iter().zip(values).map(|(m, value)| m * value).sum()
    }

    /// The exponents `log m + g / ε` of masses times exponentials.
    pub(super) fn exponents(&self, rate: f64, potential: &[f64]) -> Vec<f64> {
        self.log.iter().zip(potential).map(|(log, g)| log + rate * g).collect()
    }

    /// The soft minimum of a potential on this law, at the points of the side `to`.
    fn soft_min(
        &self,
        kernel: &impl Kernel,
        to: Side,
        epsilon: f64,
        potential: &[f64],
        out: &mut [f64],
    ) {
        let rate = 1.0 / epsilon;
        kernel.log_sum_exp(to, rate, &self.exponents(rate, potential), out);
        out.iter_mut().for_each(|sum| *sum *= -epsilon);
    }

    /// The `L1` distance of this law and the marginal `exp((f - T g) / ε)` times it.
    fn error(&self, epsilon: f64, f: &[f64], soft_min: &[f64]) -> f64 {
        let rate = 1.0 / epsilon;
        let blocks = self.mass.par_chunks(BLOCK).zip(f.par_chunks(BLOCK));
        let errors = blocks.zip(soft_min.par_chunks(BLOCK)).map(|((mass, f), soft_min)| {
            let massive = mass.iter().zip(f).zip(soft_min).filter(|((m, _), _)| **m > 0.0);
            massive.map(|((m, f), soft_min)| m * ((f - soft_min) * rate).exp_m1().abs()).sum()
        });
        errors.collect::<Vec<f64>>().iter().sum()
    }
}

/// When to stop.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    pub(super) epsilon: f64,
    pub(super) tolerance: f64,
    pub(super) iterations: usize,
}

impl Limits {
    fn missed(self, error: f64) -> SinkhornError {
        let Self { epsilon, tolerance, iterations } = self;
        SinkhornError::NotConverged { epsilon, iterations, error, tolerance }
    }
}

/// Potentials of which the second is the soft minimum of the first, so that the plan has the second
/// marginal.
pub(super) struct Solution {
    pub(super) potentials: [Vec<f64>; 2],
    /// The dual value of the second with its soft minimum.
    pub(super) value: f64,
    /// The `L1` error of the first marginal.
    pub(super) error: f64,
    pub(super) iterations: usize,
}

/// Solves the problem between two laws: alternating soft minima with momentum, and ε-scaling.
///
/// A plain iteration increases the dual value by at least `ε KL(μ | r)`, with `r` the first marginal, and so
/// converges from anywhere. Momentum is that of Nesterov, begun anew when the value falls, which also takes
/// the step back: near the solution of `k` plain iterations about `√k` are then left. Source: O'Donoghue and
/// Candès, *Adaptive restart for accelerated gradient schemes* (Found. Comput. Math. 15, 2015).
pub(super) fn between(
    kernel: &impl Kernel,
    [mu, nu]: [&Law; 2],
    limits: Limits,
) -> Result<Solution, SinkhornError> {
    let [mut f, mut image, mut before] = [0, 1, 2].map(|_| vec![0.0; mu.mass.len()]);
    let mut g = vec![0.0; nu.mass.len()];
    let mut epsilon = kernel.largest_cost().max(limits.epsilon);
    let (mut momentum, mut least) = (1.0f64, f64::NEG_INFINITY);
    let mut iterations = 0;
    loop {
        mu.soft_min(kernel, Side::Second, epsilon, &f, &mut g);
        let parts = [mu.mean(&f), nu.mean(&g)];
        let value = parts[0] + parts[1];
        if value < least - ROUNDING * (parts[0].abs() + parts[1].abs()) {
            f.copy_from_slice(&image);
            (momentum, least) = (1.0, f64::NEG_INFINITY);
            continue;
        }
        before.copy_from_slice(&image);
        nu.soft_min(kernel, Side::First, epsilon, &g, &mut image);
        let error = mu.error(epsilon, &f, &image);
        iterations += 1;
        let last = epsilon == limits.epsilon;
        if last && error <= limits.tolerance {
            let value = mu.mean(&image) + nu.mean(&g);
            return Ok(Solution { potentials: [f, g], value, error, iterations });
        }
        if iterations >= limits.iterations {
            return Err(limits.missed(error));
        }
        if !last && error <= COARSE.max(limits.tolerance) {
            epsilon = (SCALING * epsilon).max(limits.epsilon);
            f.copy_from_slice(&image);
            (momentum, least) = (1.0, f64::NEG_INFINITY);
            continue;
        }
        let next = 0.5 * (1.0 + (1.0 + 4.0 * momentum * momentum).sqrt());
        let push = (momentum - 1.0) / next;
        for ((f, image), before) in f.iter_mut().zip(&image).zip(&before) {
            *f = image + push * (image - before);
        }
        (momentum, least) = (next, value);
    }
}

/// The value of the problem between a law and itself, and the `L1` error of the marginals: both potentials
/// are the same, and each time the mean of it and its soft minimum is taken.
///
/// Source: Feydy et al. (2019), section 3.1. With a positive definite kernel, as those of all costs here,
/// an error of the potential is at least halved in the end: the soft minimum has a derivative with
/// eigenvalues in `[-1, 0]`. Neither acceleration nor ε-scaling would gain much.
pub(super) fn with_itself(
    kernel: &impl Kernel,
    law: &Law,
    limits: Limits,
) -> Result<[f64; 2], SinkhornError> {
    let [mut f, mut image] = [0, 1].map(|_| vec![0.0; law.mass.len()]);
    let mut iterations = 0;
    loop {
        law.soft_min(kernel, Side::First, limits.epsilon, &f, &mut image);
        let error = law.error(limits.epsilon, &f, &image);
        f.iter_mut().zip(&image).for_each(|(f, image)| *f = 0.5 * (*f + image));
        iterations += 1;
        if error <= limits.tolerance {
            return Ok([2.0 * law.mean(&f), error]);
        }
        if iterations >= limits.iterations {
            return Err(limits.missed(error));
        }
    }
}
