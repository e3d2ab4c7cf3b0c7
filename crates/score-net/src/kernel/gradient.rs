//! Parameter gradients of losses of jets.
//!
//! Let `ℓ` be a sum over points of a function of the jet of `φ` there, with partial derivatives `b` in
//! `φ`, `v` in `∂_t φ` and `∇φ`, and `c` in `Δφ`. With these frozen, `∂ℓ/∂θ` is the sum over the points of
//! `∂(Mφ)/∂θ` with the functional
//!
//! `M = b + ∂_v + c Δ`,
//!
//! which needs one channel through the network whatever `v` is. Write `h_m = (M − b) h` for it, `h_i`
//! for `∂h/∂x_i`, `g` for `∂φ/∂h`, and `z`, `z_i`, `z_m` and `ĝ = f′ g` for the same before the activation.
//! The parameter gradient of `φ` is `ĝ hᵀ` for a weight and `ĝ` for a bias, and since derivatives commute,
//! that of `Mφ` is `M` of these:
//!
//! `M(ĝ hᵀ) = ĝ_m hᵀ + ĝ h_mᵀ + Σ Ĝ_i h_iᵀ`, with `ĝ_m = Mĝ` and `Ĝ_i = 2c ∂ĝ/∂x_i`,
//!
//! which come from the layer above by `g_m = Wᵀ ĝ_m` and `G_i = Wᵀ Ĝ_i`, and through the activation by
//!
//! - `h_m = f′ z_m + c f″ q`, with `q = Σ z_i²`,
//! - `Ĝ_i = f′ G_i + 2c f″ z_i g`,
//! - `ĝ_m = f′ g_m + (f″ z_m + c f‴ q) g + Σ f″ z_i G_i`.
//!
//! A residual block `h = h_below + f(z)` adds the derivatives of `h_below` to those of `f(z)`, and the cotangents of its
//! output to those that its input has through `z`:
//!
//! - `h_i = h_below,i + f′ z_i` and `h_m = h_below,m + f′ z_m + c f″ q`,
//! - `g_below = Wᵀ ĝ + g`, and as `M` and `∂_i` of it `g_m,below = Wᵀ ĝ_m + g_m` and `G_below,i = Wᵀ Ĝ_i + G_i`.
//!
//! `Ĝ_i` and `ĝ_m` are as above: they are derivatives of `ĝ = f′ g`, whatever `g` is made of.
//!
//! At the top `g_m = b w` with `w` the weights of the output, and `G_i = 0`. A point thus costs, in matrix
//! products for each layer between hidden ones and with its weight gradient, 6 without the Laplacian and
//! `6 + 3d` with it.

use fearless_simd::Simd;
use fokker_sde_core::Jet;

use super::buffer::with_scratch;
use super::elementwise::{add, add_rows};
use super::finish::{accumulate, pull_along, push_along, store};
use super::packed::Packed;
use super::padded_gradient::PaddedGradient;
use super::product::{Rows, outer_product};
use super::tile::{Needed, Tile};
use super::tile_rows;
use crate::Derivatives;
use crate::head::CoreInput;
use crate::loss::Loss;
use crate::network::blocks;

/// The functional `M` at the points of a tile.
struct Functional<'a> {
    /// `b` and `c`.
    value: Vec<f32>,
    laplacian: Vec<f32>,
    /// `v`, laid out as the input.
    direction: &'a mut [f32],
}

/// The sum of `loss` over the points `(x_i, t_i)`, whose parameter gradient is added to `gradient`.
///
/// `loss` is called for ranges of points in turn, with their jet, which it replaces by its own partial
/// derivatives.
pub(super) fn add_loss_gradient<S: Simd>(
    simd: S,
    network: &Packed,
    input: &CoreInput<f32>,
    derivatives: Derivatives<'_, f32>,
    loss: &mut Loss<'_, f32>,
    gradient: Option<&mut [f32]>,
) -> f64 {
    let (n, dim) = input.place.dim();
    let needed = Needed::new(network, &derivatives);
    let spare = needed.tangents * network.widest();
    let floats = Tile::floats(network, needed) + network.input_stride() + spare;
    let rows = tile_rows(floats, n);
    with_scratch(rows * floats + PaddedGradient::floats(network), |mut scratch| {
        let mut tile = Tile::new(network, needed, rows, &mut scratch);
        let mut functional = Functional {
            value: vec![0.0; rows],
            laplacian: vec![0.0; rows],
            direction: scratch.zeros(rows * network.input_stride()),
        };
        let spare = scratch.take(rows * spare);
        let mut sums = gradient.as_ref().map(|_| PaddedGradient::zeros(network, &mut scratch));
        let mut total = 0.0;
        for range in blocks(n, rows) {
            tile.load(input, range.clone(), &derivatives);
            tile.jet(simd, network);
            let mut jet = Jet::zeros(range.len(), dim);
            tile.write(network, &mut jet);
            total += loss(range, &mut jet);
            if let Some(sums) = &mut sums {
                functional.load(network, &tile, &jet);
                functional.carry(simd, network, &mut tile, spare);
                sums.add(simd, network, &tile, &functional);
            }
        }
        if let (Some(sums), Some(gradient)) = (sums, gradient) {
            sums.add_to(network, gradient);
        }
        total
    })
}

impl Functional<'_> {
    fn load(&mut self, network: &Packed, tile: &Tile<'_>, cotangent: &Jet<f32>) {
        let (n, features) = (cotangent.gradient.nrows(), network.features);
        let stride = self.direction.len() / self.value.len();
        self.direction[n * stride..].fill(0.0);
        let rows = self.direction.chunks_exact_mut(stride);
        for (row, gradient) in rows.zip(cotangent.gradient.rows()) {
            row[features..].iter_mut().zip(gradient).for_each(|(slot, v)| *slot = *v);
        }
        if tile.layers.iter().all(|layer| layer.second.is_none()) {
            return;
        }
        let rows = self.direction.chunks_exact_mut(stride).zip(tile.rate.chunks_exact(stride));
        for ((row, rate), v) in rows.zip(&cotangent.time_derivative) {
            let slots = row[..features].iter_mut().zip(rate);
            slots.for_each(|(slot, rate)| *slot = rate * v);
        }
        for (slots, values) in
            [(&mut self.value, &cotangent.value), (&mut self.laplacian, &cotangent.laplacian)]
        {
            slots.iter_mut().zip(values).for_each(|(slot, v)| *slot = *v);
            slots[n..].fill(0.0);
        }
        let share = tile.share();
        if share != 1.0 {
            self.laplacian.iter_mut().for_each(|c| *c *= share);
        }
    }

    /// Takes the functional forward to the last hidden layer and its cotangents back to the first.
    fn carry<S: Simd>(&self, simd: S, network: &Packed, tile: &mut Tile<'_>, spare: &mut [f32]) {
        for (index, layer) in network.layers.iter().enumerate() {
            let (before, rest) = tile.layers.split_at_mut(index);
            let input = before.last().map_or(&*self.direction, |below| &*below.along);
            let finish = push_along(simd, &self.laplacian, &mut rest[0]);
            layer.push_forward(simd, input, None, finish);
            if layer.skip {
                add(simd, input, rest[0].along);
            }
        }
        for index in (0..network.layers.len()).rev() {
            let (before, after) = tile.layers.split_at_mut(index + 1);
            let current = &mut before[index];
            let size = current.value.len();
            let tangents = current.second.as_ref().map_or(0, |second| second.bends.len());
            let tangent_adjoints = &mut spare[..tangents];
            let carried = &mut *tile.carried;
            let Some(next) = after.first() else {
                if current.second.is_some() {
                    tangent_adjoints.fill(0.0);
                    let finish = pull_along(simd, &self.laplacian, current, tangent_adjoints);
                    let b = |row| self.value[row];
                    network.pull_back_output(simd, tile.rows, b, carried, finish);
                } else {
                    carried.fill(0.0);
                }
                continue;
            };
            let above = &network.layers[index + 1];
            if let Some(second) = &next.second {
                let bends = second.bends.chunks_exact(next.value.len());
                for (bend, adjoint) in bends.zip(tangent_adjoints.chunks_exact_mut(size)) {
                    match above.skip {
                        // Those of the layer above lie there still: it is as wide.
                        true => above.pull_back(simd, bend, accumulate(simd, adjoint)),
                        false => above.pull_back(simd, bend, store(simd, adjoint)),
                    }
                }
            }
            let finish = pull_along(simd, &self.laplacian, current, tangent_adjoints);
            network.pull_back(simd, index, next.curvature, carried, finish);
        }
    }
}

impl PaddedGradient<'_> {
    /// Adds `Mφ`'s gradient over the points of a tile.
    fn add<S: Simd>(
        &mut self,
        simd: S,
        network: &Packed,
        tile: &Tile<'_>,
        functional: &Functional<'_>,
    ) {
        let last = &tile.layers[network.last()];
        let [output, output_bias] = &mut self.output;
        let stride = network.output.input_stride;
        let output = &mut output[..stride];
        add_rows(simd, last.along, output);
        if last.second.is_some() {
            for (h, &b) in last.value.chunks_exact(stride).zip(&functional.value) {
                output.iter_mut().zip(h).for_each(|(w, h)| *w += b * h);
            }
            output_bias[0] += functional.value.iter().sum::<f32>();
        }
        let mut pairs = Vec::new();
        for (index, [weight, bias]) in self.layers.iter_mut().enumerate() {
            let (layer, current) = (&network.layers[index], &tile.layers[index]);
            add_rows(simd, current.curvature, bias);
            pairs.clear();
            let Some(below) = index.checked_sub(1).map(|below| &tile.layers[below]) else {
                let rows = |data| Rows { data, stride: layer.input_stride };
                pairs.push((rows(tile.input), &*current.curvature));
                pairs.push((rows(functional.direction), &*current.cotangent));
                let bends = current.second.as_ref().map_or(&[][..], |second| &*second.bends);
                let bends = bends.chunks_exact(tile.rows * layer.stride);
                if let Some(probes) = tile.tangents.inputs() {
                    let probes = probes.chunks_exact(tile.rows * layer.input_stride).map(rows);
                    pairs.extend(probes.zip(bends.clone()));
                }
                outer_product(simd, &pairs, weight, layer.stride);
                if tile.tangents.inputs().is_none() {
                    // ∂[τ, y]/∂y_i is a unit vector.
                    let rows = weight.chunks_exact_mut(layer.stride).skip(network.features);
                    bends.zip(rows).for_each(|(bend, row)| add_rows(simd, bend, row));
                }
                continue;
            };
            let rows = |data| Rows { data, stride: layer.stride };
            pairs.push((rows(&*current.curvature), &*below.value));
            pairs.push((rows(&*current.cotangent), &*below.along));
            if let (Some(second), Some(below)) = (&current.second, &below.second) {
                let bends = second.bends.chunks_exact(tile.rows * layer.stride);
                let tangents = below.tangents.chunks_exact(tile.rows * layer.input_stride);
                pairs.extend(bends.map(rows).zip(tangents));
            }
            outer_product(simd, &pairs, weight, layer.input_stride);
        }
    }
}
