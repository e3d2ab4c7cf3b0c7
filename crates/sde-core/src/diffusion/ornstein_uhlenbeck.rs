use serde::{Deserialize, Serialize};

use super::checked_serde;
use crate::sde::check_log_snr;
use crate::{Marginal, Prior, Sde, SdeError};

/// The Ornstein–Uhlenbeck process `dX = −θ X dt + γ dW` on `[0, T]`.
///
/// `α_t = e^{−θt}`, `σ_t² = γ²/(2θ) (1 − e^{−2θt})`; the prior is its stationary law `N(0, γ²/(2θ) I)`.
/// With `θ = γ = 1` and `T = 10`, the default, this is the forward process of Deveney et al. (2025),
/// doi 10.1098/rsta.2024.0503. Source: Uhlenbeck and Ornstein, *On the theory of the Brownian motion*,
/// Physical Review 36 (1930).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct OrnsteinUhlenbeck {
    horizon: f64,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    rate: f64,
    #[serde(default = "one", skip_serializing_if = "is_one")]
    noise: f64,
}

checked_serde!(OrnsteinUhlenbeck);

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    *value == 1.0
}

impl OrnsteinUhlenbeck {
    /// `θ = γ = 1` and `T = 10`, as in Deveney et al. (2025).
    pub const PAPER: Self = Self { horizon: 10.0, rate: 1.0, noise: 1.0 };

    /// `θ = γ = 1` and `T = 4`: by then `α = 0.018` is left of the data, as little as sampling needs.
    pub const SHORT: Self = Self { horizon: 4.0, rate: 1.0, noise: 1.0 };

    /// The process with `θ = γ = 1` on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 1e6.
    pub fn new(horizon: f64) -> Result<Self, SdeError> {
        Self { horizon, ..Self::PAPER }.check()
    }

    /// This process with the rate `θ` of the drift and the coefficient `γ` of the noise.
    ///
    /// # Errors
    /// If one is not between 1e-6 and 1e6.
    pub fn with_coefficients(self, rate: f64, noise: f64) -> Result<Self, SdeError> {
        Self { rate, noise, ..self }.check()
    }

    fn check(self) -> Result<Self, SdeError> {
        let parameters = [("horizon T", self.horizon), ("rate", self.rate), ("noise", self.noise)];
        for (what, value) in parameters {
            SdeError::check(what, 1e-6..=1e6, "between 1e-6 and 1e6", value)?;
        }
        Ok(self)
    }

    /// `γ²/(2θ)`.
    fn stationary_variance(&self) -> f64 {
        0.5 * self.noise * self.noise / self.rate
    }
}

impl Default for OrnsteinUhlenbeck {
    fn default() -> Self {
        Self::PAPER
    }
}

impl Sde for OrnsteinUhlenbeck {
    fn horizon(&self) -> f64 {
        self.horizon
    }

    fn drift_rate(&self, _t: f64) -> f64 {
        -self.rate
    }

    fn diffusion(&self, _t: f64) -> f64 {
        self.noise
    }

    fn marginal(&self, t: f64) -> Marginal {
        let (t, variance) = (self.rate * t, self.stationary_variance());
        let alpha = (-t).exp();
        // expm1 keeps σ_t accurate as t → 0, where 1 − e^{−2t} would cancel.
        let variance = if t < 0.5 {
            -variance * (-2.0 * t).exp_m1()
        } else {
            variance * (1.0 - alpha * alpha)
        };
        Marginal { alpha, sigma: variance.sqrt() }
    }

    fn prior(&self) -> Prior {
        Prior { std: self.stationary_variance().sqrt() }
    }

    /// From `e^{2θt} = 1 + e^{−λ}/(γ²/2θ)`.
    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        check_log_snr(self.marginal(self.horizon), log_snr)?;
        let t = ((-log_snr).exp() / self.stationary_variance()).ln_1p() / (2.0 * self.rate);
        Ok(t.min(self.horizon))
    }
}
