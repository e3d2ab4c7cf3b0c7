//! Dual prices for the nodes that the solver leaves out.

use ndarray::Array2;

use super::Lattice;

/// Gives prices to the nodes without one, such that no arc to or from them has a negative
/// reduced cost `cost + price(tail) - price(head)` if none between the others has; the result is
/// by layer, rows along y and columns along x.
///
/// Expected is what the solver takes up: a middle node has a price unless its row has no supply
/// with one or its column no demand with one. Such a middle node is thus bounded from one side
/// only, supplies then only from below, and demands from above.
pub(super) fn completed(lattice: Lattice, mut prices: Vec<Option<i64>>) -> [Array2<i64>; 3] {
    let n = lattice.side();
    let squared = |a: usize, b: usize| (a.abs_diff(b) as i64).pow(2);
    let places = || (0..n).flat_map(|y| (0..n).map(move |x| (y, x)));
    for (y, x) in places() {
        let node = lattice.middle(y, x);
        if prices[node].is_none() {
            let demands = (0..n).map(|k| prices[lattice.demand(k, x)].map(|p| p - squared(k, y)));
            let supplies = (0..n).map(|k| prices[lattice.supply(y, k)].map(|p| p + squared(k, x)));
            prices[node] = demands.flatten().max().or(supplies.flatten().min()).or(Some(0));
        }
    }
    for (y, x) in places() {
        let (supply, demand) = (lattice.supply(y, x), lattice.demand(y, x));
        if prices[supply].is_none() {
            let middles = (0..n).map(|k| prices[lattice.middle(y, k)].map(|p| p - squared(k, x)));
            prices[supply] = middles.flatten().max();
        }
        if prices[demand].is_none() {
            let middles = (0..n).map(|k| prices[lattice.middle(k, x)].map(|p| p + squared(k, y)));
            prices[demand] = middles.flatten().min();
        }
    }
    [Lattice::supply, Lattice::middle, Lattice::demand].map(|number| {
        Array2::from_shape_fn((n, n), |(y, x)| prices[number(lattice, y, x)].unwrap_or(0))
    })
}
