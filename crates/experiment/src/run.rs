use std::path::Path;

use fokker_metrics::Histogram;
use fokker_score_net::{Checkpoint, InstructionSet};
use fokker_sde_core::Sde;

use crate::evaluate::{Evaluation, Truth, evaluate};
use crate::figures::{
    DensityFigure, DensityPanel, DensityRow, TrainingCurves, TrainingPoint, TrainingSeries,
};
use crate::train::train;
use crate::{CellId, Error, Event, Experiment, Progress, RunFolder, Summary, files};

/// Runs an experiment, cell after cell, into the folder `path`.
///
/// Parallel work runs in the current rayon pool; the results do not depend on its size.
///
/// # Errors
/// If the folder cannot be used (see [`RunFolder::create`]), or training, sampling or a measurement
/// fails, or `progress` cancels. A run that ends with an error has no `summary.json`.
pub fn run(
    experiment: &Experiment,
    path: &Path,
    force: bool,
    progress: &dyn Progress,
) -> Result<Summary, Error> {
    // What cannot work fails here, before a folder is touched.
    experiment.sampling.grid.grid(experiment.diffusion.horizon())?;
    InstructionSet::selected()?;
    let mut folder = RunFolder::create(path, &experiment.to_ron()?, force)?;
    let mut figures = Figures::new(experiment);
    let mut cells = Vec::new();
    for &name in &experiment.targets {
        let target = name.target();
        let truth = Truth::draw(experiment, target.as_ref())?;
        let truth_path = folder.file("samples", &format!("{name}_truth.npy"));
        files::write_npy(&truth_path, truth.points.view())?;
        for &w_r in &experiment.training.residual_weights {
            let id = CellId { target: name, w_r };
            let mut curve = Vec::new();
            let (network, seconds) = train(experiment, id, target.as_ref(), progress, |line| {
                folder.append_metrics(&line)?;
                curve.push(TrainingPoint {
                    step: line.step as u64,
                    loss: line.loss,
                    dsm: line.dsm,
                    residual: Some(line.residual),
                });
                Ok(())
            })?;
            let checkpoint = Checkpoint { network, diffusion: experiment.diffusion };
            let path = folder.file("checkpoints", &format!("{}.safetensors", id.stem()));
            let bytes = checkpoint
                .to_bytes()
                .map_err(|source| Error::Unsaved { path: path.clone(), source })?;
            files::write(&path, &bytes)?;
            let network = &checkpoint.network;
            let evaluation = evaluate(experiment, id, network, seconds, &truth, progress)?;
            for (samples, method) in [(&evaluation.sde, "sde"), (&evaluation.ode, "ode")] {
                let path = folder.file("samples", &format!("{}_{method}.npy", id.stem()));
                files::write_npy(&path, samples.points.view())?;
            }
            figures.add(&evaluation, &truth.histogram, curve);
            progress.on(Event::Finished { cell: &evaluation.cell });
            cells.push(evaluation.cell);
        }
    }
    figures.write(&folder)?;
    let summary = Summary { cells };
    folder.finish(&summary)?;
    Ok(summary)
}

/// The figures of a run, which grow with its cells.
struct Figures {
    densities: DensityFigure,
    training: TrainingCurves,
}

impl Figures {
    fn new(experiment: &Experiment) -> Self {
        let columns = ["SDE", "ODE", "truth"].map(str::to_owned).to_vec();
        let extent = experiment.measurement.extent;
        let title = String::new();
        Self {
            densities: DensityFigure { title: title.clone(), extent, columns, rows: Vec::new() },
            training: TrainingCurves { title, series: Vec::new() },
        }
    }

    fn add(&mut self, evaluation: &Evaluation, truth: &Histogram, points: Vec<TrainingPoint>) {
        let Evaluation { cell, sde, ode } = evaluation;
        let label = format!("{}, w_R = {}", cell.id.target, cell.id.w_r);
        let panel = |histogram: &Histogram, caption: String| DensityPanel {
            density: histogram.density(),
            caption: Some(caption),
        };
        let to_truth = |w2sq: f64| format!("W2² to the truth {w2sq:.4}");
        let panels = vec![
            panel(&sde.histogram, to_truth(cell.w2sq_sde_truth)),
            panel(&ode.histogram, to_truth(cell.w2sq_ode_truth)),
            panel(truth, format!("W2² ODE to SDE {:.4}", cell.w2sq_ode_sde)),
        ];
        self.densities.rows.push(DensityRow { label: label.clone(), panels });
        self.training.series.push(TrainingSeries { label, points });
    }

    fn write(&self, folder: &RunFolder) -> Result<(), Error> {
        let write = |name: &str, bytes: &[u8]| files::write(&folder.file("figures", name), bytes);
        write("densities.png", &self.densities.draw_png()?)?;
        write("densities.svg", self.densities.draw_svg()?.as_bytes())?;
        write("training.png", &self.training.draw_png()?)?;
        write("training.svg", self.training.draw_svg()?.as_bytes())
    }
}
