//! Mass on the nodes of a square grid, counted from points or given.

use ndarray::{Array2, ArrayView2, Zip};
use num_traits::Float;
use thiserror::Error;

use crate::SquareGrid;

/// Why a [`Histogram`] could not be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum HistogramError {
    /// Points of the plane are the rows of a two-column array.
    #[error("points of the plane have 2 columns, not {columns}")]
    Columns {
        /// The number of columns found.
        columns: usize,
    },
    /// A point with a coordinate that is NaN or infinite.
    #[error("point {row} is ({x}, {y}), which is not finite")]
    Point {
        /// The row of the point.
        row: usize,
        /// Its first coordinate.
        x: f64,
        /// Its second coordinate.
        y: f64,
    },
    /// The array of masses is not of the grid's shape.
    #[error("masses have shape {found:?} on a grid of {nodes} nodes a side")]
    Shape {
        /// The number of nodes a side.
        nodes: usize,
        /// The shape found, rows then columns.
        found: [usize; 2],
    },
    /// A mass that is negative, NaN or infinite.
    #[error("the mass at row {row}, column {column} is {value}, not finite and non-negative")]
    Mass {
        /// The row (index along y).
        row: usize,
        /// The column (index along x).
        column: usize,
        /// The mass found.
        value: f64,
    },
    /// No mass on the grid: every mass is zero, or there is no point inside the box.
    #[error("no mass lies on the grid ({outside} points lie outside)")]
    Empty {
        /// The number of points that lay outside the box.
        outside: u64,
    },
    /// The masses are finite, their sum is not.
    #[error("the masses add up to more than the largest number")]
    Total,
}

/// Non-negative masses on the nodes of a [`SquareGrid`], with a positive sum.
///
/// The masses form an array of shape `[n, n]`: rows along y, columns along x, so that in memory x
/// runs fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    grid: SquareGrid,
    mass: Array2<f64>,
    outside: u64,
}

impl Histogram {
    /// Counts points, the rows `(x, y)` of an `[m, 2]` array, at their nearest nodes.
    ///
    /// A point outside the closed square of the nodes (`|x| > L` or `|y| > L`) is not moved to the
    /// border: it is left out, and counted by [`Histogram::outside`].
    ///
    /// # Errors
    ///
    /// [`HistogramError::Columns`] unless there are two columns, [`HistogramError::Point`] at the
    /// first point that is not finite, [`HistogramError::Empty`] when no point is inside.
    pub fn from_points<F>(
        grid: SquareGrid,
        points: ArrayView2<'_, F>,
    ) -> Result<Self, HistogramError>
    where
        F: Float + Into<f64>,
    {
        let columns = points.ncols();
        if columns != 2 {
            return Err(HistogramError::Columns { columns });
        }
        let nodes = grid.nodes();
        let mut counts = vec![0u64; nodes * nodes];
        let mut outside = 0;
        for (row, (&x, &y)) in points.column(0).iter().zip(points.column(1)).enumerate() {
            let (x, y): (f64, f64) = (x.into(), y.into());
            match (grid.nearest(x), grid.nearest(y)) {
                (Some(i), Some(j)) => counts[j * nodes + i] += 1,
                // Only a point outside can fail to be finite.
                _ if x.is_finite() && y.is_finite() => outside += 1,
                _ => return Err(HistogramError::Point { row, x, y }),
            }
        }
        let mass = Array2::from_shape_fn((nodes, nodes), |(j, i)| counts[j * nodes + i] as f64);
        Self::from_counts(grid, mass, outside)
    }

    /// Counts of points on the grid, `[n, n]`, and outside the box.
    pub(crate) fn from_counts(
        grid: SquareGrid,
        mass: Array2<f64>,
        outside: u64,
    ) -> Result<Self, HistogramError> {
        Self::with_total(Self { grid, mass, outside })
    }

    /// Takes the masses themselves, an `[n, n]` array with rows along y and columns along x.
    ///
    /// # Errors
    ///
    /// [`HistogramError::Shape`] unless the array is `[n, n]`, [`HistogramError::Mass`] at the
    /// first mass that is negative or not finite, [`HistogramError::Empty`] when all are zero,
    /// [`HistogramError::Total`] when their sum overflows.
    pub fn from_mass(grid: SquareGrid, mass: Array2<f64>) -> Result<Self, HistogramError> {
        let (nodes, (rows, columns)) = (grid.nodes(), mass.dim());
        if (rows, columns) != (nodes, nodes) {
            return Err(HistogramError::Shape { nodes, found: [rows, columns] });
        }
        let bad = |&(_, &value): &(_, &f64)| !(value >= 0.0 && value.is_finite());
        if let Some(((row, column), &value)) = mass.indexed_iter().find(bad) {
            return Err(HistogramError::Mass { row, column, value });
        }
        Self::with_total(Self { grid, mass, outside: 0 })
    }

    /// Lets a histogram pass whose sum can be divided by.
    fn with_total(self) -> Result<Self, HistogramError> {
        match self.total() {
            0.0 => Err(HistogramError::Empty { outside: self.outside }),
            total if total.is_finite() => Ok(self),
            _ => Err(HistogramError::Total),
        }
    }

    /// The grid the masses lie on.
    pub fn grid(&self) -> SquareGrid {
        self.grid
    }

    /// The masses, `[n, n]`, rows along y and columns along x; of points, their numbers.
    pub fn mass(&self) -> ArrayView2<'_, f64> {
        self.mass.view()
    }

    /// How many points were left out because they lay outside the box.
    pub fn outside(&self) -> u64 {
        self.outside
    }

    /// The sum of the masses; always positive and finite.
    pub fn total(&self) -> f64 {
        self.mass.sum()
    }

    /// The density `mass / (total h²)`, `[n, n]`, in units of one over length².
    ///
    /// Every node stands for a cell of area `h²`, those at the border included, so the densities
    /// times `h²` sum to 1.
    pub fn density(&self) -> Array2<f64> {
        let (total, h) = (self.total(), self.grid.spacing());
        Zip::from(&self.mass).map_collect(|mass| mass / total / (h * h))
    }
}
