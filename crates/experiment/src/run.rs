use std::path::Path;

use fokker_score_net::{Checkpoint, InstructionSet};
use ndarray::Array2;

use crate::evaluate::{Evaluation, Samples, evaluate};
use crate::report::report;
use crate::target_law::TargetLaw;
use crate::train::train;
use crate::truth::Truth;
use crate::{
    CellId, Error, Event, Experiment, FileMark, Progress, RunFolder, Summary, TargetSpec, files,
};

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
    only: Option<&CellId>,
    force: bool,
    progress: &dyn Progress,
) -> Result<Summary, Error> {
    // What cannot work fails here, before a folder is touched.
    experiment.sampling.grid.grid(&experiment.diffusion)?;
    InstructionSet::selected()?;
    let laws = laws(experiment)?;
    let marks: Vec<FileMark> = laws.iter().filter_map(|law| law.mark.clone()).collect();
    let mut folder = RunFolder::open(path, experiment, &marks, force)?;
    let mut failed = None;
    for (target, law) in experiment.targets.iter().zip(laws) {
        let mut truth: Option<Truth> = None;
        for id in experiment.cells().into_iter().filter(|id| id.target == target.label()) {
            if only.is_some_and(|only| *only != id) || folder.reader().cell(&id)?.is_some() {
                continue;
            }
            let truth = match truth.take() {
                Some(known) => truth.insert(known),
                None => truth.insert(draw_truth(experiment, target, &law, &folder)?),
            };
            match run_cell(experiment, &id, &law, truth, &mut folder, progress) {
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
        .map(|id| folder.reader().cell(&id))
        .collect::<Result<_, Error>>()?;
    let complete = finished.iter().all(Option::is_some);
    let summary = Summary { cells: finished.into_iter().flatten().collect() };
    if complete {
        report(path)?;
        folder.finish(&summary)?;
    }
    Ok(summary)
}

/// The targets, made ready.
fn laws(experiment: &Experiment) -> Result<Vec<TargetLaw>, Error> {
    let law = |target: &TargetSpec| {
        let law = TargetLaw::new(target, experiment.seed).map_err(|found| *found.error)?;
        experiment.check_target(law.training.as_ref()).map_err(|(_, source)| {
            Error::Combination { label: target.label().to_owned(), source }
        })?;
        Ok(law)
    };
    experiment.targets.iter().map(law).collect()
}

fn draw_truth(
    experiment: &Experiment,
    target: &TargetSpec,
    law: &TargetLaw,
    folder: &RunFolder,
) -> Result<Truth, Error> {
    let truth = Truth::of(&experiment.protocol(), law)?;
    let path = folder.file("samples", &format!("{target}_truth.npy"));
    write_points(&path, &truth.points, &truth)?;
    Ok(truth)
}

/// Writes points in the units of the data.
fn write_points(path: &Path, points: &Array2<f32>, truth: &Truth) -> Result<(), Error> {
    let Some(map) = &truth.standardisation else { return files::write_npy(path, points.view()) };
    let mut restored = points.clone();
    map.restore(&mut restored)?;
    files::write_npy(path, restored.view())
}

/// Trains the network of a cell, samples and measures it.
fn run_cell(
    experiment: &Experiment,
    id: &CellId,
    law: &TargetLaw,
    truth: &Truth,
    folder: &mut RunFolder,
    progress: &dyn Progress,
) -> Result<(), Error> {
    let (network, seconds) = train(experiment, id, law.training.as_ref(), folder, progress)?;
    let diffusion = experiment.diffusion.clone();
    let standardisation = law.standardisation.clone();
    let checkpoint = Checkpoint { network, diffusion, standardisation };
    let (name, file) = (id.to_string(), format!("{}.safetensors", id.stem()));
    files::write_checkpoint(&folder.file("checkpoints", &file), &checkpoint)?;
    let Evaluation { mut cell, sde, ode } =
        evaluate(&experiment.protocol(), &name, &checkpoint, truth, progress)?;
    cell.model = format!("checkpoints/{file}");
    cell.target = id.target.clone();
    cell.w_r = Some(id.w_r);
    cell.train_seconds = Some(seconds);
    for (Samples { points, .. }, method) in [(&sde, "sde"), (&ode, "ode")] {
        let path = folder.file("samples", &format!("{}_{method}.npy", id.stem()));
        write_points(&path, points, truth)?;
    }
    folder.finish_cell(id, &cell)?;
    progress.on(Event::Finished { name: &name, cell: &cell });
    Ok(())
}
