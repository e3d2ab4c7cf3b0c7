//! Exact transport between two sets of points, or for a matrix of costs.

use std::borrow::Cow;

use ndarray::ArrayView2;

use super::cost::PairCosts;
use super::network::{Fan, Network};
use super::parcels::follow;
use super::simplex::{Optimum, solve};
use super::start::greedy_tree;
use super::{ExactTransport, TransportError};
use crate::masses::Masses;
use crate::points::{self, check};
use crate::{Distance, GroundCost};

/// The most pairs of points, 2²⁸: 16 384 against as many. Each takes 8 bytes.
pub const LARGEST_COSTS: usize = 1 << 28;

/// Heads that are compared in one go.
const FAN: usize = 512;

/// The exact optimal transport between two sets of points, the rows of `[n, d]` and `[m, d]` arrays.
///
/// `weights` are the masses of the points, `n` and `m` of them with equal sums; without them all points of
/// a set have the same mass, and `n` and `m` may differ. The cost is exact to
/// [`ExactTransport::cost_rounding`], at most 2⁻⁴⁸ of the largest for sets of up to 8000 points.
///
/// Time grows a little faster than `n m`; memory is 8 bytes for each of the `n m` pairs.
///
/// # Errors
///
/// [`TransportError::Points`] for points or weights that cannot be used, and as [`transport_costs`].
pub fn transport_points(
    first: ArrayView2<'_, f64>,
    second: ArrayView2<'_, f64>,
    weights: Option<[&[f64]; 2]>,
    cost: GroundCost,
) -> Result<ExactTransport, TransportError> {
    check(first, second)?;
    let ((n, d), (m, _)) = (first.dim(), second.dim());
    let [first, second] = [first, second].map(|points| points.iter().copied().collect::<Vec<_>>());
    let between = |i: usize, j: usize| cost.between(&first[i * d..][..d], &second[j * d..][..d]);
    let distance = |value| Distance::new(value, cost.is_squared(), counts(n, m, weights));
    solve_pairs(&points::masses(n, m, weights)?, between, distance)
}

/// The exact optimal transport for any costs: entry `[i, j]` of the `[n, m]` matrix is what it costs to
/// move a unit of mass from point `i` of the first side to point `j` of the second.
///
/// A primal network simplex method solves the problem in integers, and the optimum is verified as in
/// [`transport_grid`](crate::transport_grid). `weights` are as in [`transport_points`].
///
/// # Errors
///
/// [`TransportError::Cost`] for a cost that is not finite, [`TransportError::CostRange`] for costs that
/// cannot be scaled, [`TransportError::TooManyCosts`] beyond [`LARGEST_COSTS`],
/// [`TransportError::Points`] for weights that cannot be used.
pub fn transport_costs(
    costs: ArrayView2<'_, f64>,
    weights: Option<[&[f64]; 2]>,
) -> Result<ExactTransport, TransportError> {
    let (n, m) = costs.dim();
    let distance = |value| Distance::new(value, false, counts(n, m, weights));
    solve_pairs(&points::masses(n, m, weights)?, |i, j| costs[[i, j]], distance)
}

/// The numbers of points, where they are what the masses are made of.
fn counts(n: usize, m: usize, weights: Option<[&[f64]; 2]>) -> [Option<u64>; 2] {
    [n, m].map(|count| weights.is_none().then_some(count as u64))
}

/// Solves for the costs between all pairs.
pub(super) fn solve_pairs(
    masses: &Masses,
    cost: impl Fn(usize, usize) -> f64,
    distance: impl Fn(f64) -> Distance,
) -> Result<ExactTransport, TransportError> {
    let (n, m) = (masses.supply.len(), masses.demand.len());
    if n.checked_mul(m).is_none_or(|pairs| pairs > LARGEST_COSTS) {
        return Err(TransportError::TooManyCosts { first: n, second: m });
    }
    let costs = PairCosts::new(n, m, cost)?;
    let used = (0..n).filter(|&i| masses.supply[i] > 0);
    let fan = |i: usize, j: usize| Fan {
        tail: i as u32,
        head: (n + j) as u32,
        costs: (i * m + j) as u32,
        len: FAN.min(m - j) as u32,
    };
    let fans = used.flat_map(|i| (0..m).step_by(FAN).map(move |j| fan(i, j))).collect();
    let network = Network { layers: vec![0, n, n + m], fans, costs: Cow::from(&costs.values) };
    let start = greedy_tree(&costs.values, masses);
    let Optimum { flow, prices, pivots } = solve(&network, &start)?;
    let place = |node: usize| node.checked_sub(n).unwrap_or(node);
    let plan = follow(&masses.supply, &network.layers, flow, place);
    ExactTransport::new(&costs, masses, plan, &prices, pivots, distance)
}
