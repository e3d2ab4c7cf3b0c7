use fokker_sde_core::Real;
use ndarray::{Array2, Zip};
use serde::{Deserialize, Serialize};

use crate::SamplingError;

/// How far one step may be off: each number of a particle by `absolute + relative · max(|x_0|, |x_1|)`, in the root mean
/// square over the particle; a block steps as its worst particle needs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tolerance {
    /// In the units of the particles.
    pub absolute: f64,
    /// A share of the particle's size.
    pub relative: f64,
}

impl Tolerance {
    /// Refuses what no step can keep.
    pub(crate) fn check(&self) -> Result<(), SamplingError> {
        for (which, value) in [("absolute", self.absolute), ("relative", self.relative)] {
            let useless = which == "absolute" && value == 0.0 && self.relative == 0.0;
            if !(value >= 0.0 && value.is_finite()) || useless {
                return Err(SamplingError::Tolerance { which, value });
            }
        }
        Ok(())
    }

    /// The largest error of a particle in units of what is allowed; infinite if it is not a number.
    pub(crate) fn worst<F: Real>(
        &self,
        error: &Array2<F>,
        start: &Array2<F>,
        end: &Array2<F>,
    ) -> f64 {
        let mut worst = 0.0_f64;
        Zip::from(error.rows()).and(start.rows()).and(end.rows()).for_each(|error, start, end| {
            let mut sum = 0.0;
            for ((e, a), b) in error.iter().zip(start).zip(end) {
                let size = a.wide().abs().max(b.wide().abs());
                sum += (e.wide() / (self.absolute + self.relative * size)).powi(2);
            }
            let own = (sum / error.len() as f64).sqrt();
            worst = if own.is_nan() { f64::INFINITY } else { worst.max(own) };
        });
        worst
    }
}

/// Proportional–integral control of the step: after an error of `r` in units of the tolerance, and `r′` the step before,
/// the step changes by the factor `0.9 r^{−0.7/k} r′^{0.4/k}`, between 0.2 and 5, with `k` the order of the error
/// estimate; after a step that failed by the proportional part alone, and it may not grow in the next one. Source: Hairer and
/// Wanner, *Solving ordinary differential equations II*, §IV.2; Gustafsson, *Control theoretic techniques for stepsize
/// selection in explicit Runge–Kutta methods*, ACM Trans. Math. Softw. 17 (1991).
pub(crate) struct StepControl {
    order: f64,
    before: f64,
    failed: bool,
}

impl StepControl {
    /// For estimates whose error is of order `h^order`.
    pub(crate) fn new(order: f64) -> Self {
        Self { order, before: 1.0, failed: false }
    }

    /// Whether a step with this error counts, and the factor for the next one.
    pub(crate) fn judge(&mut self, error: f64) -> (bool, f64) {
        if error > 1.0 {
            self.failed = true;
            return (false, (0.9 * error.powf(-1.0 / self.order)).max(0.2));
        }
        let error = error.max(1e-4);
        let factor = 0.9 * error.powf(-0.7 / self.order) * self.before.powf(0.4 / self.order);
        let most = if self.failed { 1.0 } else { 5.0 };
        (self.before, self.failed) = (error, false);
        (true, factor.clamp(0.2, most))
    }
}

/// What takes steps that can be taken back.
pub(crate) trait Trials {
    /// Takes a step, and returns its error in units of the tolerance.
    fn attempt(&mut self, from: f64, to: f64) -> Result<f64, SamplingError>;

    /// Keeps the last step, the one after `steps` others.
    fn keep(&mut self, steps: usize, from: f64, to: f64) -> Result<(), SamplingError>;

    /// Takes the last step back.
    fn take_back(&mut self);

    /// An error if the last step, which was to be taken back, left the numbers.
    fn check(&self, steps: usize, to: f64) -> Result<(), SamplingError>;
}

/// The most steps of a block whose steps are adaptive, those taken back included: more than any use of a sampler asks for.
const MOST_STEPS: u64 = 100_000;

impl StepControl {
    /// Takes the steps from `start` to `end`, in either direction, the first to `next`; returns how many were kept and
    /// how many taken back. None gets smaller than `2⁻³⁴` of the diffusion's horizon.
    pub(crate) fn drive(
        mut self,
        trials: &mut impl Trials,
        [start, next, end]: [f64; 3],
        horizon: f64,
    ) -> Result<[u64; 2], SamplingError> {
        let [mut kept, mut taken_back] = [0, 0];
        let smallest = 2.0_f64.powi(-34) * horizon;
        let (mut t, mut h) = (start, next - start);
        while t != end {
            // No remainder that is too small to be a step of its own.
            let to = if (end - t).abs() <= 1.01 * h.abs() { end } else { t + h };
            let (counts, factor) = self.judge(trials.attempt(t, to)?);
            h = factor * (to - t);
            let steps = kept as usize;
            if counts {
                trials.keep(steps, t, to)?;
                kept += 1;
                t = to;
            } else {
                taken_back += 1;
            }
            let small = !counts && h.abs() < smallest;
            if t != end && (small || kept + taken_back >= MOST_STEPS) {
                if !counts {
                    trials.check(steps, to)?;
                }
                let steps = (kept + taken_back) as usize;
                return Err(SamplingError::StepTooSmall { particle: 0, t, step: h.abs(), steps });
            }
            if !counts {
                trials.take_back();
            }
        }
        Ok([kept, taken_back])
    }
}
