//! What stands between the matrix products, entry by entry: activations with their derivatives, and sums.

use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::activate::activate_each;
use super::buffer::LINE;
use super::tile::SecondTile;
use crate::Activation;

/// The vector of entries from `start`.
#[inline(always)]
pub(super) fn at<S: Simd>(simd: S, entries: &[f32], start: usize) -> S::f32s {
    S::f32s::from_slice(simd, &entries[start..start + S::f32s::LEN])
}

/// Writes a vector of entries from `start`.
#[inline(always)]
pub(super) fn put<S: Simd>(_: S, vector: S::f32s, entries: &mut [f32], start: usize) {
    vector.store_slice(&mut entries[start..start + S::f32s::LEN]);
}

/// The value and slope of an activation: `value` is `z` at first and `f(z)` then.
pub(super) fn activate_with_slope<S: Simd>(
    simd: S,
    activation: Activation,
    value: &mut [f32],
    slope: &mut [f32],
) {
    let slope = &mut slope[..value.len()];
    activate_each(
        simd,
        activation,
        value,
        #[inline(always)]
        |start, [f, f1, ..]| {
            put(simd, f1, slope, start);
            f
        },
    );
}

/// `f(z)` in place of `z`.
pub(super) fn activate_value<S: Simd>(simd: S, activation: Activation, z: &mut [f32]) {
    activate_each(
        simd,
        activation,
        z,
        #[inline(always)]
        |_, [f, ..]| f,
    )
}

/// The slope `f′(z)` in place of `z`.
pub(super) fn activate_slope<S: Simd>(simd: S, activation: Activation, z: &mut [f32]) {
    activate_each(
        simd,
        activation,
        z,
        #[inline(always)]
        |_, [_, f1, ..]| f1,
    )
}

/// `f(z)` in place of `z`, `f′(z)` and `f″(z)`; at the `top`, where the value is not used, `f′(z)` stands in
/// its place.
pub(super) fn activate<S: Simd>(
    simd: S,
    activation: Activation,
    top: bool,
    value: &mut [f32],
    slope: &mut [f32],
    curvature: &mut [f32],
) {
    let (slope, curvature) = (&mut slope[..value.len()], &mut curvature[..value.len()]);
    if top {
        activate_each(
            simd,
            activation,
            value,
            #[inline(always)]
            |start, [_, f1, f2, _]| {
                put(simd, f1, slope, start);
                put(simd, f2, curvature, start);
                f1
            },
        );
    } else {
        activate_each(
            simd,
            activation,
            value,
            #[inline(always)]
            |start, [f, f1, f2, _]| {
                put(simd, f1, slope, start);
                put(simd, f2, curvature, start);
                f
            },
        );
    }
}

/// `f(z)`, `f′(z)`, `f″(z)` and what [`SecondTile`] lists; `tangents` hold the `z_i` at first.
pub(super) fn activate_with_tangents<S: Simd>(
    simd: S,
    activation: Activation,
    [value, slope, curvature]: [&mut [f32]; 3],
    second: &mut SecondTile<'_>,
) {
    let size = value.len();
    activate_each(
        simd,
        activation,
        value,
        #[inline(always)]
        |start, [f, f1, f2, f3]| {
            let mut q = S::f32s::splat(simd, 0.0);
            for start in (start..second.tangents.len()).step_by(size) {
                let z_i = at(simd, second.tangents, start);
                q = z_i.mul_add(z_i, q);
                put(simd, f1 * z_i, second.tangents, start);
                put(simd, f2 * z_i, second.bends, start);
            }
            put(simd, f1, slope, start);
            put(simd, f2, curvature, start);
            put(simd, f2 * q, second.source, start);
            put(simd, f3 * q, second.third, start);
            f
        },
    );
}

/// Adds the entries of a matrix to those of another one.
pub(super) fn add<S: Simd>(simd: S, entries: &[f32], sums: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            for start in (0..sums.len()).step_by(S::f32s::LEN) {
                let sum = at(simd, sums, start) + at(simd, entries, start);
                put(simd, sum, sums, start);
            }
        },
    );
}

/// Adds the rows of a matrix to `sums`, which is as long as a row.
pub(super) fn add_rows<S: Simd>(simd: S, matrix: &[f32], sums: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            let columns = sums.len();
            // A cache line at a time, whose sums stay in registers.
            for start in (0..columns).step_by(LINE) {
                let mut line = [0.0; LINE];
                line.copy_from_slice(&sums[start..start + LINE]);
                for row in matrix.chunks_exact(columns) {
                    let row = &row[start..start + LINE];
                    line.iter_mut().zip(row).for_each(|(sum, entry)| *sum += entry);
                }
                sums[start..start + LINE].copy_from_slice(&line);
            }
        },
    );
}

/// Adds to `sums[i]` the scalar product of row `i` of `a` with row `i` of `b`, or with the one row of `b`.
pub(super) fn add_row_products<S: Simd>(
    simd: S,
    columns: usize,
    a: &[f32],
    b: &[f32],
    sums: &mut [f32],
) {
    simd.vectorize(
        #[inline(always)]
        || {
            for (row, (a, total)) in a.chunks_exact(columns).zip(sums).enumerate() {
                let b = if b.len() == columns { b } else { &b[row * columns..][..columns] };
                let mut sum = S::f32s::splat(simd, 0.0);
                for column in (0..columns).step_by(S::f32s::LEN) {
                    sum = at(simd, a, column).mul_add(at(simd, b, column), sum);
                }
                *total += sum.reduce_sum();
            }
        },
    );
}
