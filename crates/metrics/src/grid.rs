//! The square lattice of nodes that histograms live on.

use thiserror::Error;

/// Why a [`SquareGrid`] could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum GridError {
    /// Fewer than two nodes a side leave the spacing undefined.
    #[error("a grid needs at least 2 nodes a side, not {nodes}")]
    TooFewNodes {
        /// The number of nodes asked for.
        nodes: usize,
    },
    /// The half-width is not a positive finite length, or so extreme that the spacing is not one.
    #[error("the half-width of a grid must be positive and finite, not {extent}")]
    Extent {
        /// The half-width asked for.
        extent: f64,
    },
}

/// The `n × n` nodes of the closed square `[-L, L]²`, equally spaced and the corners included.
///
/// Along each axis node `i` lies at `-L + i h`, `i = 0, …, n - 1`, where `h = 2 L / (n - 1)` is
/// the spacing; `L` (the extent) and `h` are in the units of the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquareGrid {
    nodes: usize,
    extent: f64,
}

impl SquareGrid {
    /// The grid of `nodes` nodes a side on `[-extent, extent]²`.
    ///
    /// # Errors
    ///
    /// [`GridError::TooFewNodes`] for `nodes < 2`; [`GridError::Extent`] unless `extent` and the
    /// cell area it leads to are positive and finite.
    pub fn new(nodes: usize, extent: f64) -> Result<Self, GridError> {
        if nodes < 2 {
            return Err(GridError::TooFewNodes { nodes });
        }
        let grid = Self { nodes, extent };
        let area = grid.spacing() * grid.spacing();
        if !(extent > 0.0 && area.is_normal()) {
            return Err(GridError::Extent { extent });
        }
        Ok(grid)
    }

    /// The number of nodes a side, `n`.
    pub fn nodes(&self) -> usize {
        self.nodes
    }

    /// The half-width of the square, `L`.
    pub fn extent(&self) -> f64 {
        self.extent
    }

    /// The distance between neighbouring nodes, `h = 2 L / (n - 1)`.
    pub fn spacing(&self) -> f64 {
        2.0 * self.extent / (self.nodes - 1) as f64
    }

    /// The coordinate of node `i < n` along either axis, `-L + i h`.
    ///
    /// Computed so that the nodes are exactly symmetric about zero and the last is exactly `L`.
    pub fn node(&self, i: usize) -> f64 {
        let last = (self.nodes - 1) as f64;
        self.extent * ((2.0 * i as f64 - last) / last)
    }

    /// The index of the node nearest to `x` along one axis; `None` where `|x| > L` or `x` is NaN.
    ///
    /// A coordinate halfway between two nodes belongs to the larger.
    #[inline]
    pub fn nearest(&self, x: f64) -> Option<usize> {
        if x.is_nan() || x.abs() > self.extent {
            return None;
        }
        let cells = (x + self.extent) * ((self.nodes - 1) as f64 / (2.0 * self.extent));
        // The conversion truncates, and the operand is never negative.
        Some(((cells + 0.5) as usize).min(self.nodes - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_a_symmetric_linspace() {
        let grid = SquareGrid::new(64, 3.5).unwrap();
        assert_eq!((grid.node(0), grid.node(63)), (-3.5, 3.5));
        for i in 0..64 {
            assert_eq!(grid.node(i), -grid.node(63 - i));
            assert!((grid.node(i) - (-3.5 + i as f64 * grid.spacing())).abs() < 1e-14);
            assert_eq!(grid.nearest(grid.node(i)), Some(i));
        }
    }

    #[test]
    fn the_nearest_node_ends_at_the_closed_square() {
        let grid = SquareGrid::new(3, 1.0).unwrap();
        let cases = [(-1.0, 0), (-0.51, 0), (-0.5, 1), (0.49, 1), (0.5, 2), (1.0, 2)];
        for (x, i) in cases {
            assert_eq!(grid.nearest(x), Some(i), "{x}");
        }
        for x in [1.0f64.next_up(), (-1.0f64).next_down(), f64::NAN, f64::INFINITY] {
            assert_eq!(grid.nearest(x), None, "{x}");
        }
    }

    #[test]
    fn impossible_grids_are_refused() {
        assert_eq!(SquareGrid::new(1, 1.0), Err(GridError::TooFewNodes { nodes: 1 }));
        for extent in [0.0, -1.0, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE] {
            assert_eq!(SquareGrid::new(2, extent), Err(GridError::Extent { extent }));
        }
        assert!(matches!(SquareGrid::new(2, f64::NAN), Err(GridError::Extent { .. })));
    }
}
