use std::sync::Arc;

use rand::RngExt;

use super::{Mode, Standardisation, Target};
use crate::{BatchError, StreamRng};

/// A law with uniform noise on `[0, width)` added to each component, anew at every draw.
///
/// Counts and pixels are whole numbers, and a law on them has no density; with noise as wide as their
/// steps it has one that is constant on each cell, and rounding down gives the whole numbers back. Source:
/// Uria, Murray and Larochelle, *RNADE: the real-valued neural autoregressive density-estimator*, NIPS
/// 2013, section 4.2.
#[derive(Debug, Clone, PartialEq)]
pub struct Dequantised<T> {
    /// The law without noise.
    pub law: T,
    /// The width of the noise, in the units of the points; with 0 there is none.
    pub width: f64,
}

impl<T: Target> Target for Dequantised<T> {
    fn dim(&self) -> usize {
        self.law.dim()
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        self.law.draw(rng, point);
        if self.width > 0.0 {
            point.iter_mut().for_each(|x| *x += self.width * rng.random::<f64>());
        }
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        // With noise it would be an integral over a cube.
        if self.width > 0.0 { None } else { self.law.density(x) }
    }
}

/// The law of `(X − mean)/scale` for `X` of another law.
pub struct Standardised {
    law: Arc<dyn Target>,
    map: Standardisation,
    /// `Π scale_i`, by which densities grow.
    volume: f64,
}

impl Standardised {
    /// The law of what `map` makes of points of `law`.
    ///
    /// # Errors
    /// If the two differ in dimension.
    pub fn new(law: Arc<dyn Target>, map: Standardisation) -> Result<Self, BatchError> {
        BatchError::check("standardisation", &[law.dim()], &[map.dim()])?;
        let volume = map.scale().iter().product();
        Ok(Self { law, map, volume })
    }
}

impl Target for Standardised {
    fn dim(&self) -> usize {
        self.law.dim()
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        self.law.draw(rng, point);
        self.map.standardise_point(point);
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        let mut point = x.to_vec();
        self.map.restore_point(&mut point);
        self.law.density(&point).map(|density| density * self.volume)
    }

    /// That of the point in the units of the law, and its distance there.
    fn mode(&self, x: &[f64]) -> Option<Mode> {
        let mut point = x.to_vec();
        self.map.restore_point(&mut point);
        self.law.mode(&point)
    }
}
