use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::exponential::decay_with_complement;

/// `[f(z), f′(z), f″(z), f‴(z)]` of SiLU on vectors, by the formulas of `activation/silu.rs`.
///
/// `e^{−|z|}` is exact to a relative `3e-7 + 6e-8 |z|`, and so is `f`; the derivatives are exact to 3e-7; the
/// largest values they have are 1.1, 0.5 and 0.31.
#[inline(always)]
pub(super) fn derivatives<S: Simd, const N: usize>(simd: S, z: [S::f32s; N]) -> [[S::f32s; 4]; N] {
    let (zero, one) = (S::f32s::splat(simd, 0.0), S::f32s::splat(simd, 1.0));
    let mut all = [[zero; 4]; N];
    for i in 0..N {
        let z = z[i];
        let (e, complement) = decay_with_complement(simd, z.abs(), z);
        let d = one / (e + one);
        let positive = z.simd_ge(zero);
        let below = e * d;
        let sigma = positive.select(d, below);
        let s = below * d;
        let size = complement * d;
        let t = positive.select(-size, size);
        let zt = z * t;
        let bent = t.mul_add(zt + 3.0, z * s * -2.0);
        all[i] = [z * sigma, z.mul_add(s, sigma), s * (zt + 2.0), s * bent];
    }
    all
}
