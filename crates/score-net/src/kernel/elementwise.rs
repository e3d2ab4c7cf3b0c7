//! What stands between the matrix products: activations, their derivatives and the products with them,
//! entry by entry.

use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::buffer::LINE;
use super::softplus;
use super::tile::{LayerTile, SecondTile};
use crate::Activation;

/// Replaces each vector of entries `z` by what `put_back` makes of its place and the activation's
/// `[f(z), f′(z), f″(z), f‴(z)]`.
#[inline(always)]
fn activate_each<S: Simd>(
    simd: S,
    activation: Activation,
    z: &mut [f32],
    mut put_back: impl FnMut(usize, [S::f32s; 4]) -> S::f32s,
) {
    // Two vectors at a time: tiles have an even number of rows.
    let lanes = S::f32s::LEN;
    for start in (0..z.len()).step_by(2 * lanes) {
        let pair = [at(simd, z, start), at(simd, z, start + lanes)];
        let values = match activation {
            Activation::Softplus(softplus) => softplus::derivatives(simd, softplus, pair),
        };
        put(simd, put_back(start, values[0]), z, start);
        put(simd, put_back(start + lanes, values[1]), z, start + lanes);
    }
}

/// For each vector of entries of equally long matrices, replaces those of `out` by
/// `f(those of read, those of out)`.
#[inline(always)]
fn update<S: Simd, const N: usize, const M: usize>(
    simd: S,
    read: [&[f32]; N],
    out: [&mut [f32]; M],
    mut f: impl FnMut([S::f32s; N], [S::f32s; M]) -> [S::f32s; M],
) {
    let entries = out.first().map_or(0, |out| out.len());
    let read = read.map(|read| &read[..entries]);
    let mut out = out.map(|out| &mut out[..entries]);
    for start in (0..entries).step_by(S::f32s::LEN) {
        let inputs = read.map(|read| at(simd, read, start));
        let before = out.each_ref().map(|out| at(simd, out, start));
        for (out, after) in out.iter_mut().zip(f(inputs, before)) {
            put(simd, after, out, start);
        }
    }
}

/// The vector of entries from `start`.
#[inline(always)]
fn at<S: Simd>(simd: S, entries: &[f32], start: usize) -> S::f32s {
    S::f32s::from_slice(simd, &entries[start..start + S::f32s::LEN])
}

#[inline(always)]
fn put<S: Simd>(_: S, vector: S::f32s, entries: &mut [f32], start: usize) {
    vector.store_slice(&mut entries[start..start + S::f32s::LEN]);
}

/// The value and slope of an activation: `value` is `z` at first and `f(z)` then.
pub(super) fn activate_with_slope<S: Simd>(
    simd: S,
    activation: Activation,
    value: &mut [f32],
    slope: &mut [f32],
) {
    simd.vectorize(
        #[inline(always)]
        || {
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
        },
    );
}

/// The slope `f′(z)` in place of `z`.
pub(super) fn activate_slope<S: Simd>(simd: S, activation: Activation, z: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            activate_each(
                simd,
                activation,
                z,
                #[inline(always)]
                |_, [_, f1, ..]| f1,
            )
        },
    );
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
    simd.vectorize(
        #[inline(always)]
        || {
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
        },
    );
}

/// `f(z)`, `f′(z)`, `f″(z)` and what [`SecondTile`] lists; `tangents` hold the `z_i` at first.
pub(super) fn activate_with_tangents<S: Simd>(
    simd: S,
    activation: Activation,
    [value, slope, curvature]: [&mut [f32]; 3],
    second: &mut SecondTile<'_>,
) {
    simd.vectorize(
        #[inline(always)]
        || {
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
        },
    );
}

/// `c = a b`, entry by entry.
pub(super) fn multiply_into<S: Simd>(simd: S, a: &[f32], b: &[f32], c: &mut [f32]) {
    simd.vectorize(
        #[inline(always)]
        || update(simd, [a, b], [c], |[a, b], _| [a * b]),
    );
}

/// `a = a b`, entry by entry; `b` may be a single row.
pub(super) fn multiply<S: Simd>(simd: S, a: &mut [f32], b: &[f32]) {
    simd.vectorize(
        #[inline(always)]
        || {
            for a in a.chunks_exact_mut(b.len()) {
                update(simd, [b], [a], |[b], [a]| [a * b]);
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

/// The functional's channel through an activation, and what the way back needs of it: with `c` one
/// number per row, `along` goes from `z_m` to `h_m = f′ z_m + c f″ q` and `curvature` from `f″` to
/// `(f″ z_m + c f‴ q) g`. The terms with `c` are there only with the Laplacian.
pub(super) fn push_along<S: Simd>(simd: S, stride: usize, c: &[f32], tile: &mut LayerTile<'_>) {
    let LayerTile { slope, curvature, adjoint, along, second, .. } = tile;
    simd.vectorize(
        #[inline(always)]
        || match second {
            None => update(
                simd,
                [slope, adjoint],
                [along, curvature],
                #[inline(always)]
                |[f1, g], [z, f2]| [f1 * z, f2 * z * g],
            ),
            Some(SecondTile { source, third, .. }) => {
                for (row, &c) in c.iter().enumerate() {
                    let row = row * stride..(row + 1) * stride;
                    let c = S::f32s::splat(simd, c);
                    update(
                        simd,
                        [
                            &slope[row.clone()],
                            &adjoint[row.clone()],
                            &source[row.clone()],
                            &third[row.clone()],
                        ],
                        [&mut along[row.clone()], &mut curvature[row]],
                        |[f1, g, source, third], [z, f2]| {
                            [f1.mul_add(z, c * source), f2.mul_add(z, c * third) * g]
                        },
                    );
                }
            }
        },
    );
}

/// The cotangents of `z` and `z_i` in the functional: with `G_i` in `tangent_adjoints` and `g_m` in
/// `adjoint`, `curvature` gets `f′ g_m + Σ f″ z_i G_i` added and the bends go from `f″ z_i` to
/// `f′ G_i + 2c f″ z_i g`.
pub(super) fn pull_along<S: Simd>(
    simd: S,
    stride: usize,
    c: &[f32],
    tile: &mut LayerTile<'_>,
    adjoint_along: &[f32],
    tangent_adjoints: &[f32],
) {
    let LayerTile { slope, curvature, adjoint, second, .. } = tile;
    simd.vectorize(
        #[inline(always)]
        || match second {
            None => {
                update(simd, [slope, adjoint_along], [curvature], |[f1, g], [e]| [f1.mul_add(g, e)])
            }
            Some(SecondTile { bends, .. }) => {
                let size = slope.len();
                for (row, &c) in c.iter().enumerate() {
                    let twice = S::f32s::splat(simd, 2.0 * c);
                    for start in (row * stride..(row + 1) * stride).step_by(S::f32s::LEN) {
                        let f1 = at(simd, slope, start);
                        let weighted = twice * at(simd, adjoint, start);
                        let e = at(simd, curvature, start);
                        let mut total = f1.mul_add(at(simd, adjoint_along, start), e);
                        for start in (start..bends.len()).step_by(size) {
                            let bend = at(simd, bends, start);
                            let adjoint = at(simd, tangent_adjoints, start);
                            total = bend.mul_add(adjoint, total);
                            put(simd, f1.mul_add(adjoint, bend * weighted), bends, start);
                        }
                        put(simd, total, curvature, start);
                    }
                }
            }
        },
    );
}
