use fokker_sde_core::Real;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use super::{Block, Scheme};
use crate::SamplingError;

/// `X ← X − h [f(X, t) − ½(1 + λ²) g² s(X, t)] + λ g √h Z`, with `Z` standard normal and `f`, `g` and `λ` at the start
/// of the step; without noise Euler's method. Source: Maruyama, *Continuous Markov processes and stochastic
/// equations*, Rend. Circ. Mat. Palermo 4 (1955).
pub(super) struct EulerMaruyama<F> {
    score: Array2<F>,
    xi: Array2<F>,
}

impl<F: Real> EulerMaruyama<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        Self { score: Array2::zeros(shape), xi: Array2::zeros(shape) }
    }
}

impl<F: Real> Scheme<F> for EulerMaruyama<F>
where
    StandardNormal: Distribution<F>,
{
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let spread = mean_step(block, from, to, &mut self.score)?;
        if spread > 0.0 {
            block.noise.increment(from, to, &mut self.xi);
            let spread = F::of(spread);
            block.x.zip_mut_with(&self.xi, |x, &z| *x += spread * z);
        }
        Ok(())
    }
}

/// The step without its noise: the particles arrive at the mean of the transition.
pub(crate) fn noise_free_step<F: Real>(
    block: &mut Block<'_, F>,
    from: f64,
    to: f64,
) -> Result<(), SamplingError> {
    let mut score = Array2::zeros(block.x.raw_dim());
    mean_step(block, from, to, &mut score).map(|_| ())
}

/// Moves the particles to the mean of the transition and returns its standard deviation.
fn mean_step<F: Real>(
    block: &mut Block<'_, F>,
    from: f64,
    to: f64,
    score: &mut Array2<F>,
) -> Result<f64, SamplingError> {
    let dynamics = block.dynamics;
    dynamics.score(from, block.x.view(), score.view_mut())?;
    let (h, g, lambda) = (from - to, dynamics.sde.diffusion(from), dynamics.lambda(from)?);
    let contraction = F::of(1.0 - h * dynamics.sde.drift_rate(from));
    let push = F::of(h * (0.5 * (1.0 + lambda * lambda)) * g * g);
    block.x.zip_mut_with(score, |x, &s| *x = contraction * *x + push * s);
    Ok(lambda * g * h.abs().sqrt())
}
