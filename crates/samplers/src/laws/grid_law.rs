use ndarray::ArrayD;

use super::CellGrid;

/// The law of a reverse process at one time, as the masses of the cells of a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct GridLaw {
    /// The grid.
    pub grid: CellGrid,
    /// The time, that of data at 0.
    pub t: f64,
    /// The mass of each cell, never negative, of shape [`CellGrid::shape`]; the sum is that of the masses
    /// at the start, 1 for the prior.
    pub masses: ArrayD<f64>,
    /// What it took.
    pub statistics: LawStatistics,
}

impl GridLaw {
    /// The density in the cells, `mass / (total · volume of a cell)`, of shape [`CellGrid::shape`]. That is
    /// its mean over a cell, which differs from the density at the centre by `O(h²)`.
    pub fn density(&self) -> ArrayD<f64> {
        let unit = self.masses.sum() * self.grid.cell_volume();
        self.masses.mapv(|mass| mass / unit)
    }
}

/// What it took to solve for a law, and what to look at before it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LawStatistics {
    /// The number of steps.
    pub steps: usize,
    /// The number of points at which the score was evaluated: one in each cell and step.
    pub score_evaluations: u64,
    /// The largest Courant number, `|v| Δt / h`: how many cells the law was moved by in one step. The
    /// scheme is stable for any; see [`LawSolver`](super::LawSolver) for what makes it accurate.
    pub largest_courant: f64,
    /// The mass in the outermost cells at the end, as a share of all.
    pub at_walls: f64,
    /// The largest such share of all times of the grid.
    pub most_at_walls: f64,
}
