use std::path::Path;

use fokker_score_net::{Checkpoint, InstructionSet};
use fokker_sde_core::{Sde, TargetName};

use crate::evaluate::{Evaluation, Truth, evaluate};
use crate::report::report;
use crate::train::train;
use crate::{CellId, Error, Event, Experiment, Progress, RunFolder, Summary, files};

/// Runs an experiment, cell after cell, or one cell of it alone, into the folder `path`.
///
/// A run that was ended early, even killed, is gone on with: finished cells are not repeated, training
/// goes on from where it was last written down, at most a minute before, and the results are the same to the
/// bit. When the last cell is finished the folder gets its report and `summary.json`. Returns the results
/// of all finished cells.
///
/// Parallel work runs in the current rayon pool; the results do not depend on its size.
///
/// # Errors
/// If the folder cannot be used (see [`RunFolder::open`]), or training, sampling or a measurement fails, or
/// `progress` cancels. Where the samples of a network all lie outside the box, the other cells are done
/// before.
pub fn run(
    experiment: &Experiment,
    path: &Path,
    only: Option<CellId>,
    force: bool,
    progress: &dyn Progress,
) -> Result<Summary, Error> {
    // What cannot work fails here, before a folder is touched.
    experiment.sampling.grid.grid(experiment.diffusion.horizon())?;
    InstructionSet::selected()?;
    let mut folder = RunFolder::open(path, experiment, force)?;
    let mut truth: Option<(TargetName, Truth)> = None;
    let mut failed = None;
    for id in experiment.cells() {
        if only.is_some_and(|only| only != id) || folder.reader().cell(id)?.is_some() {
            continue;
        }
        if truth.as_ref().is_none_or(|(name, _)| *name != id.target) {
            truth = Some((id.target, draw_truth(experiment, id.target, &folder)?));
        }
        if let Some((_, truth)) = &truth {
            match run_cell(experiment, id, truth, &mut folder, progress) {
                // A network that has lost all of its particles is no reason to leave out the others.
                Err(error @ Error::OutsideTheBox { .. }) => failed = failed.or(Some(error)),
                result => result?,
            }
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let finished: Vec<_> = experiment
        .cells()
        .into_iter()
        .map(|id| folder.reader().cell(id))
        .collect::<Result<_, Error>>()?;
    let complete = finished.iter().all(Option::is_some);
    let summary = Summary { cells: finished.into_iter().flatten().collect() };
    if complete {
        report(path)?;
        folder.finish(&summary)?;
    }
    Ok(summary)
}

fn draw_truth(
    experiment: &Experiment,
    name: TargetName,
    folder: &RunFolder,
) -> Result<Truth, Error> {
    let truth = Truth::draw(&experiment.protocol(), name)?;
    if let Some(points) = &truth.points {
        files::write_npy(&folder.file("samples", &format!("{name}_truth.npy")), points.view())?;
    }
    Ok(truth)
}

/// Trains the network of a cell, samples and measures it.
fn run_cell(
    experiment: &Experiment,
    id: CellId,
    truth: &Truth,
    folder: &mut RunFolder,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let (network, seconds) = train(experiment, id, truth.target.as_ref(), folder, progress)?;
    let checkpoint =
        Checkpoint { network, diffusion: experiment.diffusion.clone(), standardisation: None };
    let (name, file) = (id.to_string(), format!("{}.safetensors", id.stem()));
    files::write_checkpoint(&folder.file("checkpoints", &file), &checkpoint)?;
    let Evaluation { mut cell, sde, ode } =
        evaluate(&experiment.protocol(), &name, &checkpoint, truth, progress)?;
    cell.model = format!("checkpoints/{file}");
    cell.target = id.target.to_string();
    cell.w_r = Some(id.w_r);
    cell.train_seconds = Some(seconds);
    for (samples, method) in [(&sde, "sde"), (&ode, "ode")] {
        let path = folder.file("samples", &format!("{}_{method}.npy", id.stem()));
        files::write_npy(&path, samples.points.view())?;
    }
    folder.finish_cell(id, &cell)?;
    progress.on(Event::Finished { name: &name, cell: &cell });
    Ok(())
}
