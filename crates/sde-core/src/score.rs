use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use crate::Real;

/// A score `s(x, t)`, exact or learned: all that a sampler needs to know of a model.
pub trait Score<F: Real>: Send + Sync {
    /// The dimension `d` of a point.
    fn dim(&self) -> usize;

    /// Writes `s(x_i, t)` into row `i` of `out` for every row of `x`; both are `[n, d]`.
    ///
    /// # Errors
    /// If the shapes do not fit. Non-finite values are written as they come: the caller knows which
    /// particle and step they belong to.
    fn score(
        &self,
        t: F,
        x: ArrayView2<'_, F>,
        out: ArrayViewMut2<'_, F>,
    ) -> Result<(), BatchError>;
}

/// A score that is the gradient of a known potential `φ(x, t)`: a log-density up to a function of
/// `t`.
pub trait Potential<F: Real>: Score<F> {
    /// Writes `φ`, `∂_t φ`, `∇φ` and `Δφ` at `(x_i, t_i)` for every row; `t` is `[n]`, `x` `[n, d]`.
    ///
    /// # Errors
    /// If the shapes of `t`, `x` and `jet` do not fit.
    fn jet(
        &self,
        t: ArrayView1<'_, F>,
        x: ArrayView2<'_, F>,
        jet: &mut Jet<F>,
    ) -> Result<(), BatchError>;

    /// Writes `φ(x_i, t_i)` into `out`; shapes as in [`Potential::jet`].
    ///
    /// # Errors
    /// If the shapes do not fit.
    fn potential(
        &self,
        t: ArrayView1<'_, F>,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut1<'_, F>,
    ) -> Result<(), BatchError> {
        let mut jet = Jet::zeros(x.nrows(), x.ncols());
        BatchError::check("out", &[x.nrows()], out.shape())?;
        self.jet(t, x, &mut jet)?;
        out.assign(&jet.value);
        Ok(())
    }
}

/// A potential with its derivatives at `n` points.
#[derive(Debug, Clone, PartialEq)]
pub struct Jet<F> {
    /// `φ`, `[n]`.
    pub value: Array1<F>,
    /// `∂_t φ`, `[n]`.
    pub time_derivative: Array1<F>,
    /// `∇φ`, `[n, d]`.
    pub gradient: Array2<F>,
    /// `Δφ`, `[n]`.
    pub laplacian: Array1<F>,
}

impl<F: Real> Jet<F> {
    /// Room for the jet of `n` points in `d` dimensions.
    pub fn zeros(n: usize, d: usize) -> Self {
        Self {
            value: Array1::zeros(n),
            time_derivative: Array1::zeros(n),
            gradient: Array2::zeros((n, d)),
            laplacian: Array1::zeros(n),
        }
    }

    /// Checks that `t`, `x` and this jet describe the same number of points in `dim` dimensions.
    ///
    /// # Errors
    /// Names the array whose shape does not fit.
    pub fn check(
        &self,
        dim: usize,
        t: &ArrayView1<'_, F>,
        x: &ArrayView2<'_, F>,
    ) -> Result<(), BatchError> {
        let n = x.nrows();
        BatchError::check("x", &[n, dim], x.shape())?;
        BatchError::check("t", &[n], t.shape())?;
        self.check_shape(n, dim)
    }

    /// Checks that this is the jet of `n` points in `dim` dimensions.
    ///
    /// # Errors
    /// Names the array whose shape does not fit.
    pub fn check_shape(&self, n: usize, dim: usize) -> Result<(), BatchError> {
        BatchError::check("jet.value", &[n], self.value.shape())?;
        BatchError::check("jet.time_derivative", &[n], self.time_derivative.shape())?;
        BatchError::check("jet.gradient", &[n, dim], self.gradient.shape())?;
        BatchError::check("jet.laplacian", &[n], self.laplacian.shape())
    }
}

/// A score whose divergence is known: what it takes to carry a density along the probability-flow ODE.
pub trait ScoreDivergence<F: Real>: Score<F> {
    /// Writes `s(x_i, t)` into row `i` of `score`, `[n, d]` as `x`, and `∇·s(x_i, t)` into `divergence`, `[n]`. That
    /// of a potential is `Δφ`.
    ///
    /// # Errors
    /// As [`Score::score`].
    fn score_and_divergence(
        &self,
        t: F,
        x: ArrayView2<'_, F>,
        score: ArrayViewMut2<'_, F>,
        divergence: ArrayViewMut1<'_, F>,
    ) -> Result<(), BatchError>;
}

/// A score whose derivatives are known: what it takes to ask a score that is no gradient whether it
/// satisfies the Fokker–Planck equation of scores.
pub trait SmoothScore<F: Real>: Score<F> {
    /// Writes `s`, `∂_t s` and `∇·s` at `(x_i, t_i)` for every row; `t` is `[n]`, `x` `[n, d]`.
    ///
    /// # Errors
    /// If the shapes of `t`, `x` and `jet` do not fit.
    fn score_jet(
        &self,
        t: ArrayView1<'_, F>,
        x: ArrayView2<'_, F>,
        jet: &mut ScoreJet<F>,
    ) -> Result<(), BatchError>;
}

/// A score with its derivatives at `n` points.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreJet<F> {
    /// `s`, `[n, d]`.
    pub score: Array2<F>,
    /// `∂_t s`, `[n, d]`.
    pub time_derivative: Array2<F>,
    /// `∇·s`, `[n]`.
    pub divergence: Array1<F>,
}

impl<F: Real> ScoreJet<F> {
    /// Room for the score jet of `n` points in `d` dimensions.
    pub fn zeros(n: usize, d: usize) -> Self {
        Self {
            score: Array2::zeros((n, d)),
            time_derivative: Array2::zeros((n, d)),
            divergence: Array1::zeros(n),
        }
    }

    /// Checks that `t`, `x` and this jet describe the same number of points in `dim` dimensions.
    ///
    /// # Errors
    /// Names the array whose shape does not fit.
    pub fn check(
        &self,
        dim: usize,
        t: &ArrayView1<'_, F>,
        x: &ArrayView2<'_, F>,
    ) -> Result<(), BatchError> {
        let n = x.nrows();
        BatchError::check("x", &[n, dim], x.shape())?;
        BatchError::check("t", &[n], t.shape())?;
        self.check_shape(n, dim)
    }

    /// Checks that this is the score jet of `n` points in `dim` dimensions.
    ///
    /// # Errors
    /// Names the array whose shape does not fit.
    pub fn check_shape(&self, n: usize, dim: usize) -> Result<(), BatchError> {
        BatchError::check("jet.score", &[n, dim], self.score.shape())?;
        BatchError::check("jet.time_derivative", &[n, dim], self.time_derivative.shape())?;
        BatchError::check("jet.divergence", &[n], self.divergence.shape())
    }
}

/// Why a batch could not be evaluated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// An array has the wrong shape.
    #[error("array `{array}` has shape {found:?}, expected {expected:?}")]
    Shape {
        /// Which argument.
        array: &'static str,
        /// The shape that fits the other arguments.
        expected: Vec<usize>,
        /// The shape it has.
        found: Vec<usize>,
    },
    /// The library behind a score failed; for networks, the tensor library ran out of memory.
    #[error("evaluating the score failed: {0}")]
    Backend(String),
}

impl BatchError {
    /// An error that names `array` unless `found` is `expected`.
    ///
    /// # Errors
    /// If the two differ.
    pub fn check(
        array: &'static str,
        expected: &[usize],
        found: &[usize],
    ) -> Result<(), BatchError> {
        if expected == found {
            Ok(())
        } else {
            Err(Self::Shape { array, expected: expected.to_vec(), found: found.to_vec() })
        }
    }
}
