use fokker_sde_core::BatchError;
use ndarray::{Array2, ArrayView2};

use crate::EstimateError;

/// Which of the one-sided Lipschitz numbers of a time's points stands for all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LipschitzRule {
    /// The largest: a bound as far as the points go.
    Largest,
    /// The smallest that this share of the points, between 0 and 1, does not exceed: an estimate of how fast
    /// solutions part, and no bound.
    Quantile(f64),
}

/// How fast solutions of the probability-flow ODE part in reverse time, by one number `Λ_t` for each time.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// The times, which fall.
    pub times: Vec<f64>,
    /// `Λ_t` at each of them, per unit of time.
    pub rates: Vec<f64>,
    /// How it was made of the points.
    pub rule: LipschitzRule,
}

impl Growth {
    /// From the one-sided Lipschitz numbers, `[k, n]`, of `n` points at each of `k` falling times; see
    /// [`one_sided_lipschitz`](crate::one_sided_lipschitz).
    ///
    /// # Errors
    /// If the shapes or the times do not fit, there is no point, a number is not finite, or a quantile is not between
    /// 0 and 1.
    pub fn new(
        times: &[f64],
        numbers: ArrayView2<'_, f64>,
        rule: LipschitzRule,
    ) -> Result<Self, EstimateError> {
        check(times, numbers)?;
        let n = numbers.ncols();
        EstimateError::check_count("list of points", n, 1)?;
        let place = match rule {
            LipschitzRule::Largest => n - 1,
            LipschitzRule::Quantile(q) if q > 0.0 && q < 1.0 => (q * n as f64).ceil() as usize - 1,
            LipschitzRule::Quantile(value) => {
                let (what, rule) = ("quantile", "between 0 and 1");
                return Err(EstimateError::Range { what, value, rule });
            }
        };
        let rate = |row: ndarray::ArrayView1<'_, f64>| {
            let mut sorted = row.to_vec();
            sorted.sort_unstable_by(f64::total_cmp);
            sorted[place]
        };
        let rates = numbers.rows().into_iter().map(rate).collect();
        Ok(Self { times: times.to_vec(), rates, rule })
    }

    /// `L(t) = ∫_{t_0}^t Λ_r dr` at each time, `t_0` the last.
    pub fn exponents(&self) -> Vec<f64> {
        let rates = self.rates.iter().copied();
        integrate(&self.times, rates)
    }
}

/// `∫_{t_0}^t λ_r dr` for each column of `numbers`, `[k, n]`, at each of the `k` falling times, `t_0` the last; `[k,
/// n]`.
///
/// With the one-sided Lipschitz numbers along `n` solutions of the ODE from the first of the times down to the last,
/// the first row are the exponents that [`pathwise_bound`](crate::pathwise_bound) takes for the first time.
///
/// # Errors
/// If the shapes or the times do not fit, or a number is not finite.
pub fn growth_exponents(
    times: &[f64],
    numbers: ArrayView2<'_, f64>,
) -> Result<Array2<f64>, EstimateError> {
    check(times, numbers)?;
    let mut exponents = Array2::zeros(numbers.raw_dim());
    for (mut out, column) in exponents.columns_mut().into_iter().zip(numbers.columns()) {
        let integrals = integrate(times, column.iter().copied());
        out.iter_mut().zip(integrals).for_each(|(out, integral)| *out = integral);
    }
    Ok(exponents)
}

/// The trapezoidal rule from the last time to each.
fn integrate(
    times: &[f64],
    values: impl DoubleEndedIterator<Item = f64> + ExactSizeIterator,
) -> Vec<f64> {
    let mut integrals = vec![0.0; times.len()];
    let (mut sum, mut before) = (0.0, None);
    for (k, value) in values.enumerate().rev() {
        if let Some(before) = before {
            sum += 0.5 * (times[k] - times[k + 1]) * (value + before);
        }
        integrals[k] = sum;
        before = Some(value);
    }
    integrals
}

fn check(times: &[f64], numbers: ArrayView2<'_, f64>) -> Result<(), EstimateError> {
    EstimateError::check_times(times, f64::INFINITY)?;
    BatchError::check("numbers", &[times.len(), numbers.ncols()], numbers.shape())?;
    for (&t, row) in times.iter().zip(numbers.rows()) {
        EstimateError::check_finite("one-sided Lipschitz number", t, 0, row.iter())?;
    }
    Ok(())
}
