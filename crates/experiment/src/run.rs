use std::path::Path;

use fokker_metrics::HistogramError;
use fokker_score_net::{Checkpoint, InstructionSet};
use fokker_sde_core::{Purpose, Standardisation, Streams, sample_target};
use ndarray::Array2;

use crate::evaluate::{Evaluation, Samples, evaluate};
use crate::report::report;
use crate::side::Side;
use crate::target_law::TargetLaw;
use crate::train::{train, untrained};
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
/// `progress` cancels. Where hardly any samples of a network lie in the box, or none, the other cells are done
/// before.
pub fn run(
    experiment: &Experiment,
    path: &Path,
    only: Option<&CellId>,
    force: bool,
    progress: &dyn Progress,
) -> Result<Summary, Error> {
    // What cannot work fails here, before a folder is touched.
    InstructionSet::selected()?;
    let laws = laws(experiment)?;
    for law in &laws {
        let network = untrained(experiment, law.truth.dim())?;
        experiment.sampling.check(&network, &experiment.diffusion)?;
    }
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
                None => match draw_truth(experiment, target, &law, &folder) {
                    Err(error @ Error::FewInTheBox { .. }) => {
                        failed = failed.or(Some(error));
                        break;
                    }
                    result => truth.insert(result?),
                },
            };
            match run_cell(experiment, &id, &law, truth, &mut folder, progress) {
                // A network that has lost all of its particles is no reason to leave out the others.
                Err(error @ (Error::OutsideTheBox { .. } | Error::FewInTheBox { .. })) => {
                    failed = failed.or(Some(error));
                }
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
        check_places(experiment, &law)
            .map_err(|reason| Error::Target { label: target.label().to_owned(), reason })?;
        Ok(law)
    };
    experiment.targets.iter().map(law).collect()
}

/// Points of a law that are looked at before a run at most, in the plane and elsewhere.
const LOOKED_AT: [usize; 2] = [100_000, 1000];

/// Refuses a law whose points cannot be learned, or not be measured.
fn check_places(experiment: &Experiment, law: &TargetLaw) -> Result<(), String> {
    let (protocol, target) = (experiment.protocol(), law.truth.as_ref());
    let n = experiment.sampling.particles.min(LOOKED_AT[usize::from(target.dim() != 2)]);
    let drawn;
    let points = match &law.points {
        Some(points) => points,
        None => {
            let streams = Streams::new(experiment.seed);
            drawn = sample_target::<f64>(target, n, streams, Purpose::Truth, 0);
            &drawn
        }
    };
    if let Some(x) = points.iter().find(|x| !(**x as f32).is_finite()) {
        return Err(format!("has a point at {x:e}, which is not finite in single precision"));
    }
    match points.ncols() {
        2 => match Side::new(&protocol, points.view()) {
            Err(Error::Histogram(HistogramError::Empty { outside })) => Err(format!(
                "none of {outside} points of it lies in the box ±{} of `measurement.extent`, so there would be no \
                 distance to measure",
                protocol.measurement.extent
            )),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

fn draw_truth(
    experiment: &Experiment,
    target: &TargetSpec,
    law: &TargetLaw,
    folder: &RunFolder,
) -> Result<Truth, Error> {
    let extent = experiment.measurement.extent;
    let truth = Truth::of(&experiment.protocol(), law)
        .map_err(|error| error.in_the_box_of(target.label(), extent))?;
    let path = folder.file("samples", &format!("{target}_truth.npy"));
    match (&law.standardisation, &law.points) {
        (Some(map), Some(points)) => write_restored(&path, points.clone(), map)?,
        _ => write_points(&path, &truth.points, &truth)?,
    }
    Ok(truth)
}

/// Writes points in the units of the data.
fn write_points(path: &Path, points: &Array2<f32>, truth: &Truth) -> Result<(), Error> {
    match &truth.standardisation {
        Some(map) => write_restored(path, points.mapv(f64::from), map),
        None => files::write_npy(path, points.view()),
    }
}

/// Writes standardised points in the units of the data, and in double precision: their mean may be far larger than
/// their scale.
pub(crate) fn write_restored(
    path: &Path,
    mut points: Array2<f64>,
    map: &Standardisation,
) -> Result<(), Error> {
    map.restore(&mut points)?;
    files::write_npy(path, points.view())
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
