use std::ops::Range;

use dfdx::prelude::TensorFromVec;
use fokker_sde_core::Jet;
use ndarray::{ArrayView2, Axis};

use super::{Derivatives, JetTape, LayerJet, Layout, VectorDerivatives, VectorJet};
use crate::error::backend;
use crate::head::CoreInput;
use crate::{Element, NetworkError};

/// What directions the derivatives of a [`LayerJet`] are along, and how the parts of its last matrix are read.
///
/// Directions are the axes of `y` first, then that of time at fixed `y`, which moves the features by `τ'`, then probes.
pub(crate) struct JetReader<'a, E> {
    input: &'a CoreInput<E>,
    /// Some of the points of the input.
    range: Range<usize>,
    layout: Layout,
    probes: Vec<ArrayView2<'a, E>>,
    /// How `y` moves in time, if it does.
    moves: Option<ArrayView2<'a, E>>,
}

impl<'a, E: Element> JetReader<'a, E> {
    fn new(
        input: &'a CoreInput<E>,
        range: Range<usize>,
        directions: usize,
        second: Vec<Vec<[usize; 2]>>,
    ) -> Self {
        let layout = Layout::new(range.len(), directions, second);
        Self { input, range, layout, probes: Vec::new(), moves: None }
    }

    /// For values alone.
    pub(crate) fn values(input: &'a CoreInput<E>, range: Range<usize>) -> Self {
        Self::new(input, range, 0, Vec::new())
    }

    /// For a potential.
    pub(crate) fn potential(
        input: &'a CoreInput<E>,
        range: Range<usize>,
        derivatives: Derivatives<'a, E>,
    ) -> Self {
        let dim = input.place.ncols();
        match derivatives {
            Derivatives::Gradient => Self::new(input, range, dim, Vec::new()),
            // A second-order part that is a sum over no pairs, and stays 0.
            Derivatives::First => Self::new(input, range, dim + 1, vec![Vec::new()]),
            Derivatives::All => {
                Self::new(input, range, dim + 1, vec![(0..dim).map(|i| [i, i]).collect()])
            }
            Derivatives::Along(probes) => {
                let all = dim + 1..dim + 1 + probes.shape()[0];
                let pairs = all.clone().map(|k| [k, k]).collect();
                let part = |k| {
                    probes
                        .index_axis_move(Axis(0), k)
                        .slice_axis_move(Axis(0), range.clone().into())
                };
                let probes = (0..probes.shape()[0]).map(part).collect();
                Self { probes, ..Self::new(input, range, all.end, vec![pairs]) }
            }
        }
    }

    /// For a vector score.
    pub(crate) fn vector(
        input: &'a CoreInput<E>,
        range: Range<usize>,
        derivatives: VectorDerivatives,
    ) -> Self {
        let dim = input.place.ncols();
        let second = match derivatives {
            VectorDerivatives::Value => return Self::values(input, range),
            VectorDerivatives::First => Vec::new(),
            VectorDerivatives::All => pairs(dim).map(|pair| vec![pair]).collect(),
        };
        Self::new(input, range, dim + 1, second)
    }

    /// For the score of a potential and its derivative in time: the second-order parts are the Laplacian and the
    /// derivatives along each axis and in time at fixed `x`, which moves `y` by `C' x`, given as `moves`.
    pub(crate) fn score_of_potential(
        input: &'a CoreInput<E>,
        range: Range<usize>,
        moves: ArrayView2<'a, E>,
    ) -> Self {
        let dim = input.place.ncols();
        let laplacian = (0..dim).map(|i| [i, i]).collect();
        let mixed = (0..dim).map(|i| vec![[i, dim]]);
        let second = std::iter::once(laplacian).chain(mixed).collect();
        let moves = Some(moves.slice_axis_move(Axis(0), range.clone().into()));
        Self { moves, ..Self::new(input, range, dim + 1, second) }
    }

    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The jet of `[τ, y]`.
    pub(crate) fn input_jet(
        &self,
        device: &E::Device,
        tape: JetTape<E>,
    ) -> Result<LayerJet<E>, NetworkError> {
        let CoreInput { time, rate, place, .. } = self.input;
        let (features, dim) = (time.ncols(), place.ncols());
        let width = features + dim;
        let mut rows = vec![E::zero(); self.layout.rows() * width];
        let mut fill =
            |block: Range<usize>, left: Option<ArrayView2<'_, E>>, right: Filling<'_, E>| {
                let rows = rows[block.start * width..block.end * width].chunks_exact_mut(width);
                for (i, row) in rows.enumerate() {
                    let (time, place) = row.split_at_mut(features);
                    if let Some(left) = left {
                        time.iter_mut().zip(left.row(i)).for_each(|(slot, &v)| *slot = v);
                    }
                    match right {
                        Filling::Zero => {}
                        Filling::Unit(axis) => place[axis] = E::one(),
                        Filling::Rows(right) => {
                            place.iter_mut().zip(right.row(i)).for_each(|(slot, &v)| *slot = v);
                        }
                    }
                }
            };
        let part =
            |array: &'a ndarray::Array2<E>| array.slice_axis(Axis(0), self.range.clone().into());
        fill(self.layout.block(0), Some(part(time)), Filling::Rows(part(place)));
        for k in 0..self.layout.directions() {
            let block = self.layout.direction(k);
            if k < dim {
                fill(block, None, Filling::Unit(k));
            } else if k == dim {
                fill(block, Some(part(rate)), self.moves.map_or(Filling::Zero, Filling::Rows));
            } else {
                fill(block, None, Filling::Rows(self.probes[k - dim - 1]));
            }
        }
        let matrix =
            device.try_tensor_from_vec(rows, (self.layout.rows(), width)).map_err(backend)?;
        Ok(LayerJet::new(matrix, self.layout.clone(), tape))
    }

    /// The parts of a potential's jet in the entries of the last matrix.
    pub(crate) fn read(&self, entries: &[E]) -> Jet<E> {
        let (n, dim) = (self.range.len(), self.input.place.ncols());
        let mut jet = Jet::zeros(n, dim);
        for (axis, mut column) in jet.gradient.columns_mut().into_iter().enumerate() {
            let slopes = &entries[self.layout.direction(axis)];
            column.iter_mut().zip(slopes).for_each(|(slot, &s)| *slot = s);
        }
        if self.layout.directions() > dim {
            let share = E::of(self.share());
            for i in 0..n {
                jet.value[i] = entries[i];
                jet.time_derivative[i] = entries[self.layout.direction(dim).start + i];
                jet.laplacian[i] = share * entries[self.layout.second_order(0).start + i];
            }
        }
        jet
    }

    /// What each second derivative counts in the Laplacian.
    fn share(&self) -> f64 {
        1.0 / self.probes.len().max(1) as f64
    }

    /// The cotangents of the entries of the last matrix from those of a potential's jet.
    pub(crate) fn cotangents(&self, jet: &Jet<E>) -> Vec<E> {
        let (n, dim) = (self.range.len(), self.input.place.ncols());
        let mut entries = vec![E::zero(); self.layout.rows()];
        for (axis, column) in jet.gradient.columns().into_iter().enumerate() {
            let slots = &mut entries[self.layout.direction(axis)];
            slots.iter_mut().zip(column).for_each(|(slot, &s)| *slot = s);
        }
        if self.layout.directions() > dim {
            let share = E::of(self.share());
            for i in 0..n {
                entries[i] = jet.value[i];
                entries[self.layout.direction(dim).start + i] = jet.time_derivative[i];
                entries[self.layout.second_order(0).start + i] = share * jet.laplacian[i];
            }
        }
        entries
    }

    /// The parts of a vector score's jet in the entries of the last matrix, `[rows, d]`.
    pub(crate) fn read_vector(&self, entries: &[E]) -> VectorJet<E> {
        let (n, dim) = (self.range.len(), self.input.place.ncols());
        let mut jet = VectorJet::zeros(n, dim);
        let at = |row: usize, component: usize| entries[row * dim + component];
        for i in 0..n {
            for k in 0..dim {
                jet.score[[i, k]] = at(i, k);
                if self.layout.directions() == 0 {
                    continue;
                }
                jet.time_derivative[[i, k]] = at(self.layout.direction(dim).start + i, k);
                for j in 0..dim {
                    jet.jacobian[[i, k, j]] = at(self.layout.direction(j).start + i, k);
                }
            }
            for (part, [j, k]) in self.pairs().enumerate() {
                // ∂_j ∂_k s_k belongs to ∂_j ∇·s.
                let row = self.layout.second_order(part).start + i;
                jet.divergence_gradient[[i, j]] += at(row, k);
                if j != k {
                    jet.divergence_gradient[[i, k]] += at(row, j);
                }
            }
        }
        jet
    }

    /// The cotangents of the entries of the last matrix from those of a vector score's jet.
    pub(crate) fn vector_cotangents(&self, jet: &VectorJet<E>) -> Vec<E> {
        let (n, dim) = (self.range.len(), self.input.place.ncols());
        let mut entries = vec![E::zero(); self.layout.rows() * dim];
        for i in 0..n {
            for k in 0..dim {
                entries[i * dim + k] = jet.score[[i, k]];
                if self.layout.directions() == 0 {
                    continue;
                }
                let row = self.layout.direction(dim).start + i;
                entries[row * dim + k] = jet.time_derivative[[i, k]];
                for j in 0..dim {
                    let row = self.layout.direction(j).start + i;
                    entries[row * dim + k] = jet.jacobian[[i, k, j]];
                }
            }
            for (part, [j, k]) in self.pairs().enumerate() {
                let row = self.layout.second_order(part).start + i;
                entries[row * dim + k] = jet.divergence_gradient[[i, j]];
                if j != k {
                    entries[row * dim + j] = jet.divergence_gradient[[i, k]];
                }
            }
        }
        entries
    }

    /// The pair of axes of each second-order part of a vector score's jet.
    fn pairs(&self) -> impl Iterator<Item = [usize; 2]> {
        pairs(self.input.place.ncols()).take(self.layout.second().len())
    }
}

/// What the columns of `y` hold in a block.
#[derive(Clone, Copy)]
enum Filling<'a, E> {
    Zero,
    Unit(usize),
    Rows(ArrayView2<'a, E>),
}

/// The pairs of axes, each once.
fn pairs(dim: usize) -> impl Iterator<Item = [usize; 2]> {
    (0..dim).flat_map(move |i| (i..dim).map(move |j| [i, j]))
}
