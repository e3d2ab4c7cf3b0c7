use fokker_sde_core::{BatchError, Jet, Potential, Real, Sde};
use ndarray::{Array1, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

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
    let (n, dim) = (x.nrows(), potential.dim());
    let mut jet = Jet::zeros(n, dim);
    potential.jet(t, x, &mut jet)?;
    Ok((0..n)
        .map(|i| {
            let at = t[i].wide();
            let (a, g) = (F::of(sde.drift_rate(at)), F::of(sde.diffusion(at)));
            let (mut transport, mut squares) = (F::zero(), F::zero());
            for (&s, &x) in jet.gradient.row(i).iter().zip(x.row(i)) {
                transport += x * s;
                squares += s * s;
            }
            jet.time_derivative[i] + a * (F::of(dim as f64) + transport)
                - F::of(0.5) * g * g * (jet.laplacian[i] + squares)
        })
        .collect())
}

/// Rows per parallel task of [`mean_squared_residual`].
const BLOCK: usize = 1024;

/// The mean of `ε²` over given points, in `f64`, in parallel and the same for any number of threads.
///
/// # Errors
/// As [`residual`].
pub fn mean_squared_residual<F: Real>(
    potential: &dyn Potential<F>,
    sde: &dyn Sde,
    t: ArrayView1<'_, F>,
    x: ArrayView2<'_, F>,
) -> Result<f64, BatchError> {
    BatchError::check("t", &[x.nrows()], t.shape())?;
    let blocks: Vec<_> =
        t.axis_chunks_iter(Axis(0), BLOCK).zip(x.axis_chunks_iter(Axis(0), BLOCK)).collect();
    let sums: Vec<f64> = blocks
        .into_par_iter()
        .map(|(t, x)| {
            let epsilon = residual(potential, sde, t, x)?;
            Ok(epsilon.iter().map(|e| e.wide() * e.wide()).sum())
        })
        .collect::<Result<_, BatchError>>()?;
    Ok(sums.iter().sum::<f64>() / x.nrows() as f64)
}
