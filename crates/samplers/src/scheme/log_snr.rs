use fokker_sde_core::{Real, Sde};
use ndarray::{Array2, Zip};

use super::Block;
use crate::SamplingError;

/// A step in half the log-SNR, `ℓ = log(α/σ)`, in which the processes are simplest. With the estimates
/// `D = (x + σ² s)/α` of the data and `ε = −σ s` of the noise, and `κ = λ²` constant over the step, the process
/// satisfies
///
/// - `d(x/σ) = [−κ x/σ + (1 + κ) e^ℓ D] dℓ + √(2κ) dW`,
/// - `d(x/α) = −(1 + κ) e^{−ℓ} ε dℓ + √(2κ) e^{−ℓ} dW`,
///
/// since `g² dt = −2σ² dℓ`: all that is not `D` or `ε` is integrated exactly. Sources: Lu et al., *DPM-Solver*, NeurIPS
/// 2022, proposition 3.1, for `κ = 0`; Xue et al., *SA-Solver*, NeurIPS 2023, for any `κ`.
#[derive(Clone, Copy)]
pub(super) struct LogSnrStep {
    pub(super) alpha: [f64; 2],
    pub(super) sigma: [f64; 2],
    /// `ℓ` at the start.
    pub(super) level: f64,
    /// Its increase; infinite if the step ends at `t = 0`.
    pub(super) h: f64,
}

impl LogSnrStep {
    pub(super) fn new(sde: &dyn Sde, from: f64, to: f64) -> Self {
        let [start, end] = [from, to].map(|t| sde.marginal(t));
        let [level, next] = [start, end].map(|law| 0.5 * law.log_snr());
        let (alpha, sigma) = ([start.alpha, end.alpha], [start.sigma, end.sigma]);
        Self { alpha, sigma, level, h: next - level }
    }

    /// The time at which the share `r` of the step in `ℓ` is done.
    pub(super) fn time_at(&self, sde: &dyn Sde, r: f64) -> Result<f64, SamplingError> {
        Ok(sde.time_of_log_snr(2.0 * (self.level + r * self.h))?)
    }

    /// Whether one of the ends has no noise, so that `ℓ` is infinite there.
    pub(super) fn touches_data(&self) -> bool {
        !self.h.is_finite()
    }

    /// `κ = λ²` in the middle of the step.
    pub(super) fn kappa<F: Real>(
        block: &Block<'_, F>,
        from: f64,
        to: f64,
    ) -> Result<f64, SamplingError> {
        Ok(block.dynamics.lambda(0.5 * (from + to))?.powi(2))
    }
}

/// `out ← a x + b y`.
pub(super) fn combine<F: Real>(out: &mut Array2<F>, a: f64, x: &Array2<F>, b: f64, y: &Array2<F>) {
    let (a, b) = (F::of(a), F::of(b));
    Zip::from(out).and(x).and(y).for_each(|out, &x, &y| *out = a * x + b * y);
}

/// `x ← a x + b y`.
pub(super) fn update<F: Real>(x: &mut Array2<F>, a: f64, b: f64, y: &Array2<F>) {
    let (a, b) = (F::of(a), F::of(b));
    x.zip_mut_with(y, |x, &y| *x = a * *x + b * y);
}
