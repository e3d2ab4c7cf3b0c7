//! The weight of the residual, chosen within a time.

mod budget;
mod candidate;

use std::path::Path;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::compare::compare;
use crate::run_folder::{RunReader, check_place, discard, refuse_changed};
use crate::target_law::TargetLaw;
use crate::text_table::TextTable;
use crate::{Cell, Error, Event, Experiment, FileMark, Progress, files, run};
use budget::{Plan, Speed, stretched};
use candidate::{candidates, choose, judge};

pub use candidate::Candidate;

/// What [`tune`] finds: `tuned.json` in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// The weights that were compared.
    pub candidates: Vec<Candidate>,
    /// Weights whose networks have no distance, since all or nearly all of their samples are far from the data.
    pub lost: Vec<f64>,
    /// The chosen weight.
    pub w_r: f64,
    /// Why it was chosen.
    pub why: String,
    /// What candidates are judged by.
    pub judged_at: JudgedAt,
    /// Training steps of each candidate.
    pub search_steps: usize,
    /// Training steps of the final network.
    pub steps: usize,
    /// The final network and what was measured of it; the model is relative to the folder.
    pub cell: Cell,
}

/// The points at which the networks of a search are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JudgedAt {
    /// Others of the law.
    Drawn,
    /// Those of a file that were kept from training.
    HeldOut,
    /// Those of a file that all of them were trained on: no `held_out` was asked for.
    TrainedOn,
}

/// The share of the time in which candidates are compared.
const SEARCH: f64 = 0.5;

/// Chooses among the `residual_weights` of an experiment of one target within about so many minutes, and trains a network with the
/// one chosen.
///
/// Half of the time goes to one network for each weight, in equally many steps. Those whose denoising score matching loss, at
/// points that they were not trained on, is at most 0.0025 nats for each dimension above the smallest are kept; among them the smallest
/// distance between the two samplers decides, and the smallest centred residual between distances that chance does not tell apart. The
/// other half trains the final network. Steps and particles follow from the speed of the machine; stages and the moving average keep their
/// proportions.
///
/// The folder `path` holds then `search` and `best`, the folders of the two runs, from whose `config.ron` each can be repeated to the bit;
/// `figures`, the distances of all networks beside each other; and `tuned.json`. What was ended early goes on with the steps that it was
/// begun with; with `force` what is there is removed.
///
/// # Errors
/// If the experiment has another number of targets than one, or one weight, or the time is too short for its weights; otherwise as [`run`].
pub fn tune(
    experiment: &Experiment,
    minutes: f64,
    path: &Path,
    force: bool,
    progress: &dyn Progress,
) -> Result<Tuned, Error> {
    let clock = Instant::now();
    let seconds = 60.0 * minutes;
    let [target] = &experiment.targets[..] else {
        return Err(Error::OneTarget(experiment.targets.len()));
    };
    let weights = &experiment.training.residual_weights;
    if let [weight] = weights[..] {
        return Err(Error::OneWeight(weight));
    }
    let [result, figures, in_search, in_best] =
        ["tuned.json", "figures", "search", "best"].map(|name| path.join(name));
    if result.is_file() && !force {
        return Err(Error::Finished(path.to_owned()));
    }
    [&in_search, &in_best].into_iter().try_for_each(|folder| check_place(folder))?;
    let law = TargetLaw::new(target, experiment.seed).map_err(|found| *found.error)?;
    let speed = Speed::measure(experiment, &law, progress)?;
    let plan = speed.plan(SEARCH * seconds, SEARCH, weights)?;
    if force {
        files::remove(&result)?;
        [&in_search, &in_best].into_iter().try_for_each(|folder| discard(folder))?;
    }
    // What cannot be written is to be known now.
    files::create_folder(&figures)?;
    files::check_writable(&result)?;
    let begin = |what, folder: &Path, wanted: &Experiment, plan: Plan| {
        let begun = if force { None } else { begun(folder, wanted)? };
        let experiment = begun.unwrap_or_else(|| planned(wanted, plan));
        let weights = &experiment.training.residual_weights;
        let (steps, particles) = (experiment.training_steps(), experiment.sampling.particles);
        progress.on(Event::Planned { what, weights, steps, particles });
        let cells = finish(&experiment, folder, law.mark.as_slice(), force, progress)?;
        Ok::<_, Error>(((steps, particles), cells))
    };
    let ((search_steps, particles), cells) = begin("search", &in_search, experiment, plan)?;
    let (mut found, mut lost) = (Vec::new(), Vec::new());
    for (&w_r, cell) in weights.iter().zip(cells) {
        let Some(cell) = cell else {
            lost.push(w_r);
            continue;
        };
        let network = files::read_checkpoint(&in_search.join(&cell.model))?.network;
        let judged = judge(experiment, &network, law.truth.as_ref(), particles, progress)?;
        found.push((w_r, judged, cell));
    }
    let candidates = candidates(&found, law.truth.dim())?;
    let chosen = choose(&candidates).map(|(one, why)| (one.w_r, why));
    let (w_r, why) = chosen.ok_or_else(|| Error::Internal("no weight was kept".to_owned()))?;
    let mut wanted = experiment.clone();
    wanted.training.residual_weights = vec![w_r];
    // A search that took longer than it should leaves the final network at least half of its share.
    let left = (seconds - clock.elapsed().as_secs_f64()).max(0.5 * SEARCH * seconds);
    let plan = speed.plan(left, 0.5 * SEARCH, &[w_r])?;
    let ((steps, _), cells) = begin("best", &in_best, &wanted, plan)?;
    let cell = cells.into_iter().flatten().next();
    let mut cell = cell.ok_or_else(|| Error::NothingFinished(in_best.clone()))?;
    files::read_checkpoint::<f32>(&in_best.join(&cell.model))?;
    cell.model = format!("best/{}", cell.model);
    compare(&[in_search, in_best], Some(&figures))?;
    let tuned = Tuned {
        candidates,
        lost,
        w_r,
        why,
        judged_at: match (law.held_out, &law.points) {
            (true, _) => JudgedAt::HeldOut,
            (false, Some(_)) => JudgedAt::TrainedOn,
            (false, None) => JudgedAt::Drawn,
        },
        search_steps,
        steps,
        cell,
    };
    let text = serde_json::to_string_pretty(&tuned);
    let text = text.map_err(|error| Error::Internal(error.to_string()))?;
    files::write(&result, format!("{text}\n").as_bytes())?;
    Ok(tuned)
}

/// An experiment with the steps and particles of a plan.
fn planned(wanted: &Experiment, plan: Plan) -> Experiment {
    let mut planned = stretched(wanted, plan.steps);
    planned.sampling.particles = plan.particles;
    planned
}

/// The experiment that an earlier process began in a folder, if it is `wanted` but for what the time and the machine decide.
fn begun(path: &Path, wanted: &Experiment) -> Result<Option<Experiment>, Error> {
    if !path.join("config.ron").exists() {
        return Ok(None);
    }
    let (_, found) = RunReader::open(path)?;
    let mut same = stretched(wanted, found.training_steps());
    same.sampling.particles = found.sampling.particles;
    Ok((same == found).then_some(found))
}

/// The cells of a run, from its folder if it is finished; `None` for a network whose samples are lost, if others are not.
fn finish(
    experiment: &Experiment,
    path: &Path,
    data: &[FileMark],
    force: bool,
    progress: &dyn Progress,
) -> Result<Vec<Option<Cell>>, Error> {
    let finished = path.join("summary.json").exists();
    if finished {
        refuse_changed(path, data)?;
    }
    let same = || Ok::<_, Error>(RunReader::open(path)?.1 == *experiment);
    let failed = if finished && same()? {
        None
    } else {
        match run(experiment, path, None, force, progress) {
            Ok(_) => None,
            Err(error @ (Error::OutsideTheBox { .. } | Error::FewInTheBox { .. })) => Some(error),
            Err(error) => return Err(error),
        }
    };
    let (folder, _) = RunReader::open(path)?;
    let cells = experiment.cells();
    let cells: Vec<Option<Cell>> =
        cells.iter().map(|id| folder.cell(id)).collect::<Result<_, Error>>()?;
    match failed {
        Some(error) if cells.iter().all(Option::is_none) => Err(error),
        None if cells.iter().any(Option::is_none) => Err(Error::NothingFinished(path.to_owned())),
        _ => Ok(cells),
    }
}

impl Tuned {
    /// The candidates and the final network as a table for people.
    pub fn table(&self) -> String {
        let heads = [
            "w_R",
            "DSM, nats",
            "above the least",
            "residual",
            "ODE–SDE",
            "SDE–truth",
            "ODE–truth",
            "kept",
            "front",
        ];
        let mut table = TextTable::new(&heads);
        let mark = |yes: bool| if yes { "*".to_owned() } else { String::new() };
        for one in &self.candidates {
            table.row(vec![
                one.w_r.to_string(),
                format!("{:.5}", one.dsm),
                format!("{:.5} ± {:.5}", one.dsm_above, one.dsm_above_se),
                one.residual.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.3e}")),
                format!("{:.5} ± {:.5}", one.gap, one.gap_uncertainty()),
                format!("{:.5}", one.sde_truth),
                format!("{:.5}", one.ode_truth),
                mark(one.kept),
                mark(one.front),
            ]);
        }
        let Self { lost, w_r, why, judged_at, search_steps, steps, cell, .. } = self;
        let distances = &cell.distances;
        let points = match judged_at {
            JudgedAt::Drawn => "other points of the law than those of training",
            JudgedAt::HeldOut => "the points that were kept from training",
            JudgedAt::TrainedOn => {
                "the points that they were trained on: `held_out` would keep some for this"
            }
        };
        let lost = if lost.is_empty() {
            String::new()
        } else {
            format!("Lost, with hardly a sample near the data: w_R = {lost:?}.\n")
        };
        format!(
            "{table}\n{lost}Each was trained for {search_steps} steps. DSM and residual are at {points}.\nkept: DSM at most 0.0025 nats for \
             each dimension above the least. front: no other is as good in DSM, residual and gap.\n\nchosen: w_R = {w_r}: {why}.\nTrained for \
             {steps} steps: {} ODE–truth {:.5}, SDE–truth {:.5}, ODE–SDE {:.5} (floor {:.5}).\nmodel: {}\n",
            distances.distance.symbol(),
            distances.w2sq_ode_truth,
            distances.w2sq_sde_truth,
            distances.w2sq_ode_sde,
            distances.floor,
            cell.model,
        )
    }
}
