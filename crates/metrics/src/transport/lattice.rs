//! How the nodes of the three layers are numbered, and the arcs that follow from the numbers.

use super::Layer;

/// The tripartite graph of an `n × n` grid.
///
/// Each supply `(y, x)` has arcs to the `n` middle nodes of its row, and each middle node
/// `(y, x')` to the `n` demands of its column. Supplies and middle nodes are numbered with x
/// running fastest and demands with y, so that the heads of a tail are always neighbours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lattice {
    n: usize,
}

impl Lattice {
    pub(super) fn new(n: usize) -> Self {
        Self { n }
    }

    /// Nodes a side.
    pub(super) fn side(self) -> usize {
        self.n
    }

    /// Nodes in all three layers.
    pub(super) fn len(self) -> usize {
        3 * self.n * self.n
    }

    pub(super) fn supply(self, y: usize, x: usize) -> usize {
        y * self.n + x
    }

    pub(super) fn middle(self, y: usize, x: usize) -> usize {
        (self.n + y) * self.n + x
    }

    pub(super) fn demand(self, y: usize, x: usize) -> usize {
        (2 * self.n + x) * self.n + y
    }

    /// The layer, y and x of a node.
    pub(super) fn place(self, node: usize) -> (Layer, usize, usize) {
        let (line, position) = (node / self.n, node % self.n);
        if line < self.n {
            (Layer::Supply, line, position)
        } else if line < 2 * self.n {
            (Layer::Middle, line - self.n, position)
        } else {
            (Layer::Demand, position, line - 2 * self.n)
        }
    }

    /// The first of the `n` heads of a tail, and the index among them of the head at no cost.
    #[inline]
    pub(super) fn heads(self, tail: usize) -> (usize, usize) {
        let (line, position) = (tail / self.n, tail % self.n);
        if line < self.n {
            ((self.n + line) * self.n, position)
        } else {
            ((2 * self.n + position) * self.n, line - self.n)
        }
    }

    /// The cost of an arc in units of the squared spacing.
    pub(super) fn cost(self, tail: usize, head: usize) -> i32 {
        let (first, free) = self.heads(tail);
        let steps = (head - first).abs_diff(free) as i32;
        steps * steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_places_are_inverse() {
        let lattice = Lattice::new(5);
        for node in 0..lattice.len() {
            let number = match lattice.place(node) {
                (Layer::Supply, y, x) => lattice.supply(y, x),
                (Layer::Middle, y, x) => lattice.middle(y, x),
                (Layer::Demand, y, x) => lattice.demand(y, x),
            };
            assert_eq!(number, node);
        }
    }

    #[test]
    fn arcs_cost_the_squared_steps() {
        let lattice = Lattice::new(7);
        let (supply, middle) = (lattice.supply(4, 1), lattice.middle(4, 6));
        assert_eq!(lattice.heads(supply), (lattice.middle(4, 0), 1));
        assert_eq!(lattice.cost(supply, middle), 25);
        assert_eq!(lattice.heads(middle), (lattice.demand(0, 6), 4));
        assert_eq!(lattice.cost(middle, lattice.demand(2, 6)), 4);
    }
}
