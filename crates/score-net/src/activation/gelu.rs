use std::f64::consts::FRAC_1_SQRT_2;

use crate::Element;

/// `1/√(2π)`.
const PEAK: f64 = 0.398_942_280_401_432_7;

/// `[f(z), f′(z), f″(z), f‴(z)]` of `f(z) = z Φ(z)`, with the distribution function `Φ` of the standard normal
/// law and its density `φ(z) = e^{−z²/2}/√(2π)`.
///
/// - `f = z Φ`, where `Φ = erfc(−z/√2)/2`,
/// - `f′ = Φ + z φ`,
/// - `f″ = (2 − z²) φ`,
/// - `f‴ = z (z² − 4) φ`.
///
/// In double precision, with `erfc` of the crate `libm` (below one unit in the last place), also where `f32` is
/// asked for: there the results are exact to rounding. For `f64` the arguments `−z/√2` and `z²/2` are themselves
/// rounded, which moves `Φ` below 0 and `φ` by a relative `z² · 2e-16`; near the zero `z = −0.75` of `f′` and
/// those of the others the error is the rounding of terms of the order of 1. Where `z²/2` exceeds
/// [`Element::EXP_CUTOFF`], `Φ` is 0 or 1 and `φ` is 0: the error is at most `2e-10` for `f32` and `1e-135` for
/// `f64`, and no subnormal number arises.
///
/// Source: Hendrycks and Gimpel, *Gaussian error linear units*, arXiv:1606.08415. PyTorch's `GELU` without
/// its approximation by `tanh`.
#[inline(always)]
pub(super) fn derivatives<E: Element>(z: E) -> [E; 4] {
    wide(z.wide(), E::EXP_CUTOFF.wide()).map(E::of)
}

fn wide(z: f64, cutoff: f64) -> [f64; 4] {
    let half = 0.5 * z * z;
    if half > cutoff || z.is_nan() {
        // 0, or NaN if z is not finite: what is broken must not look whole.
        let broken = 0.0 * z;
        let ramp = if z > 0.0 { 1.0 } else { 0.0 } + broken;
        return [z * ramp, ramp, broken, broken];
    }
    let square = z * z;
    let ramp = 0.5 * libm::erfc(-z * FRAC_1_SQRT_2);
    let density = PEAK * (-half).exp();
    [z * ramp, ramp + z * density, (2.0 - square) * density, z * (square - 4.0) * density]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `Φ(−a)/φ(a)` for `a ≥ 0`, from series that share nothing with `erfc`: in the middle
    /// `Φ(a) − ½ = φ(a) (a + a³/3 + a⁵/15 + …)`, in the tail the continued fraction of Laplace,
    /// `1/(a + 1/(a + 2/(a + 3/(a + …))))`.
    fn mills(a: f64) -> f64 {
        if a > 3.0 {
            return 1.0 / (1..400).rev().fold(a, |tail, k| a + f64::from(k) / tail);
        }
        let (mut term, mut sum) = (a, a);
        for k in 1..80 {
            term *= a * a / f64::from(2 * k + 1);
            sum += term;
        }
        0.5 * (0.5 * a * a).exp() / PEAK - sum
    }

    #[test]
    fn gelu_follows_series_and_the_continued_fraction() {
        for k in -25_000..=25_000 {
            let z = f64::from(k) * 1e-3;
            let (a, square) = (z.abs(), z * z);
            let density = (-0.5 * square).exp() * PEAK;
            let tail = mills(a) * density;
            let ramp = if z > 0.0 { 1.0 - tail } else { tail };
            let expected = [
                z * ramp,
                ramp + z * density,
                (2.0 - square) * density,
                (z.powi(3) - 4.0 * z) * density,
            ];
            let found: [f64; 4] = derivatives(z);
            for (order, (found, expected)) in found.iter().zip(expected).enumerate() {
                let error = (found - expected).abs();
                // In the tail relative, but for the zeros of f′.
                let terms = if z < -3.0 { a.powi(3) * density } else { a.max(1.0) };
                let allowed = 1e-15 * (1.0 + if z < -3.0 { square } else { 0.0 }) * terms;
                assert!(error <= allowed, "order {order} at z = {z}: {found:e} for {expected:e}");
            }
        }
    }

    #[test]
    fn values_of_tables_are_met() {
        // Φ(1) and φ(1) from Abramowitz and Stegun, table 26.1.
        let (ramp, density) = (0.841_344_746_068_543, 0.241_970_724_519_143);
        let expected = [ramp, ramp + density, density, -3.0 * density];
        for (found, expected) in derivatives(1.0_f64).iter().zip(expected) {
            assert!((found - expected).abs() < 1e-14);
        }
    }
}
