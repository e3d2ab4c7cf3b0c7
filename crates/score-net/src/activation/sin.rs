use serde::{Deserialize, Serialize};

use crate::{Element, NetworkError};

/// `f(z) = sin(ωz)` of frequency ω.
///
/// - `f′ = ω cos(ωz)`,
/// - `f″ = −ω² f`,
/// - `f‴ = −ω² f′`.
///
/// The functions of the standard library in double precision, for every finite `z`, also where `f32` is asked
/// for: there the results are exact to rounding. For `f64` the argument `ωz` is itself rounded, which moves the
/// results by up to `1.1e-16 |ωz|` times 1, ω, ω² and ω³.
///
/// Source: Sitzmann et al., *Implicit neural representations with periodic activation functions*,
/// arXiv:2006.09661, with ω = 30 in the first layers of their networks.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Fields", into = "Fields")]
pub struct Sin {
    omega: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename = "Sin", deny_unknown_fields)]
struct Fields {
    #[serde(default = "one")]
    omega: f64,
}

fn one() -> f64 {
    1.0
}

impl TryFrom<Fields> for Sin {
    type Error = NetworkError;

    fn try_from(fields: Fields) -> Result<Self, NetworkError> {
        Self::new(fields.omega)
    }
}

impl From<Sin> for Fields {
    fn from(Sin { omega }: Sin) -> Self {
        Self { omega }
    }
}

impl Default for Sin {
    /// ω = 1.
    fn default() -> Self {
        Self { omega: one() }
    }
}

impl Sin {
    /// The sine of frequency `omega`.
    ///
    /// # Errors
    /// If `omega` is not between 1e-3 and 1e3, where ω³ is of use in single precision.
    pub fn new(omega: f64) -> Result<Self, NetworkError> {
        if (1e-3..=1e3).contains(&omega) {
            Ok(Self { omega })
        } else {
            Err(NetworkError::Frequency(omega))
        }
    }

    /// The frequency ω.
    pub fn omega(&self) -> f64 {
        self.omega
    }

    #[inline(always)]
    pub(super) fn derivatives<E: Element>(&self, z: E) -> [E; 4] {
        let omega = self.omega;
        let (sin, cos) = (omega * z.wide()).sin_cos();
        let square = omega * omega;
        [sin, omega * cos, -square * sin, -square * omega * cos].map(E::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sin_follows_angles_that_are_halved_and_doubled() {
        let sin = Sin::new(30.0).unwrap();
        for k in -4_000..=4_000 {
            let u = f64::from(k) * 0.01;
            let z = u / 30.0;
            // Taylor series at u/4096, whose angle is then doubled twelve times as 1 − cos and sin.
            let v = 30.0 * z / 4096.0;
            let mut s = v - v.powi(3) / 6.0 + v.powi(5) / 120.0;
            let mut less = v * v / 2.0 - v.powi(4) / 24.0 + v.powi(6) / 720.0;
            for _ in 0..12 {
                (s, less) = (2.0 * s * (1.0 - less), 2.0 * s * s);
            }
            let c = 1.0 - less;
            let expected = [s, 30.0 * c, -900.0 * s, -27_000.0 * c];
            for ((found, expected), order) in sin.derivatives(z).iter().zip(expected).zip(0..) {
                // Each doubling doubles what was there of error.
                let allowed = 1e-12 * 30_f64.powi(order);
                assert!((found - expected).abs() <= allowed, "order {order} at ωz = {u}");
            }
        }
    }

    #[test]
    fn a_frequency_is_1_unless_given() {
        assert_eq!(serde_json::from_str::<Sin>("{}").unwrap(), Sin::default());
        assert_eq!(serde_json::to_string(&Sin::default()).unwrap(), r#"{"omega":1.0}"#);
        assert_eq!(serde_json::from_str::<Sin>(r#"{"omega":30.0}"#).unwrap().omega(), 30.0);
    }

    #[test]
    fn a_frequency_out_of_range_is_refused() {
        for omega in [0.0, -1.0, 1e-4, 2e3, f64::NAN, f64::INFINITY] {
            assert!(Sin::new(omega).is_err());
        }
        let error = serde_json::from_str::<Sin>(r#"{"omega":0.0}"#).unwrap_err().to_string();
        let expected = "the frequency ω of a Sin must be between 1e-3 and 1e3, but is 0.0";
        assert_eq!(error, expected);
    }
}
