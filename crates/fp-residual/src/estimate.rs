use ndarray::Slice;
use rayon::prelude::*;

use crate::EstimateError;

/// A mean over independent points, and how far it may be from the mean over the law of the points.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean.
    pub mean: f64,
    /// The standard error of the mean, from the variance over the points: with few points and a quantity
    /// that is rarely large, too small.
    pub standard_error: f64,
}

/// Points per parallel task.
const BLOCK: usize = 1024;

impl Estimate {
    /// The mean of a quantity over `n` points, whose values `values` gives for slices of them. In `f64`, in
    /// parallel, and the same for any number of threads.
    pub(crate) fn of<Error: Send>(
        n: usize,
        values: impl Fn(Slice) -> Result<Vec<f64>, Error> + Sync,
    ) -> Result<Self, Error> {
        let blocks: Vec<_> = (0..n).step_by(BLOCK).collect();
        let sums = blocks
            .into_par_iter()
            .map(|from| {
                let values = values(Slice::from(from..(from + BLOCK).min(n)))?;
                let [sum, squares] = [1, 2].map(|k| values.iter().map(|v| v.powi(k)).sum::<f64>());
                Ok((sum, squares))
            })
            .collect::<Result<Vec<(f64, f64)>, Error>>()?;
        let sum: f64 = sums.iter().map(|(sum, _)| sum).sum();
        let squares: f64 = sums.iter().map(|(_, squares)| squares).sum();
        let (count, mean) = (n as f64, sum / n as f64);
        let variance = (squares / count - mean * mean).max(0.0) / (count - 1.0).max(1.0);
        Ok(Self { mean, standard_error: variance.sqrt() })
    }

    /// The mean of these values, which `what` names in errors. The variance is taken about the mean, so that values that
    /// hardly differ have a small error however large they are.
    ///
    /// # Errors
    /// If there are fewer than two values, or one is not finite.
    pub fn of_values(what: &'static str, values: &[f64]) -> Result<Self, EstimateError> {
        EstimateError::check_count(what, values.len(), 2)?;
        if let Some((index, &value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(EstimateError::Value { what, index, value });
        }
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
        Ok(Self { mean, standard_error: (squares / (count * (count - 1.0))).sqrt() })
    }

    /// The ratio `r = E[u]/E[v]` of the means of two quantities that are known at the same points, with the error of its
    /// linearisation, that of the mean of `(u − r v)/E[v]`.
    ///
    /// # Errors
    /// As [`Estimate::of_values`]; also if the mean of `v` is 0.
    pub(crate) fn of_ratio(
        what: &'static str,
        u: &[f64],
        v: &[f64],
    ) -> Result<Self, EstimateError> {
        let [above, below] = [Self::of_values(what, u)?, Self::of_values(what, v)?];
        let ratio = above.mean / below.mean;
        EstimateError::check_value(what, ratio)?;
        let off: Vec<f64> = u.iter().zip(v).map(|(u, v)| (u - ratio * v) / below.mean).collect();
        Ok(Self { mean: ratio, ..Self::of_values(what, &off)? })
    }
}
