use std::time::Instant;

use fokker_fp_residual::mean_squared_residual;
use fokker_metrics::{Histogram, HistogramError, SquareGrid, squared_w2};
use fokker_score_net::Mlp;
use fokker_sde_core::{Purpose, Sde, Streams, Target, TargetName, sample_target};
use ndarray::Array2;
use serde::Serialize;

use crate::sample::sample;
use crate::{Error, Event, Experiment, Method, Progress};

/// Which cell of an experiment: a target and a weight of the residual.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CellId {
    /// The law to learn.
    pub target: TargetName,
    /// The weight `w_R`.
    pub w_r: f64,
}

impl CellId {
    /// The stem of the cell's file names, such as `checkerboard_w0.1`.
    pub fn stem(&self) -> String {
        format!("{}_w{}", self.target, self.w_r)
    }
}

/// The results of one cell. Every distance is a *squared* Wasserstein-2 distance between histograms
/// of `n` points each, in units of the data squared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// The target and the weight.
    #[serde(flatten)]
    pub id: CellId,
    /// The number of points behind each histogram, those outside the box included.
    pub n: usize,
    /// The noise floor: what `W2²` is on average between two independent draws of `n` points of the
    /// truth.
    pub floor: f64,
    /// `W2²` between the ODE's samples and the truth.
    pub w2sq_ode_truth: f64,
    /// `W2²` between the SDE's samples and the truth.
    pub w2sq_sde_truth: f64,
    /// `W2²` between the ODE's and the SDE's samples.
    pub w2sq_ode_sde: f64,
    /// The share of the ODE's samples outside the box, which no distance sees.
    pub outside_ode: f64,
    /// The share of the SDE's samples outside the box.
    pub outside_sde: f64,
    /// `mean ε²` of the network over the collocation box.
    pub mean_residual_sq: f64,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Seconds of sampling, both ways together.
    pub sample_seconds: f64,
}

/// Draws of the truth that the noise floor is averaged over, beside the one that samples are compared
/// with.
const FLOOR_DRAWS: u64 = 3;

/// What samples of one target are compared with.
pub(crate) struct Truth {
    pub(crate) points: Array2<f32>,
    pub(crate) histogram: Histogram,
    floor: f64,
}

impl Truth {
    pub(crate) fn draw(experiment: &Experiment, target: &dyn Target) -> Result<Self, Error> {
        let n = experiment.sampling.particles;
        let streams = Streams::new(experiment.seed);
        let draw = |purpose, index| sample_target::<f32>(target, n, streams, purpose, index);
        let points = draw(Purpose::Truth, 0);
        let histogram = histogram(experiment, &points)?;
        let mut floor = 0.0;
        for index in 0..FLOOR_DRAWS {
            let other = self::histogram(experiment, &draw(Purpose::Floor, index))?;
            floor += squared_w2(&histogram, &other)?.squared_w2 / FLOOR_DRAWS as f64;
        }
        Ok(Self { points, histogram, floor })
    }
}

/// The points of one sampler and their histogram.
pub(crate) struct Samples {
    pub(crate) points: Array2<f32>,
    pub(crate) histogram: Histogram,
}

/// A finished cell with what its figures and files are made of.
pub(crate) struct Evaluation {
    pub(crate) cell: Cell,
    pub(crate) sde: Samples,
    pub(crate) ode: Samples,
}

fn histogram(experiment: &Experiment, points: &Array2<f32>) -> Result<Histogram, Error> {
    let measurement = &experiment.measurement;
    let grid = SquareGrid::new(measurement.nodes, measurement.extent)
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(Histogram::from_points(grid, points.view())?)
}

/// Samples a trained network both ways and measures everything about it.
pub(crate) fn evaluate(
    experiment: &Experiment,
    id: CellId,
    network: &Mlp<f32>,
    train_seconds: f64,
    truth: &Truth,
    progress: &dyn Progress,
) -> Result<Evaluation, Error> {
    let clock = Instant::now();
    let Experiment { seed, diffusion, sampling, training, measurement, .. } = experiment;
    let samples = |method| {
        let n = sampling.particles;
        let points = sample(network, diffusion, method, sampling.grid, n, *seed, progress)?;
        let histogram = match histogram(experiment, &points) {
            Err(Error::Histogram(HistogramError::Empty { .. })) => {
                let extent = measurement.extent;
                return Err(Error::OutsideTheBox { cell: id, method, extent });
            }
            result => result?,
        };
        Ok::<_, Error>(Samples { points, histogram })
    };
    let (sde, ode) = (samples(Method::Sde)?, samples(Method::Ode)?);
    let sample_seconds = clock.elapsed().as_secs_f64();
    progress.on(Event::Measuring { cell: id });
    let mut rng = Streams::new(*seed).rng(Purpose::Evaluation, 0, 0);
    let dim = network.shape().dim;
    let (t, x) =
        training.collocation.draw(measurement.residual_points, dim, diffusion.horizon(), &mut rng);
    let outside =
        |samples: &Samples| samples.histogram.outside() as f64 / sampling.particles as f64;
    let w2sq = |a: &Histogram, b: &Histogram| Ok::<_, Error>(squared_w2(a, b)?.squared_w2);
    let cell = Cell {
        id,
        n: sampling.particles,
        floor: truth.floor,
        w2sq_ode_truth: w2sq(&ode.histogram, &truth.histogram)?,
        w2sq_sde_truth: w2sq(&sde.histogram, &truth.histogram)?,
        w2sq_ode_sde: w2sq(&ode.histogram, &sde.histogram)?,
        outside_ode: outside(&ode),
        outside_sde: outside(&sde),
        mean_residual_sq: mean_squared_residual(network, diffusion, t.view(), x.view())?,
        train_seconds,
        sample_seconds,
    };
    Ok(Evaluation { cell, sde, ode })
}
