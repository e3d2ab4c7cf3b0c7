use fokker_sde_core::Real;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use super::exponential_euler::denoise;
use super::log_snr::{LogSnrStep, update};
use super::{Block, Scheme};
use crate::SamplingError;

/// Ancestral sampling: the law of `X_{t_1}` given `X_{t_0}` and the data, with the estimate `D` in the place of the data,
///
/// `X ← α_1 D + √(σ_1² − η²) ε + η Z` with `η = λ σ_1 √(1 − e^{−2h})`, `ε = (X − α_0 D)/σ_0`.
///
/// `λ = 1` is the sampler of Ho, Jain and Abbeel, *Denoising diffusion probabilistic models*, NeurIPS 2020, with the smaller of
/// their variances; `λ` between 0 and 1 that of Song, Meng and Ermon, *Denoising diffusion implicit models*, ICLR 2021, `λ = 0` DDIM.
/// Not defined for larger `λ`. A step to `t = 0` goes to the estimate of the data.
pub(super) struct Ancestral<F> {
    estimate: Array2<F>,
    xi: Array2<F>,
}

impl<F: Real> Ancestral<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        Self { estimate: Array2::zeros(shape), xi: Array2::zeros(shape) }
    }
}

impl<F: Real> Scheme<F> for Ancestral<F>
where
    StandardNormal: Distribution<F>,
{
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let step = LogSnrStep::new(block.dynamics.sde, from, to);
        if step.touches_data() {
            return denoise(block, from, &mut self.estimate);
        }
        let ([alpha_0, alpha_1], [sigma_0, sigma_1]) = (step.alpha, step.sigma);
        let kappa = LogSnrStep::kappa(block, from, to)?;
        let variance = kappa * sigma_1 * sigma_1 * -(-2.0 * step.h).exp_m1();
        let direction = (sigma_1 * sigma_1 - variance).max(0.0).sqrt();
        block.dynamics.denoised(from, block.x.view(), self.estimate.view_mut())?;
        let keep = direction / sigma_0;
        update(&mut block.x, keep, alpha_1 - keep * alpha_0, &self.estimate);
        if variance > 0.0 {
            block.noise.increment(from, to, &mut self.xi);
            update(&mut block.x, 1.0, variance.sqrt(), &self.xi);
        }
        Ok(())
    }
}
