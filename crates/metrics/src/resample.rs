//! Points drawn from a histogram as a law.

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
