use serde::{Deserialize, Serialize};

use super::checked_serde;
use crate::sde::check_log_snr;
use crate::{Marginal, Prior, Sde, SdeError};

/// The schedule `β(t) = b₀ + (b₁ − b₀) t` on `[0, 1]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
struct LinearSchedule {
    beta_min: f64,
    beta_max: f64,
}

checked_serde!(LinearSchedule);

impl Default for LinearSchedule {
    fn default() -> Self {
        Self { beta_min: 0.1, beta_max: 20.0 }
    }
}

impl LinearSchedule {
    fn check(self) -> Result<Self, SdeError> {
        let rule = "between 1e-6 and 1e6";
        SdeError::check("beta_min", 1e-6..=1e6, rule, self.beta_min)?;
        SdeError::check("beta_max", 1e-6..=1e6, rule, self.beta_max)?;
        Ok(self)
    }

    fn rate(&self, t: f64) -> f64 {
        self.beta_min + t * (self.beta_max - self.beta_min)
    }

    /// `B(t) = ∫_0^t β = b₀ t + ½(b₁ − b₀) t²`.
    fn integral(&self, t: f64) -> f64 {
        t * (self.beta_min + 0.5 * t * (self.beta_max - self.beta_min))
    }

    /// The time in `[0, 1]` at which the integral has this value: the root of a quadratic, in the form that
    /// does not cancel.
    fn time_of_integral(&self, value: f64) -> f64 {
        let slope = self.beta_max - self.beta_min;
        let root = (self.beta_min * self.beta_min + 2.0 * slope * value).max(0.0).sqrt();
        (2.0 * value / (self.beta_min + root)).min(1.0)
    }
}

/// The variance-preserving diffusion `dX = −½β X dt + √β dW` on `[0, 1]` with the linear schedule
/// `β(t) = b₀ + (b₁ − b₀) t`.
///
/// `α_t = e^{−B/2}` and `σ_t² = 1 − e^{−B}` with `B(t) = ∫_0^t β`; the prior is `N(0, I)`. Defaults `b₀ = 0.1`,
/// `b₁ = 20`. Source: Song et al., *Score-based generative modeling through stochastic differential
/// equations*, ICLR 2021, the limit of Ho et al., *Denoising diffusion probabilistic models*, NeurIPS 2020.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VariancePreserving(LinearSchedule);

impl VariancePreserving {
    /// The diffusion with `β` from `beta_min` at 0 to `beta_max` at 1.
    ///
    /// # Errors
    /// If one is not between 1e-6 and 1e6.
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, SdeError> {
        LinearSchedule { beta_min, beta_max }.check().map(Self)
    }
}

impl Sde for VariancePreserving {
    fn horizon(&self) -> f64 {
        1.0
    }

    fn drift_rate(&self, t: f64) -> f64 {
        -0.5 * self.0.rate(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.0.rate(t).sqrt()
    }

    fn marginal(&self, t: f64) -> Marginal {
        let integral = self.0.integral(t);
        Marginal { alpha: (-0.5 * integral).exp(), sigma: (-(-integral).exp_m1()).sqrt() }
    }

    fn prior(&self) -> Prior {
        Prior { std: 1.0 }
    }

    /// From `e^B = 1 + e^{−λ}`.
    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        check_log_snr(self.marginal(1.0), log_snr)?;
        Ok(self.0.time_of_integral((-log_snr).exp().ln_1p()))
    }
}

/// The sub-variance-preserving diffusion `dX = −½β X dt + √(β (1 − e^{−2B})) dW` on `[0, 1]` with the
/// linear schedule `β(t) = b₀ + (b₁ − b₀) t` and `B(t) = ∫_0^t β`.
///
/// `α_t = e^{−B/2}` and `σ_t = 1 − e^{−B}`, below that of [`VariancePreserving`] at all times; the prior is
/// `N(0, I)`. Defaults `b₀ = 0.1`, `b₁ = 20`. Source: Song et al., ICLR 2021.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubVariancePreserving(LinearSchedule);

impl SubVariancePreserving {
    /// The diffusion with `β` from `beta_min` at 0 to `beta_max` at 1.
    ///
    /// # Errors
    /// If one is not between 1e-6 and 1e6.
    pub fn new(beta_min: f64, beta_max: f64) -> Result<Self, SdeError> {
        LinearSchedule { beta_min, beta_max }.check().map(Self)
    }
}

impl Sde for SubVariancePreserving {
    fn horizon(&self) -> f64 {
        1.0
    }

    fn drift_rate(&self, t: f64) -> f64 {
        -0.5 * self.0.rate(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        (-self.0.rate(t) * (-2.0 * self.0.integral(t)).exp_m1()).sqrt()
    }

    fn marginal(&self, t: f64) -> Marginal {
        let integral = self.0.integral(t);
        Marginal { alpha: (-0.5 * integral).exp(), sigma: -(-integral).exp_m1() }
    }

    fn prior(&self) -> Prior {
        Prior { std: 1.0 }
    }

    /// From `σ/α = e^{B/2} − e^{−B/2} = 2 sinh(B/2)`.
    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        check_log_snr(self.marginal(1.0), log_snr)?;
        let ratio = (-0.5 * log_snr).exp();
        Ok(self.0.time_of_integral(2.0 * (0.5 * ratio).asinh()))
    }
}
