use fokker_sde_core::Real;
use ndarray::Array2;

use super::exponential_euler::denoise;
use super::log_snr::{LogSnrStep, combine, update};
use super::{Block, Scheme};
use crate::SamplingError;

/// DPM-Solver-2 for the ODE: the exponential midpoint method in `ℓ` with the estimate `ε` of the noise (see
/// [`LogSnrStep`]). With the state `u` in the middle of the step, by an exponential Euler step,
///
/// `x ← (α_1/α_0) x − σ_1 (e^h − 1) ε(u, t_½)`.
///
/// A step to `t = 0` goes to the estimate of the data. Source: Lu et al., *DPM-Solver*, NeurIPS 2022, algorithm 1.
pub(super) struct DpmSolver2<F> {
    estimate: Array2<F>,
    stage: Array2<F>,
}

impl<F: Real> DpmSolver2<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        Self { estimate: Array2::zeros(shape), stage: Array2::zeros(shape) }
    }
}

impl<F: Real> Scheme<F> for DpmSolver2<F> {
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let dynamics = block.dynamics;
        let step = LogSnrStep::new(dynamics.sde, from, to);
        if step.touches_data() {
            return denoise(block, from, &mut self.estimate);
        }
        let middle = step.time_at(dynamics.sde, 0.5)?;
        dynamics.noise_estimate(from, block.x.view(), self.estimate.view_mut())?;
        let law = dynamics.sde.marginal(middle);
        let push = -law.sigma * (0.5 * step.h).exp_m1();
        combine(&mut self.stage, law.alpha / step.alpha[0], &block.x, push, &self.estimate);
        dynamics.noise_estimate(middle, self.stage.view(), self.estimate.view_mut())?;
        let push = -step.sigma[1] * step.h.exp_m1();
        update(&mut block.x, step.alpha[1] / step.alpha[0], push, &self.estimate);
        Ok(())
    }
}

/// DPM-Solver-3 for the ODE: an exponential Runge–Kutta method of order 3 in `ℓ`, with stages at one third and two thirds
/// of the step.
///
/// A step to `t = 0` goes to the estimate of the data. Source: Lu et al., *DPM-Solver*, NeurIPS 2022, algorithm 2.
pub(super) struct DpmSolver3<F> {
    estimate: Array2<F>,
    difference: Array2<F>,
    stage: Array2<F>,
}

impl<F: Real> DpmSolver3<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        let zeros = || Array2::zeros(shape);
        Self { estimate: zeros(), difference: zeros(), stage: zeros() }
    }
}

impl<F: Real> Scheme<F> for DpmSolver3<F> {
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let dynamics = block.dynamics;
        let step = LogSnrStep::new(dynamics.sde, from, to);
        if step.touches_data() {
            return denoise(block, from, &mut self.estimate);
        }
        let (first, second) = (1.0 / 3.0, 2.0 / 3.0);
        let times = [step.time_at(dynamics.sde, first)?, step.time_at(dynamics.sde, second)?];
        let laws = times.map(|t| dynamics.sde.marginal(t));
        // (e^u − 1)/u − 1, the weight of a slope.
        let slope = |u: f64| if u.abs() < 1e-5 { 0.5 * u } else { u.exp_m1() / u - 1.0 };
        dynamics.noise_estimate(from, block.x.view(), self.estimate.view_mut())?;
        let shrink = |law: fokker_sde_core::Marginal| law.alpha / step.alpha[0];
        let push = -laws[0].sigma * (first * step.h).exp_m1();
        combine(&mut self.stage, shrink(laws[0]), &block.x, push, &self.estimate);
        dynamics.noise_estimate(times[0], self.stage.view(), self.difference.view_mut())?;
        self.difference.zip_mut_with(&self.estimate, |d, &e| *d -= e);
        let push = -laws[1].sigma * (second * step.h).exp_m1();
        combine(&mut self.stage, shrink(laws[1]), &block.x, push, &self.estimate);
        let turn = -laws[1].sigma * (second / first) * slope(second * step.h);
        update(&mut self.stage, 1.0, turn, &self.difference);
        dynamics.noise_estimate(times[1], self.stage.view(), self.difference.view_mut())?;
        self.difference.zip_mut_with(&self.estimate, |d, &e| *d -= e);
        let sigma = step.sigma[1];
        update(
            &mut block.x,
            step.alpha[1] / step.alpha[0],
            -sigma * step.h.exp_m1(),
            &self.estimate,
        );
        update(&mut block.x, 1.0, -sigma / second * slope(step.h), &self.difference);
        Ok(())
    }
}
