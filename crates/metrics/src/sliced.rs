//! The sliced Wasserstein distance.

use std::iter;

use ndarray::ArrayView2;
use num_traits::Float;
use rand::Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use thiserror::Error;

use crate::line::{is_order, key, uniform_cost};
use crate::points::check;
use crate::{Distance, PointsError};

/// Why there is no sliced distance between two sets of points.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum SlicedError {
    /// The points of the two sides cannot be used.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// The order is NaN, infinite or less than 1.
    #[error("the order must be a finite number of at least 1, not {order}")]
    Order {
        /// The order asked for.
        order: f64,
    },
    /// A standard error needs two projections.
    #[error("{projections} projections are too few, there must be at least 2")]
    Projections {
        /// The number asked for.
        projections: u64,
    },
    /// The points are so far apart that powers of their distances add up to more than the largest
    /// number.
    #[error("the distances to the power {order} add up to more than the largest number")]
    Overflow {
        /// The order asked for.
        order: f64,
    },
}

/// The sliced Wasserstein distance of order `p ≥ 1`, to the power `p`, between two sets of points
/// of equal mass, the rows of `[n, d]` and `[m, d]` arrays,
///
/// ```text
/// SW_p^p = E_θ W_p^p(θ·X, θ·Y),   θ uniform on the unit sphere of ℝ^d,
/// ```
///
/// in units of length to the power `p`; marked as squared for `p = 2`.
///
/// The value is the mean over `projections` independent directions, each found exactly as by
/// [`wasserstein_line`](crate::wasserstein_line), and so without bias; its standard error is that
/// of this mean, and knows of the chance of the directions alone, not of that of the points.
/// Direction `k`, counted from 0, is a vector of `d` standard normal numbers from `rng(k)`, divided
/// by its length. In one dimension all directions give the same.
///
/// `SW_p` is a metric, at most `W_p`, and `SW_2² ≤ W_2² / d`; its value between samples comes near
/// to that between their laws at a rate that does not depend on the dimension. The time is that of
/// `projections` products of a matrix and a vector and of as many sorts, for each side; each thread
/// keeps a number for each point of both sides, and an array that is not in standard layout is
/// copied once.
///
/// Sources: Bonneel, Rabin, Peyré and Pfister, *Sliced and Radon Wasserstein barycenters of
/// measures*, Journal of Mathematical Imaging and Vision 51 (2015); Nadjahi, Durmus, Chizat,
/// Kolouri, Shahrampour and Şimşekli, *Statistical and topological properties of sliced probability
/// divergences*, NeurIPS 2020.
///
/// ```
/// use fokker_metrics::sliced_wasserstein;
/// use ndarray::array;
/// use rand::{SeedableRng, rngs::ChaCha8Rng};
///
/// // A translation by v has SW_2² = |v|² / d.
/// let (here, there) = (array![[0.0, 0.0], [1.0, 0.0]], array![[3.0, 4.0], [4.0, 4.0]]);
/// let rng = |k| ChaCha8Rng::seed_from_u64(k);
/// let sw = sliced_wasserstein(here.view(), there.view(), 2.0, 1000, rng)?;
/// assert!((sw.value - 12.5).abs() < 5.0 * sw.standard_error.unwrap());
/// # Ok::<(), fokker_metrics::SlicedError>(())
/// ```
///
/// # Errors
///
/// [`SlicedError::Order`] unless `p` is finite and at least 1, [`SlicedError::Projections`] for
/// fewer than 2, [`SlicedError::Points`] for points that cannot be used, [`SlicedError::Overflow`] for
/// points too far apart.
pub fn sliced_wasserstein<F, R>(
    first: ArrayView2<'_, F>,
    second: ArrayView2<'_, F>,
    order: f64,
    projections: u64,
    rng: impl Fn(u64) -> R + Sync,
) -> Result<Distance, SlicedError>
where
    F: Float + Into<f64> + Sync,
    R: Rng,
{
    if !is_order(order) {
        return Err(SlicedError::Order { order });
    }
    if projections < 2 {
        return Err(SlicedError::Projections { projections });
    }
    check(first, second)?;
    let d = first.ncols();
    let rows = [first.as_standard_layout(), second.as_standard_layout()];
    // The layout is standard by construction.
    let [first_rows, second_rows] = rows.each_ref().map(|rows| rows.as_slice().unwrap_or_default());
    let slice = |[a, b]: &mut [Vec<u64>; 2], k| {
        let theta = direction(d, &mut rng(k));
        project(first_rows, &theta, a);
        project(second_rows, &theta, b);
        uniform_cost(a, b, order)
    };
    let values: Vec<f64> =
        (0..projections).into_par_iter().map_init(Default::default, slice).collect();
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    // The root of the sum of squares, without the squares, which could overflow where it does not.
    let scatter = values.iter().fold(0.0f64, |root, value| root.hypot(value - mean));
    let standard_error = scatter / (count * (count - 1.0)).sqrt();
    if !standard_error.is_finite() {
        return Err(SlicedError::Overflow { order });
    }
    let n = [first, second].map(|points| Some(points.nrows() as u64));
    let distance = Distance::new(mean, order == 2.0, n);
    Ok(Distance { standard_error: Some(standard_error), ..distance })
}

/// A direction drawn uniformly.
fn direction(d: usize, rng: &mut impl Rng) -> Vec<f64> {
    loop {
        let normal: Vec<f64> = iter::repeat_with(|| StandardNormal.sample(rng)).take(d).collect();
        let length = normal.iter().map(|x: &f64| x * x).sum::<f64>().sqrt();
        // All zeros have no direction.
        if length > 0.0 {
            return normal.into_iter().map(|x| x / length).collect();
        }
    }
}

/// The keys of the projections `θ·x`, in ascending order.
fn project<F: Float + Into<f64>>(rows: &[F], theta: &[f64], keys: &mut Vec<u64>) {
    let dot = |x: &[F]| x.iter().zip(theta).map(|(&x, theta)| x.into() * theta).sum();
    keys.clear();
    keys.extend(rows.chunks_exact(theta.len()).map(|x| key(dot(x))));
    keys.sort_unstable();
}
