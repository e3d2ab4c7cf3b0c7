//! Histograms on a square grid.
//!
//! ```
//! use fokker_metrics::{Histogram, SquareGrid};
//! use ndarray::array;
//!
//! let grid = SquareGrid::new(5, 2.0)?;
//! let points = array![[1.0, 0.0], [0.0, 0.0], [9.0, 0.0]];
//! let histogram = Histogram::from_points(grid, points.view())?;
//! assert_eq!((histogram.total(), histogram.outside()), (2.0, 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod grid;
mod histogram;

pub use grid::{GridError, SquareGrid};
pub use histogram::{Histogram, HistogramError};
