//! Costs as integers.

use ndarray::Array2;

use super::TransportError;
use crate::Grid;

/// Costs along one axis in integers, row by row: from each place to all.
#[derive(Debug, Clone)]
pub(super) struct AxisCosts {
    pub(super) len: usize,
    pub(super) values: Vec<i64>,
    /// Whether the costs depend on `to - from` only, and the rows are stretches of one.
    shared: bool,
}

impl AxisCosts {
    /// Costs `cost(|to - from|)`.
    fn by_distance(len: usize, cost: impl Fn(usize) -> i64) -> Self {
        let values = (0..2 * len - 1).map(|k| cost(k.abs_diff(len - 1))).collect();
        Self { len, values, shared: true }
    }

    /// The costs of the same ways in the opposite direction.
    pub(super) fn reversed(&self) -> Self {
        let values = if self.shared {
            self.values.iter().rev().copied().collect()
        } else {
            (0..self.values.len()).map(|k| self.row(k % self.len)[k / self.len]).collect()
        };
        Self { values, ..*self }
    }

    /// Where in the values the row from a place begins.
    pub(super) fn start(&self, from: usize) -> usize {
        if self.shared { self.len - 1 - from } else { from * self.len }
    }

    /// The costs from a place to all.
    pub(super) fn row(&self, from: usize) -> &[i64] {
        &self.values[self.start(from)..][..self.len]
    }
}

/// How integers stand for costs: `cost = unit · integer + offset`, the rounding aside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) unit: f64,
    pub(super) offset: f64,
    /// The most by which a cost differs from what its integers stand for.
    pub(super) rounding: f64,
}

/// Costs on a grid in integers, all non-negative.
#[derive(Debug, Clone)]
pub(super) struct GridCosts {
    pub(super) axes: Vec<AxisCosts>,
    pub(super) scale: Scale,
}

/// The largest integer that prices may reach: an eighth of the largest there is, so that sums of
/// two of them, of costs and of stand-ins for absent prices do not overflow.
pub(super) const PRICE_LIMIT: i64 = i64::MAX >> 3;

/// The number of bits that costs may have if `steps` of them may add up on a path of the tree.
fn cost_bits(steps: usize) -> i32 {
    let bits = (PRICE_LIMIT / (steps as i64 + 1)).ilog2();
    bits.min(48) as i32
}

/// The unit of integers for costs that reach over `range`, of which `steps` may add up.
fn unit(range: f64, steps: usize) -> Result<f64, TransportError> {
    let unit = range * (-cost_bits(steps) as f64).exp2();
    match range {
        0.0 => Ok(1.0),
        _ if unit > 0.0 && range.is_finite() => Ok(unit),
        _ => Err(TransportError::CostRange { range }),
    }
}

impl GridCosts {
    /// `Σ_k |a_k - b_k|^power` between the places of a grid, of which `steps` may add up on a path of
    /// the tree; exact if all spacings agree.
    pub(super) fn powers(grid: &Grid, power: u32, steps: usize) -> Result<Self, TransportError> {
        let spacing = |k: usize| grid.axes()[k].spacing().powi(power as i32);
        let first = spacing(0);
        let lens: Vec<usize> = grid.axes().iter().map(crate::Axis::len).collect();
        let counts = |i: usize| (i as i64).pow(power);
        let cost = |k: usize, i: usize| spacing(k) * counts(i) as f64;
        let range: f64 = (0..lens.len()).map(|k| cost(k, lens[k] - 1)).sum();
        if !range.is_finite() || !(0..lens.len()).all(|k| spacing(k).is_normal()) {
            return Err(TransportError::CostRange { range });
        }
        if (1..lens.len()).all(|k| spacing(k) == first) {
            let axes = lens.iter().map(|&len| AxisCosts::by_distance(len, counts)).collect();
            return Ok(Self { axes, scale: Scale { unit: first, offset: 0.0, rounding: 0.0 } });
        }
        let unit = unit(range, steps)?;
        let scaled = |k: usize| move |i: usize| (cost(k, i) / unit).round() as i64;
        let axes: Vec<AxisCosts> =
            (0..lens.len()).map(|k| AxisCosts::by_distance(lens[k], scaled(k))).collect();
        let rounding = axes.len() as f64 * 0.5 * unit;
        Ok(Self { axes, scale: Scale { unit, offset: 0.0, rounding } })
    }

    /// The sum of a table for each axis.
    pub(super) fn tables(
        grid: &Grid,
        tables: &[Array2<f64>],
        steps: usize,
    ) -> Result<Self, TransportError> {
        let expected: Vec<usize> = grid.axes().iter().map(crate::Axis::len).collect();
        let found: Vec<[usize; 2]> = tables.iter().map(|t| [t.nrows(), t.ncols()]).collect();
        if found != expected.iter().map(|&len| [len; 2]).collect::<Vec<_>>() {
            return Err(TransportError::CostTables { expected, found });
        }
        let (mut range, mut offset) = (0.0, 0.0);
        let mut least = Vec::new();
        for (axis, table) in tables.iter().enumerate() {
            let [low, high] = ends(table.iter().copied()).map_err(|(index, value)| {
                let (from, to) = (index / table.ncols(), index % table.ncols());
                TransportError::Cost { axis: Some(axis), from, to, value }
            })?;
            range += high - low;
            offset += low;
            least.push(low);
        }
        let unit = unit(range, steps)?;
        let axes: Vec<AxisCosts> = tables
            .iter()
            .zip(least)
            .map(|(table, low)| AxisCosts {
                len: table.nrows(),
                values: table.iter().map(|cost| ((cost - low) / unit).round() as i64).collect(),
                shared: false,
            })
            .collect();
        let rounding = axes.len() as f64 * 0.5 * unit;
        Ok(Self { axes, scale: Scale { unit, offset, rounding } })
    }
}

/// The least and the largest entry, or the first that is not finite and its index.
fn ends(entries: impl Iterator<Item = f64>) -> Result<[f64; 2], (usize, f64)> {
    let mut ends = [f64::INFINITY, f64::NEG_INFINITY];
    for (index, value) in entries.enumerate() {
        if !value.is_finite() {
            return Err((index, value));
        }
        ends = [ends[0].min(value), ends[1].max(value)];
    }
    Ok(ends)
}

/// Costs between all pairs of two sets in integers, all non-negative, row by row.
#[derive(Debug, Clone)]
pub(super) struct PairCosts {
    pub(super) columns: usize,
    pub(super) values: Vec<i64>,
    pub(super) scale: Scale,
}

impl PairCosts {
    /// The costs `cost(i, j)` from each of `n` points to each of `m`.
    pub(super) fn new(
        n: usize,
        m: usize,
        cost: impl Fn(usize, usize) -> f64,
    ) -> Result<Self, TransportError> {
        let entries = || (0..n).flat_map(|i| (0..m).map(move |j| (i, j))).map(|(i, j)| cost(i, j));
        let [low, high] = ends(entries()).map_err(|(index, value)| TransportError::Cost {
            axis: None,
            from: index / m,
            to: index % m,
            value,
        })?;
        let unit = unit(high - low, n.min(m))?;
        let values = entries().map(|cost| ((cost - low) / unit).round() as i64).collect();
        let scale = Scale { unit, offset: low, rounding: 0.5 * unit };
        Ok(Self { columns: m, values, scale })
    }

    /// The costs from a point to all of the other set.
    pub(super) fn row(&self, from: usize) -> &[i64] {
        &self.values[from * self.columns..][..self.columns]
    }
}
