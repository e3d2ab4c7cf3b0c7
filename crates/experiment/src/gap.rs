use std::path::{Path, PathBuf};

use fokker_score_net::{Checkpoint, Element, InstructionSet};
use fokker_sde_core::Sde;

use crate::evaluate::{Evaluation, evaluate};
use crate::figures::{DensityFigure, DensityRow};
use crate::panels::{COLUMNS, model_panels};
use crate::truth::Truth;
use crate::view::View;
use crate::{Cell, Error, Event, Progress, Protocol, TargetSource, files};

/// Samples models both ways and measures the distances between the two and a target, and the residual.
/// If `figure` is given it gets the densities, as PNG or SVG by its ending.
///
/// # Errors
/// If a file cannot be read or is of points of another dimension, sampling or a measurement fails, the figure
/// cannot be drawn (of points on the line there is none) or written, or `progress` cancels.
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
    let dim = target.law(None)?.truth.dim();
    if let (Some(path), 1) = (figure, dim) {
        let reason = "of points on the line there is no figure of densities".to_owned();
        return Err(Error::Content { path: path.to_owned(), reason });
    }
    let checkpoints: Vec<Checkpoint<f32>> = models
        .iter()
        .map(|path| {
            let checkpoint = files::read_checkpoint(path)?;
            check_model(path, &checkpoint, Some((&target.to_string(), dim)), protocol)?;
            let sampling = &protocol.sampling;
            sampling.check(&checkpoint.network, &checkpoint.diffusion).map_err(|error| {
                Error::Content { path: path.clone(), reason: error.to_string() }
            })?;
            Ok(checkpoint)
        })
        .collect::<Result<_, Error>>()?;
    let mut truth: Option<Truth> = None;
    let (mut cells, mut rows, mut view) = (Vec::new(), Vec::new(), None);
    for (path, checkpoint) in models.iter().zip(&checkpoints) {
        let name = path.display().to_string();
        let map = checkpoint.standardisation.as_ref();
        // The same for all models that were trained in the same units.
        let truth = match truth.take() {
            Some(known) if known.standardisation.as_ref() == map => truth.insert(known),
            _ => truth.insert(Truth::load(protocol, target, map)?),
        };
        let Evaluation { mut cell, sde, ode } =
            evaluate(protocol, &name, checkpoint, truth, progress)?;
        (cell.model, cell.target) = (name.clone(), target.to_string());
        progress.on(Event::Finished { name: &name, cell: &cell });
        let label = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if figure.is_some()
            && let Some(own) = View::of(protocol, &truth.points, map.is_some())?
        {
            // All rows are drawn as the first one.
            let view = view.get_or_insert(own);
            let points = [&sde.points, &ode.points, &truth.points];
            let panels = model_panels(view, &cell.distances, points)?;
            rows.push(DensityRow { label, panels });
        }
        cells.push(cell);
    }
    if let (Some(path), Some(view)) = (figure, view) {
        let figure = DensityFigure {
            title: String::new(),
            extent: view.extent,
            axes: view.names,
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

/// Refuses a model of points of another dimension than a target of this name, and one that ends before it can be measured.
pub(crate) fn check_model<E: Element>(
    path: &Path,
    checkpoint: &Checkpoint<E>,
    target: Option<(&str, usize)>,
    protocol: &Protocol,
) -> Result<(), Error> {
    let content = |reason: String| Err(Error::Content { path: path.to_owned(), reason });
    let found = checkpoint.network.head().dim;
    match target {
        Some((name, dim)) if dim != found => {
            content(format!("is a model of points in {found} dimensions, but {name} has {dim}"))
        }
        _ if protocol.collocation.t_min >= checkpoint.diffusion.horizon() => {
            content("its diffusion ends before the first time of the residual".to_owned())
        }
        _ => Ok(()),
    }
}
