/// Why a [`CellAxis`] or a [`CellGrid`] could not be made.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum CellGridError {
    /// Nothing moves along an axis of one cell.
    #[error("an axis needs at least 2 cells, but has {cells}")]
    TooFewCells {
        /// The number of cells asked for.
        cells: usize,
    },
    /// The ends are not two finite numbers in ascending order, or so extreme that the width or the
    /// volume of a cell is no normal number.
    #[error("{cells} cells cannot reach from {lower} to {upper}")]
    Ends {
        /// The lower end asked for.
        lower: f64,
        /// The upper end asked for.
        upper: f64,
        /// The number of cells asked for.
        cells: usize,
    },
    /// Laws are solved for in one and two dimensions.
    #[error("a grid of cells has 1 or 2 axes, not {axes}")]
    Dimension {
        /// The number of axes given.
        axes: usize,
    },
    /// More cells than there are numbers for.
    #[error("the grid has more cells than can be counted")]
    TooManyCells,
}

/// Cells of equal width side by side on `[lower, upper]`, in the units of the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellAxis {
    lower: f64,
    upper: f64,
    cells: usize,
}

impl CellAxis {
    /// `cells` cells of width `h = (upper − lower)/cells`; cell `i` is `[lower + i h, lower + (i + 1) h]`.
    ///
    /// # Errors
    /// [`CellGridError::TooFewCells`] for fewer than 2, [`CellGridError::Ends`] unless `lower < upper`
    /// are finite and the width is a normal number.
    pub fn new(lower: f64, upper: f64, cells: usize) -> Result<Self, CellGridError> {
        if cells < 2 {
            return Err(CellGridError::TooFewCells { cells });
        }
        let axis = Self { lower, upper, cells };
        // A NaN is in no order, and an overflow or an underflow is not normal.
        if lower < upper && axis.width().is_normal() { Ok(axis) } else { Err(axis.bad_ends()) }
    }

    fn bad_ends(&self) -> CellGridError {
        CellGridError::Ends { lower: self.lower, upper: self.upper, cells: self.cells }
    }

    /// The ends of the interval, lower first.
    pub fn ends(&self) -> [f64; 2] {
        [self.lower, self.upper]
    }

    /// The number of cells.
    pub fn cells(&self) -> usize {
        self.cells
    }

    /// The width `h` of a cell.
    pub fn width(&self) -> f64 {
        (self.upper - self.lower) / self.cells as f64
    }

    /// The lower end of cell `i`, which is the upper end of cell `i − 1`; `0 ≤ i ≤ cells`.
    pub fn face(&self, i: usize) -> f64 {
        self.at(2 * i)
    }

    /// The centre of cell `i < cells`.
    pub fn centre(&self, i: usize) -> f64 {
        self.at(2 * i + 1)
    }

    /// The place that many half widths from the lower end: from the nearer end, so that places are
    /// symmetric about the middle, and exactly so if that is zero.
    fn at(&self, halves: usize) -> f64 {
        let half = 0.5 * self.width();
        match halves.cmp(&self.cells) {
            std::cmp::Ordering::Less => self.lower + halves as f64 * half,
            std::cmp::Ordering::Equal => 0.5 * (self.lower + self.upper),
            std::cmp::Ordering::Greater => self.upper - (2 * self.cells - halves) as f64 * half,
        }
    }
}

/// A box in one or two dimensions, cut into equal cells.
///
/// Arrays over the grid have the axes in reverse, so that in memory the first coordinate runs fastest:
/// `[n]` or `[n_y, n_x]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CellGrid {
    /// The second repeats the first where there is one only.
    axes: [CellAxis; 2],
    dim: usize,
}

impl CellGrid {
    /// The grid with these axes, that of the first coordinate first.
    ///
    /// # Errors
    /// [`CellGridError::Dimension`] unless there are one or two axes, [`CellGridError::TooManyCells`] if
    /// their product overflows, [`CellGridError::Ends`] at the last axis if the volume of a cell is not a
    /// normal number.
    pub fn new(axes: &[CellAxis]) -> Result<Self, CellGridError> {
        let (Some(&first), Some(last), dim @ 1..=2) = (axes.first(), axes.last(), axes.len())
        else {
            return Err(CellGridError::Dimension { axes: axes.len() });
        };
        if axes.iter().try_fold(1usize, |product, axis| product.checked_mul(axis.cells)).is_none() {
            return Err(CellGridError::TooManyCells);
        }
        let mut grid = Self { axes: [first; 2], dim };
        grid.axes[..dim].copy_from_slice(axes);
        if grid.cell_volume().is_normal() { Ok(grid) } else { Err(last.bad_ends()) }
    }

    /// `cells` cells on `[lower, upper]`.
    ///
    /// # Errors
    /// As [`CellAxis::new`].
    pub fn line(lower: f64, upper: f64, cells: usize) -> Result<Self, CellGridError> {
        Self::new(&[CellAxis::new(lower, upper, cells)?])
    }

    /// `cells` cells a side on the square `[−extent, extent]²`.
    ///
    /// # Errors
    /// As [`CellAxis::new`] and [`CellGrid::new`].
    pub fn square(cells: usize, extent: f64) -> Result<Self, CellGridError> {
        Self::new(&[CellAxis::new(-extent, extent, cells)?; 2])
    }

    /// The axes, that of the first coordinate first.
    pub fn axes(&self) -> &[CellAxis] {
        &self.axes[..self.dim]
    }

    /// The number of coordinates, `d`.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The shape of arrays over the grid: the numbers of cells, that of the last coordinate first.
    pub fn shape(&self) -> Vec<usize> {
        self.axes().iter().rev().map(CellAxis::cells).collect()
    }

    /// The number of cells.
    pub fn cells(&self) -> usize {
        self.axes().iter().map(CellAxis::cells).product()
    }

    /// The length, area or volume of one cell, the product of the widths.
    pub fn cell_volume(&self) -> f64 {
        self.axes().iter().map(CellAxis::width).product()
    }

    /// The numbers of columns and rows: what is next to each other in memory lies along the first
    /// coordinate; on the line there is one row.
    pub(crate) fn columns_and_rows(&self) -> [usize; 2] {
        [self.axes[0].cells, self.cells() / self.axes[0].cells]
    }
}
