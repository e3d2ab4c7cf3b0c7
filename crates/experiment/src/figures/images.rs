//! Sheets of small grey images.

use ndarray::Array2;
use plotters::style::RGBColor;

use super::FigureError;
use super::page::{self, HEADING, UPWARDS};

const HEADING_HEIGHT: u32 = 64;
const ROW_LABEL: u32 = 72;
/// The longer side of a sheet, and the space between sheets.
const SIDE: u32 = 640;
const GAP: u32 = 48;

/// Sheets of images side by side, one row per weight and one column per way to obtain them.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageFigure {
    /// The value that is black and the one that is white; values outside are as dark or as bright.
    pub range: [f64; 2],
    /// Images in each row of a sheet.
    pub across: usize,
    /// Headings, set once above the first row.
    pub columns: Vec<String>,
    /// The rows, from top to bottom.
    pub rows: Vec<ImageRow>,
}

/// One row of an [`ImageFigure`].
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRow {
    /// Set at the left, running upwards.
    pub label: String,
    /// For each column a sheet of images `[height, width]`, all of one size.
    pub sheets: Vec<Vec<Array2<f64>>>,
}

impl ImageFigure {
    /// Draws the figure as PNG.
    ///
    /// # Errors
    ///
    /// If the figure is empty or ragged. See [`FigureError`].
    pub fn draw_png(&self) -> Result<Vec<u8>, FigureError> {
        page::rasterise(&self.draw_svg()?)
    }

    /// Draws the figure as SVG.
    ///
    /// # Errors
    ///
    /// As [`draw_png`](Self::draw_png).
    pub fn draw_svg(&self) -> Result<String, FigureError> {
        let pixels = self.check()?;
        // Whole pixels of the page for each of an image, so that all are of one size.
        let zoom = (SIDE / pixels.0.max(pixels.1) as u32).max(1);
        let sheet = (zoom * pixels.0 as u32, zoom * pixels.1 as u32);
        let (columns, rows) = (self.columns.len() as u32, self.rows.len() as u32);
        let size = (
            ROW_LABEL + columns * sheet.0 + (columns - 1) * GAP,
            HEADING_HEIGHT + rows * sheet.1 + (rows - 1) * GAP,
        );
        page::document(size, |area, bitmaps| {
            for (column, heading) in self.columns.iter().enumerate() {
                let left = ROW_LABEL + column as u32 * (sheet.0 + GAP);
                let part = area.clone().shrink((left, 0), (sheet.0, HEADING_HEIGHT));
                page::text(&part, heading, &HEADING)?;
            }
            for (row, ImageRow { label, sheets }) in self.rows.iter().enumerate() {
                let top = HEADING_HEIGHT + row as u32 * (sheet.1 + GAP);
                page::text(&area.clone().shrink((0, top), (ROW_LABEL, sheet.1)), label, &UPWARDS)?;
                for (column, images) in sheets.iter().enumerate() {
                    let left = ROW_LABEL + column as u32 * (sheet.0 + GAP);
                    let part = area.clone().shrink((left, top), sheet);
                    page::bitmap(bitmaps, &part, pixels, |x, y| self.color(images, x, y))?;
                }
            }
            Ok(())
        })
    }

    /// The colour of a pixel of a sheet: images with a white pixel between them.
    fn color(&self, images: &[Array2<f64>], x: usize, y: usize) -> RGBColor {
        const WHITE: RGBColor = RGBColor(255, 255, 255);
        let Some((height, width)) = images.first().map(Array2::dim) else { return WHITE };
        let (column, row) = (x / (width + 1), y / (height + 1));
        let inside = (y % (height + 1), x % (width + 1));
        let image = images.get(row * self.across + column);
        // Past the last column and row of an image, where there is no value, is the space between.
        let Some(&value) = image.and_then(|image| image.get(inside)) else { return WHITE };
        let [black, white] = self.range;
        let grey = (255.0 * ((value - black) / (white - black)).clamp(0.0, 1.0)).round() as u8;
        RGBColor(grey, grey, grey)
    }

    /// The pixels of a sheet, across and down.
    fn check(&self) -> Result<(usize, usize), FigureError> {
        let empty = || FigureError::Empty { title: "images".to_owned() };
        let [black, white] = self.range;
        if !(black < white && (white - black).is_finite()) {
            return Err(FigureError::Extent { extent: 0.5 * (white - black) });
        }
        let sheets = || self.rows.iter().flat_map(|row| &row.sheets);
        let (height, width) =
            sheets().flatten().next().filter(|image| !image.is_empty()).ok_or_else(empty)?.dim();
        if self.across == 0 || self.columns.is_empty() {
            return Err(empty());
        }
        for ImageRow { label, sheets } in &self.rows {
            if sheets.len() != self.columns.len() {
                return Err(FigureError::Ragged {
                    row: label.clone(),
                    expected: self.columns.len(),
                    found: sheets.len(),
                });
            }
        }
        if let Some(image) = sheets().flatten().find(|image| image.dim() != (height, width)) {
            let found = image.dim();
            return Err(FigureError::ImageSize { expected: (height, width), found });
        }
        let down = sheets().map(|images| images.len().div_ceil(self.across)).max().unwrap_or(1);
        Ok((self.across * (width + 1) - 1, down * (height + 1) - 1))
    }
}
