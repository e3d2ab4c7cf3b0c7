use std::ops::Range;

use fokker_sde_core::{BatchError, Jet, Potential, Real, Sde, StreamRng, Target};
use ndarray::{Array1, Array2, ArrayView1, Axis};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::Estimate;

/// The law of the times at which denoising score matching looks: `t = T·Beta(1, 2) + t_min`, denser
/// towards the data, as in Deveney et al. (2025) with `t_min = 1e-5`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeLaw {
    /// The smallest time, positive: the conditional score `−z/σ_t` has no value at 0.
    #[serde(deserialize_with = "crate::positive")]
    pub t_min: f64,
}

impl Default for TimeLaw {
    fn default() -> Self {
        Self { t_min: 1e-5 }
    }
}

impl TimeLaw {
    /// One time. Beta(1, 2) has the distribution function `1 − (1 − b)²`, which is inverted.
    pub fn draw(&self, horizon: f64, rng: &mut StreamRng) -> f64 {
        horizon * (1.0 - (1.0 - rng.random::<f64>()).sqrt()) + self.t_min
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
        batch.fill(0..n, target, sde, times, rng);
        batch
    }

    /// Draws independent triples in place of those in `range`.
    pub(crate) fn fill(
        &mut self,
        range: Range<usize>,
        target: &dyn Target,
        sde: &dyn Sde,
        times: TimeLaw,
        rng: &mut StreamRng,
    ) {
        let mut data = vec![0.0; target.dim()];
        for i in range {
            let t = times.draw(sde.horizon(), rng);
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

/// The denoising score matching error of a potential: the mean over points *and components* of `|∇φ − y|²`, `y`
/// the conditional scores of the batch.
///
/// # Errors
/// If the shapes do not fit or the potential cannot be evaluated.
pub fn mean_denoising_error<F: Real>(
    potential: &dyn Potential<F>,
    batch: &DenoisingBatch<F>,
) -> Result<Estimate, BatchError> {
    Estimate::of(batch.x.nrows(), |range| {
        let [x, y] = [&batch.x, &batch.score].map(|array| array.slice_axis(Axis(0), range));
        let mut jet = Jet::zeros(x.nrows(), x.ncols());
        potential.jet(batch.t.slice_axis(Axis(0), range), x, &mut jet)?;
        let error = |(s, y): (ArrayView1<'_, F>, ArrayView1<'_, F>)| {
            let squares = s.iter().zip(y).map(|(s, y)| (s.wide() - y.wide()).powi(2));
            squares.sum::<f64>() / s.len() as f64
        };
        Ok(jet.gradient.rows().into_iter().zip(y.rows()).map(error).collect())
    })
}
