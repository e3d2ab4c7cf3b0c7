use serde::{Deserialize, Serialize};

use crate::OrnsteinUhlenbeck;

/// The law of `X_t` given `X_0`: the Gaussian `N(α_t X_0, σ_t² I)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marginal {
    /// The factor `α_t` of the data.
    pub alpha: f64,
    /// The standard deviation `σ_t` of the noise.
    pub sigma: f64,
}

/// The law `π = N(0, std² I)` that the reverse processes start from at `t = T`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// The standard deviation of each component.
    pub std: f64,
}

impl Prior {
    /// `log π(x) = −½ |x|²/std² − ½ d log(2π std²)` with `d = x.len()`.
    pub fn log_density(&self, x: &[f64]) -> f64 {
        let variance = self.std * self.std;
        let squares: f64 = x.iter().map(|x| x * x).sum();
        -0.5 * (squares / variance + x.len() as f64 * (2.0 * std::f64::consts::PI * variance).ln())
    }
}

/// A forward diffusion `dX = a(t) X dt + g(t) dW` on `[0, T]`, from data at 0 to noise at `T`.
///
/// The drift is linear in `x`, `f(x, t) = a(t) x`, so that the transition from time 0 is Gaussian;
/// `α_t` and `σ_t` solve `α' = a α` and `(σ²)' = 2 a σ² + g²` with `α_0 = 1`, `σ_0 = 0`.
/// All quantities are in units of the data and of the diffusion's own time.
pub trait Sde: Send + Sync {
    /// The horizon `T`.
    fn horizon(&self) -> f64;

    /// The rate `a(t)` of the drift `f(x, t) = a(t) x`; its divergence is `∇·f = d·a(t)`.
    fn drift_rate(&self, t: f64) -> f64;

    /// The diffusion coefficient `g(t)`.
    fn diffusion(&self, t: f64) -> f64;

    /// `α_t` and `σ_t` of the transition from time 0.
    fn marginal(&self, t: f64) -> Marginal;

    /// The prior `π` at `T`.
    fn prior(&self) -> Prior;
}

/// Why a diffusion was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SdeError {
    /// The horizon is out of its range.
    #[error("the horizon T of a diffusion must be between 1e-6 and 1e6, but is {0:?}")]
    Horizon(f64),
}

/// The diffusions that configuration files and checkpoints can name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Diffusion {
    /// See [`OrnsteinUhlenbeck`].
    OrnsteinUhlenbeck(OrnsteinUhlenbeck),
}

impl Default for Diffusion {
    fn default() -> Self {
        Self::OrnsteinUhlenbeck(OrnsteinUhlenbeck::default())
    }
}

impl Diffusion {
    fn as_sde(&self) -> &dyn Sde {
        match self {
            Self::OrnsteinUhlenbeck(sde) => sde,
        }
    }
}

impl Sde for Diffusion {
    fn horizon(&self) -> f64 {
        self.as_sde().horizon()
    }

    fn drift_rate(&self, t: f64) -> f64 {
        self.as_sde().drift_rate(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.as_sde().diffusion(t)
    }

    fn marginal(&self, t: f64) -> Marginal {
        self.as_sde().marginal(t)
    }

    fn prior(&self) -> Prior {
        self.as_sde().prior()
    }
}
