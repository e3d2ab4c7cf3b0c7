use std::f64::consts::PI;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::{Target, TargetError};
use crate::StreamRng;

/// The factor from the coordinates in which a blade is Gaussian to those of the points.
const SCALE: f64 = 2.0;

/// A pinwheel in the plane: Gaussian blades, evenly spaced and twisted about the origin.
///
/// With `Y = (1 + s_r Z_1, s_t Z_2)`, `Z` standard normal, and a blade `k` of `n`, all equally likely, a
/// point is `X = 2 R(2πk/n + κ e^{|Y|}) Y`, where `R` rotates. The pinwheel of Johnson et al. (2016,
/// arXiv:1603.06277) turns by `κ e^{Y_1}`, which differs little as `s_t ≪ 1`, but folds over. A turn that
/// depends on `|Y|` alone is one-to-one and preserves area, so that the density is exact:
///
/// `p(x) = 1/(4n) Σ_k N(y_k; (1, 0), diag(s_r², s_t²))` with `y_k = R(−2πk/n − κ e^{|x|/2}) x/2`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pinwheel {
    blades: usize,
    stds: [f64; 2],
    rate: f64,
}

impl Pinwheel {
    /// `blades` blades of radial and tangential standard deviation `s_r` and `s_t`, in units of the
    /// radius of their centres, which is 2; `rate` is `κ`, in radians.
    ///
    /// # Errors
    /// If `blades` is not between 1 and 64, a standard deviation between 0.001 and 1, or `rate` between
    /// −10 and 10.
    pub fn new(
        blades: usize,
        radial_std: f64,
        tangential_std: f64,
        rate: f64,
    ) -> Result<Self, TargetError> {
        TargetError::check_count("pinwheel", "blades", blades, 1..=64)?;
        for (what, std) in [("radial std", radial_std), ("tangential std", tangential_std)] {
            TargetError::check("pinwheel", what, std, 1e-3..=1.0)?;
        }
        TargetError::check("pinwheel", "rate", rate, -10.0..=10.0)?;
        Ok(Self { blades, stds: [radial_std, tangential_std], rate })
    }

    /// The angle of blade `k` at `|Y| = radius`.
    fn angle(&self, blade: usize, radius: f64) -> f64 {
        2.0 * PI * blade as f64 / self.blades as f64 + self.rate * radius.exp()
    }
}

/// Five blades with `s_r = 0.3`, `s_t = 0.1` and `κ = ¼`, as in Johnson et al. (2016).
impl Default for Pinwheel {
    fn default() -> Self {
        Self { blades: 5, stds: [0.3, 0.1], rate: 0.25 }
    }
}

impl Target for Pinwheel {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let blade = rng.random_range(0..self.blades);
        let normals: [f64; 2] = [StandardNormal.sample(rng), StandardNormal.sample(rng)];
        let y = [1.0 + self.stds[0] * normals[0], self.stds[1] * normals[1]];
        let (sin, cos) = self.angle(blade, y[0].hypot(y[1])).sin_cos();
        point[0] = SCALE * (cos * y[0] - sin * y[1]);
        point[1] = SCALE * (sin * y[0] + cos * y[1]);
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        let [u, v] = [x[0] / SCALE, x[1] / SCALE];
        let radius = u.hypot(v);
        // Past this radius e^{−½ (|y| − 1)²} underflows whatever the angle, which would overflow.
        if radius > 100.0 {
            return Some(0.0);
        }
        let [radial, tangential] = self.stds;
        let blade = |blade| {
            let (sin, cos) = self.angle(blade, radius).sin_cos();
            let along = (cos * u + sin * v - 1.0) / radial;
            let across = (cos * v - sin * u) / tangential;
            (-0.5 * (along * along + across * across)).exp()
        };
        let peak = 1.0 / (2.0 * PI * radial * tangential * SCALE * SCALE);
        Some(peak * (0..self.blades).map(blade).sum::<f64>() / self.blades as f64)
    }
}
