//! Exact transport on the line.

use std::iter;

use ndarray::{ArrayView1, Axis};
use rayon::join;
use thiserror::Error;

use crate::masses::Masses;
use crate::{Distance, PlanEntry, PointsError, points};

/// Why there is no transport between two sets of points on the line.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum LineError {
    /// The points or weights of the two sides cannot be used; a point is a row of one column.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// The order is NaN, infinite or less than 1.
    #[error("the order must be a finite number of at least 1, not {order}")]
    Order {
        /// The order asked for.
        order: f64,
    },
    /// The points are so far apart that powers of their distances add up to more than the largest
    /// number.
    #[error("the distances to the power {order} add up to more than the largest number")]
    Overflow {
        /// The order asked for.
        order: f64,
    },
}

/// The optimum of a transport problem on the line.
#[derive(Debug, Clone, PartialEq)]
pub struct LineTransport {
    /// `W_p^p`, in units of length to the power `p`; marked as squared for `p = 2`.
    pub distance: Distance,
    /// An upper bound on the part of the mass, of 1, that was moved by rounding the weights to
    /// integers, both sides together. Zero without weights, and for whole weights that add up to
    /// less than 2⁵³. That times the `p`-th power of the width of all points bounds what it does to
    /// the value.
    pub rounding: f64,
}

/// The exact Wasserstein distance of order `p ≥ 1`, to the power `p`, between two sets of `n` and
/// `m` real numbers,
///
/// ```text
/// W_p^p = ∫₀¹ |F⁻¹(u) − G⁻¹(u)|^p du,
/// ```
///
/// with `F⁻¹` and `G⁻¹` the quantile functions, in units of length to the power `p`.
///
/// Both are step functions, and the integral is a sum over the at most `n + m − 1` pieces of
/// [`line_plan`]; for two sets of equally many points it is the mean of `|x₍ᵢ₎ − y₍ᵢ₎|^p` over the
/// sorted points. Lengths of pieces are kept as integers, so that only the terms of the sum are
/// rounded, and a `p`-th power too small for a number counts as zero. The time is `O((n + m) log(n
/// + m))`.
///
/// All points of a side have the same mass, or the `weights` of the two sides, which must have
/// equal totals; a weight may be zero. Source: Peyré and Cuturi, *Computational optimal transport*
/// (2019), section 2.6.
///
/// ```
/// use fokker_metrics::wasserstein_line;
///
/// let w1 = wasserstein_line(&[0.0, 1.0, 5.0], &[6.0, 5.0, 8.0], None, 1.0)?;
/// assert!((w1.distance.value - 13.0 / 3.0).abs() < 1e-15);
///
/// let weights = [&[0.5, 0.5][..], &[1.0]];
/// let w2 = wasserstein_line(&[-1.0, 1.0], &[0.0], Some(weights), 2.0)?;
/// assert_eq!((w2.distance.value, w2.distance.squared), (1.0, true));
/// # Ok::<(), fokker_metrics::LineError>(())
/// ```
///
/// # Errors
///
/// [`LineError::Order`] unless `p` is finite and at least 1, [`LineError::Points`] for points or
/// weights that cannot be used, [`LineError::Overflow`] for points too far apart.
pub fn wasserstein_line(
    first: &[f64],
    second: &[f64],
    weights: Option<[&[f64]; 2]>,
    order: f64,
) -> Result<LineTransport, LineError> {
    if !is_order(order) {
        return Err(LineError::Order { order });
    }
    check(first, second)?;
    let masses = weights.map(|_| points::masses(first.len(), second.len(), weights));
    let (value, n, rounding) = match masses.transpose()? {
        None => {
            let keys = |points: &[f64]| points.iter().map(|&x| key(x)).collect();
            let [mut a, mut b]: [Vec<u64>; 2] = [first, second].map(keys);
            join(|| a.sort_unstable(), || b.sort_unstable());
            let n = [first, second].map(|points| Some(points.len() as u64));
            (uniform_cost(&a, &b, order), n, 0.0)
        }
        Some(masses) => {
            let [a, b] = ranked(first, second, &masses);
            let pieces = couple(
                a.iter().map(|&(_, i)| (first[i], masses.supply[i])),
                b.iter().map(|&(_, j)| (second[j], masses.demand[j])),
            );
            (cost(pieces, masses.total as f64, order), [None; 2], masses.rounding)
        }
    };
    if !value.is_finite() {
        return Err(LineError::Overflow { order });
    }
    Ok(LineTransport { distance: Distance::new(value, order == 2.0, n), rounding })
}

/// The plan of [`wasserstein_line`]: the monotone coupling, which is optimal for every order `p ≥
/// 1`.
///
/// The smallest point of the first side sends its mass to the smallest of the second until one of
/// the two is used up, and so on; among equal points the one of the smaller index comes first. The
/// indices of the plan are those of `first` and `second`, and it has at most `n + m − 1` entries.
///
/// # Errors
///
/// As [`wasserstein_line`], of which the order and the overflow cannot occur.
pub fn line_plan(
    first: &[f64],
    second: &[f64],
    weights: Option<[&[f64]; 2]>,
) -> Result<Vec<PlanEntry>, LineError> {
    check(first, second)?;
    let masses = points::masses(first.len(), second.len(), weights)?;
    let [a, b] = ranked(first, second, &masses);
    let pieces = couple(
        a.iter().map(|&(_, i)| (i, masses.supply[i])),
        b.iter().map(|&(_, j)| (j, masses.demand[j])),
    );
    let entry = |(from, to, mass)| PlanEntry { from, to, mass: mass as f64 / masses.total as f64 };
    let mut plan: Vec<PlanEntry> = pieces.map(entry).collect();
    plan.sort_unstable_by_key(|entry| (entry.from, entry.to));
    Ok(plan)
}

/// Whether the distance of this order is a metric.
pub(crate) fn is_order(order: f64) -> bool {
    order >= 1.0 && order.is_finite()
}

/// Refuses what are no points of the line.
fn check(first: &[f64], second: &[f64]) -> Result<(), PointsError> {
    let column = |points| ArrayView1::from(points).insert_axis(Axis(1));
    points::check(column(first), column(second))
}

/// The points with mass of each side in ascending order, with their indices.
fn ranked(first: &[f64], second: &[f64], masses: &Masses) -> [Vec<(u64, usize)>; 2] {
    let side = |points: &[f64], mass: &[i64]| {
        let massive = points.iter().enumerate().filter(|&(i, _)| mass[i] > 0);
        let mut ranked: Vec<(u64, usize)> = massive.map(|(i, &x)| (key(x), i)).collect();
        ranked.sort_unstable();
        ranked
    };
    join(|| side(first, &masses.supply), || side(second, &masses.demand)).into()
}

/// The pieces on which both quantile functions are constant, from `u = 0` to `u = 1`: where the
/// functions are, and the length of the piece.
///
/// Takes the points of each side in ascending order, with positive masses of equal totals.
fn couple<P: Copy>(
    mut first: impl Iterator<Item = (P, i64)>,
    mut second: impl Iterator<Item = (P, i64)>,
) -> impl Iterator<Item = (P, P, i64)> {
    let (mut supply, mut demand) = (first.next(), second.next());
    iter::from_fn(move || {
        let ((x, left), (y, wanted)) = supply.zip(demand)?;
        let mass = left.min(wanted);
        supply = if left > mass { Some((x, left - mass)) } else { first.next() };
        demand = if wanted > mass { Some((y, wanted - mass)) } else { second.next() };
        Some((x, y, mass))
    })
}

/// The cost of pieces with masses in parts of the total; not finite if it overflows.
fn cost(pieces: impl Iterator<Item = (f64, f64, i64)>, total: f64, order: f64) -> f64 {
    // The terms are as many as the points, and their sum is to be as exact as they are (Kahan).
    let (mut sum, mut excess) = (0.0, 0.0);
    for (x, y, mass) in pieces {
        // Divided before it is multiplied, so that nothing overflows unless the cost does.
        let term = mass as f64 / total * power(x - y, order) - excess;
        let next: f64 = sum + term;
        excess = (next - sum) - term;
        sum = next;
    }
    sum
}

/// `W_p^p` between points of equal mass on each side, given by their [`key`]s in ascending order;
/// not finite if it overflows.
pub(crate) fn uniform_cost(first: &[u64], second: &[u64], order: f64) -> f64 {
    let (n, m) = (first.len(), second.len());
    if n != m {
        // In parts of n m, each of the n points has m and each of the m points n.
        let pieces = couple(
            first.iter().map(|&key| (place(key), m as i64)),
            second.iter().map(|&key| (place(key), n as i64)),
        );
        return cost(pieces, n as f64 * m as f64, order);
    }
    // One loop for each case, so that it is decided outside.
    match order {
        1.0 => mean_power(first, second, |x| power(x, 1.0)),
        2.0 => mean_power(first, second, |x| power(x, 2.0)),
        _ => mean_power(first, second, |x| power(x, order)),
    }
}

/// The mean of the powers of differences.
fn mean_power(first: &[u64], second: &[u64], power: impl Fn(f64) -> f64) -> f64 {
    // The sums of blocks are exact to BLOCK roundings, that of the blocks to n / BLOCK.
    const BLOCK: usize = 1024;
    let blocks = first.chunks(BLOCK).zip(second.chunks(BLOCK));
    let sum = |(a, b): (&[u64], &[u64])| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| power(place(a) - place(b))).sum()
    };
    blocks.map(sum).sum::<f64>() / first.len() as f64
}

/// `|x|^p`.
#[inline]
fn power(x: f64, order: f64) -> f64 {
    match order {
        1.0 => x.abs(),
        2.0 => x * x,
        _ => x.abs().powf(order),
    }
}

/// An integer for each number, in the same order; both zeros have the same.
///
/// The bits of positive numbers are in order already, those of negative ones in the opposite.
#[inline]
pub(crate) fn key(x: f64) -> u64 {
    // The sum of both zeros is the positive one.
    let bits = (x + 0.0).to_bits();
    bits ^ (((bits as i64) >> 63) as u64 | 1 << 63)
}

/// The number with this [`key`].
#[inline]
fn place(key: u64) -> f64 {
    f64::from_bits(key ^ (((!key as i64) >> 63) as u64 | 1 << 63))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_in_the_order_of_the_numbers() {
        let tiny = f64::from_bits(1);
        let ascending = [f64::MIN, -1.5, -1.0, -tiny, 0.0, tiny, f64::MIN_POSITIVE, 1.0, f64::MAX];
        assert!(ascending.is_sorted_by(|&x, &y| key(x) < key(y)));
        assert!(ascending.iter().all(|&x| place(key(x)).to_bits() == x.to_bits()));
        assert_eq!(key(-0.0), key(0.0));
    }
}
