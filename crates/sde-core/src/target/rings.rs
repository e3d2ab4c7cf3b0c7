use std::f64::consts::PI;

use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use super::{Mode, Target};
use crate::StreamRng;

/// Concentric rings in the plane: a radius `R ~ N(m_k, s²)` for a ring `k` chosen with equal
/// probability, and an angle uniform on `[0, 2π)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rings {
    radii: Vec<f64>,
    std: f64,
}

impl Rings {
    /// Two rings, radius `2·N(0.65, 0.1²)` or `2·N(1.4, 0.1²)` with probability ½ each.
    pub fn circles() -> Self {
        Self { radii: vec![2.0 * 0.65, 2.0 * 1.4], std: 2.0 * 0.1 }
    }

    /// One ring, radius `2·N(1, 0.1²)`.
    pub fn ring() -> Self {
        Self { radii: vec![2.0], std: 2.0 * 0.1 }
    }
}

impl Target for Rings {
    fn dim(&self) -> usize {
        2
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let mean = self.radii[rng.random_range(0..self.radii.len())];
        let normal: f64 = StandardNormal.sample(rng);
        let radius = mean + self.std * normal;
        let (sin, cos) = (2.0 * PI * rng.random::<f64>()).sin_cos();
        point[0] = radius * cos;
        point[1] = radius * sin;
    }

    /// `p(x) = (q(r) + q(−r)) / (2π r)` with `r = |x|` and `q` the density of `R`; a negative radius
    /// is the point opposite. Infinite at the origin.
    fn density(&self, x: &[f64]) -> Option<f64> {
        let r = x[0].hypot(x[1]);
        let q = |r: f64| {
            let sum: f64 =
                self.radii.iter().map(|m| (-0.5 * ((r - m) / self.std).powi(2)).exp()).sum();
            sum / (self.radii.len() as f64 * self.std * (2.0 * PI).sqrt())
        };
        Some((q(r) + q(-r)) / (2.0 * PI * r))
    }

    /// The ring of the nearest radius, if there are several; rings have no edge.
    fn mode(&self, x: &[f64]) -> Option<Mode> {
        if self.radii.len() < 2 {
            return None;
        }
        let r = x[0].hypot(x[1]);
        let distances = self.radii.iter().map(|m| (r - m).abs()).enumerate();
        let (index, _) = distances.min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Mode { index, count: self.radii.len(), distance: 0.0 })
    }
}
