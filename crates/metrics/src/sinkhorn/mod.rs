//! Transport with an entropic regularisation, and the Sinkhorn divergence.

mod bracket;
mod grid;
mod iterate;
mod line;
mod points;

use ndarray::ArrayView2;
use num_traits::Float;
use thiserror::Error;

use crate::histogram::common_grid;
use crate::masses::equal_totals;
use crate::points::{check, expect_weights};
use crate::{Distance, GridMismatch, GroundCost, Histogram, PointsError, Side};
use bracket::bracket;
use grid::GridKernel;
use iterate::{Law, Limits, between, with_itself};
use points::{Points, PointsKernel};

/// The least `ε` for a largest cost of 1: with less, too few digits of the potentials are left.
const LEAST_EPSILON: f64 = 1e-12;

/// How much of an entropy is added to the cost of transport.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Epsilon {
    /// `ε` itself, in the units of the cost.
    Absolute(f64),
    /// `ε` as a share of the cost from one corner to the opposite one of the box: of the grid, its
    /// outermost places, of points, the smallest that holds all of both sides.
    Relative(f64),
}

/// The Sinkhorn divergence between two laws `μ` and `ν`, and how well to solve for it.
///
/// With `c` a [`GroundCost`] and `KL` the relative entropy,
///
/// ```text
/// OT_ε(μ, ν) = min_π <c, π> + ε KL(π | μ⊗ν)
///            = max_{f,g} <f, μ> + <g, ν> - ε <exp((f ⊕ g - c) / ε) - 1, μ⊗ν>,
/// S_ε(μ, ν)  = OT_ε(μ, ν) - ½ OT_ε(μ, μ) - ½ OT_ε(ν, ν),
/// ```
///
/// with `π` over the laws with marginals `μ` and `ν`. `S_ε` is not negative, zero only for `μ = ν`,
/// convex in each of both, and tends to the optimum `OT_0` of transport as `ε → 0` (with the squared cost
/// `W2²`, with the others `W1`), and to half the energy distance `-½ <c, (μ - ν)⊗(μ - ν)>` as
/// `ε → ∞`. `√ε` is, with the squared cost, about the length below which it does not tell one law from
/// another.
///
/// Sources: Cuturi, *Sinkhorn distances* (NeurIPS 2013); Feydy, Séjourné, Vialard, Amari, Trouvé and Peyré,
/// *Interpolating between optimal transport and MMD using Sinkhorn divergences* (AISTATS 2019); for
/// ε-scaling, Schmitzer, *Stabilized sparse scaling algorithms for entropy regularized transport
/// problems* (SIAM J. Sci. Comput. 41, 2019).
///
/// All is computed with logarithms, so that no `ε` underflows, and with the same bits for any number of
/// threads. Values are those of dual potentials, and so too small by about the square of the marginal
/// error; `S_ε` of two like laws may be negative by as much.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sinkhorn {
    /// The weight of the entropy.
    pub epsilon: Epsilon,
    /// The largest marginal error to accept: the `L1` distance between what is asked for and what the
    /// plan has, for a mass of 1.
    pub tolerance: f64,
    /// The most iterations for each of the three problems.
    pub iterations: usize,
}

impl Default for Sinkhorn {
    /// `ε` a thousandth of the largest cost, a marginal error of 10⁻⁴, and at most 10 000 iterations.
    fn default() -> Self {
        Self { epsilon: Epsilon::Relative(1e-3), tolerance: 1e-4, iterations: 10_000 }
    }
}

/// A Sinkhorn divergence, with what was found on the way.
#[derive(Debug, Clone, PartialEq)]
pub struct SinkhornDivergence {
    /// `S_ε(μ, ν)`, in the units of the cost: a square for [`GroundCost::SquaredEuclidean`].
    pub distance: Distance,
    /// `OT_ε(μ, ν)`, in the units of the cost, entropy included.
    pub regularised: f64,
    /// Bounds of the optimum `OT_0(μ, ν)` of transport without entropy, lower first: the value of
    /// feasible potentials, and no less than the cost of a feasible plan. Guaranteed but for rounding
    /// errors, whatever `ε` and the tolerance; they are apart by about `ε` times the dimension.
    pub bracket: [f64; 2],
    /// `ε`, in the units of the cost.
    pub epsilon: f64,
    /// The iterations for `OT_ε(μ, ν)`, ε-scaling included.
    pub iterations: usize,
    /// The largest marginal error of the three plans, at most the tolerance.
    pub marginal_error: f64,
}

/// Why there is no Sinkhorn divergence.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum SinkhornError {
    /// `ε` is not positive and finite, or too small beside the largest cost for double precision. All
    /// points in one place have no largest cost for it to be a share of.
    #[error(
        "ε is {epsilon}, not finite, positive and at least 10⁻¹² of the largest cost {largest_cost}"
    )]
    Epsilon {
        /// The `ε` asked for.
        epsilon: f64,
        /// The cost across the box.
        largest_cost: f64,
    },
    /// The tolerance is not positive.
    #[error("a marginal error of {tolerance} cannot be reached")]
    Tolerance {
        /// The tolerance asked for.
        tolerance: f64,
    },
    /// The histograms lie on different grids.
    #[error(transparent)]
    Grids(#[from] GridMismatch),
    /// The Euclidean cost on a grid of more than one axis.
    #[error("the Euclidean cost is no sum over the {axes} axes of the grid")]
    NotSeparable {
        /// The number of axes.
        axes: usize,
    },
    /// The points or weights of the two sides cannot be used.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// Points so far apart that the cost between them is beyond the largest number.
    #[error("the points are so far apart that the largest cost is infinite")]
    TooFarApart,
    /// The marginal error was still too large after all iterations.
    #[error(
        "the marginal error is {error} after {iterations} iterations with ε = {epsilon}, above {tolerance}"
    )]
    NotConverged {
        /// The regularisation.
        epsilon: f64,
        /// The iterations made.
        iterations: usize,
        /// The `L1` error of the marginals.
        error: f64,
        /// The error that was to be reached.
        tolerance: f64,
    },
}

/// The costs between the points of two sides.
trait Kernel: Sync {
    /// No less than any cost.
    fn largest_cost(&self) -> f64;

    /// `out_i = log Σ_j exp(h_j - rate c_ij)`, `i` over the points of `to` and `j` over the others; `-∞`
    /// for points without mass is a value of `h` like any other.
    fn log_sum_exp(&self, to: Side, rate: f64, h: &[f64], out: &mut [f64]);

    /// `out_i = max_j (h_j - c_ij)`.
    fn largest(&self, to: Side, h: &[f64], out: &mut [f64]);
}

impl Sinkhorn {
    /// The divergence between two histograms on one grid of one to three axes, each divided by its total.
    ///
    /// An iteration takes `d n^{d+1}` operations for `n` places a side and the squared cost, less where
    /// `ε` is small, and `d n^d` for the others.
    ///
    /// # Errors
    ///
    /// [`SinkhornError::Epsilon`] and [`SinkhornError::Tolerance`] for what is no `ε` or tolerance,
    /// [`SinkhornError::Grids`] for two grids, [`SinkhornError::NotSeparable`] for the Euclidean cost
    /// with more than one axis, [`SinkhornError::NotConverged`] where the tolerance was not reached.
    pub fn histograms(
        &self,
        first: &Histogram,
        second: &Histogram,
        cost: GroundCost,
    ) -> Result<SinkhornDivergence, SinkhornError> {
        let grid = common_grid(first, second)?;
        let kernel =
            GridKernel::new(&grid, cost).ok_or(SinkhornError::NotSeparable { axes: grid.dim() })?;
        let law = |side: &Histogram| Law::new(side.masses().iter().copied(), side.total());
        self.solve([&kernel; 3], [&law(first), &law(second)], |value| {
            Distance::of(value, cost.is_squared(), [first, second])
        })
    }

    /// The divergence between two sets of points, the rows of an `[n, d]` and an `[m, d]` array: of equal
    /// weights or of these, `n` and `m` of them.
    ///
    /// An iteration takes `d n m` operations, and the two problems of a side with itself `d n²` and `d m²`.
    ///
    /// # Errors
    ///
    /// [`SinkhornError::Epsilon`] and [`SinkhornError::Tolerance`] for what is no `ε` or tolerance,
    /// [`SinkhornError::Points`] for points or weights that cannot be used,
    /// [`SinkhornError::TooFarApart`] if the largest cost is infinite, and
    /// [`SinkhornError::NotConverged`] where the tolerance was not reached.
    pub fn points<F: Float + Into<f64>>(
        &self,
        first: ArrayView2<'_, F>,
        second: ArrayView2<'_, F>,
        weights: Option<[&[f64]; 2]>,
        cost: GroundCost,
    ) -> Result<SinkhornDivergence, SinkhornError> {
        check(first, second)?;
        let [x, y] = [first, second].map(Points::new);
        let (laws, n) = match weights {
            None => ([x.uniform(), y.uniform()], [&x, &y].map(|side| Some(side.len as u64))),
            Some([a, b]) => {
                expect_weights(x.len, y.len, [a, b])?;
                let [first, second] = equal_totals(a, b).map_err(PointsError::from)?;
                let laws =
                    [Law::new(a.iter().copied(), first), Law::new(b.iter().copied(), second)];
                (laws, [None; 2])
            }
        };
        let kernels = [(&x, &y), (&x, &x), (&y, &y)].map(|(x, y)| PointsKernel::new(x, y, cost));
        self.solve(kernels.each_ref(), laws.each_ref(), |value| {
            Distance::new(value, cost.is_squared(), n)
        })
    }

    /// Solves the problems between the laws, and of each with itself.
    fn solve<K: Kernel>(
        &self,
        kernels: [&K; 3],
        [mu, nu]: [&Law; 2],
        distance: impl Fn(f64) -> Distance,
    ) -> Result<SinkhornDivergence, SinkhornError> {
        let largest_cost = kernels[0].largest_cost();
        if !largest_cost.is_finite() {
            return Err(SinkhornError::TooFarApart);
        }
        let epsilon = match self.epsilon {
            Epsilon::Absolute(epsilon) => epsilon,
            Epsilon::Relative(share) => share * largest_cost,
        };
        if !(epsilon.is_normal() && epsilon > 0.0 && epsilon >= LEAST_EPSILON * largest_cost) {
            return Err(SinkhornError::Epsilon { epsilon, largest_cost });
        }
        let Self { tolerance, iterations, .. } = *self;
        if tolerance.is_nan() || tolerance <= 0.0 {
            return Err(SinkhornError::Tolerance { tolerance });
        }
        let limits = Limits { epsilon, tolerance, iterations };
        let both = between(kernels[0], [mu, nu], limits)?;
        let [first, first_error] = with_itself(kernels[1], mu, limits)?;
        let [second, second_error] = with_itself(kernels[2], nu, limits)?;
        let potentials = both.potentials.each_ref().map(|potential| &potential[..]);
        Ok(SinkhornDivergence {
            distance: distance(both.value - 0.5 * (first + second)),
            regularised: both.value,
            bracket: bracket(kernels[0], [mu, nu], potentials, epsilon),
            epsilon,
            iterations: both.iterations,
            marginal_error: both.error.max(first_error).max(second_error),
        })
    }
}
