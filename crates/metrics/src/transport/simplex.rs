//! The primal network simplex method.

use fearless_simd::{Level, dispatch};

use super::TransportError;
use super::network::{Arc, Fan, Network, Price};
use super::start::Start;
use super::tree::Tree;

/// The pivots allowed for each node; some 3 are usual.
const PIVOTS_PER_NODE: u64 = 1000;

/// The most candidates that a search makes, and the pivots until the next one: by then they are no longer
/// among the best.
const CANDIDATES: usize = 12;
const PIVOTS_PER_SEARCH: usize = 6;

/// Arcs that are compared side by side.
const LANES: usize = 16;

/// An optimal flow, with what proves it.
pub(super) struct Optimum {
    /// The arcs with flow.
    pub(super) flow: Vec<Arc>,
    /// Dual prices of the nodes of the first layer; those not in use have none.
    pub(super) prices: Vec<Option<i64>>,
    pub(super) pivots: u64,
}

/// Finds the cheapest flow, from a feasible tree on.
///
/// Prices must stay within an eighth of the largest `P` on every path of a tree: sums with costs and
/// with [`absent`] prices then do not overflow.
pub(super) fn solve<P: Price>(
    network: &Network<'_, P>,
    start: &Start,
) -> Result<Optimum, TransportError> {
    let mut simplex = Simplex::new(network, start);
    let most = PIVOTS_PER_NODE * simplex.tree.len() as u64;
    let mut pivots = 0;
    while let Some(arc) = simplex.entering() {
        if pivots == most {
            return Err(TransportError::Pivots { pivots });
        }
        if !simplex.pivot(arc) {
            // Impossible in a graph without directed cycles; the certificate will say so.
            break;
        }
        pivots += 1;
    }
    Ok(simplex.optimum(pivots))
}

/// A basis with its prices, and the state of the search for entering arcs.
///
/// The reduced cost of an arc is `cost + price(tail) - price(head)`, and zero on the tree.
struct Simplex<'a, P: Price> {
    network: &'a Network<'a, P>,
    tree: Tree,
    /// The prices of all nodes; those not in use have [`absent`].
    prices: Vec<P>,
    /// The next fan to be looked at, and how many are looked at for one list of candidates.
    cursor: usize,
    block: usize,
    level: Level,
    candidates: Vec<Candidate<P>>,
    /// The smallest reduced costs of fans in the search, and the fans.
    found: Vec<(P, usize)>,
    /// How many more of them may enter before new ones are looked for.
    pivots_left: usize,
}

/// An arc that may enter the basis, with its reduced cost when that was last looked at.
#[derive(Clone, Copy)]
struct Candidate<P> {
    tail: u32,
    head: u32,
    cost: P,
    reduced: P,
}

/// The price of nodes not in use, so low that no arc to one of them has negative reduced cost.
fn absent<P: Price>() -> P {
    P::min_value() / <P as From<i32>>::from(2)
}

/// Where a difference between two equally long rows, which is there, is first found.
#[inline(always)]
fn place_of<P: Price>(costs: &[P], prices: &[P], offer: P) -> usize {
    let chunks = costs.as_chunks::<LANES>().0.iter().zip(prices.as_chunks::<LANES>().0);
    let mut start = 0;
    for (costs, prices) in chunks {
        let mut found = false;
        for k in 0..LANES {
            found |= costs[k] - prices[k] == offer;
        }
        if found {
            break;
        }
        start += LANES;
    }
    let rest = costs[start..].iter().zip(&prices[start..]);
    start + rest.take_while(|&(&cost, &price)| cost - price != offer).count()
}

/// The least of the differences between two equally long rows.
#[inline(always)]
fn least_difference<P: Price>(costs: &[P], prices: &[P]) -> P {
    let (costs, more_costs) = costs.as_chunks::<LANES>();
    let (prices, more_prices) = prices.as_chunks::<LANES>();
    let mut least = [P::max_value(); LANES];
    for (costs, prices) in costs.iter().zip(prices) {
        for k in 0..LANES {
            let offer = costs[k] - prices[k];
            least[k] = if offer < least[k] { offer } else { least[k] };
        }
    }
    let mut smallest = P::max_value();
    for offer in least {
        smallest = if offer < smallest { offer } else { smallest };
    }
    for (&cost, &price) in more_costs.iter().zip(more_prices) {
        let offer = cost - price;
        smallest = if offer < smallest { offer } else { smallest };
    }
    smallest
}

impl<'a, P: Price> Simplex<'a, P> {
    fn new(network: &'a Network<'a, P>, start: &Start) -> Self {
        let tree = Tree::new(start.root, &start.arcs, network.len());
        let mut prices = vec![absent(); network.len()];
        prices[start.root] = P::zero();
        for (node, arc) in tree.arcs() {
            // Every arc of the start is one of the network.
            let cost = network.cost(arc.tail, arc.head).unwrap_or(P::zero());
            prices[node] =
                if node == arc.tail { prices[arc.head] - cost } else { prices[arc.tail] + cost };
        }
        // Large enough to find a good arc, small enough for the search not to outweigh the pivot.
        let arcs = network.arcs();
        let share = arcs.isqrt() * 4;
        let block = (network.fans.len() * share / arcs.max(1)).max(8);
        Self {
            network,
            tree,
            prices,
            cursor: 0,
            block,
            level: Level::new(),
            candidates: Vec::new(),
            found: Vec::new(),
            pivots_left: 0,
        }
    }

    /// The arc to enter next; nothing if no arc has a negative reduced cost.
    ///
    /// It is the best of a list of candidates, from which several enter before a search makes a new one:
    /// what is costly is to look at all arcs of a block, from memory between points.
    fn entering(&mut self) -> Option<Candidate<P>> {
        if self.pivots_left == 0 {
            self.candidates.clear();
        }
        let best = self.best_candidate().or_else(|| {
            let level = self.level;
            dispatch!(level, _simd => self.search());
            self.pivots_left = PIVOTS_PER_SEARCH;
            self.best_candidate()
        });
        self.pivots_left -= 1;
        best
    }

    /// Drops the candidates that have become useless, and takes out the best of the others.
    fn best_candidate(&mut self) -> Option<Candidate<P>> {
        let prices = &self.prices;
        let mut best: Option<Candidate<P>> = None;
        self.candidates.retain_mut(|arc| {
            arc.reduced = arc.cost + prices[arc.tail as usize] - prices[arc.head as usize];
            if best.is_none_or(|best| arc.reduced < best.reduced) {
                best = Some(*arc);
            }
            arc.reduced < P::zero()
        });
        best.filter(|best| best.reduced < P::zero())
    }

    /// Makes candidates of the best arcs of the best of the next fans, of a block in which there is one with
    /// a negative reduced cost; of none if all have been looked at.
    #[inline(always)]
    fn search(&mut self) {
        let fans = &self.network.fans;
        self.found.clear();
        for seen in 1..=fans.len() {
            let fan = fans[self.cursor];
            let (costs, prices) = self.rows(&fan);
            let reduced = least_difference(costs, prices) + self.prices[fan.tail as usize];
            if reduced < P::zero() {
                self.found.push((reduced, self.cursor));
            }
            self.cursor = if self.cursor + 1 < fans.len() { self.cursor + 1 } else { 0 };
            if seen.is_multiple_of(self.block) && !self.found.is_empty() {
                break;
            }
        }
        if self.found.len() > CANDIDATES {
            self.found.select_nth_unstable(CANDIDATES);
            self.found.truncate(CANDIDATES);
        }
        for &(reduced, fan) in &self.found {
            let fan = fans[fan];
            let (costs, prices) = self.rows(&fan);
            let at = place_of(costs, prices, reduced - self.prices[fan.tail as usize]);
            let (cost, head) = (costs[at], fan.head + at as u32);
            self.candidates.push(Candidate { tail: fan.tail, head, cost, reduced });
        }
    }

    /// The costs of the arcs of a fan, and the prices of their heads.
    #[inline(always)]
    fn rows(&self, fan: &Fan) -> (&'a [P], &[P]) {
        (self.network.fan_costs(fan), &self.prices[fan.head as usize..][..fan.len as usize])
    }

    /// Lets an arc with negative reduced cost enter; false if it cannot.
    fn pivot(&mut self, arc: Candidate<P>) -> bool {
        let Some(part) = self.tree.exchange(arc.tail as usize, arc.head as usize) else {
            return false;
        };
        let shift = if part.holds_tail { P::zero() - arc.reduced } else { arc.reduced };
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

    fn optimum(self, pivots: u64) -> Optimum {
        let flow = self.tree.arcs().map(|(_, arc)| arc).filter(|arc| arc.flow > 0).collect();
        let first = self.network.layers.get(1).copied().unwrap_or(0);
        let used = |&price: &P| (price != absent()).then(|| price.into());
        Optimum { flow, prices: self.prices[..first].iter().map(used).collect(), pivots }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::examples::problems;

    #[test]
    fn both_widths_of_prices_take_the_same_pivots() {
        for problem in problems() {
            let (narrow, wide) = (problem.network::<i32>(), problem.network::<i64>());
            let narrow = solve(&narrow, &problem.start(&narrow)).unwrap();
            let wide = solve(&wide, &problem.start(&wide)).unwrap();
            assert_eq!(narrow.pivots, wide.pivots);
            assert_eq!((narrow.flow, narrow.prices), (wide.flow, wide.prices));
        }
    }

    #[test]
    fn prices_that_drift_are_brought_back() {
        for (problem, side) in problems().zip([1, -1].into_iter().cycle()) {
            let network = problem.network::<i32>();
            let mut simplex = Simplex::new(&network, &problem.start(&network));
            let far = side * (i32::MAX >> 3);
            for price in simplex.prices.iter_mut().filter(|price| **price != absent()) {
                *price += far;
            }
            while let Some(arc) = simplex.entering() {
                assert!(simplex.pivot(arc));
                simplex.tree.check();
                assert!(simplex.prices[simplex.tree.root()].abs() <= i32::MAX >> 3);
            }
            let plain = solve(&network, &problem.start(&network)).unwrap();
            assert_eq!(simplex.optimum(0).flow, plain.flow);
        }
    }

    #[test]
    fn prices_of_tree_arcs_are_tight_after_every_pivot() {
        for problem in problems() {
            let network = problem.network::<i32>();
            let mut simplex = Simplex::new(&network, &problem.start(&network));
            while let Some(arc) = simplex.entering() {
                assert!(arc.reduced < 0 && simplex.pivot(arc));
                for (_, arc) in simplex.tree.arcs() {
                    let cost = network.cost(arc.tail, arc.head).unwrap();
                    assert_eq!(cost + simplex.prices[arc.tail], simplex.prices[arc.head]);
                }
            }
        }
    }
}
