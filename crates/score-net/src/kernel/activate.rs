//! The vector form of each activation.

use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::buffer::LINE;
use super::elementwise::{at, put};
use super::{gelu, silu, sin, softplus, tanh};
use crate::Activation;

/// Replaces each vector of entries `z` by what `put_back` makes of its place and the activation's
/// `[f(z), f′(z), f″(z), f‴(z)]`.
#[inline(always)]
pub(super) fn activate_each<S: Simd>(
    simd: S,
    activation: Activation,
    z: &mut [f32],
    put_back: impl FnMut(usize, [S::f32s; 4]) -> S::f32s,
) {
    match activation {
        Activation::Softplus(softplus) => {
            let log = softplus::scaled_log(softplus);
            in_pairs(
                simd,
                z,
                #[inline(always)]
                |pair| softplus::derivatives(simd, softplus, &log, pair),
                put_back,
            );
        }
        Activation::Silu => in_pairs(
            simd,
            z,
            #[inline(always)]
            move |pair| silu::derivatives(simd, pair),
            put_back,
        ),
        Activation::Tanh => in_pairs(
            simd,
            z,
            #[inline(always)]
            move |pair| tanh::derivatives(simd, pair),
            put_back,
        ),
        Activation::Sin(sin) => in_pairs(
            simd,
            z,
            #[inline(always)]
            move |pair| sin::derivatives(simd, sin, pair),
            put_back,
        ),
        Activation::Gelu => in_pairs(
            simd,
            z,
            #[inline(always)]
            move |pair| gelu::derivatives(simd, pair),
            put_back,
        ),
        Activation::Custom(custom) => in_pairs(
            simd,
            z,
            #[inline(always)]
            move |[first, second]| {
                let wide = move |z| custom.wide(z);
                [entry_by_entry(simd, first, &wide), entry_by_entry(simd, second, &wide)]
            },
            put_back,
        ),
    }
}

/// The loop of [`activate_each`] with one vector form. Each is vectorised by itself: in one function for all of
/// them the compiler no longer inlines everything, and none is fast.
#[inline(always)]
fn in_pairs<S: Simd>(
    simd: S,
    z: &mut [f32],
    derivatives: impl Fn([S::f32s; 2]) -> [[S::f32s; 4]; 2],
    mut put_back: impl FnMut(usize, [S::f32s; 4]) -> S::f32s,
) {
    simd.vectorize(
        #[inline(always)]
        || {
            // Two vectors at a time: tiles have an even number of rows.
            let lanes = S::f32s::LEN;
            for start in (0..z.len()).step_by(2 * lanes) {
                let values = derivatives([at(simd, z, start), at(simd, z, start + lanes)]);
                put(simd, put_back(start, values[0]), z, start);
                put(simd, put_back(start + lanes, values[1]), z, start + lanes);
            }
        },
    );
}

/// A function in double precision of every entry of a vector.
#[inline(always)]
pub(super) fn entry_by_entry<S: Simd>(
    simd: S,
    z: S::f32s,
    derivatives: &dyn Fn(f64) -> [f64; 4],
) -> [S::f32s; 4] {
    let mut entries = [0.0; LINE];
    put(simd, z, &mut entries, 0);
    let values = transposed(&entries[..S::f32s::LEN], derivatives);
    let [f, f1, f2, f3] = &values;
    [at(simd, f, 0), at(simd, f1, 0), at(simd, f2, 0), at(simd, f3, 0)]
}

/// The four values at up to a cache line of entries, each in an array of its own. Once for all levels: there
/// is nothing in it for vectors.
#[inline(never)]
fn transposed(entries: &[f32], derivatives: &dyn Fn(f64) -> [f64; 4]) -> [[f32; LINE]; 4] {
    let mut all = [[0.0; LINE]; 4];
    for (lane, &z) in entries.iter().enumerate() {
        for (values, value) in all.iter_mut().zip(derivatives(f64::from(z))) {
            values[lane] = value as f32;
        }
    }
    all
}

#[cfg(test)]
mod tests;
