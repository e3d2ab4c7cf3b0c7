use fokker_sde_core::{Real, StreamRng};
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use super::exponential_euler::ExponentialEuler;
use super::log_snr::update;
use super::{Block, Scheme};
use crate::SamplingError;
use crate::noise::draw;

/// A step of the exponential Euler–Maruyama scheme, corrected by a step of Langevin dynamics at the new time,
///
/// `X ← X + δ s(X, t_1) + √(2δ) Z` with `δ = 2 (r σ_1)²`, `r = 0.16`,
///
/// which pulls any law towards the one whose score is `s`. Song et al. set `δ` by the norms of `Z` and `s` in the batch; here these have
/// their expected ratio, `σ`, so that no particle depends on another. There is no correction at `t = 0`. Source: Song et al.,
/// *Score-based generative modeling through stochastic differential equations*, ICLR 2021, algorithm 5.
pub(super) struct PredictorCorrector<F> {
    predictor: ExponentialEuler<F>,
    score: Array2<F>,
    z: Array2<F>,
    rng: StreamRng,
}

/// The ratio `r` of the corrections of signal to noise in a correction.
const RATIO: f64 = 0.16;

impl<F: Real> PredictorCorrector<F> {
    pub(super) fn new(shape: (usize, usize), rng: StreamRng) -> Self {
        let predictor = ExponentialEuler::new(shape);
        Self { predictor, score: Array2::zeros(shape), z: Array2::zeros(shape), rng }
    }
}

impl<F: Real> Scheme<F> for PredictorCorrector<F>
where
    StandardNormal: Distribution<F>,
{
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        self.predictor.step(block, from, to)?;
        let sigma = block.dynamics.sde.marginal(to).sigma;
        if sigma == 0.0 {
            return Ok(());
        }
        let delta = 2.0 * (RATIO * sigma).powi(2);
        block.dynamics.score(to, block.x.view(), self.score.view_mut())?;
        draw(&mut self.rng, &mut self.z);
        update(&mut block.x, 1.0, delta, &self.score);
        update(&mut block.x, 1.0, (2.0 * delta).sqrt(), &self.z);
        Ok(())
    }
}
