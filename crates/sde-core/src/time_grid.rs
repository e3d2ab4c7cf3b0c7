use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// The times at which a reverse process is evaluated: strictly decreasing, from `T` to `t_min ≥ 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeGrid {
    times: Vec<f64>,
}

/// Why a time grid was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TimeGridError {
    /// Fewer than two times.
    #[error("a time grid needs at least one step, but has {times} times")]
    TooShort {
        /// The number of times given.
        times: usize,
    },
    /// A time is not finite, is negative, or does not decrease.
    #[error("time {index} of the grid is {time}: times must be finite, decreasing and not below 0")]
    NotDecreasing {
        /// The index of the offending time.
        index: usize,
        /// Its value.
        time: f64,
    },
}

impl TimeGrid {
    /// A grid from its times, largest first.
    ///
    /// # Errors
    /// If there are fewer than two, or if they are not finite, decreasing and non-negative.
    pub fn new(times: Vec<f64>) -> Result<Self, TimeGridError> {
        if times.len() < 2 {
            return Err(TimeGridError::TooShort { times: times.len() });
        }
        for (index, &time) in times.iter().enumerate() {
            let decreasing = index == 0 || time < times[index - 1];
            if !(time.is_finite() && time >= 0.0 && decreasing) {
                return Err(TimeGridError::NotDecreasing { index, time });
            }
        }
        Ok(Self { times })
    }

    /// The times, from `T` down; one more than there are steps.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// The steps as pairs `(from, to)` with `from > to`.
    pub fn steps(&self) -> impl ExactSizeIterator<Item = (f64, f64)> + '_ {
        self.times.windows(2).map(|pair| (pair[0], pair[1]))
    }
}

/// A rule that makes a [`TimeGrid`] for any horizon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum GridRule {
    /// Equal steps from `T` to 0.
    Uniform {
        /// The number of steps.
        #[serde(deserialize_with = "positive_count")]
        steps: usize,
    },
    /// `coarse` equal steps from `T` to `T/80`, then `fine` equal steps from there to 0. With 790
    /// and 100 these are the steps `T/800` and `T/8000` of Deveney et al. (2025).
    TwoLevel {
        /// The number of steps down to `T/80`.
        #[serde(deserialize_with = "positive_count")]
        coarse: usize,
        /// The number of steps from `T/80` to 0.
        #[serde(deserialize_with = "positive_count")]
        fine: usize,
    },
}

/// The most steps of one part of a [`GridRule`].
const MOST_STEPS: usize = 1_000_000;

/// Refuses what no grid has while the file is being read, so that the error knows its place.
fn positive_count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let count = usize::deserialize(deserializer)?;
    if (1..=MOST_STEPS).contains(&count) {
        Ok(count)
    } else {
        Err(D::Error::custom(format!("must be between 1 and {MOST_STEPS}")))
    }
}

impl GridRule {
    /// The grid of Deveney et al. (2025): 790 steps of `T/800`, then 100 of `T/8000`.
    pub const PAPER: Self = Self::TwoLevel { coarse: 790, fine: 100 };

    /// The grid of the paper with another number of steps, at least 2, in the same proportion.
    pub fn paper_with(steps: usize) -> Self {
        let fine = ((steps as f64 * 100.0 / 890.0).round() as usize).max(1);
        Self::TwoLevel { coarse: steps.saturating_sub(fine).max(1), fine }
    }

    /// The number of steps, each of which costs a first-order solver one evaluation of the score.
    pub fn steps(&self) -> usize {
        match *self {
            Self::Uniform { steps } => steps,
            Self::TwoLevel { coarse, fine } => coarse + fine,
        }
    }

    /// The grid from `horizon` to 0.
    ///
    /// # Errors
    /// If a number of steps is 0 or the horizon is not positive and finite.
    pub fn grid(&self, horizon: f64) -> Result<TimeGrid, TimeGridError> {
        // Each time by its own formula: no error accumulates, and the last is exactly 0.
        let equal = |from: f64, to: f64, steps: usize| {
            (0..steps).map(move |k| ((steps - k) as f64 * from + k as f64 * to) / steps as f64)
        };
        let times = match *self {
            Self::Uniform { steps } => equal(horizon, 0.0, steps).chain([0.0]).collect(),
            Self::TwoLevel { coarse: 0, .. } | Self::TwoLevel { fine: 0, .. } => Vec::new(),
            Self::TwoLevel { coarse, fine } => {
                let tail = horizon / 80.0;
                equal(horizon, tail, coarse).chain(equal(tail, 0.0, fine)).chain([0.0]).collect()
            }
        };
        TimeGrid::new(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paper_grid_has_its_steps() {
        let grid = GridRule::PAPER.grid(10.0).unwrap();
        let steps: Vec<f64> = grid.steps().map(|(from, to)| from - to).collect();
        assert_eq!(steps.len(), 890);
        assert_eq!(grid.times()[0], 10.0);
        assert_eq!(grid.times()[890], 0.0);
        assert!(steps[..790].iter().all(|h| (h - 10.0 / 800.0).abs() < 1e-14));
        assert!(steps[790..].iter().all(|h| (h - 10.0 / 8000.0).abs() < 1e-14));
    }

    #[test]
    fn bad_grids_are_refused() {
        assert_eq!(TimeGrid::new(vec![1.0]), Err(TimeGridError::TooShort { times: 1 }));
        assert_eq!(
            TimeGrid::new(vec![1.0, 0.5, 0.5]),
            Err(TimeGridError::NotDecreasing { index: 2, time: 0.5 })
        );
        assert_eq!(
            TimeGrid::new(vec![1.0, -0.5]),
            Err(TimeGridError::NotDecreasing { index: 1, time: -0.5 })
        );
        assert!(TimeGrid::new(vec![f64::NAN, 0.0]).is_err());
        assert!(GridRule::Uniform { steps: 0 }.grid(1.0).is_err());
        assert!(GridRule::TwoLevel { coarse: 3, fine: 0 }.grid(1.0).is_err());
        assert!(GridRule::PAPER.grid(-1.0).is_err());
    }
}
