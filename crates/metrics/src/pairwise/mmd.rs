//! The maximum mean discrepancy.

use std::f64::consts::LOG2_E;

use ndarray::ArrayView2;
use num_traits::Float;
use rand::Rng;
use rand::seq::index;

use super::exp2::exp2;
use super::{PairwiseError, Points, compare, distance, largest, power_of_two, sum_over};
use crate::Distance;

/// The most points that [`median_bandwidth`] takes the distances between.
const MEDIAN_POINTS: usize = 1000;

/// The squared maximum mean discrepancy between two sets of points, the rows of an `[n, d]` and an
/// `[m, d]` array,
///
/// ```text
/// MMD² = E k(X, X') + E k(Y, Y') − 2 E k(X, Y),   k(x, y) = Σ_h exp(−|x − y|²/(2h²)),
/// ```
///
/// a pure number, with a Gaussian kernel for each of the `bandwidths` `h`, in units of length, and with
/// `X, X'` and `Y, Y'` independent and uniform on the points of each set. This is the V-statistic, called
/// biased: the squared distance between the two empirical measures in the space of the kernel, never
/// negative and at most twice the number of bandwidths. Taken together with its floor it says no less
/// than the unbiased statistic, which [`Distance::debiased`] agrees with in mean if both laws are the
/// same. Source: Gretton, Borgwardt, Rasch, Schölkopf and Smola, *A kernel two-sample test*, Journal of
/// Machine Learning Research 13 (2012), equation 5.
///
/// Noise floor: `(1/n + 1/m)(k(x, x) − E k(X, X'))`, exactly the mean if both sets are drawn from one law,
/// with the mean of the kernel estimated from all pairs of the pooled points.
///
/// Takes `O((n + m)² d)` operations for each bandwidth, in parallel and with the same bits for any
/// number of threads. Rounding leaves an error of about `10⁻¹⁴` for each bandwidth.
///
/// # Errors
///
/// [`PairwiseError::NoBandwidth`] for no bandwidths, [`PairwiseError::Bandwidth`] at the first one that is
/// not finite and positive, [`PairwiseError::Points`] for points that cannot be used,
/// [`PairwiseError::TooFar`] if a coordinate is more bandwidths than can be counted.
pub fn squared_mmd<F>(
    first: ArrayView2<'_, F>,
    second: ArrayView2<'_, F>,
    bandwidths: &[f64],
) -> Result<Distance, PairwiseError>
where
    F: Float + Into<f64>,
{
    if bandwidths.is_empty() {
        return Err(PairwiseError::NoBandwidth);
    }
    let bad = |h: &f64| !(*h > 0.0 && h.is_finite());
    if let Some(index) = bandwidths.iter().position(bad) {
        return Err(PairwiseError::Bandwidth { index, value: bandwidths[index] });
    }
    let largest = largest([&first, &second])?;
    let mut total = [0.0; 2];
    for h in bandwidths {
        // Of each bandwidth its own unit, so that what overflows or underflows in it is far or near.
        let unit = power_of_two(*h);
        if !(largest / unit).is_finite() {
            return Err(PairwiseError::TooFar);
        }
        let points = [&first, &second].map(|points| Points::new(points, unit));
        let rate = 0.5 * LOG2_E / (h / unit).powi(2);
        let both = compare(&points, 1.0, |squares| sum_over(squares, |r| exp2(-rate * r)));
        total.iter_mut().zip(both).for_each(|(total, one)| *total += one);
    }
    Ok(distance([first.nrows(), second.nrows()], total))
}

/// The median of the distances between the points of both sets together, in units of length: a common
/// choice of bandwidth for [`squared_mmd`] (Gretton et al. 2012, section 8).
///
/// Of more than 1000 points together, 1000 are drawn without replacement.
///
/// # Errors
///
/// [`PairwiseError::Points`] for points that cannot be used, [`PairwiseError::Coincident`] if the median is zero, [`PairwiseError::TooFar`] if it is more than the
/// largest number.
pub fn median_bandwidth<F, R>(
    first: ArrayView2<'_, F>,
    second: ArrayView2<'_, F>,
    rng: &mut R,
) -> Result<f64, PairwiseError>
where
    F: Float + Into<f64>,
    R: Rng + ?Sized,
{
    largest([&first, &second])?;
    let rows: Vec<_> = first.rows().into_iter().chain(second.rows()).collect();
    let chosen: Vec<usize> = if rows.len() > MEDIAN_POINTS {
        index::sample(rng, rows.len(), MEDIAN_POINTS).into_vec()
    } else {
        (0..rows.len()).collect()
    };
    let points: Vec<Vec<f64>> =
        chosen.iter().map(|&row| rows[row].iter().map(|&x| x.into()).collect()).collect();
    let mut lengths = Vec::with_capacity(points.len() * points.len() / 2);
    for (row, from) in points.iter().enumerate() {
        lengths.extend(points[..row].iter().map(|to| length(from, to)));
    }
    let half = lengths.len() / 2;
    let odd = lengths.len() % 2 == 1;
    let (below, &mut upper, _) = lengths.select_nth_unstable_by(half, f64::total_cmp);
    let lower = if odd { upper } else { below.iter().copied().fold(0.0, f64::max) };
    match 0.5 * lower + 0.5 * upper {
        0.0 => Err(PairwiseError::Coincident),
        median if median.is_finite() => Ok(median),
        _ => Err(PairwiseError::TooFar),
    }
}

/// `|x − y|`.
fn length(x: &[f64], y: &[f64]) -> f64 {
    let differences = || x.iter().zip(y).map(|(x, y)| x - y);
    let square: f64 = differences().map(|difference| difference * difference).sum();
    // Anything else may be off by an overflow or an underflow.
    if square.is_normal() { square.sqrt() } else { differences().fold(0.0, f64::hypot) }
}
