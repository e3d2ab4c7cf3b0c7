//! The weight of the residual, chosen within a time.

mod budget;
mod candidate;

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::compare::compare;
use crate::run_folder::RunReader;
use crate::target_law::TargetLaw;
use crate::text_table::TextTable;
use crate::{Cell, CellId, Error, Experiment, Progress, files, run};
use budget::{Speed, stretched};
use candidate::{candidates, choose, judge};

pub use candidate::Candidate;

/// What [`tune`] finds: `tuned.json` in its folder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Tuned {
    /// The weights that were compared.
    pub candidates: Vec<Candidate>,
    /// The chosen weight.
    pub w_r: f64,
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

/// Weights to choose among where a configuration names none.
pub const TUNED_WEIGHTS: [f64; 4] = [0.0, 1e-3, 1e-2, 1e-1];

/// The share of the time in which candidates are compared.
const SEARCH: f64 = 0.5;

/// Chooses among the `residual_weights` of an experiment of one target within about so many minutes, and trains a network with the
/// one chosen.
///
/// Half of the time goes to one network for each weight, in equally many steps. Those whose denoising score matching loss, at
/// points that they were not trained on, is at most 0.0025 nats for each dimension above the smallest are kept; among them the smallest
/// distance between the two samplers decides, and the smallest centred residual between distances that chance does not tell apart. The other half trains the
/// final network. Steps and particles follow from the speed of the machine, stages and the moving average keep their proportions.
///
/// The folder `path` holds then `search` and `best`, the folders of the two runs, from whose `config.ron` each can be repeated to the bit;
/// `figures`, the distances of all networks beside each other; and `tuned.json`. What was ended early goes on with the steps that it was
/// begun with.
///
/// # Errors
/// If the experiment has another number of targets than one or the time is too short for its weights; otherwise as [`run`].
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
    let result = path.join("tuned.json");
    if result.exists() && !force {
        return Err(Error::Finished(path.to_owned()));
    }
    let law = TargetLaw::new(target, experiment.seed).map_err(|found| *found.error)?;
    let speed = Speed::measure(experiment, law.training.as_ref())?;
    let weights = &experiment.training.residual_weights;
    let planned = |wanted: &Experiment, seconds: f64| -> Result<Experiment, Error> {
        let weights = &wanted.training.residual_weights;
        let mut planned = stretched(wanted, speed.steps(seconds, weights)?);
        planned.sampling.particles = speed.particles(seconds, weights.len());
        Ok(planned)
    };
    let mut search = planned(experiment, SEARCH * seconds)?;
    let folder = path.join("search");
    if !force && let Some(begun) = begun(&folder, experiment)? {
        search = begun;
    }
    let cells = finish(&search, &folder, force, progress)?;
    let mut found = Vec::new();
    for (&w_r, cell) in weights.iter().zip(cells) {
        let checkpoint = files::read_checkpoint(&folder.join(&cell.model))?;
        found.push((w_r, judge(experiment, &checkpoint, law.truth.as_ref())?, cell));
    }
    let candidates = candidates(&found, law.truth.dim())?;
    let chosen = choose(&candidates).map(|one| one.w_r);
    let w_r = chosen.ok_or_else(|| Error::Internal("no weight was kept".to_owned()))?;
    let mut wanted = experiment.clone();
    wanted.training.residual_weights = vec![w_r];
    let folder = path.join("best");
    let best = match begun(&folder, &wanted)?.filter(|_| !force) {
        Some(begun) => begun,
        // A search that took longer than it should leaves the final network at least half of its share.
        None => {
            let left = (seconds - clock.elapsed().as_secs_f64()).max(0.5 * SEARCH * seconds);
            planned(&wanted, left)?
        }
    };
    let mut cells = finish(&best, &folder, force, progress)?;
    let mut cell = cells.pop().ok_or_else(|| Error::NothingFinished(folder.clone()))?;
    cell.model = format!("best/{}", cell.model);
    let runs: [PathBuf; 2] = ["search", "best"].map(|name| path.join(name));
    compare(&runs, Some(&path.join("figures")))?;
    let tuned = Tuned {
        candidates,
        w_r,
        judged_at: match (law.held_out, &law.points) {
            (true, _) => JudgedAt::HeldOut,
            (false, Some(_)) => JudgedAt::TrainedOn,
            (false, None) => JudgedAt::Drawn,
        },
        search_steps: search.training_steps(),
        steps: best.training_steps(),
        cell,
    };
    let text = serde_json::to_string_pretty(&tuned);
    let text = text.map_err(|error| Error::Internal(error.to_string()))?;
    files::write(&result, format!("{text}\n").as_bytes())?;
    Ok(tuned)
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

/// The cells of a run, from its folder if it is finished.
fn finish(
    experiment: &Experiment,
    path: &Path,
    force: bool,
    progress: &dyn Progress,
) -> Result<Vec<Cell>, Error> {
    if !force && path.join("summary.json").exists() {
        let (folder, found) = RunReader::open(path)?;
        if found == *experiment {
            let cell = |id: CellId| {
                folder.cell(&id)?.ok_or_else(|| Error::NothingFinished(path.to_owned()))
            };
            return experiment.cells().into_iter().map(cell).collect();
        }
    }
    Ok(run(experiment, path, None, force, progress)?.cells)
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
                format!("{:.5}", one.gap),
                format!("{:.5}", one.sde_truth),
                format!("{:.5}", one.ode_truth),
                mark(one.kept),
                mark(one.front),
            ]);
        }
        let Self { w_r, judged_at, search_steps, steps, cell, .. } = self;
        let distances = &cell.distances;
        let points = match judged_at {
            JudgedAt::Drawn => "other points of the law than those of training",
            JudgedAt::HeldOut => "the points that were kept from training",
            JudgedAt::TrainedOn => {
                "the points that they were trained on: `held_out` would keep some for this"
            }
        };
        format!(
            "{table}\nEach was trained for {search_steps} steps. DSM and residual are at {points}.\nkept: as good a score as the best, \
             to 0.0025 nats for each dimension. front: no other is as good in DSM, residual and gap.\n\nchosen: w_R = {w_r}, trained for \
             {steps} steps: {} ODE–truth {:.5}, SDE–truth {:.5}, ODE–SDE {:.5} (floor {:.5})\nmodel: {}\n",
            distances.distance.symbol(),
            distances.w2sq_ode_truth,
            distances.w2sq_sde_truth,
            distances.w2sq_ode_sde,
            distances.floor,
            cell.model,
        )
    }
}
