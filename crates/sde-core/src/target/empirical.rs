use ndarray::Array2;
use rand::RngExt;

use super::Target;
use crate::StreamRng;

/// The law that gives each of some points the same mass: data that stand for their own law.
#[derive(Debug, Clone, PartialEq)]
pub struct Empirical {
    points: Array2<f64>,
}

/// Why points make no law.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EmpiricalError {
    /// There are no points, or they have no components.
    #[error("there are no points: the array has shape {0:?}")]
    Empty([usize; 2]),
    /// A component is NaN or infinite.
    #[error("component {column} of point {row} is {value}")]
    NotFinite {
        /// The point, from 0.
        row: usize,
        /// The component, from 0.
        column: usize,
        /// What it is.
        value: f64,
    },
}

impl Empirical {
    /// The law of the rows of `points`, `[m, d]`.
    ///
    /// # Errors
    /// If there are none, or one is not finite.
    pub fn new(points: Array2<f64>) -> Result<Self, EmpiricalError> {
        if points.is_empty() {
            return Err(EmpiricalError::Empty([points.nrows(), points.ncols()]));
        }
        match points.indexed_iter().find(|(_, value)| !value.is_finite()) {
            Some(((row, column), &value)) => Err(EmpiricalError::NotFinite { row, column, value }),
            None => Ok(Self { points }),
        }
    }

    /// The points, `[m, d]`.
    pub fn points(&self) -> &Array2<f64> {
        &self.points
    }
}

impl Target for Empirical {
    fn dim(&self) -> usize {
        self.points.ncols()
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let row = rng.random_range(0..self.points.nrows());
        point.iter_mut().zip(self.points.row(row)).for_each(|(slot, &value)| *slot = value);
    }

    fn density(&self, _x: &[f64]) -> Option<f64> {
        None
    }
}
