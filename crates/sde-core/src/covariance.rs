use std::sync::Arc;

use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array2, ArrayView1, ArrayView2};

use crate::{Marginal, MixtureError};

/// Two mirrored entries may differ by this factor of `√(c_ii c_jj)`, the largest value that either can
/// have in a covariance: what rounding leaves of a product like `Q Λ Qᵀ` with condition number 1e6.
const ASYMMETRY: f64 = 1e-9;

/// Iterations of the QR algorithm per dimension before it is given up; it takes two or three.
const ITERATIONS: usize = 100;

/// The covariance `Σ = Q Λ Qᵀ` of a Gaussian by its principal axes, so that `α² Σ + σ² I` has the same
/// axes and only its variances `Λ` change.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Covariance {
    /// `Qᵀ`, `[d, d]` row by row: row `i` is the unit vector along axis `i`. `None` is the identity, and
    /// the matrix is shared by all times.
    axes: Option<Arc<[f64]>>,
    /// The variance along each axis, the diagonal of `Λ`.
    variances: Vec<f64>,
}

impl Covariance {
    /// `v I` in `dim` dimensions.
    pub(crate) fn isotropic(variance: f64, dim: usize) -> Self {
        Self { axes: None, variances: vec![variance; dim] }
    }

    /// The principal axes of `matrix`, `[d, d]`, the covariance of component `component`.
    ///
    /// # Errors
    /// If the matrix is not `d × d`, finite, symmetric within [`ASYMMETRY`] and positive definite: an
    /// eigenvalue up to `d ε` of the largest one cannot be told from zero and is refused.
    pub(crate) fn from_matrix(
        matrix: &Array2<f64>,
        dim: usize,
        component: usize,
    ) -> Result<Self, MixtureError> {
        check_entries(matrix.view(), dim, component)?;
        let symmetric =
            DMatrix::from_fn(dim, dim, |i, j| 0.5 * matrix[[i, j]] + 0.5 * matrix[[j, i]]);
        let eigen = SymmetricEigen::try_new(symmetric, f64::EPSILON, ITERATIONS * dim)
            .ok_or(MixtureError::Eigenvalues { component })?;
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&i, &j| eigen.eigenvalues[i].total_cmp(&eigen.eigenvalues[j]));
        let variances: Vec<f64> = order.iter().map(|&axis| eigen.eigenvalues[axis]).collect();
        let (smallest, largest) = (variances[0], variances[dim - 1]);
        if smallest <= dim as f64 * f64::EPSILON * largest {
            return Err(MixtureError::NotPositive { component, smallest, largest });
        }
        let vectors = &eigen.eigenvectors;
        let axes = order.iter().flat_map(|&axis| (0..dim).map(move |j| vectors[(j, axis)]));
        Ok(Self { axes: Some(axes.collect()), variances })
    }

    /// Makes this the covariance `α² Σ + σ² I` of what `data`, which has the same axes, becomes.
    pub(crate) fn diffuse(&mut self, data: &Self, Marginal { alpha, sigma }: Marginal) {
        for (own, variance) in self.variances.iter_mut().zip(&data.variances) {
            *own = alpha * alpha * variance + sigma * sigma;
        }
    }

    /// The variance along each principal axis.
    pub(crate) fn variances(&self) -> &[f64] {
        &self.variances
    }

    /// The coordinate along principal axis `axis` of the vector with entries `entry(0), entry(1), …`.
    pub(crate) fn coordinate(&self, axis: usize, entry: impl Fn(usize) -> f64) -> f64 {
        match &self.axes {
            None => entry(axis),
            Some(axes) => self.row(axes, axis).iter().enumerate().map(|(j, q)| q * entry(j)).sum(),
        }
    }

    /// Adds to `vector` the vector of length `length` along principal axis `axis`.
    pub(crate) fn add_along(&self, axis: usize, length: f64, vector: &mut [f64]) {
        match &self.axes {
            None => vector[axis] += length,
            Some(axes) => {
                vector.iter_mut().zip(self.row(axes, axis)).for_each(|(x, q)| *x += q * length);
            }
        }
    }

    /// `Σ` itself, `[d, d]`.
    pub(crate) fn matrix(&self) -> Array2<f64> {
        let dim = self.variances.len();
        let mut matrix = Array2::zeros((dim, dim));
        for (column, mut sums) in matrix.columns_mut().into_iter().enumerate() {
            let mut image = vec![0.0; dim];
            for (axis, variance) in self.variances.iter().enumerate() {
                let unit = |j| if j == column { 1.0 } else { 0.0 };
                self.add_along(axis, variance * self.coordinate(axis, unit), &mut image);
            }
            sums.assign(&ArrayView1::from(&image));
        }
        matrix
    }

    /// The unit vector along principal axis `axis`.
    fn row<'a>(&self, axes: &'a [f64], axis: usize) -> &'a [f64] {
        let dim = self.variances.len();
        &axes[axis * dim..(axis + 1) * dim]
    }
}

/// Refuses a matrix that is not square, finite and symmetric.
fn check_entries(
    matrix: ArrayView2<'_, f64>,
    dim: usize,
    component: usize,
) -> Result<(), MixtureError> {
    if matrix.dim() != (dim, dim) {
        let found = [matrix.nrows(), matrix.ncols()];
        return Err(MixtureError::Shape { component, expected: dim, found });
    }
    if let Some(((row, column), &value)) = matrix.indexed_iter().find(|(_, c)| !c.is_finite()) {
        return Err(MixtureError::Entry { component, row, column, value });
    }
    for row in 0..dim {
        for column in 0..row {
            let (value, mirrored) = (matrix[[row, column]], matrix[[column, row]]);
            let bound = matrix[[row, row]].abs().sqrt() * matrix[[column, column]].abs().sqrt();
            if (value - mirrored).abs() > ASYMMETRY * bound {
                return Err(MixtureError::Asymmetric { component, row, column, value, mirrored });
            }
        }
    }
    Ok(())
}
