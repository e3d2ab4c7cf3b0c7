use fearless_simd::Simd;
use fearless_simd::prelude::*;

use super::buffer::{Aligned, padded};
use super::elementwise::at;
use super::product::{Rows, narrow_product, product};
use crate::parameters::{Matrix, entries};
use crate::{Activation, Architecture, Element, Output};

/// The parameters of a network as the kernels read them: every matrix in the two orientations that
/// forward and reverse products need, rows padded with zeros to whole cache lines.
#[derive(Debug)]
pub(super) struct Packed {
    /// The number of features of the time, which come before the point.
    pub(super) features: usize,
    pub(super) dim: usize,
    pub(super) layers: Vec<PackedLayer>,
    /// The weights of the output, one row, and its bias.
    pub(super) output: Aligned,
    pub(super) output_bias: f32,
}

/// A hidden layer.
#[derive(Debug)]
pub(super) struct PackedLayer {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    /// `inputs` and `outputs` padded.
    pub(super) input_stride: usize,
    pub(super) stride: usize,
    /// `Wᵀ`, `[inputs, outputs]`.
    pub(super) forward: Aligned,
    /// `W`, `[outputs, inputs]`.
    pub(super) reverse: Aligned,
    pub(super) bias: Aligned,
    pub(super) activation: Activation,
    /// Whether training changes its parameters.
    pub(super) trained: bool,
}

impl PackedLayer {
    fn new<E: Element>(
        weight: &[E],
        bias: &[E],
        inputs: usize,
        activation: Activation,
        trained: bool,
    ) -> Self {
        let outputs = bias.len();
        let (input_stride, stride) = (padded(inputs), padded(outputs));
        let mut forward = Aligned::zeros(inputs * stride);
        let mut reverse = Aligned::zeros(outputs * input_stride);
        for (o, weights) in weight.chunks_exact(inputs).enumerate() {
            let row = &mut reverse[o * input_stride..][..inputs];
            for (i, (slot, w)) in row.iter_mut().zip(weights).enumerate() {
                *slot = narrow(*w);
                forward[i * stride + o] = *slot;
            }
        }
        let bias = padded_row(bias);
        Self { inputs, outputs, input_stride, stride, forward, reverse, bias, activation, trained }
    }

    /// The product `h Wᵀ + 1 startᵀ`, handed to `finish` as by [`product`].
    pub(super) fn push_forward<S: Simd>(
        &self,
        simd: S,
        h: &[f32],
        start: Option<&[f32]>,
        finish: impl FnMut(usize, usize, &[S::f32s]),
    ) {
        let h = Rows { data: h, stride: self.input_stride };
        product(simd, h, self.inputs, &self.forward, self.stride, start, finish);
    }

    /// The cotangents of the inputs from those of the outputs, `z̄ W`, handed to `finish` as by [`product`].
    pub(super) fn pull_back<S: Simd>(
        &self,
        simd: S,
        z_bar: &[f32],
        finish: impl FnMut(usize, usize, &[S::f32s]),
    ) {
        // The rows of `Wᵀ` are the columns of `W`.
        match self.inputs {
            2 => narrow_product::<S, 2>(simd, z_bar, &self.forward, self.stride, finish),
            3 => narrow_product::<S, 3>(simd, z_bar, &self.forward, self.stride, finish),
            4 => narrow_product::<S, 4>(simd, z_bar, &self.forward, self.stride, finish),
            _ => {
                let z_bar = Rows { data: z_bar, stride: self.stride };
                let columns = self.input_stride;
                product(simd, z_bar, self.outputs, &self.reverse, columns, None, finish);
            }
        }
    }
}

fn narrow<E: Element>(value: E) -> f32 {
    value.wide() as f32
}

fn padded_row<E: Element>(values: &[E]) -> Aligned {
    let mut row = Aligned::zeros(padded(values.len()));
    row.iter_mut().zip(values).for_each(|(slot, &value)| *slot = narrow(value));
    row
}

impl Packed {
    /// `None` if the kernels do not know such networks: vector scores and residual blocks.
    pub(super) fn new<E: Element>(
        architecture: &Architecture,
        parameters: &[Matrix<E>],
    ) -> Option<Self> {
        let layers = architecture.layers().ok()?;
        if architecture.output != Output::Potential || layers.iter().any(|layer| layer.skip) {
            return None;
        }
        let mut packed = Self {
            features: architecture.time.features(),
            dim: architecture.dim,
            layers: Vec::with_capacity(layers.len() - 1),
            output: Aligned::zeros(0),
            output_bias: 0.0,
        };
        for (layer, pair) in layers.iter().zip(parameters.chunks_exact(2)) {
            let (weight, bias) = (entries(&pair[0]), entries(&pair[1]));
            match layer.activation {
                Some(activation) => {
                    let trained = layer.frozen.is_none();
                    let layer = PackedLayer::new(&weight, &bias, layer.inputs, activation, trained);
                    packed.layers.push(layer);
                }
                None => {
                    packed.output = padded_row(&weight);
                    packed.output_bias = bias.first().map_or(0.0, |&bias| narrow(bias));
                }
            }
        }
        Some(packed)
    }

    /// The number of inputs `[τ, y]`.
    pub(super) fn inputs(&self) -> usize {
        self.features + self.dim
    }

    /// The stride of rows of the input.
    pub(super) fn input_stride(&self) -> usize {
        padded(self.inputs())
    }

    /// The cotangents of the last hidden layer from those of the output, `b wᵀ` with one number `b(i)` for
    /// each row and `w` the weights of the output, handed to `finish` as by [`product`].
    pub(super) fn pull_back_output<S: Simd>(
        &self,
        simd: S,
        rows: usize,
        b: impl Fn(usize) -> f32,
        mut finish: impl FnMut(usize, usize, &[S::f32s]),
    ) {
        simd.vectorize(
            #[inline(always)]
            || {
                let columns = self.output.len();
                for row in 0..rows {
                    for column in (0..columns).step_by(S::f32s::LEN) {
                        let w = at(simd, &self.output, column);
                        finish(row, row * columns + column, &[w * b(row)]);
                    }
                }
            },
        );
    }

    /// The last hidden layer.
    pub(super) fn last(&self) -> usize {
        self.layers.len() - 1
    }
}
