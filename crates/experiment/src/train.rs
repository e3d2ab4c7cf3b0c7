use std::sync::Arc;
use std::time::{Duration, Instant};

use fokker_fp_residual::{Losses, Objective};
use fokker_score_net::{Adam, ScoreNetwork};
use fokker_sde_core::{Streams, Target};
use serde::{Deserialize, Serialize};

use crate::config::MOST_BOX_DIMENSIONS;
use crate::training_state::TrainingState;
use crate::{CellId, Error, Event, Experiment, Progress, RunFolder};

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricsLine {
    #[serde(flatten)]
    pub(crate) cell: CellId,
    /// Steps done.
    pub(crate) step: usize,
    pub(crate) loss: f64,
    pub(crate) dsm: f64,
    /// `None` where no box says anything.
    pub(crate) residual: Option<f64>,
    pub(crate) lr: f64,
    /// Seconds of training so far.
    pub(crate) seconds: f64,
}

/// Steps between two lines of `metrics.jsonl`; the last step always has one.
const LOG_EVERY: usize = 10;

/// Time between two states written down.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Trains the network of one cell, from where an earlier process left it. Returns the network and the
/// seconds it took in all. What it goes on from does not show in the bits of the network.
///
/// Every cell of an experiment draws the same points and starts from the same weights, so that
/// networks that differ in `w_R` differ in nothing else.
pub(crate) fn train(
    experiment: &Experiment,
    cell: &CellId,
    target: &dyn Target,
    folder: &mut RunFolder,
    progress: &dyn Progress,
) -> Result<(ScoreNetwork<f32>, f64), Error> {
    let streams = Streams::new(experiment.seed);
    let training = &experiment.training;
    let architecture = experiment.network.architecture(target.dim());
    let mut network =
        ScoreNetwork::new(&architecture, Arc::new(experiment.diffusion.clone()), streams)?
            .with_backend(experiment.network.backend);
    let saved = folder.reader().training(cell)?;
    let (first, before) = saved.as_ref().map_or((0, 0.0), |state| (state.step, state.seconds));
    let mut adam = match saved {
        Some(state) => state.restore(&mut network, training.steps_into_stage(first))?,
        None => Adam::default(),
    };
    let (clock, mut last_save) = (Instant::now(), Instant::now());
    let steps = experiment.training_steps();
    let mut last_residual = None;
    for step in first..steps {
        let stage = training.stage_of(step);
        if training.steps_into_stage(step) == 0 {
            adam = Adam::default();
        }
        let seconds = before + clock.elapsed().as_secs_f64();
        let cancelled = progress.cancelled();
        if step > first && (cancelled || last_save.elapsed() > SAVE_EVERY) {
            folder.save_training(cell, &TrainingState::new(step, seconds, &network, &adam))?;
            last_save = Instant::now();
        }
        if cancelled {
            return Err(Error::Cancelled);
        }
        let objective = Objective {
            target,
            sde: &experiment.diffusion,
            denoising_points: training.denoising_points,
            residual_points: training.residual_points,
            residual_weight: cell.w_r * stage.residual_factor,
            times: training.times,
            collocation: training.collocation,
        };
        let (losses, gradient) = objective.gradient(&network, streams, step as u64)?;
        let logged = step % LOG_EVERY == 0 || step + 1 == steps;
        let residual = match losses.residual {
            None if logged && target.dim() <= MOST_BOX_DIMENSIONS => {
                Some(objective.mean_squared_residual(&network, streams, step as u64)?)
            }
            known => known.or(last_residual),
        };
        last_residual = residual;
        adam.update(&mut network, &gradient, stage.learning_rate)?;
        let done = step + 1;
        if logged {
            folder.append_metrics(&MetricsLine {
                cell: cell.clone(),
                step: done,
                loss: losses.total,
                dsm: losses.denoising,
                residual,
                lr: stage.learning_rate,
                seconds,
            })?;
        }
        let losses = Losses { residual, ..losses };
        progress.on(Event::Trained { cell, step: done, steps, losses });
    }
    let seconds = before + clock.elapsed().as_secs_f64();
    if first < steps {
        // What comes after training may be ended early, too.
        folder.save_training(cell, &TrainingState::new(steps, seconds, &network, &adam))?;
    }
    Ok((network, seconds))
}
