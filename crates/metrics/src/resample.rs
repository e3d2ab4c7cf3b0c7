use rand::Rng;
use rand_distr::{Binomial, Distribution};

use crate::{Histogram, HistogramError};

impl Histogram {
    /// A histogram of `n` points drawn independently from this one as a law: multinomial counts.
    ///
    /// What lay outside the box is a part of the law, so that some of the `n` points may lie there again.
    ///
    /// The counts are drawn one by one, each binomial given those before it.
    ///
    /// # Errors
    ///
    /// [`HistogramError::Empty`] when no point is inside.
    pub fn resample<R: Rng + ?Sized>(&self, n: u64, rng: &mut R) -> Result<Self, HistogramError> {
        let mut left = n;
        let mut draw = |share: f64| {
            // Only what is no probability is refused.
            let count = Binomial::new(left, share).map_or(0, |law| law.sample(rng));
            left -= count;
            count
        };
        let outside = self.outside() as f64;
        let outside = draw(outside / (outside + self.total()));
        // The mass from each entry on. That from the last mass on is this mass: its share is 1.
        let mut rest: Vec<f64> = self.mass().iter().copied().collect();
        rest.iter_mut().rev().fold(0.0, |sum, entry| {
            *entry += sum;
            *entry
        });
        let mut mass = self.mass().to_owned();
        for (entry, rest) in mass.iter_mut().zip(rest).filter(|(entry, _)| **entry > 0.0) {
            *entry = draw(*entry / rest) as f64;
        }
        Self::from_counts(self.grid(), mass, outside)
    }
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
