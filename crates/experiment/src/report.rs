use std::fmt::Write;
use std::path::Path;

use fokker_metrics::Histogram;
use fokker_sde_core::TargetName;
use ndarray::{Array2, Ix2};

use crate::evaluate::histogram;
use crate::figures::{
    DensityFigure, DensityPanel, DensityRow, ScatterFigure, ScatterPoint, ScatterSeries,
    TrainingCurves, TrainingPoint, TrainingSeries,
};
use crate::panels::{COLUMNS, model_panels};
use crate::run_folder::RunReader;
use crate::text_table::TextTable;
use crate::{Cell, CellId, Error, Experiment, MetricsLine, files};

/// Draws the figures of the finished cells of a run folder, writes `report.html`, and returns its tables
/// as text.
///
/// The figures, each as PNG and SVG:
///
/// - `densities`: the densities of the samplers' points, one row per weight. Of one target with the
///   truth beside them; of several, all targets side by side, and for each `densities_TARGET` with the
///   truth;
/// - `gap`: `W2²` between ODE and SDE against mean `ε²`, on logarithmic axes;
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
        if let Some(cell) = folder.cell(id)? {
            cells.push((id, cell));
        }
    }
    if cells.is_empty() {
        return Err(Error::NothingFinished(path.to_owned()));
    }
    let report = Report { folder, experiment, cells };
    let mut names = report.draw_densities()?;
    names.extend(report.draw_scatters()?);
    names.extend(report.draw_training()?);
    let tables = report.tables();
    files::write(&report.folder.path("report.html"), report.page(&tables, &names).as_bytes())?;
    Ok(tables)
}

/// The finished cells of a run.
struct Report {
    folder: RunReader,
    experiment: Experiment,
    cells: Vec<(CellId, Cell)>,
}

impl Report {
    fn write(&self, name: &str, png: &[u8], svg: &str) -> Result<String, Error> {
        files::write(&self.folder.path(&format!("figures/{name}.png")), png)?;
        files::write(&self.folder.path(&format!("figures/{name}.svg")), svg.as_bytes())?;
        Ok(name.to_owned())
    }

    fn histogram(&self, name: &str) -> Result<Histogram, Error> {
        let path = self.folder.path(&format!("samples/{name}.npy"));
        let points: Array2<f32> = files::read_npy(&path)?
            .into_dimensionality::<Ix2>()
            .map_err(|error| Error::Content { path: path.clone(), reason: error.to_string() })?
            .mapv(|x| x as f32);
        histogram(&self.experiment.protocol(), &points)
    }

    fn draw_densities(&self) -> Result<Vec<String>, Error> {
        let targets = &self.experiment.targets;
        let weights = &self.experiment.training.residual_weights;
        let extent = self.experiment.measurement.extent;
        let mut all: Vec<(CellId, Vec<DensityPanel>)> = Vec::new();
        let mut names = Vec::new();
        for target in targets {
            let mut rows = Vec::new();
            for (id, cell) in self.cells.iter().filter(|(id, _)| id.target == *target) {
                let truth = self.histogram(&format!("{target}_truth"))?;
                let [sde, ode] =
                    ["sde", "ode"].map(|way| self.histogram(&format!("{}_{way}", id.stem())));
                let panels = model_panels(&cell.distances, &sde?, &ode?, &truth);
                all.push((*id, panels[..2].to_vec()));
                rows.push(DensityRow { label: id.to_string(), panels });
            }
            if rows.is_empty() {
                continue;
            }
            let columns = COLUMNS.map(str::to_owned).to_vec();
            let figure = DensityFigure { title: String::new(), extent, columns, rows };
            let name = self.name("densities", *target);
            names.push(self.write(&name, &figure.draw_png()?, &figure.draw_svg()?)?);
        }
        // The panel of all targets needs all of its rows and columns.
        let complete: Vec<f64> = weights
            .iter()
            .copied()
            .filter(|w_r| all.iter().filter(|(id, _)| id.w_r == *w_r).count() == targets.len())
            .collect();
        if targets.len() > 1 && !complete.is_empty() {
            let columns = targets
                .iter()
                .flat_map(|target| COLUMNS[..2].iter().map(move |way| format!("{target}, {way}")));
            let row = |w_r: &f64| DensityRow {
                label: format!("w_R = {w_r}"),
                panels: all
                    .iter()
                    .filter(|(id, _)| id.w_r == *w_r)
                    .flat_map(|(_, panels)| panels.clone())
                    .collect(),
            };
            let rows = complete.iter().map(row).collect();
            let columns = columns.collect();
            let figure = DensityFigure { title: String::new(), extent, columns, rows };
            names.insert(0, self.write("densities", &figure.draw_png()?, &figure.draw_svg()?)?);
        }
        Ok(names)
    }

    fn draw_scatters(&self) -> Result<Vec<String>, Error> {
        let scatter = |y_label: &str, value: fn(&Cell) -> f64| {
            let series = |target| {
                let cells = self.cells.iter().filter(move |(id, _)| id.target == target);
                let points = cells.map(|(id, cell)| ScatterPoint {
                    x: cell.residual.mean_residual_sq,
                    y: value(cell),
                    label: id.w_r.to_string(),
                });
                ScatterSeries { label: format!("{target}"), points: points.collect() }
            };
            let series = self.experiment.targets.iter().map(|&target| series(target));
            ScatterFigure {
                x_label: "mean ε² over the collocation box".to_owned(),
                y_label: y_label.to_owned(),
                note: "labels: w_R".to_owned(),
                series: series.filter(|series| !series.points.is_empty()).collect(),
            }
        };
        let figures = [
            ("gap", scatter("W2² between ODE and SDE", |cell| cell.distances.w2sq_ode_sde)),
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
        for target in &self.experiment.targets {
            let cells = self.cells.iter().filter(|(id, _)| id.target == *target);
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
            let name = self.name("training", *target);
            names.push(self.write(&name, &figure.draw_png()?, &figure.draw_svg()?)?);
        }
        Ok(names)
    }

    /// The name of a figure of one target.
    fn name(&self, figure: &str, target: TargetName) -> String {
        match self.experiment.targets.len() {
            1 => figure.to_owned(),
            _ => format!("{figure}_{target}"),
        }
    }

    /// One table for each target.
    fn tables(&self) -> String {
        let experiment = &self.experiment;
        let mut text = String::new();
        for target in &experiment.targets {
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
            ];
            let mut table = TextTable::new(&heads);
            let cells: Vec<_> = self.cells.iter().filter(|(id, _)| id.target == *target).collect();
            let Some((_, first)) = cells.first() else { continue };
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
                    format!("{:.3e}", r.mean_residual_sq),
                    r.marginal_residual_sq.map_or_else(String::new, |mean| format!("{mean:.3e}")),
                    format!("{:.4}", cell.dsm),
                    format!("{:.2} %", 100.0 * d.outside_ode.max(d.outside_sde)),
                ]);
            }
            let d = &first.distances;
            // Writing into a string does not fail.
            let _ = writeln!(
                text,
                "{target}: W2² on {nodes} × {nodes} nodes over ±{}, N = {}, floor {:.5} to the truth and \
                 {:.5} between the samplers, seed {}\n\n{table}",
                experiment.measurement.extent,
                d.n,
                d.floor,
                d.floor_ode_sde,
                experiment.seed,
                nodes = experiment.measurement.nodes,
            );
        }
        let (found, all) = (self.cells.len(), experiment.cells().len());
        if found < all {
            let _ = writeln!(text, "{found} of {all} cells are finished.");
        }
        text
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
            residual: Some(mean(lines, |line| line.residual)),
        })
        .collect()
}
