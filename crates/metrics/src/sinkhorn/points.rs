//! Costs between points, computed anew each time they are needed.

use std::iter;

use ndarray::{ArrayView1, ArrayView2};
use num_traits::Float;
use rayon::prelude::*;

use super::Kernel;
use super::iterate::Law;
use super::line::{NEGLIGIBLE, largest};
use crate::{GroundCost, Side};

/// Points of the other side that are summed over at a time.
const CHUNK: usize = 128;

/// Two sets of points. Storing their costs would take `n m` numbers, and reading these no less time than
/// computing them in a few dimensions.
pub(super) struct PointsKernel<'a> {
    sides: [&'a Points; 2],
    cost: GroundCost,
}

/// Points with each coordinate in a row of its own.
pub(super) struct Points {
    pub(super) len: usize,
    coordinates: Vec<Vec<f64>>,
}

impl Points {
    /// The rows of an array.
    pub(super) fn new<F: Float + Into<f64>>(points: ArrayView2<'_, F>) -> Self {
        let coordinate = |column: ArrayView1<'_, F>| column.iter().map(|&x| x.into()).collect();
        let coordinates = points.columns().into_iter().map(coordinate).collect();
        Self { len: points.nrows(), coordinates }
    }

    /// The law of all points with the same weight.
    pub(super) fn uniform(&self) -> Law {
        Law::new(iter::repeat_n(1.0, self.len), self.len as f64)
    }
}

impl<'a> PointsKernel<'a> {
    pub(super) fn new(first: &'a Points, second: &'a Points, cost: GroundCost) -> Self {
        Self { sides: [first, second], cost }
    }

    /// The points of this side, and those of the other.
    fn facing(&self, side: Side) -> [&'a Points; 2] {
        let [first, second] = self.sides;
        match side {
            Side::First => [first, second],
            Side::Second => [second, first],
        }
    }

    /// The costs from point `i` to those of the other side from `start` on.
    fn costs(&self, [to, from]: [&Points; 2], i: usize, start: usize, costs: &mut [f64]) {
        costs.fill(0.0);
        for (x, ys) in to.coordinates.iter().zip(&from.coordinates) {
            let (x, ys) = (x[i], &ys[start..]);
            match self.cost {
                GroundCost::Manhattan => {
                    costs.iter_mut().zip(ys).for_each(|(cost, y)| *cost += (x - y).abs());
                }
                GroundCost::SquaredEuclidean | GroundCost::Euclidean => {
                    costs.iter_mut().zip(ys).for_each(|(cost, y)| *cost += (x - y) * (x - y));
                }
            }
        }
        if self.cost == GroundCost::Euclidean {
            costs.iter_mut().for_each(|cost| *cost = cost.sqrt());
        }
    }

    /// Calls `add(state, terms)` with the terms `h_j - rate c_ij` of each chunk of the other side.
    fn fold<S>(
        &self,
        side: Side,
        i: usize,
        rate: f64,
        h: &[f64],
        mut state: S,
        add: impl Fn(S, &[f64]) -> S,
    ) -> S {
        let facing = self.facing(side);
        let mut terms = [0.0; CHUNK];
        for (chunk, h) in h.chunks(CHUNK).enumerate() {
            let terms = &mut terms[..h.len()];
            self.costs(facing, i, chunk * CHUNK, terms);
            terms.iter_mut().zip(h).for_each(|(term, h)| *term = h - rate * *term);
            state = add(state, terms);
        }
        state
    }
}

impl Kernel for PointsKernel<'_> {
    fn largest_cost(&self) -> f64 {
        let extents = (0..self.sides[0].coordinates.len()).map(|k| {
            let all = || self.sides.iter().flat_map(|side| side.coordinates[k].iter().copied());
            all().fold(f64::NEG_INFINITY, f64::max) - all().fold(f64::INFINITY, f64::min)
        });
        match self.cost {
            GroundCost::SquaredEuclidean => extents.map(|extent| extent * extent).sum(),
            GroundCost::Euclidean => extents.map(|extent| extent * extent).sum::<f64>().sqrt(),
            GroundCost::Manhattan => extents.sum(),
        }
    }

    fn log_sum_exp(&self, side: Side, rate: f64, h: &[f64], out: &mut [f64]) {
        out.par_iter_mut().enumerate().for_each(|(i, value)| {
            let start = (f64::NEG_INFINITY, 0.0);
            let (top, sum) = self.fold(side, i, rate, h, start, |(top, sum), terms| {
                let highest = largest(terms);
                // Terms this small change nothing, and where both are -∞ there is nothing yet.
                if highest - top <= -NEGLIGIBLE || highest == f64::NEG_INFINITY {
                    return (top, sum);
                }
                let (top, sum) =
                    if highest > top { (highest, sum * (top - highest).exp()) } else { (top, sum) };
                (top, sum + terms.iter().map(|term| (term - top).exp()).sum::<f64>())
            });
            *value = top + sum.ln();
        });
    }

    fn largest(&self, side: Side, h: &[f64], out: &mut [f64]) {
        out.par_iter_mut().enumerate().for_each(|(i, value)| {
            let top = |top: f64, terms: &[f64]| top.max(largest(terms));
            *value = self.fold(side, i, 1.0, h, f64::NEG_INFINITY, top);
        });
    }
}
