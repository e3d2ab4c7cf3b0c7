//! Distances between sets of points by sums over all pairs of points.
//!
//! With a function `k(x, y)` of the distance between two points, the sets `x` of `n` and `y` of `m` points
//! are compared by
//!
//! ```text
//! V = n⁻² Σ_ij k(x_i, x_j) + m⁻² Σ_ij k(y_i, y_j) − 2 (nm)⁻¹ Σ_ij k(x_i, y_j),
//! ```
//!
//! a V-statistic: the pairs `i = j` count. For a positive definite `k`, and for `k = −|x − y|`, it is the
//! squared distance between the two empirical measures and so never negative. If both sets are
//! independent draws from one law, its mean is exactly
//!
//! ```text
//! E V = (1/n + 1/m) (k(0) − E k(X, X')),
//! ```
//!
//! where `X` and `X'` are two independent points of the law, as only pairs `i = j` do not cancel: the
//! noise floor. The mean of `k` is estimated from all pairs of the pooled points, without bias under
//! equality. Taking the floor away leaves an unbiased estimate of zero in this case, which for the pairs
//! of each set alone would be the U-statistic.

mod energy;
mod exp2;
mod mmd;

use ndarray::ArrayView2;
use num_traits::Float;
use rayon::prelude::*;
use thiserror::Error;

use crate::points::check;
use crate::{Distance, Floor, PointsError};

pub use energy::squared_energy_distance;
pub use mmd::{median_bandwidth, squared_mmd};

/// Rows of the table of pairs that are summed as one piece of work.
const ROWS: usize = 64;

/// Columns that are summed at once, so few that their coordinates stay in the fastest memory.
const COLUMNS: usize = 512;

/// Partial sums that are kept side by side.
const LANES: usize = 8;

/// Why there is no distance by sums over pairs of points.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum PairwiseError {
    /// The points of the two sides cannot be used.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// The points are finite, the distance between them, for a kernel in bandwidths, is not.
    #[error("the points are so far apart that their distance is more than the largest number")]
    TooFar,
    /// No bandwidth is given.
    #[error("a kernel needs at least one bandwidth")]
    NoBandwidth,
    /// A bandwidth that is not finite and positive.
    #[error("bandwidth {index} is {value}, not finite and positive")]
    Bandwidth {
        /// Its index.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// At least half of the pairs of points coincide, so that the median of their distances is no length.
    #[error("the median of the distances between the points is zero")]
    Coincident,
}

/// Points, coordinate by coordinate.
struct Points {
    /// Of shape `[d, n]`.
    coordinates: Vec<f64>,
    len: usize,
}

impl Points {
    /// Takes the rows of an `[n, d]` array in a unit that is a power of two.
    fn new<F: Float + Into<f64>>(points: &ArrayView2<'_, F>, unit: f64) -> Self {
        let coordinates = points.t().iter().map(|&x| x.into() / unit).collect();
        Self { coordinates, len: points.nrows() }
    }
}

/// The largest power of two up to a positive number, but within 2^±1000: dividing by it is exact.
fn power_of_two(x: f64) -> f64 {
    // The exponent alone.
    let power = f64::from_bits(x.to_bits() & f64::INFINITY.to_bits());
    power.clamp((-1000f64).exp2(), 1000f64.exp2())
}

/// The largest coordinate, without its sign, of two sets of points that can be compared.
fn largest<F>(sides: [&ArrayView2<'_, F>; 2]) -> Result<f64, PairwiseError>
where
    F: Float + Into<f64>,
{
    check(sides[0].view(), sides[1].view())?;
    let coordinates = sides.into_iter().flat_map(|points| points.iter());
    Ok(coordinates.map(|&x| x.into().abs()).fold(0.0, f64::max))
}

/// The V-statistic of a function of the distance, and its noise floor.
///
/// Takes the function as its value at the distance 0 and its sum over a slice of squared distances.
fn compare([x, y]: &[Points; 2], at_zero: f64, sum: impl Fn(&[f64]) -> f64 + Sync) -> [f64; 2] {
    let [n, m] = [x.len as f64, y.len as f64];
    let within = [x, y].map(|set| sum_pairs(set, set, |row| row + 1, &sum));
    let between = sum_pairs(x, y, |_| 0, &sum);
    let per_point = 1.0 / n + 1.0 / m;
    let means = [within[0] / (n * n), within[1] / (m * m), between / (n * m)];
    let value = per_point * at_zero + 2.0 * (means[0] + means[1] - means[2]);
    let pairs = 0.5 * (n + m) * (n + m - 1.0);
    let pooled = (within[0] + within[1] + between) / pairs;
    [value, per_point * (at_zero - pooled)]
}

/// A value with its floor. Neither is negative: what rounding makes so is zero.
fn distance(n: [usize; 2], [value, floor]: [f64; 2]) -> Distance {
    let floor = Some(Floor { mean: floor.max(0.0), standard_error: 0.0 });
    Distance { floor, ..Distance::new(value.max(0.0), true, n.map(|n| Some(n as u64))) }
}

/// The sum of a function over the pairs `(i, j)` with `j ≥ first(i)`, given by its sum over a slice of
/// squared distances.
///
/// The order of summation does not depend on the number of threads.
fn sum_pairs(
    x: &Points,
    y: &Points,
    first: impl Fn(usize) -> usize + Sync,
    sum: impl Fn(&[f64]) -> f64 + Sync,
) -> f64 {
    let blocks = (0..x.len.div_ceil(ROWS)).into_par_iter().map(|block| {
        let rows = block * ROWS..((block + 1) * ROWS).min(x.len);
        let mut squares = [0.0; COLUMNS];
        let mut total = 0.0;
        for start in (first(rows.start) / COLUMNS * COLUMNS..y.len).step_by(COLUMNS) {
            let end = (start + COLUMNS).min(y.len);
            for row in rows.clone() {
                let start = start.max(first(row));
                if start >= end {
                    break;
                }
                let squares = &mut squares[..end - start];
                square_distances(x, row, y, start, squares);
                total += sum(squares);
            }
        }
        total
    });
    blocks.collect::<Vec<f64>>().iter().sum()
}

/// The squared distances of point `row` of `x` from the points of `y` from `start` on.
#[inline]
fn square_distances(x: &Points, row: usize, y: &Points, start: usize, squares: &mut [f64]) {
    squares.fill(0.0);
    let axes = x.coordinates.chunks_exact(x.len).zip(y.coordinates.chunks_exact(y.len));
    for (xs, ys) in axes {
        let here = xs[row];
        for (square, there) in squares.iter_mut().zip(&ys[start..]) {
            let difference = there - here;
            *square += difference * difference;
        }
    }
}

/// The sum of a function over a slice, with partial sums side by side for the sake of vectors.
#[inline]
fn sum_over(values: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for chunk in chunks {
        for (lane, &value) in lanes.iter_mut().zip(chunk) {
            *lane += f(value);
        }
    }
    lanes.iter().sum::<f64>() + rest.iter().map(|&value| f(value)).sum::<f64>()
}
