use ndarray::Slice;
use rayon::prelude::*;

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
}
