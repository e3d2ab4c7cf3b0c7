use std::time::Instant;

use fokker_fp_residual::{Losses, Objective};
use fokker_score_net::{Adam, Mlp};
use fokker_sde_core::{Streams, Target};
use serde::Serialize;

use crate::{CellId, Error, Event, Experiment, Progress};

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct MetricsLine {
    #[serde(flatten)]
    pub(crate) cell: CellId,
    /// Steps done.
    pub(crate) step: usize,
    pub(crate) loss: f64,
    pub(crate) dsm: f64,
    pub(crate) residual: f64,
    pub(crate) lr: f64,
    /// Seconds since the training of this cell began.
    pub(crate) seconds: f64,
}

/// Steps between two lines of `metrics.jsonl`; the last step always has one.
const LOG_EVERY: usize = 10;

/// Trains the network of one cell; `log` is called for each line of metrics. Returns the network and
/// the seconds it took.
///
/// Every cell of an experiment draws the same points and starts from the same weights, so that
/// networks that differ in `w_R` differ in nothing else.
pub(crate) fn train(
    experiment: &Experiment,
    cell: CellId,
    target: &dyn Target,
    progress: &dyn Progress,
    mut log: impl FnMut(MetricsLine) -> Result<(), Error>,
) -> Result<(Mlp<f32>, f64), Error> {
    let clock = Instant::now();
    let streams = Streams::new(experiment.seed);
    let training = &experiment.training;
    let mut network = Mlp::new(&experiment.network.shape(target.dim()), streams)?
        .with_backend(experiment.network.backend);
    let steps = experiment.training_steps();
    let mut step = 0;
    let mut last_residual = None;
    for stage in &training.stages {
        let mut adam = Adam::default();
        let objective = Objective {
            target,
            sde: &experiment.diffusion,
            denoising_points: training.denoising_points,
            residual_points: training.residual_points,
            residual_weight: cell.w_r * stage.residual_factor,
            times: training.times,
            collocation: training.collocation,
        };
        for _ in 0..stage.steps {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            let (losses, gradient) = objective.gradient(&network, streams, step as u64)?;
            let logged = step % LOG_EVERY == 0 || step + 1 == steps;
            let residual = match losses.residual {
                None if logged => {
                    Some(objective.mean_squared_residual(&network, streams, step as u64)?)
                }
                known => known.or(last_residual),
            };
            last_residual = residual;
            adam.update(&mut network, &gradient, stage.learning_rate)?;
            step += 1;
            if let (true, Some(residual)) = (logged, residual) {
                log(MetricsLine {
                    cell,
                    step,
                    loss: losses.total,
                    dsm: losses.denoising,
                    residual,
                    lr: stage.learning_rate,
                    seconds: clock.elapsed().as_secs_f64(),
                })?;
            }
            progress.on(Event::Trained {
                cell,
                step,
                steps,
                losses: Losses { residual, ..losses },
            });
        }
    }
    Ok((network, clock.elapsed().as_secs_f64()))
}
