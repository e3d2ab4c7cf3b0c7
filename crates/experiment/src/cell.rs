use serde::{Deserialize, Serialize};

use crate::{DistanceKind, Energies, Modes};

/// Which cell of an experiment: a target and a weight of the residual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CellId {
    /// The label of the law to learn.
    pub target: String,
    /// The weight `w_R`.
    pub w_r: f64,
}

impl CellId {
    /// The stem of the cell's file names, such as `checkerboard_w0.1`.
    pub fn stem(&self) -> String {
        format!("{}_w{}", self.target, self.w_r)
    }
}

impl std::fmt::Display for CellId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, w_R = {}", self.target, self.w_r)
    }
}

/// A model and what was measured of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// The checkpoint; of a run, within its folder.
    pub model: String,
    /// The target: its label in the experiment, a name, or the file that holds its points.
    pub target: String,
    /// The weight `w_R` that the model was trained with, if that is known.
    pub w_r: Option<f64>,
    /// Whether the points of the truth were kept from training.
    #[serde(default)]
    pub held_out: bool,
    /// Whether everything below is in standardised units.
    #[serde(default)]
    pub standardised: bool,
    /// The distances.
    #[serde(flatten)]
    pub distances: Distances,
    /// The modes of the target, if it has any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modes: Option<Modes>,
    /// The residual of the network.
    #[serde(flatten)]
    pub residual: ResidualMeans,
    /// The denoising score matching loss over times of the training law, unweighted.
    pub dsm: f64,
    /// Its standard error.
    pub dsm_se: f64,
    /// Evaluations of the score for each particle of the ODE and of the SDE.
    pub evaluations: [f64; 2],
    /// Seconds of training, if that is known.
    pub train_seconds: Option<f64>,
    /// Seconds of sampling, both ways together.
    pub sample_seconds: f64,
}

/// Distances between the two samplers' points and the truth.
///
/// Every distance is a *squared* Wasserstein-2 distance as [`DistanceKind`] says, in units of the data
/// squared, or standardised ones ([`Cell::standardised`]). Its interval is a 95 % basic bootstrap interval, see
/// [`bootstrap_interval`](fokker_metrics::bootstrap_interval).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Distances {
    /// What is called `W2²` below.
    #[serde(default)]
    pub distance: DistanceKind,
    /// The number of points of each sampler, those outside the box included.
    pub n: usize,
    /// The number of points of the truth, those outside the box included.
    pub n_truth: usize,
    /// The noise floor of the distances to the truth: what `W2²` is on average between `n` and `n_truth`
    /// independent points of the truth.
    pub floor: f64,
    /// The noise floor of the distance between the samplers: what `W2²` is on average between two times `n`
    /// points drawn from those of the SDE.
    pub floor_ode_sde: f64,
    /// `W2²` between the ODE's samples and the truth.
    pub w2sq_ode_truth: f64,
    /// Its interval.
    pub w2sq_ode_truth_ci: [f64; 2],
    /// `W2²` between the SDE's samples and the truth.
    pub w2sq_sde_truth: f64,
    /// Its interval.
    pub w2sq_sde_truth_ci: [f64; 2],
    /// `W2²` between the ODE's and the SDE's samples.
    pub w2sq_ode_sde: f64,
    /// Its interval.
    pub w2sq_ode_sde_ci: [f64; 2],
    /// The share of the ODE's samples outside the box, which no distance sees.
    pub outside_ode: f64,
    /// The share of the SDE's samples outside the box.
    pub outside_sde: f64,
    /// The share of the truth's points outside the box.
    #[serde(default)]
    pub outside_truth: f64,
    /// Energy distances, in other dimensions than two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Energies>,
}

/// The share of the truth outside the box from which on it is said in words.
const MUCH: f64 = 0.01;

impl Distances {
    /// What is to be said where more than 1 % of the truth lies outside the box; `None` where not.
    pub fn truth_outside_in_words(&self) -> Option<String> {
        (self.outside_truth > MUCH).then(|| {
            format!(
                "{:.1} % of the truth's points lie outside the box, and in no distance: a larger extent would hold them",
                100.0 * self.outside_truth
            )
        })
    }
}

/// Means of the squared residual `ε²` of a network, each with its standard error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResidualMeans {
    /// Over the collocation box: `t` uniform in time, `x` uniform in the box. In more than three
    /// dimensions, where hardly any of a box is near the data, there is none.
    pub mean_residual_sq: Option<f64>,
    /// Its standard error.
    pub mean_residual_sq_se: Option<f64>,
    /// Along the law of the forward process: `t` uniform in time, `x` from `p_t`. Needs a target.
    pub marginal_residual_sq: Option<f64>,
    /// Its standard error.
    pub marginal_residual_sq_se: Option<f64>,
    /// The same by bands of time.
    pub residual_bands: Vec<ResidualBand>,
}

/// Means of `ε²` over a band of times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ResidualBand {
    /// The first time.
    pub from: f64,
    /// The last time.
    pub to: f64,
    /// Over the collocation box, in up to three dimensions.
    #[serde(rename = "box")]
    pub collocation: Option<f64>,
    /// Its standard error.
    pub box_se: Option<f64>,
    /// Along the law of the forward process.
    pub marginal: Option<f64>,
    /// Its standard error.
    pub marginal_se: Option<f64>,
}
