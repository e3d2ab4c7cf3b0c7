//! How far chance alone moves a distance between histograms.

use std::f64::consts::FRAC_2_PI;

use rand::Rng;
use rayon::prelude::*;
use thiserror::Error;

use crate::{Floor, Histogram, HistogramError, Side};

/// Why there is no noise floor and no interval.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum UncertaintyError {
    /// Fewer than two draws, of which there is no standard error and no quantile.
    #[error("{found} draws are too few, at least 2 are needed")]
    Draws {
        /// The number asked for.
        found: u64,
    },
    /// A side of no points, or one whose masses were given.
    #[error("the {side} side has no points")]
    NoPoints {
        /// Which side.
        side: Side,
    },
    /// The level of an interval is a probability, and neither 0 nor 1.
    #[error("the level {level} does not lie between 0 and 1")]
    Level {
        /// The level asked for.
        level: f64,
    },
    /// A closed form that holds on the line only.
    #[error("the histogram has {axes} axes, not 1")]
    Dimension {
        /// The number of axes.
        axes: usize,
    },
    /// A histogram could not be resampled.
    #[error(transparent)]
    Histogram(#[from] HistogramError),
}

/// The noise floor of a distance: its mean between two independent sets of `n[0]` and `n[1]` points of one
/// law, over so many `draws` of both, with its standard error.
///
/// In draw `k` the first and then the second set is drawn from `rng(k)` by [`Histogram::resample`], so that
/// the draws, which run in parallel, are the same for any number of threads. The mean is in the units
/// of the `metric`, and not finite if one of its values is not.
///
/// ```
/// use fokker_metrics::{Grid, Histogram, noise_floor, total_variation};
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// let law = Histogram::from_mass(Grid::square(8, 1.0)?, ndarray::Array2::ones((8, 8)))?;
/// let rng = ChaCha8Rng::seed_from_u64;
/// let floor = noise_floor(&law, [500, 500], 100, rng, |first, second| {
///     Ok::<_, Box<dyn std::error::Error + Send + Sync>>(total_variation(first, second)?.value)
/// })?;
/// assert!((floor.mean - 0.2).abs() < 0.01 && floor.standard_error < 0.005);
/// # Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
/// ```
///
/// # Errors
///
/// [`UncertaintyError::Draws`] for fewer than two draws, [`UncertaintyError::NoPoints`] for a side of no
/// points, [`UncertaintyError::Histogram`] if all points of a draw lie outside the box; of the errors of
/// the `metric` the one of the earliest draw.
pub fn noise_floor<R, E>(
    law: &Histogram,
    n: [u64; 2],
    draws: u64,
    rng: impl Fn(u64) -> R + Sync,
    metric: impl Fn(&Histogram, &Histogram) -> Result<f64, E> + Sync,
) -> Result<Floor, E>
where
    R: Rng,
    E: From<UncertaintyError> + Send,
{
    let sides = [(law, n[0]), (law, n[1])];
    let values = resampled(sides, draws, rng, metric)?;
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Ok(Floor { mean, standard_error: (squares / (count * (count - 1.0))).sqrt() })
}

/// A confidence interval of the given `level` for a distance between the laws behind two histograms of
/// points: the [`bootstrap_interval`] of so many `replicates` of the `metric`.
///
/// Each replicate compares as many points as there are, drawn from each histogram with those outside the
/// box: in replicate `k` the first and then the second from `rng(k)`, so that the replicates, which run in
/// parallel, are the same for any number of threads.
///
/// # Errors
///
/// [`UncertaintyError::Level`] unless `0 < level < 1`, [`UncertaintyError::Draws`] for fewer than two
/// replicates, [`UncertaintyError::NoPoints`] for a histogram of given masses,
/// [`UncertaintyError::Histogram`] if all points of a replicate lie outside the box; of the errors of the
/// `metric` that between the histograms themselves, or the one of the earliest replicate.
pub fn bootstrap<R, E>(
    first: &Histogram,
    second: &Histogram,
    replicates: u64,
    level: f64,
    rng: impl Fn(u64) -> R + Sync,
    metric: impl Fn(&Histogram, &Histogram) -> Result<f64, E> + Sync,
) -> Result<[f64; 2], E>
where
    R: Rng,
    E: From<UncertaintyError> + Send,
{
    if !(level > 0.0 && level < 1.0) {
        return Err(UncertaintyError::Level { level }.into());
    }
    let sides = [first, second].map(|side| (side, side.points().unwrap_or(0)));
    let replicates = || resampled(sides, replicates, &rng, &metric);
    let (estimate, replicates) = rayon::join(|| metric(first, second), replicates);
    Ok(bootstrap_interval(estimate?, &replicates?, level))
}

/// The metric between so many points drawn from each of two histograms, draw by draw.
fn resampled<R, E>(
    sides: [(&Histogram, u64); 2],
    draws: u64,
    rng: impl Fn(u64) -> R + Sync,
    metric: impl Fn(&Histogram, &Histogram) -> Result<f64, E> + Sync,
) -> Result<Vec<f64>, E>
where
    R: Rng,
    E: From<UncertaintyError> + Send,
{
    if draws < 2 {
        return Err(UncertaintyError::Draws { found: draws }.into());
    }
    let counts = sides.map(|(_, n)| n);
    per_point(counts)?;
    let drawn = |(side, n): (&Histogram, u64), rng: &mut R| {
        side.resample(n, rng).map_err(UncertaintyError::from)
    };
    let value = |draw| {
        let mut rng = rng(draw);
        let [first, second] = sides.map(|side| drawn(side, &mut rng));
        metric(&first?, &second?)
    };
    // Collected with the errors: which of them is met first would depend on the threads.
    let values: Vec<Result<f64, E>> = (0..draws).into_par_iter().map(value).collect();
    values.into_iter().collect()
}

/// `1/n + 1/m`.
fn per_point(n: [u64; 2]) -> Result<f64, UncertaintyError> {
    let sides = [Side::First, Side::Second];
    match sides.into_iter().zip(n).find(|&(_, n)| n == 0) {
        Some((side, _)) => Err(UncertaintyError::NoPoints { side }),
        None => Ok(n.iter().map(|&n| 1.0 / n as f64).sum()),
    }
}

/// The noise floor in closed form of `W₁` between histograms on a grid with one axis,
///
/// ```text
/// E W₁ ≈ √(2/π) √(1/n + 1/m) ∫ √(F (1 − F)) dx,
/// ```
///
/// in units of length, for `n` and `m` points of the law with distribution function `F`, to leading order:
/// by the central limit theorem `F_n − G_m` is normal of variance `F (1 − F)(1/n + 1/m)`, and `W₁` is
/// `∫ |F_n − G_m| dx`. Of points outside the box, which no distance sees, there are as many in proportion
/// as the law has. Source: del Barrio, Giné and Matrán, *Central limit theorems for the Wasserstein
/// distance between the empirical and the true distributions*, Annals of Probability 27 (1999).
///
/// In the tails, where fewer than a few points lie beyond a place, the mean is smaller than this; by
/// less than a hundredth where ten lie on either side.
///
/// That of `W₂²`, not given here, is `(1/n + 1/m) ∫ F (1 − F)/f² dx` to leading order where the integral
/// over the density `f` is finite, as it is not for a normal law; for `n = m` points uniform on `[0, 1]` it
/// is `1/(3 (n + 1))` exactly, as the order statistics have variance `i (n + 1 − i)/((n + 1)² (n + 2))`.
///
/// # Errors
///
/// [`UncertaintyError::Dimension`] unless the grid has one axis, [`UncertaintyError::NoPoints`] for a side
/// of no points.
pub fn w1_noise_floor(law: &Histogram, n: [u64; 2]) -> Result<Floor, UncertaintyError> {
    let grid = law.grid();
    let &[axis] = grid.axes() else {
        return Err(UncertaintyError::Dimension { axes: grid.dim() });
    };
    let per_point = per_point(n)? / (1.0 - law.dropped());
    let sums = law.masses().iter().scan(0.0, |sum, mass| {
        *sum += mass;
        Some(*sum)
    });
    let sums: Vec<f64> = sums.collect();
    let total = sums.last().copied().unwrap_or(1.0);
    let integral: f64 = sums.iter().map(|sum| sum / total).map(|f| (f * (1.0 - f)).sqrt()).sum();
    let mean = (FRAC_2_PI * per_point).sqrt() * integral * axis.spacing();
    Ok(Floor { mean, standard_error: 0.0 })
}

/// The basic bootstrap interval of a quantity with the `estimate` found from data, from `replicates` of
/// it, found in the same way from data resampled from these.
///
/// With `q_a` the `a`-quantile of the replicates it is `[2W − q_{(1+level)/2}, 2W − q_{(1−level)/2}]`. That
/// the replicates lie above the estimate as the estimate lies above the truth, as those of a
/// Wasserstein distance do by the noise of the resampling, is thereby taken out once. The quantity is
/// not negative, and a bound that would be is 0. Source: Davison and Hinkley, *Bootstrap methods and
/// their application* (1997), section 5.2.
///
/// Where the two laws are the same the fluctuations of a squared Wasserstein distance are not of the
/// order that the bootstrap assumes: there, compare with the noise floor.
pub fn bootstrap_interval(estimate: f64, replicates: &[f64], level: f64) -> [f64; 2] {
    let mut sorted = replicates.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let quantile = |a: f64| {
        let place = a * (sorted.len().max(1) - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        match (sorted.get(below), sorted.get(above)) {
            (Some(low), Some(high)) => low + (high - low) * place.fract(),
            _ => estimate,
        }
    };
    [0.5 * (1.0 + level), 0.5 * (1.0 - level)].map(|a| (2.0 * estimate - quantile(a)).max(0.0))
}
