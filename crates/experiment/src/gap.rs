use std::path::{Path, PathBuf};

use fokker_score_net::{Checkpoint, Element, InstructionSet};
use fokker_sde_core::Sde;

use crate::evaluate::{Evaluation, Truth, evaluate};
use crate::figures::{DensityFigure, DensityRow};
use crate::panels::{COLUMNS, model_panels};
use crate::{Cell, Error, Event, Progress, Protocol, TargetSource, files};

/// Samples models both ways and measures the distances between the two and a target, and the residual.
/// If `figure` is given it gets the densities, as PNG or SVG by its ending.
///
/// # Errors
/// If a file cannot be read or is of points in other than two dimensions, sampling or a measurement fails,
/// the figure cannot be written, or `progress` cancels.
pub fn gap(
    models: &[PathBuf],
    target: &TargetSource,
    protocol: &Protocol,
    figure: Option<&Path>,
    progress: &dyn Progress,
) -> Result<Vec<Cell>, Error> {
    if let Some(path) = figure {
        figure_ending(path)?;
        files::check_writable(path)?;
        models.iter().try_for_each(|model| files::refuse_same(model, path))?;
    }
    InstructionSet::selected()?;
    let checkpoints: Vec<Checkpoint<f32>> = models
        .iter()
        .map(|path| {
            let checkpoint = files::read_checkpoint(path)?;
            check_model(path, &checkpoint, Some(2), protocol)?;
            Ok(checkpoint)
        })
        .collect::<Result<_, Error>>()?;
    let truth = Truth::load(protocol, target)?;
    let (mut cells, mut rows) = (Vec::new(), Vec::new());
    for (path, checkpoint) in models.iter().zip(&checkpoints) {
        let name = path.display().to_string();
        let Evaluation { mut cell, sde, ode } =
            evaluate(protocol, &name, checkpoint, &truth, progress)?;
        (cell.model, cell.target) = (name.clone(), target.to_string());
        progress.on(Event::Finished { name: &name, cell: &cell });
        let label = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let panels =
            model_panels(&cell.distances, &sde.histogram, &ode.histogram, &truth.histogram);
        rows.push(DensityRow { label, panels });
        cells.push(cell);
    }
    if let Some(path) = figure {
        let figure = DensityFigure {
            title: String::new(),
            extent: protocol.measurement.extent,
            columns: COLUMNS.map(str::to_owned).to_vec(),
            rows,
        };
        let bytes = match figure_ending(path)? {
            Ending::Png => figure.draw_png()?,
            Ending::Svg => figure.draw_svg()?.into_bytes(),
        };
        files::write(path, &bytes)?;
    }
    Ok(cells)
}

enum Ending {
    Png,
    Svg,
}

fn figure_ending(path: &Path) -> Result<Ending, Error> {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("png") => Ok(Ending::Png),
        Some("svg") => Ok(Ending::Svg),
        _ => {
            let reason = "figures end in .png or .svg".to_owned();
            Err(Error::Content { path: path.to_owned(), reason })
        }
    }
}

/// Refuses a model of points of another dimension, and one that ends before it can be measured.
pub(crate) fn check_model<E: Element>(
    path: &Path,
    checkpoint: &Checkpoint<E>,
    dim: Option<usize>,
    protocol: &Protocol,
) -> Result<(), Error> {
    let content = |reason: String| Err(Error::Content { path: path.to_owned(), reason });
    let found = checkpoint.network.head().dim;
    match dim {
        Some(dim) if dim != found => {
            content(format!("is a model of points in {found} dimensions, not {dim}"))
        }
        _ if protocol.collocation.t_min >= checkpoint.diffusion.horizon() => {
            content("its diffusion ends before the first time of the residual".to_owned())
        }
        _ => Ok(()),
    }
}
