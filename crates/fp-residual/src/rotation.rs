use ndarray::{Array1, ArrayView2, ArrayView3, Axis};

use crate::jacobian::check_square;
use crate::{Estimate, EstimateError};

/// How far a score is from a gradient, in the mean over points, of its Jacobians.
///
/// With `S = ½(J + Jᵀ)` and `A = ½(J − Jᵀ)`, orthogonal in the product of Frobenius, `|J|² = |S|² + |A|²`. A field on
/// all of space is a gradient if and only if `A = 0` everywhere (Poincaré's lemma).
///
/// Of the difference `J − J*` to the exact score's Jacobian, whose rotation is 0, it says which share of the
/// error's Jacobian is rotation: what no potential could have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotation {
    /// The mean of `|A|²`.
    pub squared: Estimate,
    /// The mean of `|J|²`.
    pub jacobian_squared: Estimate,
    /// `E|A|²/E|J|²`, between 0 and 1.
    pub share: Estimate,
}

impl Rotation {
    /// Of the Jacobians of independent points, `[n, d, d]`.
    ///
    /// # Errors
    /// If they are not square, are fewer than two, are all 0, or one is not finite.
    pub fn of(jacobian: ArrayView3<'_, f64>) -> Result<Self, EstimateError> {
        let squares = |norm: f64| norm * norm;
        let rotation = rotation_norms(jacobian)?.mapv(squares).to_vec();
        let all = |own: ArrayView2<'_, f64>| own.iter().map(|j| j * j).sum();
        let all: Vec<f64> = jacobian.outer_iter().map(all).collect();
        Ok(Self {
            squared: Estimate::of_values("squared rotation", &rotation)?,
            jacobian_squared: Estimate::of_values("squared Jacobian", &all)?,
            share: Estimate::of_ratio("share of rotation", &rotation, &all)?,
        })
    }
}

/// The norm `|A|` of Frobenius of `A = ½(J − Jᵀ)` for each Jacobian, `[n]`.
///
/// # Errors
/// If the Jacobians, `[n, d, d]`, are not square.
pub fn rotation_norms(jacobian: ArrayView3<'_, f64>) -> Result<Array1<f64>, EstimateError> {
    check_square(jacobian)?;
    let dim = jacobian.len_of(Axis(1));
    let norm = |own: ArrayView2<'_, f64>| {
        let pairs = (0..dim).flat_map(|i| (0..i).map(move |j| (i, j)));
        // Each pair stands twice in A, with opposite signs.
        let square: f64 = pairs.map(|(i, j)| 0.5 * (own[[i, j]] - own[[j, i]]).powi(2)).sum();
        square.sqrt()
    };
    Ok(jacobian.outer_iter().map(norm).collect())
}

/// The length of the curl `∇×s` for each Jacobian, `[n]`, which there is in two and three dimensions.
///
/// Its components are `J_ij − J_ji = 2 A_ij`, one for each pair `i > j`, while `|A|²` counts each pair twice:
/// `|∇×s|² = Σ_{i>j} 4 A_ij² = 2 |A|²`, so that `|∇×s| = √2 |A|`.
///
/// # Errors
/// If the Jacobians are not square, or not of two or three dimensions.
pub fn curl_norms(jacobian: ArrayView3<'_, f64>) -> Result<Array1<f64>, EstimateError> {
    let dim = jacobian.len_of(Axis(1));
    if dim != 2 && dim != 3 {
        let (what, rule) = ("dimension of a curl", "2 or 3");
        return Err(EstimateError::Range { what, value: dim as f64, rule });
    }
    Ok(rotation_norms(jacobian)? * std::f64::consts::SQRT_2)
}
