//! The spanning tree of the simplex method, and the exchange of one of its arcs.

use std::ops::AddAssign;

use super::network::Arc;

/// Stands for "no node".
const NOWHERE: u32 = u32::MAX;

/// The arc between a node and its parent, and the size of the subtree below it, node included.
#[derive(Clone, Copy)]
struct Branch {
    parent: u32,
    size: u32,
    /// Whether the arc points from the node to its parent.
    up: bool,
    flow: i64,
}

/// A rooted spanning tree with a flow on its arcs.
///
/// The nodes are threaded in preorder into a ring, in which a subtree is a stretch that ends at
/// its `last` node. Cutting off, turning round and hanging in a subtree therefore only relinks
/// the ring at the nodes on the path along which it is turned, however large the subtree is.
///
/// The tree is kept strongly feasible (Cunningham, *A network simplex method*, Mathematical
/// Programming 11, 1976): arcs without flow point to the root. A sequence of exchanges in which
/// the entering arcs have negative reduced costs then never comes back to the same tree.
pub(super) struct Tree {
    root: usize,
    len: usize,
    branches: Vec<Branch>,
    next: Vec<u32>,
    previous: Vec<u32>,
    last: Vec<u32>,
}

/// The smaller part of a tree from which an arc was taken: a stretch of the ring.
pub(super) struct Part {
    first: usize,
    last: usize,
    len: usize,
    /// Whether the tail of the entering arc is in this part, otherwise its head is.
    pub(super) holds_tail: bool,
}

/// The arc that blocks the flow round a cycle.
#[derive(Clone, Copy)]
struct Block {
    /// The lower node of the arc.
    node: usize,
    /// The flow on it.
    room: i64,
}

impl Tree {
    /// The tree with the given arcs, among nodes numbered below `numbers`.
    pub(super) fn new(root: usize, arcs: &[Arc], numbers: usize) -> Self {
        let mut tree = Self {
            root,
            len: arcs.len() + 1,
            branches: vec![Branch { parent: NOWHERE, size: 1, up: false, flow: 0 }; numbers],
            next: vec![NOWHERE; numbers],
            previous: vec![NOWHERE; numbers],
            last: (0..numbers as u32).collect(),
        };
        let mut neighbours = vec![Vec::new(); numbers];
        for arc in arcs {
            neighbours[arc.tail].push((arc.head, false, arc.flow));
            neighbours[arc.head].push((arc.tail, true, arc.flow));
        }
        let mut order: Vec<usize> = Vec::with_capacity(tree.len);
        let mut open = vec![root];
        while let Some(node) = open.pop() {
            if let Some(&previous) = order.last() {
                tree.link(previous, node);
            }
            order.push(node);
            for &(child, up, flow) in &neighbours[node] {
                if child != tree.branches[node].parent as usize {
                    tree.branches[child] = Branch { parent: node as u32, size: 1, up, flow };
                    open.push(child);
                }
            }
        }
        for &node in order.iter().skip(1).rev() {
            let Branch { parent, size, .. } = tree.branches[node];
            tree.branches[parent as usize].size += size;
            // Backwards, the first child met is the last in preorder.
            if tree.last[parent as usize] == parent {
                tree.last[parent as usize] = tree.last[node];
            }
        }
        tree.link(tree.last[root] as usize, root);
        tree
    }

    pub(super) fn root(&self) -> usize {
        self.root
    }

    /// The number of nodes in the tree.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The arcs between the nodes and their parents, parents before children, with the lower node.
    pub(super) fn arcs(&self) -> impl Iterator<Item = (usize, Arc)> {
        let ring = std::iter::successors(Some(self.root), |&node| Some(self.next[node] as usize));
        ring.take(self.len).skip(1).map(|node| {
            let Branch { parent, up, flow, .. } = self.branches[node];
            let parent = parent as usize;
            let (tail, head) = if up { (node, parent) } else { (parent, node) };
            (node, Arc { tail, head, flow })
        })
    }

    /// Lets the arc from `tail` to `head` enter, sends as much flow as possible round the cycle
    /// this closes, and takes out the blocking arc.
    ///
    /// Of several blocking arcs the last leaves, as one runs through the cycle along the entering
    /// arc, beginning at its top; that keeps the tree strongly feasible. `None` if none blocks.
    pub(super) fn exchange(&mut self, tail: usize, head: usize) -> Option<Part> {
        let (top, tail_block, head_block) = self.cycle(tail, head);
        let (block, inner, outer) = match (tail_block, head_block) {
            (Some(block), Some(other)) if block.room < other.room => (block, tail, head),
            (_, Some(block)) => (block, head, tail),
            (Some(block), None) => (block, tail, head),
            (None, None) => return None,
        };
        let size = self.branches[block.node].size;
        let holds_tail = inner == tail;
        // The flow goes down on the side of the tail, and up on that of the head.
        let flow = if holds_tail { -block.room } else { block.room };
        self.carry(inner, block.node, flow, 0);
        self.carry(self.parent(block.node), top, flow, size.wrapping_neg());
        self.carry(outer, top, -flow, size);
        self.cut(block.node);
        let end = self.hang(inner, outer, block, holds_tail);
        let size = size as usize;
        Some(if 2 * size <= self.len {
            Part { first: inner, last: end, len: size, holds_tail }
        } else {
            // The ring without the subtree, which follows its new parent.
            let first = self.next[end] as usize;
            Part { first, last: outer, len: self.len - size, holds_tail: !holds_tail }
        })
    }

    /// Adds `by` to the values of the nodes in a part.
    pub(super) fn add<T: Copy + AddAssign>(&self, part: &Part, by: T, values: &mut [T]) {
        let (next, previous) = (&self.next[..], &self.previous[..]);
        let (mut front, mut back) = (part.first, part.last);
        // From both ends, because following one chain is a wait for memory after the other.
        for _ in 0..part.len / 2 {
            values[front] += by;
            values[back] += by;
            front = next[front] as usize;
            back = previous[back] as usize;
        }
        if part.len % 2 == 1 {
            values[front] += by;
        }
    }

    fn parent(&self, node: usize) -> usize {
        self.branches[node].parent as usize
    }

    fn link(&mut self, node: usize, next: usize) {
        self.next[node] = next as u32;
        self.previous[next] = node as u32;
    }

    /// The top of the cycle that an arc closes, and what blocks it on the sides of tail and head.
    fn cycle(&self, mut tail: usize, mut head: usize) -> (usize, Option<Block>, Option<Block>) {
        let (mut tail_block, mut head_block) = (None, None);
        while tail != head {
            let (below_tail, below_head) = (self.branches[tail], self.branches[head]);
            // A node is no ancestor of one with as large a subtree, so the smaller can go up.
            if below_tail.size <= below_head.size {
                // Of equals the lower: the flow comes down on this side.
                let room = below_tail.flow;
                if below_tail.up && tail_block.is_none_or(|block: Block| room < block.room) {
                    tail_block = Some(Block { node: tail, room });
                }
                tail = below_tail.parent as usize;
            } else {
                // Of equals the upper: the flow goes up on this side.
                let room = below_head.flow;
                if !below_head.up && head_block.is_none_or(|block: Block| room <= block.room) {
                    head_block = Some(Block { node: head, room });
                }
                head = below_head.parent as usize;
            }
        }
        (tail, tail_block, head_block)
    }

    /// Sends flow upwards from a node to, but without, an ancestor, and adds to the sizes on the way.
    fn carry(&mut self, mut node: usize, top: usize, flow: i64, size: u32) {
        while node != top {
            let branch = &mut self.branches[node];
            branch.flow += if branch.up { flow } else { -flow };
            branch.size = branch.size.wrapping_add(size);
            node = branch.parent as usize;
        }
    }

    /// Cuts the subtree of a node out of the ring.
    fn cut(&mut self, node: usize) {
        let (before, end) = (self.previous[node] as usize, self.last[node]);
        self.link(before, self.next[end as usize] as usize);
        self.move_last(self.parent(node), end, before as u32);
    }

    /// Hangs the subtree that was cut off at the blocking arc from `outer`, turned round so that
    /// `inner` is its top, by the entering arc with the flow sent; returns the last of its nodes.
    ///
    /// Along the path from `inner` to the former top, each node keeps what hung from it but its
    /// predecessor's subtree: a stretch before that and one after it, joined to one here.
    fn hang(&mut self, inner: usize, outer: usize, block: Block, up: bool) -> usize {
        let size = self.branches[block.node].size;
        let after = self.next[outer] as usize;
        let (mut parent, mut up, mut flow) = (outer, up, block.room);
        let mut end = outer;
        let mut node = inner;
        // What the subtree of the path's previous node was: its size and its place in the ring.
        let (mut taken, mut before, mut stop, mut resume) = (0, NOWHERE, NOWHERE, NOWHERE);
        loop {
            let branch = self.branches[node];
            let (node_before, node_stop) = (self.previous[node], self.last[node]);
            // Where both end together, the link behind them may be a new one already.
            let node_resume =
                if node_stop == stop { resume } else { self.next[node_stop as usize] };
            self.link(end, node);
            if taken == 0 {
                end = node_stop as usize;
            } else {
                end = before as usize;
                if node_stop != stop {
                    self.link(end, resume as usize);
                    end = node_stop as usize;
                }
            }
            self.branches[node] = Branch { parent: parent as u32, size: size - taken, up, flow };
            if node == block.node {
                break;
            }
            (parent, up, flow) = (node, !branch.up, branch.flow);
            (taken, before, stop, resume) = (branch.size, node_before, node_stop, node_resume);
            node = branch.parent as usize;
        }
        self.link(end, after);
        while node != outer {
            self.last[node] = end as u32;
            node = self.parent(node);
        }
        self.move_last(outer, outer as u32, end as u32);
        end
    }

    /// Tells a node and its ancestors that their subtrees end elsewhere, if they ended at `from`.
    fn move_last(&mut self, mut node: usize, from: u32, to: u32) {
        while self.last[node] == from {
            self.last[node] = to;
            if node == self.root {
                break;
            }
            node = self.parent(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Tree {
        /// Recomputes what is kept about the tree and compares.
        pub(in crate::transport) fn check(&self) {
            let mut order = vec![self.root];
            order.extend(self.arcs().map(|(node, _)| node));
            assert_eq!(order.len(), self.len);
            let mut sizes = vec![1; self.next.len()];
            for &node in order.iter().skip(1).rev() {
                sizes[self.parent(node)] += sizes[node];
                // A zero flow must point up.
                assert!(self.branches[node].flow > 0 || self.branches[node].up);
            }
            for (i, &node) in order.iter().enumerate() {
                assert_eq!(self.branches[node].size, sizes[node]);
                assert_eq!(self.last[node] as usize, order[i + sizes[node] as usize - 1]);
                let stretch = &order[i + 1..i + sizes[node] as usize];
                assert!(stretch.iter().all(|&n| n == node || order[i..].contains(&self.parent(n))));
                assert_eq!(self.previous[self.next[node] as usize] as usize, node);
            }
        }
    }

    /// A complete bipartite graph of 6 tails and 6 heads: arcs enter in a fixed, senseless order.
    #[test]
    fn exchanges_keep_the_tree_consistent_and_strongly_feasible() {
        let mut arcs = Vec::new();
        for i in 0..6 {
            arcs.push(Arc { tail: i, head: 6 + i, flow: 2 + i as i64 % 2 });
            if i > 0 {
                arcs.push(Arc { tail: i, head: 6, flow: 0 });
            }
        }
        let mut tree = Tree::new(6, &arcs, 12);
        tree.check();
        let mut values = [0i64; 12];
        for k in 0..200usize {
            let (tail, head) = (k * 7 % 6, 6 + (k * k * 5 + k / 3) % 6);
            if tree.arcs().any(|(_, arc)| (arc.tail, arc.head) == (tail, head)) {
                continue;
            }
            let part = tree.exchange(tail, head).unwrap();
            tree.check();
            assert!(2 * part.len <= tree.len);
            let before = values;
            tree.add(&part, 1, &mut values);
            let moved = |node: usize| values[node] - before[node] == 1;
            assert_eq!((moved(tail), moved(head)), (part.holds_tail, !part.holds_tail));
            // Only the entering arc connects the part with the rest.
            let joining = tree.arcs().filter(|(_, arc)| moved(arc.tail) != moved(arc.head)).count();
            assert_eq!(joining, 1);
            for i in 0..6 {
                let out: i64 = tree.arcs().filter(|(_, a)| a.tail == i).map(|(_, a)| a.flow).sum();
                let into: i64 =
                    tree.arcs().filter(|(_, a)| a.head == 6 + i).map(|(_, a)| a.flow).sum();
                assert_eq!((out, into), (2 + i as i64 % 2, 2 + i as i64 % 2));
            }
        }
    }
}
