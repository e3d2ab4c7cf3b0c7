use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::activate::entry_by_entry;
use super::exponential::polynomial;
use crate::{Activation, Sin};

/// `[f(z), f′(z), f″(z), f‴(z)]` of `sin(ωz)` on vectors, by the formulas of [`Sin`].
///
/// With `ωz = kπ + r` and `|r| ≤ π/2`: `sin(ωz) = ± sin r` and `cos(ωz) = ± cos r`, negative for odd `k`. `π` has
/// two parts after Cody and Waite, the first of 12 bits, so that its product with `k` is exact up to `|k| = 4096`;
/// so has `ω`, and the difference of the large products is rounded once. `(sin r − r)/r³` and `(cos r − 1 + r²/2)/r⁴`
/// are polynomials in `r²`, of degree 4 and 3, that interpolate at Chebyshev nodes for `|r|` up to `1.001 π/2`, as
/// `k` is the nearest integer only to rounding; `sin r` and `cos r` are exact to 2e-8 by them. All in all the results
/// are exact to 3e-7 times 1, ω, ω² and ω³ for `|ωz| ≤ 12 000`.
///
/// Vectors with an entry beyond that, or one that is not a number, are evaluated entry by entry in double
/// precision: slowly, but exact to rounding.
#[inline(always)]
pub(super) fn derivatives<S: Simd, const N: usize>(
    simd: S,
    sin: Sin,
    z: [S::f32s; N],
) -> [[S::f32s; 4]; N] {
    // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const PI: [f32; 2] = [3217.0 / 1024.0, -8.908_91e-6];
    const FAR: f32 = 12_000.0;
    const SIN: [f32; 5] =
        [-2.407_828_2e-8, 2.753_638e-6, -1.984_108_5e-4, 8.333_333e-3, -0.166_666_67];
    const COS: [f32; 4] = [-2.654_408e-7, 2.478_602e-5, -1.388_881_2e-3, 4.166_666_8e-2];
    let (zero, one) = (S::f32s::splat(simd, 0.0), S::f32s::splat(simd, 1.0));
    let omega = sin.omega() as f32;
    let rest = (sin.omega() - f64::from(omega)) as f32;
    let (rate, square) = (S::f32s::splat(simd, omega), omega * omega);
    let mut shifted = z;
    let mut r = z;
    // False where an entry of z is NaN.
    let mut near = zero.simd_le(one);
    for i in 0..N {
        near &= (z[i] * omega).abs().simd_le(S::f32s::splat(simd, FAR));
        shifted[i] = z[i].mul_add(omega * std::f32::consts::FRAC_1_PI, ROUND);
        let k = shifted[i] - ROUND;
        let large = z[i].mul_add_precise(rate, k * -PI[0]);
        r[i] = k.mul_add(-PI[1], z[i].mul_add(rest, large));
    }
    let mut squares = r;
    for i in 0..N {
        squares[i] = r[i] * r[i];
    }
    let sines = polynomial(simd, &SIN, squares);
    let cosines = polynomial(simd, &COS, squares);
    let mut all = [[zero; 4]; N];
    for i in 0..N {
        // The lowest bit of k becomes a sign.
        let sign = shifted[i].bitcast::<S::u32s>() << 31;
        let s = (r[i] * squares[i]).mul_add(sines[i], r[i]);
        let c = squares[i].mul_add(squares[i].mul_add(cosines[i], -0.5), one);
        let f = (s.bitcast::<S::u32s>() ^ sign).bitcast::<S::f32s>();
        let f1 = (c.bitcast::<S::u32s>() ^ sign).bitcast::<S::f32s>() * omega;
        all[i] = [f, f1, f * -square, f1 * -square];
    }
    if !near.all_true() {
        for i in 0..N {
            all[i] = entry_by_entry(simd, z[i], &move |z| Activation::Sin(sin).derivatives(z));
        }
    }
    all
}
