use fokker_sde_core::BatchError;
use ndarray::{Array2, Array3, ArrayView2, Axis};

use crate::Element;
use crate::prediction::Coefficients;

/// Which derivatives of a vector score a [`VectorJet`] carries; fewer cost less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorDerivatives {
    /// None.
    Value,
    /// `∂_t s` and the Jacobian: `d + 1` channels.
    First,
    /// These and `∇(∇·s)`, which the score form of the residual needs: `½d(d + 1)` channels more.
    All,
}

/// A vector score with its derivatives at `n` points.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorJet<E> {
    /// `s`, `[n, d]`.
    pub score: Array2<E>,
    /// `∂_t s`, `[n, d]`.
    pub time_derivative: Array2<E>,
    /// `∂s_i/∂x_j` at `[.., i, j]`, `[n, d, d]`.
    pub jacobian: Array3<E>,
    /// `∇(∇·s)`, `[n, d]`.
    pub divergence_gradient: Array2<E>,
}

impl<E: Element> VectorJet<E> {
    /// Room for the jet of `n` points in `d` dimensions.
    pub fn zeros(n: usize, d: usize) -> Self {
        Self {
            score: Array2::zeros((n, d)),
            time_derivative: Array2::zeros((n, d)),
            jacobian: Array3::zeros((n, d, d)),
            divergence_gradient: Array2::zeros((n, d)),
        }
    }

    /// Checks that this is the jet of `n` points in `d` dimensions.
    ///
    /// # Errors
    /// Names the array whose shape does not fit.
    pub fn check_shape(&self, n: usize, d: usize) -> Result<(), BatchError> {
        BatchError::check("jet.score", &[n, d], self.score.shape())?;
        BatchError::check("jet.time_derivative", &[n, d], self.time_derivative.shape())?;
        BatchError::check("jet.jacobian", &[n, d, d], self.jacobian.shape())?;
        BatchError::check("jet.divergence_gradient", &[n, d], self.divergence_gradient.shape())
    }

    /// The divergence `∇·s` at point `i`: the trace of the Jacobian.
    pub fn divergence(&self, i: usize) -> E {
        self.jacobian.index_axis(Axis(0), i).diag().iter().copied().sum()
    }
}

/// Turns the jet of the layers' output `F` at `(y, τ)`, with its time derivative at fixed `y`, into that of
/// `s = A x + B F(C x, τ)` at `x`. With `J = ∂F/∂y`:
///
/// - `∂s/∂x = A I + B C J`,
/// - `∂_t s = A' x + B' F + B (F_t + C' J x)`,
/// - `∇(∇·s) = B C² ∇_y(∇_y·F)`.
pub(crate) fn lift_vector<E: Element>(
    coefficients: &[Coefficients],
    x: ArrayView2<'_, E>,
    derivatives: VectorDerivatives,
    jet: &mut VectorJet<E>,
) {
    let dim = x.ncols();
    for (i, c) in coefficients.iter().enumerate() {
        let x: Vec<f64> = x.row(i).iter().map(|x| x.wide()).collect();
        for k in 0..dim {
            let value = jet.score[[i, k]].wide();
            jet.score[[i, k]] = E::of(c.base.at * x[k] + c.gain.at * value);
            if derivatives == VectorDerivatives::Value {
                continue;
            }
            let mut moved = jet.time_derivative[[i, k]].wide();
            for (j, x) in x.iter().enumerate() {
                let slope = jet.jacobian[[i, k, j]].wide();
                moved += c.input.rate * slope * x;
                let unit = if j == k { c.base.at } else { 0.0 };
                jet.jacobian[[i, k, j]] = E::of(unit + c.gain.at * c.input.at * slope);
            }
            jet.time_derivative[[i, k]] =
                E::of(c.base.rate * x[k] + c.gain.rate * value + c.gain.at * moved);
            let bend = jet.divergence_gradient[[i, k]].wide();
            jet.divergence_gradient[[i, k]] = E::of(c.gain.at * c.input.at * c.input.at * bend);
        }
    }
}

/// Turns the partial derivatives of a loss in the parts of [`lift_vector`]'s result into those in the parts of what it
/// was given.
pub(crate) fn pull_vector<E: Element>(
    coefficients: &[Coefficients],
    x: ArrayView2<'_, E>,
    derivatives: VectorDerivatives,
    cotangent: &mut VectorJet<E>,
) {
    let dim = x.ncols();
    for (i, c) in coefficients.iter().enumerate() {
        for k in 0..dim {
            if derivatives == VectorDerivatives::Value {
                cotangent.score[[i, k]] = E::of(c.gain.at * cotangent.score[[i, k]].wide());
                continue;
            }
            let rate = cotangent.time_derivative[[i, k]].wide();
            for j in 0..dim {
                let slope = cotangent.jacobian[[i, k, j]].wide();
                let along = c.gain.at * c.input.rate * rate * x[[i, j]].wide();
                cotangent.jacobian[[i, k, j]] = E::of(c.gain.at * c.input.at * slope + along);
            }
            let value = cotangent.score[[i, k]].wide();
            cotangent.score[[i, k]] = E::of(c.gain.at * value + c.gain.rate * rate);
            cotangent.time_derivative[[i, k]] = E::of(c.gain.at * rate);
            let bend = cotangent.divergence_gradient[[i, k]].wide();
            cotangent.divergence_gradient[[i, k]] =
                E::of(c.gain.at * c.input.at * c.input.at * bend);
        }
    }
}
