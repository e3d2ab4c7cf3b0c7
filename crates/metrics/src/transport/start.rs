//! Feasible spanning trees to start the simplex method from.
//!
//! Both kinds consist of arcs with flow, which form a forest, and of arcs without flow that hang its trees
//! and the idle nodes from each other so that all of these point to the root: the tree is then strongly
//! feasible.

use super::lattice::Lattice;
use super::network::{Arc, Network, Price};
use crate::masses::Masses;

/// Arcs of a spanning tree over all nodes in use, and its root.
pub(super) struct Start {
    pub(super) root: usize,
    pub(super) arcs: Vec<Arc>,
}

/// A start on a grid: axis by axis, mass is sent so that the demand's law of the coordinates up to this
/// axis is met, each time by the north-west corner rule.
///
/// The rule leaves no cycle: along the first axis, neighbouring goals share at most one supply, and what
/// goes to different goals stays apart from then on. Of supplies at the same place along the axis the
/// order is scattered, by reversed bits of the rest of their place, so that what has to leave leaves
/// evenly; taken in order, all of it would leave from one end, which the pivots then have to mend.
pub(super) fn corner_tree<P: Price>(
    lattice: &Lattice,
    network: &Network<'_, P>,
    used: &[bool],
    masses: &Masses,
) -> Start {
    let (dim, places) = (lattice.dim(), lattice.places());
    let mut held = vec![0; lattice.len()];
    for (place, &mass) in masses.supply.iter().enumerate() {
        held[lattice.node(0, place)] = mass;
    }
    let mut arcs: Vec<Arc> = Vec::with_capacity(lattice.len());
    let mut before = 1;
    for axis in 0..dim {
        let side = lattice.side(axis);
        let after = places / (before * side);
        let mut scattered: Vec<usize> = (0..after).collect();
        scattered.sort_by_key(|rest| rest.reverse_bits());
        for prefix in 0..before {
            let place = |i: usize, rest: usize| prefix + before * (i + side * rest);
            let asked = |i| (0..after).map(|rest| masses.demand[place(i, rest)]).sum();
            let takers: Vec<(usize, i64)> = (0..side).map(|i| (i, asked(i))).collect();
            let from = (0..side).flat_map(|i| scattered.iter().map(move |&rest| place(i, rest)));
            let givers: Vec<(usize, i64)> = from
                .map(|place| lattice.node(axis, place))
                .map(|node| (node, held[node]))
                .collect();
            corner_rule(givers, takers, |tail, goal, flow| {
                let head = lattice.heads(tail).0 + goal;
                arcs.push(Arc { tail, head, flow });
                held[head] += flow;
            });
        }
        before *= side;
    }

    let mut forest = Forest::new(lattice.len(), &arcs);
    let mut connect = |tail, head| {
        if forest.unite(tail, head) {
            arcs.push(Arc { tail, head, flow: 0 });
        }
    };
    let demands: Vec<usize> = (dim * places..lattice.len()).filter(|&node| used[node]).collect();
    let root = demands.get(demands.len() / 2).copied().unwrap_or(0);
    let (_, hub) = lattice.indices(root);
    let at_hub = |node| {
        let (layer, indices) = lattice.indices(node);
        (0..layer).all(|axis| indices[axis] == hub[axis])
    };
    // An idle node becomes a leaf below its cheapest head, unless it lies on the way to the root.
    for fan in network.fans.iter().rev() {
        let (tail, head) = (fan.tail as usize, fan.head as usize);
        if tail >= places && held[tail] == 0 && !at_hub(tail) {
            let heads = network.fan_costs(fan).iter().zip(head..).filter(|(_, head)| used[*head]);
            if let Some((_, head)) = heads.min_by_key(|(cost, _)| **cost) {
                connect(tail, head);
            }
        }
    }
    // Every supply reaches the root by moves along all axes in turn, and so does every tree.
    for fan in network.fans.iter().rev() {
        let tail = fan.tail as usize;
        if at_hub(tail) {
            connect(tail, fan.head as usize + hub[tail / places]);
        }
    }
    Start { root, arcs }
}

/// A start between two sets: each supply in turn goes to the cheapest demands that are left, and each
/// tree of the forest then hangs from the one of the root, the nearest first, by its cheapest arc.
pub(super) fn greedy_tree<P: Price>(costs: &[P], masses: &Masses) -> Start {
    let (n, m) = (masses.supply.len(), masses.demand.len());
    let row = |i: usize| &costs[i * m..][..m];
    let used = |&i: &usize| masses.supply[i] > 0;
    let mut room = masses.demand.clone();
    let mut open: Vec<usize> = (0..m).filter(|&j| room[j] > 0).collect();
    let root = n + open.first().copied().unwrap_or(0);
    let demands = open.clone();
    let mut arcs = Vec::with_capacity(n + m);
    for tail in (0..n).filter(used) {
        let mut left = masses.supply[tail];
        while left > 0 {
            let cheapest = open.iter().enumerate().min_by_key(|(_, j)| row(tail)[**j]);
            let Some((at, &j)) = cheapest else { break };
            let flow = left.min(room[j]);
            arcs.push(Arc { tail, head: n + j, flow });
            left -= flow;
            room[j] -= flow;
            if room[j] == 0 {
                open.swap_remove(at);
            }
        }
    }
    // Each tree by the nodes it has, found through any of them.
    let mut forest = Forest::new(n + m, &arcs);
    let mut members = vec![Vec::new(); n + m];
    for node in (0..n).filter(used).chain(demands.iter().map(|j| n + j)) {
        members[forest.representative(node)].push(node);
    }
    // For each supply outside the root's tree its cheapest arc into that.
    let mut outside: Vec<(usize, P, usize)> =
        (0..n).filter(used).map(|i| (i, P::max_value(), root)).collect();
    let mut joined = std::mem::take(&mut members[forest.representative(root)]);
    while !outside.is_empty() {
        outside.retain(|&(tail, ..)| forest.representative(tail) != forest.representative(root));
        let heads: Vec<usize> = joined.iter().filter(|&&node| node >= n).map(|j| j - n).collect();
        for (tail, least, goal) in &mut outside {
            let row = row(*tail);
            for &j in &heads {
                if row[j] < *least {
                    (*least, *goal) = (row[j], n + j);
                }
            }
        }
        if let Some(&(tail, _, head)) = outside.iter().min_by_key(|(_, least, _)| *least) {
            joined = std::mem::take(&mut members[forest.representative(tail)]);
            forest.unite(tail, head);
            arcs.push(Arc { tail, head, flow: 0 });
        }
    }
    Start { root, arcs }
}

/// Serves the takers in turn from the givers in turn; the totals must agree.
fn corner_rule<G: Copy, T: Copy>(
    givers: impl IntoIterator<Item = (G, i64)>,
    takers: impl IntoIterator<Item = (T, i64)>,
    mut send: impl FnMut(G, T, i64),
) {
    let mut takers = takers.into_iter().filter(|&(_, room)| room > 0);
    let mut current = takers.next();
    for (giver, mut left) in givers {
        while left > 0 {
            let Some((taker, room)) = &mut current else { return };
            let flow = left.min(*room);
            send(giver, *taker, flow);
            left -= flow;
            *room -= flow;
            if *room == 0 {
                current = takers.next();
            }
        }
    }
}

/// Which nodes are already connected.
struct Forest {
    parent: Vec<usize>,
}

impl Forest {
    fn new(len: usize, arcs: &[Arc]) -> Self {
        let mut forest = Self { parent: (0..len).collect() };
        for arc in arcs {
            forest.unite(arc.tail, arc.head);
        }
        forest
    }

    fn representative(&mut self, mut node: usize) -> usize {
        while self.parent[node] != node {
            self.parent[node] = self.parent[self.parent[node]];
            node = self.parent[node];
        }
        node
    }

    /// Connects two nodes; false if they were connected before.
    fn unite(&mut self, a: usize, b: usize) -> bool {
        let (a, b) = (self.representative(a), self.representative(b));
        self.parent[a] = b;
        a != b
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::examples::problems;
    use crate::transport::tree::Tree;

    #[test]
    fn the_start_on_a_grid_is_a_strongly_feasible_tree_over_the_nodes_in_use() {
        for problem in problems() {
            let network = problem.network::<i64>();
            let Start { root, arcs } = problem.start(&network);
            let tree = Tree::new(root, &arcs, network.len());
            tree.check();
            assert_eq!(tree.len(), problem.used.iter().filter(|used| **used).count());
            assert!(arcs.iter().all(|arc| network.cost(arc.tail, arc.head).is_some()));
            let places = problem.lattice.places();
            for place in 0..places {
                let node = problem.lattice.node(0, place);
                let sent: i64 = arcs.iter().filter(|a| a.tail == node).map(|a| a.flow).sum();
                assert_eq!(sent, problem.masses.supply[place]);
                let node = problem.lattice.node(problem.lattice.dim(), place);
                let got: i64 = arcs.iter().filter(|a| a.head == node).map(|a| a.flow).sum();
                assert_eq!(got, problem.masses.demand[place]);
            }
        }
    }

    #[test]
    fn the_start_between_points_is_a_strongly_feasible_tree() {
        for problem in problems() {
            let (n, masses) = (problem.lattice.places(), &problem.masses);
            let costs: Vec<i64> = (0..n * n).map(|k| (k * k % 17) as i64).collect();
            let Start { root, arcs } = greedy_tree(&costs, masses);
            let tree = Tree::new(root, &arcs, 2 * n);
            tree.check();
            let nodes = masses.supply.iter().chain(&masses.demand).filter(|mass| **mass > 0);
            assert_eq!(tree.len(), nodes.count());
            for i in 0..n {
                let sent: i64 = arcs.iter().filter(|a| a.tail == i).map(|a| a.flow).sum();
                let got: i64 = arcs.iter().filter(|a| a.head == n + i).map(|a| a.flow).sum();
                assert_eq!((sent, got), (masses.supply[i], masses.demand[i]));
            }
        }
    }
}
