//! The densities of both samplers' laws at points, and what follows from them: divergences and likelihoods.

use fokker_fp_residual::{Estimate, SdeDensity};
use fokker_samplers::{Flow, Solver, Tolerance};
use fokker_sde_core::{Potential, Real, ScoreDivergence, Sde, Streams};
use ndarray::{Array1, ArrayView2};
use serde::Serialize;

use crate::Error;

/// The tolerance of the flow along which the ODE's density is found.
const TOLERANCE: Tolerance = Tolerance { absolute: 1e-4, relative: 1e-4 };

/// The share of points without an estimate from which on a mean over the others is not given: those that are missing are
/// not like them.
pub(super) const MOST_WITHHELD: f64 = 0.01;

/// Log-densities at some points, in nats.
pub(crate) struct LogDensities {
    /// Of the SDE's law, where it is known.
    pub(crate) sde: Vec<Option<f64>>,
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
        let sde_density = found.into_iter().map(|found| found.ok().map(|found| found.value));
        let rising: Vec<f64> = times.iter().rev().copied().collect();
        let flow = Flow { solver: Solver::DormandPrince, tolerance: Some(TOLERANCE) };
        let (ode, _): (Array1<f64>, _) = flow.log_density(potential, sde, x, &rising)?;
        Ok(Self { sde: sde_density.collect(), ode: ode.to_vec() })
    }

    /// `log p^SDE − log p^ODE` where it is known.
    pub(crate) fn differences(&self) -> Vec<Option<f64>> {
        self.sde.iter().zip(&self.ode).map(|(sde, ode)| sde.map(|sde| sde - ode)).collect()
    }
}

/// A mean over points, some of which may lack a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct PointMean {
    /// The mean; `None` if it was withheld because more than a hundredth of the points have no value.
    pub mean: Option<f64>,
    /// Its standard error, by the spread over the points, which that of their estimates is part of.
    pub standard_error: Option<f64>,
    /// A 95 % interval, `mean ± 1.96 standard_error`.
    pub interval: Option<[f64; 2]>,
    /// The number of points.
    pub points: usize,
    /// The number of points whose value was withheld because too few paths count.
    pub withheld: usize,
}

impl PointMean {
    /// Of these values.
    pub(crate) fn of(what: &'static str, values: &[Option<f64>]) -> Result<Self, Error> {
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let withheld = values.len() - known.len();
        let few = withheld as f64 <= MOST_WITHHELD * values.len() as f64 && known.len() > 1;
        let found = few.then(|| Estimate::of_values(what, &known)).transpose()?;
        Ok(Self {
            mean: found.map(|found| found.mean),
            standard_error: found.map(|found| found.standard_error),
            interval: found.map(|Estimate { mean, standard_error }| {
                [-1.96, 1.96].map(|quantile| mean + quantile * standard_error)
            }),
            points: values.len(),
            withheld,
        })
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
