use super::decay::decay;
use crate::Element;

/// `[f(z), f′(z), f″(z), f‴(z)]` of `f(z) = z σ(z)` with the logistic function `σ`.
///
/// With `e = e^{−|z|}`, `s = σ(1 − σ) = e/(1 + e)²` and `t = 1 − 2σ = ∓(1 − e)/(1 + e)`, negative for
/// `z > 0`:
///
/// - `f = z σ`, where `σ` is `1/(1 + e)` for `z ≥ 0` and `e/(1 + e)` below,
/// - `f′ = σ + z s`,
/// - `f″ = s (2 + z t)`,
/// - `f‴ = s (t (3 + z t) − 2 z s)`,
///
/// from `σ′ = s`, `s′ = s t` and `t′ = −2s`. `σ`, `s` and `t` are exact to rounding, and so is `f`. The
/// derivatives have zeros, at `z = −1.28`, `±2.40`, and 0 and `±3.44`; there they are exact to the
/// rounding of their terms, which are of the order of 1. Where `|z|` exceeds [`Element::EXP_CUTOFF`], `e`
/// is 0: the error is at most `2e-11` for `f32` and `1e-136` for `f64`.
///
/// Source: Hendrycks and Gimpel, *Gaussian error linear units*, arXiv:1606.08415, who name it; with this
/// use Elfwing, Uchibe and Doya, arXiv:1702.03118. PyTorch's `SiLU`.
#[inline(always)]
pub(super) fn derivatives<E: Element>(z: E) -> [E; 4] {
    let one = E::one();
    let (two, three) = (E::of(2.0), E::of(3.0));
    let (e, complement) = decay(z.abs(), z);
    let d = one / (one + e);
    let positive = z >= E::zero();
    let sigma = if positive { d } else { e * d };
    let s = e * d * d;
    let t = if positive { -complement } else { complement } * d;
    let zs = z * s;
    [z * sigma, sigma + zs, s * (two + z * t), s * (t * (three + z * t) - two * zs)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From textbook forms on the negative axis, and on the positive one from the reflections
    /// `f(z) = z + f(−z)`, `f′(z) = 1 − f′(−z)`, `f″(z) = f″(−z)`, `f‴(z) = −f‴(−z)`.
    fn reference(z: f64) -> [f64; 4] {
        let a = -z.abs();
        let p = a.exp() / (1.0 + a.exp());
        let left = [
            a * p,
            p * (1.0 + a * (1.0 - p)),
            p * (1.0 - p) * (2.0 + a * (1.0 - 2.0 * p)),
            p * (1.0 - p) * (3.0 - 6.0 * p + a * (1.0 - 6.0 * p + 6.0 * p * p)),
        ];
        if z > 0.0 { [z + left[0], 1.0 - left[1], left[2], -left[3]] } else { left }
    }

    #[test]
    fn silu_follows_textbook_forms() {
        for k in -30_000..=30_000 {
            let z = f64::from(k) * 1e-3;
            let found = derivatives(z);
            for (order, (found, expected)) in found.iter().zip(reference(z)).enumerate() {
                // The error of e^{−|z|} in its argument, and roundings of terms of order 1.
                let allowed = 1e-15 * (1.0 + z.abs() * (-z.abs()).exp()) * z.abs().max(1.0);
                assert!((found - expected).abs() <= allowed, "order {order} at z = {z}");
            }
        }
    }

    #[test]
    fn the_zeros_of_the_derivatives_are_where_they_are_said_to_be() {
        for (order, z) in [(1, -1.278_465), (2, 2.399_357), (2, -2.399_357), (3, 3.435), (3, 0.0)] {
            let (before, after) = (derivatives(z - 1e-3), derivatives(z + 1e-3));
            assert!(before[order] * after[order] < 0.0, "order {order} at z = {z}");
        }
    }
}
