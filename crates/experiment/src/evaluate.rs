use std::time::Instant;

use fokker_metrics::HistogramError;
use fokker_samplers::Cost;
use fokker_score_net::{Checkpoint, ScoreNetwork};
use fokker_sde_core::Sde;
use ndarray::Array2;

use crate::residual_means::ResidualMeter;
use crate::sample::sample;
use crate::side::Side;
use crate::truth::Truth;
use crate::{Cell, Distances, Energies, Error, Event, Method, Modes, Progress, Protocol};

/// The points of one sampler, in the units of the network.
pub(crate) struct Samples {
    pub(crate) points: Array2<f32>,
    /// The same, as their distance takes them.
    pub(crate) side: Side,
    pub(crate) cost: Cost,
}

/// A measured model with what its figures and files are made of.
pub(crate) struct Evaluation {
    pub(crate) cell: Cell,
    pub(crate) sde: Samples,
    pub(crate) ode: Samples,
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
    let meter =
        ResidualMeter { network, sde: diffusion, target: Some(truth.target.as_ref()), protocol };
    let distances = distances(protocol, &ode, &sde, truth, progress)
        .map_err(|error| error.in_the_box_of(name, protocol.measurement.extent))?;
    let dsm = meter.denoising_loss(truth.target.as_ref())?;
    let cell = Cell {
        model: String::new(),
        target: String::new(),
        w_r: None,
        held_out: truth.held_out,
        standardised: truth.standardisation.is_some(),
        distances,
        modes: Modes::of(
            truth.target.as_ref(),
            [ode.points.view(), sde.points.view(), truth.points.view()],
        ),
        residual: meter.residual_means()?,
        dsm: dsm.mean,
        dsm_se: dsm.standard_error,
        evaluations: [&ode, &sde].map(|samples| samples.cost.evaluations_per_particle()),
        train_seconds: None,
        sample_seconds,
    };
    Ok(Evaluation { cell, sde, ode })
}

fn sampled(
    protocol: &Protocol,
    name: &str,
    network: &ScoreNetwork<f32>,
    sde: &dyn Sde,
    method: Method,
    progress: &dyn Progress,
) -> Result<Samples, Error> {
    let found = sample(network, sde, method, &protocol.sampling, protocol.seed, progress)?;
    let (points, cost) = (found.particles, found.cost);
    match Side::new(protocol, points.view()) {
        Err(Error::Histogram(HistogramError::Empty { .. })) => {
            let (name, extent) = (name.to_owned(), protocol.measurement.extent);
            Err(Error::OutsideTheBox { name, method, extent })
        }
        result => Ok(Samples { points, side: result?, cost }),
    }
}

pub(crate) fn distances(
    protocol: &Protocol,
    ode: &Samples,
    sde: &Samples,
    truth: &Truth,
    progress: &dyn Progress,
) -> Result<Distances, Error> {
    let n = protocol.sampling.particles;
    let interval = |index, first: &Side, second| first.interval(second, protocol, index, progress);
    let ode_truth = interval(2, &ode.side, &truth.side)?;
    let sde_truth = interval(3, &sde.side, &truth.side)?;
    let ode_sde = interval(4, &ode.side, &sde.side)?;
    let energy = match truth.side {
        Side::Grid(_) => None,
        _ => Some(Energies::between(protocol, &ode.points, &sde.points, &truth.points)?),
    };
    Ok(Distances {
        distance: truth.side.kind(),
        n,
        n_truth: truth.side.count(),
        floor: truth.floor,
        floor_ode_sde: sde.side.floor(protocol, 1, [n, n])?,
        w2sq_ode_truth: ode_truth.0,
        w2sq_ode_truth_ci: ode_truth.1,
        w2sq_sde_truth: sde_truth.0,
        w2sq_sde_truth_ci: sde_truth.1,
        w2sq_ode_sde: ode_sde.0,
        w2sq_ode_sde_ci: ode_sde.1,
        outside_ode: ode.side.dropped(),
        outside_sde: sde.side.dropped(),
        outside_truth: truth.side.dropped(),
        energy,
    })
}
