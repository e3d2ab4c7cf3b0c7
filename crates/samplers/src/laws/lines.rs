//! Work on all lines of a grid that lie one after the other in memory.

use rayon::prelude::*;

use super::departures::{Departure, trace};
use super::heat::Heat;
use super::remap::{Scratch, remap};

/// Traces the faces of every line of `cells` cells back; see [`trace`].
pub(crate) fn trace_lines(ways: &[f64], cells: usize, time: f64, departures: &mut [Departure]) {
    ways.par_chunks(cells)
        .zip(departures.par_chunks_mut(cells + 1))
        .for_each_init(Vec::new, |faces, (ways, out)| trace(ways, time, faces, out));
}

/// Moves the masses of every line of `cells` cells; see [`remap`].
pub(crate) fn remap_lines(masses: &mut [f64], cells: usize, departures: &[Departure]) {
    masses
        .par_chunks_mut(cells)
        .zip(departures.par_chunks(cells + 1))
        .for_each_init(Scratch::default, |scratch, (line, way)| remap(line, way, scratch));
}

/// Spreads the masses of every line of `cells` cells by a normal law of `variance` squared cells.
pub(crate) fn heat_lines(masses: &mut [f64], cells: usize, variance: f64) {
    if let Some(heat) = Heat::new(variance, cells) {
        masses
            .par_chunks_mut(cells)
            .for_each_init(Vec::new, |padded, line| heat.apply(line, padded));
    }
}

/// Writes the columns of `from`, lines of `columns` numbers, one after the other.
pub(crate) fn transpose(from: &[f64], columns: usize, to: &mut [f64]) {
    let rows = from.len() / columns;
    to.par_chunks_mut(rows).enumerate().for_each(|(column, out)| {
        for (row, out) in out.iter_mut().enumerate() {
            *out = from[row * columns + column];
        }
    });
}
