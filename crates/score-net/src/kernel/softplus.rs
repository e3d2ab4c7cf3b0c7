use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::exponential::{decay, polynomial};
use crate::Softplus;

/// `[f(z), f′(z), f″(z), f‴(z)]` on vectors, by the formulas of [`Softplus`].
///
/// `log(1 + e)/e` is a polynomial of degree 8 that interpolates at Chebyshev nodes, with relative error
/// below 3.5e-8; `log` holds its coefficients over β.
///
/// `N` vectors at once: the polynomials are chains of operations that wait for each other, and two
/// chains side by side keep the processor busy.
#[inline(always)]
pub(super) fn derivatives<S: Simd, const N: usize>(
    simd: S,
    softplus: Softplus,
    log: &[f32; 9],
    z: [S::f32s; N],
) -> [[S::f32s; 4]; N] {
    let (zero, one) = (S::f32s::splat(simd, 0.0), S::f32s::splat(simd, 1.0));
    let beta = softplus.beta() as f32;
    let mut e = z;
    for i in 0..N {
        e[i] = decay(simd, z[i] * beta, softplus.threshold() as f32);
    }
    let tail = polynomial(simd, log, e);
    let mut all = [[zero; 4]; N];
    for i in 0..N {
        let (z, e) = (z[i], e[i]);
        let d = one / (e + one);
        let bump = e * d * d * beta;
        let skew = bump * (one - e) * d * beta;
        let positive = z.simd_ge(zero);
        all[i] = [
            e.mul_add(tail[i], positive.select(z, zero)),
            positive.select(d, e * d),
            bump,
            positive.select(-skew, skew),
        ];
    }
    all
}

/// The coefficients of `log(1 + e)/(β e)`, to be found once for all entries.
pub(super) fn scaled_log(softplus: Softplus) -> [f32; 9] {
    const LOG: [f32; 9] = [
        5.126_102e-3,
        -2.907_406_5e-2,
        7.751_609e-2,
        -0.136_022_48,
        0.190_768_8,
        -0.248_353_99,
        0.333_181_22,
        -0.499_994_45,
        0.999_999_97,
    ];
    LOG.map(|c| c / softplus.beta() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;
    use crate::kernel::InstructionSet;
    use crate::kernel::instruction_set::dispatch;

    /// The four values at every entry of `z`, whose length is a multiple of 16.
    fn evaluate<S: Simd>(simd: S, softplus: Softplus, z: &[f32]) -> Vec<[f32; 4]> {
        let (mut all, log) = (Vec::new(), scaled_log(softplus));
        simd.vectorize(
            #[inline(always)]
            || {
                for z in z.chunks_exact(S::f32s::LEN) {
                    let z_vector = S::f32s::from_slice(simd, z);
                    let [found] = derivatives(simd, softplus, &log, [z_vector]);
                    all.extend((0..z.len()).map(|lane| found.map(|values| values[lane])));
                }
            },
        );
        all
    }

    #[test]
    fn the_vector_form_follows_double_precision_on_every_level() {
        for (beta, threshold) in
            [(1e-3, 20.0), (1.0, f64::INFINITY), (100.0, f64::INFINITY), (100.0, 20.0), (1e4, 3.0)]
        {
            let softplus = Softplus::new(beta).unwrap().with_threshold(threshold).unwrap();
            // β z from −100 to 100, dense around 0, and far out.
            let mut z: Vec<f32> = (-40_000..40_000)
                .map(|k| (100.0 / beta * (f64::from(k) / 40_000.0).powi(3)) as f32)
                .collect();
            z.extend((-8..8).map(|k| k as f32 * 1e3));
            for set in InstructionSet::available() {
                let found = dispatch!(set, simd => evaluate(simd, softplus, &z));
                for (found, z) in found.iter().zip(&z) {
                    let z = f64::from(*z);
                    // The two sides of a step are one place to single precision.
                    if (beta * z / threshold - 1.0).abs() < 1e-6 {
                        continue;
                    }
                    let expected = Activation::Softplus(softplus).derivatives(z);
                    let scale = [z.abs().max(1.0 / beta), 1.0, beta, beta * beta];
                    // βz is rounded, which e^{−β|z|} amplifies by β|z|, at most the cutoff.
                    let relative = 6e-7 * (1.0 + (beta * z).abs().min(28.0));
                    for ((&found, expected), scale) in found.iter().zip(expected).zip(scale) {
                        let error = (f64::from(found) - expected).abs();
                        // 1 − e^{−β|z|} is exact to the rounding of 1, no better.
                        let allowed = relative * expected.abs() + 6e-8 * scale;
                        assert!(error <= allowed, "{set}, β {beta}, z {z}: {found} for {expected}");
                    }
                }
            }
        }
    }

    #[test]
    fn no_value_or_product_of_two_is_subnormal_and_what_is_broken_stays_so() {
        let z: Vec<f32> = (-80_000..80_000).map(|k| k as f32 * 1e-5).collect();
        let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN].repeat(4);
        for set in InstructionSet::available() {
            let found = dispatch!(set, simd => evaluate(simd, Softplus::PAPER, &z));
            for values in found {
                for a in values {
                    for b in values {
                        assert!(!(a * b * 1e-9).is_subnormal());
                    }
                }
            }
            let found = dispatch!(set, simd => evaluate(simd, Softplus::PAPER, &broken));
            assert!(found.iter().flatten().all(|value| !value.is_finite()), "{set}: {found:?}");
        }
    }
}
