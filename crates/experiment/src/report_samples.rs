//! The figures of a run that show its samples.

use std::ops::Range;

use fokker_sde_core::Standardisation;
use ndarray::{Array2, Axis, Ix2};

use crate::figures::{
    DensityFigure, DensityPanel, DensityRow, HistogramFigure, HistogramPanel, ImageFigure, ImageRow,
};
use crate::panels::{COLUMNS, caption, model_panels};
use crate::points_spec::ImageSize;
use crate::report::Report;
use crate::view::View;
use crate::{Cell, CellId, Error, TargetSpec, files};

/// Images along each side of a sheet.
const ACROSS: usize = 8;

/// A weight `w_R` and the panels of its samplers.
type WeightedPanels = (f64, Vec<DensityPanel>);

/// The samples of one target, in the units of the network.
struct TargetSamples<'a> {
    label: &'a str,
    map: Option<Standardisation>,
    truth: Array2<f32>,
    /// Of each finished cell the points of the SDE and of the ODE.
    cells: Vec<(&'a CellId, &'a Cell, [Array2<f32>; 2])>,
}

impl Report {
    /// One figure of densities for each target, one of all that are in the plane, and those of images.
    pub(crate) fn draw_samples(&self) -> Result<Vec<String>, Error> {
        let (mut names, mut images) = (Vec::new(), Vec::new());
        let mut flat: Vec<(&str, Vec<WeightedPanels>)> = Vec::new();
        for target in &self.experiment.targets {
            let Some(samples) = self.samples(target.label())? else { continue };
            match self.view(&samples)? {
                None => names.push(self.draw_line(&samples)?),
                Some(view) => {
                    let (name, rows) = self.draw_densities(&samples, &view)?;
                    names.push(name);
                    if samples.truth.ncols() == 2 {
                        flat.push((samples.label, rows));
                    }
                }
            }
            if let Some(size) = target.points().and_then(|points| points.images) {
                images.push(self.draw_images(&samples, size)?);
            }
        }
        if let Some(name) = self.draw_all(&flat)? {
            names.insert(0, name);
        }
        names.extend(images);
        Ok(names)
    }

    /// What the run has written of a target; `None` as long as none of its cells is finished.
    fn samples<'a>(&'a self, label: &'a str) -> Result<Option<TargetSamples<'a>>, Error> {
        let finished = || self.cells.iter().filter(|(id, _)| id.target == label);
        let Some((first, _)) = finished().next() else { return Ok(None) };
        let checkpoint = self.folder.path(&format!("checkpoints/{}.safetensors", first.stem()));
        let map = files::read_checkpoint::<f32>(&checkpoint)?.standardisation;
        let read = |name: String| {
            let mut points = self.points(&name)?;
            if let Some(map) = &map {
                map.standardise(&mut points)?;
            }
            Ok::<_, Error>(points.mapv(|x| x as f32))
        };
        let mut cells = Vec::new();
        for (id, cell) in finished() {
            let stem = id.stem();
            let points = [read(format!("{stem}_sde"))?, read(format!("{stem}_ode"))?];
            cells.push((id, cell, points));
        }
        let truth = read(format!("{label}_truth"))?;
        Ok(Some(TargetSamples { label, map, truth, cells }))
    }

    /// Points as they stand in a file, in the units of the data.
    fn points(&self, name: &str) -> Result<Array2<f64>, Error> {
        let path = self.folder.path(&format!("samples/{name}.npy"));
        files::read_npy(&path)?
            .into_dimensionality::<Ix2>()
            .map_err(|error| Error::Content { path: path.clone(), reason: error.to_string() })
    }

    fn view(&self, samples: &TargetSamples<'_>) -> Result<Option<View>, Error> {
        View::of(&self.experiment.protocol(), &samples.truth, samples.map.is_some())
    }

    /// Draws the densities of one target; gives the panels of its samplers by weight, too.
    fn draw_densities(
        &self,
        samples: &TargetSamples<'_>,
        view: &View,
    ) -> Result<(String, Vec<WeightedPanels>), Error> {
        let (mut rows, mut all) = (Vec::new(), Vec::new());
        for (id, cell, [sde, ode]) in &samples.cells {
            let panels = model_panels(view, &cell.distances, [sde, ode, &samples.truth])?;
            all.push((id.w_r, panels[..2].to_vec()));
            rows.push(DensityRow { label: id.to_string(), panels });
        }
        let figure = DensityFigure {
            title: String::new(),
            extent: view.extent,
            axes: view.names.clone(),
            columns: COLUMNS.map(str::to_owned).to_vec(),
            rows,
        };
        let name = self.name("densities", samples.label);
        Ok((self.write(&name, &figure.draw_png()?, &figure.draw_svg()?)?, all))
    }

    /// Draws the densities of all targets in the plane side by side, if there are several.
    fn draw_all(&self, targets: &[(&str, Vec<WeightedPanels>)]) -> Result<Option<String>, Error> {
        let weights = &self.experiment.training.residual_weights;
        let row = |w_r: f64| -> Vec<DensityPanel> {
            let rows = targets.iter().flat_map(|(_, rows)| rows);
            rows.filter(|(found, _)| *found == w_r).flat_map(|(_, panels)| panels.clone()).collect()
        };
        // The figure needs all of its rows and columns.
        let rows: Vec<DensityRow> = weights
            .iter()
            .map(|&w_r| DensityRow { label: format!("w_R = {w_r}"), panels: row(w_r) })
            .filter(|row| row.panels.len() == 2 * targets.len())
            .collect();
        let expected = self.experiment.targets.iter().filter(|target| self.is_flat(target)).count();
        if targets.len() < 2 || targets.len() < expected || rows.is_empty() {
            return Ok(None);
        }
        let columns = targets
            .iter()
            .flat_map(|(label, _)| COLUMNS[..2].iter().map(move |way| format!("{label}, {way}")));
        let figure = DensityFigure {
            title: String::new(),
            extent: self.experiment.measurement.extent,
            axes: ["x", "y"].map(str::to_owned),
            columns: columns.collect(),
            rows,
        };
        self.write("densities", &figure.draw_png()?, &figure.draw_svg()?).map(Some)
    }

    /// Whether a target may be in the plane: its law says so, or a finished cell of it, if there is one.
    fn is_flat(&self, target: &TargetSpec) -> bool {
        match target.law() {
            Ok(Some(law)) => law.dim() == 2,
            _ => {
                let of_target = |(id, _): &&(CellId, Cell)| id.target == target.label();
                self.cells.iter().find(of_target).is_none_or(|(_, cell)| {
                    cell.distances.distance == crate::DistanceKind::W2sqGrid
                })
            }
        }
    }

    /// Draws the histograms of points on the line.
    fn draw_line(&self, samples: &TargetSamples<'_>) -> Result<String, Error> {
        let range = shown(&samples.truth);
        let bins = self.experiment.measurement.nodes;
        let panels = samples.cells.iter().map(|(id, cell, [sde, ode])| HistogramPanel {
            label: format!("w_R = {}", id.w_r),
            caption: caption(&cell.distances),
            densities: [sde, ode, &samples.truth].map(|points| binned(points, &range, bins)).into(),
        });
        let unit = if samples.map.is_some() { ", standardised" } else { "" };
        let figure = HistogramFigure {
            axis: format!("x{unit}"),
            range: [range.start, range.end],
            curves: COLUMNS.map(str::to_owned).into(),
            panels: panels.collect(),
        };
        let name = self.name("densities", samples.label);
        self.write(&name, &figure.draw_png()?, &figure.draw_svg()?)
    }

    /// Draws the first samples as images, in the units of the data.
    fn draw_images(&self, samples: &TargetSamples<'_>, size: ImageSize) -> Result<String, Error> {
        let sheet = |points: &Array2<f64>| {
            let rows = points.axis_iter(Axis(0)).take(ACROSS * ACROSS);
            let image = |point: ndarray::ArrayView1<'_, f64>| {
                let (height, width) = (size.height, size.width);
                Array2::from_shape_fn((height, width), |(y, x)| point[y * width + x])
            };
            rows.map(image).collect::<Vec<_>>()
        };
        let truth = self.points(&format!("{}_truth", samples.label))?;
        let range = truth
            .iter()
            .fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], &x| [low.min(x), high.max(x)]);
        let mut rows = Vec::new();
        for (id, ..) in &samples.cells {
            let [sde, ode] = ["sde", "ode"].map(|way| self.points(&format!("{}_{way}", id.stem())));
            let sheets = vec![sheet(&sde?), sheet(&ode?), sheet(&truth)];
            rows.push(ImageRow { label: id.to_string(), sheets });
        }
        let columns = COLUMNS.map(str::to_owned).into();
        let figure = ImageFigure { range, across: ACROSS, columns, rows };
        let name = self.name("images", samples.label);
        self.write(&name, &figure.draw_png()?, &figure.draw_svg()?)
    }
}

/// The interval of the middle 99 % of points on the line, with some air at its ends.
fn shown(points: &Array2<f32>) -> Range<f64> {
    let mut sorted: Vec<f64> = points.iter().map(|&x| f64::from(x)).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let at = |share: f64| sorted[(share * (sorted.len() - 1) as f64) as usize];
    let (low, high) = (at(0.005), at(0.995));
    // Points that are all the same still need an interval around them.
    let air = if high > low { 0.15 * (high - low) } else { 1.0 };
    low - air..high + air
}

/// The density of points on the line in bins of equal width; points outside count in the total.
fn binned(points: &Array2<f32>, range: &Range<f64>, bins: usize) -> Vec<f64> {
    let width = (range.end - range.start) / bins as f64;
    let mut density = vec![0.0; bins];
    for &x in points {
        let place = (f64::from(x) - range.start) / width;
        if place >= 0.0 && place < bins as f64 {
            density[place as usize] += 1.0 / (points.len() as f64 * width);
        }
    }
    density
}
