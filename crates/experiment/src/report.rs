use std::fmt::Write;
use std::path::Path;

use crate::figures::{
    ScatterFigure, ScatterPoint, ScatterSeries, ScatterStyle, TrainingCurves, TrainingPoint,
    TrainingSeries,
};
use crate::run_folder::RunReader;
use crate::side::DIRECTIONS;
use crate::text_table::TextTable;
use crate::{
    Cell, CellId, DistanceKind, Distances, Error, Experiment, MetricsLine, TargetSpec, files,
    modes_table,
};

/// Draws the figures of the finished cells of a run folder, writes `report.html`, and returns its tables
/// as text.
///
/// The figures, each as PNG and SVG:
///
/// - `densities`: the densities of the samplers' points, one row per weight. Of one target with the
///   truth beside them; of several, all that are in the plane side by side, and for each
///   `densities_TARGET` with the truth. Of points in space and beyond it is the density in the plane of the
///   two principal axes of the truth; of points on the line, histograms;
/// - `images` or `images_TARGET`: samples as grey images, of points that are images, black where the truth
///   is least and white where it is largest;
/// - `gap`: `W2²` between ODE and SDE against mean `ε²` over the box, or along the forward process where
///   there is no box, on logarithmic axes;
/// - `dsm`: the denoising score matching loss against mean `ε²`;
/// - `training`, or for each of several targets `training_TARGET`: the losses over the steps of training,
///   averaged over hundredths of it.
///
/// # Errors
/// If the folder holds no run or no finished cell, or a file of it cannot be read or written.
pub fn report(path: &Path) -> Result<String, Error> {
    let (folder, experiment) = RunReader::open(path)?;
    let mut cells = Vec::new();
    for id in experiment.cells() {
        if let Some(cell) = folder.cell(&id)? {
            cells.push((id, cell));
        }
    }
    if cells.is_empty() {
        return Err(Error::NothingFinished(path.to_owned()));
    }
    let report = Report { folder, experiment, cells };
    let mut names = report.draw_samples()?;
    names.extend(report.draw_scatters()?);
    names.extend(report.draw_training()?);
    let tables = report.tables();
    files::write(&report.folder.path("report.html"), report.page(&tables, &names).as_bytes())?;
    Ok(tables)
}

/// The finished cells of a run.
pub(crate) struct Report {
    pub(crate) folder: RunReader,
    pub(crate) experiment: Experiment,
    pub(crate) cells: Vec<(CellId, Cell)>,
}

impl Report {
    pub(crate) fn write(&self, name: &str, png: &[u8], svg: &str) -> Result<String, Error> {
        files::write(&self.folder.path(&format!("figures/{name}.png")), png)?;
        files::write(&self.folder.path(&format!("figures/{name}.svg")), svg.as_bytes())?;
        Ok(name.to_owned())
    }

    fn draw_scatters(&self) -> Result<Vec<String>, Error> {
        let cells = || self.cells.iter().map(|(_, cell)| cell);
        // One abscissa for all.
        let boxed = cells().all(|cell| cell.residual.mean_residual_sq.is_some());
        let x_label =
            if boxed { "mean ε² over the collocation box" } else { "mean ε² along p_t" };
        let residual = |cell: &Cell| match boxed {
            true => cell.residual.mean_residual_sq,
            false => cell.residual.marginal_residual_sq,
        };
        let symbol = match self.kinds()[..] {
            [kind] => kind.symbol(),
            _ => "W2², or sliced W2²,",
        };
        let scatter = |y_label: &str, value: fn(&Cell) -> f64| {
            let series = |target: &str| {
                let cells = self.cells.iter().filter(|(id, _)| id.target == target);
                let points = cells.map(|(id, cell)| ScatterPoint {
                    // What is not known has no place on the axis.
                    x: residual(cell).unwrap_or(0.0),
                    y: value(cell),
                    label: id.w_r.to_string(),
                });
                let style = ScatterStyle::Joined;
                ScatterSeries { label: target.to_owned(), points: points.collect(), style }
            };
            let series = self.experiment.targets.iter().map(|target| series(target.label()));
            ScatterFigure {
                x_label: x_label.to_owned(),
                y_label: y_label.to_owned(),
                note: "labels: w_R".to_owned(),
                series: series.filter(|series| !series.points.is_empty()).collect(),
            }
        };
        let figures = [
            (
                "gap",
                scatter(&format!("{symbol} between ODE and SDE"), |cell| {
                    cell.distances.w2sq_ode_sde
                }),
            ),
            ("dsm", scatter("denoising score matching loss", |cell| cell.dsm)),
        ];
        let draw = |(name, figure): &(&str, ScatterFigure)| {
            self.write(name, &figure.draw_png()?, &figure.draw_svg()?)
        };
        figures.iter().map(draw).collect()
    }

    /// One figure for each target.
    fn draw_training(&self) -> Result<Vec<String>, Error> {
        let lines = self.folder.metrics()?;
        let mut names = Vec::new();
        for target in self.experiment.targets.iter().map(TargetSpec::label) {
            let cells = self.cells.iter().filter(|(id, _)| id.target == target);
            let series: Vec<_> = cells
                .map(|(id, _)| {
                    let lines: Vec<_> = lines.iter().filter(|line| line.cell == *id).collect();
                    TrainingSeries { label: id.to_string(), points: averaged(&lines) }
                })
                .collect();
            if series.is_empty() {
                continue;
            }
            let figure = TrainingCurves { title: String::new(), series };
            let name = self.name("training", target);
            names.push(self.write(&name, &figure.draw_png()?, &figure.draw_svg()?)?);
        }
        Ok(names)
    }

    /// The name of a figure of one target.
    pub(crate) fn name(&self, figure: &str, target: &str) -> String {
        match self.experiment.targets.len() {
            1 => figure.to_owned(),
            _ => format!("{figure}_{target}"),
        }
    }

    /// One table for each target.
    fn tables(&self) -> String {
        let experiment = &self.experiment;
        let mut text = String::new();
        for target in experiment.targets.iter().map(TargetSpec::label) {
            let heads = [
                "w_R",
                "ODE–truth",
                "95 %",
                "SDE–truth",
                "95 %",
                "ODE–SDE",
                "95 %",
                "mean ε²",
                "along p_t",
                "DSM loss",
                "outside",
                "truth outside",
            ];
            let mut table = TextTable::new(&heads);
            let cells: Vec<_> = self.cells.iter().filter(|(id, _)| id.target == target).collect();
            let Some((_, first)) = cells.first() else { continue };
            let mean = |mean: Option<f64>| {
                mean.map_or_else(|| "–".to_owned(), |mean| format!("{mean:.3e}"))
            };
            let interval = |[low, high]: [f64; 2]| format!("{low:.5}–{high:.5}");
            for (id, cell) in &cells {
                let (d, r) = (&cell.distances, &cell.residual);
                table.row(vec![
                    id.w_r.to_string(),
                    format!("{:.5}", d.w2sq_ode_truth),
                    interval(d.w2sq_ode_truth_ci),
                    format!("{:.5}", d.w2sq_sde_truth),
                    interval(d.w2sq_sde_truth_ci),
                    format!("{:.5}", d.w2sq_ode_sde),
                    interval(d.w2sq_ode_sde_ci),
                    mean(r.mean_residual_sq),
                    mean(r.marginal_residual_sq),
                    format!("{:.4}", cell.dsm),
                    outside(d, d.outside_ode.max(d.outside_sde)),
                    outside(d, d.outside_truth),
                ]);
            }
            let d = &first.distances;
            let nodes = experiment.measurement.nodes;
            let how = match d.distance {
                DistanceKind::W2sqGrid => {
                    format!(
                        "W2² on {nodes} × {nodes} nodes over ±{}",
                        experiment.measurement.extent
                    )
                }
                DistanceKind::W2sqLine => "W2² on the line".to_owned(),
                DistanceKind::SlicedW2sq => format!("sliced W2² over {DIRECTIONS} directions"),
            };
            // Writing into a string does not fail.
            let _ = writeln!(
                text,
                "{target}: {how}, N = {}, floor {:.5} to the truth and {:.5} between the samplers, seed \
                 {}{}\n\n{table}",
                d.n,
                d.floor,
                d.floor_ode_sde,
                experiment.seed,
                remarks(first),
            );
            text.push_str(&energies(&cells));
            let rows = cells.iter().map(|(id, cell)| (format!("w_R = {}", id.w_r), cell));
            text.push_str(&modes_table(rows));
        }
        text.push_str(
            "95 %: bootstrap intervals of the distance between the laws, with chance taken out. Chance raises the \
             distance between points, by about the floor where two laws are close, so that it may lie above its \
             interval.\n",
        );
        let (found, all) = (self.cells.len(), experiment.cells().len());
        if found < all {
            let _ = writeln!(text, "{found} of {all} cells are finished.");
        }
        text
    }

    /// The distances that there are, each once.
    fn kinds(&self) -> Vec<DistanceKind> {
        let mut kinds = Vec::new();
        for (_, cell) in &self.cells {
            if !kinds.contains(&cell.distances.distance) {
                kinds.push(cell.distances.distance);
            }
        }
        kinds
    }

    fn page(&self, tables: &str, figures: &[String]) -> String {
        let figures: String = figures
            .iter()
            .map(|name| {
                format!(
                    "<figure><img src=\"figures/{name}.svg\" alt=\"{name}\">\
                     <figcaption>{name}</figcaption></figure>\n"
                )
            })
            .collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>fokker</title>\n\
             <style>body {{ font-family: sans-serif; margin: 2rem; }} img {{ max-width: 100%; }} \
             pre {{ overflow-x: auto; }}</style>\n</head>\n<body>\n<h1>Results</h1>\n<pre>{tables}</pre>\n\
             {figures}</body>\n</html>\n"
        )
    }
}

/// What else there is to know of the distances of a cell.
pub(crate) fn remarks(cell: &Cell) -> String {
    let units = if cell.standardised { ", in standardised units" } else { "" };
    let n = cell.distances.n_truth;
    let truth = match cell.held_out {
        true => format!(", the truth being {n} points held out of training"),
        false if n != cell.distances.n => format!(", the truth being {n} points"),
        false => String::new(),
    };
    let lost = cell.distances.truth_outside_in_words().map(|words| format!("; {words}"));
    format!("{units}{truth}{}", lost.unwrap_or_default())
}

/// A share of points outside the box, where there is one.
fn outside(distances: &Distances, share: f64) -> String {
    match distances.distance {
        DistanceKind::W2sqGrid => format!("{:.2} %", 100.0 * share),
        _ => "–".to_owned(),
    }
}

/// The energy distances of the cells of a target, if there are any.
fn energies(cells: &[&(CellId, Cell)]) -> String {
    let heads = ["w_R", "ODE–truth", "floor", "SDE–truth", "floor", "ODE–SDE", "floor"];
    let mut table = TextTable::new(&heads);
    let mut any = false;
    for (id, cell) in cells {
        let Some(energy) = &cell.distances.energy else { continue };
        let pairs = [energy.ode_truth, energy.sde_truth, energy.ode_sde];
        let numbers = pairs.iter().flat_map(|pair| [pair.value, pair.floor]);
        let numbers = numbers.map(|number| format!("{number:.5}"));
        table.row(std::iter::once(id.w_r.to_string()).chain(numbers).collect());
        any = true;
    }
    if any { format!("Squared energy distances\n\n{table}\n") } else { String::new() }
}

/// The most points of a training curve.
const POINTS: usize = 100;

/// The means of lines of metrics over stretches of equal length.
fn averaged(lines: &[&MetricsLine]) -> Vec<TrainingPoint> {
    let stretches = lines.chunks(lines.len().div_ceil(POINTS).max(1));
    let mean = |lines: &[&MetricsLine], value: fn(&MetricsLine) -> f64| {
        lines.iter().map(|line| value(line)).sum::<f64>() / lines.len() as f64
    };
    stretches
        .map(|lines| TrainingPoint {
            step: mean(lines, |line| line.step as f64) as u64,
            loss: mean(lines, |line| line.loss),
            dsm: mean(lines, |line| line.dsm),
            residual: lines
                .iter()
                .map(|line| line.residual)
                .sum::<Option<f64>>()
                .map(|sum| sum / lines.len() as f64),
        })
        .collect()
}
