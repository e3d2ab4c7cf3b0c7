use std::time::Instant;

use fokker_metrics::{Grid, Histogram, HistogramError, bootstrap, noise_floor, squared_w2};
use fokker_score_net::{Checkpoint, Mlp};
use fokker_sde_core::{Purpose, Sde, Streams, Target, TargetName, sample_target};
use ndarray::Array2;

use crate::residual_means::ResidualMeter;
use crate::sample::sample;
use crate::{
    Cell, Distances, Error, Event, Method, Progress, Protocol, TargetSource, target_source,
};

/// Draws that a noise floor is averaged over.
pub(crate) const FLOOR_DRAWS: u64 = 10;

/// The level of the bootstrap intervals.
pub(crate) const LEVEL: f64 = 0.95;

/// What samples of one target are compared with.
pub(crate) struct Truth {
    pub(crate) target: Box<dyn Target>,
    /// Points of the target; none of one that is points itself.
    pub(crate) points: Option<Array2<f32>>,
    pub(crate) histogram: Histogram,
    floor: f64,
}

impl Truth {
    /// As many points of a law known by name as a model has particles.
    pub(crate) fn draw(protocol: &Protocol, name: TargetName) -> Result<Self, Error> {
        let target = name.target();
        let streams = Streams::new(protocol.seed);
        let draw = |purpose, index| {
            let n = protocol.sampling.particles;
            sample_target::<f32>(target.as_ref(), n, streams, purpose, index)
        };
        let points = draw(Purpose::Truth, 0);
        let histogram = histogram(protocol, &points)?;
        let mut floor = 0.0;
        for index in 0..FLOOR_DRAWS {
            let other = self::histogram(protocol, &draw(Purpose::Floor, index))?;
            floor += w2sq(&histogram, &other)? / FLOOR_DRAWS as f64;
        }
        Ok(Self { target, points: Some(points), histogram, floor })
    }

    /// A law known by name, or all points of a file.
    pub(crate) fn load(protocol: &Protocol, source: &TargetSource) -> Result<Self, Error> {
        let path = match source {
            TargetSource::Named(name) => return Self::draw(protocol, *name),
            TargetSource::Points(path) => path,
        };
        let law = target_source::read_law(path)?;
        let histogram = Histogram::from_points(square_grid(protocol)?, law.points().view());
        let histogram = histogram
            .map_err(|error| Error::Content { path: path.clone(), reason: error.to_string() })?;
        let counts = [protocol.sampling.particles, point_count(&histogram)];
        let floor = floor_of(protocol, 0, &histogram, counts)?;
        Ok(Self { target: Box::new(law), points: None, histogram, floor })
    }
}

/// The mean of `W2²` between draws of so many points from a histogram.
fn floor_of(
    protocol: &Protocol,
    index: u64,
    law: &Histogram,
    counts: [usize; 2],
) -> Result<f64, Error> {
    let rng = |draw| Streams::new(protocol.seed).rng(Purpose::Bootstrap, index, draw);
    let counts = counts.map(|n| n as u64);
    Ok(noise_floor(law, counts, FLOOR_DRAWS, rng, w2sq)?.mean)
}

fn w2sq(first: &Histogram, second: &Histogram) -> Result<f64, Error> {
    Ok(squared_w2(first, second)?.distance.value)
}

/// The number of points behind a histogram, inside the box and outside.
fn point_count(histogram: &Histogram) -> usize {
    histogram.points().unwrap_or(0) as usize
}

/// The points of one sampler and their histogram.
pub(crate) struct Samples {
    pub(crate) points: Array2<f32>,
    pub(crate) histogram: Histogram,
}

/// A measured model with what its figures and files are made of.
pub(crate) struct Evaluation {
    pub(crate) cell: Cell,
    pub(crate) sde: Samples,
    pub(crate) ode: Samples,
}

fn square_grid(protocol: &Protocol) -> Result<Grid, Error> {
    let measurement = &protocol.measurement;
    Grid::square(measurement.nodes, measurement.extent)
        .map_err(|error| Error::Internal(error.to_string()))
}

pub(crate) fn histogram(protocol: &Protocol, points: &Array2<f32>) -> Result<Histogram, Error> {
    Ok(Histogram::from_points(square_grid(protocol)?, points.view())?)
}

/// Samples a trained network both ways and measures everything about it; `name` stands for it in
/// messages. What only its maker knows of it is left open.
pub(crate) fn evaluate(
    protocol: &Protocol,
    name: &str,
    checkpoint: &Checkpoint<f32>,
    truth: &Truth,
    progress: &dyn Progress,
) -> Result<Evaluation, Error> {
    let Checkpoint { network, diffusion, .. } = checkpoint;
    let clock = Instant::now();
    let sampled = |method| sampled(protocol, name, network, diffusion, method, progress);
    let (sde, ode) = (sampled(Method::Sde)?, sampled(Method::Ode)?);
    let sample_seconds = clock.elapsed().as_secs_f64();
    progress.on(Event::Measuring { name });
    let meter = ResidualMeter {
        potential: network,
        sde: diffusion,
        target: Some(truth.target.as_ref()),
        protocol,
    };
    let dsm = meter.denoising_loss(truth.target.as_ref())?;
    let cell = Cell {
        model: String::new(),
        target: String::new(),
        w_r: None,
        distances: distances(protocol, &ode.histogram, &sde.histogram, truth, progress)?,
        residual: meter.residual_means()?,
        dsm: dsm.mean,
        dsm_se: dsm.standard_error,
        train_seconds: None,
        sample_seconds,
    };
    Ok(Evaluation { cell, sde, ode })
}

fn sampled(
    protocol: &Protocol,
    name: &str,
    network: &Mlp<f32>,
    sde: &dyn Sde,
    method: Method,
    progress: &dyn Progress,
) -> Result<Samples, Error> {
    let sampling = &protocol.sampling;
    let (grid, n) = (sampling.grid, sampling.particles);
    let points = sample(network, sde, method, grid, n, protocol.seed, progress)?;
    match histogram(protocol, &points) {
        Err(Error::Histogram(HistogramError::Empty { .. })) => {
            let (name, extent) = (name.to_owned(), protocol.measurement.extent);
            Err(Error::OutsideTheBox { name, method, extent })
        }
        result => Ok(Samples { points, histogram: result? }),
    }
}

fn distances(
    protocol: &Protocol,
    ode: &Histogram,
    sde: &Histogram,
    truth: &Truth,
    progress: &dyn Progress,
) -> Result<Distances, Error> {
    let n = protocol.sampling.particles;
    let truth_points = &truth.histogram;
    let ode_truth = interval(protocol, 2, [ode, truth_points], progress)?;
    let sde_truth = interval(protocol, 3, [sde, truth_points], progress)?;
    let ode_sde = interval(protocol, 4, [ode, sde], progress)?;
    Ok(Distances {
        n,
        n_truth: point_count(&truth.histogram),
        floor: truth.floor,
        floor_ode_sde: floor_of(protocol, 1, sde, [n, n])?,
        w2sq_ode_truth: ode_truth.0,
        w2sq_ode_truth_ci: ode_truth.1,
        w2sq_sde_truth: sde_truth.0,
        w2sq_sde_truth_ci: sde_truth.1,
        w2sq_ode_sde: ode_sde.0,
        w2sq_ode_sde_ci: ode_sde.1,
        outside_ode: ode.dropped(),
        outside_sde: sde.dropped(),
    })
}

/// `W2²` between two histograms, with its bootstrap interval.
fn interval(
    protocol: &Protocol,
    index: u64,
    [first, second]: [&Histogram; 2],
    progress: &dyn Progress,
) -> Result<(f64, [f64; 2]), Error> {
    let rng = |replicate| Streams::new(protocol.seed).rng(Purpose::Bootstrap, index, replicate);
    let metric = |first: &Histogram, second: &Histogram| {
        if progress.cancelled() { Err(Error::Cancelled) } else { w2sq(first, second) }
    };
    let replicates = protocol.measurement.bootstrap as u64;
    let found = bootstrap(first, second, replicates, LEVEL, rng, metric)?;
    Ok((w2sq(first, second)?, found))
}
