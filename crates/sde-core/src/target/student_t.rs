use std::f64::consts::PI;

use rand_distr::{ChiSquared, Distribution, StandardNormal};

use super::{Target, TargetError};
use crate::StreamRng;

/// The isotropic Student-t law in `d` dimensions: `X = s Z / √(C/ν)` with `Z` standard normal and `C` of
/// the χ² law with `ν` degrees of freedom, one for all coordinates. Its tails fall as `|x|^{−ν−d}`, so
/// that only moments of order below `ν` exist.
///
/// `p(x) = Γ((ν+d)/2) / (Γ(ν/2) (νπ s²)^{d/2}) (1 + |x|²/(ν s²))^{−(ν+d)/2}`; Kotz & Nadarajah,
/// Multivariate t Distributions and Their Applications (2004), equation 1.1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StudentT {
    dim: usize,
    degrees: f64,
    scale: f64,
}

impl StudentT {
    /// The law in `dim` dimensions with `degrees` degrees of freedom and scale `scale`, in the units of
    /// the points.
    ///
    /// # Errors
    /// If there is no dimension, `degrees` is not between 0.25 and 1e6, or `scale` between 1e-6 and 1e6:
    /// with fewer degrees of freedom points are too far out for numbers, with more the law is normal.
    pub fn new(dim: usize, degrees: f64, scale: f64) -> Result<Self, TargetError> {
        let target = "Student-t";
        TargetError::check_count(target, "dimensions", dim, 1..=usize::MAX)?;
        TargetError::check(target, "number of degrees of freedom", degrees, 0.25..=1e6)?;
        TargetError::check(target, "scale", scale, 1e-6..=1e6)?;
        Ok(Self { dim, degrees, scale })
    }

    /// `log p(x)`, for `x` of `d` entries.
    pub fn log_density(&self, x: &[f64]) -> f64 {
        let (half_dim, half_degrees) = (0.5 * self.dim as f64, 0.5 * self.degrees);
        let spread = self.degrees * self.scale * self.scale;
        let squares: f64 = x.iter().map(|x| x * x).sum();
        libm::lgamma(half_degrees + half_dim)
            - libm::lgamma(half_degrees)
            - half_dim * (PI * spread).ln()
            - (half_degrees + half_dim) * (squares / spread).ln_1p()
    }
}

/// In the plane with 3 degrees of freedom and scale 0.8, which leaves 5 % of the mass outside of the
/// circle of radius 3.5.
impl Default for StudentT {
    fn default() -> Self {
        Self { dim: 2, degrees: 3.0, scale: 0.8 }
    }
}

impl Target for StudentT {
    fn dim(&self) -> usize {
        self.dim
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        // The χ² law exists for all degrees of freedom that the constructor allows.
        let chi_squared = ChiSquared::new(self.degrees).map_or(f64::NAN, |law| law.sample(rng));
        let factor = self.scale / (chi_squared / self.degrees).sqrt();
        for x in point.iter_mut() {
            let normal: f64 = StandardNormal.sample(rng);
            *x = factor * normal;
        }
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        Some(self.log_density(x).exp())
    }
}
