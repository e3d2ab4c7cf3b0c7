//! The masses that the prior gives to the cells of a grid.

use std::f64::consts::FRAC_1_SQRT_2;

use fokker_sde_core::Prior;

use super::{CellAxis, CellGrid};

/// The mass that the standard normal law gives to `[a, b]`, without cancellation in the tails.
fn standard_normal(a: f64, b: f64) -> f64 {
    let [a, b] = [a, b].map(|x| x * FRAC_1_SQRT_2);
    0.5 * if a >= 0.0 {
        libm::erfc(a) - libm::erfc(b)
    } else if b <= 0.0 {
        libm::erfc(-b) - libm::erfc(-a)
    } else {
        libm::erf(b) - libm::erf(a)
    }
}

/// The masses of `N(0, std²)` in the cells of an axis; what lies beyond an end is in the cell there.
fn along(axis: &CellAxis, std: f64) -> Vec<f64> {
    let last = axis.cells() - 1;
    let mass = |i| {
        let lower = if i == 0 { f64::NEG_INFINITY } else { axis.face(i) };
        let upper = if i == last { f64::INFINITY } else { axis.face(i + 1) };
        standard_normal(lower / std, upper / std)
    };
    (0..=last).map(mass).collect()
}

/// The masses of `N(0, std² I)` in the cells of a grid, in the order of memory.
pub(crate) fn prior_masses(grid: &CellGrid, prior: Prior) -> Vec<f64> {
    let mut axes = grid.axes().iter().map(|axis| along(axis, prior.std));
    let first = axes.next().unwrap_or_default();
    match axes.next() {
        None => first,
        Some(second) => second.iter().flat_map(|y| first.iter().map(move |x| x * y)).collect(),
    }
}
