use fokker_sde_core::Real;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use super::log_snr::{LogSnrStep, update};
use super::{Block, Scheme};
use crate::SamplingError;

/// The exponential Euler–Maruyama scheme: the drift `f` is integrated exactly, and the estimate `ε` of the noise is held
/// (see [`LogSnrStep`]),
///
/// `X ← (α_1/α_0) X − (1 + κ) σ_1 (e^h − 1) ε(X, t) + σ_1 √(κ (e^{2h} − 1)) Z`.
///
/// For the ODE this is DDIM (Song, Meng and Ermon, *Denoising diffusion implicit models*, ICLR 2021) and DPM-Solver-1. A step to
/// `t = 0` goes to the estimate of the data.
pub(super) struct ExponentialEuler<F> {
    estimate: Array2<F>,
    xi: Array2<F>,
}

impl<F: Real> ExponentialEuler<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        Self { estimate: Array2::zeros(shape), xi: Array2::zeros(shape) }
    }
}

impl<F: Real> Scheme<F> for ExponentialEuler<F>
where
    StandardNormal: Distribution<F>,
{
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let dynamics = block.dynamics;
        let step = LogSnrStep::new(dynamics.sde, from, to);
        if step.touches_data() {
            return denoise(block, from, &mut self.estimate);
        }
        let kappa = LogSnrStep::kappa(block, from, to)?;
        dynamics.noise_estimate(from, block.x.view(), self.estimate.view_mut())?;
        let (shrink, sigma) = (step.alpha[1] / step.alpha[0], step.sigma[1]);
        let push = -(1.0 + kappa) * sigma * step.h.exp_m1();
        update(&mut block.x, shrink, push, &self.estimate);
        let spread = sigma * (kappa * (2.0 * step.h).exp_m1()).sqrt();
        if spread > 0.0 {
            block.noise.increment(from, to, &mut self.xi);
            update(&mut block.x, 1.0, spread, &self.xi);
        }
        Ok(())
    }
}

/// Replaces the particles by the estimate of the data.
pub(crate) fn denoise<F: Real>(
    block: &mut Block<'_, F>,
    t: f64,
    room: &mut Array2<F>,
) -> Result<(), SamplingError> {
    block.dynamics.denoised(t, block.x.view(), room.view_mut())?;
    std::mem::swap(&mut block.x, room);
    Ok(())
}
