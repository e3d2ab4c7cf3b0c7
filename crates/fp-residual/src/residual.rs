use fokker_sde_core::{BatchError, Jet, Potential, Real, Sde};
use ndarray::{Array1, ArrayView1, ArrayView2, Axis};

use crate::Estimate;

/// The residual `ε = ∂_t φ + ∇·f + f·∇φ − ½ g² (Δφ + |∇φ|²)` of a potential at `(x_i, t_i)`, `[n]`.
///
/// `t` is `[n]`, `x` is `[n, d]`. With `f(x, t) = a(t) x`, `∇·f = d a(t)`.
///
/// # Errors
/// If the shapes do not fit or the potential cannot be evaluated.
pub fn residual<F: Real>(
    potential: &dyn Potential<F>,
    sde: &dyn Sde,
    t: ArrayView1<'_, F>,
    x: ArrayView2<'_, F>,
) -> Result<Array1<F>, BatchError> {
    let mut jet = Jet::zeros(x.nrows(), potential.dim());
    potential.jet(t, x, &mut jet)?;
    Ok(residual_of_jet(&jet, sde, t, x))
}

/// The residual of a potential whose jet at `(x_i, t_i)` is known, `[n]`; see [`residual`].
pub fn residual_of_jet<F: Real>(
    jet: &Jet<F>,
    sde: &dyn Sde,
    t: ArrayView1<'_, F>,
    x: ArrayView2<'_, F>,
) -> Array1<F> {
    let at = |(i, &t): (usize, &F)| {
        let (a, g) = (F::of(sde.drift_rate(t.wide())), F::of(sde.diffusion(t.wide())));
        let (mut transport, mut squares) = (F::zero(), F::zero());
        for (&s, &x) in jet.gradient.row(i).iter().zip(x.row(i)) {
            transport += x * s;
            squares += s * s;
        }
        jet.time_derivative[i] + a * (F::of(x.ncols() as f64) + transport)
            - F::of(0.5) * g * g * (jet.laplacian[i] + squares)
    };
    t.iter().enumerate().map(at).collect()
}

/// The mean of `ε²` over given points.
///
/// # Errors
/// As [`residual`].
pub fn mean_squared_residual<F: Real>(
    potential: &dyn Potential<F>,
    sde: &dyn Sde,
    t: ArrayView1<'_, F>,
    x: ArrayView2<'_, F>,
) -> Result<Estimate, BatchError> {
    BatchError::check("t", &[x.nrows()], t.shape())?;
    Estimate::of(x.nrows(), |range| {
        let (t, x) = (t.slice_axis(Axis(0), range), x.slice_axis(Axis(0), range));
        let epsilon = residual(potential, sde, t, x)?;
        Ok(epsilon.iter().map(|e| e.wide() * e.wide()).collect())
    })
}
