use serde::{Deserialize, Serialize};

use super::checked_serde;
use super::unit_horizon::UnitHorizon;
use crate::sde::check_log_snr;
use crate::{Marginal, Prior, Sde, SdeError};

/// The variance-exploding diffusion `dX = g dW` on `[0, 1]` with geometric noise levels.
///
/// With `r = σ_max/σ_min`: `g² = 2 σ_min² r^{2t} log r`, `α = 1` and `σ_t² = σ_min² (r^{2t} − 1)`. The prior is
/// `N(0, σ_max² I)`. Defaults `σ_min = 0.01`, `σ_max = 50`. Source: Song et al., *Score-based generative
/// modeling through stochastic differential equations*, ICLR 2021.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct VarianceExploding {
    sigma_min: f64,
    sigma_max: f64,
}

checked_serde!(VarianceExploding);

impl VarianceExploding {
    /// The diffusion with noise levels from `sigma_min` to `sigma_max`.
    ///
    /// # Errors
    /// If one is not between 1e-6 and 1e6, or the second is not above the first.
    pub fn new(sigma_min: f64, sigma_max: f64) -> Result<Self, SdeError> {
        Self { sigma_min, sigma_max }.check()
    }

    fn check(self) -> Result<Self, SdeError> {
        let rule = "between 1e-6 and 1e6";
        SdeError::check("sigma_min", 1e-6..=1e6, rule, self.sigma_min)?;
        SdeError::check("sigma_max", 1e-6..=1e6, rule, self.sigma_max)?;
        if self.sigma_max <= self.sigma_min {
            let (what, rule) = ("sigma_max", "above sigma_min");
            return Err(SdeError::Parameter { what, rule, value: self.sigma_max });
        }
        Ok(self)
    }

    /// `log r`.
    fn log_ratio(&self) -> f64 {
        (self.sigma_max / self.sigma_min).ln()
    }
}

impl Default for VarianceExploding {
    fn default() -> Self {
        Self { sigma_min: 0.01, sigma_max: 50.0 }
    }
}

impl Sde for VarianceExploding {
    fn horizon(&self) -> f64 {
        1.0
    }

    fn drift_rate(&self, _t: f64) -> f64 {
        0.0
    }

    fn diffusion(&self, t: f64) -> f64 {
        let log_ratio = self.log_ratio();
        self.sigma_min * (t * log_ratio).exp() * (2.0 * log_ratio).sqrt()
    }

    fn marginal(&self, t: f64) -> Marginal {
        let sigma = self.sigma_min * (2.0 * t * self.log_ratio()).exp_m1().sqrt();
        Marginal { alpha: 1.0, sigma }
    }

    fn prior(&self) -> Prior {
        Prior { std: self.sigma_max }
    }

    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        check_log_snr(self.marginal(1.0), log_snr)?;
        let ratio = (-0.5 * log_snr).exp() / self.sigma_min;
        Ok(((ratio * ratio).ln_1p() / (2.0 * self.log_ratio())).min(1.0))
    }
}

/// The variance-exploding diffusion `dX = √2 w_t dW` with `w_t = 1/(1 − t)`.
///
/// `α = 1` and `σ_t² = 2t/(1 − t)`, infinite at `t = 1`: the horizon `T` is below it. The prior is
/// `N(0, σ_T² I)`. Default `T = 0.999`, where `σ_T = 44.7`. Source: Coste, *Flow models I: Diffusion models*
/// (2023).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hyperbolic(UnitHorizon);

impl Hyperbolic {
    /// The diffusion on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 0.999999.
    pub fn new(horizon: f64) -> Result<Self, SdeError> {
        UnitHorizon::new(horizon).map(Self)
    }
}

impl Sde for Hyperbolic {
    fn horizon(&self) -> f64 {
        self.0.horizon
    }

    fn drift_rate(&self, _t: f64) -> f64 {
        0.0
    }

    fn diffusion(&self, t: f64) -> f64 {
        std::f64::consts::SQRT_2 / (1.0 - t)
    }

    fn marginal(&self, t: f64) -> Marginal {
        Marginal { alpha: 1.0, sigma: (2.0 * t / (1.0 - t)).sqrt() }
    }

    fn prior(&self) -> Prior {
        Prior { std: self.marginal(self.0.horizon).sigma }
    }

    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        check_log_snr(self.marginal(self.0.horizon), log_snr)?;
        let variance = (-log_snr).exp();
        Ok((variance / (2.0 + variance)).min(self.0.horizon))
    }
}

/// The variance-exploding diffusion `dX = √(2t) dW`, whose time is its noise level: `α = 1`, `σ_t = t`.
///
/// The prior is `N(0, T² I)`. Default `T = 80`. Source: Karras et al., *Elucidating the design space of
/// diffusion-based generative models* (EDM), NeurIPS 2022.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Edm {
    horizon: f64,
}

checked_serde!(Edm);

impl Edm {
    /// The diffusion on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 1e6.
    pub fn new(horizon: f64) -> Result<Self, SdeError> {
        Self { horizon }.check()
    }

    fn check(self) -> Result<Self, SdeError> {
        SdeError::check("horizon T", 1e-6..=1e6, "between 1e-6 and 1e6", self.horizon)?;
        Ok(self)
    }
}

impl Default for Edm {
    fn default() -> Self {
        Self { horizon: 80.0 }
    }
}

impl Sde for Edm {
    fn horizon(&self) -> f64 {
        self.horizon
    }

    fn drift_rate(&self, _t: f64) -> f64 {
        0.0
    }

    fn diffusion(&self, t: f64) -> f64 {
        (2.0 * t).sqrt()
    }

    fn marginal(&self, t: f64) -> Marginal {
        Marginal { alpha: 1.0, sigma: t }
    }

    fn prior(&self) -> Prior {
        Prior { std: self.horizon }
    }

    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        check_log_snr(self.marginal(self.horizon), log_snr)?;
        Ok((-0.5 * log_snr).exp().min(self.horizon))
    }
}
