//! Training curves.

use std::ops::Range;

use plotters::chart::ChartBuilder;
use plotters::coord::combinators::{BindKeyPoints, IntoLogRange};
use plotters::element::{Circle, PathElement};
use plotters::style::Color;

use super::page::{self, Area, HEADING, LEGEND, TITLE, failed};
use super::{FigureError, ticks};

const TITLE_HEIGHT: u32 = 72;
const HEADING_HEIGHT: u32 = 52;
/// A panel and what is around it: ticks and their labels at its left, the same and the name of the
/// axis below it.
const WIDTH: u32 = 470;
const HEIGHT: u32 = 380;
const LEFT: u32 = 104;
const RIGHT: u32 = 44;
const BELOW: u32 = 94;
/// The legend: the sample of a line with some space after it, and the height of an entry.
const SAMPLE: u32 = 74;
const ENTRY: u32 = 48;
const CURVE: u32 = 3;

/// Loss, its denoising score matching part and the Fokker–Planck residual over training, one
/// panel per quantity and one colour per series, on logarithmic axes.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingCurves {
    /// Set above everything else.
    pub title: String,
    /// The curves, in the order of the legend. More than seven share colours.
    pub series: Vec<TrainingSeries>,
}

/// One run of a [`TrainingCurves`].
#[derive(Debug, Clone, PartialEq)]
pub struct TrainingSeries {
    /// Set in the legend.
    pub label: String,
    /// The points, by increasing step.
    pub points: Vec<TrainingPoint>,
}

/// What training reported at one step. A quantity that is not a positive number, and has no place
/// on a logarithmic axis, leaves a gap in its curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingPoint {
    /// Number of the step.
    pub step: u64,
    /// The loss minimised.
    pub loss: f64,
    /// Its denoising score matching part.
    pub dsm: f64,
    /// The Fokker–Planck residual, before weighting, if it was computed. If it never was, it has
    /// no panel.
    pub residual: Option<f64>,
}

impl TrainingCurves {
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
        let points = || self.series.iter().flat_map(|run| &run.points);
        let steps = || points().map(|point| point.step);
        let (Some(first), Some(last)) = (steps().min(), steps().max()) else {
            return Err(FigureError::Empty { title: self.title.clone() });
        };
        // A single step still needs an interval around it.
        let steps = first..last.max(first.saturating_add(1));
        let known = |(_, read): &Quantity| points().any(|point| read(point).is_some());
        let quantities: Vec<_> = QUANTITIES.into_iter().filter(known).collect();

        let title = if self.title.is_empty() { 0 } else { TITLE_HEIGHT };
        let panels = quantities.len() as u32 * (LEFT + WIDTH + RIGHT);
        let legend = self.series.iter().map(|run| LEGEND.width(&run.label)).max().unwrap_or(0);
        let entries = self.series.len() as u32 * ENTRY;
        let size = (panels + SAMPLE + legend, title + HEADING_HEIGHT + entries.max(HEIGHT + BELOW));
        page::document(size, |area, _| {
            let (above, area) = area.split_vertically(title);
            page::text(&above, &self.title, &TITLE)?;
            let (area, legend) = area.split_horizontally(panels);
            for (&quantity, area) in quantities.iter().zip(area.split_evenly((1, quantities.len())))
            {
                self.draw_panel(quantity, steps.clone(), &area)?;
            }
            let legend = legend.margin(HEADING_HEIGHT, 0, 0, 0).split_vertically(entries).0;
            let entries = legend.split_evenly((self.series.len(), 1));
            for (index, (run, area)) in self.series.iter().zip(entries).enumerate() {
                let (sample, label) = area.split_horizontally(SAMPLE);
                let path = [0, SAMPLE as i32 - 18].map(|x| (x, ENTRY as i32 / 2));
                let style = page::color(index).stroke_width(2 * CURVE);
                sample.draw(&PathElement::new(path, style)).map_err(failed)?;
                page::text(&label, &run.label, &LEGEND)?;
            }
            Ok(())
        })
    }

    fn draw_panel(
        &self,
        (heading, read): Quantity,
        steps: Range<u64>,
        area: &Area<'_>,
    ) -> Result<(), FigureError> {
        let (above, area) = area.margin(0, 0, 0, RIGHT).split_vertically(HEADING_HEIGHT);
        let (area, _) = area.split_vertically(HEIGHT + BELOW);
        page::text(&above.margin(0, 0, LEFT, 0), heading, &HEADING)?;

        let value = |point: &TrainingPoint| read(point).filter(|v| *v > 0.0 && v.is_finite());
        let (low, high) =
            ticks::bounds(self.series.iter().flat_map(|run| &run.points).filter_map(value));
        let values = (10f64.powf(low)..10f64.powf(high)).log_scale();
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(BELOW)
            .y_label_area_size(LEFT)
            .build_cartesian_2d(steps, values.with_key_points(ticks::logarithmic(low, high)))
            .map_err(failed)?;
        page::axes(&mut chart)
            .disable_x_mesh()
            .bold_line_style(page::GRID.stroke_width(2))
            .x_labels(5)
            .y_label_formatter(&ticks::power)
            .x_desc("step")
            .draw()
            .map_err(failed)?;

        for (index, TrainingSeries { points, .. }) in self.series.iter().enumerate() {
            let place = |point: &TrainingPoint| Some((point.step, value(point)?));
            let places: Vec<_> = points.iter().map(place).collect();
            for run in places.split(Option::is_none) {
                let run: Vec<_> = run.iter().copied().flatten().collect();
                let area = chart.plotting_area();
                match *run {
                    [] => Ok(()),
                    [alone] => area.draw(&Circle::new(alone, 4, page::color(index).filled())),
                    _ => area.draw(&PathElement::new(run, page::color(index).stroke_width(CURVE))),
                }
                .map_err(failed)?;
            }
        }
        page::frame(&area, &chart.plotting_area().strip_coord_spec())?;
        Ok(())
    }
}

/// A quantity: the heading of its panel and how to read it.
type Quantity = (&'static str, fn(&TrainingPoint) -> Option<f64>);

const QUANTITIES: [Quantity; 3] = [
    ("loss", |point| Some(point.loss)),
    ("DSM loss", |point| Some(point.dsm)),
    ("Fokker–Planck residual", |point| point.residual),
];
