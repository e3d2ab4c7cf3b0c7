//! What the vector forms of activations are made of: exponentials that decay, and polynomials.

use fearless_simd::Simd;
use fearless_simd::prelude::*;

use crate::Element;

/// `e^{−|u|}`; 0 beyond the cutoff and for `u` above the threshold, and NaN if `u` is not finite: what is
/// broken must not look whole.
#[inline(always)]
pub(super) fn decay<S: Simd>(simd: S, u: S::f32s, threshold: f32) -> S::f32s {
    let above = S::f32s::splat(simd, threshold.min(f32::EXP_CUTOFF));
    let below = S::f32s::splat(simd, -f32::EXP_CUTOFF);
    let near = u.simd_le(above) & u.simd_ge(below);
    let (scale, q) = split(simd, u.abs());
    near.select(scale.mul_add(q, scale), u * 0.0)
}

/// `e^{−u}` and `1 − e^{−u}` for `u ≥ 0` that was made of `z`; 0 and 1 beyond the cutoff, and NaN if `z` is not
/// finite.
///
/// `1 − e^{−u} = (1 − s) − s q`, where nothing cancels: for small `u` the bracket is 0.
#[inline(always)]
pub(super) fn decay_with_complement<S: Simd>(
    simd: S,
    u: S::f32s,
    z: S::f32s,
) -> (S::f32s, S::f32s) {
    let one = S::f32s::splat(simd, 1.0);
    let near = u.simd_le(S::f32s::splat(simd, f32::EXP_CUTOFF));
    let (scale, q) = split(simd, u);
    let part = scale * q;
    // 0, or NaN if z is not finite.
    let broken = z * 0.0;
    (near.select(scale + part, broken), near.select((one - scale) - part, broken + one))
}

/// `e^{−u} = s (1 + q)` as `(s, q)`, for `u` from 0 to the cutoff.
///
/// With `u = k log 2 − r` and `|r| ≤ ½ log 2`: `s = 2^{−k}`, and `q = e^r − 1` is a polynomial of degree 6
/// that interpolates at Chebyshev nodes, with error below 1.1e-8.
#[inline(always)]
fn split<S: Simd>(simd: S, u: S::f32s) -> (S::f32s, S::f32s) {
    // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const EXP: [f32; 5] = [1.392_617_6e-3, 8.363_173e-3, 4.166_655_5e-2, 0.166_665_77, 0.5];
    let shifted = u.mul_add(std::f32::consts::LOG2_E, ROUND);
    let k = shifted - ROUND;
    let r = k.mul_sub(std::f32::consts::LN_2, u);
    let [p] = polynomial(simd, &EXP, [r]);
    let q = (r * r).mul_add(p, r);
    // The bits of 1, less k in the exponent.
    let scale = S::u32s::splat(simd, 1_f32.to_bits()) - (shifted.bitcast::<S::u32s>() << 23);
    (scale.bitcast::<S::f32s>(), q)
}

/// A polynomial by Horner's rule, the highest coefficient first.
#[inline(always)]
pub(super) fn polynomial<S: Simd, const C: usize, const N: usize>(
    simd: S,
    coefficients: &[f32; C],
    x: [S::f32s; N],
) -> [S::f32s; N] {
    let mut sums = [S::f32s::splat(simd, coefficients[0]); N];
    for &c in &coefficients[1..] {
        for i in 0..N {
            sums[i] = sums[i].mul_add(x[i], c);
        }
    }
    sums
}
