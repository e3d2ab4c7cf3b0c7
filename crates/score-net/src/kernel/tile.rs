use std::ops::Range;

use fearless_simd::Simd;
use fokker_sde_core::Jet;
use ndarray::Axis;

use super::buffer::{Scratch, get_rows, put_rows};
use super::elementwise::{activate, activate_with_tangents, add, add_row_products};
use super::finish::{pull, store};
use super::packed::{Affine, Packed};
use crate::Derivatives;
use crate::head::CoreInput;

/// What is known of a hidden layer at the points of a tile, `[rows, stride]` each. With `z` the input of
/// the activation and `f` the activation:
pub(super) struct LayerTile<'a> {
    /// `h = f(z)`, or `h = h_below + f(z)` of a residual block, and `z` before.
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

/// What the Laplacian needs of a hidden layer, with `z_i = ∂z/∂y_i` or the derivative along a probe, and `q = Σ z_i²`.
pub(super) struct SecondTile<'a> {
    /// `f″(z) q`, `[rows, stride]`.
    pub(super) source: &'a mut [f32],
    /// `f‴(z) q`, `[rows, stride]`.
    pub(super) third: &'a mut [f32],
    /// `h_i = f′(z) z_i`, plus that of the layer below in a residual block, `[tangents, rows, stride]`.
    pub(super) tangents: &'a mut [f32],
    /// `f″(z) z_i`, `[tangents, rows, stride]`; in the end cotangents of `z_i`.
    pub(super) bends: &'a mut [f32],
}

/// A tile of points on its way through the network.
pub(super) struct Tile<'a> {
    /// The number of points, padded; what is beyond them is 0 in the input.
    pub(super) rows: usize,
    /// `[τ, y]`.
    pub(super) input: &'a mut [f32],
    /// `∂N/∂[τ, y]`.
    pub(super) input_adjoint: &'a mut [f32],
    /// The derivatives of the features of the time, laid out as the input.
    pub(super) rate: &'a mut [f32],
    /// The directions of the second derivatives that make up the Laplacian: the axes of `y`, or probes.
    pub(super) tangents: Tangents<'a>,
    /// `φ` and `Δφ`; only with the Laplacian.
    pub(super) value: Vec<f32>,
    pub(super) laplacian: Vec<f32>,
    pub(super) layers: Vec<LayerTile<'a>>,
    /// What [`Packed::pull_back`] carries.
    pub(super) carried: &'a mut [f32],
}

impl<'a> Tile<'a> {
    /// Floats that a tile takes for each of its points.
    pub(super) fn floats(network: &Packed, needed: Needed) -> usize {
        let arrays = if needed.second { 8 + 2 * needed.tangents } else { 6 };
        let strides: usize = network.layers.iter().map(|layer| layer.stride).sum();
        let probes = if needed.probes { needed.tangents } else { 0 };
        (3 + probes) * network.input_stride() + arrays * strides + network.carried()
    }

    pub(super) fn new(
        network: &Packed,
        needed: Needed,
        rows: usize,
        scratch: &mut Scratch<'a>,
    ) -> Self {
        let inputs = rows * network.input_stride();
        let Needed { second, tangents, probes } = needed;
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
                    tangents: scratch.take(tangents * size),
                    bends: scratch.take(tangents * size),
                }),
            }
        });
        Self {
            rows,
            layers: layers.collect(),
            carried: scratch.take(rows * network.carried()),
            input: scratch.zeros(inputs),
            input_adjoint: scratch.take(inputs),
            rate: scratch.zeros(inputs),
            tangents: match probes {
                true => Tangents::Probes(scratch.zeros(tangents * inputs)),
                false => Tangents::Axes,
            },
            value: vec![0.0; rows],
            laplacian: vec![0.0; rows],
        }
    }

    /// Takes in some of the points, and zeros in the rows that are left.
    pub(super) fn load(
        &mut self,
        points: &CoreInput<f32>,
        range: Range<usize>,
        derivatives: &Derivatives<'_, f32>,
    ) {
        let (stride, rows) = (self.input.len() / self.rows, range.len());
        let features = points.time.ncols();
        put_rows(self.input, stride, 0, points.time.slice_axis(Axis(0), range.clone().into()));
        put_rows(
            self.input,
            stride,
            features,
            points.place.slice_axis(Axis(0), range.clone().into()),
        );
        put_rows(self.rate, stride, 0, points.rate.slice_axis(Axis(0), range.clone().into()));
        self.input[rows * stride..].fill(0.0);
        if let (Tangents::Probes(directions), Derivatives::Along(probes)) =
            (&mut self.tangents, derivatives)
        {
            let size = self.rows * stride;
            for (direction, v) in directions.chunks_exact_mut(size).zip(probes.axis_iter(Axis(0))) {
                put_rows(direction, stride, features, v.slice_axis(Axis(0), range.clone().into()));
                direction[rows * stride..].fill(0.0);
            }
        }
    }

    /// Carries the points, and their tangents for the Laplacian, to the last hidden layer and the
    /// cotangents of `φ` back to the input.
    ///
    /// The Laplacian obeys `Δh = f′ Δz + f″ q` with `Δz = W Δh_below`, and in a residual block `Δh_below` more, linear
    /// with source `f″ q`: hence `Δφ = Σ ⟨g, f″ q⟩` over the layers, and no forward pass of its own is needed.
    pub(super) fn jet<S: Simd>(&mut self, simd: S, network: &Packed) {
        self.forward(simd, network);
        let last = network.last();
        self.laplacian.fill(0.0);
        for index in (0..=last).rev() {
            let (before, after) = self.layers.split_at_mut(index + 1);
            let tile = &mut before[index];
            let layer = &network.layers[index];
            let (carried, finish) = (&mut *self.carried, pull(simd, tile));
            match after.first() {
                None => network.pull_back_output(simd, self.rows, |_| 1.0, carried, finish),
                Some(next) => network.pull_back(simd, index, next.cotangent, carried, finish),
            }
            if let Some(second) = &tile.second {
                let (g, source) = (&*tile.adjoint, &*second.source);
                add_row_products(simd, layer.stride, g, source, &mut self.laplacian);
            }
        }
        let first = &network.layers[0];
        first.pull_back(simd, self.layers[0].cotangent, store(simd, self.input_adjoint));
        if self.layers[last].second.is_some() {
            let Affine { reverse, bias, .. } = &network.output;
            self.value.fill(bias[0]);
            let values = &*self.layers[last].value;
            add_row_products(simd, reverse.len(), values, reverse, &mut self.value);
        }
    }

    fn forward<S: Simd>(&mut self, simd: S, network: &Packed) {
        for (index, layer) in network.layers.iter().enumerate() {
            let (before, rest) = self.layers.split_at_mut(index);
            let tile = &mut rest[0];
            let below = before.last();
            let input = below.map_or(&*self.input, |below| &*below.value);
            layer.push_forward(simd, input, Some(&layer.bias), store(simd, tile.value));
            let top = index == network.last();
            let Some(second) = &mut tile.second else {
                activate(simd, layer.activation, top, tile.value, tile.slope, tile.curvature);
                if layer.skip && !top {
                    add(simd, input, tile.value);
                }
                continue;
            };
            let size = self.rows * layer.stride;
            let input_size = self.rows * layer.input_stride;
            for (i, tangent) in second.tangents.chunks_exact_mut(size).enumerate() {
                let inputs = match below.and_then(|below| below.second.as_ref()) {
                    Some(below) => Some(&*below.tangents),
                    None => self.tangents.inputs(),
                };
                if let Some(inputs) = inputs {
                    let input = &inputs[i * input_size..][..input_size];
                    layer.push_forward(simd, input, None, store(simd, tangent));
                    continue;
                }
                // ∂z/∂y_i is a column of the first weight, at every point.
                let column =
                    &layer.forward[(network.features + i) * layer.stride..][..layer.stride];
                for row in tangent.chunks_exact_mut(layer.stride) {
                    row.copy_from_slice(column);
                }
            }
            activate_with_tangents(
                simd,
                layer.activation,
                [tile.value, tile.slope, tile.curvature],
                second,
            );
            if layer.skip {
                add(simd, input, tile.value);
                if let Some(below) = below.and_then(|below| below.second.as_ref()) {
                    add(simd, below.tangents, second.tangents);
                }
            }
        }
    }

    /// What each second derivative counts in the Laplacian.
    pub(super) fn share(&self) -> f32 {
        let size = self.input.len();
        self.tangents.inputs().map_or(1.0, |probes| size as f32 / probes.len().max(size) as f32)
    }

    /// Writes what is known of the points into a jet of the network, whose time derivative is that at fixed `y`.
    pub(super) fn write(&self, network: &Packed, jet: &mut Jet<f32>) {
        let stride = self.input.len() / self.rows;
        get_rows(self.input_adjoint, stride, network.features, jet.gradient.view_mut());
        if self.layers.iter().any(|layer| layer.second.is_some()) {
            let share = self.share();
            jet.value.iter_mut().zip(&self.value).for_each(|(slot, &v)| *slot = v);
            let sums = jet.laplacian.iter_mut().zip(&self.laplacian);
            sums.for_each(|(slot, &v)| *slot = share * v);
            let (derivatives, rates) =
                (self.input_adjoint.chunks_exact(stride), self.rate.chunks_exact(stride));
            for ((slot, row), rate) in jet.time_derivative.iter_mut().zip(derivatives).zip(rates) {
                let terms =
                    row[..network.features].iter().zip(rate).map(|(slope, rate)| slope * rate);
                *slot = terms.sum();
            }
        }
    }
}

/// Which parts a tile has.
#[derive(Clone, Copy)]
pub(super) struct Needed {
    /// Whether the Laplacian is asked for.
    pub(super) second: bool,
    /// The directions that it is made of.
    pub(super) tangents: usize,
    /// Whether these are probes.
    pub(super) probes: bool,
}

impl Needed {
    pub(super) fn new(network: &Packed, derivatives: &Derivatives<'_, f32>) -> Self {
        match derivatives {
            Derivatives::Gradient => Self { second: false, tangents: 0, probes: false },
            Derivatives::First => Self { second: true, tangents: 0, probes: true },
            Derivatives::All => Self { second: true, tangents: network.dim, probes: false },
            Derivatives::Along(probes) => {
                Self { second: true, tangents: probes.shape()[0], probes: true }
            }
        }
    }
}

/// The directions of the second derivatives that make up the Laplacian.
pub(super) enum Tangents<'a> {
    /// The axes of `y`.
    Axes,
    /// Vectors given for each point, `[tangents, rows, input_stride]`, with zeros for the features of the time.
    Probes(&'a mut [f32]),
}

impl Tangents<'_> {
    /// The directions as inputs, unless they are axes.
    pub(super) fn inputs(&self) -> Option<&[f32]> {
        match self {
            Self::Axes => None,
            Self::Probes(directions) => Some(directions),
        }
    }
}
