use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::exponential::{decay_with_complement, polynomial};

/// `[f(z), f′(z), f″(z), f‴(z)]` of GELU on vectors, by the formulas of `activation/gelu.rs`.
///
/// With `a = |z|`, `t = 1/(1 + a/4)`: `Φ(−a) = e^{−a²/2} t P(t)`. The factor besides the exponential is Mills'
/// ratio of tail and density, which is as smooth in `t` as `1/a` at infinity. `P` has degree 8 and interpolates at
/// Chebyshev nodes for `a` from 0 to 7.5, where `e^{−a²/2}` is beyond its cutoff; the relative error is below
/// 2.5e-8. The argument `a²/2` is rounded, which moves `Φ(−a)` and `φ` by up to a relative `6e-8 a²/2`: all in all
/// `f` is exact to a relative `6e-7 + 6e-8 a²/2` and the derivatives to 4e-7; the largest values they have are
/// 1.13, 0.8 and 0.78.
#[inline(always)]
pub(super) fn derivatives<S: Simd, const N: usize>(simd: S, z: [S::f32s; N]) -> [[S::f32s; 4]; N] {
    const TAIL: [f32; 9] = [
        3.647_409_4e-2,
        -0.208_475_3,
        0.419_768_72,
        -0.359_522_82,
        0.318_696_47,
        -2.275_415_9e-2,
        0.119_949_57,
        9.588_272e-2,
        9.998_070_4e-2,
    ];
    /// `1/√(2π)`.
    const PEAK: f32 = 0.398_942_3;
    let (zero, one) = (S::f32s::splat(simd, 0.0), S::f32s::splat(simd, 1.0));
    let end = S::f32s::splat(simd, 7.5);
    let mut near = z;
    let mut t = z;
    for i in 0..N {
        let a = z[i].abs().min(end);
        near[i] = a.copysign(z[i]);
        t[i] = one / a.mul_add(0.25, one);
    }
    let ratio = polynomial(simd, &TAIL, t);
    let mut all = [[zero; 4]; N];
    for i in 0..N {
        let square = near[i] * near[i];
        let (e, _) = decay_with_complement(simd, square * 0.5, z[i]);
        let tail = e * (t[i] * ratio[i]);
        let ramp = z[i].simd_ge(zero).select(one - tail, tail);
        let density = e * PEAK;
        // What is beyond the end has density 0 and would overflow here.
        let bend = near[i] * density;
        all[i] = [z[i] * ramp, ramp + bend, density * -(square - 2.0), bend * (square - 4.0)];
    }
    all
}
