use fokker_sde_core::{BatchError, Potential, Real, Sde};
use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::schedule::Schedule;
use crate::residual;

/// Points at which the common part is looked at.
const REFERENCES: usize = 16;

/// Into so many parts each step is cut for its integral.
const PARTS: usize = 16;

/// A function `c(t)` that most of `ε` may be: what depends on `t` alone is in the integral along every path, and is integrated once for all
/// of them, on a finer grid.
///
/// It is the median of `ε` over some of the points, moved as the means of their paths are, `(α_r/α_t) x`. Whatever it is, `∫ε = ∫c + ∫(ε − c)`.
pub(super) struct Common {
    /// `c` where the paths start.
    pub(super) start: f64,
    /// `c` at the end of each step.
    pub(super) nodes: Vec<f64>,
    /// `∫ c` over all steps.
    pub(super) integral: f64,
}

impl Common {
    /// For paths from the points `x`, `[n, d]`, at `t`.
    pub(super) fn new<F: Real>(
        potential: &dyn Potential<F>,
        sde: &dyn Sde,
        t: f64,
        schedule: &Schedule,
        x: ArrayView2<'_, F>,
    ) -> Result<Self, BatchError> {
        let stride = x.nrows().div_ceil(REFERENCES).max(1);
        let chosen: Vec<usize> = (0..x.nrows()).step_by(stride).collect();
        let (references, alpha) = (x.select(Axis(0), &chosen), sde.marginal(t).alpha);
        let c = |times: &[f64]| -> Result<Vec<f64>, BatchError> {
            let count = references.nrows();
            let shape = (times.len() * count, references.ncols());
            let places = Array2::from_shape_fn(shape, |(row, k)| {
                let ratio = sde.marginal(times[row / count]).alpha / alpha;
                F::of(ratio) * references[[row % count, k]]
            });
            let at = Array1::from_shape_fn(places.nrows(), |row| F::of(times[row / count]));
            let epsilon = residual(potential, sde, at.view(), places.view())?;
            let all: Vec<f64> = epsilon.iter().map(|e| e.wide()).collect();
            Ok(all.chunks(count.max(1)).map(median).collect())
        };
        let start = c(&[t])?.first().copied().unwrap_or(0.0);
        let (mut from, mut before, mut integral) = (t, start, 0.0);
        let mut nodes = Vec::with_capacity(schedule.steps.len());
        for step in &schedule.steps {
            let width = (step.t - from) / PARTS as f64;
            let time =
                |part: usize| if part == PARTS { step.t } else { from + part as f64 * width };
            let values = c(&(1..=PARTS).map(time).collect::<Vec<_>>())?;
            for value in values {
                integral += 0.5 * width * (before + value);
                before = value;
            }
            nodes.push(before);
            from = step.t;
        }
        Ok(Self { start, nodes, integral })
    }
}

/// The median of those that are finite; 0 if none is.
fn median(values: &[f64]) -> f64 {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    finite.sort_unstable_by(f64::total_cmp);
    finite.get(finite.len() / 2).copied().unwrap_or(0.0)
}
