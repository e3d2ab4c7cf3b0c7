use fokker_sde_core::{BatchError, Real, Score, Sde, StreamRng};
use ndarray::{Array2, Axis};
use rand_distr::{Distribution, StandardNormal};

/// Points on paths of a model's reverse-time SDE, in few steps: good enough to say where the model goes, not what its law
/// is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trajectories {
    /// Steps from `T` to the smallest time asked for.
    pub(crate) steps: usize,
}

impl Default for Trajectories {
    fn default() -> Self {
        Self { steps: 24 }
    }
}

impl Trajectories {
    /// For each time a point of a path of its own, which starts from the prior; `[n, d]`.
    ///
    /// The grid is equal in the log-SNR from `T` to the smallest time. A step from `t` to `t' < t` is the
    /// Euler–Maruyama step of the reverse-time SDE in the variable `X/α` with noise level `ρ = σ/α`:
    /// `X'/α' = X/α + (ρ² − ρ'²) α s + √(ρ² − ρ'²) Z`, exact in the linear drift. Each path stops at its own time, in the
    /// middle of a step if need be.
    ///
    /// # Errors
    /// If the score cannot be evaluated.
    pub(crate) fn walk<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        times: &[f64],
        rng: &mut StreamRng,
    ) -> Result<Array2<F>, BatchError> {
        let dim = score.dim();
        let std = sde.prior().std;
        let normal = |rng: &mut StreamRng| -> f64 { StandardNormal.sample(rng) };
        let mut x = Array2::from_shape_simple_fn((times.len(), dim), || F::of(std * normal(rng)));
        let end = times.iter().copied().fold(sde.horizon(), f64::min);
        let log_snr = |t: f64| sde.marginal(t).log_snr();
        let (first, last) = (log_snr(sde.horizon()), log_snr(end));
        let mut t = sde.horizon();
        // The paths that go on.
        let mut going: Vec<usize> = (0..times.len()).collect();
        for step in 1..=self.steps {
            let level = first + (last - first) * step as f64 / self.steps as f64;
            let next = sde.time_of_log_snr(level).unwrap_or(end);
            going.retain(|&i| times[i] < t);
            if going.is_empty() {
                break;
            }
            let places = x.select(Axis(0), &going);
            let mut s = Array2::zeros(places.raw_dim());
            score.score(F::of(t), places.view(), s.view_mut())?;
            let law = sde.marginal(t);
            for ((&i, place), s) in going.iter().zip(places.rows()).zip(s.rows()) {
                let to = sde.marginal(times[i].max(next));
                let noise = (law.sigma / law.alpha).powi(2) - (to.sigma / to.alpha).powi(2);
                let noise = noise.max(0.0);
                let (keep, push, spread) = (
                    F::of(to.alpha / law.alpha),
                    F::of(to.alpha * noise * law.alpha),
                    F::of(to.alpha * noise.sqrt()),
                );
                for ((slot, &x), &s) in x.row_mut(i).iter_mut().zip(place).zip(s) {
                    *slot = keep * x + push * s + spread * F::of(normal(rng));
                }
            }
            t = next;
        }
        Ok(x)
    }
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::{Diffusion, GaussianMixture, MixtureMarginals, Purpose, Streams};

    use super::*;

    #[test]
    fn with_the_exact_score_paths_have_the_marginal_law() {
        // Data N(1, 0.3) on the line, 4000 paths to each of three times in 400 steps. Means and variances within 5 standard
        // errors and 3 % of the variance for the steps; false-alarm rate 6e-7 for each assertion.
        let data = GaussianMixture::new(vec![(1.0, vec![1.0], 0.3)]).unwrap();
        for sde in Diffusion::examples() {
            let score = MixtureMarginals::new(data.clone(), sde.clone());
            let last = sde.marginal(sde.horizon()).log_snr();
            let times = [last + 1.0, 0.0, 3.0].map(|level| sde.time_of_log_snr(level).unwrap());
            let all: Vec<f64> = times.iter().flat_map(|&t| vec![t; 4000]).collect();
            let mut rng = Streams::new(3).rng(Purpose::Trajectory, 0, 0);
            let x: Array2<f64> =
                Trajectories { steps: 400 }.walk(&score, &sde, &all, &mut rng).unwrap();
            for (k, &t) in times.iter().enumerate() {
                let law = sde.marginal(t);
                let variance = law.alpha.powi(2) * 0.3 + law.sigma.powi(2);
                let part = x.slice_axis(Axis(0), (4000 * k..4000 * (k + 1)).into());
                let (mean, found) = (part.mean().unwrap(), part.var(1.0));
                let allowed = 0.03 + 5.0 / 4000_f64.sqrt();
                assert!((mean - law.alpha).abs() < allowed * variance.sqrt(), "{sde:?}: {mean}");
                assert!((found / variance - 1.0).abs() < 0.03 + 5.0 * (2.0 / 4000_f64).sqrt());
            }
        }
    }
}
