//! Exact transport between histograms on one grid.

use ndarray::Array2;

use super::cost::GridCosts;
use super::lattice::Lattice;
use super::network::Price;
use super::parcels::follow;
use super::points::solve_pairs;
use super::simplex::{Optimum, solve};
use super::start::corner_tree;
use super::{ExactTransport, TransportError};
use crate::histogram::common_grid;
use crate::masses::Masses;
use crate::{Axis, Distance, GroundCost, Histogram};

/// The most places of a grid for which the integers of [`transport_separable`] are sure not to overflow and
/// rounding moves at most 2⁻⁴⁰ of the mass: 2²⁰, such as 1024 × 1024.
pub const LARGEST_GRID: usize = 1 << 20;

/// The exact squared Wasserstein-2 distance between two histograms on one grid,
///
/// ```text
/// W₂² = min Σ π(a, b) |a - b|²   over π ≥ 0 with Σ_b π(a, b) = μ(a),  Σ_a π(a, b) = ν(b),
/// ```
///
/// in units of length²: [`transport_grid`] with [`GroundCost::SquaredEuclidean`].
///
/// # Errors
///
/// As [`transport_grid`].
pub fn squared_w2(first: &Histogram, second: &Histogram) -> Result<ExactTransport, TransportError> {
    transport_grid(first, second, GroundCost::SquaredEuclidean)
}

/// The exact optimal transport between two histograms on the same grid, of one, two or three axes,
///
/// ```text
/// min Σ π(a, b) c(a, b)   over π ≥ 0 with Σ_b π(a, b) = μ(a),  Σ_a π(a, b) = ν(b).
/// ```
///
/// Each histogram is first divided by its total, so the totals may differ.
///
/// For the squared and the Manhattan cost see [`transport_separable`], which takes any sum over the axes:
/// here their integers are exact where all spacings agree. The Euclidean cost is no such sum; with it
/// the places are taken as points, and `N` of them have `N²` costs of 8 bytes each.
///
/// # Errors
///
/// As [`transport_separable`]; [`TransportError::TooManyCosts`] for the Euclidean cost on a grid of more
/// than 2¹⁴ places.
pub fn transport_grid(
    first: &Histogram,
    second: &Histogram,
    cost: GroundCost,
) -> Result<ExactTransport, TransportError> {
    let grid = first.grid();
    let costs = |power| move |steps| GridCosts::powers(&grid, power, steps);
    match cost {
        GroundCost::SquaredEuclidean => solve_layers(first, second, costs(2), true),
        GroundCost::Manhattan => solve_layers(first, second, costs(1), false),
        GroundCost::Euclidean => {
            common_grid(first, second)?;
            let places: Vec<Vec<f64>> = (0..grid.len()).map(|place| grid.place(place)).collect();
            let between = |a: usize, b: usize| cost.between(&places[a], &places[b]);
            let masses = Masses::normalised(first.masses(), second.masses());
            solve_pairs(&masses, between, |value| Distance::of(value, false, [first, second]))
        }
    }
}

/// The exact optimal transport between two histograms on the same grid, of one, two or three axes, for a
/// cost that is a sum over the axes, `c(a, b) = Σ_k c_k(a_k, b_k)`.
///
/// `tables` holds an array for each axis, that of the first coordinate first: entry `[i, j]` is the cost
/// of going from place `i` to place `j` along it. Costs are finite; they may be negative and need not be
/// symmetric.
///
/// As the cost is a sum over the axes, mass may travel along one after the other: a flow through `d + 1`
/// layers of the `N` places, with `N Σ n_k` arcs in place of `N²` (Auricchio, Bassetti, Gualandi and
/// Veneroni, *Computing Kantorovich–Wasserstein distances on d-dimensional histograms using
/// (d+1)-partite graphs*, NeurIPS 2018). A primal network simplex method solves it in integers. Before a
/// value is returned, plan and potentials are checked, in integers and by code that knows nothing of the
/// solver, to be feasible and of equal value, which proves both optimal.
///
/// Histograms of whole numbers with equal totals below 2⁵³ are taken as they are. All others are
/// rounded to multiples of 2⁻⁶⁰ of their totals; [`ExactTransport::rounding`] bounds the mass this
/// moves. Costs are rounded to multiples of at most 2⁻³⁸ of their range, see
/// [`ExactTransport::cost_rounding`].
///
/// # Errors
///
/// [`TransportError::Grids`] if the grids differ, [`TransportError::GridTooLarge`] beyond
/// [`LARGEST_GRID`] places, [`TransportError::CostTables`], [`TransportError::Cost`] and
/// [`TransportError::CostRange`] for tables of wrong shape or numbers that cannot be scaled.
/// [`TransportError::Pivots`] and [`TransportError::Certificate`] would tell of an error in the solver:
/// a value that is not proven is not returned.
pub fn transport_separable(
    first: &Histogram,
    second: &Histogram,
    tables: &[Array2<f64>],
) -> Result<ExactTransport, TransportError> {
    let grid = first.grid();
    solve_layers(first, second, |steps| GridCosts::tables(&grid, tables, steps), false)
}

/// Solves with costs of which as many as given may add up on a path of the tree.
fn solve_layers(
    first: &Histogram,
    second: &Histogram,
    costs: impl Fn(usize) -> Result<GridCosts, TransportError>,
    squared: bool,
) -> Result<ExactTransport, TransportError> {
    let grid = common_grid(first, second)?;
    let places = grid.len();
    if places > LARGEST_GRID {
        return Err(TransportError::GridTooLarge { places });
    }
    let lattice = Lattice::new(grid.axes().iter().map(Axis::len).collect());
    // On a path of a tree costs add up at the nodes between the first and the last layer only.
    let steps = (lattice.dim() - 1) * places + 1;
    let costs = costs(steps)?;
    let masses = Masses::normalised(first.masses(), second.masses());
    let largest = costs.axes.iter().flat_map(|axis| &axis.values).copied().max().unwrap_or(0);
    let Optimum { flow, prices, pivots } =
        if largest * (steps as i64 + 1) <= i64::from(i32::MAX >> 3) {
            optimum::<i32>(&lattice, &costs, &masses)?
        } else {
            optimum::<i64>(&lattice, &costs, &masses)?
        };
    let supply: Vec<i64> = (0..places).map(|node| masses.supply[lattice.place(node)]).collect();
    let plan = follow(&supply, &lattice.layers(), flow, |node| lattice.place(node));
    let prices: Vec<Option<i64>> =
        (0..places).map(|place| prices[lattice.node(0, place)]).collect();
    let distance = |value| Distance::of(value, squared, [first, second]);
    ExactTransport::new(&costs, &masses, plan, &prices, pivots, distance)
}

fn optimum<P: Price>(
    lattice: &Lattice,
    costs: &GridCosts,
    masses: &Masses,
) -> Result<Optimum, TransportError> {
    let used = lattice.in_use(&masses.supply, &masses.demand);
    let network = lattice.network::<P>(costs, &used);
    let start = corner_tree(lattice, &network, &used, masses);
    solve(&network, &start)
}
