//! Histograms on a square grid, and the exact Wasserstein-2 distance between two of them.
//!
//! A [`Histogram`] counts points of the plane at the nearest nodes of a [`SquareGrid`] (or takes
//! masses as they are); [`squared_w2`] is the optimum of the transport problem between two of
//! them, solved in integers and returned only with a verified certificate of optimality.
//! [`Histogram::resample`] and [`bootstrap_interval`] say how far chance alone would move it.
//!
//! ```
//! use fokker_metrics::{Histogram, SquareGrid, squared_w2};
//! use ndarray::array;
//!
//! let grid = SquareGrid::new(5, 2.0)?;
//! let here = Histogram::from_points(grid, array![[0.1, 0.0], [-1.0, 0.2]].view())?;
//! let there = Histogram::from_points(grid, array![[1.0, 0.0], [0.0, 0.0], [9.0, 0.0]].view())?;
//! assert_eq!((there.total(), there.outside()), (2.0, 1));
//! assert_eq!(squared_w2(&here, &there)?.squared_w2, 1.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod grid;
mod histogram;
mod resample;
mod transport;

pub use grid::{GridError, SquareGrid};
pub use histogram::{Histogram, HistogramError};
pub use resample::bootstrap_interval;
pub use transport::{
    CertificateError, ExactTransport, LARGEST_GRID, Layer, TransportError, squared_w2,
};
