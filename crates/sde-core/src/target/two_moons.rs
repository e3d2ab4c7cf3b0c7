use std::f64::consts::PI;

use rand::RngExt;

use super::blurred_curves::{BlurredCurves, NOISE, Pace};
use super::{Target, TargetError};
use crate::StreamRng;

/// Two interleaved half circles in the plane with noise: `γ(θ) + s Z`, `θ` uniform on `[0, π]`, `Z`
/// standard normal, and each moon with probability ½.
///
/// The moons are `2·(cos θ − ½, sin θ − ¼)` and `2·(½ − cos θ, ¼ − sin θ)`: those of scikit-learn's
/// `make_moons` (Pedregosa et al., JMLR 12, 2011), centred and twice as large. The density is a
/// quadrature over `θ` with an error below 1e-9 of its largest value.
#[derive(Debug, Clone, PartialEq)]
pub struct TwoMoons {
    curves: BlurredCurves,
}

impl TwoMoons {
    /// The moons with noise of standard deviation `noise` in each coordinate, in the units of the
    /// points.
    ///
    /// # Errors
    /// If `noise` is not between 0.01 and 10.
    pub fn new(noise: f64) -> Result<Self, TargetError> {
        TargetError::check("moons", "noise", noise, NOISE)?;
        Ok(Self::with_noise(noise))
    }

    fn with_noise(noise: f64) -> Self {
        let pace = Pace { speed: 2.0 * PI, turn: PI };
        Self { curves: BlurredCurves::new(noise, 2, pace, Self::at, |_| 1.0) }
    }

    /// The place on moon 0 or 1 at the fraction `u` of its angles.
    fn at(moon: usize, u: f64) -> [f64; 2] {
        let (sin, cos) = (PI * u).sin_cos();
        let sign = if moon == 0 { 2.0 } else { -2.0 };
        [sign * (cos - 0.5), sign * (sin - 0.25)]
    }
}

/// Noise 0.2, a tenth of the radius.
impl Default for TwoMoons {
    fn default() -> Self {
        Self::with_noise(0.2)
    }
}

impl Target for TwoMoons {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let moon = rng.random_range(0..2);
        self.curves.draw(Self::at(moon, rng.random()), rng, point);
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        Some(self.curves.density(x))
    }
}
