//! Matrix products of row-major matrices whose rows are padded to whole cache lines.
//!
//! The inner loops keep a strip of `R` rows by `V` vectors of the result in registers: as many as leave
//! room for the operands (of 32 registers of 16 floats, 16 of 8, or 16 of 4), and enough independent
//! sums to hide the latency of multiply-add. Numbers of rows are even.

use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::buffer::LINE;
use super::elementwise::{at, put};

/// A matrix by rows, `stride` floats apart.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) data: &'a [f32],
    pub(super) stride: usize,
}

/// The product `A B + 1 cᵀ`: `A` is `[n, depth]` and `B` `[depth, columns]`, `columns` a multiple of [`LINE`]
/// and the stride of `B`. `c`, of length `columns`, is `start`, or 0.
///
/// Nothing is written: as soon as a vector of entries of the product is known, in a register, `finish` gets
/// it with its row and its place in a matrix `[n, columns]`.
pub(super) fn product<S: Simd>(
    simd: S,
    a: Rows<'_>,
    depth: usize,
    b: &[f32],
    columns: usize,
    start: Option<&[f32]>,
    finish: impl FnMut(usize, usize, &[S::f32s]),
) {
    let rows = a.data.len() / a.stride;
    accumulate(simd, Terms::Rows { a, depth, b }, start, [rows, columns], finish);
}

/// `C += Σ Aᵀ B` over pairs of `A` `[points, rows]` and `B` `[points, columns]`: the gradient of a
/// weight, `C` `[rows, columns]`, from cotangents and activations. `columns` is a multiple of [`LINE`]
/// and the stride of each `B` and of `C`.
pub(super) fn outer_product<S: Simd>(
    simd: S,
    pairs: &[(Rows<'_>, &[f32])],
    c: &mut [f32],
    columns: usize,
) {
    let size = [c.len() / columns, columns];
    accumulate(
        simd,
        Terms::Outer(pairs),
        None,
        size,
        #[inline(always)]
        |_, place, sums| {
            let c = &mut c[place..][..sums.len() * S::f32s::LEN];
            for (j, &sum) in sums.iter().enumerate() {
                let place = j * S::f32s::LEN;
                put(simd, at(simd, c, place) + sum, c, place);
            }
        },
    );
}

/// The product `A Bᵀ` for `N` rows of `B`, by scalar products of rows: `A` is `[n, depth]`, `depth` a multiple
/// of [`LINE`] and the stride of `A` and `B`. `finish` is called as by [`product`], for columns up to a
/// whole line. For small `N` this is faster than [`product`].
pub(super) fn narrow_product<S: Simd, const N: usize>(
    simd: S,
    a: &[f32],
    b: &[f32],
    depth: usize,
    mut finish: impl FnMut(usize, usize, &[S::f32s]),
) {
    simd.vectorize(
        #[inline(always)]
        || {
            let b: [&[f32]; N] = std::array::from_fn(|i| &b[i * depth..][..depth]);
            for (row, a) in a.chunks_exact(depth).enumerate() {
                let mut sums = [S::f32s::splat(simd, 0.0); N];
                for start in (0..depth).step_by(S::f32s::LEN) {
                    let a = at(simd, a, start);
                    for i in 0..N {
                        sums[i] = a.mul_add(at(simd, b[i], start), sums[i]);
                    }
                }
                let mut line = [0.0; LINE];
                for (entry, sum) in line.iter_mut().zip(sums) {
                    *entry = sum.reduce_sum();
                }
                for start in (0..LINE).step_by(S::f32s::LEN) {
                    finish(row, row * LINE + start, &[at(simd, &line, start)]);
                }
            }
        },
    );
}

/// What is summed.
#[derive(Clone, Copy)]
enum Terms<'a> {
    Rows { a: Rows<'a>, depth: usize, b: &'a [f32] },
    Outer(&'a [(Rows<'a>, &'a [f32])]),
}

/// Cuts the result into panels of columns, as equal as they can be, and calls the kernel that fits.
fn accumulate<S: Simd>(
    simd: S,
    terms: Terms<'_>,
    start: Option<&[f32]>,
    [rows, columns]: [usize; 2],
    mut finish: impl FnMut(usize, usize, &[S::f32s]),
) {
    let lines = columns / LINE;
    let widest = if S::f32s::LEN == LINE { 5 } else { 1 };
    let count = lines.div_ceil(widest);
    for k in 0..count {
        let (from, to) = (k * lines / count, (k + 1) * lines / count);
        let panel = Panel { terms, start, rows, columns, offset: from * LINE };
        match (S::f32s::LEN, to - from) {
            (16, 5) => panel.run::<S, 4, 5>(simd, &mut finish),
            (16, 4) => panel.run::<S, 4, 4>(simd, &mut finish),
            (16, 3) => panel.run::<S, 4, 3>(simd, &mut finish),
            (16, 2) => panel.run::<S, 8, 2>(simd, &mut finish),
            (16, _) => panel.run::<S, 8, 1>(simd, &mut finish),
            (8, _) => panel.run::<S, 6, 2>(simd, &mut finish),
            // Of the levels with four floats, 64-bit ARM has 32 registers and the others 16.
            _ if cfg!(target_arch = "aarch64") => panel.run::<S, 4, 4>(simd, &mut finish),
            _ => panel.run::<S, 2, 4>(simd, &mut finish),
        }
    }
}

/// Some columns of a result: those from `offset`, of `columns` in all.
#[derive(Clone, Copy)]
struct Panel<'a> {
    terms: Terms<'a>,
    start: Option<&'a [f32]>,
    rows: usize,
    columns: usize,
    offset: usize,
}

impl Panel<'_> {
    /// All rows of these columns, in strips of `R` and, where rows are left, of 2.
    fn run<S: Simd, const R: usize, const V: usize>(
        self,
        simd: S,
        finish: &mut impl FnMut(usize, usize, &[S::f32s]),
    ) {
        simd.vectorize(
            #[inline(always)]
            || {
                let whole = self.rows - self.rows % R;
                for row in (0..whole).step_by(R) {
                    self.strip::<S, R, V>(simd, row, finish);
                }
                for row in (whole..self.rows).step_by(2) {
                    self.strip::<S, 2, V>(simd, row, finish);
                }
            },
        );
    }

    /// The rows from `row` of these columns.
    #[inline(always)]
    fn strip<S: Simd, const R: usize, const V: usize>(
        self,
        simd: S,
        row: usize,
        finish: &mut impl FnMut(usize, usize, &[S::f32s]),
    ) {
        let mut sums: [[S::f32s; V]; R] = match self.start {
            Some(start) => [read(simd, &start[self.offset..]); R],
            None => [[S::f32s::splat(simd, 0.0); V]; R],
        };
        match self.terms {
            Terms::Rows { a, depth, b } => {
                let a: [&[f32]; R] =
                    std::array::from_fn(|i| &a.data[(row + i) * a.stride..][..depth]);
                for (k, b) in b.chunks_exact(self.columns).take(depth).enumerate() {
                    let b = read::<S, V>(simd, &b[self.offset..]);
                    for i in 0..R {
                        let a = S::f32s::splat(simd, a[i][k]);
                        for j in 0..V {
                            sums[i][j] = a.mul_add(b[j], sums[i][j]);
                        }
                    }
                }
            }
            Terms::Outer(pairs) => {
                for (a, b) in pairs {
                    let points = a.data.chunks_exact(a.stride).zip(b.chunks_exact(self.columns));
                    for (a, b) in points {
                        let (a, b) = (&a[row..row + R], read::<S, V>(simd, &b[self.offset..]));
                        for i in 0..R {
                            let a = S::f32s::splat(simd, a[i]);
                            for j in 0..V {
                                sums[i][j] = a.mul_add(b[j], sums[i][j]);
                            }
                        }
                    }
                }
            }
        }
        // Not a loop: sums that are not known by constants would not stay in registers.
        macro_rules! finish {
            ($($i:literal)*) => { $(if $i < R {
                finish(row + $i, (row + $i) * self.columns + self.offset, &sums[$i % R]);
            })* };
        }
        finish!(0 1 2 3 4 5 6 7);
    }
}

/// `V` vectors from the start of a slice.
#[inline(always)]
fn read<S: Simd, const V: usize>(simd: S, from: &[f32]) -> [S::f32s; V] {
    let lanes = S::f32s::LEN;
    let from = &from[..V * lanes];
    std::array::from_fn(|j| S::f32s::from_slice(simd, &from[j * lanes..][..lanes]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::InstructionSet;
    use crate::kernel::finish::store;
    use crate::kernel::instruction_set::dispatch;

    /// Small integers, whose sums of products are exact in any order.
    fn integers(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729) % 17) as f32 - 8.0).collect()
    }

    #[test]
    fn products_are_exact_for_all_sizes_on_every_level() {
        for set in InstructionSet::available() {
            for rows in [2, 4, 6, 8, 14, 32] {
                for (depth, stride) in [(1, 16), (3, 16), (16, 16), (80, 80), (100, 112)] {
                    for columns in (1..=11).map(|lines| lines * LINE) {
                        let (a, b) = (integers(rows * stride, 1), integers(depth * columns, 2));
                        let start = integers(columns, 3);
                        let mut c = vec![f32::NAN; rows * columns];
                        let operand = Rows { data: &a, stride };
                        dispatch!(set, s => {
                            let start = Some(start.as_slice());
                            product(s, operand, depth, &b, columns, start, store(s, &mut c));
                        });
                        for (i, c) in c.chunks_exact(columns).enumerate() {
                            for (j, &c) in c.iter().enumerate() {
                                let terms =
                                    (0..depth).map(|k| a[i * stride + k] * b[k * columns + j]);
                                assert_eq!(c, start[j] + terms.sum::<f32>(), "{set}");
                            }
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn outer_products_are_exact_for_all_sizes_on_every_level() {
        for set in InstructionSet::available() {
            for (points, rows, stride) in [(8, 4, 16), (8, 16, 16), (24, 80, 80), (32, 34, 48)] {
                for columns in (1..=11).map(|lines| lines * LINE) {
                    let a: [_; 2] = [4, 5].map(|seed| integers(points * stride, seed));
                    let b: [_; 2] = [6, 7].map(|seed| integers(points * columns, seed));
                    let start = integers(rows * columns, 8);
                    let mut c = start.clone();
                    let pairs = [0, 1].map(|k| (Rows { data: &a[k], stride }, b[k].as_slice()));
                    dispatch!(set, s => outer_product(s, &pairs, &mut c, columns));
                    for (at, &c) in c.iter().enumerate() {
                        let (i, j) = (at / columns, at % columns);
                        let terms = (0..2).flat_map(|k| {
                            let (a, b) = (&a[k], &b[k]);
                            (0..points).map(move |p| a[p * stride + i] * b[p * columns + j])
                        });
                        assert_eq!(c, start[at] + terms.sum::<f32>(), "{set}");
                    }
                }
            }
        }
    }
}
