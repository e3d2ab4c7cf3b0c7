//! Densities on the line.

use plotters::chart::ChartBuilder;
use plotters::element::PathElement;
use plotters::style::Color;

use super::page::{self, Area, LABEL, LEGEND, UPWARDS, failed};
use super::{FigureError, ticks};

const ROW_LABEL: u32 = 64;
const SIDE: u32 = 760;
const HEIGHT: u32 = 300;
const LEFT: u32 = 124;
const RIGHT: u32 = 44;
const BELOW: u32 = 90;
/// The caption under a panel, with some space under it.
const CAPTION: u32 = 72;
const ROW_GAP: u32 = 28;
const ABOVE: u32 = 24;
const TICKS: usize = 7;
const SAMPLE: u32 = 74;
const ENTRY: u32 = 48;
const CURVE: u32 = 3;

/// Densities of points on the line as histograms, one panel for each weight with one curve for each way to
/// obtain the points, all on one scale from zero.
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramFigure {
    /// The name of the horizontal axis.
    pub axis: String,
    /// The ends of the interval that all curves are over.
    pub range: [f64; 2],
    /// What the curves of each panel are, in the order of the legend.
    pub curves: Vec<String>,
    /// The panels, from top to bottom.
    pub panels: Vec<HistogramPanel>,
}

/// A panel of a [`HistogramFigure`].
#[derive(Debug, Clone, PartialEq)]
pub struct HistogramPanel {
    /// Set at the left, running upwards.
    pub label: String,
    /// A short remark set under the panel.
    pub caption: String,
    /// The density in bins of equal width, one list for each curve.
    pub densities: Vec<Vec<f64>>,
}

impl HistogramFigure {
    /// Draws the figure as PNG.
    ///
    /// # Errors
    ///
    /// If the figure is empty or ragged, or a density is not one. See [`FigureError`].
    pub fn draw_png(&self) -> Result<Vec<u8>, FigureError> {
        page::rasterise(&self.draw_svg()?)
    }

    /// Draws the figure as SVG.
    ///
    /// # Errors
    ///
    /// As [`draw_png`](Self::draw_png).
    pub fn draw_svg(&self) -> Result<String, FigureError> {
        let top = 1.06 * self.check()?;
        let legend = self.curves.iter().map(|curve| LEGEND.width(curve)).max().unwrap_or(0);
        let rows = self.panels.len();
        let row = HEIGHT + BELOW + CAPTION;
        let size = (ROW_LABEL + LEFT + SIDE + RIGHT + SAMPLE + legend, ABOVE + rows as u32 * row);
        page::document(size, |area, _| {
            let area = area.margin(ABOVE, 0, 0, 0);
            let (labels, area) = area.split_horizontally(ROW_LABEL);
            let (area, legend) = area.split_horizontally(LEFT + SIDE + RIGHT);
            for (panel, area) in self.panels.iter().zip(labels.split_evenly((rows, 1))) {
                page::text(&area.margin(0, BELOW + CAPTION, 0, 0), &panel.label, &UPWARDS)?;
            }
            for (panel, area) in self.panels.iter().zip(area.split_evenly((rows, 1))) {
                self.draw_panel(panel, top, &area)?;
            }
            let entries = legend.split_vertically(self.curves.len() as u32 * ENTRY).0;
            let entries = entries.split_evenly((self.curves.len(), 1));
            for (index, (curve, area)) in self.curves.iter().zip(entries).enumerate() {
                let (sample, label) = area.split_horizontally(SAMPLE);
                let path = [0, SAMPLE as i32 - 18].map(|x| (x, ENTRY as i32 / 2));
                let style = page::color(index).stroke_width(2 * CURVE);
                sample.draw(&PathElement::new(path, style)).map_err(failed)?;
                page::text(&label, curve, &LEGEND)?;
            }
            Ok(())
        })
    }

    fn draw_panel(
        &self,
        panel: &HistogramPanel,
        top: f64,
        area: &Area<'_>,
    ) -> Result<(), FigureError> {
        let (area, below) = area.margin(0, 0, 0, RIGHT).split_vertically(HEIGHT + BELOW);
        page::text(&below.margin(0, ROW_GAP, LEFT / 2, 0), &panel.caption, &LABEL)?;
        let [from, to] = self.range;
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(BELOW)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(from..to, 0.0..top)
            .map_err(failed)?;
        page::axes(&mut chart)
            .disable_mesh()
            .x_labels(TICKS)
            .y_labels(4)
            .x_label_formatter(&ticks::linear(to - from, TICKS))
            .y_label_formatter(&ticks::linear(top, 4))
            .x_desc(&self.axis)
            .y_desc("density")
            .draw()
            .map_err(failed)?;
        for (index, density) in panel.densities.iter().enumerate() {
            let bin = |k: usize| from + (to - from) * k as f64 / density.len() as f64;
            let steps =
                density.iter().enumerate().flat_map(|(k, &y)| [(bin(k), y), (bin(k + 1), y)]);
            let line =
                PathElement::new(steps.collect::<Vec<_>>(), page::color(index).stroke_width(CURVE));
            chart.plotting_area().draw(&line).map_err(failed)?;
        }
        page::frame(&area, &chart.plotting_area().strip_coord_spec())?;
        Ok(())
    }

    /// The largest density.
    fn check(&self) -> Result<f64, FigureError> {
        if self.panels.is_empty() || self.curves.is_empty() {
            return Err(FigureError::Empty { title: self.axis.clone() });
        }
        let [from, to] = self.range;
        if !(from < to && (to - from).is_finite()) {
            return Err(FigureError::Extent { extent: 0.5 * (to - from) });
        }
        let mut largest = 0.0_f64;
        for HistogramPanel { label, densities, .. } in &self.panels {
            let (found, expected) = (densities.len(), self.curves.len());
            if found != expected {
                return Err(FigureError::Ragged { row: label.clone(), expected, found });
            }
            for (density, column) in densities.iter().zip(&self.curves) {
                for (x, &value) in density.iter().enumerate() {
                    if !(value >= 0.0 && value.is_finite()) {
                        let (row, column) = (label.clone(), column.clone());
                        return Err(FigureError::Cell { row, column, y: 0, x, value });
                    }
                    largest = largest.max(value);
                }
            }
        }
        if largest == 0.0 {
            return Err(FigureError::NoMass { title: self.axis.clone() });
        }
        Ok(largest)
    }
}
