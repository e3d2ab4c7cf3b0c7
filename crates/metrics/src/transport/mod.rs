//! Exact squared Wasserstein-2 between two histograms on one grid.

mod certificate;
mod lattice;
mod masses;
mod prices;
mod simplex;
mod start;
mod tree;

use ndarray::Array2;
use thiserror::Error;

use crate::{Histogram, SquareGrid};
use certificate::certified_cost;
use lattice::Lattice;
use masses::Masses;

pub use certificate::{CertificateError, Layer};

/// The most nodes a side for which the integers of [`squared_w2`] are sure not to overflow and
/// rounding moves at most 2⁻⁴⁰ of the mass.
pub const LARGEST_GRID: usize = 1024;

/// The most nodes a side for which the dual prices are sure to fit into 32 bits.
const LARGEST_NARROW_GRID: usize = 128;

const _: () = assert!(simplex::price_range(LARGEST_NARROW_GRID) <= (i32::MAX >> 3) as i64);
const _: () = assert!(simplex::price_range(LARGEST_GRID) <= i64::MAX >> 3);

/// Why there is no distance between two histograms.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TransportError {
    /// The histograms lie on different grids.
    #[error("the histograms lie on different grids, {first:?} and {second:?}")]
    Grids {
        /// The grid of the first histogram.
        first: SquareGrid,
        /// The grid of the second histogram.
        second: SquareGrid,
    },
    /// The grid has more than [`LARGEST_GRID`] nodes a side.
    #[error("a grid of {nodes} nodes a side is too large, at most {LARGEST_GRID} are possible")]
    GridTooLarge {
        /// The number of nodes a side.
        nodes: usize,
    },
    /// The solver took more pivots than it should ever need; an internal inconsistency.
    #[error("the simplex method was stopped after {pivots} pivots")]
    Pivots {
        /// The number of pivots taken.
        pivots: u64,
    },
    /// The solution failed the check of its optimality; an internal inconsistency.
    #[error("the solution of the transport problem is not optimal")]
    Certificate(#[from] CertificateError),
}

/// The optimum of a transport problem between two histograms, of which optimality was verified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ExactTransport {
    /// The squared Wasserstein-2 distance, in units of length².
    pub squared_w2: f64,
    /// The number of pivots the simplex method took.
    pub pivots: u64,
    /// An upper bound on the part of the mass, of 1, that was moved by rounding the histograms to
    /// integers, both histograms together. Zero where none was rounded, at most 2⁻⁴⁰ otherwise.
    pub rounding: f64,
}

impl ExactTransport {
    /// The Wasserstein-2 distance itself, in units of length.
    pub fn w2(&self) -> f64 {
        self.squared_w2.sqrt()
    }
}

/// A transport problem in integers: row-major masses of a common positive total.
struct Problem {
    lattice: Lattice,
    masses: Masses,
}

/// Mass sent along one line of the grid: from index `from` to index `to` of line `line`.
struct Move {
    line: usize,
    from: usize,
    to: usize,
    mass: i64,
}

/// A flow and dual prices of the three layers, by place and independent of how they were found.
struct Solution {
    /// Moves along x, `line` being the row.
    rows: Vec<Move>,
    /// Moves along y, `line` being the column.
    columns: Vec<Move>,
    /// Dual prices of the layers in the order of [`Layer`], rows along y and columns along x.
    prices: [Array2<i64>; 3],
    pivots: u64,
}

/// The exact squared Wasserstein-2 distance between two histograms on the same grid,
///
/// ```text
/// W₂² = min Σ π(a, b) |a - b|²   over π ≥ 0 with Σ_b π(a, b) = μ(a),  Σ_a π(a, b) = ν(b),
/// ```
///
/// in units of length². Each histogram is first divided by its total, so the totals may differ.
///
/// The squared distance is a sum over the two axes, so mass may travel along its row first and
/// along the column of its goal then: a flow from supplies `(y, x)` through middle nodes
/// `(y, x')` to demands `(y', x')`, with `2 n³` arcs in place of `n⁴` (Auricchio, Bassetti,
/// Gualandi and Veneroni, *Computing Kantorovich–Wasserstein distances on d-dimensional
/// histograms using (d+1)-partite graphs*, NeurIPS 2018). A primal network simplex method solves
/// it in integers. Before a value is returned, the flow and the dual prices are checked, in
/// integers and by code that knows nothing of the solver, to be feasible on all nodes and arcs and
/// of equal value, which proves both optimal.
///
/// Histograms of whole numbers with equal totals below 2⁵³ are taken as they are. All others are
/// rounded to multiples of 2⁻⁶⁰ of their totals; [`ExactTransport::rounding`] bounds the mass this
/// moves, and that times the squared diameter of the grid, `8 L²`, bounds what it does to the
/// value. The value itself is the quotient of two integers, rounded to `f64`, times `h²`.
///
/// # Errors
///
/// [`TransportError::Grids`] if the grids differ, [`TransportError::GridTooLarge`] beyond
/// [`LARGEST_GRID`] nodes a side. [`TransportError::Pivots`] and [`TransportError::Certificate`]
/// would tell of an error in the solver: a value that is not proven is not returned.
pub fn squared_w2(first: &Histogram, second: &Histogram) -> Result<ExactTransport, TransportError> {
    let grid = first.grid();
    if grid != second.grid() {
        return Err(TransportError::Grids { first: grid, second: second.grid() });
    }
    let nodes = grid.nodes();
    if nodes > LARGEST_GRID {
        return Err(TransportError::GridTooLarge { nodes });
    }
    let masses = Masses::new(first.mass(), second.mass());
    let problem = Problem { lattice: Lattice::new(nodes), masses };
    let solution = if nodes <= LARGEST_NARROW_GRID {
        simplex::solve::<i32>(&problem)?
    } else {
        simplex::solve::<i64>(&problem)?
    };
    let cost = certified_cost(&problem, &solution)?;
    let h = grid.spacing();
    Ok(ExactTransport {
        squared_w2: cost as f64 / problem.masses.total as f64 * (h * h),
        pivots: solution.pivots,
        rounding: problem.masses.rounding,
    })
}

#[cfg(test)]
mod examples {
    use super::{Lattice, Masses, Problem};

    /// Problems with zeros, ties and whole rows or columns without mass, on small grids.
    pub(super) fn problems() -> impl Iterator<Item = Problem> {
        (0..60usize).map(|k| {
            let n = 2 + k % 7;
            let lines = |i: usize, gap: usize| !(i + k).is_multiple_of(gap + 2);
            let mut supply: Vec<i64> = (0..n * n)
                .map(|i| if lines(i / n, k % 3) { (i * (k + 3) % 5) as i64 } else { 0 })
                .collect();
            let mut demand: Vec<i64> = (0..n * n)
                .map(|i| if lines(i % n, k % 4) { (i * i * (k + 1) % 4) as i64 } else { 0 })
                .collect();
            let short = supply.iter().sum::<i64>() - demand.iter().sum::<i64>();
            supply[k % (n * n)] += 1 + (-short).max(0);
            demand[3 * k % (n * n)] += 1 + short.max(0);
            let total = supply.iter().sum();
            let masses = Masses { supply, demand, total, rounding: 0.0 };
            Problem { lattice: Lattice::new(n), masses }
        })
    }
}
