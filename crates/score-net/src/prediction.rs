use fokker_sde_core::{Marginal, Sde};
use serde::{Deserialize, Serialize};

use crate::NetworkError;

/// What a network's output `F` stands for: how a score is made of it, `s = A x + B F(C x, τ)`.
///
/// A potential network returns one number `N` with `F = ∇_y N` at `y = C x`, and `φ = ½ A |x|² + (B/C) N(C x, τ)`.
///
/// | | `A` | `B` | `C` |
/// | --- | --- | --- | --- |
/// | `Score` | 0 | 1 | 1 |
/// | `Noise` | 0 | `−1/σ` | 1 |
/// | `Data` | `−1/σ²` | `α/σ²` | 1 |
/// | `Preconditioned` | `−1/v` | `(ρ − ρ_T) σ_d/√v` | `1/√v` |
///
/// with `ρ = α/σ`, `v = α² σ_d² + κ σ²` and `κ = (π² − α_T² σ_d²)/σ_T²`, where `π` is the standard deviation of the prior. `Noise`
/// and `Data` are from `s = −E[z | x]/σ` and `s = (α E[x_0 | x] − x)/σ²` (Vincent 2011; Efron 2011). All but the
/// first have no value at `t = 0`.
///
/// `Preconditioned` follows Karras et al., *Elucidating the design space of diffusion-based generative models*
/// (2022): for data of standard deviation `σ_d` the term `A x` is the score of the Gaussian with the variance of
/// `X_t`, the input of the network has variance 1, and so has what it is trained to return, at every noise level.
/// Two changes make `s` the score of the prior at `T` exactly, `−x/π²`: `κ`, which is 1 up to what is left of the data
/// at `T`, and `ρ_T` in `B`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum Prediction {
    /// The score, or the potential.
    #[default]
    Score,
    /// The noise `z` in `x = α x_0 + σ z`.
    Noise,
    /// The data `x_0` in it.
    Data,
    /// What is left of the score without its Gaussian part, scaled to unit variance.
    Preconditioned {
        /// The standard deviation `σ_d` of a component of the data.
        #[serde(deserialize_with = "positive")]
        data_std: f64,
    },
}

fn positive<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (1e-6..=1e6).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom("must be between 1e-6 and 1e6"))
    }
}

/// A coefficient and its derivative in `t`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coefficient {
    pub(crate) at: f64,
    pub(crate) rate: f64,
}

/// `A`, `B` and `C` of a [`Prediction`] at some time, and `D = B/C`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Coefficients {
    pub(crate) base: Coefficient,
    pub(crate) gain: Coefficient,
    pub(crate) input: Coefficient,
    pub(crate) potential_gain: Coefficient,
}

impl Prediction {
    /// Refuses a standard deviation out of range.
    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        match self {
            Self::Preconditioned { data_std } if !(1e-6..=1e6).contains(data_std) => {
                Err(NetworkError::DataStd(*data_std))
            }
            _ => Ok(()),
        }
    }

    /// The coefficients at `t`; `None` for those of `Score`, which change nothing.
    ///
    /// Derivatives are from `α' = a α` and `(log σ)' = a + g²/2σ²`: `ρ' = −ρ g²/2σ²` and `v' = 2 a v + κ g²`.
    pub(crate) fn coefficients(&self, sde: &dyn Sde, t: f64) -> Option<Coefficients> {
        let Marginal { alpha, sigma } = sde.marginal(t);
        let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
        let noise_rate = 0.5 * g * g / (sigma * sigma);
        let log_sigma_rate = a + noise_rate;
        let constant = |at| Coefficient { at, rate: 0.0 };
        let (base, gain, input) = match *self {
            Self::Score => return None,
            Self::Noise => {
                let gain = Coefficient { at: -1.0 / sigma, rate: log_sigma_rate / sigma };
                (constant(0.0), gain, constant(1.0))
            }
            Self::Data => {
                let precision = 1.0 / (sigma * sigma);
                let base = Coefficient { at: -precision, rate: 2.0 * log_sigma_rate * precision };
                let at = alpha * precision;
                let gain = Coefficient { at, rate: at * (a - 2.0 * log_sigma_rate) };
                (base, gain, constant(1.0))
            }
            Self::Preconditioned { data_std } => {
                let last = sde.marginal(sde.horizon());
                let data_left = (last.alpha * data_std).powi(2);
                let kappa = (sde.prior().std.powi(2) - data_left) / last.sigma.powi(2);
                let variance = (alpha * data_std).powi(2) + kappa * sigma * sigma;
                let variance_rate = 2.0 * a * variance + kappa * g * g;
                let scale = 1.0 / variance.sqrt();
                let relative = -0.5 * variance_rate / variance;
                let ratio = alpha / sigma;
                let signal = ratio - last.alpha / last.sigma;
                let base = Coefficient {
                    at: -1.0 / variance,
                    rate: variance_rate / (variance * variance),
                };
                let gain = Coefficient {
                    at: data_std * scale * signal,
                    rate: data_std * scale * (relative * signal - ratio * noise_rate),
                };
                (base, gain, Coefficient { at: scale, rate: scale * relative })
            }
        };
        let at = gain.at / input.at;
        let potential_gain = Coefficient { at, rate: (gain.rate - at * input.rate) / input.at };
        Some(Coefficients { base, gain, input, potential_gain })
    }
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::Diffusion;

    use super::*;

    const PREDICTIONS: [Prediction; 3] =
        [Prediction::Noise, Prediction::Data, Prediction::Preconditioned { data_std: 0.7 }];

    #[test]
    fn rates_are_slopes() {
        for sde in Diffusion::examples() {
            for prediction in PREDICTIONS {
                for share in [0.01, 0.2, 0.6, 0.9] {
                    let t = share * sde.horizon();
                    let h = 1e-4 * t.min(sde.horizon() - t);
                    let at = |t| prediction.coefficients(&sde, t).unwrap();
                    let parts = |c: Coefficients| [c.base, c.gain, c.input, c.potential_gain];
                    let (before, now, after) = (parts(at(t - h)), parts(at(t)), parts(at(t + h)));
                    for ((before, now), after) in before.iter().zip(now).zip(after) {
                        let slope = (after.at - before.at) / (2.0 * h);
                        let scale = now.rate.abs() + now.at.abs() / t;
                        let off = (slope - now.rate).abs() / scale.max(1e-30);
                        assert!(off < 1e-5, "{sde:?}, {prediction:?} at {t}: {off:e}");
                    }
                }
            }
        }
    }

    #[test]
    fn preconditioned_scores_end_as_that_of_the_prior() {
        for sde in Diffusion::examples() {
            let prediction = Prediction::Preconditioned { data_std: 0.7 };
            let last = prediction.coefficients(&sde, sde.horizon()).unwrap();
            let expected = -1.0 / sde.prior().std.powi(2);
            assert!((last.base.at / expected - 1.0).abs() < 1e-12, "{sde:?}");
            assert_eq!(last.gain.at, 0.0, "{sde:?}");
        }
    }

    #[test]
    fn what_a_preconditioned_network_learns_has_unit_variance() {
        // For Gaussian data of variance σ_d² denoising asks F to be (y_c − A x)/B with y_c = −z/σ: of variance 1 but
        // for what ρ_T takes, at every time.
        for sde in Diffusion::examples() {
            let data_std = 0.7;
            let prediction = Prediction::Preconditioned { data_std };
            for share in [1e-4, 0.01, 0.2, 0.5] {
                let t = share * sde.horizon();
                let Marginal { alpha, sigma } = sde.marginal(t);
                let last = sde.marginal(sde.horizon());
                let Coefficients { base, gain, .. } = prediction.coefficients(&sde, t).unwrap();
                // −z/σ − A (α x_0 + σ z), x_0 of variance σ_d².
                let noise = -1.0 / sigma - base.at * sigma;
                let variance = noise * noise + (base.at * alpha * data_std).powi(2);
                let left = 1.0 - last.alpha / last.sigma * sigma / alpha;
                let found = variance / gain.at.powi(2) * left.powi(2);
                assert!((found - 1.0).abs() < 0.02, "{sde:?} at {t}: {found}");
            }
        }
    }
}
