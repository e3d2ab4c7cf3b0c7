use ndarray::ArrayViewD;

use crate::Unobserved;

/// Follows a law while it is solved for.
pub trait LawObserver {
    /// Called with the law at each time of the grid, the first included: its index, the time, and the
    /// masses of the cells, of shape [`CellGrid::shape`](super::CellGrid::shape).
    fn arrived(&mut self, index: usize, t: f64, masses: ArrayViewD<'_, f64>) {
        let _ = (index, t, masses);
    }

    /// Asked before each step; `true` ends the work with [`LawError::Cancelled`](super::LawError::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

impl LawObserver for Unobserved {}
