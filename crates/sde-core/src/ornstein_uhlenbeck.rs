use serde::{Deserialize, Serialize};

use crate::{Marginal, Prior, Sde, SdeError};

/// The Ornstein–Uhlenbeck process `dX = −X dt + dW` on `[0, T]`.
///
/// `α_t = e^{−t}`, `σ_t² = ½ (1 − e^{−2t})`; the prior is its stationary law `N(0, ½ I)`.
/// With `T = 10`, the default, this is the forward process of Deveney et al. (2025),
/// doi 10.1098/rsta.2024.0503.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct OrnsteinUhlenbeck {
    horizon: f64,
}

/// What a file holds; reading it goes through the check of [`OrnsteinUhlenbeck::new`].
#[derive(Serialize, Deserialize)]
#[serde(rename = "OrnsteinUhlenbeck", deny_unknown_fields)]
struct Fields {
    horizon: f64,
}

impl TryFrom<Fields> for OrnsteinUhlenbeck {
    type Error = SdeError;

    fn try_from(fields: Fields) -> Result<Self, SdeError> {
        Self::new(fields.horizon)
    }
}

impl From<OrnsteinUhlenbeck> for Fields {
    fn from(sde: OrnsteinUhlenbeck) -> Self {
        Self { horizon: sde.horizon }
    }
}

impl OrnsteinUhlenbeck {
    /// `T = 10`, as in Deveney et al. (2025).
    pub const PAPER: Self = Self { horizon: 10.0 };

    /// The process on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 1e6.
    pub fn new(horizon: f64) -> Result<Self, SdeError> {
        if (1e-6..=1e6).contains(&horizon) {
            Ok(Self { horizon })
        } else {
            Err(SdeError::Horizon(horizon))
        }
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
        -1.0
    }

    fn diffusion(&self, _t: f64) -> f64 {
        1.0
    }

    fn marginal(&self, t: f64) -> Marginal {
        let alpha = (-t).exp();
        // expm1 keeps σ_t accurate as t → 0, where 1 − e^{−2t} would cancel.
        let variance =
            if t < 0.5 { -0.5 * (-2.0 * t).exp_m1() } else { 0.5 * (1.0 - alpha * alpha) };
        Marginal { alpha, sigma: variance.sqrt() }
    }

    fn prior(&self) -> Prior {
        Prior { std: 0.5_f64.sqrt() }
    }
}
