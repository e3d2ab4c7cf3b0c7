//! What is known of a model when it is explained.

use std::path::Path;

use fokker_fp_residual::Estimate;
use serde::Serialize;

use super::{Divergences, Likelihoods, RotationAt};
use crate::figures::{ScatterFigure, ScatterPoint, ScatterSeries, ScatterStyle};
use crate::{DistanceKind, Error, files};

/// Why the two samplers of a model differ. All laws are those at `last_time`; all quantities are in the units of the network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExplainReport {
    /// The checkpoint.
    pub model: String,
    /// The target: a name, or the file that holds its points.
    pub target: Option<String>,
    /// Whether everything is in standardised units.
    pub standardised: bool,
    /// The master seed.
    pub seed: u64,
    /// The horizon `T`.
    pub from: f64,
    /// The time that everything goes down to.
    pub last_time: f64,
    /// The distance between the two laws, measured.
    pub gap: SamplerGap,
    /// Of a potential: the divergences between the two laws.
    pub divergences: Option<Divergences>,
    /// Of a potential, if there is a target: the likelihood of its points.
    pub likelihoods: Option<Likelihoods>,
    /// Of a potential: the energy of the difference.
    pub energy: Option<EnergyForms>,
    /// Of a potential: bounds on the distance.
    pub bounds: Option<Bounds>,
    /// Of a potential: where in time the difference is made.
    pub attribution: Vec<Attribution>,
    /// Of a potential, and a mixture whose score is known: the variational bound.
    pub variational: Option<VariationalReport>,
    /// Why there are no maps, if they were asked for.
    pub no_fields: Option<String>,
    /// Of a vector score: how far it is from a gradient.
    pub rotation: Vec<RotationAt>,
}

/// The measured distance between the two samplers' laws.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SamplerGap {
    /// What `w2sq` is.
    pub distance: DistanceKind,
    /// The number of particles of each.
    pub n: usize,
    /// The squared distance.
    pub w2sq: f64,
    /// What it is on average between two draws of so many points from the SDE's.
    pub floor: f64,
    /// The shares of the ODE's and the SDE's particles outside the box, which are in no distance.
    pub outside: [f64; 2],
}

/// A number with its standard error.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WithError {
    /// The number.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
}

impl From<Estimate> for WithError {
    fn from(Estimate { mean, standard_error }: Estimate) -> Self {
        Self { value: mean, standard_error }
    }
}

/// The energy `∫ ½g² E_{p^SDE_t}|∇w|² dt` of the difference between the laws, and bounds on it; see [`Energy`](fokker_fp_residual::Energy).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EnergyForms {
    /// By the integral itself, with `∇w` estimated at points of the SDE's law; `None` if too few points have an estimate.
    pub direct: Option<WithError>,
    /// By the identity, with `log p^SDE` estimated where trajectories end, and its error with what the quadrature may be off; `None` if too few of
    /// them have an estimate.
    pub identity: Option<WithError>,
    /// The bound by Jensen's inequality: about twice the energy where that is small.
    pub jensen: WithError,
    /// The bound by mean squares of `ε` less its mean over the SDE's law at each time.
    pub centred: WithError,
    /// The bound by mean squares of `ε`.
    pub naive: WithError,
}

/// Bounds on `W2` (not squared) between the two laws, and estimates of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bounds {
    /// `∫ (E|DΦ ½g²∇w|²)^½ dt` along trajectories of the ODE, with the derivative `DΦ` of its flow down to the last time, two standard errors and what
    /// the quadrature may be off; `None` if too few points have an estimate of `∇w`.
    pub by_flow: Option<f64>,
    /// `∫ (E[e^{2∫λ} |½g²∇w|²])^½ dt` along the same, with one-sided Lipschitz numbers `λ`.
    pub by_trajectories: Option<f64>,
    /// `(½∫g² e^{2L} dt)^½ E^½` with the largest one-sided Lipschitz numbers and quantiles of them, and several forms of `E`.
    pub by_energy: Vec<EnergyBound>,
}

/// `W2 ≤ (½∫g² e^{2L} dt)^½ E^½` with `L = ∫Λ dt`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct EnergyBound {
    /// The quantile of the one-sided Lipschitz numbers that stands for `Λ_t`: 1 is the largest, and a bound; less is an estimate of one.
    pub quantile: f64,
    /// `ln (½∫g² e^{2L} dt)^½`.
    pub log_amplification: f64,
    /// With the bound on the energy by Jensen's inequality and two standard errors; `None` if it is too large for a number.
    pub jensen: Option<f64>,
    /// With the energy by the identity and two standard errors.
    pub identity: Option<f64>,
    /// With the naive bound on the energy and two standard errors.
    pub naive: Option<f64>,
}

/// What one time adds to the difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Attribution {
    /// The time.
    pub t: f64,
    /// The median of `ε` over the SDE's law: the part that depends on `t` alone, and makes no difference.
    pub residual_median: f64,
    /// Half of the range that the middle 80 % of `ε` over the SDE's law are in. The few points where a network has learned nothing are in neither.
    pub residual_spread: f64,
    /// `½g²‖∇w_t‖` over the SDE's law: by how much the velocities of the two laws differ; `None` if it is lost in its errors or
    /// too few points have an estimate.
    pub velocity: Option<f64>,
    /// The largest one-sided Lipschitz number of the ODE seen at this time, per unit of time.
    pub lipschitz_max: f64,
    /// Their median.
    pub lipschitz_median: f64,
    /// The share of points whose `∇w` was withheld.
    pub withheld: f64,
}

/// The bound `KL(p_t‖p^SDE_t) ≤ KL(p_T‖π) + ½∫g² E_{p_t}|∇log p_t − s|² dt` at the last time; in nats.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct VariationalReport {
    /// The right side.
    pub bound: WithError,
    /// `KL(p‖p^SDE)`.
    pub sde: super::PointMean,
    /// `KL(p‖p^ODE)`, which the bound does not hold for.
    pub ode: super::PointMean,
}

impl ExplainReport {
    /// Draws the difference of the velocities and the residual against time.
    pub(crate) fn draw_curves(&self, to: &Path) -> Result<(), Error> {
        let series = |label: &str, value: &dyn Fn(&Attribution) -> Option<f64>| ScatterSeries {
            label: label.to_owned(),
            points: self
                .attribution
                .iter()
                .filter_map(|at| {
                    Some(ScatterPoint { x: at.t, y: value(at)?, label: String::new() })
                })
                .collect(),
            style: ScatterStyle::Joined,
        };
        let figure = ScatterFigure {
            x_label: "t".to_owned(),
            y_label: "over the SDE's law at t".to_owned(),
            note: String::new(),
            series: vec![
                series("½g²‖grad w‖, the difference of the velocities", &|at| at.velocity),
                series("spread of ε, half of the middle 80 %", &|at| Some(at.residual_spread)),
                series("|median of ε|, which makes no difference", &|at| {
                    Some(at.residual_median.abs())
                }),
            ],
        };
        files::write(to, &figure.draw_png()?)
    }
}
