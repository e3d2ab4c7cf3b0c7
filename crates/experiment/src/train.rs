use std::sync::Arc;
use std::time::{Duration, Instant};

use fokker_fp_residual::{Combination, Losses, TimeImportance};
use fokker_score_net::{Optimizer, ScoreNetwork, WeightAverage};
use fokker_sde_core::{Streams, Target};
use serde::{Deserialize, Serialize};

use crate::training_state::TrainingState;
use crate::{CellId, Error, Event, Experiment, Progress, RunFolder, Training};

/// One line of `metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct MetricsLine {
    #[serde(flatten)]
    pub(crate) cell: CellId,
    /// Steps done.
    pub(crate) step: usize,
    pub(crate) loss: f64,
    pub(crate) dsm: f64,
    /// `None` where it is not known.
    pub(crate) residual: Option<f64>,
    /// Its standard error, the noise of probes included; `None` in files of earlier versions.
    #[serde(default)]
    pub(crate) residual_se: Option<f64>,
    pub(crate) lr: f64,
    /// Seconds of training so far.
    pub(crate) seconds: f64,
}

/// Steps between two lines of `metrics.jsonl`; the last step always has one.
const LOG_EVERY: usize = 10;

/// Time between two states written down.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// What training keeps beside the network.
pub(crate) struct Learner {
    pub(crate) optimizer: Optimizer<f32>,
    pub(crate) average: Option<WeightAverage<f32>>,
    pub(crate) importance: Option<TimeImportance>,
}

impl Learner {
    fn new(training: &Training) -> Self {
        Self {
            optimizer: Optimizer::new(training.optimizer),
            average: training.average.map(WeightAverage::new),
            importance: training.importance.then(TimeImportance::default),
        }
    }
}

/// The network of an experiment before training, for points in `dim` dimensions.
pub(crate) fn untrained(experiment: &Experiment, dim: usize) -> Result<ScoreNetwork<f32>, Error> {
    let architecture = experiment.network.architecture(dim);
    let diffusion = Arc::new(experiment.diffusion.clone());
    let network = ScoreNetwork::new(&architecture, diffusion, Streams::new(experiment.seed))?;
    Ok(network.with_backend(experiment.network.backend))
}

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
    let mut network = untrained(experiment, target.dim())?;
    let saved = folder.reader().training(cell)?;
    let (first, before) = saved.as_ref().map_or((0, 0.0), |state| (state.step, state.seconds));
    let mut learner = match saved {
        Some(state) => state.restore(training, &mut network)?,
        None => Learner::new(training),
    };
    let watched =
        Combination::check_residual(&training.residual(), network.head().output, target.dim());
    let (clock, mut last_save) = (Instant::now(), Instant::now());
    let steps = experiment.training_steps();
    let mut last_residual = None;
    for step in first..steps {
        let stage = training.stage_of(step);
        if training.steps_into_stage(step) == 0 {
            learner.optimizer = Optimizer::new(training.optimizer);
        }
        let seconds = before + clock.elapsed().as_secs_f64();
        let cancelled = progress.cancelled();
        if step > first && (cancelled || last_save.elapsed() > SAVE_EVERY) {
            folder.save_training(cell, &TrainingState::new(step, seconds, &network, &learner))?;
            last_save = Instant::now();
        }
        if cancelled {
            return Err(Error::Cancelled);
        }
        let residual_weight = cell.w_r * stage.residual_factor;
        let (sde, importance) = (&experiment.diffusion, learner.importance.as_ref());
        let objective = training.objective(target, sde, residual_weight, importance);
        let (losses, mut gradient) = objective.gradient(&network, streams, step as u64)?;
        let logged = step % LOG_EVERY == 0 || step + 1 == steps;
        let residual = match losses.residual {
            None if logged && watched.is_ok() => {
                Some(objective.mean_squared_residual(&network, streams, step as u64)?)
            }
            known => known.or(last_residual),
        };
        last_residual = residual;
        if let Some(limit) = training.gradient_clip {
            gradient.clip(limit);
        }
        let rate = stage.rate_at(training.steps_into_stage(step));
        learner.optimizer.update(&mut network, &gradient, rate)?;
        if let Some(average) = &mut learner.average {
            average.update(&network);
        }
        if let Some(importance) = &mut learner.importance {
            importance.update(&losses.moments);
        }
        let done = step + 1;
        if logged {
            folder.append_metrics(&MetricsLine {
                cell: cell.clone(),
                step: done,
                loss: losses.total,
                dsm: losses.denoising,
                residual: residual.map(|residual| residual.mean),
                residual_se: residual.map(|residual| residual.standard_error),
                lr: rate,
                seconds,
            })?;
        }
        let losses = Losses { residual, ..losses };
        progress.on(Event::Trained { cell, step: done, steps, losses: &losses });
    }
    let seconds = before + clock.elapsed().as_secs_f64();
    if first < steps {
        // What comes after training may be ended early, too.
        folder.save_training(cell, &TrainingState::new(steps, seconds, &network, &learner))?;
    }
    let network = match &learner.average {
        Some(average) => average.apply(&network)?,
        None => network,
    };
    Ok((network, seconds))
}
