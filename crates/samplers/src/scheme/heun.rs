use fokker_sde_core::Real;
use ndarray::{Array2, Zip};
use rand_distr::{Distribution, StandardNormal};

use super::{Block, Scheme};
use crate::SamplingError;
use crate::dynamics::{VectorField, add_scaled};

/// The stochastic Heun scheme for additive noise: with the drift `b`, `h` the signed step and the noise `η` of the step,
/// `X̂ = X + h b(X, t) + η` and `X ← X + ½ h [b(X, t) + b(X̂, t + h)] + η`.
///
/// `η` has the variance `½ h [(λg)²(t) + (λg)²(t + h)]`, exact to `O(h³)`. The difference from the Euler–Maruyama step with the
/// same noise, `X̂`, estimates the error (Jolicoeur-Martineau et al., *Gotta go fast when generating data with score-based
/// models*, 2021). Sources: Heun (1900); Kloeden and Platen, *Numerical solution of stochastic differential equations*,
/// §15.1; for diffusion models Karras et al., *Elucidating the design space of diffusion-based generative models*,
/// NeurIPS 2022.
pub(super) struct Heun<F> {
    start: Array2<F>,
    drifts: [Array2<F>; 2],
    xi: Array2<F>,
    error: Array2<F>,
}

impl<F: Real> Heun<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        let zeros = || Array2::zeros(shape);
        Self { start: zeros(), drifts: [zeros(), zeros()], xi: zeros(), error: zeros() }
    }
}

impl<F: Real> Scheme<F> for Heun<F>
where
    StandardNormal: Distribution<F>,
{
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let dynamics = block.dynamics;
        let h = to - from;
        let [first, second] = &mut self.drifts;
        dynamics.velocity(from, block.x.view(), first.view_mut())?;
        let (start, end) = (dynamics.noise_level(from)?, dynamics.noise_level(to)?);
        let spread = (0.5 * (start * start + end * end) * h.abs()).sqrt();
        if spread > 0.0 {
            block.noise.increment(from, to, &mut self.xi);
            let spread = F::of(spread);
            block.x.zip_mut_with(&self.xi, |x, &z| *x += spread * z);
        }
        self.start.assign(&block.x);
        add_scaled(block.x.view_mut(), h, first.view());
        dynamics.velocity(to, block.x.view(), second.view_mut())?;
        let half = F::of(0.5 * h);
        Zip::from(&mut self.error)
            .and(&*first)
            .and(&*second)
            .for_each(|e, &a, &b| *e = half * (b - a));
        Zip::from(&mut block.x)
            .and(&self.start)
            .and(&*first)
            .and(&*second)
            .for_each(|x, &start, &a, &b| *x = start + half * (a + b));
        Ok(())
    }

    fn error(&self) -> Option<&Array2<F>> {
        Some(&self.error)
    }
}
