use serde::{Deserialize, Deserializer, Serialize, de::Error};

use crate::Sde;

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
    /// Fewer than two steps of a grid that goes to `t_min` and from there to 0.
    #[error("the grid needs at least 2 steps, one of them from t_min to 0, but has {steps}")]
    OneStep {
        /// The number of steps.
        steps: usize,
    },
    /// The time before the last step is none of the diffusion.
    #[error(
        "the time before the last step, t_min, is {t_min}, but must be between 0 and the horizon {horizon}"
    )]
    LastTime {
        /// Its value.
        t_min: f64,
        /// The horizon.
        horizon: f64,
    },
    /// The grid does not start where particles are those of the prior.
    #[error(
        "the grid starts at t = {time}, but particles start from the prior, at the horizon {horizon}"
    )]
    Start {
        /// The first time.
        time: f64,
        /// The horizon.
        horizon: f64,
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
///
/// Those with a `t_min` go from `T` to it by their rule, and from there to 0 in one step, the last of their `steps`: many
/// scores are infinite at 0, and how a sampler takes that step is its own matter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum GridRule {
    /// Equal steps from `T` to 0.
    Uniform {
        /// The number of steps.
        #[serde(deserialize_with = "positive_count")]
        steps: usize,
    },
    /// Steps that are equal in the log-SNR: as fine at every noise level, whatever the diffusion's time.
    LogSnr {
        /// The number of steps, at least 2.
        #[serde(deserialize_with = "positive_count")]
        steps: usize,
        /// The time of the last step, positive and below `T`; if not given that of a log-SNR of 9.
        #[serde(
            default,
            deserialize_with = "positive_time",
            skip_serializing_if = "Option::is_none"
        )]
        t_min: Option<f64>,
    },
    /// Steps that are equal in `(σ_t/α_t)^{1/ρ}`: finer at low noise than [`GridRule::LogSnr`] at high, the more so the
    /// smaller `ρ` is; with `ρ → ∞` the same. Source: Karras et al., *Elucidating the design space of diffusion-based
    /// generative models*, NeurIPS 2022, equation 5.
    Karras {
        /// The number of steps, at least 2.
        #[serde(deserialize_with = "positive_count")]
        steps: usize,
        /// The exponent `ρ`, 7 if not given.
        #[serde(default = "karras_rho", deserialize_with = "exponent")]
        rho: f64,
        /// The time of the last step, positive and below `T`; if not given that of a log-SNR of 9.
        #[serde(
            default,
            deserialize_with = "positive_time",
            skip_serializing_if = "Option::is_none"
        )]
        t_min: Option<f64>,
    },
    /// Steps that are equal in `√t`. Source: Song, Meng and Ermon, *Denoising diffusion implicit models*, ICLR 2021,
    /// appendix D.2.
    Quadratic {
        /// The number of steps, at least 2.
        #[serde(deserialize_with = "positive_count")]
        steps: usize,
        /// The time of the last step, positive and below `T`; if not given that of a log-SNR of 9.
        #[serde(
            default,
            deserialize_with = "positive_time",
            skip_serializing_if = "Option::is_none"
        )]
        t_min: Option<f64>,
    },
    /// These times, the first no later than `T`, falling.
    Times(#[serde(deserialize_with = "falling")] Vec<f64>),
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

/// The log-SNR at which the last step of a grid starts if nothing else is said: there `σ_t = 0.011 α_t`.
const LAST_LOG_SNR: f64 = 9.0;

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

fn positive_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let t: Option<f64> = Option::deserialize(deserializer)?;
    let good = t.is_none_or(|t| t > 0.0 && t.is_finite());
    if good { Ok(t) } else { Err(D::Error::custom("must be positive and finite")) }
}

fn karras_rho() -> f64 {
    7.0
}

fn exponent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let rho = f64::deserialize(deserializer)?;
    let good = (1.0..=1000.0).contains(&rho);
    if good { Ok(rho) } else { Err(D::Error::custom("must be between 1 and 1000")) }
}

fn falling<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let times = Vec::deserialize(deserializer)?;
    TimeGrid::new(times).map(|grid| grid.times).map_err(D::Error::custom)
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
        match self {
            Self::Uniform { steps }
            | Self::LogSnr { steps, .. }
            | Self::Karras { steps, .. }
            | Self::Quadratic { steps, .. } => *steps,
            Self::TwoLevel { coarse, fine } => coarse + fine,
            Self::Times(times) => times.len().saturating_sub(1),
        }
    }

    /// The grid for the horizon of `sde`.
    ///
    /// # Errors
    /// If there are too few steps, `t_min` is not between 0 and the horizon, `rho` is not at least 1, or given times
    /// do not fall from the horizon.
    pub fn grid(&self, sde: &dyn Sde) -> Result<TimeGrid, TimeGridError> {
        let horizon = sde.horizon();
        // Each time by its own formula: no error accumulates, and the last is exactly 0.
        let equal = |from: f64, to: f64, steps: usize| {
            (0..steps).map(move |k| ((steps - k) as f64 * from + k as f64 * to) / steps as f64)
        };
        let log_snr = |t: f64| sde.marginal(t).log_snr();
        let time = |log_snr: f64| sde.time_of_log_snr(log_snr).unwrap_or(f64::NAN);
        // From T to `t_min` by the times of `at` at equally spaced levels, and to 0.
        let levels = |steps: usize,
                      t_min: Option<f64>,
                      level: &dyn Fn(f64) -> f64,
                      at: &dyn Fn(f64) -> f64| {
            if steps < 2 {
                return Err(TimeGridError::OneStep { steps });
            }
            let t_min = t_min.unwrap_or_else(|| time(LAST_LOG_SNR));
            if !(t_min > 0.0 && t_min < horizon) {
                return Err(TimeGridError::LastTime { t_min, horizon });
            }
            let [first, last] = [horizon, t_min].map(level);
            let between =
                (1..steps - 1).map(|k| at(first + (last - first) * k as f64 / (steps - 1) as f64));
            Ok(std::iter::once(horizon).chain(between).chain([t_min, 0.0]).collect())
        };
        let times = match *self {
            Self::Uniform { steps } => equal(horizon, 0.0, steps).chain([0.0]).collect(),
            Self::LogSnr { steps, t_min } => levels(steps, t_min, &log_snr, &time)?,
            Self::Karras { steps, rho, t_min } => {
                let level = |t| (-0.5 * log_snr(t) / rho).exp();
                levels(steps, t_min, &level, &|level| time(-2.0 * rho * level.ln()))?
            }
            Self::Quadratic { steps, t_min } => {
                levels(steps, t_min, &f64::sqrt, &|root| root * root)?
            }
            Self::Times(ref times) => match times.first() {
                Some(&time) if (time - horizon).abs() > 1e-12 * horizon => {
                    return Err(TimeGridError::Start { time, horizon });
                }
                _ => times.clone(),
            },
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
    use crate::{Diffusion, OrnsteinUhlenbeck};

    #[test]
    fn the_paper_grid_has_its_steps() {
        let grid = GridRule::PAPER.grid(&OrnsteinUhlenbeck::PAPER).unwrap();
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
        assert!(GridRule::Uniform { steps: 0 }.grid(&OrnsteinUhlenbeck::PAPER).is_err());
        assert!(GridRule::TwoLevel { coarse: 3, fine: 0 }.grid(&OrnsteinUhlenbeck::PAPER).is_err());
        let late = GridRule::Times(vec![10.5, 1.0]).grid(&OrnsteinUhlenbeck::PAPER);
        assert_eq!(late, Err(TimeGridError::Start { time: 10.5, horizon: 10.0 }));
        let early = GridRule::Times(vec![5.0, 1.0]).grid(&OrnsteinUhlenbeck::PAPER);
        assert_eq!(early, Err(TimeGridError::Start { time: 5.0, horizon: 10.0 }));
        assert!(GridRule::Times(vec![1.0]).grid(&OrnsteinUhlenbeck::PAPER).is_err());
        for (steps, t_min) in [(1, 0.1), (5, 0.0), (5, 10.0), (5, f64::NAN)] {
            let t_min = Some(t_min);
            for rule in [
                GridRule::LogSnr { steps, t_min },
                GridRule::Karras { steps, rho: 7.0, t_min },
                GridRule::Quadratic { steps, t_min },
            ] {
                assert!(rule.grid(&OrnsteinUhlenbeck::PAPER).is_err());
            }
        }
    }

    #[test]
    fn rules_keep_their_spacing() {
        let edm = Diffusion::examples().into_iter().find(|sde| matches!(sde, Diffusion::Edm(_)));
        let edm = edm.unwrap();
        let (horizon, t_min) = (edm.horizon(), 0.002);
        // Of EDM σ = t and α = 1, so that the times are those of Karras et al.
        let grid = GridRule::Karras { steps: 18, rho: 7.0, t_min: Some(t_min) }.grid(&edm).unwrap();
        assert_eq!(grid.times().len(), 19);
        for (k, t) in grid.times()[..18].iter().enumerate() {
            let root = |t: f64| t.powf(1.0 / 7.0);
            let exact = root(horizon) + (root(t_min) - root(horizon)) * k as f64 / 17.0;
            assert!((t / exact.powi(7) - 1.0).abs() < 1e-9, "{t}");
        }
        let grid =
            GridRule::Quadratic { steps: 11, t_min: Some(0.1) }.grid(&OrnsteinUhlenbeck::PAPER);
        let roots: Vec<f64> = grid.unwrap().times()[..11].iter().map(|t| t.sqrt()).collect();
        for pair in roots.windows(2) {
            let step = (10.0_f64.sqrt() - 0.1_f64.sqrt()) / 10.0;
            assert!((pair[0] - pair[1] - step).abs() < 1e-12);
        }
        let times = vec![10.0, 1.0, 0.5];
        let grid = GridRule::Times(times.clone()).grid(&OrnsteinUhlenbeck::PAPER).unwrap();
        assert_eq!(grid.times(), times);
    }

    #[test]
    fn steps_in_the_log_snr_are_equal_for_every_diffusion() {
        for sde in Diffusion::examples() {
            let t_min = 1e-3 * sde.horizon();
            let last = GridRule::LogSnr { steps: 5, t_min: None }.grid(&sde).unwrap().times()[4];
            assert!((sde.marginal(last).log_snr() - 9.0).abs() < 1e-6, "{sde:?}");
            let grid = GridRule::LogSnr { steps: 30, t_min: Some(t_min) }.grid(&sde).unwrap();
            assert_eq!((grid.times().len(), grid.times()[29], grid.times()[30]), (31, t_min, 0.0));
            let level = |t: f64| sde.marginal(t).log_snr();
            let whole = (level(t_min) - level(sde.horizon())) / 29.0;
            for (from, to) in grid.steps().take(29) {
                assert!(((level(to) - level(from)) / whole - 1.0).abs() < 1e-6, "{sde:?}");
            }
        }
    }
}
