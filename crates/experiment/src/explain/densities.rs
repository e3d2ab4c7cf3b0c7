//! The densities of both samplers' laws at points, and what follows from them: divergences and likelihoods.

use fokker_fp_residual::{Estimate, LogDensity, SdeDensity};
use fokker_samplers::{Flow, Solver, Tolerance};
use fokker_sde_core::{Potential, Real, ScoreDivergence, Sde, Streams};
use ndarray::{Array1, ArrayView2};
use serde::Serialize;

use crate::Error;

/// The tolerance of the flow along which the ODE's density is found.
const TOLERANCE: Tolerance = Tolerance { absolute: 1e-5, relative: 1e-5 };

/// The share of points without an estimate from which on a mean over the others is not given: those that are missing are
/// not like them.
pub(super) const MOST_WITHHELD: f64 = 0.01;

/// Log-densities at some points, in nats.
pub(crate) struct LogDensities {
    /// Of the SDE's law, where it is known.
    pub(crate) sde: Vec<Option<LogDensity>>,
    /// Of the ODE's law.
    pub(crate) ode: Vec<f64>,
}

impl LogDensities {
    /// Of both laws at the points `x`, `[n, d]`, at the last of `times`, which fall from the horizon.
    pub(crate) fn at<F: Real>(
        potential: &(impl Potential<F> + ScoreDivergence<F>),
        sde: &dyn Sde,
        times: &[f64],
        x: ArrayView2<'_, F>,
        density: &SdeDensity,
        streams: Streams,
    ) -> Result<Self, Error> {
        let last = times[times.len() - 1];
        let found = density.log_density(potential, sde, last, x, streams)?;
        let sde_density = found.into_iter().map(Result::ok);
        let rising: Vec<f64> = times.iter().rev().copied().collect();
        let flow = Flow { solver: Solver::DormandPrince, tolerance: Some(TOLERANCE) };
        let (ode, _): (Array1<f64>, _) = flow.log_density(potential, sde, x, &rising)?;
        Ok(Self { sde: sde_density.collect(), ode: ode.to_vec() })
    }

    /// The mean of `log p^SDE − log p^ODE`.
    pub(crate) fn mean_difference(&self) -> Result<PointMean, Error> {
        let values = self
            .sde
            .iter()
            .zip(&self.ode)
            .map(|(sde, ode)| sde.map(|sde| LogDensity { value: sde.value - ode, ..sde }));
        PointMean::of("KL divergence", &values.collect::<Vec<_>>())
    }
}

/// A mean over points, some of which may lack a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PointMean {
    /// The mean; `None` if it was withheld because more than a hundredth of the points have no value.
    pub mean: Option<f64>,
    /// Its standard error, by the spread over the points, which that of their estimates is part of.
    pub standard_error: Option<f64>,
    /// The mean of how far the quadrature along paths may be off.
    pub quadrature: Option<f64>,
    /// A 95 % interval, `mean ± (1.96 standard_error + quadrature)`.
    pub interval: Option<[f64; 2]>,
    /// The number of points.
    pub points: usize,
    /// The number of points whose value was withheld because too few paths count.
    pub withheld: usize,
}

impl PointMean {
    /// Of these values with their errors.
    pub(crate) fn of(what: &'static str, values: &[Option<LogDensity>]) -> Result<Self, Error> {
        let known: Vec<f64> = values.iter().flatten().map(|known| known.value).collect();
        let withheld = values.len() - known.len();
        let few = withheld as f64 <= MOST_WITHHELD * values.len() as f64 && known.len() > 1;
        let found = few.then(|| Estimate::of_values(what, &known)).transpose()?;
        let off: f64 = values.iter().flatten().map(|known| known.quadrature).sum();
        let off = off / known.len() as f64;
        Ok(Self {
            mean: found.map(|found| found.mean),
            standard_error: found.map(|found| found.standard_error),
            quadrature: found.map(|_| off),
            interval: found.map(|Estimate { mean, standard_error }| {
                [-1.0, 1.0].map(|sign| mean + sign * (1.96 * standard_error + off))
            }),
            points: values.len(),
            withheld,
        })
    }

    /// Of values that are known to more digits than count.
    pub(crate) fn of_exact(what: &'static str, values: &[f64]) -> Result<Self, Error> {
        let exact = |&value| {
            Some(LogDensity {
                value,
                standard_error: 0.0,
                quadrature: 0.0,
                effective: f64::INFINITY,
            })
        };
        Self::of(what, &values.iter().map(exact).collect::<Vec<_>>())
    }

    /// With the opposite sign.
    pub(crate) fn negated(self) -> Self {
        Self {
            mean: self.mean.map(|mean| -mean),
            interval: self.interval.map(|[low, high]| [-high, -low]),
            ..self
        }
    }
}

/// What the two densities say of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Divergences {
    /// `KL(p^SDE‖p^ODE)` in nats, over points of the SDE.
    pub sde_from_ode: PointMean,
    /// `KL(p^ODE‖p^SDE)` in nats, over points of the ODE.
    pub ode_from_sde: PointMean,
}

/// The mean log-likelihood of points of the target under both laws, in nats for each point, in the units of the network. The points are
/// diffused to the time that the laws are taken at.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Likelihoods {
    /// Under the SDE's law.
    pub sde: PointMean,
    /// Under the ODE's law.
    pub ode: PointMean,
    /// Whether training has not seen the points.
    pub held_out: bool,
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::{GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Purpose};
    use ndarray::Array2;
    use rand::Rng;

    use super::*;

    /// Mean and variance at 0 of a reverse process with the score `−(x − μ_t)/V_t` of data `N(1, v)` under the Ornstein–Uhlenbeck process of horizon
    /// 2, from the prior, by the moment equations; `λ = 0` or 1.
    fn moments(v: f64, lambda: f64) -> [f64; 2] {
        let rate = |t: f64, [m, s]: [f64; 2]| {
            let (alpha, var) = ((-t).exp(), 0.5 * (1.0 - (-2.0 * t).exp()));
            let (mu, big) = (alpha, alpha * alpha * v + var);
            let factor = 0.5 * (1.0 + lambda * lambda);
            [m - factor * (m - mu) / big, 2.0 * (1.0 - factor / big) * s + lambda * lambda]
        };
        let (n, mut at) = (8000, [0.0, 0.5]);
        let h = 2.0 / f64::from(n);
        for k in 0..n {
            let t = 2.0 - f64::from(k) * h;
            let step = |c: f64, r: [f64; 2]| [at[0] + c * r[0], at[1] + c * r[1]];
            let one = rate(t, at);
            let two = rate(t - 0.5 * h, step(0.5 * h, one));
            let three = rate(t - 0.5 * h, step(0.5 * h, two));
            let four = rate(t - h, step(h, three));
            at = [0, 1]
                .map(|i| at[i] + h / 6.0 * (one[i] + 2.0 * two[i] + 2.0 * three[i] + four[i]));
        }
        at
    }

    #[test]
    fn intervals_of_divergences_hold_what_they_should() {
        // From the prior at T = 2 the mean of the data is not forgotten, so that the two laws differ. Of 40 intervals at 95 % at least 33 hold the
        // divergence; fewer do once in 2000 times.
        let sde = OrnsteinUhlenbeck::new(2.0).unwrap();
        let data = GaussianMixture::new(vec![(1.0, vec![1.0], 0.3)]).unwrap();
        let potential = MixtureMarginals::new(data, sde);
        let [one, other] = [1.0, 0.0].map(|lambda| moments(0.3, lambda));
        let kl = |[m, s]: [f64; 2], [n, r]: [f64; 2]| {
            0.5 * (s / r - 1.0 + (m - n).powi(2) / r + (r / s).ln())
        };
        let times: Vec<f64> = (0..=20).map(|k| 2.0 - f64::from(k) / 10.0).collect();
        let density = SdeDensity { paths: 128, steps: 40, ..SdeDensity::default() };
        for (law, reverse, expected) in
            [(one, false, kl(one, other)), (other, true, kl(other, one))]
        {
            let mut held = 0;
            for seed in 0..40 {
                let streams = Streams::new(seed);
                let mut rng = streams.rng(Purpose::Truth, 0, 0);
                // Box and Muller.
                let mut uniform = || (rng.next_u64() as f64 + 0.5) / 2.0_f64.powi(64);
                let x: Array2<f64> = Array2::from_shape_simple_fn((200, 1), || {
                    let (r, angle) =
                        ((-2.0 * uniform().ln()).sqrt(), std::f64::consts::TAU * uniform());
                    law[0] + law[1].sqrt() * r * angle.cos()
                });
                let found = LogDensities::at(&potential, &sde, &times, x.view(), &density, streams)
                    .unwrap();
                let mean = found.mean_difference().unwrap();
                let mean = if reverse { mean.negated() } else { mean };
                let [low, high] = mean.interval.unwrap();
                held += usize::from((low..=high).contains(&expected));
            }
            assert!(held >= 33, "{held} of 40 hold {expected}");
        }
        assert!(kl(one, other) > 1e-3);
    }

    #[test]
    fn a_mean_is_withheld_if_many_points_lack_a_value() {
        let known =
            |value| LogDensity { value, standard_error: 0.0, quadrature: 0.01, effective: 9.0 };
        let mut values: Vec<_> = (0..200).map(|i| Some(known(f64::from(i % 2)))).collect();
        let all = PointMean::of("value", &values).unwrap();
        assert_eq!((all.mean, all.withheld), (Some(0.5), 0));
        let half = 1.96 * (0.25_f64 / 199.0).sqrt() + 0.01;
        assert!(all.interval.is_some_and(|[low, high]| {
            (high - 0.5 - half).abs().max((0.5 - low - half).abs()) < 1e-12
        }));
        values[3] = None;
        values[7] = None;
        assert!(PointMean::of("value", &values).unwrap().mean.is_some());
        values[9] = None;
        let few = PointMean::of("value", &values).unwrap();
        assert_eq!((few.mean, few.interval, few.withheld), (None, None, 3));
        let negated = all.negated();
        assert_eq!(negated.interval.map(|[low, _]| -low), all.interval.map(|[_, high]| high));
    }
}
