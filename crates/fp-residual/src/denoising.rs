use std::ops::Range;

use fokker_score_net::{Derivatives, Element, NetworkError, ScoreNetwork};
use fokker_sde_core::{Jet, Real, Sde, StreamRng, Target};
use ndarray::{Array1, Array2, Axis};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::{Estimate, TimeLaw};

/// How denoising score matching weighs the squared error of the score at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum DenoisingWeight {
    /// 1, as Deveney et al. (2025).
    #[default]
    One,
    /// `σ²`: the error of the noise that is predicted (Song and Ermon 2019; Ho et al. 2020).
    Sigma2,
    /// `g²`: with times uniform on `(0, T)` twice the bound on the likelihood of the reverse-time SDE (Song, Durkan,
    /// Murray and Ermon, *Maximum likelihood training of score-based diffusion models*, NeurIPS 2021).
    Likelihood,
    /// `σ² (α² σ_d² + σ²)/(α² σ_d²)` with the standard deviation `σ_d` of the data: that of Karras et al., *Elucidating the
    /// design space of diffusion-based generative models* (EDM), NeurIPS 2022. For a preconditioned network it weighs
    /// the error of what the network returns by 1.
    Edm {
        /// The standard deviation `σ_d` of a component of the data.
        #[serde(deserialize_with = "crate::checked::positive")]
        data_std: f64,
    },
}

impl DenoisingWeight {
    /// The weight at `t`.
    pub fn at(&self, sde: &dyn Sde, t: f64) -> f64 {
        match *self {
            Self::One => 1.0,
            Self::Sigma2 => sde.marginal(t).sigma.powi(2),
            Self::Likelihood => sde.diffusion(t).powi(2),
            Self::Edm { data_std } => {
                let law = sde.marginal(t);
                let (noise, data) = (law.sigma.powi(2), (law.alpha * data_std).powi(2));
                noise * (data + noise) / data
            }
        }
    }
}

/// Noised data and the scores that a network is to match at it.
///
/// With `x_0` from the target, `z` standard normal and `t` from a [`TimeLaw`]: `x_t = α_t x_0 + σ_t z`
/// and the score of its law given `x_0` is `∇ log p(x_t | x_0) = −z/σ_t`. The network that minimises
/// the mean of `|s(x_t, t) + z/σ_t|²` is the score of the law of `x_t`. Source: Vincent, *A connection
/// between score matching and denoising autoencoders*, Neural Computation 23 (2011).
#[derive(Debug, Clone, PartialEq)]
pub struct DenoisingBatch<F> {
    /// Times, `[n]`.
    pub t: Array1<F>,
    /// Noised points `x_t`, `[n, d]`.
    pub x: Array2<F>,
    /// Conditional scores `−z/σ_t`, `[n, d]`.
    pub score: Array2<F>,
}

impl<F: Real> DenoisingBatch<F> {
    /// Room for `n` triples in `dim` dimensions.
    pub fn zeros(n: usize, dim: usize) -> Self {
        Self { t: Array1::zeros(n), x: Array2::zeros((n, dim)), score: Array2::zeros((n, dim)) }
    }

    /// Draws `n` independent triples.
    pub fn draw(
        n: usize,
        target: &dyn Target,
        sde: &dyn Sde,
        times: TimeLaw,
        rng: &mut StreamRng,
    ) -> Self {
        let mut batch = Self::zeros(n, target.dim());
        batch.fill(0..n, target, sde, times, rng, |index, u| times.share(index, n, u));
        batch
    }

    /// Draws triples in place of those in `range`. `place` makes of a triple's number within the range and a uniform random
    /// number the share of the law of times at which it looks.
    pub(crate) fn fill(
        &mut self,
        range: Range<usize>,
        target: &dyn Target,
        sde: &dyn Sde,
        times: TimeLaw,
        rng: &mut StreamRng,
        mut place: impl FnMut(usize, f64) -> f64,
    ) {
        let mut data = vec![0.0; target.dim()];
        let from = range.start;
        for i in range {
            let t = times.quantile(sde, place(i - from, rng.random()));
            self.set(i, t, target, sde, &mut data, rng);
        }
    }

    /// Draws one triple at each of some positive times.
    pub fn at_times(
        times: &[f64],
        target: &dyn Target,
        sde: &dyn Sde,
        rng: &mut StreamRng,
    ) -> Self {
        let mut batch = Self::zeros(times.len(), target.dim());
        let mut data = vec![0.0; target.dim()];
        for (i, &t) in times.iter().enumerate() {
            batch.set(i, t, target, sde, &mut data, rng);
        }
        batch
    }

    /// Draws the triple `i`, at time `t`; `data` has room for a point.
    #[inline]
    fn set(
        &mut self,
        i: usize,
        t: f64,
        target: &dyn Target,
        sde: &dyn Sde,
        data: &mut [f64],
        rng: &mut StreamRng,
    ) {
        let law = sde.marginal(t);
        target.draw(rng, data);
        self.t[i] = F::of(t);
        for (k, x_0) in data.iter().enumerate() {
            let z: f64 = StandardNormal.sample(rng);
            self.x[[i, k]] = F::of(law.alpha * x_0 + law.sigma * z);
            self.score[[i, k]] = F::of(-z / law.sigma);
        }
    }
}

/// The denoising score matching error of a network: the mean over points *and components* of `|s − y|²`, `y` the conditional
/// scores of the batch.
///
/// # Errors
/// If the shapes do not fit or the network cannot be evaluated.
pub fn mean_denoising_error<E: Element>(
    network: &ScoreNetwork<E>,
    batch: &DenoisingBatch<E>,
) -> Result<Estimate, NetworkError> {
    Estimate::of(batch.x.nrows(), |range| {
        let [x, y] = [&batch.x, &batch.score].map(|array| array.slice_axis(Axis(0), range));
        let mut errors = Vec::with_capacity(x.nrows());
        let mut keep = |range: Range<usize>, jet: &mut Jet<E>| {
            let y = y.slice_axis(Axis(0), range.into());
            for (s, y) in jet.gradient.rows().into_iter().zip(y.rows()) {
                let squares = s.iter().zip(y).map(|(s, y)| (s.wide() - y.wide()).powi(2));
                errors.push(squares.sum::<f64>() / s.len() as f64);
            }
            0.0
        };
        let t = batch.t.slice_axis(Axis(0), range);
        network.add_loss(t, x, Derivatives::Gradient, &mut keep, None)?;
        Ok(errors)
    })
}
