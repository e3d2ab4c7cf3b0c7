use fokker_sde_core::Real;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use super::exponential_euler::denoise;
use super::log_snr::{LogSnrStep, update};
use super::{Block, Scheme};
use crate::SamplingError;

/// DPM-Solver++(2M), and with noise SDE-DPM-Solver++(2M): an exponential two-step method in `ℓ` with the estimate `D` of
/// the data (see [`LogSnrStep`]),
///
/// `X ← (σ_1/σ_0) e^{−κh} X + α_1 (1 − e^{−(1+κ)h}) D̃ + σ_1 √(1 − e^{−2κh}) Z`, `D̃ = D + (h/2h′) (D − D′)`,
///
/// with the estimate `D′` at the start of the step before, of length `h′`; the first step has `D̃ = D`. A step to `t = 0` goes to
/// the estimate of the data. Sources: Lu et al., *DPM-Solver++*, 2022, algorithm 2, for `κ = 0` and 1; Xue et al.,
/// *SA-Solver*, NeurIPS 2023.
pub(super) struct DpmSolverPlusPlus2M<F> {
    estimate: Array2<F>,
    before: Array2<F>,
    xi: Array2<F>,
    /// The end of the step before and its length in `ℓ`.
    last: Option<(f64, f64)>,
}

impl<F: Real> DpmSolverPlusPlus2M<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        let zeros = || Array2::zeros(shape);
        Self { estimate: zeros(), before: zeros(), xi: zeros(), last: None }
    }
}

impl<F: Real> Scheme<F> for DpmSolverPlusPlus2M<F>
where
    StandardNormal: Distribution<F>,
{
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let step = LogSnrStep::new(block.dynamics.sde, from, to);
        if step.touches_data() {
            return denoise(block, from, &mut self.estimate);
        }
        let kappa = LogSnrStep::kappa(block, from, to)?;
        std::mem::swap(&mut self.estimate, &mut self.before);
        block.dynamics.denoised(from, block.x.view(), self.estimate.view_mut())?;
        let h = step.h;
        let keep = step.sigma[1] / step.sigma[0] * (-kappa * h).exp();
        let data = -step.alpha[1] * (-(1.0 + kappa) * h).exp_m1();
        match self.last {
            Some((t, before)) if t == from => {
                let ratio = 0.5 * h / before;
                update(&mut block.x, keep, data * (1.0 + ratio), &self.estimate);
                update(&mut block.x, 1.0, -data * ratio, &self.before);
            }
            _ => update(&mut block.x, keep, data, &self.estimate),
        }
        self.last = Some((to, h));
        let spread = step.sigma[1] * (-(-2.0 * kappa * h).exp_m1()).max(0.0).sqrt();
        if spread > 0.0 {
            block.noise.increment(from, to, &mut self.xi);
            update(&mut block.x, 1.0, spread, &self.xi);
        }
        Ok(())
    }
}
