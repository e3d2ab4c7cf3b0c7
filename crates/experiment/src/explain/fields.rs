//! Maps in the plane: the residual, and by how much the velocities of the two laws differ, from the law of the SDE on a grid.

use fokker_fp_residual::residual_of_jet;
use fokker_samplers::{CellGrid, LawObserver, LawSolver, ReverseProcess};
use fokker_sde_core::{GridRule, Jet, Potential, Real, Sde};
use ndarray::{Array1, Array2, ArrayViewD, Axis, Ix2};

use crate::figures::{FieldFigure, FieldPanel, FieldRow};
use crate::{Error, Progress};

/// Cells a side.
const CELLS: usize = 128;

/// Steps of the law's solver.
const STEPS: usize = 200;

/// Where the density is below this share of its maximum there are hardly any particles, and nothing is drawn.
const LEAST_DENSITY: f64 = 1e-3;

/// The largest box that is solved on, in units of the one that is drawn.
pub(super) const MOST_REACH: f64 = 4.0;

/// Half the side of the box that holds the prior, and at least twice what is drawn.
pub(super) fn reach(sde: &dyn Sde, extent: f64) -> f64 {
    (2.0 * extent).max(4.5 * sde.prior().std)
}

/// Values of `log(α²/σ²)` whose times are drawn.
const LOG_SNR: [f64; 5] = [-1.0, 1.0, 3.0, 5.0, 7.0];

/// Keeps the masses at some times.
struct Keeper<'a> {
    times: &'a [f64],
    kept: Vec<(f64, Array2<f64>)>,
    progress: &'a dyn Progress,
}

impl LawObserver for Keeper<'_> {
    fn arrived(&mut self, _index: usize, t: f64, law: ArrayViewD<'_, f64>) {
        if let (true, Ok(law)) = (self.times.contains(&t), law.into_dimensionality::<Ix2>()) {
            self.kept.push((t, law.to_owned()));
        }
    }

    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

/// The residual `ε` and `½g²|∇w|` over the square `[−extent, extent]²` at some times down to `last`, where the SDE has mass.
pub(crate) fn fields<F: Real>(
    potential: &dyn Potential<F>,
    sde: &dyn Sde,
    last: f64,
    extent: f64,
    progress: &dyn Progress,
) -> Result<FieldFigure, Error> {
    let reach = reach(sde, extent);
    // As fine as what is drawn, and with as many cells on either side of it.
    let cells = CELLS + 2 * ((reach / extent - 1.0) * CELLS as f64 / 2.0).ceil() as usize;
    let reach = extent * cells as f64 / CELLS as f64;
    let grid =
        CellGrid::square(cells, reach).map_err(|error| Error::Internal(error.to_string()))?;
    let rule = GridRule::LogSnr { steps: STEPS, t_min: Some(last) };
    let mut times = rule.grid(sde)?.times().to_vec();
    let mut drawn: Vec<f64> = LOG_SNR
        .into_iter()
        .filter_map(|level| sde.time_of_log_snr(level).ok())
        .filter(|&t| t > last)
        .collect();
    if drawn.len() < LOG_SNR.len() {
        drawn.push(last);
    }
    times.pop();
    times.extend(&drawn);
    times.sort_unstable_by(|a, b| b.total_cmp(a));
    times.dedup();
    let times = GridRule::Times(times).grid(sde)?;
    let mut keeper = Keeper { times: &drawn, kept: Vec::new(), progress };
    // Nothing is refused for mass at the walls: a learned score may drive some there.
    let solver = LawSolver { grid, most_at_walls: 1.0 };
    solver.solve(potential, sde, ReverseProcess::SDE, &times, &mut keeper)?;
    let (mut columns, mut residuals, mut differences) = (Vec::new(), Vec::new(), Vec::new());
    for (t, masses) in &keeper.kept {
        let [residual, difference] = maps(potential, sde, *t, masses, &grid)?;
        columns.push(format!("t = {}", rounded(*t)));
        let margin = (cells - CELLS) / 2;
        let inside = |map: &Array2<f64>| {
            let inside = (margin..margin + CELLS).into();
            map.slice_axis(Axis(0), inside).slice_axis(Axis(1), inside).to_owned()
        };
        let panel =
            |values: Array2<f64>, signed| FieldPanel { values, signed, caption: String::new() };
        residuals.push(panel(inside(&residual), true));
        differences.push(panel(inside(&difference), false));
    }
    Ok(FieldFigure {
        title: "where the SDE has mass".to_owned(),
        extent,
        axes: ["x", "y"].map(str::to_owned),
        columns,
        rows: vec![
            FieldRow { label: "residual ε − mean".to_owned(), panels: residuals },
            FieldRow { label: "½g²|grad w|".to_owned(), panels: differences },
        ],
    })
}

/// `ε` less its mean over the law, and `½g²|∇w|` with `w = log p − φ` by central differences; not-a-number where the law has hardly any mass.
fn maps<F: Real>(
    potential: &dyn Potential<F>,
    sde: &dyn Sde,
    t: f64,
    masses: &Array2<f64>,
    grid: &CellGrid,
) -> Result<[Array2<f64>; 2], Error> {
    let (rows, columns) = masses.dim();
    let axis = grid.axes()[0];
    let points = Array2::from_shape_fn((rows * columns, 2), |(cell, k)| {
        F::of(axis.centre(if k == 0 { cell % columns } else { cell / columns }))
    });
    let times = Array1::from_elem(points.nrows(), F::of(t));
    let mut jet = Jet::zeros(points.nrows(), 2);
    potential.jet(times.view(), points.view(), &mut jet)?;
    let epsilon = residual_of_jet(&jet, sde, times.view(), points.view());
    let largest = masses.iter().copied().fold(0.0, f64::max);
    let populated = |at: [usize; 2]| masses[at] > LEAST_DENSITY * largest;
    let total = masses.sum();
    let mean: f64 =
        masses.iter().zip(&epsilon).map(|(mass, epsilon)| mass * epsilon.wide()).sum::<f64>()
            / total;
    let w = |[row, column]: [usize; 2]| {
        masses[[row, column]].ln() - jet.value[row * columns + column].wide()
    };
    let g = sde.diffusion(t);
    let slope = |low: [usize; 2], high: [usize; 2]| (w(high) - w(low)) / (2.0 * axis.width());
    let map = |value: &dyn Fn(usize, usize) -> f64| {
        Array2::from_shape_fn((rows, columns), |(row, column)| {
            let inner = (1..rows - 1).contains(&row) && (1..columns - 1).contains(&column);
            if inner && populated([row, column]) { value(row, column) } else { f64::NAN }
        })
    };
    let residual = map(&|row, column| epsilon[row * columns + column].wide() - mean);
    let difference = map(&|row, column| {
        let along = slope([row, column - 1], [row, column + 1]);
        let across = slope([row - 1, column], [row + 1, column]);
        0.5 * g * g * along.hypot(across)
    });
    Ok([residual, difference])
}

/// A time in two digits.
fn rounded(t: f64) -> String {
    let text = format!("{t:.1e}");
    text.parse::<f64>().map_or(text, |t| format!("{t}"))
}
