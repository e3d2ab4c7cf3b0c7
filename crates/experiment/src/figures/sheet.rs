//! Square panels in rows and columns, with a title, headings, labels of rows, and captions.

use plotters::chart::ChartBuilder;
use plotters::style::RGBColor;

use super::page::{self, Area, HEADING, LABEL, TITLE, UPWARDS, failed};
use super::{FigureError, ticks};

const TITLE_HEIGHT: u32 = 72;
pub(super) const HEADING_HEIGHT: u32 = 52;
const ROW_LABEL: u32 = 64;
/// A panel and what is around it: ticks, their labels and the name of the axis at its left and
/// below it, and the caption with some space under it.
const SIDE: u32 = 448;
const LEFT: u32 = 104;
const RIGHT: u32 = 36;
const BELOW: u32 = 90;
const CAPTION: u32 = 72;
const ROW_GAP: u32 = 28;
const TICKS: usize = 5;

/// The height of a row, and how much of it is under the panels.
pub(super) const ROW: u32 = SIDE + BELOW + CAPTION;
pub(super) const UNDER: u32 = BELOW + CAPTION;

/// The layout of panels of the square `[−extent, extent]²`.
pub(super) struct Sheet<'a> {
    pub(super) title: &'a str,
    pub(super) extent: f64,
    /// The names of the axes of each panel, horizontal and vertical.
    pub(super) axes: &'a [String; 2],
    /// Headings, set once above the first row.
    pub(super) columns: &'a [String],
    /// The label of each row, set at its left.
    pub(super) rows: Vec<&'a str>,
    /// Room at the right of all panels.
    pub(super) side: u32,
}

/// What is in one panel.
pub(super) struct Panel<'a> {
    /// Values on a square grid have so many rows and columns.
    pub(super) cells: usize,
    /// The colour of column `x` and row `y` of the values; row 0 is at the bottom.
    pub(super) color: Box<dyn Fn(usize, usize) -> RGBColor + 'a>,
    pub(super) caption: &'a str,
}

impl Sheet<'_> {
    /// Draws the panels, `panel(row, column)`, and what `side` draws into the room at the right.
    pub(super) fn draw<'a>(
        &self,
        panel: impl Fn(usize, usize) -> Panel<'a>,
        side: impl FnOnce(&Area<'_>, &mut String) -> Result<(), FigureError>,
    ) -> Result<String, FigureError> {
        let (columns, rows) = (self.columns.len(), self.rows.len());
        let title = if self.title.is_empty() { 0 } else { TITLE_HEIGHT };
        let panels = (columns as u32 * (LEFT + SIDE + RIGHT), rows as u32 * ROW);
        let size = (ROW_LABEL + panels.0 + self.side, title + HEADING_HEIGHT + panels.1);
        page::document(size, |area, bitmaps| {
            let (above, area) = area.split_vertically(title);
            page::text(&above, self.title, &TITLE)?;
            let (labels, area) = area.split_horizontally(ROW_LABEL);
            let (area, right) = area.split_horizontally(panels.0);
            let (headings, area) = area.split_vertically(HEADING_HEIGHT);
            for (heading, area) in self.columns.iter().zip(headings.split_evenly((1, columns))) {
                page::text(&area.margin(0, 0, LEFT, RIGHT), heading, &HEADING)?;
            }
            let labels = labels.margin(HEADING_HEIGHT, 0, 0, 0).split_evenly((rows, 1));
            for (label, area) in self.rows.iter().zip(labels) {
                page::text(&area.margin(0, UNDER, 0, 0), label, &UPWARDS)?;
            }
            for (index, area) in area.split_evenly((rows, columns)).iter().enumerate() {
                self.draw_panel(&panel(index / columns, index % columns), area, bitmaps)?;
            }
            side(&right, bitmaps)
        })
    }

    fn draw_panel(
        &self,
        panel: &Panel<'_>,
        area: &Area<'_>,
        bitmaps: &mut String,
    ) -> Result<(), FigureError> {
        let (area, below) = area.margin(0, 0, 0, RIGHT).split_vertically(SIDE + BELOW);
        page::text(&below.margin(0, ROW_GAP, LEFT, 0), panel.caption, &LABEL)?;
        let label = ticks::linear(2.0 * self.extent, TICKS);
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(BELOW)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(-self.extent..self.extent, -self.extent..self.extent)
            .map_err(failed)?;
        let square = chart.plotting_area().strip_coord_spec();
        let last = panel.cells - 1;
        page::bitmap(bitmaps, &square, (panel.cells, panel.cells), |x, y| {
            (panel.color)(x, last - y)
        })?;
        page::axes(&mut chart)
            .disable_mesh()
            .x_labels(TICKS)
            .y_labels(TICKS)
            .x_label_formatter(&label)
            .y_label_formatter(&label)
            .x_desc(&self.axes[0])
            .y_desc(&self.axes[1])
            .draw()
            .map_err(failed)?;
        page::frame(&area, &square)?;
        Ok(())
    }

    /// Refuses a sheet without panels, and a square that is none.
    pub(super) fn check(&self) -> Result<(), FigureError> {
        if self.rows.is_empty() || self.columns.is_empty() {
            return Err(FigureError::Empty { title: self.title.to_owned() });
        }
        if !(self.extent > 0.0 && (2.0 * self.extent).is_finite()) {
            return Err(FigureError::Extent { extent: self.extent });
        }
        Ok(())
    }
}
