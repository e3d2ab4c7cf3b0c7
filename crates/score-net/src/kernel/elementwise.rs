//! What stands between the matrix products: activations, their derivatives and the products with them,
//! entry by entry.

use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::activate::activate_each;
use super::buffer::LINE;
use super::tile::{LayerTile, SecondTile};
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

/// What a product of matrices does with its entries, see [`super::product`]: it keeps them in `out`.
#[inline(always)]
pub(super) fn store<S: Simd>(simd: S, out: &mut [f32]) -> impl FnMut(usize, usize, &[S::f32s]) {
    #[inline(always)]
    move |_, place, entries| {
        let out = &mut out[place..][..entries.len() * S::f32s::LEN];
        for (place, &entry) in places::<S>().zip(entries) {
            put(simd, entry, out, place);
        }
    }
}

/// With `g = ∂φ/∂h` from a product of matrices: keeps it, and the cotangent `f′ g` of `z`.
#[inline(always)]
pub(super) fn pull<S: Simd>(
    simd: S,
    tile: &mut LayerTile<'_>,
) -> impl FnMut(usize, usize, &[S::f32s]) {
    let LayerTile { slope, adjoint, cotangent, .. } = tile;
    #[inline(always)]
    move |_, place, g| {
        let range = place..place + g.len() * S::f32s::LEN;
        let (slope, adjoint) = (&slope[range.clone()], &mut adjoint[range.clone()]);
        let cotangent = &mut cotangent[range];
        for (place, &g) in places::<S>().zip(g) {
            put(simd, g, adjoint, place);
            put(simd, at(simd, slope, place) * g, cotangent, place);
        }
    }
}

/// With `g = ∂φ/∂h` from a product of matrices: `slope` goes from `f′` to the cotangent `f′ g`.
#[inline(always)]
pub(super) fn pull_in_place<S: Simd>(
    simd: S,
    slope: &mut [f32],
) -> impl FnMut(usize, usize, &[S::f32s]) {
    #[inline(always)]
    move |_, place, g| {
        let slope = &mut slope[place..][..g.len() * S::f32s::LEN];
        for (place, &g) in places::<S>().zip(g) {
            put(simd, at(simd, slope, place) * g, slope, place);
        }
    }
}

/// The functional's channel through an activation, and what the way back needs of it. With `z_m` from a
/// product of matrices and `c` one number per row: `along` becomes `h_m = f′ z_m + c f″ q` and `curvature`
/// goes from `f″` to `(f″ z_m + c f‴ q) g`. The terms with `c` are there only with the Laplacian.
#[inline(always)]
pub(super) fn push_along<S: Simd>(
    simd: S,
    c: &[f32],
    tile: &mut LayerTile<'_>,
) -> impl FnMut(usize, usize, &[S::f32s]) {
    let LayerTile { slope, curvature, adjoint, along, second, .. } = tile;
    #[inline(always)]
    move |row, place, z_m| {
        let range = place..place + z_m.len() * S::f32s::LEN;
        let (slope, adjoint) = (&slope[range.clone()], &adjoint[range.clone()]);
        let (along, curvature) = (&mut along[range.clone()], &mut curvature[range.clone()]);
        let second = second.as_ref().map(|second| {
            let (source, third) = (&second.source[range.clone()], &second.third[range]);
            (S::f32s::splat(simd, c[row]), source, third)
        });
        for (place, &z_m) in places::<S>().zip(z_m) {
            let mut h_m = at(simd, slope, place) * z_m;
            let mut bent = at(simd, curvature, place) * z_m;
            if let Some((c, source, third)) = second {
                h_m = c.mul_add(at(simd, source, place), h_m);
                bent = c.mul_add(at(simd, third, place), bent);
            }
            put(simd, h_m, along, place);
            put(simd, bent * at(simd, adjoint, place), curvature, place);
        }
    }
}

/// The cotangents of `z` and `z_i` in the functional. With `g_m` from a product of matrices, `c` one number
/// per row and the `G_i` in `tangent_adjoints`: `curvature` gets `f′ g_m + Σ f″ z_i G_i` added and the
/// bends go from `f″ z_i` to `f′ G_i + 2c f″ z_i g`. The tangents are there only with the Laplacian.
#[inline(always)]
pub(super) fn pull_along<S: Simd>(
    simd: S,
    c: &[f32],
    tile: &mut LayerTile<'_>,
    tangent_adjoints: &[f32],
) -> impl FnMut(usize, usize, &[S::f32s]) {
    let LayerTile { slope, curvature, adjoint, second, .. } = tile;
    #[inline(always)]
    move |row, place, g_m| {
        let size = slope.len();
        let range = place..place + g_m.len() * S::f32s::LEN;
        let (slope, adjoint) = (&slope[range.clone()], &adjoint[range.clone()]);
        let curvature = &mut curvature[range.clone()];
        for (place, &g_m) in places::<S>().zip(g_m) {
            let total = at(simd, slope, place).mul_add(g_m, at(simd, curvature, place));
            put(simd, total, curvature, place);
        }
        let Some(SecondTile { bends, .. }) = second else { return };
        let twice = S::f32s::splat(simd, 2.0 * c[row]);
        let bends = bends.chunks_exact_mut(size).map(|bends| &mut bends[range.clone()]);
        let tangent_adjoints = tangent_adjoints.chunks_exact(size).map(|all| &all[range.clone()]);
        for (bends, tangent_adjoints) in bends.zip(tangent_adjoints) {
            for (place, _) in places::<S>().zip(g_m) {
                let bend = at(simd, bends, place);
                let tangent_adjoint = at(simd, tangent_adjoints, place);
                let total = bend.mul_add(tangent_adjoint, at(simd, curvature, place));
                put(simd, total, curvature, place);
                let weighted = twice * at(simd, adjoint, place);
                let slope = at(simd, slope, place);
                put(simd, slope.mul_add(tangent_adjoint, bend * weighted), bends, place);
            }
        }
    }
}

/// The places of vectors that follow each other.
#[inline(always)]
fn places<S: Simd>() -> impl Iterator<Item = usize> {
    (0..).step_by(S::f32s::LEN)
}
