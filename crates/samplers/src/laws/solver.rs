use fokker_sde_core::{Real, Score, Sde, TimeGrid};
use ndarray::{Array2, ArrayViewD};

use super::departures::Departure;
use super::gaussian::prior_masses;
use super::lines::{heat_lines, remap_lines, trace_lines, transpose};
use super::velocity::{Coefficients, Ways};
use super::{CellGrid, GridLaw, LawError, LawObserver, LawStatistics};
use crate::ReverseProcess;

/// Solves for the law of a reverse process on a grid of cells; the scheme and its sources stand at the
/// [module](super).
///
/// Masses are never negative, their sum is kept to rounding, and any step is stable. Of second order in the
/// width of the cells and in the time step: the width must resolve the law, and within a step velocities
/// must be nearly linear across what moves, `Δt |∇v| < 1`. How far points move, in cells, does not matter.
/// One evaluation of the score per cell and step. The same bits for any number of threads.
///
/// Walls let nothing through. The box should therefore hold the law at all times, and the prior most of all:
/// what lies beyond a wall at the start is put into the cell at it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LawSolver {
    /// The cells.
    pub grid: CellGrid,
    /// The share of the mass that the outermost cells may hold at any time; more is
    /// [`LawError::AtWalls`]. With 1, nothing is refused. What a learned score drives out of the region it
    /// was trained in gathers there in a box of any size; what merely passes through the wall and back again
    /// needs a larger one, and a share that is small does not prove that there is none of it.
    pub most_at_walls: f64,
}

impl LawSolver {
    /// The solver on `grid` that refuses a thousandth of the mass at the walls.
    pub fn new(grid: CellGrid) -> Self {
        Self { grid, most_at_walls: 1e-3 }
    }

    /// The law at the last of `times` of `process` started from the prior at the first.
    ///
    /// # Errors
    /// If the score has another dimension than the grid, fails or is not finite, if the box is too small,
    /// or if the observer cancels.
    pub fn solve<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        process: ReverseProcess,
        times: &TimeGrid,
        observer: &mut dyn LawObserver,
    ) -> Result<GridLaw, LawError> {
        let prior = prior_masses(&self.grid, sde.prior());
        self.run(prior, score, sde, process, times, observer)
    }

    /// As [`LawSolver::solve`], but started from given masses of the cells, of shape
    /// [`CellGrid::shape`]. They need not sum to 1: the equation is linear.
    ///
    /// # Errors
    /// As [`LawSolver::solve`]; and if the shape does not fit, or the masses are no law.
    pub fn solve_from<F: Real>(
        &self,
        masses: ArrayViewD<'_, f64>,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        process: ReverseProcess,
        times: &TimeGrid,
        observer: &mut dyn LawObserver,
    ) -> Result<GridLaw, LawError> {
        let expected = self.grid.shape();
        if masses.shape() != expected {
            return Err(LawError::Shape { expected, found: masses.shape().to_vec() });
        }
        let sum = masses.sum();
        let bad = masses.iter().find(|mass| !(**mass >= 0.0 && mass.is_finite()));
        let bad = bad.copied().or((!(sum > 0.0 && sum.is_finite())).then_some(sum));
        if let Some(value) = bad {
            return Err(LawError::Mass { value });
        }
        self.run(masses.iter().copied().collect(), score, sde, process, times, observer)
    }

    fn run<F: Real>(
        &self,
        masses: Vec<f64>,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        process: ReverseProcess,
        times: &TimeGrid,
        observer: &mut dyn LawObserver,
    ) -> Result<GridLaw, LawError> {
        if score.dim() != self.grid.dim() {
            return Err(LawError::Dimension { score: score.dim(), grid: self.grid.dim() });
        }
        let mut statistics = LawStatistics::default();
        let mut state = State::new(self.grid, masses);
        let mut ways = Ways::new(self.grid);
        let mut t = times.times()[0];
        self.arrive(0, t, &state, &mut statistics, observer)?;
        for (step, (from, to)) in times.steps().enumerate() {
            if observer.cancelled() {
                return Err(LawError::Cancelled);
            }
            let coefficients = Coefficients::new(sde, &process, from, to)?;
            ways.evaluate(score, &coefficients)?;
            state.step(&ways.along, coefficients.variance);
            t = to;
            statistics.steps += 1;
            statistics.score_evaluations += self.grid.cells() as u64;
            statistics.largest_courant = statistics.largest_courant.max(ways.longest);
            self.arrive(step + 1, t, &state, &mut statistics, observer)?;
        }
        Ok(GridLaw { grid: self.grid, t, masses: state.law().to_owned(), statistics })
    }

    /// Looks at the walls, and shows the law to the observer.
    fn arrive(
        &self,
        index: usize,
        t: f64,
        state: &State,
        statistics: &mut LawStatistics,
        observer: &mut dyn LawObserver,
    ) -> Result<(), LawError> {
        let share = state.share_at_walls();
        statistics.at_walls = share;
        statistics.most_at_walls = statistics.most_at_walls.max(share);
        if share > self.most_at_walls {
            return Err(LawError::AtWalls { t, share, most: self.most_at_walls });
        }
        observer.arrived(index, t, state.law());
        Ok(())
    }
}

/// The masses, and memory for a step.
#[derive(Debug)]
struct State {
    grid: CellGrid,
    /// `[rows, columns]`; on the line there is one row.
    masses: Array2<f64>,
    /// The masses with columns one after the other.
    turned: Vec<f64>,
    departures: Vec<Vec<Departure>>,
}

impl State {
    fn new(grid: CellGrid, masses: Vec<f64>) -> Self {
        let [columns, rows] = grid.columns_and_rows();
        let faces = |cells: usize| (cells + 1) * (grid.cells() / cells);
        let departures =
            grid.axes().iter().map(|axis| vec![Departure::default(); faces(axis.cells())]);
        Self {
            grid,
            masses: Array2::from_shape_fn((rows, columns), |(row, column)| {
                masses[row * columns + column]
            }),
            turned: vec![0.0; masses.len()],
            departures: departures.collect(),
        }
    }

    /// The masses, of the grid's shape.
    fn law(&self) -> ArrayViewD<'_, f64> {
        if self.grid.dim() == 1 {
            self.masses.row(0).into_dyn()
        } else {
            self.masses.view().into_dyn()
        }
    }

    /// The mass of the outermost cells as a share of all.
    fn share_at_walls(&self) -> f64 {
        let [rows, columns] = [self.masses.nrows(), self.masses.ncols()];
        let mut walls = self.masses.column(0).sum() + self.masses.column(columns - 1).sum();
        if self.grid.dim() > 1 {
            // Corners are counted already.
            let sides = [0, rows - 1].map(|row| self.masses.row(row));
            walls +=
                sides.iter().flat_map(|side| side.iter().take(columns - 1).skip(1)).sum::<f64>();
        }
        // Where every cell is at a wall, rounding could make it more than all.
        (walls / self.masses.sum()).min(1.0)
    }

    /// One step with these ways along each axis, in cells, and noise of this variance.
    fn step(&mut self, ways: &[Vec<f64>], variance: f64) {
        let Self { grid, masses, turned, departures } = self;
        let [columns, rows] = grid.columns_and_rows();
        // The layout is standard by construction.
        let masses = masses.as_slice_mut().unwrap_or_default();
        let noisy = variance > 0.0;
        let spread = |axis: usize| variance / grid.axes()[axis].width().powi(2);
        // The innermost motion is done in one piece where no noise divides it.
        let inner = if noisy { 0.5 } else { 1.0 };
        if let ([along], [way]) = (ways, &mut departures[..]) {
            trace_lines(along, columns, inner, way);
            remap_lines(masses, columns, way);
            if noisy {
                heat_lines(masses, columns, spread(0));
                remap_lines(masses, columns, way);
            }
        } else if let ([along, across], [way, way_across]) = (ways, &mut departures[..]) {
            trace_lines(along, columns, 0.5, way);
            trace_lines(across, rows, inner, way_across);
            remap_lines(masses, columns, way);
            transpose(masses, columns, turned);
            remap_lines(turned, rows, way_across);
            if noisy {
                heat_lines(turned, rows, spread(1));
                transpose(turned, rows, masses);
                heat_lines(masses, columns, spread(0));
                transpose(masses, columns, turned);
                remap_lines(turned, rows, way_across);
            }
            transpose(turned, rows, masses);
            remap_lines(masses, columns, way);
        }
    }
}
