use fokker_sde_core::{Purpose, Real, Score, Sde, StreamRng, Streams, TimeGrid};
use ndarray::{Array2, ArrayViewMut2, Axis};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use crate::{Observer, ReverseProcess, SamplingError};

/// The Euler–Maruyama scheme: for a step from `t` to `t − h`,
///
/// `X ← X − h [f(X, t) − ½(1 + λ²) g(t)² s(X, t)] + λ g(t) √h Z`, with `Z` standard normal.
///
/// With `λ = 0` this is Euler's method for the probability-flow ODE. Order 1 in law for both; one
/// evaluation of the score in each step. Source: Kloeden and Platen, *Numerical solution of stochastic
/// differential equations*, §10.2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EulerMaruyama {
    /// The process to solve.
    pub process: ReverseProcess,
    /// Whether the last step leaves its noise out, as Deveney et al. (2025) do: the sample is then the
    /// mean of the last transition.
    pub noise_free_last_step: bool,
}

/// Particles per block: a block is one task and has a random stream of its own. Part of what a seed
/// means.
const BLOCK: usize = 256;

impl EulerMaruyama {
    /// Moves `n` particles from the prior at `grid`'s first time to its last; returns `[n, d]`.
    ///
    /// Block `b` of 256 particles starts from stream `(Prior, 0, b)` and draws its noise from
    /// `(Path, 0, b)`: same streams, same bits for any number of threads; the ODE and the SDE start
    /// from the same points; and the first of more particles are those of fewer.
    ///
    /// # Errors
    /// If a particle becomes non-finite, the score cannot be evaluated, or the observer cancels.
    pub fn sample<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        grid: &TimeGrid,
        n: usize,
        streams: Streams,
        observer: &dyn Observer,
    ) -> Result<Array2<F>, SamplingError>
    where
        StandardNormal: Distribution<F>,
    {
        let std = F::of(sde.prior().std);
        let mut particles = Array2::zeros((n, score.dim()));
        particles
            .axis_chunks_iter_mut(Axis(0), BLOCK)
            .into_par_iter()
            .enumerate()
            .map(|(block, mut x)| {
                let mut start = streams.rng(Purpose::Prior, 0, block as u64);
                x.iter_mut().for_each(|x| *x = std * StandardNormal.sample(&mut start));
                let noise = streams.rng(Purpose::Path, 0, block as u64);
                self.solve_block(score, sde, grid, x.view_mut(), noise, observer)
                    .map_err(|error| in_batch(error, block))?;
                observer.finished(x.nrows());
                Ok(())
            })
            // Every block is run to its end, so that the error reported is the same each time.
            .reduce(
                || Ok(()),
                |a: Result<(), SamplingError>, b| match (a, b) {
                    (Err(a), Err(b)) => Err(a.earlier(b)),
                    (Err(error), _) | (_, Err(error)) => Err(error),
                    _ => Ok(()),
                },
            )?;
        Ok(particles)
    }

    fn solve_block<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        grid: &TimeGrid,
        mut x: ArrayViewMut2<'_, F>,
        mut rng: StreamRng,
        observer: &dyn Observer,
    ) -> Result<(), SamplingError>
    where
        StandardNormal: Distribution<F>,
    {
        let mut s = Array2::zeros(x.raw_dim());
        let last = grid.steps().len() - 1;
        for (step, (t, next)) in grid.steps().enumerate() {
            if observer.cancelled() {
                return Err(SamplingError::Cancelled);
            }
            score.score(F::of(t), x.view(), s.view_mut())?;
            let (h, g) = (t - next, sde.diffusion(t));
            let contraction = F::of(1.0 - h * sde.drift_rate(t));
            let push = F::of(h * self.process.score_factor() * g * g);
            let spread = self.process.lambda() * g * h.sqrt();
            let noisy = spread > 0.0 && !(step == last && self.noise_free_last_step);
            let spread = F::of(spread);
            let mut finite = true;
            for (x, &s) in x.iter_mut().zip(&s) {
                *x = contraction * *x + push * s;
                if noisy {
                    *x += spread * StandardNormal.sample(&mut rng);
                }
                finite &= x.is_finite();
            }
            if noisy {
                // A block that is not full uses up the noise of a full one, so that more particles
                // would change nothing for these.
                for _ in x.len()..BLOCK * x.ncols() {
                    let _: F = StandardNormal.sample(&mut rng);
                }
            }
            if !finite {
                return Err(not_finite(x, step, next));
            }
        }
        Ok(())
    }
}

/// The error for the first row that is not finite; its index counts within the block.
fn not_finite<F: Real>(x: ArrayViewMut2<'_, F>, step: usize, t: f64) -> SamplingError {
    let wide = |row: ndarray::ArrayView1<'_, F>| row.iter().map(|x| x.wide()).collect();
    let first =
        x.rows().into_iter().enumerate().find(|(_, row)| row.iter().any(|x| !x.is_finite()));
    let (particle, state) = first.map_or((0, Vec::new()), |(index, row)| (index, wide(row)));
    SamplingError::NotFinite { step, t, particle, state }
}

/// Counts the particle of an error within the whole batch.
fn in_batch(error: SamplingError, block: usize) -> SamplingError {
    match error {
        SamplingError::NotFinite { step, t, particle, state } => {
            SamplingError::NotFinite { step, t, particle: particle + block * BLOCK, state }
        }
        other => other,
    }
}
