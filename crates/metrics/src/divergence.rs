//! Divergences between two histograms on one grid.
//!
//! They compare place by place and know nothing of how far apart places are. All take the shares of the
//! mass, `p` and `q`: each histogram is first divided by its total. A share below 2⁻¹⁰²², too small for a
//! normal number, counts as none.
//!
//! Between two histograms of points each function knows what chance alone would make of it, to leading
//! order in one over the numbers of points, `n` and `m`, inside the box. If both are independent
//! multinomial counts of one law `π`, which the pooled counts stand for, then `p_k − q_k` has mean 0 and
//! variance `π_k (1 − π_k)(1/n + 1/m)`. For total variation it is taken to be normal; the other
//! divergences are `c Σ (p_k − q_k)²/π_k` to leading order, of mean `c (K − 1)(1/n + 1/m)`. How far this is
//! off with few points at a place follows from pairs of Poisson counts.

use std::f64::consts::{FRAC_2_PI, LN_2};

use thiserror::Error;

use crate::histogram::common_grid;
use crate::{Distance, Floor, GridMismatch, Histogram};

/// Why there is no divergence between two histograms.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum DivergenceError {
    /// The histograms lie on different grids.
    #[error(transparent)]
    Grids(#[from] GridMismatch),
    /// The divergence is infinite: the second histogram has no mass where the first has some.
    #[error("the first histogram has {share} of its mass at {index:?}, the second has none there")]
    Support {
        /// The first such place, as an index into an array over the grid.
        index: Vec<usize>,
        /// The share of the first histogram there, of 1.
        share: f64,
    },
}

/// The Kullback–Leibler divergence of `q` from `p`, the relative entropy
///
/// ```text
/// KL(p‖q) = Σ p log(p/q)
/// ```
///
/// in nats, with `p` the shares of the first histogram and `q` those of the second. Not symmetric, and no
/// square of a distance.
///
/// Noise floor between counts of `n` and `m` points in the box: `(K − 1)/2 · (1/n + 1/m)` to leading
/// order, with `K` the number of places where either has points. For `n = m` it is below the mean by 6 %
/// if ten points of each are expected at each place; with few of them the divergence is rarely finite.
/// Source: Kullback and Leibler, *On information and sufficiency*, Annals of Mathematical Statistics 22
/// (1951).
///
/// # Errors
///
/// [`DivergenceError::Grids`] if the grids differ; [`DivergenceError::Support`] if a place has a share in
/// the first histogram only, where the divergence is infinite. Then [`jensen_shannon`] still says how far
/// apart the two are.
pub fn kullback_leibler(
    first: &Histogram,
    second: &Histogram,
) -> Result<Distance, DivergenceError> {
    let mut value = 0.0;
    for (place, (p, q)) in shares(first, second)?.enumerate() {
        if p > 0.0 && q == 0.0 {
            let mut index: Vec<usize> = first.grid().indices(place).collect();
            index.reverse();
            return Err(DivergenceError::Support { index, share: p });
        }
        value += relative_entropy(p, q);
    }
    let sides = [first, second];
    Ok(Distance { floor: quadratic_floor(0.5, sides), ..Distance::of(value, false, sides) })
}

/// The Jensen–Shannon divergence
///
/// ```text
/// JS(p, q) = KL(p‖m)/2 + KL(q‖m)/2 ≤ log 2,   m = (p + q)/2,
/// ```
///
/// in nats: the square of a metric (Endres and Schindelin, *A new metric for probability distributions*,
/// IEEE Transactions on Information Theory 49, 2003), finite for any two histograms on one grid, and
/// `log 2` if they share no place.
///
/// Noise floor between counts of `n` and `m` points in the box: `(K − 1)/8 · (1/n + 1/m)` to leading
/// order, with `K` the number of places where either has points. For `n = m` it is below the mean, by 3 %
/// if ten points of each are expected at each place, by 25 % if one is, and never by more than 28 %; where
/// this matters, draw it by [`noise_floor`](crate::noise_floor). Source: Lin, *Divergence measures based
/// on the Shannon entropy*, IEEE Transactions on Information Theory 37 (1991).
///
/// # Errors
///
/// [`DivergenceError::Grids`] if the grids differ.
pub fn jensen_shannon(first: &Histogram, second: &Histogram) -> Result<Distance, DivergenceError> {
    let terms = shares(first, second)?.map(|(p, q)| {
        let m = 0.5 * (p + q);
        0.5 * (relative_entropy(p, m) + relative_entropy(q, m))
    });
    let (value, sides) = (terms.sum::<f64>().min(LN_2), [first, second]);
    Ok(Distance { floor: quadratic_floor(0.125, sides), ..Distance::of(value, true, sides) })
}

/// The total variation distance
///
/// ```text
/// TV(p, q) = ½ Σ |p − q| ≤ 1,
/// ```
///
/// the largest difference in the probability of any set of places.
///
/// Noise floor between counts of `n` and `m` points in the box: `½ Σ √(2/π · π_k (1 − π_k)(1/n + 1/m))`
/// to leading order, with `π_k` the pooled shares. For `n = m` it is below the mean, by less than 0.1 % if
/// ten points of each are expected at each place, by 3 % if one is, and never by more than 20 %.
///
/// # Errors
///
/// [`DivergenceError::Grids`] if the grids differ.
pub fn total_variation(first: &Histogram, second: &Histogram) -> Result<Distance, DivergenceError> {
    let twice: f64 = shares(first, second)?.map(|(p, q)| (p - q).abs()).sum();
    let (value, sides) = ((0.5 * twice).min(1.0), [first, second]);
    let floor = pooled(sides).map(|(per_point, shares)| {
        // The mean of |x| for a normal x of variance v is √(2v/π).
        let deviations = shares.map(|p| (FRAC_2_PI * p * (1.0 - p) * per_point).sqrt());
        Floor { mean: 0.5 * deviations.sum::<f64>(), standard_error: 0.0 }
    });
    Ok(Distance { floor, ..Distance::of(value, false, sides) })
}

/// The squared Hellinger distance
///
/// ```text
/// H²(p, q) = 1 − Σ √(p q) = ½ Σ (√p − √q)² ≤ 1.
/// ```
///
/// Total variation lies between it and its root: `H² ≤ TV ≤ √2 H`.
///
/// Noise floor between counts of `n` and `m` points in the box: `(K − 1)/8 · (1/n + 1/m)` to leading
/// order, with `K` the number of places where either has points. For `n = m` it is below the mean, by 4 %
/// if ten points of each are expected at each place, by 46 % if one is, and never by more than half; where
/// this matters, draw it by [`noise_floor`](crate::noise_floor). Source: Le Cam and Yang, *Asymptotics in
/// statistics* (2000), section 3.1.
///
/// # Errors
///
/// [`DivergenceError::Grids`] if the grids differ.
pub fn squared_hellinger(
    first: &Histogram,
    second: &Histogram,
) -> Result<Distance, DivergenceError> {
    let twice: f64 = shares(first, second)?.map(|(p, q)| (p.sqrt() - q.sqrt()).powi(2)).sum();
    let (value, sides) = ((0.5 * twice).min(1.0), [first, second]);
    Ok(Distance { floor: quadratic_floor(0.125, sides), ..Distance::of(value, true, sides) })
}

/// The shares of both masses at each place, in the order of memory.
fn shares<'a>(
    first: &'a Histogram,
    second: &'a Histogram,
) -> Result<impl Iterator<Item = (f64, f64)> + use<'a>, DivergenceError> {
    common_grid(first, second)?;
    let [p, q] = [first, second].map(|side| {
        let total = side.total();
        side.masses().iter().map(move |mass| match mass / total {
            share if share.is_normal() => share,
            _ => 0.0,
        })
    });
    Ok(p.zip(q))
}

/// `p log(p/q) − p + q`, which is not negative.
///
/// Over all places `p` and `q` cancel. Without them the terms would be of both signs, and what is left of
/// them between close histograms lost to rounding.
fn relative_entropy(p: f64, q: f64) -> f64 {
    if p == 0.0 {
        return q;
    }
    let change = (p - q) / q;
    let log = if change.abs() <= 0.5 { change.ln_1p() } else { p.ln() - q.ln() };
    (p * log - (p - q)).max(0.0)
}

/// `1/n + 1/m` for the numbers of points inside the box, and the pooled shares; `None` unless both sides
/// count points.
fn pooled(sides: [&Histogram; 2]) -> Option<(f64, impl Iterator<Item = f64>)> {
    let [first, second] = sides;
    first.points().and(second.points())?;
    let [n, m] = sides.map(Histogram::total);
    let counts = first.masses().iter().zip(second.masses());
    Some((1.0 / n + 1.0 / m, counts.map(move |(a, b)| (a + b) / (n + m))))
}

/// The mean by chance of what is `c Σ (p − q)²/π` to leading order.
fn quadratic_floor(c: f64, sides: [&Histogram; 2]) -> Option<Floor> {
    pooled(sides).map(|(per_point, shares)| {
        let places = shares.filter(|&share| share > 0.0).count();
        Floor { mean: c * (places as f64 - 1.0) * per_point, standard_error: 0.0 }
    })
}
