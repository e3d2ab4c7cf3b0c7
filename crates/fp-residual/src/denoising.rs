use std::ops::Range;

use fokker_score_net::{Derivatives, Element, NetworkError, ScoreNetwork};
use fokker_sde_core::{Jet, Real, Sde, StreamRng, Target};
use ndarray::{Array1, Array2, Axis};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::posterior::References;
use crate::{Denoising, Estimate, TimeLaw};

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
        let denoising = Denoising { times, ..Denoising::default() };
        batch.fill(0..n, target, sde, denoising, rng, |index, u| times.share(index, n, u));
        batch
    }

    /// Draws triples in place of those in `range`. `place` makes of a triple's number within the range and a uniform random
    /// number the share of the law of times at which it looks. With more than one of `references` the conditional scores are
    /// averaged over which of so many draws of the data, at least those of the range, the noised one is.
    pub(crate) fn fill(
        &mut self,
        range: Range<usize>,
        target: &dyn Target,
        sde: &dyn Sde,
        denoising: Denoising,
        rng: &mut StreamRng,
        mut place: impl FnMut(usize, f64) -> f64,
    ) {
        let (dim, from, n) = (target.dim(), range.start, range.len());
        let mut data = vec![0.0; denoising.references.max(n) * dim];
        for (i, data) in range.clone().zip(data.chunks_exact_mut(dim)) {
            let t = denoising.times.quantile(sde, place(i - from, rng.random()));
            self.set(i, t, target, sde, data, rng);
        }
        if denoising.references <= 1 {
            return;
        }
        data.chunks_exact_mut(dim).skip(n).for_each(|data| target.draw(rng, data));
        let mut references = References::new(&data, data.len() / dim);
        let mut noise = vec![0.0; dim];
        for i in range {
            let law = sde.marginal(self.t[i].wide());
            let mut scores = self.score.row_mut(i);
            noise.iter_mut().zip(&scores).for_each(|(z, y)| *z = -law.sigma * y.wide());
            references.average_noise(i - from, law.alpha / law.sigma, &mut noise);
            scores.iter_mut().zip(&noise).for_each(|(y, z)| *y = F::of(-z / law.sigma));
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

#[cfg(test)]
mod tests {
    use fokker_sde_core::{
        GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Purpose, Score, Streams,
    };

    use super::*;
    use crate::TimeDensity;

    /// The conditional scores' distances from the exact score, times `σ` and times some functions of `x`: their means with
    /// standard errors, blocks of 64 as independent; and their mean square.
    fn deviations(t: f64, references: usize) -> ([Estimate; 5], f64) {
        let (target, sde) =
            (GaussianMixture::nine_components(), OrnsteinUhlenbeck::new(2.0).unwrap());
        let exact = MixtureMarginals::new(target.clone(), sde);
        let times = TimeLaw::new(t, TimeDensity::Uniform);
        let denoising = Denoising { points: 64, times, references, ..Denoising::default() };
        let sigma = sde.marginal(t).sigma;
        let (mut means, mut square) = (vec![Vec::new(); 5], 0.0);
        let blocks = 800;
        for block in 0..blocks {
            let mut rng = Streams::new(6).rng(Purpose::Denoising, 0, block);
            let mut batch = DenoisingBatch::<f64>::zeros(64, 2);
            batch.fill(0..64, &target, &sde, denoising, &mut rng, |_, _| 0.0);
            let mut scores = Array2::zeros((64, 2));
            exact.score(t, batch.x.view(), scores.view_mut()).unwrap();
            let mut sums = [0.0; 5];
            for i in 0..64 {
                let [x, y] = [0, 1].map(|k| batch.x[[i, k]]);
                let [a, b] = [0, 1].map(|k| sigma * (batch.score[[i, k]] - scores[[i, k]]));
                let parts = [a, b * x, a * (3.0 * y).sin(), b * y * y, a * (x * x + y * y).sqrt()];
                sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part / 64.0);
                square += (a * a + b * b) / (128.0 * blocks as f64);
            }
            means.iter_mut().zip(sums).for_each(|(means, sum)| means.push(sum));
        }
        (std::array::from_fn(|k| Estimate::of_values("deviations", &means[k]).unwrap()), square)
    }

    #[test]
    fn references_lower_the_noise_of_the_score_and_leave_its_mean() {
        for (t, least) in [(0.01, 1.0), (0.1, 1.1), (0.5, 5.0), (1.9, 20.0)] {
            let (_, alone) = deviations(t, 1);
            // 20 means within 5 standard errors: false-alarm rate 1e-5.
            let (means, square) = deviations(t, 256);
            for Estimate { mean, standard_error } in means {
                assert!(mean.abs() < 5.0 * standard_error, "{t}: {mean} ± {standard_error}");
            }
            assert!(alone / square > least, "{t}: {alone} {square}");
        }
    }
}
