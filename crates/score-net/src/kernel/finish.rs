//! What products of matrices do with their entries while these are in registers, see [`super::product`]: each function
//! returns the closure that a product calls, with a row, a place in a matrix `[n, columns]` and the vectors of entries
//! from there.

use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::elementwise::{at, put};
use super::tile::{LayerTile, SecondTile};

/// Keeps the entries in `out`.
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

/// Adds the entries to `sums`.
#[inline(always)]
pub(super) fn accumulate<S: Simd>(
    simd: S,
    sums: &mut [f32],
) -> impl FnMut(usize, usize, &[S::f32s]) {
    #[inline(always)]
    move |_, place, entries| {
        let sums = &mut sums[place..][..entries.len() * S::f32s::LEN];
        for (place, &entry) in places::<S>().zip(entries) {
            put(simd, at(simd, sums, place) + entry, sums, place);
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

/// With `z_i` from a product of matrices: `tangent` becomes `f′ z_i`.
#[inline(always)]
pub(super) fn push_tangent<S: Simd>(
    simd: S,
    slope: &[f32],
    tangent: &mut [f32],
) -> impl FnMut(usize, usize, &[S::f32s]) {
    #[inline(always)]
    move |_, place, z_i| {
        let range = place..place + z_i.len() * S::f32s::LEN;
        let (slope, tangent) = (&slope[range.clone()], &mut tangent[range]);
        for (place, &z_i) in places::<S>().zip(z_i) {
            put(simd, at(simd, slope, place) * z_i, tangent, place);
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

/// Hands the entries of a matrix to `finish` as a product does.
#[inline(always)]
pub(super) fn each<S: Simd>(
    simd: S,
    matrix: &[f32],
    columns: usize,
    mut finish: impl FnMut(usize, usize, &[S::f32s]),
) {
    simd.vectorize(
        #[inline(always)]
        || {
            for place in (0..matrix.len()).step_by(S::f32s::LEN) {
                finish(place / columns, place, &[at(simd, matrix, place)]);
            }
        },
    );
}

/// Hands the entries of `b wᵀ`, with one number `b(i)` for each row and all of the row `w`, to `finish` as a product does.
#[inline(always)]
pub(super) fn repeat<S: Simd>(
    simd: S,
    w: &[f32],
    rows: usize,
    b: impl Fn(usize) -> f32,
    mut finish: impl FnMut(usize, usize, &[S::f32s]),
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let columns = w.len();
            for row in 0..rows {
                for column in (0..columns).step_by(S::f32s::LEN) {
                    let w = at(simd, w, column);
                    finish(row, row * columns + column, &[w * b(row)]);
                }
            }
        },
    );
}
