//! Fields in the plane, each on a colour scale of its own.

use ndarray::Array2;
use plotters::style::RGBColor;
use plotters::style::colors::colormaps::{ColorMap, DerivedColorMap, ViridisRGB};

use super::sheet::{Panel, Sheet};
use super::{FigureError, page};

/// Where there is no value.
const NOTHING: RGBColor = RGBColor(0xe8, 0xe8, 0xe8);

/// Fields on the square `[-L, L]²`, one column per time, say, and one row per quantity.
///
/// Each panel has its own scale: of a field with a sign from blue over white to red, symmetric about zero; of
/// another from zero in the colours of [`DensityFigure`](super::DensityFigure). It ends where a hundredth of the values are beyond it;
/// the caption says where. Not-a-number is grey: no value.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldFigure {
    /// Set above everything else.
    pub title: String,
    /// The half-width L of the square.
    pub extent: f64,
    /// The names of the axes of each panel, horizontal and vertical.
    pub axes: [String; 2],
    /// Headings, set once above the first row.
    pub columns: Vec<String>,
    /// The rows, from top to bottom.
    pub rows: Vec<FieldRow>,
}

/// One row of a [`FieldFigure`].
#[derive(Debug, Clone, PartialEq)]
pub struct FieldRow {
    /// Set at the left, running upwards.
    pub label: String,
    /// One panel per column.
    pub panels: Vec<FieldPanel>,
}

/// One field of a [`FieldFigure`].
#[derive(Debug, Clone, PartialEq)]
pub struct FieldPanel {
    /// The values on a square grid of cells, `[y, x]`, from the lower left corner.
    pub values: Array2<f64>,
    /// Whether the quantity may be negative.
    pub signed: bool,
    /// A short remark, set after the scale.
    pub caption: String,
}

impl FieldFigure {
    /// Draws the figure as PNG.
    ///
    /// # Errors
    ///
    /// If the figure is empty or ragged, or a field is not square. See [`FigureError`].
    pub fn draw_png(&self) -> Result<Vec<u8>, FigureError> {
        page::rasterise(&self.draw_svg()?)
    }

    /// Draws the figure as SVG.
    ///
    /// # Errors
    ///
    /// As [`draw_png`](Self::draw_png).
    pub fn draw_svg(&self) -> Result<String, FigureError> {
        let sheet = Sheet {
            title: &self.title,
            extent: self.extent,
            axes: &self.axes,
            columns: &self.columns,
            rows: self.rows.iter().map(|row| row.label.as_str()).collect(),
            side: 0,
        };
        sheet.check()?;
        self.check()?;
        let fields = || self.rows.iter().flat_map(|row| &row.panels);
        let tops: Vec<f64> = fields().map(top).collect();
        let captions: Vec<String> =
            fields().zip(&tops).map(|(panel, &top)| caption(panel, top)).collect();
        let columns = self.columns.len();
        let panel = |row: usize, column: usize| {
            let FieldPanel { values, signed, .. } = &self.rows[row].panels[column];
            let top = tops[row * columns + column];
            let color = move |x, y| match values[[y, x]] / top {
                value if !value.is_finite() => NOTHING,
                value if *signed => diverging(value),
                value => ViridisRGB.get_color(value.clamp(0.0, 1.0)),
            };
            let caption = &captions[row * columns + column];
            Panel { cells: values.nrows(), color: Box::new(color), caption }
        };
        sheet.draw(panel, |_, _| Ok(()))
    }

    fn check(&self) -> Result<(), FigureError> {
        for FieldRow { label, panels } in &self.rows {
            let (expected, found) = (self.columns.len(), panels.len());
            if expected != found {
                return Err(FigureError::Ragged { row: label.clone(), expected, found });
            }
            for (FieldPanel { values, .. }, column) in panels.iter().zip(&self.columns) {
                let (row, column) = (label.clone(), column.clone());
                let (height, width) = values.dim();
                if height != width || height == 0 {
                    return Err(FigureError::NotSquare { row, column, height, width });
                }
            }
        }
        Ok(())
    }
}

/// The end of the scale of a panel; 1 if it holds nothing but zeros.
fn top(panel: &FieldPanel) -> f64 {
    let mut sizes: Vec<f64> =
        panel.values.iter().filter(|v| v.is_finite()).map(|v| v.abs()).collect();
    sizes.sort_unstable_by(f64::total_cmp);
    let last = sizes.len().saturating_sub(1);
    let of = |rank: usize| sizes.get(rank).copied().unwrap_or(0.0);
    // Of a field that is zero nearly everywhere the largest value.
    [of(last - last / 100), of(last)].into_iter().find(|top| *top > 0.0).unwrap_or(1.0)
}

fn caption(panel: &FieldPanel, top: f64) -> String {
    let range = if panel.signed { format!("±{top:.2e}") } else { format!("0 … {top:.2e}") };
    let parts = [range.as_str(), panel.caption.as_str()];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// Blue at −1, white at 0, red at 1.
fn diverging(value: f64) -> RGBColor {
    let stops = [
        RGBColor(0x05, 0x30, 0x61),
        RGBColor(0x43, 0x93, 0xc3),
        RGBColor(0xf7, 0xf7, 0xf7),
        RGBColor(0xd6, 0x60, 0x4d),
        RGBColor(0x67, 0x00, 0x1f),
    ];
    DerivedColorMap::new(&stops).get_color(0.5 * (value.clamp(-1.0, 1.0) + 1.0))
}
