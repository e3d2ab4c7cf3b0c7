//! Networks for vector scores `F(y, τ)`: losses of the score with their parameter gradients by ordinary
//! backpropagation, and first derivatives by tangents carried forward.

use std::ops::Range;

use fearless_simd::Simd;
use fokker_sde_core::Jet;
use ndarray::Axis;

use super::buffer::{Scratch, get_rows, put_rows, with_scratch};
use super::elementwise::{activate_with_slope, add, add_rows};
use super::finish::{pull_in_place, push_tangent, repeat, store};
use super::packed::Packed;
use super::padded_gradient::PaddedGradient;
use super::product::{Rows, outer_product};
use super::tile_rows;
use crate::VectorJet;
use crate::head::CoreInput;
use crate::loss::{Loss, VectorLoss};
use crate::network::blocks;

/// A tile of points on its way through the network.
struct VectorTile<'a> {
    rows: usize,
    /// `[τ, y]`.
    input: &'a mut [f32],
    /// Of each hidden layer `h` and the slope `f′(z)`, which becomes the cotangent of `z` on the way back.
    layers: Vec<[&'a mut [f32]; 2]>,
    /// `F`, and then its cotangent.
    output: &'a mut [f32],
    /// What [`Packed::pull_back`] carries.
    carried: &'a mut [f32],
}

/// The sum of `loss` over the points, whose parameter gradient is added to `gradient`.
///
/// `loss` is called for ranges of points in turn, with `F` as the gradient of a jet, which it replaces by its own
/// partial derivatives. With these as the cotangents of `F`, layer by layer the cotangent `g` of `h` gives `ĝ = f′ g`
/// of `z`, the gradients `ĝ hᵀ` of the weight and `ĝ` of the bias, and `Wᵀ ĝ` for the layer below, to which a residual
/// block adds `g`.
pub(super) fn add_loss_gradient<S: Simd>(
    simd: S,
    network: &Packed,
    input: &CoreInput<f32>,
    loss: &mut Loss<'_, f32>,
    gradient: Option<&mut [f32]>,
) -> f64 {
    let (n, dim) = input.place.dim();
    let floats = VectorTile::floats(network);
    let rows = tile_rows(floats, n);
    with_scratch(rows * floats + PaddedGradient::floats(network), |mut scratch| {
        let mut tile = VectorTile::new(network, rows, &mut scratch);
        let mut sums = gradient.as_ref().map(|_| PaddedGradient::zeros(network, &mut scratch));
        let mut total = 0.0;
        for range in blocks(n, rows) {
            tile.load(input, range.clone());
            tile.forward(simd, network);
            let mut jet = Jet::zeros(range.len(), dim);
            get_rows(tile.output, network.output.stride, 0, jet.gradient.view_mut());
            total += loss(range, &mut jet);
            if let Some(sums) = &mut sums {
                tile.output.fill(0.0);
                put_rows(tile.output, network.output.stride, 0, jet.gradient.view());
                tile.back(simd, network);
                tile.add_gradient(simd, network, sums);
            }
        }
        if let (Some(sums), Some(gradient)) = (sums, gradient) {
            sums.add_to(network, gradient);
        }
        total
    })
}

/// The sum of `loss` over the points, called for ranges of points in turn with `F`, its derivatives along the axes of
/// `y` and that in time at fixed `y`.
///
/// Each direction is carried through the whole network by itself, by `h_i = f′ z_i`: so only two layers of tangents
/// have to be in cache beside the slopes, whatever the dimension.
pub(super) fn add_jet_loss<S: Simd>(
    simd: S,
    network: &Packed,
    input: &CoreInput<f32>,
    loss: &mut VectorLoss<'_, f32>,
) -> f64 {
    let (n, dim) = input.place.dim();
    let (stride, input_stride) = (network.output.stride, network.input_stride());
    let widest = network.widest();
    let floats = VectorTile::floats(network) + 2 * widest + input_stride + stride;
    let rows = tile_rows(floats, n);
    with_scratch(rows * floats, |mut scratch| {
        let mut tile = VectorTile::new(network, rows, &mut scratch);
        let rate = scratch.zeros(rows * input_stride);
        let mut tangents = [(); 2].map(|()| scratch.take(rows * widest));
        let out = scratch.take(rows * stride);
        let mut total = 0.0;
        for range in blocks(n, rows) {
            tile.load(input, range.clone());
            put_rows(rate, input_stride, 0, input.rate.slice_axis(Axis(0), range.clone().into()));
            tile.forward(simd, network);
            let mut jet = VectorJet::zeros(range.len(), dim);
            get_rows(tile.output, stride, 0, jet.score.view_mut());
            for axis in 0..dim {
                tile.push(simd, network, Direction::Axis(axis), &mut tangents, out);
                get_rows(out, stride, 0, jet.jacobian.index_axis_mut(Axis(2), axis));
            }
            tile.push(simd, network, Direction::Input(rate), &mut tangents, out);
            get_rows(out, stride, 0, jet.time_derivative.view_mut());
            total += loss(range, &mut jet);
        }
        total
    })
}

/// What a derivative is along.
enum Direction<'a> {
    /// An axis of `y`.
    Axis(usize),
    /// Rows laid out as the input.
    Input(&'a [f32]),
}

impl<'a> VectorTile<'a> {
    /// Floats that a tile takes for each of its points.
    fn floats(network: &Packed) -> usize {
        let strides: usize = network.layers.iter().map(|layer| layer.stride).sum();
        network.input_stride() + 2 * strides + network.output.stride + network.carried()
    }

    fn new(network: &Packed, rows: usize, scratch: &mut Scratch<'a>) -> Self {
        let layers = network.layers.iter();
        Self {
            rows,
            layers: layers
                .map(|layer| [(); 2].map(|()| scratch.take(rows * layer.stride)))
                .collect(),
            input: scratch.zeros(rows * network.input_stride()),
            output: scratch.take(rows * network.output.stride),
            carried: scratch.take(rows * network.carried()),
        }
    }

    /// Takes in some of the points, and zeros in the rows that are left.
    fn load(&mut self, points: &CoreInput<f32>, range: Range<usize>) {
        let stride = self.input.len() / self.rows;
        put_rows(self.input, stride, 0, points.time.slice_axis(Axis(0), range.clone().into()));
        let place = points.place.slice_axis(Axis(0), range.clone().into());
        put_rows(self.input, stride, points.time.ncols(), place);
        self.input[range.len() * stride..].fill(0.0);
    }

    fn forward<S: Simd>(&mut self, simd: S, network: &Packed) {
        for (index, layer) in network.layers.iter().enumerate() {
            let (before, rest) = self.layers.split_at_mut(index);
            let [value, slope] = &mut rest[0];
            let h = before.last().map_or(&*self.input, |[value, _]| &**value);
            layer.push_forward(simd, h, Some(&layer.bias), store(simd, value));
            activate_with_slope(simd, layer.activation, value, slope);
            if layer.skip {
                add(simd, h, value);
            }
        }
        let top = &*self.layers[network.last()][0];
        network.output.push_to(simd, top, Some(&network.output.bias), self.output);
    }

    /// Carries a direction to the derivative of `F` along it.
    fn push<S: Simd>(
        &self,
        simd: S,
        network: &Packed,
        direction: Direction<'_>,
        [below, tangent]: &mut [&mut [f32]; 2],
        out: &mut [f32],
    ) {
        for (index, (layer, [_, slope])) in network.layers.iter().zip(&self.layers).enumerate() {
            let result = &mut tangent[..slope.len()];
            let finish = push_tangent(simd, slope, result);
            match direction {
                _ if index > 0 => {
                    let input = &below[..self.rows * layer.input_stride];
                    layer.push_forward(simd, input, None, finish);
                    if layer.skip {
                        add(simd, input, result);
                    }
                }
                Direction::Input(input) => layer.push_forward(simd, input, None, finish),
                Direction::Axis(axis) => {
                    // ∂z/∂y_i is a column of the first weight, at every point.
                    let column = &layer.forward[(network.features + axis) * layer.stride..];
                    repeat(simd, &column[..layer.stride], self.rows, |_| 1.0, finish);
                }
            }
            std::mem::swap(below, tangent);
        }
        let top = &below[..self.rows * network.output.input_stride];
        network.output.push_to(simd, top, None, out);
    }

    /// Carries the cotangents of `F` back to those of each `z` whose parameters are trained.
    fn back<S: Simd>(&mut self, simd: S, network: &Packed) {
        for index in (0..=network.last()).rev() {
            if !network.layers[index].trained {
                // Random features: nothing is trained below them.
                break;
            }
            let (before, after) = self.layers.split_at_mut(index + 1);
            let z_bar = after.first().map_or(&*self.output, |[_, cotangent]| &**cotangent);
            let finish = pull_in_place(simd, before[index][1]);
            network.pull_back(simd, index, z_bar, self.carried, finish);
        }
    }

    /// Adds the gradient over the points of this tile.
    fn add_gradient<S: Simd>(&self, simd: S, network: &Packed, sums: &mut PaddedGradient<'_>) {
        for (index, [weight, bias]) in sums.layers.iter_mut().enumerate() {
            let layer = &network.layers[index];
            if !layer.trained {
                continue;
            }
            let cotangent = &*self.layers[index][1];
            add_rows(simd, cotangent, bias);
            match index.checked_sub(1).map(|below| &*self.layers[below][0]) {
                None => {
                    let input = Rows { data: self.input, stride: layer.input_stride };
                    outer_product(simd, &[(input, cotangent)], weight, layer.stride);
                }
                Some(below) => {
                    let cotangent = Rows { data: cotangent, stride: layer.stride };
                    outer_product(simd, &[(cotangent, below)], weight, layer.input_stride);
                }
            }
        }
        let ([weight, bias], map) = (&mut sums.output, &network.output);
        add_rows(simd, self.output, bias);
        let cotangent = Rows { data: self.output, stride: map.stride };
        let top = &*self.layers[network.last()][0];
        outer_product(simd, &[(cotangent, top)], weight, map.input_stride);
    }
}
