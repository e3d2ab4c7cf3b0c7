//! A feasible spanning tree to start the simplex method from.

use super::Problem;
use super::tree::Arc;

/// Arcs of a spanning tree over all nodes in use, and its root.
///
/// In use are the supplies and demands with mass and the middle nodes where a row with supply
/// meets a column with demand. Every arc without flow points to the root, which makes the tree
/// strongly feasible.
pub(super) struct Start {
    pub(super) root: usize,
    pub(super) arcs: Vec<Arc>,
}

/// Sends the mass along the rows so that every column holds what is asked for there, then down
/// the columns in order of y, both by the north-west corner rule.
///
/// The rule leaves no cycle: in the first phase neighbouring columns share at most one supply, in
/// the second each column is by itself a path. Supplies are taken column by column, and within a
/// column in bit-reversed order of y, so that what has to leave a column leaves it evenly along y;
/// taken in order, all of it would leave from one end, which the pivots then have to mend.
pub(super) fn corner_tree(problem: &Problem) -> Start {
    let lattice = problem.lattice;
    let n = lattice.side();
    let supply = |y: usize, x: usize| problem.masses.supply[y * n + x];
    let demand = |y: usize, x: usize| problem.masses.demand[y * n + x];
    let rows: Vec<usize> = (0..n).filter(|&y| (0..n).any(|x| supply(y, x) > 0)).collect();
    let columns: Vec<(usize, i64)> = (0..n)
        .map(|x| (x, (0..n).map(|y| demand(y, x)).sum()))
        .filter(|&(_, asked)| asked > 0)
        .collect();

    let mut scattered = rows.clone();
    scattered.sort_by_key(|y| y.reverse_bits());
    let supplies = (0..n)
        .flat_map(|x| scattered.iter().map(move |&y| (y, x)))
        .map(|(y, x)| ((y, x), supply(y, x)));
    let mut arcs = Vec::with_capacity(lattice.len());
    let mut held = vec![0; n * n];
    corner_rule(supplies, columns.iter().copied(), |(y, x), column, flow| {
        arcs.push(Arc { tail: lattice.supply(y, x), head: lattice.middle(y, column), flow });
        held[y * n + column] += flow;
    });
    for &(x, _) in &columns {
        let offered = rows.iter().map(|&y| (y, held[y * n + x]));
        let asked = (0..n).map(|y| (y, demand(y, x)));
        corner_rule(offered, asked, |y, goal, flow| {
            arcs.push(Arc { tail: lattice.middle(y, x), head: lattice.demand(goal, x), flow });
        });
    }

    let mut forest = Forest::new(lattice.len());
    for arc in &arcs {
        forest.unite(arc.tail, arc.head);
    }
    let mut connect = |tail, head| {
        if forest.unite(tail, head) {
            arcs.push(Arc { tail, head, flow: 0 });
        }
    };
    // Idle middle nodes become leaves below a demand of their column.
    for &(x, _) in &columns {
        let asking: Vec<usize> = (0..n).filter(|&y| demand(y, x) > 0).collect();
        for &y in rows.iter().filter(|&&y| held[y * n + x] == 0) {
            if let Some(&goal) = asking.iter().min_by_key(|&&goal| goal.abs_diff(y)) {
                connect(lattice.middle(y, x), lattice.demand(goal, x));
            }
        }
    }
    // The other trees of the forest hang from the root's by an arc out of them: those that deliver
    // to the root's column by one into the root, then the rest by one from a supply to that column.
    let hub = columns[columns.len() / 2].0;
    let root = (0..n).find(|&y| demand(y, hub) > 0).map_or(0, |y| lattice.demand(y, hub));
    for &y in rows.iter().filter(|&&y| held[y * n + hub] > 0) {
        connect(lattice.middle(y, hub), root);
    }
    for &y in &rows {
        for x in (0..n).filter(|&x| supply(y, x) > 0) {
            connect(lattice.supply(y, x), lattice.middle(y, hub));
        }
    }
    Start { root, arcs }
}

/// Serves the takers in turn from the givers in turn; the totals must agree.
fn corner_rule<G: Copy, T: Copy>(
    givers: impl Iterator<Item = (G, i64)>,
    takers: impl Iterator<Item = (T, i64)>,
    mut send: impl FnMut(G, T, i64),
) {
    let mut takers = takers.filter(|&(_, room)| room > 0);
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
    fn new(len: usize) -> Self {
        Self { parent: (0..len).collect() }
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
    fn the_start_is_a_strongly_feasible_tree_over_the_nodes_in_use() {
        for problem in problems() {
            let n = problem.lattice.side();
            let Start { root, arcs } = corner_tree(&problem);
            let tree = Tree::new(root, &arcs, problem.lattice.len());
            tree.check();

            let has = |masses: &[i64], i: usize| masses[i] > 0;
            let (supply, demand) = (&problem.masses.supply[..], &problem.masses.demand[..]);
            let rows = (0..n).filter(|y| (0..n).any(|x| has(supply, y * n + x))).count();
            let columns = (0..n).filter(|x| (0..n).any(|y| has(demand, y * n + x))).count();
            let ends = (0..n * n).filter(|&i| has(supply, i)).count()
                + (0..n * n).filter(|&i| has(demand, i)).count();
            assert_eq!(tree.len(), ends + rows * columns);
        }
    }
}
