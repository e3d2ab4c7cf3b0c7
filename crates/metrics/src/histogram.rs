//! Mass on the places of a regular grid, counted from points or given.

use ndarray::{ArrayD, ArrayView2, ArrayViewD, IxDyn};
use num_traits::Float;
use thiserror::Error;

use crate::Grid;

/// Points whose places are found together, one coordinate after the other.
const BLOCK: usize = 512;

/// Stands for the place of a point that is in no cell.
const OUTSIDE: usize = usize::MAX;

/// Why a [`Histogram`] could not be made.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum HistogramError {
    /// Points are the rows of an array with as many columns as the grid has axes.
    #[error("points have {columns} columns on a grid of {dim} dimensions")]
    Columns {
        /// The number of columns found.
        columns: usize,
        /// The dimension of the grid.
        dim: usize,
    },
    /// A point with a coordinate that is NaN or infinite.
    #[error("row {row}, column {column} of the points is {value}, which is not finite")]
    Point {
        /// The row of the point.
        row: usize,
        /// The coordinate, from 0.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// The array of masses is not of the grid's shape.
    #[error("masses have shape {found:?} on a grid of shape {expected:?}")]
    Shape {
        /// The shape of arrays over the grid.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// A mass that is negative, NaN or infinite.
    #[error("the mass at {index:?} is {value}, not finite and non-negative")]
    Mass {
        /// The index of the mass in its array.
        index: Vec<usize>,
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

/// Two histograms that cannot be compared place by place.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("the histograms lie on different grids, {:?} and {:?}", .0[0], .0[1])]
pub struct GridMismatch(pub Box<[Grid; 2]>);

/// The grid that two histograms lie on.
pub(crate) fn common_grid(first: &Histogram, second: &Histogram) -> Result<Grid, GridMismatch> {
    let grids = [first.grid(), second.grid()];
    if grids[0] == grids[1] { Ok(grids[0]) } else { Err(GridMismatch(Box::new(grids))) }
}

/// Non-negative masses on the places of a [`Grid`], with a positive sum.
///
/// The masses form an array of shape [`Grid::shape`]: `[n_y, n_x]` in the plane, rows along y and columns
/// along x, so that in memory x runs fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    grid: Grid,
    /// In standard layout.
    mass: ArrayD<f64>,
    /// How many points were counted, if any, those outside included.
    points: Option<u64>,
    outside: u64,
}

impl Histogram {
    /// Counts points, the rows of an `[m, d]` array, at their nearest places.
    ///
    /// A point outside the closed box of the grid is not moved to the border: it is left out, and
    /// counted by [`Histogram::outside`].
    ///
    /// # Errors
    ///
    /// [`HistogramError::Columns`] unless there is a column for each axis, [`HistogramError::Point`] at
    /// the first point that is not finite, [`HistogramError::Empty`] when no point is inside.
    pub fn from_points<F>(grid: Grid, points: ArrayView2<'_, F>) -> Result<Self, HistogramError>
    where
        F: Float + Into<f64>,
    {
        let (columns, dim) = (points.ncols(), grid.dim());
        if columns != dim {
            return Err(HistogramError::Columns { columns, dim });
        }
        let mut counts = vec![0u64; grid.len()];
        let mut outside = 0;
        let mut places = [0; BLOCK];
        for (block, points) in points.axis_chunks_iter(ndarray::Axis(0), BLOCK).enumerate() {
            let places = &mut places[..points.nrows()];
            places.fill(0);
            for (column, axis) in points.columns().into_iter().zip(grid.axes()).rev() {
                for (place, &x) in places.iter_mut().zip(column) {
                    *place = match axis.nearest(x.into()) {
                        Some(i) if *place != OUTSIDE => *place * axis.len() + i,
                        _ => OUTSIDE,
                    };
                }
            }
            for (row, &place) in places.iter().enumerate() {
                if place != OUTSIDE {
                    counts[place] += 1;
                } else if let Some(column) = points.row(row).iter().position(|x| !x.is_finite()) {
                    // Only a point outside can fail to be finite.
                    let (row, value) = (block * BLOCK + row, points[[row, column]].into());
                    return Err(HistogramError::Point { row, column, value });
                } else {
                    outside += 1;
                }
            }
        }
        let mut mass = ArrayD::zeros(IxDyn(&grid.shape()));
        mass.iter_mut().zip(counts).for_each(|(mass, count)| *mass = count as f64);
        Self::from_counts(grid, mass, outside)
    }

    /// Counts of points on the grid, in standard layout, and outside the box.
    pub(crate) fn from_counts(
        grid: Grid,
        mass: ArrayD<f64>,
        outside: u64,
    ) -> Result<Self, HistogramError> {
        let points = Some(mass.sum() as u64 + outside);
        Self { grid, mass, points, outside }.with_total()
    }

    /// Takes the masses themselves, an array of shape [`Grid::shape`].
    ///
    /// # Errors
    ///
    /// [`HistogramError::Shape`] unless the array has the grid's shape, [`HistogramError::Mass`] at the
    /// first mass that is negative or not finite, [`HistogramError::Empty`] when all are zero,
    /// [`HistogramError::Total`] when their sum overflows.
    pub fn from_mass<D: ndarray::Dimension>(
        grid: Grid,
        mass: ndarray::Array<f64, D>,
    ) -> Result<Self, HistogramError> {
        let (expected, found) = (grid.shape(), mass.shape().to_vec());
        if found != expected {
            return Err(HistogramError::Shape { expected, found });
        }
        let mass = mass.into_dyn().as_standard_layout().into_owned();
        let bad = |&(_, &value): &(IxDyn, &f64)| !(value >= 0.0 && value.is_finite());
        if let Some((index, &value)) = mass.indexed_iter().find(bad) {
            let index = ndarray::Dimension::slice(&index).to_vec();
            return Err(HistogramError::Mass { index, value });
        }
        Self { grid, mass, points: None, outside: 0 }.with_total()
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
    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// The masses, of shape [`Grid::shape`] and in standard layout; of points, their numbers.
    pub fn mass(&self) -> ArrayViewD<'_, f64> {
        self.mass.view()
    }

    /// The masses in the order of memory, the first coordinate fastest.
    pub(crate) fn masses(&self) -> &[f64] {
        // The layout is standard by construction.
        self.mass.as_slice().unwrap_or_default()
    }

    /// How many points were counted, those outside the box included; `None` for given masses.
    pub fn points(&self) -> Option<u64> {
        self.points
    }

    /// How many points were left out because they lay outside the box.
    pub fn outside(&self) -> u64 {
        self.outside
    }

    /// The share of the points that lay outside the box, of 1; zero for given masses.
    pub fn dropped(&self) -> f64 {
        self.points.map_or(0.0, |points| self.outside as f64 / points as f64)
    }

    /// The sum of the masses; always positive and finite.
    pub fn total(&self) -> f64 {
        self.mass.sum()
    }

    /// The density `mass / (total v)`, of the grid's shape, in units of one over the volume, with `v` the
    /// volume of a cell ([`Grid::cell_volume`]).
    ///
    /// Every place stands for a whole cell, nodes at the border included, so that the densities times
    /// `v` sum to 1.
    pub fn density(&self) -> ArrayD<f64> {
        let (total, volume) = (self.total(), self.grid.cell_volume());
        self.mass.mapv(|mass| mass / total / volume)
    }
}
