use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Serialize};

use super::checked_serde;
use super::unit_horizon::UnitHorizon;
use crate::{Marginal, Prior, Sde, SdeError};

/// The variance-preserving diffusion `dX = −½β X dt + √β dW` with the cosine schedule.
///
/// With `u = (π/2)(t + s)/(1 + s)` and `u₀` its value at 0: `α_t = cos u/cos u₀`, `σ_t² = 1 − α_t²` and
/// `β = −2 α'/α = (π/(1 + s)) tan u`, which is infinite at `t = 1`: the horizon `T` is below it. The prior is
/// `N(0, I)`. Defaults `s = 0.008` and `T = 0.9946`, where `α_T = 0.008`. Sources: Nichol and Dhariwal, *Improved
/// denoising diffusion probabilistic models*, ICML 2021; the horizon from Lu et al., *DPM-Solver*,
/// NeurIPS 2022.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Cosine {
    offset: f64,
    horizon: f64,
}

checked_serde!(Cosine);

impl Cosine {
    /// The schedule with offset `s` on `[0, horizon]`.
    ///
    /// # Errors
    /// If `offset` is not between 0 and 1, or the horizon not between 1e-6 and 0.999999.
    pub fn new(offset: f64, horizon: f64) -> Result<Self, SdeError> {
        Self { offset, horizon }.check()
    }

    fn check(self) -> Result<Self, SdeError> {
        SdeError::check("offset", 0.0..=1.0, "between 0 and 1", self.offset)?;
        UnitHorizon::new(self.horizon)?;
        Ok(self)
    }

    /// `u(t)`.
    fn angle(&self, t: f64) -> f64 {
        FRAC_PI_2 * (t + self.offset) / (1.0 + self.offset)
    }
}

impl Default for Cosine {
    fn default() -> Self {
        Self { offset: 0.008, horizon: 0.9946 }
    }
}

impl Sde for Cosine {
    fn horizon(&self) -> f64 {
        self.horizon
    }

    fn drift_rate(&self, t: f64) -> f64 {
        -FRAC_PI_2 / (1.0 + self.offset) * self.angle(t).tan()
    }

    fn diffusion(&self, t: f64) -> f64 {
        (-2.0 * self.drift_rate(t)).sqrt()
    }

    /// `σ² = 1 − cos²u/cos²u₀ = sin(u + u₀) sin(u − u₀)/cos²u₀`, which does not cancel as `t → 0`.
    fn marginal(&self, t: f64) -> Marginal {
        let (u, u_0) = (self.angle(t), self.angle(0.0));
        let difference = FRAC_PI_2 * t / (1.0 + self.offset);
        let sigma = ((u + u_0).sin() * difference.sin()).sqrt() / u_0.cos();
        Marginal { alpha: u.cos() / u_0.cos(), sigma }
    }

    fn prior(&self) -> Prior {
        Prior { std: 1.0 }
    }
}
