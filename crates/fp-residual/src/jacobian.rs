use fokker_sde_core::{BatchError, Real, Score, Sde};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;

use crate::EstimateError;

/// Points per parallel task, and per call of the score.
const BLOCK: usize = 256;

/// The Jacobian `J_ij = ∂s_i/∂x_j` of a score at the points `x`, `[n, d]`, at the time `t`; `[n, d, d]`.
///
/// By central differences with the step `h = ε^{1/3} length`, `ε` the precision of `F`: the error of the formula is
/// `h²/6 |∂_j³ s|` and that of rounding about `ε |s|/h`, both `ε^{2/3}` times the size of the Jacobian if `length` is
/// the distance over which the score changes, such as `σ_t`: 4e-11 in double precision, 2e-5 in single. Where the
/// rounding of coordinates would be seen, `h = ε^{2/3} |x_j|`. Two evaluations of the score for each dimension.
///
/// # Errors
/// If `length` is not positive, the shapes do not fit, the score cannot be evaluated, or a derivative is not finite.
pub fn score_jacobian<F: Real>(
    score: &dyn Score<F>,
    t: f64,
    x: ArrayView2<'_, F>,
    length: f64,
) -> Result<Array3<f64>, EstimateError> {
    let dim = score.dim();
    BatchError::check("x", &[x.nrows(), dim], x.shape())?;
    if !(length > 0.0 && length.is_finite()) {
        let (what, rule) = ("length of differences", "positive and finite");
        return Err(EstimateError::Range { what, value: length, rule });
    }
    let root = F::epsilon().wide().cbrt();
    let step = |x: F| F::of((root * length).max(root * root * x.wide().abs()));
    let mut jacobian = Array3::zeros((x.nrows(), dim, dim));
    let outcomes: Vec<Result<(), EstimateError>> = jacobian
        .axis_chunks_iter_mut(Axis(0), BLOCK)
        .into_par_iter()
        .zip(x.axis_chunks_iter(Axis(0), BLOCK).into_par_iter())
        .enumerate()
        .map(|(block, (mut out, x))| {
            let mut at = x.to_owned();
            let mut sides = [0, 1].map(|_| Array2::zeros(x.raw_dim()));
            for j in 0..dim {
                for (side, sign) in sides.iter_mut().zip([F::one(), -F::one()]) {
                    at.column_mut(j).zip_mut_with(&x.column(j), |at, &x| *at = x + sign * step(x));
                    score.score(F::of(t), at.view(), side.view_mut())?;
                }
                at.column_mut(j).assign(&x.column(j));
                for (i, mut own) in out.outer_iter_mut().enumerate() {
                    // The points are rounded: their distance is not 2h.
                    let (x, h) = (x[[i, j]], step(x[[i, j]]));
                    let distance = ((x + h) - (x - h)).wide();
                    for (k, slot) in own.column_mut(j).iter_mut().enumerate() {
                        *slot = (sides[0][[i, k]].wide() - sides[1][[i, k]].wide()) / distance;
                        let point = block * BLOCK + i;
                        EstimateError::check_finite("score's Jacobian", t, point, [&*slot])?;
                    }
                }
            }
            Ok(())
        })
        .collect();
    outcomes.into_iter().collect::<Result<(), EstimateError>>()?;
    Ok(jacobian)
}

/// For each point with the score's Jacobian `J`, `[n, d, d]`, at time `t` the one-sided Lipschitz number of the
/// probability-flow ODE in reverse time, `[n]`, per unit of time.
///
/// With `τ = T − t` the ODE is `dx/dτ = u = −a(t) x + ½g² s`, and two solutions part at most as fast as
/// `d/dτ ½|x − y|² = (x − y)·(u(x) − u(y)) ≤ λ |x − y|²`, with `λ` the largest over the segment between them of
///
/// `λ_max(½(∇u + ∇uᵀ)) = −a(t) + ½g² λ_max(½(J + Jᵀ))`.
///
/// It is negative where solutions come closer to each other. Source: Hairer, Nørsett and Wanner, *Solving ordinary
/// differential equations I*, §I.10.
///
/// # Errors
/// If the Jacobians are not square or not finite.
pub fn one_sided_lipschitz(
    jacobian: ArrayView3<'_, f64>,
    sde: &dyn Sde,
    t: f64,
) -> Result<Array1<f64>, EstimateError> {
    check_square(jacobian)?;
    let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
    let dim = jacobian.len_of(Axis(1));
    let mut numbers = Array1::zeros(jacobian.len_of(Axis(0)));
    for (point, (number, own)) in numbers.iter_mut().zip(jacobian.outer_iter()).enumerate() {
        if let Some(&value) = own.iter().find(|entry| !entry.is_finite()) {
            return Err(EstimateError::NotFinite { what: "score's Jacobian", t, point, value });
        }
        let symmetric = DMatrix::from_fn(dim, dim, |i, j| 0.5 * own[[i, j]] + 0.5 * own[[j, i]]);
        let largest = SymmetricEigen::new(symmetric).eigenvalues.max();
        *number = -a + 0.5 * g * g * largest;
    }
    Ok(numbers)
}

/// Refuses Jacobians that are not square, and those of no dimension.
pub(crate) fn check_square(jacobian: ArrayView3<'_, f64>) -> Result<(), EstimateError> {
    let (n, dim, _) = jacobian.dim();
    EstimateError::check_count("score's Jacobian", dim, 1)?;
    Ok(BatchError::check("jacobian", &[n, dim, dim], jacobian.shape())?)
}
