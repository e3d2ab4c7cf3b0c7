//! Points of several series on logarithmic axes.

use plotters::chart::ChartBuilder;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange};
use plotters::element::{Circle, PathElement};
use plotters::style::{Color, RGBColor};

use super::page::{self, Area, LEGEND, SMALL, UPWARDS, failed};
use super::{FigureError, ticks};

const WIDTH: u32 = 760;
const HEIGHT: u32 = 560;
const LEFT: u32 = 116;
const SIDE_LABEL: u32 = 56;
const RIGHT: u32 = 44;
const BELOW: u32 = 94;
const ABOVE: u32 = 24;
const SAMPLE: u32 = 56;
const ENTRY: u32 = 48;
const RADIUS: i32 = 9;
/// Room for the label of a point.
const NOTE: (u32, u32) = (72, 36);

/// Points on logarithmic axes. A point with a coordinate that is
/// not positive has no place and is left out.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterFigure {
    /// The name of the horizontal axis.
    pub x_label: String,
    /// The name of the vertical axis.
    pub y_label: String,
    /// What the labels of the points are; set under the legend.
    pub note: String,
    /// The points, in the order of the legend. More than seven series share colours.
    pub series: Vec<ScatterSeries>,
}

/// The points of one colour.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterSeries {
    /// Set in the legend.
    pub label: String,
    /// The points.
    pub points: Vec<ScatterPoint>,
    /// How they are drawn.
    pub style: ScatterStyle,
}

/// How the points of a series are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ScatterStyle {
    /// Joined by a line in their order.
    #[default]
    Joined,
    /// Each alone.
    Alone,
    /// Each alone, grey, small and without its label: what others are to be seen against. They do not count as series that
    /// have a colour.
    Behind,
}

/// A point.
#[derive(Debug, Clone, PartialEq)]
pub struct ScatterPoint {
    /// Its place along the horizontal axis.
    pub x: f64,
    /// Its place along the vertical axis.
    pub y: f64,
    /// Set beside it; short.
    pub label: String,
}

impl ScatterFigure {
    /// Draws the figure as PNG.
    ///
    /// # Errors
    ///
    /// If there are no points at all. See [`FigureError`].
    pub fn draw_png(&self) -> Result<Vec<u8>, FigureError> {
        page::rasterise(&self.draw_svg()?)
    }

    /// Draws the figure as SVG.
    ///
    /// # Errors
    ///
    /// As [`draw_png`](Self::draw_png).
    pub fn draw_svg(&self) -> Result<String, FigureError> {
        if self.series.iter().all(|series| series.points.is_empty()) {
            return Err(FigureError::Empty { title: self.y_label.clone() });
        }
        let labels = self.series.iter().map(|series| &series.label).chain([&self.note]);
        let legend = labels.map(|label| LEGEND.width(label)).max().unwrap_or(0);
        let entries = (self.series.len() as u32 + 1) * ENTRY;
        let plot = SIDE_LABEL + LEFT + WIDTH + RIGHT;
        let size = (plot + SAMPLE + legend, ABOVE + entries.max(HEIGHT + BELOW));
        page::document(size, |area, _| {
            let (plot, legend) = area.margin(ABOVE, 0, 0, 0).split_horizontally(plot);
            let plot = plot.split_vertically(HEIGHT + BELOW).0;
            let (side, plot) = plot.split_horizontally(SIDE_LABEL);
            page::text(&side.margin(0, BELOW, 0, 0), &self.y_label, &UPWARDS)?;
            self.draw_points(&plot.margin(0, 0, 0, RIGHT))?;
            let legend = legend.split_vertically(entries).0;
            let legend = legend.split_evenly((self.series.len() + 1, 1));
            if let Some(last) = legend.last() {
                page::text(&last.margin(0, 0, SAMPLE, 0), &self.note, &LEGEND)?;
            }
            for ((series, (radius, color)), area) in self.series.iter().zip(self.dots()).zip(legend)
            {
                let (sample, label) = area.split_horizontally(SAMPLE);
                let middle = (SAMPLE as i32 / 2 - 8, ENTRY as i32 / 2);
                sample.draw(&Circle::new(middle, radius, color.filled())).map_err(failed)?;
                page::text(&label, &series.label, &LEGEND)?;
            }
            Ok(())
        })
    }

    /// The radius and the colour of the dots of each series.
    fn dots(&self) -> impl Iterator<Item = (i32, RGBColor)> {
        let mut colors = (0..).map(page::color);
        self.series.iter().map(move |series| match series.style {
            ScatterStyle::Behind => (RADIUS / 2, page::BEHIND),
            // There are as many colours as are asked for.
            _ => (RADIUS, colors.next().unwrap_or(page::BEHIND)),
        })
    }

    fn draw_points(&self, area: &Area<'_>) -> Result<(), FigureError> {
        let has_place =
            |point: &&ScatterPoint| [point.x, point.y].iter().all(|v| *v > 0.0 && v.is_finite());
        let points = || self.series.iter().flat_map(|series| &series.points).filter(has_place);
        let (left, right) = ticks::bounds(points().map(|point| point.x));
        let (low, high) = ticks::bounds(points().map(|point| point.y));
        let range = |low: f64, high: f64| {
            (10f64.powf(low)..10f64.powf(high))
                .log_scale()
                .with_key_points(ticks::logarithmic(low, high))
        };
        let mut chart = ChartBuilder::on(area)
            .x_label_area_size(BELOW)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(range(left, right), range(low, high))
            .map_err(failed)?;
        page::axes(&mut chart)
            .bold_line_style(page::GRID.stroke_width(2))
            .x_label_formatter(&ticks::power)
            .y_label_formatter(&ticks::power)
            .x_desc(&self.x_label)
            .draw()
            .map_err(failed)?;
        let plot = chart.plotting_area();
        let pixels = plot.strip_coord_spec();
        let from = pixels.get_base_pixel();
        for (series, (radius, color)) in self.series.iter().zip(self.dots()) {
            let places: Vec<_> =
                series.points.iter().filter(has_place).map(|point| (point.x, point.y)).collect();
            if series.style == ScatterStyle::Joined {
                let line = PathElement::new(places.clone(), color.mix(0.5).stroke_width(2));
                plot.draw(&line).map_err(failed)?;
            }
            for (place, point) in places.iter().zip(series.points.iter().filter(has_place)) {
                plot.draw(&Circle::new(*place, radius, color.filled())).map_err(failed)?;
                if series.style == ScatterStyle::Behind {
                    continue;
                }
                let (x, y) = plot.map_coordinate(place);
                let (x, y) = (x - from.0, y - from.1);
                // To the right of the point, or to its left where the frame ends.
                let right = x + RADIUS + NOTE.0 as i32 <= WIDTH as i32;
                let x = if right { x + RADIUS } else { x - RADIUS - NOTE.0 as i32 };
                let y = y - NOTE.1 as i32;
                let note = pixels.clone().shrink((x.max(0), y.max(0)), NOTE);
                page::text(&note, &point.label, &SMALL)?;
            }
        }
        page::frame(area, &pixels)?;
        Ok(())
    }
}
