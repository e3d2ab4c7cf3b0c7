use std::fmt::{Debug, Display};
use std::iter::Sum;

use num_traits::{Float, FromPrimitive, NumAssign};

/// The floating-point types in which scores are evaluated and particles move: `f32` and `f64`.
///
/// Distances, densities and accumulated sums are `f64` throughout the workspace; this trait is for
/// what runs per particle.
pub trait Real:
    Float + FromPrimitive + NumAssign + Sum + Debug + Display + Default + Send + Sync + 'static
{
    /// Rounds `value` to this type.
    fn of(value: f64) -> Self;

    /// This number as an `f64`, without rounding.
    fn wide(self) -> f64;
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as f32
    }

    fn wide(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn wide(self) -> f64 {
        self
    }
}
