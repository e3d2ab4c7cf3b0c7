//! Networks for vector scores `F(y, τ)`: losses of the score with their parameter gradients by ordinary
//! backpropagation.

use std::ops::Range;

use fearless_simd::Simd;
use fokker_sde_core::{Jet, Real};
use ndarray::Axis;

use super::buffer::{Scratch, get_rows, put_rows, with_scratch};
use super::elementwise::{activate_with_slope, add, add_rows};
use super::finish::{pull_in_place, store};
use super::packed::Packed;
use super::padded_gradient::PaddedGradient;
use super::product::{Rows, outer_product};
use super::tile_rows;
use crate::head::CoreInput;
use crate::loss::Loss;
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
pub(super) fn add_loss_gradient<S: Simd, E: Real>(
    simd: S,
    network: &Packed,
    input: &CoreInput<E>,
    loss: &mut Loss<'_, E>,
    gradient: Option<&mut [E]>,
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
    fn load<E: Real>(&mut self, points: &CoreInput<E>, range: Range<usize>) {
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
