//! The primal network simplex method on the tripartite graph.

use std::ops::AddAssign;

use num_traits::PrimInt;

use super::prices::completed;
use super::start::{Start, corner_tree};
use super::tree::Tree;
use super::{Lattice, Layer, Move, Problem, Solution, TransportError};

/// Integers that hold dual prices.
pub(super) trait Price: PrimInt + AddAssign + From<i32> + Into<i64> {}

impl Price for i32 {}
impl Price for i64 {}

/// The pivots allowed for each node; some 5 are usual.
const PIVOTS_PER_NODE: u64 = 1000;

/// A bound on how much the prices of a tree differ from that of its root, for `n` nodes a side.
///
/// On a path in the tree the price changes by at most `(n - 1)²` between a middle node and the
/// next, of which there are at most `n²`, and as much again at either end.
pub(super) const fn price_range(n: usize) -> i64 {
    let (n, steps) = (n as i64, n as i64 - 1);
    (n * n + 1) * steps * steps
}

/// Solves a transport problem with prices of type `P`.
///
/// An eighth of the largest `P` must be no less than [`price_range`]: prices then stay within a
/// quarter, and sums with costs and with [`absent`] prices do not overflow.
pub(super) fn solve<P: Price>(problem: &Problem) -> Result<Solution, TransportError> {
    let mut simplex = Simplex::<P>::new(problem);
    let most = PIVOTS_PER_NODE * simplex.tree.len() as u64;
    let mut pivots = 0;
    while let Some((tail, reduced)) = simplex.entering() {
        if pivots == most {
            return Err(TransportError::Pivots { pivots });
        }
        if !simplex.pivot(tail, reduced) {
            // Impossible in a graph without directed cycles; the certificate will say so.
            break;
        }
        pivots += 1;
    }
    Ok(simplex.solution(pivots))
}

/// A basis with its prices, and the state of the search for entering arcs.
///
/// The reduced cost of an arc is `cost + price(tail) - price(head)`, and zero on the tree.
struct Simplex<P> {
    lattice: Lattice,
    tree: Tree,
    /// The prices of all nodes; those not in use have [`absent`].
    prices: Vec<P>,
    /// `(k - (n - 1))²` at index `k`: the costs of any tail's arcs are `n` in a row.
    squares: Vec<P>,
    /// The tails in use, and the next to be looked at.
    tails: Vec<u32>,
    cursor: usize,
    /// How many tails are compared for one pivot.
    block: usize,
}

/// The price of nodes not in use, so low that no arc to one of them has negative reduced cost.
fn absent<P: Price>() -> P {
    P::min_value() / <P as From<i32>>::from(2)
}

impl<P: Price> Simplex<P> {
    fn new(problem: &Problem) -> Self {
        let lattice = problem.lattice;
        let n = lattice.side();
        let Start { root, arcs } = corner_tree(problem);
        let tree = Tree::new(root, &arcs, lattice.len());
        let mut prices = vec![absent(); lattice.len()];
        prices[root] = P::zero();
        for (node, arc) in tree.arcs() {
            let cost = <P as From<i32>>::from(lattice.cost(arc.tail, arc.head));
            prices[node] =
                if node == arc.tail { prices[arc.head] - cost } else { prices[arc.tail] + cost };
        }
        let tails: Vec<u32> = (0..2 * n * n)
            .filter(|&node| prices[node] != absent())
            .map(|node| node as u32)
            .collect();
        let square = |k: usize| {
            let steps = k.abs_diff(n - 1) as i32;
            <P as From<i32>>::from(steps * steps)
        };
        // Large enough to find a good arc, small enough for the search not to outweigh the pivot.
        let block = (tails.len().isqrt() / 4).max(8);
        let squares = (0..2 * n - 1).map(square).collect();
        Self { lattice, tree, prices, squares, tails, cursor: 0, block }
    }

    /// The costs of the arcs of a tail less the prices of their heads, in order.
    #[inline]
    fn offers(&self, tail: usize) -> impl Iterator<Item = P> {
        let n = self.lattice.side();
        let (first, free) = self.lattice.heads(tail);
        let costs = &self.squares[n - 1 - free..2 * n - 1 - free];
        costs.iter().zip(&self.prices[first..first + n]).map(|(&cost, &price)| cost - price)
    }

    /// A tail with an arc of negative reduced cost, and the smallest reduced cost of its arcs.
    ///
    /// Block search: the best among the next few tails; all of them are looked at before the
    /// answer is that there is none.
    fn entering(&mut self) -> Option<(usize, P)> {
        let mut best = None;
        let mut smallest = P::zero();
        for seen in 1..=self.tails.len() {
            let tail = self.tails[self.cursor] as usize;
            self.cursor = if self.cursor + 1 < self.tails.len() { self.cursor + 1 } else { 0 };
            let offer = self.offers(tail).fold(P::max_value(), P::min);
            let reduced = offer + self.prices[tail];
            if reduced < smallest {
                smallest = reduced;
                best = Some((tail, reduced));
            }
            if seen.is_multiple_of(self.block) && best.is_some() {
                break;
            }
        }
        best
    }

    /// Lets the arc of `tail` with the given negative reduced cost enter; false if it cannot.
    fn pivot(&mut self, tail: usize, reduced: P) -> bool {
        let offer = reduced - self.prices[tail];
        let Some(position) = self.offers(tail).position(|o| o == offer) else { return false };
        let head = self.lattice.heads(tail).0 + position;
        let Some(part) = self.tree.exchange(tail, head) else { return false };
        let shift = if part.holds_tail { P::zero() - reduced } else { reduced };
        self.tree.add(&part, shift, &mut self.prices);
        self.anchor();
        true
    }

    /// Brings all prices back to the root's being zero when it has drifted so far away that sums
    /// might overflow; only differences of prices matter.
    fn anchor(&mut self) {
        let drift = self.prices[self.tree.root()];
        let far = P::max_value() >> 3;
        if drift > far || drift < P::zero() - far {
            let used = self.prices.iter_mut().filter(|price| **price != absent());
            used.for_each(|price| *price = *price - drift);
        }
    }

    fn solution(self, pivots: u64) -> Solution {
        let (mut rows, mut columns) = (Vec::new(), Vec::new());
        for (_, arc) in self.tree.arcs().filter(|(_, arc)| arc.flow > 0) {
            let (layer, y, x) = self.lattice.place(arc.tail);
            let (_, to_y, to_x) = self.lattice.place(arc.head);
            match layer {
                Layer::Supply => rows.push(Move { line: y, from: x, to: to_x, mass: arc.flow }),
                _ => columns.push(Move { line: x, from: y, to: to_y, mass: arc.flow }),
            }
        }
        let used = |&price: &P| (price != absent()).then(|| price.into());
        let prices = completed(self.lattice, self.prices.iter().map(used).collect());
        Solution { rows, columns, prices, pivots }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::certificate::certified_cost;
    use crate::transport::examples::problems;

    #[test]
    fn both_widths_of_prices_take_the_same_pivots_to_a_proven_optimum() {
        for problem in problems() {
            let narrow = solve::<i32>(&problem).unwrap();
            let wide = solve::<i64>(&problem).unwrap();
            assert_eq!(narrow.pivots, wide.pivots);
            assert_eq!(certified_cost(&problem, &narrow), certified_cost(&problem, &wide));
            assert!(certified_cost(&problem, &narrow).is_ok());
        }
    }

    #[test]
    fn prices_that_drift_are_brought_back() {
        for (problem, side) in problems().zip([1, -1].into_iter().cycle()) {
            let mut simplex = Simplex::<i32>::new(&problem);
            let far = side * (i32::MAX >> 3);
            for price in simplex.prices.iter_mut().filter(|price| **price != absent()) {
                *price += far;
            }
            while let Some((tail, reduced)) = simplex.entering() {
                assert!(simplex.pivot(tail, reduced));
                simplex.tree.check();
                assert!(simplex.prices[simplex.tree.root()].abs() <= i32::MAX >> 3);
            }
            assert!(certified_cost(&problem, &simplex.solution(0)).is_ok());
        }
    }

    #[test]
    fn prices_of_tree_arcs_are_tight_after_every_pivot() {
        for problem in problems() {
            let mut simplex = Simplex::<i32>::new(&problem);
            while let Some((tail, reduced)) = simplex.entering() {
                assert!(reduced < 0 && simplex.pivot(tail, reduced));
                for (_, arc) in simplex.tree.arcs() {
                    let cost = simplex.lattice.cost(arc.tail, arc.head);
                    assert_eq!(cost + simplex.prices[arc.tail], simplex.prices[arc.head]);
                }
            }
        }
    }
}
