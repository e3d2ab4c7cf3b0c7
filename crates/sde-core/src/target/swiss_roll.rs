use std::f64::consts::PI;

use rand::RngExt;

use super::blurred_curves::{BlurredCurves, NOISE, Pace};
use super::{Target, TargetError};
use crate::StreamRng;

/// The first and last angle of the roll; its inner end is at a third of the radius.
const ANGLES: [f64; 2] = [1.5 * PI, 4.5 * PI];
/// The radius of the outer end.
const RADIUS: f64 = 3.0;

/// The Swiss roll in the plane: `c θ (cos θ, sin θ) + s Z` with `θ` uniform on `[3π/2, 9π/2]`, `Z`
/// standard normal, and `c = 3/(9π/2)`, so that the roll without its noise lies in `[−3, 3]²`.
///
/// The curve is that of Marsland, Machine Learning: An Algorithmic Perspective (2nd edition, 2014),
/// chapter 6, without its third axis. The density is a quadrature over `θ` with an error below 1e-9 of
/// its largest value.
#[derive(Debug, Clone, PartialEq)]
pub struct SwissRoll {
    curve: BlurredCurves,
}

impl SwissRoll {
    /// The roll with noise of standard deviation `noise` in each coordinate, in the units of the points.
    ///
    /// # Errors
    /// If `noise` is not between 0.01 and 10.
    pub fn new(noise: f64) -> Result<Self, TargetError> {
        TargetError::check("Swiss roll", "noise", noise, NOISE)?;
        Ok(Self::with_noise(noise))
    }

    fn with_noise(noise: f64) -> Self {
        let span = ANGLES[1] - ANGLES[0];
        // |γ'| = c √(1 + θ²) per radian, and the tangent turns by less than 2 per radian.
        let speed = span * RADIUS / ANGLES[1] * ANGLES[1].hypot(1.0);
        let pace = Pace { speed, turn: 2.0 * span };
        Self { curve: BlurredCurves::new(noise, 1, pace, |_, u| Self::at(u), |_| 1.0) }
    }

    /// The place on the roll at the fraction `u` of its angles.
    fn at(u: f64) -> [f64; 2] {
        let angle = ANGLES[0] + u * (ANGLES[1] - ANGLES[0]);
        let radius = RADIUS * angle / ANGLES[1];
        [radius * angle.cos(), radius * angle.sin()]
    }
}

/// Noise 0.12; the turns are 4/3 apart.
impl Default for SwissRoll {
    fn default() -> Self {
        Self::with_noise(0.12)
    }
}

impl Target for SwissRoll {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        self.curve.draw(Self::at(rng.random()), rng, point);
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        Some(self.curve.density(x))
    }
}
