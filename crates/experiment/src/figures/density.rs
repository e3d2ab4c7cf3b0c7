//! Densities side by side.

use ndarray::Array2;
use plotters::chart::ChartBuilder;
use plotters::element::Polygon;
use plotters::style::colors::colormaps::{ColorMap, ViridisRGB};
use plotters::style::{Color, RGBColor};

use super::page::{self, Area, failed};
use super::sheet::{HEADING_HEIGHT, Panel, ROW, Sheet, UNDER};
use super::{FigureError, ticks};

/// The colour bar, and the space for its labels.
const BAR: u32 = 34;
const BAR_RIGHT: u32 = 140;
const BAR_TICKS: usize = 7;
const SHADES: usize = 256;

/// Densities on the square `[-L, L]²`, one row per weight and one column per way to obtain them,
/// all on one colour scale from zero. It ends at the densest cell, or, if that is more than half
/// again the median of the panels' peaks, at 1.2 times this median, and says so by an arrow.
#[derive(Debug, Clone, PartialEq)]
pub struct DensityFigure {
    /// Set above everything else.
    pub title: String,
    /// The half-width L of the square.
    pub extent: f64,
    /// The names of the axes of each panel, horizontal and vertical.
    pub axes: [String; 2],
    /// Headings, set once above the first row.
    pub columns: Vec<String>,
    /// The rows, from top to bottom.
    pub rows: Vec<DensityRow>,
}

/// One row of a [`DensityFigure`].
#[derive(Debug, Clone, PartialEq)]
pub struct DensityRow {
    /// Set at the left, running upwards.
    pub label: String,
    /// One panel per column.
    pub panels: Vec<DensityPanel>,
}

/// One density of a [`DensityFigure`].
#[derive(Debug, Clone, PartialEq)]
pub struct DensityPanel {
    /// The density on a square grid of cells, indexed `[y, x]`: the first row of the array is at
    /// `y = -L` and is drawn at the bottom.
    pub density: Array2<f64>,
    /// A short remark set under the panel.
    pub caption: Option<String>,
}

impl DensityFigure {
    /// Draws the figure as PNG.
    ///
    /// # Errors
    ///
    /// If the figure is empty or ragged, or if a density is not one. See [`FigureError`].
    pub fn draw_png(&self) -> Result<Vec<u8>, FigureError> {
        page::rasterise(&self.draw_svg()?)
    }

    /// Draws the figure as SVG.
    ///
    /// # Errors
    ///
    /// As [`draw_png`](Self::draw_png).
    pub fn draw_svg(&self) -> Result<String, FigureError> {
        let sheet = self.sheet();
        sheet.check()?;
        self.check()?;
        let scale =
            Scale::new(self).ok_or_else(|| FigureError::NoMass { title: self.title.clone() })?;
        let panel = |row: usize, column: usize| {
            let DensityPanel { density, caption } = &self.rows[row].panels[column];
            let color = |x, y| ViridisRGB.get_color(density[[y, x]] / scale.top);
            let caption = caption.as_deref().unwrap_or_default();
            Panel { cells: density.nrows(), color: Box::new(color), caption }
        };
        sheet.draw(panel, |right, bitmaps| {
            // Longer than two panels the bar would only take the eye away from them.
            let length = HEADING_HEIGHT + self.rows.len().min(2) as u32 * ROW;
            let title = right.dim_in_pixel().1 - HEADING_HEIGHT - self.rows.len() as u32 * ROW;
            let (bar, _) = right.margin(title, 0, 0, 0).split_vertically(length);
            scale.draw(&bar.margin(0, UNDER, 0, 0), bitmaps)
        })
    }

    fn sheet(&self) -> Sheet<'_> {
        Sheet {
            title: &self.title,
            extent: self.extent,
            axes: &self.axes,
            columns: &self.columns,
            rows: self.rows.iter().map(|row| row.label.as_str()).collect(),
            side: BAR + BAR_RIGHT,
        }
    }

    fn check(&self) -> Result<(), FigureError> {
        for DensityRow { label, panels } in &self.rows {
            if panels.len() != self.columns.len() {
                return Err(FigureError::Ragged {
                    row: label.clone(),
                    expected: self.columns.len(),
                    found: panels.len(),
                });
            }
            for (DensityPanel { density, .. }, column) in panels.iter().zip(&self.columns) {
                let (row, column) = (label.clone(), column.clone());
                let (height, width) = density.dim();
                if height != width || height == 0 {
                    return Err(FigureError::NotSquare { row, column, height, width });
                }
                let bad = |&(_, value): &(_, &f64)| !(*value >= 0.0 && value.is_finite());
                if let Some(((y, x), &value)) = density.indexed_iter().find(bad) {
                    return Err(FigureError::Cell { row, column, y, x, value });
                }
            }
        }
        Ok(())
    }
}

/// The range of densities that the colours run over.
struct Scale {
    top: f64,
    /// Whether some cells are denser than `top`.
    exceeded: bool,
}

impl Scale {
    /// Runs up to the densest cell, unless it is far denser than what most panels reach. One
    /// density collapsed onto a few cells would leave the others dark.
    fn new(figure: &DensityFigure) -> Option<Self> {
        let panels = figure.rows.iter().flat_map(|row| &row.panels);
        let mut peaks: Vec<f64> = panels
            .map(|panel| panel.density.iter().copied().fold(0.0, f64::max))
            .filter(|&peak| peak > 0.0)
            .collect();
        peaks.sort_unstable_by(f64::total_cmp);
        let densest = *peaks.last()?;
        let usual = peaks[(peaks.len() - 1) / 2];
        let exceeded = densest > 1.5 * usual;
        Some(Self { top: if exceeded { 1.2 * usual } else { densest }, exceeded })
    }

    /// Draws the colour bar.
    fn draw(&self, area: &Area<'_>, bitmaps: &mut String) -> Result<(), FigureError> {
        let label = ticks::linear(self.top, BAR_TICKS);
        let mut chart = ChartBuilder::on(area)
            .margin_top(HEADING_HEIGHT)
            .right_y_label_area_size(BAR_RIGHT)
            .build_cartesian_2d(0.0..1.0, 0.0..self.top)
            .map_err(failed)?;
        let bar = chart.plotting_area().strip_coord_spec();
        page::bitmap(bitmaps, &bar, (1, SHADES), |_, y| {
            ViridisRGB.get_color(1.0 - y as f64 / (SHADES - 1) as f64)
        })?;
        page::axes(&mut chart)
            .disable_mesh()
            .y_labels(BAR_TICKS)
            .y_label_formatter(&label)
            .y_desc("density")
            .draw()
            .map_err(failed)?;
        let [left, right] = page::frame(area, &bar)?;
        if self.exceeded {
            let arrow = [left, ((left.0 + right.0) / 2, left.1 - BAR as i32), right];
            let color: RGBColor = ViridisRGB.get_color(1.0);
            area.draw(&Polygon::new(arrow, color.filled())).map_err(failed)?;
            page::outline(area, &arrow)?;
        }
        Ok(())
    }
}
