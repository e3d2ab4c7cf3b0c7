use fokker_sde_core::{BatchError, Jet, Potential, Purpose, Real, Score, Sde, Streams, Target};
use ndarray::{Array2, ArrayView2};
use rayon::prelude::*;

use crate::trapezoid::trapezoid_weights;
use crate::{DenoisingBatch, Estimate, EstimateError};

/// Points per parallel task and random stream: part of what a seed means.
const BLOCK: usize = 256;

/// The variational bound on how far the law of a model's reverse-time SDE is from the data,
///
/// `KL(p_{t_0} ‖ p^SDE_{t_0}) ≤ KL(p_T ‖ π) + ½∫_{t_0}^T g² E_{p_t}|∇log p_t − s|² dt`.
///
/// It is the divergence of the laws of paths, by Girsanov's theorem, and that of their ends is smaller. It needs no
/// derivative of `s`; the law of the ODE, whose density changes by the divergence of the velocity, has no such bound:
/// an error `δ cos kx` of the score moves `log p^ODE` by `½ g² δ k` per unit of time, however small the right side
/// is. Source: Song, Durkan, Murray and Ermon, *Maximum likelihood training of score-based diffusion models*, NeurIPS
/// 2021, theorem 1.
#[derive(Debug, Clone, PartialEq)]
pub struct VariationalBound {
    /// `KL(p_T ‖ π)`, in nats.
    pub prior: Estimate,
    /// The times, which fall from `T` to `t_0`.
    pub times: Vec<f64>,
    /// `½g² E_{p_t}|∇log p_t − s|²` at each of them, in nats per unit of time.
    pub rates: Vec<Estimate>,
    /// The right side, in nats; the integral is by the trapezoidal rule.
    pub total: Estimate,
}

impl VariationalBound {
    /// Of the score `score`, where the data have the law of `target` and `exact` is the logarithm of the density of
    /// the noised data, normalised at the horizon, with `n` independent points at each of the `times`, which fall
    /// from the horizon to `t_0`.
    ///
    /// The points of time `k` draw from the streams `(Evaluation, k, block)` and those for the prior from the ones
    /// after the last time's, by blocks of 256: same streams, same bits for any number of threads. All points are
    /// independent, and so are the estimates.
    ///
    /// # Errors
    /// If there are fewer than two points, the times do not fall from the horizon, dimensions differ, a score cannot
    /// be evaluated, or a value is not finite, as the exact score of many data is at `t = 0`.
    pub fn new<F: Real>(
        score: &dyn Score<F>,
        exact: &dyn Potential<F>,
        target: &dyn Target,
        sde: &dyn Sde,
        times: &[f64],
        n: usize,
        streams: Streams,
    ) -> Result<Self, EstimateError> {
        EstimateError::check_from_horizon(times, sde.horizon())?;
        for dim in [exact.dim(), target.dim()] {
            BatchError::check("point", &[score.dim()], &[dim])?;
        }
        let points = Points { target, sde, n, streams };
        let mut rates = Vec::with_capacity(times.len());
        for (k, &t) in times.iter().enumerate() {
            let half = 0.5 * sde.diffusion(t).powi(2);
            rates.push(points.mean("error of the score", k, t, |x| {
                let [mut own, mut other] = [0, 1].map(|_| Array2::zeros(x.raw_dim()));
                score.score(F::of(t), x, own.view_mut())?;
                exact.score(F::of(t), x, other.view_mut())?;
                let error = |(own, other): (&F, &F)| (own.wide() - other.wide()).powi(2);
                let rows = own.rows().into_iter().zip(other.rows());
                Ok(rows
                    .map(|(own, other)| half * own.iter().zip(other).map(error).sum::<f64>())
                    .collect())
            })?);
        }
        let (horizon, prior) = (times[0], sde.prior());
        let divergence = |x: ArrayView2<'_, F>| {
            let mut jet = Jet::zeros(x.nrows(), x.ncols());
            let t = ndarray::Array1::from_elem(x.nrows(), F::of(horizon));
            exact.jet(t.view(), x, &mut jet)?;
            let of = |(x, value): (ndarray::ArrayView1<'_, F>, &F)| {
                let place: Vec<f64> = x.iter().map(|x| x.wide()).collect();
                value.wide() - prior.log_density(&place)
            };
            Ok(x.rows().into_iter().zip(&jet.value).map(of).collect())
        };
        let prior = points.mean("log p − log π", times.len(), horizon, divergence)?;
        let (mut mean, mut variance) = (prior.mean, prior.standard_error.powi(2));
        for (rate, weight) in rates.iter().zip(trapezoid_weights(times)) {
            mean += weight * rate.mean;
            variance += (weight * rate.standard_error).powi(2);
        }
        let total = Estimate { mean, standard_error: variance.sqrt() };
        Ok(Self { prior, times: times.to_vec(), rates, total })
    }
}

/// Points of the noised data.
struct Points<'a> {
    target: &'a dyn Target,
    sde: &'a dyn Sde,
    n: usize,
    streams: Streams,
}

impl Points<'_> {
    /// The mean at the time `t` of what `values` makes of points, which are those of the streams `index`.
    fn mean<F: Real>(
        &self,
        what: &'static str,
        index: usize,
        t: f64,
        values: impl Fn(ArrayView2<'_, F>) -> Result<Vec<f64>, BatchError> + Sync,
    ) -> Result<Estimate, EstimateError> {
        let blocks: Vec<usize> = (0..self.n.div_ceil(BLOCK)).collect();
        let of = |block: usize| {
            let times = vec![t; BLOCK.min(self.n - block * BLOCK)];
            let mut rng = self.streams.rng(Purpose::Evaluation, index as u64, block as u64);
            let points = DenoisingBatch::<F>::at_times(&times, self.target, self.sde, &mut rng);
            let values = values(points.x.view())?;
            EstimateError::check_finite(what, t, block * BLOCK, &values)?;
            Ok(values)
        };
        let values: Vec<Result<Vec<f64>, EstimateError>> = blocks.into_par_iter().map(of).collect();
        let values: Vec<Vec<f64>> = values.into_iter().collect::<Result<_, EstimateError>>()?;
        Estimate::of_values(what, &values.concat())
    }
}
