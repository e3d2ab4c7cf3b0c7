use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::exponential::decay_with_complement;

/// `[f(z), f′(z), f″(z), f‴(z)]` of the hyperbolic tangent on vectors, by the formulas of
/// `activation/tanh.rs`.
///
/// `f` is exact to a relative `3e-7`, `e^{−2|z|}` and with it `f′` and `f″` to `5e-7 + 1.2e-7 |z|`, and `f‴` is so of
/// the size of its two terms.
#[inline(always)]
pub(super) fn derivatives<S: Simd, const N: usize>(simd: S, z: [S::f32s; N]) -> [[S::f32s; 4]; N] {
    let (zero, one) = (S::f32s::splat(simd, 0.0), S::f32s::splat(simd, 1.0));
    let two = S::f32s::splat(simd, 2.0);
    // Beyond the cutoff of e^{−2|z|}, and far from overflow.
    let end = S::f32s::splat(simd, 15.0);
    let mut all = [[zero; 4]; N];
    for i in 0..N {
        let z = z[i];
        let (e, complement) = decay_with_complement(simd, z.abs().min(end) * two, z);
        let d = one / (e + one);
        let f = (complement * d).copysign(z);
        let f1 = e * d * d * 4.0;
        all[i] = [f, f1, f * f1 * -2.0, (f * f * 6.0 - two) * f1];
    }
    all
}
