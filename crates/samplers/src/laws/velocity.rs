use fokker_sde_core::{Real, Score, Sde};
use ndarray::{Array2, Axis};
use rayon::prelude::*;

use super::{CellGrid, LawError};
use crate::ReverseProcess;

/// Points per call of the score, so that its bits do not depend on the number of threads.
const BLOCK: usize = 256;

/// What a step of a reverse process does, of the coefficients in its middle.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coefficients {
    /// The middle of the step.
    t: f64,
    /// `−a(t) Δt`: the point's factor in the way that it moves.
    stretch: f64,
    /// `½(1 + λ²) g² Δt`: the score's factor.
    push: f64,
    /// `λ² g² Δt`: the variance of the noise.
    pub(crate) variance: f64,
}

impl Coefficients {
    pub(crate) fn new(
        sde: &dyn Sde,
        process: &ReverseProcess,
        from: f64,
        to: f64,
    ) -> Result<Self, LawError> {
        let (t, step) = (0.5 * (from + to), from - to);
        let (g, lambda) = (sde.diffusion(t), process.lambda(t));
        if !(lambda >= 0.0 && lambda.is_finite()) {
            return Err(LawError::Lambda { t, lambda });
        }
        let (g, weight) = (g * g, lambda * lambda);
        Ok(Self {
            t,
            stretch: -sde.drift_rate(t) * step,
            push: 0.5 * (1.0 + weight) * g * step,
            variance: weight * g * step,
        })
    }
}

/// The ways that points go in a step, and the memory for them.
#[derive(Debug)]
pub(crate) struct Ways<F> {
    grid: CellGrid,
    /// The centres of the cells of each axis.
    places: Vec<Vec<f64>>,
    /// The centres of the cells, `[cells, d]`.
    centres: Array2<F>,
    /// The score there, `[cells, d]`.
    scores: Array2<F>,
    /// The way along each axis in cells of it. Lines along the axis lie one after the other: those of the
    /// second axis are columns of the grid.
    pub(crate) along: Vec<Vec<f64>>,
    /// The longest of the last step.
    pub(crate) longest: f64,
}

impl<F: Real> Ways<F> {
    pub(crate) fn new(grid: CellGrid) -> Self {
        let [columns, _] = grid.columns_and_rows();
        let places: Vec<Vec<f64>> = grid
            .axes()
            .iter()
            .map(|axis| (0..axis.cells()).map(|i| axis.centre(i)).collect())
            .collect();
        let centres = Array2::from_shape_fn((grid.cells(), grid.dim()), |(cell, axis)| {
            let place = if axis == 0 { cell % columns } else { cell / columns };
            F::of(places[axis][place])
        });
        let scores = Array2::zeros(centres.raw_dim());
        let along = vec![vec![0.0; grid.cells()]; grid.dim()];
        Self { grid, places, centres, scores, along, longest: 0.0 }
    }

    /// `v Δt / h` with `v = −a x + ½(1 + λ²) g² s` in every centre.
    pub(crate) fn evaluate(
        &mut self,
        score: &dyn Score<F>,
        step: &Coefficients,
    ) -> Result<(), LawError> {
        let blocks = self.centres.axis_chunks_iter(Axis(0), BLOCK).into_par_iter();
        blocks
            .zip(self.scores.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter())
            .map(|(x, out)| score.score(F::of(step.t), x, out))
            // Of several errors that of the first block, whichever was found first.
            .reduce(|| Ok(()), Result::and)?;
        let [columns, _] = self.grid.columns_and_rows();
        let (mut longest, mut bad) = (0.0_f64, usize::MAX);
        for (axis, (out, places)) in self.along.iter_mut().zip(&self.places).enumerate() {
            let rate = 1.0 / self.grid.axes()[axis].width();
            let [next_line, next_place] = if axis == 0 { [columns, 1] } else { [1, columns] };
            let scores = self.scores.column(axis);
            let found = out.par_chunks_mut(places.len()).enumerate().map(|(line, out)| {
                let (mut longest, mut bad) = (0.0_f64, usize::MAX);
                for (i, (way, x)) in out.iter_mut().zip(places).enumerate() {
                    let cell = line * next_line + i * next_place;
                    *way = (step.stretch * x + step.push * scores[cell].wide()) * rate;
                    if way.is_finite() {
                        longest = longest.max(way.abs());
                    } else {
                        bad = bad.min(cell);
                    }
                }
                (longest, bad)
            });
            let found = found.reduce(|| (0.0, usize::MAX), |a, b| (a.0.max(b.0), a.1.min(b.1)));
            (longest, bad) = (longest.max(found.0), bad.min(found.1));
        }
        self.longest = longest;
        if bad == usize::MAX { Ok(()) } else { Err(self.not_finite(step.t, bad)) }
    }

    fn not_finite(&self, t: f64, cell: usize) -> LawError {
        let row = |of: &Array2<F>| of.row(cell).iter().map(|x| x.wide()).collect();
        LawError::NotFinite { t, place: row(&self.centres), score: row(&self.scores) }
    }
}
