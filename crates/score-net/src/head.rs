use fokker_sde_core::{Jet, Sde};
use ndarray::{Array2, ArrayView1, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::prediction::Coefficients;
use crate::{Derivatives, Element, NetworkError, Prediction, TimeInput};

/// What the output of a network is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// One number: a potential, whose gradient is the score.
    #[default]
    Potential,
    /// `d` numbers: the score itself, which need not be a gradient.
    Vector,
}

/// What stands around the layers of a network: how points and times go in, and what is made of what comes out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Head {
    /// The dimension `d` of a point.
    pub dim: usize,
    /// What the output is.
    pub output: Output,
    /// How the time goes in.
    pub time: TimeInput,
    /// What the output stands for.
    pub prediction: Prediction,
}

impl Head {
    /// A potential of points of dimension `dim` that is given the time as it is.
    pub fn potential(dim: usize) -> Self {
        let (output, time) = (Output::Potential, TimeInput::Raw);
        Self { dim, output, time, prediction: Prediction::Score }
    }

    /// The number of input units of the layers.
    pub fn inputs(&self) -> usize {
        self.time.features() + self.dim
    }

    /// The number of their output units.
    pub fn outputs(&self) -> usize {
        match self.output {
            Output::Potential => 1,
            Output::Vector => self.dim,
        }
    }

    pub(crate) fn check(&self) -> Result<(), NetworkError> {
        let (what, limit) = ("the dimension of the points", 1 << 16);
        if self.dim == 0 {
            return Err(NetworkError::Empty { what });
        }
        if self.dim > limit {
            return Err(NetworkError::TooLarge { what, value: self.dim, limit });
        }
        self.time.check()?;
        self.prediction.check()
    }

    /// What the layers get at the points `(x_i, t_i)`.
    pub(crate) fn input<E: Element>(
        &self,
        sde: &dyn Sde,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
    ) -> CoreInput<E> {
        let shape = (t.len(), self.time.features());
        let (mut time, mut rate) = (Array2::zeros(shape), Array2::zeros(shape));
        for (i, t) in t.iter().enumerate() {
            self.time.at(sde, t.wide(), |k, at, slope| {
                time[[i, k]] = E::of(at);
                rate[[i, k]] = E::of(slope);
            });
        }
        let coefficients = self.coefficients(sde, t);
        let mut place = x.to_owned();
        for (mut row, c) in place.rows_mut().into_iter().zip(&coefficients) {
            let scale = E::of(c.input.at);
            row.iter_mut().for_each(|y| *y *= scale);
        }
        CoreInput { time, rate, place, coefficients }
    }

    /// Those of the prediction at each time; none if they change nothing.
    pub(crate) fn coefficients<E: Element>(
        &self,
        sde: &dyn Sde,
        t: ArrayView1<'_, E>,
    ) -> Vec<Coefficients> {
        t.iter().map_while(|t| self.prediction.coefficients(sde, t.wide())).collect()
    }
}

/// What the layers of a network get at some points.
pub struct CoreInput<E> {
    /// The features `τ` of the time and their derivatives in `t`, `[n, k]`.
    pub(crate) time: Array2<E>,
    pub(crate) rate: Array2<E>,
    /// `y = C x`, `[n, d]`.
    pub(crate) place: Array2<E>,
    /// Of the prediction at each point; empty if they change nothing.
    pub(crate) coefficients: Vec<Coefficients>,
}

/// Turns the jet of the layers' output `N` at `(y, τ)`, with its time derivative at fixed `y`, into that of
/// `φ = ½ A |x|² + D N(C x, τ)` at `x`:
///
/// - `∇φ = A x + B g` with `g = ∇_y N`,
/// - `∂_t φ = ½ A' |x|² + D' N + D (N_t + C' x·g)`,
/// - `Δφ = A d + B C ΔN`.
pub(crate) fn lift<E: Element>(
    coefficients: &[Coefficients],
    x: ArrayView2<'_, E>,
    derivatives: Derivatives<'_, E>,
    jet: &mut Jet<E>,
) {
    for (i, c) in coefficients.iter().enumerate() {
        let (x, mut gradient) = (x.index_axis(Axis(0), i), jet.gradient.row_mut(i));
        let (mut squares, mut along) = (0.0, 0.0);
        for (x, g) in x.iter().zip(&mut gradient) {
            let (x, slope) = (x.wide(), g.wide());
            squares += x * x;
            along += x * slope;
            *g = E::of(c.base.at * x + c.gain.at * slope);
        }
        if matches!(derivatives, Derivatives::Gradient) {
            continue;
        }
        let (value, rate) = (jet.value[i].wide(), jet.time_derivative[i].wide());
        let d = c.potential_gain;
        jet.value[i] = E::of(0.5 * c.base.at * squares + d.at * value);
        let moved = rate + c.input.rate * along;
        jet.time_derivative[i] = E::of(0.5 * c.base.rate * squares + d.rate * value + d.at * moved);
        let laplacian = c.gain.at * c.input.at * jet.laplacian[i].wide();
        jet.laplacian[i] = E::of(c.base.at * x.len() as f64 + laplacian);
    }
}

/// Turns the partial derivatives of a loss in the parts of [`lift`]'s result into those in the parts of what it was
/// given.
pub(crate) fn pull<E: Element>(
    coefficients: &[Coefficients],
    x: ArrayView2<'_, E>,
    derivatives: Derivatives<'_, E>,
    cotangent: &mut Jet<E>,
) {
    for (i, c) in coefficients.iter().enumerate() {
        let second = !matches!(derivatives, Derivatives::Gradient);
        let d = c.potential_gain;
        let rate = if second { cotangent.time_derivative[i].wide() } else { 0.0 };
        let along = d.at * c.input.rate * rate;
        let x = x.index_axis(Axis(0), i);
        for (x, g) in x.iter().zip(cotangent.gradient.row_mut(i)) {
            *g = E::of(c.gain.at * g.wide() + along * x.wide());
        }
        if second {
            let value = cotangent.value[i].wide();
            cotangent.value[i] = E::of(d.at * value + d.rate * rate);
            cotangent.time_derivative[i] = E::of(d.at * rate);
            let laplacian = cotangent.laplacian[i].wide();
            cotangent.laplacian[i] = E::of(c.gain.at * c.input.at * laplacian);
        }
    }
}
