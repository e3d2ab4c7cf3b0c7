use fearless_simd::Simd;
use fokker_sde_core::{Jet, Real};
use ndarray::{ArrayView1, ArrayView2};

use super::buffer::Scratch;
use super::elementwise::{activate, activate_with_tangents, add_row_products, pull, store};
use super::packed::Packed;

/// What is known of a hidden layer at the points of a tile, `[rows, stride]` each. With `z` the input of
/// the activation and `f` the activation:
pub(super) struct LayerTile<'a> {
    /// `h = f(z)`, and `z` before.
    pub(super) value: &'a mut [f32],
    /// `f′(z)`.
    pub(super) slope: &'a mut [f32],
    /// `f″(z)`; in the end the cotangent of `z` in the functional, see [`super::gradient`].
    pub(super) curvature: &'a mut [f32],
    /// `g = ∂φ/∂h`.
    pub(super) adjoint: &'a mut [f32],
    /// `f′(z) g = ∂φ/∂z`.
    pub(super) cotangent: &'a mut [f32],
    /// The functional's channel of `h`.
    pub(super) along: &'a mut [f32],
    /// What only the Laplacian needs.
    pub(super) second: Option<SecondTile<'a>>,
}

/// What the Laplacian needs of a hidden layer, with `z_i = ∂z/∂x_i` and `q = Σ z_i²`.
pub(super) struct SecondTile<'a> {
    /// `f″(z) q`, `[rows, stride]`.
    pub(super) source: &'a mut [f32],
    /// `f‴(z) q`, `[rows, stride]`.
    pub(super) third: &'a mut [f32],
    /// `h_i = f′(z) z_i`, `[d, rows, stride]`.
    pub(super) tangents: &'a mut [f32],
    /// `f″(z) z_i`, `[d, rows, stride]`; in the end cotangents of `z_i`.
    pub(super) bends: &'a mut [f32],
}

/// A tile of points on its way through the network.
pub(super) struct Tile<'a> {
    /// The number of points, padded; what is beyond them is 0 in the input.
    pub(super) rows: usize,
    /// `[t, x_1 … x_d]`.
    pub(super) input: &'a mut [f32],
    /// `∂φ/∂[t, x_1 … x_d]`.
    pub(super) input_adjoint: &'a mut [f32],
    /// `φ` and `Δφ`; only with the Laplacian.
    pub(super) value: Vec<f32>,
    pub(super) laplacian: Vec<f32>,
    pub(super) layers: Vec<LayerTile<'a>>,
}

impl<'a> Tile<'a> {
    /// Floats that a tile takes for each of its points.
    pub(super) fn floats(network: &Packed, second: bool) -> usize {
        let arrays = if second { 8 + 2 * network.dim } else { 6 };
        let strides: usize = network.layers.iter().map(|layer| layer.stride).sum();
        2 * network.input_stride() + arrays * strides
    }

    pub(super) fn new(
        network: &Packed,
        second: bool,
        rows: usize,
        scratch: &mut Scratch<'a>,
    ) -> Self {
        let inputs = rows * network.input_stride();
        let layers = network.layers.iter().map(|layer| {
            let size = rows * layer.stride;
            LayerTile {
                value: scratch.take(size),
                slope: scratch.take(size),
                curvature: scratch.take(size),
                adjoint: scratch.take(size),
                cotangent: scratch.take(size),
                along: scratch.take(size),
                second: second.then(|| SecondTile {
                    source: scratch.take(size),
                    third: scratch.take(size),
                    tangents: scratch.take(network.dim * size),
                    bends: scratch.take(network.dim * size),
                }),
            }
        });
        Self {
            rows,
            layers: layers.collect(),
            input: scratch.zeros(inputs),
            input_adjoint: scratch.take(inputs),
            value: vec![0.0; rows],
            laplacian: vec![0.0; rows],
        }
    }

    /// Takes in points, and zeros in the rows that are left.
    pub(super) fn load<E: Real>(&mut self, t: ArrayView1<'_, E>, x: ArrayView2<'_, E>) {
        let stride = self.input.len() / self.rows;
        self.input[x.nrows() * stride..].fill(0.0);
        for ((row, t), x) in self.input.chunks_exact_mut(stride).zip(t).zip(x.rows()) {
            row[0] = t.wide() as f32;
            row[1..].iter_mut().zip(x).for_each(|(slot, x)| *slot = x.wide() as f32);
        }
    }

    /// Carries the points, and their tangents for the Laplacian, to the last hidden layer and the
    /// cotangents of `φ` back to the input.
    ///
    /// The Laplacian obeys `Δh = f′ Δz + f″ q` with `Δz = W Δh`, linear with source `f″ q`: hence
    /// `Δφ = Σ ⟨g, f″ q⟩` over the layers, and no forward pass of its own is needed.
    pub(super) fn jet<S: Simd>(&mut self, simd: S, network: &Packed) {
        self.forward(simd, network);
        let last = network.last();
        self.laplacian.fill(0.0);
        for index in (0..=last).rev() {
            let (before, after) = self.layers.split_at_mut(index + 1);
            let tile = &mut before[index];
            let layer = &network.layers[index];
            match after.first() {
                None => network.pull_back_output(simd, self.rows, |_| 1.0, pull(simd, tile)),
                Some(next) => {
                    network.layers[index + 1].pull_back(simd, next.cotangent, pull(simd, tile));
                }
            }
            if let Some(second) = &tile.second {
                let (g, source) = (&*tile.adjoint, &*second.source);
                add_row_products(simd, layer.stride, g, source, &mut self.laplacian);
            }
        }
        let first = &network.layers[0];
        first.pull_back(simd, self.layers[0].cotangent, store(simd, self.input_adjoint));
        if self.layers[last].second.is_some() {
            self.value.fill(network.output_bias);
            let values = &*self.layers[last].value;
            add_row_products(simd, network.output.len(), values, &network.output, &mut self.value);
        }
    }

    fn forward<S: Simd>(&mut self, simd: S, network: &Packed) {
        for (index, layer) in network.layers.iter().enumerate() {
            let (before, rest) = self.layers.split_at_mut(index);
            let tile = &mut rest[0];
            let below = before.last();
            let input = below.map_or(&*self.input, |below| &*below.value);
            layer.push_forward(simd, input, Some(&layer.bias), store(simd, tile.value));
            let Some(second) = &mut tile.second else {
                let top = index == network.last();
                activate(simd, network.activation, top, tile.value, tile.slope, tile.curvature);
                continue;
            };
            let size = self.rows * layer.stride;
            for (i, tangent) in second.tangents.chunks_exact_mut(size).enumerate() {
                match below.and_then(|below| below.second.as_ref()) {
                    Some(below) => {
                        let size = self.rows * layer.input_stride;
                        let input = &below.tangents[i * size..][..size];
                        layer.push_forward(simd, input, None, store(simd, tangent));
                    }
                    // ∂z/∂x_i is a column of the first weight, at every point.
                    None => {
                        let column = &layer.forward[(1 + i) * layer.stride..][..layer.stride];
                        for row in tangent.chunks_exact_mut(layer.stride) {
                            row.copy_from_slice(column);
                        }
                    }
                }
            }
            activate_with_tangents(
                simd,
                network.activation,
                [tile.value, tile.slope, tile.curvature],
                second,
            );
        }
    }

    /// Writes what is known of the points into a jet.
    pub(super) fn write<E: Real>(&self, jet: &mut Jet<E>) {
        let of = |value: f32| E::of(f64::from(value));
        let stride = self.input.len() / self.rows;
        let derivatives = self.input_adjoint.chunks_exact(stride);
        for (mut slots, row) in jet.gradient.rows_mut().into_iter().zip(derivatives.clone()) {
            slots.iter_mut().zip(&row[1..]).for_each(|(slot, &s)| *slot = of(s));
        }
        if self.layers.iter().any(|layer| layer.second.is_some()) {
            jet.value.iter_mut().zip(&self.value).for_each(|(slot, &v)| *slot = of(v));
            jet.laplacian.iter_mut().zip(&self.laplacian).for_each(|(slot, &v)| *slot = of(v));
            jet.time_derivative.iter_mut().zip(derivatives).for_each(|(slot, v)| *slot = of(v[0]));
        }
    }
}
