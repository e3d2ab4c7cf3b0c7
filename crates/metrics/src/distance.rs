//! What is reported of a distance between two laws.

use crate::Histogram;

/// A distance between two laws, with what one must know to judge it.
#[derive(Debug, Clone, PartialEq)]
pub struct Distance {
    /// The value; each function says in what units.
    pub value: f64,
    /// Whether the value is the square of a distance.
    pub squared: bool,
    /// The numbers of points behind the two sides; `None` for a law given by its masses.
    pub n: [Option<u64>; 2],
    /// The standard error of the value where the method itself is random. That of the points is what
    /// [`Distance::interval`] tells.
    pub standard_error: Option<f64>,
    /// What the value would be by chance alone, on average, if both laws were the same.
    pub floor: Option<Floor>,
    /// A confidence interval for the distance between the laws behind the points.
    pub interval: Option<[f64; 2]>,
    /// The shares of the two masses that the value does not see because they lay outside the box.
    pub dropped: [f64; 2],
}

/// The mean of a distance between two sets of points drawn from the same law.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Floor {
    /// The mean, in the units of the value.
    pub mean: f64,
    /// Its standard error; zero where it is known in closed form.
    pub standard_error: f64,
}

impl Distance {
    /// A value without floor and interval, between laws of so many points.
    pub(crate) fn new(value: f64, squared: bool, n: [Option<u64>; 2]) -> Self {
        let (standard_error, floor, interval) = (None, None, None);
        Self { value, squared, n, standard_error, floor, interval, dropped: [0.0; 2] }
    }

    /// A value without floor and interval, between two histograms.
    pub(crate) fn of(value: f64, squared: bool, sides: [&Histogram; 2]) -> Self {
        let dropped = sides.map(Histogram::dropped);
        Self { dropped, ..Self::new(value, squared, sides.map(Histogram::points)) }
    }

    /// The distance itself: the square root of a value that is a square.
    pub fn root(&self) -> f64 {
        if self.squared { self.value.sqrt() } else { self.value }
    }

    /// The debiased estimate, `value - floor`: what is left when chance is taken out. `None` without a
    /// floor.
    ///
    /// It scatters about zero where the laws are the same, and may then be negative. Where they differ,
    /// the floor is not exactly what chance adds to the value, so that the estimate is not without bias.
    pub fn debiased(&self) -> Option<f64> {
        self.floor.map(|floor| self.value - floor.mean)
    }
}
