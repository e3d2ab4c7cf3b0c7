use serde::{Deserialize, Serialize};

use crate::{Element, NetworkError};

/// `f(z) = log(1 + e^{βz}) / β`, a smooth ramp that tends to `max(z, 0)` as `β → ∞`.
///
/// With `u = βz`, `e = e^{−|u|}` and the logistic function `σ`,
///
/// - `f = max(z, 0) + log(1 + e)/β`,
/// - `f′ = σ(u)`, which is `1/(1 + e)` for `u ≥ 0` and `e/(1 + e)` below,
/// - `f″ = β σ(1 − σ) = β e/(1 + e)²`,
/// - `f‴ = β² σ(1 − σ)(1 − 2σ) = ∓β² e(1 − e)/(1 + e)³`, negative for `u > 0`.
///
/// No term overflows or cancels, for any finite `z`. Where `|u|` exceeds [`Element::EXP_CUTOFF`],
/// `e` is 0: the error, at most `7e-13` for `f32` and `1e-139` for `f64` (times 1, β or β²), is far
/// below the rounding of the sums that these values enter, and no subnormal number arises.
///
/// With a *threshold* `τ`, `e` is 0 for `u > τ`, too: there `f = z`, `f′ = 1` and the rest is 0. That is
/// how PyTorch computes its `Softplus`, with `τ = 20` unless told otherwise, also in its derivatives.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Softplus {
    beta: f64,
    /// `τ`; infinite if there is none.
    threshold: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Softplus", deny_unknown_fields)]
struct Fields {
    beta: f64,
    #[serde(default = "no_threshold", skip_serializing_if = "is_no_threshold")]
    threshold: f64,
}

fn no_threshold() -> f64 {
    f64::INFINITY
}

fn is_no_threshold(threshold: &f64) -> bool {
    threshold.is_infinite()
}

impl TryFrom<Fields> for Softplus {
    type Error = NetworkError;

    fn try_from(fields: Fields) -> Result<Self, NetworkError> {
        Self::new(fields.beta)?.with_threshold(fields.threshold)
    }
}

impl From<Softplus> for Fields {
    fn from(Softplus { beta, threshold }: Softplus) -> Self {
        Self { beta, threshold }
    }
}

impl Softplus {
    /// β = 100, as in Deveney et al. (2025), without a threshold.
    pub const PAPER: Self = Self { beta: 100.0, threshold: f64::INFINITY };

    /// The Softplus of sharpness `beta`.
    ///
    /// # Errors
    /// If `beta` is not between 1e-6 and 1e6, where β² is exact enough in single precision.
    pub fn new(beta: f64) -> Result<Self, NetworkError> {
        if (1e-6..=1e6).contains(&beta) {
            Ok(Self { beta, threshold: no_threshold() })
        } else {
            Err(NetworkError::Sharpness(beta))
        }
    }

    /// This Softplus with the threshold `τ`; infinity takes it away.
    ///
    /// # Errors
    /// If `threshold` is below 1, where the steps it makes in `f` and its derivatives are no longer small.
    pub fn with_threshold(self, threshold: f64) -> Result<Self, NetworkError> {
        if threshold >= 1.0 {
            Ok(Self { threshold, ..self })
        } else {
            Err(NetworkError::Threshold(threshold))
        }
    }

    /// The sharpness β.
    pub fn beta(&self) -> f64 {
        self.beta
    }

    /// The threshold `τ`; infinite if there is none.
    pub fn threshold(&self) -> f64 {
        self.threshold
    }

    #[inline(always)]
    pub(super) fn derivatives<E: Element>(&self, z: E) -> [E; 4] {
        let (zero, one) = (E::zero(), E::one());
        let beta = E::of(self.beta);
        let u = beta * z;
        let size = u.abs();
        let near = size <= E::EXP_CUTOFF && u <= E::of(self.threshold);
        let (e, complement) = E::decay(if near { size } else { E::EXP_CUTOFF });
        // 0, or NaN if z is not finite: what is broken must not look whole.
        let broken = zero * z;
        let e = if near { e } else { zero } + broken;
        let complement = if near { complement } else { one };
        let d = one / (one + e);
        let bump = beta * e * d * d;
        let skew = beta * bump * complement * d;
        let tail = E::log_1p(e) / beta;
        let positive = u >= zero;
        [
            if positive { z } else { zero } + tail,
            if positive { d } else { e * d },
            bump,
            if positive { -skew } else { skew },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;

    const BETA: f64 = 100.0;

    /// The four values from formulas that share nothing with the code under test: `expm1`-free
    /// textbook forms on the negative axis, where nothing cancels, and the reflections
    /// `f(z) = z + f(−z)`, `f′(z) = 1 − f′(−z)`, `f″(z) = f″(−z)`, `f‴(z) = −f‴(−z)`.
    fn reference(z: f64) -> [f64; 4] {
        let u = -BETA * z.abs();
        let p = u.exp() / (1.0 + u.exp());
        let left = [
            u.exp().ln_1p() / BETA,
            p,
            BETA * p * (1.0 - p),
            BETA * BETA * p * (1.0 - p) * (1.0 - 2.0 * p),
        ];
        if z > 0.0 { [z + left[0], 1.0 - left[1], left[2], -left[3]] } else { left }
    }

    fn check<E: Element>(rounding: f64, cut: f64) {
        let softplus = Activation::Softplus(Softplus::new(BETA).unwrap());
        for k in -40_000..=40_000 {
            // β z from −1e4 to 1e4, dense around 0.
            let s = f64::from(k) / 40_000.0;
            let z = E::of(100.0 * s.powi(3));
            let scale = [z.wide().abs().max(1.0 / BETA), 1.0, BETA, BETA * BETA];
            let found = softplus.derivatives(z);
            for ((found, expected), scale) in found.iter().zip(reference(z.wide())).zip(scale) {
                let found = found.wide();
                assert!(found.is_finite(), "at z = {z}");
                let error = (found - expected).abs();
                // The argument βz is itself rounded, which e^{βz} amplifies by |βz| ≤ the cutoff.
                let relative = rounding * (1.0 + E::EXP_CUTOFF.wide().min(BETA * z.wide().abs()));
                assert!(
                    error <= relative * expected.abs() + cut * scale,
                    "z = {z}: {found:e} instead of {expected:e}"
                );
            }
        }
    }

    #[test]
    fn softplus_is_exact_to_rounding_for_every_input() {
        check::<f32>(4.8e-7, 7e-13);
        check::<f64>(9e-16, 1e-16);
    }

    #[test]
    fn softplus_gives_no_subnormal_numbers_even_in_products() {
        let softplus = Activation::Softplus(Softplus::new(BETA).unwrap());
        for k in -100_000..=100_000 {
            let z = k as f32 * 1e-5;
            let values = softplus.derivatives(z);
            // The weight gradient multiplies two activations with a cotangent of order 1/n.
            for a in values {
                for b in values {
                    assert!(!(a * b * 1e-9).is_subnormal(), "at z = {z}");
                }
            }
        }
    }

    #[test]
    fn each_derivative_is_the_slope_of_the_one_before() {
        let softplus = Activation::Softplus(Softplus::new(3.0).unwrap());
        let h = 1e-5;
        for k in -300..=300 {
            let z = f64::from(k) * 0.01;
            let at = softplus.derivatives(z);
            let (plus, minus) = (softplus.derivatives(z + h), softplus.derivatives(z - h));
            for order in 0..3 {
                let slope = (plus[order] - minus[order]) / (2.0 * h);
                assert!((slope - at[order + 1]).abs() < 1e-8, "order {order} at z = {z}");
            }
        }
    }

    #[test]
    fn beyond_its_threshold_softplus_is_the_identity() {
        let plain = Softplus::new(10.0).unwrap();
        let torch = plain.with_threshold(20.0).unwrap();
        for z in [-50.0, -2.001, -2.0, -0.3, 0.0, 0.7, 2.0] {
            assert_eq!(torch.derivatives(z), plain.derivatives(z));
        }
        for z in [2.001, 2.5, 7.0] {
            assert_eq!(torch.derivatives::<f64>(z), [z, 1.0, 0.0, 0.0]);
            assert_eq!(torch.derivatives::<f32>(z as f32), [z as f32, 1.0, 0.0, 0.0]);
            assert!(plain.derivatives::<f64>(z)[2] > 0.0);
        }
        for threshold in [0.0, 0.5, -20.0, f64::NAN] {
            assert!(plain.with_threshold(threshold).is_err());
        }
    }

    #[test]
    fn a_threshold_is_written_only_where_there_is_one() {
        let torch = Softplus::new(10.0).unwrap().with_threshold(20.0).unwrap();
        for (softplus, text) in
            [(Softplus::PAPER, r#"{"beta":100.0}"#), (torch, r#"{"beta":10.0,"threshold":20.0}"#)]
        {
            assert_eq!(serde_json::to_string(&softplus).unwrap(), text);
            assert_eq!(serde_json::from_str::<Softplus>(text).unwrap(), softplus);
        }
    }

    #[test]
    fn what_is_not_finite_stays_so() {
        let softplus = Activation::Softplus(Softplus::PAPER);
        for z in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(softplus.derivatives(z).iter().all(|value| !value.is_finite()));
        }
    }

    #[test]
    fn a_sharpness_that_is_not_positive_is_refused() {
        for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Softplus::new(beta).is_err());
        }
    }
}
