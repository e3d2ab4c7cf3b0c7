//! Figures for print: densities side by side on one colour scale or as histograms, fields in the plane, training curves,
//! points on logarithmic axes, sheets of images.
//!
//! A figure is drawn into memory, as SVG or as PNG, and the caller decides where the bytes go. The
//! PNG is the SVG at twice its size. The typeface is compiled in, so that a machine without fonts
//! draws the same PNG: Noto Sans, which has Latin and Greek letters but hardly any subscripts. In
//! the SVG text stays text, set in the reader's own sans-serif, and a density is an embedded
//! bitmap.

mod curves;
mod density;
mod field;
mod histograms;
mod images;
mod page;
mod scatter;
mod sheet;
mod ticks;

#[cfg(test)]
mod tests;

use std::error::Error;

use thiserror::Error;

pub use curves::{TrainingCurves, TrainingPoint, TrainingSeries};
pub use density::{DensityFigure, DensityPanel, DensityRow};
pub use field::{FieldFigure, FieldPanel, FieldRow};
pub use histograms::{HistogramFigure, HistogramPanel};
pub use images::{ImageFigure, ImageRow};
pub use scatter::{ScatterFigure, ScatterPoint, ScatterSeries, ScatterStyle};

/// Why a figure could not be drawn.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FigureError {
    /// The figure has no rows, no columns or no series.
    #[error("the figure \"{title}\" is empty")]
    Empty {
        /// Title of the figure.
        title: String,
    },
    /// The half-width of the square is not a positive number.
    #[error("the half-width of the square must be positive and finite, not {extent}")]
    Extent {
        /// The half-width asked for.
        extent: f64,
    },
    /// A row does not have one panel per column.
    #[error("row \"{row}\" has {found} panels under {expected} column headings")]
    Ragged {
        /// Label of the row.
        row: String,
        /// Number of column headings.
        expected: usize,
        /// Number of panels in the row.
        found: usize,
    },
    /// A density is not given on a square grid with at least one cell.
    #[error("the density in row \"{row}\", column \"{column}\" is {height} × {width}, not square")]
    NotSquare {
        /// Label of the row.
        row: String,
        /// Heading of the column.
        column: String,
        /// Rows of the array.
        height: usize,
        /// Columns of the array.
        width: usize,
    },
    /// A cell of a density is negative, infinite or not a number.
    #[error("the density in row \"{row}\", column \"{column}\" is {value} at cell [{y}, {x}]")]
    Cell {
        /// Label of the row.
        row: String,
        /// Heading of the column.
        column: String,
        /// Row of the array.
        y: usize,
        /// Column of the array.
        x: usize,
        /// What the cell holds.
        value: f64,
    },
    /// The images of a figure are not all of one size.
    #[error("an image is {found:?} pixels, the first one {expected:?} (height and width)")]
    ImageSize {
        /// Height and width of the first image.
        expected: (usize, usize),
        /// Those of another one.
        found: (usize, usize),
    },
    /// No density has any mass, and there is no scale to draw them on.
    #[error("every density of the figure \"{title}\" is zero everywhere")]
    NoMass {
        /// Title of the figure.
        title: String,
    },
    /// A drawing library failed.
    #[error("the figure could not be drawn")]
    Draw(#[source] Box<dyn Error + Send + Sync>),
}
