use fokker_sde_core::{Marginal, Sde};
use serde::{Deserialize, Deserializer, Serialize};

use crate::NetworkError;

/// How a network is given the time: the features `τ(t)`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeInput {
    /// `τ = t`.
    #[default]
    Raw,
    /// `τ = ½ log σ_t`.
    LogSigma,
    /// `τ = ½ log(σ_t/α_t)`, a quarter of the logarithm of the noise-to-signal ratio.
    LogSnr,
    /// `τ = (u, sin ω_1 u, cos ω_1 u, …)` with `u = ½ log(σ_t/α_t)` and the frequencies `ω_k = 2^{k−2}`, `k = 1 … pairs`. Source
    /// of such embeddings: Vaswani et al., *Attention is all you need*, NeurIPS 2017.
    Fourier {
        /// The number of frequencies, 1 to 16.
        #[serde(deserialize_with = "pairs")]
        pairs: usize,
    },
}

const MOST_PAIRS: usize = 16;

fn pairs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let value = usize::deserialize(deserializer)?;
    if (1..=MOST_PAIRS).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom(format!("must be between 1 and {MOST_PAIRS}")))
    }
}

impl TimeInput {
    /// The number of features.
    pub fn features(&self) -> usize {
        match self {
            Self::Fourier { pairs } => 1 + 2 * pairs,
            _ => 1,
        }
    }

    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        match *self {
            Self::Fourier { pairs: 0 } => {
                Err(NetworkError::Empty { what: "the number of frequencies of the time" })
            }
            Self::Fourier { pairs } if pairs > MOST_PAIRS => Err(NetworkError::TooLarge {
                what: "the number of frequencies of the time",
                value: pairs,
                limit: MOST_PAIRS,
            }),
            _ => Ok(()),
        }
    }

    /// Hands each feature and its derivative in `t` to `put`. From `(log σ)' = a + g²/2σ²` and
    /// `(log σ/α)' = g²/2σ²`.
    pub(crate) fn at(&self, sde: &dyn Sde, t: f64, mut put: impl FnMut(usize, f64, f64)) {
        if *self == Self::Raw {
            put(0, t, 1.0);
            return;
        }
        let Marginal { alpha, sigma } = sde.marginal(t);
        let noise_rate = 0.5 * (sde.diffusion(t) / sigma).powi(2);
        let (u, rate) = match self {
            Self::LogSigma => (0.5 * sigma.ln(), 0.5 * (sde.drift_rate(t) + noise_rate)),
            _ => (0.5 * (sigma / alpha).ln(), 0.5 * noise_rate),
        };
        put(0, u, rate);
        if let Self::Fourier { pairs } = *self {
            for k in 0..pairs {
                let frequency = 0.5 * f64::from(1_u32 << k);
                let (sin, cos) = (frequency * u).sin_cos();
                put(1 + 2 * k, sin, rate * frequency * cos);
                put(2 + 2 * k, cos, -rate * frequency * sin);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::Diffusion;

    use super::*;

    #[test]
    fn rates_are_slopes() {
        let inputs = [
            TimeInput::Raw,
            TimeInput::LogSigma,
            TimeInput::LogSnr,
            TimeInput::Fourier { pairs: 5 },
        ];
        for sde in Diffusion::examples() {
            for input in inputs {
                let features = |t| {
                    let mut all = vec![(0.0, 0.0); input.features()];
                    input.at(&sde, t, |k, at, rate| all[k] = (at, rate));
                    all
                };
                for share in [0.001, 0.2, 0.9] {
                    let t = share * sde.horizon();
                    let h = 1e-4 * t.min(sde.horizon() - t);
                    let (before, now, after) = (features(t - h), features(t), features(t + h));
                    for ((before, now), after) in before.iter().zip(now).zip(after) {
                        let slope = (after.0 - before.0) / (2.0 * h);
                        let off = (slope - now.1).abs() / (now.1.abs() + 1.0 / t);
                        assert!(off < 1e-5, "{sde:?}, {input:?} at {t}: {off:e}");
                    }
                }
            }
        }
    }
}
