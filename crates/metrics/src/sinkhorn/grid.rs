//! Costs that are sums over the axes of a grid: what is done over the grid is done axis by axis.

use rayon::prelude::*;

use super::Kernel;
use super::line::{Cone, Gaussian, Laplace, Line, Parabola, Scratch};
use crate::GroundCost;
use crate::Side;
use crate::{Axis, Grid};

/// Rows of a transposed array that are written at a time.
const TILE: usize = 16;

/// The places of a grid on both sides, with a squared Euclidean or a Manhattan cost.
///
/// As `exp(-c/ε)` is a product over the axes, the sum over the grid is taken along one axis after the
/// other: of `n` places a side, `n^{d+1}` operations at most with the squared cost, `n^d` with the other.
pub(super) struct GridKernel<'a> {
    grid: &'a Grid,
    squared: bool,
}

impl<'a> GridKernel<'a> {
    /// `None` for a cost that is no sum over the axes.
    pub(super) fn new(grid: &'a Grid, cost: GroundCost) -> Option<Self> {
        match cost {
            GroundCost::SquaredEuclidean => Some(Self { grid, squared: true }),
            GroundCost::Manhattan => Some(Self { grid, squared: false }),
            GroundCost::Euclidean => (grid.dim() == 1).then_some(Self { grid, squared: false }),
        }
    }

    fn step_cost(&self, axis: &Axis) -> f64 {
        if self.squared { axis.spacing().powi(2) } else { axis.spacing() }
    }

    /// Applies the transform that `line` makes for an axis to all lines along each of the axes.
    fn along_axes<L: Line>(&self, h: &[f64], out: &mut [f64], line: impl Fn(&Axis) -> L) {
        out.copy_from_slice(h);
        let mut turned = Vec::new();
        for axis in self.grid.axes() {
            let transform = line(axis);
            out.par_chunks_mut(axis.len())
                .with_min_len(4)
                .for_each_init(Scratch::default, |scratch, line| transform.apply(line, scratch));
            // With the next axis as the fastest; after the last one, the order is the first again.
            if self.grid.dim() > 1 {
                turned.clear();
                turned.extend_from_slice(out);
                transpose(&turned, axis.len(), out);
            }
        }
    }
}

impl Kernel for GridKernel<'_> {
    fn largest_cost(&self) -> f64 {
        let across = |axis: &Axis| {
            let steps = (axis.len() - 1) as f64;
            self.step_cost(axis) * if self.squared { steps * steps } else { steps }
        };
        self.grid.axes().iter().map(across).sum()
    }

    fn log_sum_exp(&self, _: Side, rate: f64, h: &[f64], out: &mut [f64]) {
        let kappa = |axis: &Axis| rate * self.step_cost(axis);
        if self.squared {
            self.along_axes(h, out, |axis| Gaussian::new(axis.len(), kappa(axis)));
        } else {
            self.along_axes(h, out, |axis| Laplace { kappa: kappa(axis) });
        }
    }

    fn largest(&self, _: Side, h: &[f64], out: &mut [f64]) {
        if self.squared {
            self.along_axes(h, out, |axis| Parabola::new(axis.len(), self.step_cost(axis)));
        } else {
            self.along_axes(h, out, |axis| Cone { kappa: self.step_cost(axis) });
        }
    }
}

/// Writes an array of rows of this length as its transpose.
fn transpose(from: &[f64], columns: usize, to: &mut [f64]) {
    let rows = from.len() / columns;
    to.par_chunks_mut(TILE * rows).enumerate().for_each(|(tile, to)| {
        for (i, row) in from.chunks_exact(columns).enumerate() {
            let row = &row[tile * TILE..];
            for (line, &value) in to.chunks_exact_mut(rows).zip(row) {
                line[i] = value;
            }
        }
    });
}
