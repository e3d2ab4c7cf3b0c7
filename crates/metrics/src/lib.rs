//! Distances between laws: exact where that is possible, with bounds and uncertainty everywhere.
//!
//! A [`Histogram`] counts points, or takes masses, on a [`Grid`] of one to three axes. Every function that
//! compares two laws returns a [`Distance`]: the value, whether it is a square, the numbers of points, the
//! noise floor where it is known, an interval if there is one, and the share of mass that was not seen.
//!
//! | between | function | what |
//! | --- | --- | --- |
//! | histograms | [`squared_w2`], [`transport_grid`], [`transport_separable`] | exact transport, proven optimal, with plan and potentials |
//! | histograms | [`Sinkhorn::histograms`] | debiased entropic transport on large grids, with bounds of the optimum |
//! | histograms | [`total_variation`], [`jensen_shannon`], [`kullback_leibler`], [`squared_hellinger`] | place by place |
//! | points | [`transport_points`], [`transport_costs`] | exact transport, thousands against thousands, any costs |
//! | points | [`Sinkhorn::points`], [`sliced_wasserstein`] | estimates for many points |
//! | points | [`squared_energy_distance`], [`squared_mmd`] | sums over pairs |
//! | points on a line | [`wasserstein_line`], [`line_plan`] | exact, any number |
//!
//! [`noise_floor`] says what a distance between histograms would be by chance alone, [`bootstrap`] gives an
//! interval, and [`Distance::debiased`] takes the floor away.
//!
//! ```
//! use fokker_metrics::{Grid, Histogram, squared_w2};
//! use ndarray::array;
//!
//! let grid = Grid::square(5, 2.0)?;
//! let here = Histogram::from_points(grid, array![[0.1, 0.0], [-1.0, 0.2]].view())?;
//! let there = Histogram::from_points(grid, array![[1.0, 0.0], [0.0, 0.0], [9.0, 0.0]].view())?;
//! assert_eq!((there.total(), there.outside()), (2.0, 1));
//! let found = squared_w2(&here, &there)?;
//! assert_eq!((found.distance.value, found.distance.dropped), (1.0, [0.0, 1.0 / 3.0]));
//! assert!(found.plan().iter().all(|entry| entry.to == entry.from + 1));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod distance;
mod divergence;
mod grid;
mod ground_cost;
mod histogram;
mod line;
mod masses;
mod pairwise;
mod plan;
mod points;
mod resample;
mod sinkhorn;
mod sliced;
mod transport;
mod uncertainty;

pub use distance::{Distance, Floor};
pub use divergence::{
    DivergenceError, jensen_shannon, kullback_leibler, squared_hellinger, total_variation,
};
pub use grid::{Axis, Grid, GridError};
pub use ground_cost::GroundCost;
pub use histogram::{GridMismatch, Histogram, HistogramError};
pub use line::{LineError, LineTransport, line_plan, wasserstein_line};
pub use masses::{MassError, Side};
pub use pairwise::{PairwiseError, median_bandwidth, squared_energy_distance, squared_mmd};
pub use plan::PlanEntry;
pub use points::PointsError;
pub use sinkhorn::{Epsilon, Sinkhorn, SinkhornDivergence, SinkhornError};
pub use sliced::{SlicedError, sliced_wasserstein};
pub use transport::{
    CertificateError, ExactTransport, LARGEST_COSTS, LARGEST_GRID, TransportError, squared_w2,
    transport_costs, transport_grid, transport_points, transport_separable,
};
pub use uncertainty::{
    UncertaintyError, bootstrap, bootstrap_interval, noise_floor, w1_noise_floor,
};
