use std::f64::consts::PI;

use rand::RngExt;

use super::blurred_curves::{BlurredCurves, NOISE, Pace};
use super::{Target, TargetError};
use crate::StreamRng;

/// The radius at which the arms end.
const RADIUS: f64 = 3.0;

/// Spirals in the plane: `3 v (cos(2π(τ v + j/n)), sin(2π(τ v + j/n))) + s Z` for an arm `j` of `n`, all
/// equally likely, `Z` standard normal and `v = √U` with `U` uniform on `[0, 1]`, which spreads the mass
/// almost evenly along the arms.
///
/// With two arms of `τ = 3/2` turns these are, up to scale and noise, the "2 spirals" of Grathwohl et
/// al. (2019, FFJORD, arXiv:1810.01367). The density is a quadrature over `v` with an error below 1e-9
/// of its largest value.
#[derive(Debug, Clone, PartialEq)]
pub struct Spirals {
    arms: usize,
    turns: f64,
    curves: BlurredCurves,
}

impl Spirals {
    /// `arms` arms of `turns` turns each, with noise of standard deviation `noise` in each coordinate,
    /// in the units of the points.
    ///
    /// # Errors
    /// If `arms` is not between 1 and 16, `turns` between 0 and 10, or `noise` between 0.01 and 10.
    pub fn new(arms: usize, turns: f64, noise: f64) -> Result<Self, TargetError> {
        TargetError::check_count("spirals", "arms", arms, 1..=16)?;
        TargetError::check("spirals", "number of turns", turns, 0.0..=10.0)?;
        TargetError::check("spirals", "noise", noise, NOISE)?;
        Ok(Self::checked(arms, turns, noise))
    }

    fn checked(arms: usize, turns: f64, noise: f64) -> Self {
        let angle = 2.0 * PI * turns;
        // |γ'| = 3 √(1 + (2πτ v)²), and the tangent turns by at most 2 per radian.
        let pace = Pace { speed: RADIUS * angle.hypot(1.0), turn: 2.0 * angle };
        let at = |arm, v| place(arms, turns, arm, v);
        Self { arms, turns, curves: BlurredCurves::new(noise, arms, pace, at, |v| 2.0 * v) }
    }
}

/// The place on an arm at the fraction `v` of its radius.
fn place(arms: usize, turns: f64, arm: usize, v: f64) -> [f64; 2] {
    let (sin, cos) = (2.0 * PI * (turns * v + arm as f64 / arms as f64)).sin_cos();
    [RADIUS * v * cos, RADIUS * v * sin]
}

/// Two arms of one and a half turns with noise 0.12; neighbouring turns are 1 apart.
impl Default for Spirals {
    fn default() -> Self {
        Self::checked(2, 1.5, 0.12)
    }
}

impl Target for Spirals {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let arm = rng.random_range(0..self.arms);
        let v = rng.random::<f64>().sqrt();
        self.curves.draw(place(self.arms, self.turns, arm, v), rng, point);
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        Some(self.curves.density(x))
    }
}
