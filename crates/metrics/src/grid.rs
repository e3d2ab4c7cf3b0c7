//! The regular grids that histograms live on.

use std::cmp::Ordering;
use std::fmt;

use thiserror::Error;

/// Why an [`Axis`] or a [`Grid`] could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum GridError {
    /// Nodes need to be two for a spacing, cells at least one.
    #[error("an axis of {found} places is too short, it needs at least {least}")]
    TooFewPlaces {
        /// The number of places asked for.
        found: usize,
        /// The least number possible.
        least: usize,
    },
    /// The ends are not two finite numbers in ascending order, or so extreme that the spacing or the
    /// volume of a cell is no positive finite number.
    #[error("an axis cannot reach from {lower} to {upper}")]
    Ends {
        /// The lower end asked for.
        lower: f64,
        /// The upper end asked for.
        upper: f64,
    },
    /// A grid has one, two or three axes.
    #[error("a grid has 1, 2 or 3 axes, not {axes}")]
    Dimension {
        /// The number of axes given.
        axes: usize,
    },
    /// More places than there are numbers for.
    #[error("the grid has more places than can be counted")]
    TooManyPlaces,
}

/// Where along an axis the mass near a place is gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placement {
    Nodes,
    Cells,
}

/// Equally spaced places on a closed interval `[lower, upper]`, in the units of the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    lower: f64,
    upper: f64,
    len: usize,
    placement: Placement,
    /// One over the spacing.
    rate: f64,
}

impl Axis {
    /// `len` nodes, both ends included: node `i` lies at `lower + i h` with
    /// `h = (upper - lower) / (len - 1)`, and gathers what is nearer to it than to any other.
    ///
    /// # Errors
    ///
    /// [`GridError::TooFewPlaces`] for `len < 2`, [`GridError::Ends`] unless `lower < upper` are finite
    /// and the spacing is a normal number.
    pub fn nodes(lower: f64, upper: f64, len: usize) -> Result<Self, GridError> {
        Self::new(lower, upper, len, Placement::Nodes)
    }

    /// `len` cells of width `h = (upper - lower) / len`: cell `i` gathers
    /// `[lower + i h, lower + (i + 1) h)` at its centre; the last one is closed.
    ///
    /// # Errors
    ///
    /// [`GridError::TooFewPlaces`] for `len < 1`, [`GridError::Ends`] as for [`Axis::nodes`].
    pub fn cells(lower: f64, upper: f64, len: usize) -> Result<Self, GridError> {
        Self::new(lower, upper, len, Placement::Cells)
    }

    fn new(lower: f64, upper: f64, len: usize, placement: Placement) -> Result<Self, GridError> {
        let least = match placement {
            Placement::Nodes => 2,
            Placement::Cells => 1,
        };
        if len < least {
            return Err(GridError::TooFewPlaces { found: len, least });
        }
        let mut axis = Self { lower, upper, len, placement, rate: 0.0 };
        axis.rate = axis.spacings() / (upper - lower);
        // A NaN is in no order, and an overflow or an underflow is not normal.
        if lower < upper && axis.spacing().is_normal() {
            Ok(axis)
        } else {
            Err(GridError::Ends { lower, upper })
        }
    }

    /// The number of places.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Never: there is always a place.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The ends of the interval, lower first.
    pub fn ends(&self) -> [f64; 2] {
        [self.lower, self.upper]
    }

    /// The spacings from end to end.
    fn spacings(&self) -> f64 {
        match self.placement {
            Placement::Nodes => (self.len - 1) as f64,
            Placement::Cells => self.len as f64,
        }
    }

    /// The distance between neighbouring places, `h`.
    pub fn spacing(&self) -> f64 {
        (self.upper - self.lower) / self.spacings()
    }

    /// The coordinate of place `i < len`.
    ///
    /// Computed from the nearer end, so that places are symmetric about the middle, and exactly so if that
    /// is zero; the first and the last node are the ends to the bit.
    pub fn place(&self, i: usize) -> f64 {
        let halves = match self.placement {
            Placement::Nodes => (2 * i) as f64,
            Placement::Cells => (2 * i + 1) as f64,
        };
        let (half, spacings) = (0.5 * self.spacing(), self.spacings());
        match halves.total_cmp(&spacings) {
            Ordering::Less => self.lower + halves * half,
            Ordering::Equal => 0.5 * (self.lower + self.upper),
            Ordering::Greater => self.upper - (2.0 * spacings - halves) * half,
        }
    }

    /// The index of the place that gathers `x`; `None` outside the closed interval or if `x` is NaN.
    ///
    /// What lies halfway between two nodes, or on the border of two cells, belongs to the larger.
    #[inline]
    pub fn nearest(&self, x: f64) -> Option<usize> {
        if !(self.lower <= x && x <= self.upper) {
            return None;
        }
        let steps = (x - self.lower) * self.rate;
        let shift = match self.placement {
            Placement::Nodes => 0.5,
            Placement::Cells => 0.0,
        };
        // The conversion truncates, and the operand is never negative.
        Some(((steps + shift) as usize).min(self.len - 1))
    }
}

/// A regular grid in one, two or three dimensions: the product of an [`Axis`] for each coordinate.
///
/// Arrays over the grid have the axes in reverse, so that in memory the first coordinate runs fastest:
/// `[n]`, `[n_y, n_x]` or `[n_z, n_y, n_x]`.
#[derive(Clone, Copy, PartialEq)]
pub struct Grid {
    /// Those beyond `dim` repeat the first.
    axes: [Axis; 3],
    dim: usize,
}

impl fmt::Debug for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.axes()).finish()
    }
}

impl Grid {
    /// The grid with these axes, that of the first coordinate first.
    ///
    /// # Errors
    ///
    /// [`GridError::Dimension`] unless there are one to three axes, [`GridError::TooManyPlaces`] if
    /// their product overflows, [`GridError::Ends`] at the last axis if the volume of a cell is not a
    /// normal number.
    pub fn new(axes: &[Axis]) -> Result<Self, GridError> {
        let (Some(&first), Some(last), dim @ 1..=3) = (axes.first(), axes.last(), axes.len())
        else {
            return Err(GridError::Dimension { axes: axes.len() });
        };
        if axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.len)).is_none() {
            return Err(GridError::TooManyPlaces);
        }
        let mut grid = Self { axes: [first; 3], dim };
        grid.axes[..dim].copy_from_slice(axes);
        if grid.cell_volume().is_normal() {
            Ok(grid)
        } else {
            Err(GridError::Ends { lower: last.lower, upper: last.upper })
        }
    }

    /// The grid of `nodes` nodes a side on the square `[-extent, extent]²`, corners included.
    ///
    /// # Errors
    ///
    /// As [`Axis::nodes`] and [`Grid::new`].
    pub fn square(nodes: usize, extent: f64) -> Result<Self, GridError> {
        Self::new(&[Axis::nodes(-extent, extent, nodes)?; 2])
    }

    /// The axes, that of the first coordinate first.
    pub fn axes(&self) -> &[Axis] {
        &self.axes[..self.dim]
    }

    /// The number of coordinates, `d`.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The shape of arrays over the grid: the numbers of places, that of the last coordinate first.
    pub fn shape(&self) -> Vec<usize> {
        self.axes().iter().rev().map(Axis::len).collect()
    }

    /// The number of places.
    pub fn len(&self) -> usize {
        self.axes().iter().map(Axis::len).product()
    }

    /// Never: there is always a place.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The volume of the cell that a place stands for: the product of the spacings.
    pub fn cell_volume(&self) -> f64 {
        self.axes().iter().map(Axis::spacing).product()
    }

    /// The index along each axis, first coordinate first, of the place with this index in memory.
    pub(crate) fn indices(&self, mut flat: usize) -> impl Iterator<Item = usize> {
        self.axes().iter().map(move |axis| {
            let i = flat % axis.len;
            flat /= axis.len;
            i
        })
    }

    /// The coordinates of the place with this index in memory.
    pub fn place(&self, flat: usize) -> Vec<f64> {
        self.axes().iter().zip(self.indices(flat)).map(|(axis, i)| axis.place(i)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_a_symmetric_linspace() {
        let axis = Axis::nodes(-3.5, 3.5, 64).unwrap();
        assert_eq!((axis.place(0), axis.place(63)), (-3.5, 3.5));
        for i in 0..64 {
            assert_eq!(axis.place(i), -axis.place(63 - i));
            assert!((axis.place(i) - (-3.5 + i as f64 * axis.spacing())).abs() < 1e-14);
            assert_eq!(axis.nearest(axis.place(i)), Some(i));
        }
        let whole = Axis::nodes(0.0, 99.0, 100).unwrap();
        assert!((0..100).all(|i| whole.place(i) == i as f64));
        assert_eq!(Axis::nodes(-0.7, 0.7, 7).unwrap().place(3), 0.0);
    }

    #[test]
    fn cells_lie_at_their_centres() {
        let axis = Axis::cells(0.0, 2.0, 4).unwrap();
        assert_eq!(axis.spacing(), 0.5);
        assert_eq!([0, 1, 2, 3].map(|i| axis.place(i)), [0.25, 0.75, 1.25, 1.75]);
        let cases = [(0.0, 0), (0.49, 0), (0.5, 1), (1.99, 3), (2.0, 3)];
        for (x, i) in cases {
            assert_eq!(axis.nearest(x), Some(i), "{x}");
        }
        let one = Axis::cells(-1.0, 5.0, 1).unwrap();
        assert_eq!((one.place(0), one.nearest(5.0), one.nearest(5.1)), (2.0, Some(0), None));
    }

    #[test]
    fn the_nearest_node_ends_at_the_closed_interval() {
        let axis = Axis::nodes(-1.0, 1.0, 3).unwrap();
        let cases = [(-1.0, 0), (-0.51, 0), (-0.5, 1), (0.49, 1), (0.5, 2), (1.0, 2)];
        for (x, i) in cases {
            assert_eq!(axis.nearest(x), Some(i), "{x}");
        }
        for x in [1.0f64.next_up(), (-1.0f64).next_down(), f64::NAN, f64::INFINITY] {
            assert_eq!(axis.nearest(x), None, "{x}");
        }
    }

    #[test]
    fn places_are_numbered_with_the_first_coordinate_fastest() {
        let axes = [Axis::nodes(0.0, 1.0, 2), Axis::nodes(0.0, 2.0, 3), Axis::cells(0.0, 8.0, 4)];
        let grid = Grid::new(&axes.map(Result::unwrap)).unwrap();
        assert_eq!((grid.dim(), grid.len(), grid.shape()), (3, 24, vec![4, 3, 2]));
        assert_eq!(grid.cell_volume(), 2.0);
        assert_eq!(grid.place(0), [0.0, 0.0, 1.0]);
        assert_eq!(grid.place(1), [1.0, 0.0, 1.0]);
        assert_eq!(grid.place(2), [0.0, 1.0, 1.0]);
        assert_eq!(grid.place(6), [0.0, 0.0, 3.0]);
        assert_eq!(grid.place(23), [1.0, 2.0, 7.0]);
    }

    #[test]
    fn impossible_grids_are_refused() {
        let few = GridError::TooFewPlaces { found: 1, least: 2 };
        assert_eq!(Grid::square(1, 1.0), Err(few));
        let none = GridError::TooFewPlaces { found: 0, least: 1 };
        assert_eq!(Axis::cells(0.0, 1.0, 0), Err(none));
        for extent in [0.0, -1.0, f64::INFINITY, f64::MAX, f64::MIN_POSITIVE] {
            let ends = GridError::Ends { lower: -extent, upper: extent };
            assert_eq!(Grid::square(2, extent), Err(ends));
        }
        assert!(matches!(Grid::square(2, f64::NAN), Err(GridError::Ends { .. })));
        let axis = Axis::nodes(0.0, 1.0, usize::MAX).unwrap();
        assert_eq!(Grid::new(&[axis; 2]), Err(GridError::TooManyPlaces));
        for axes in [0, 4] {
            assert_eq!(Grid::new(&vec![axis; axes]), Err(GridError::Dimension { axes }));
        }
    }
}
