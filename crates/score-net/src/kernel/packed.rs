use fearless_simd::Simd;

use super::buffer::{Aligned, padded};
use super::finish::{accumulate, each, repeat, store};
use super::product::{Rows, narrow_product, product};
use crate::parameters::{Matrix, entries};
use crate::{Activation, Architecture, Output};

/// The parameters of a network as the kernels read them: every matrix in the two orientations that
/// forward and reverse products need, rows padded with zeros to whole cache lines.
#[derive(Debug)]
pub(super) struct Packed {
    /// The number of features of the time, which come before the point.
    pub(super) features: usize,
    pub(super) dim: usize,
    /// What the output is: for a potential one number, for a vector score `dim`.
    pub(super) kind: Output,
    pub(super) layers: Vec<PackedLayer>,
    /// The map to the output.
    pub(super) output: Affine,
}

/// A hidden layer: `f(W h + b)`, or `h + f(W h + b)`.
#[derive(Debug)]
pub(super) struct PackedLayer {
    map: Affine,
    pub(super) activation: Activation,
    /// Whether `h` is added.
    pub(super) skip: bool,
    /// Whether training changes its parameters.
    pub(super) trained: bool,
}

impl std::ops::Deref for PackedLayer {
    type Target = Affine;

    fn deref(&self) -> &Affine {
        &self.map
    }
}

/// An affine map `W h + b`.
#[derive(Debug)]
pub(super) struct Affine {
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
}

impl Affine {
    fn new(weight: &[f32], bias: &[f32], inputs: usize) -> Self {
        let outputs = bias.len();
        let (input_stride, stride) = (padded(inputs), padded(outputs));
        let mut forward = Aligned::zeros(inputs * stride);
        let mut reverse = Aligned::zeros(outputs * input_stride);
        for (o, weights) in weight.chunks_exact(inputs).enumerate() {
            let row = &mut reverse[o * input_stride..][..inputs];
            for (i, (slot, w)) in row.iter_mut().zip(weights).enumerate() {
                *slot = *w;
                forward[i * stride + o] = *slot;
            }
        }
        let mut row = Aligned::zeros(stride);
        row.iter_mut().zip(bias).for_each(|(slot, &value)| *slot = value);
        Self { inputs, outputs, input_stride, stride, forward, reverse, bias: row }
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

    /// The same kept in `out`, where the outputs may be few.
    pub(super) fn push_to<S: Simd>(
        &self,
        simd: S,
        h: &[f32],
        start: Option<&[f32]>,
        out: &mut [f32],
    ) {
        let (w, depth) = (&self.reverse, self.input_stride);
        match self.outputs {
            2 => narrow_product::<S, 2>(simd, h, w, depth, store(simd, out)),
            3 => narrow_product::<S, 3>(simd, h, w, depth, store(simd, out)),
            4 => narrow_product::<S, 4>(simd, h, w, depth, store(simd, out)),
            _ => return self.push_forward(simd, h, start, store(simd, out)),
        }
        if let Some(start) = start {
            let rows = out.chunks_exact_mut(self.stride);
            rows.for_each(|row| row.iter_mut().zip(start).for_each(|(z, b)| *z += b));
        }
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

impl Packed {
    /// The kernels know every [`Architecture`], and no layers of one's own; `None` if it is impossible.
    pub(super) fn new(architecture: &Architecture, parameters: &[Matrix<f32>]) -> Option<Self> {
        let layers = architecture.layers().ok()?;
        let mut hidden = Vec::with_capacity(layers.len());
        let mut output = None;
        for (layer, pair) in layers.iter().zip(parameters.chunks_exact(2)) {
            let map = Affine::new(&entries(&pair[0]), &entries(&pair[1]), layer.inputs);
            match layer.activation {
                Some(activation) => {
                    let (skip, trained) = (layer.skip, layer.frozen.is_none());
                    hidden.push(PackedLayer { map, activation, skip, trained });
                }
                None => output = Some(map),
            }
        }
        let (features, dim) = (architecture.time.features(), architecture.dim);
        Some(Self { features, dim, kind: architecture.output, layers: hidden, output: output? })
    }

    /// The number of inputs `[τ, y]`.
    pub(super) fn inputs(&self) -> usize {
        self.features + self.dim
    }

    /// The stride of rows of the input.
    pub(super) fn input_stride(&self) -> usize {
        padded(self.inputs())
    }

    /// The last hidden layer.
    pub(super) fn last(&self) -> usize {
        self.layers.len() - 1
    }

    /// The stride of the widest hidden layer.
    pub(super) fn widest(&self) -> usize {
        self.layers.iter().map(|layer| layer.stride).max().unwrap_or(0)
    }

    /// Floats for each point that [`Packed::pull_back`] carries past residual blocks.
    pub(super) fn carried(&self) -> usize {
        let blocks = self.layers.iter().filter(|layer| layer.skip);
        blocks.map(|layer| layer.stride).max().unwrap_or(0)
    }

    /// The cotangents of the last hidden layer from those of a potential, `b wᵀ` with one number `b(i)` for
    /// each row and `w` the weights of the output, handed to `finish` as by [`product`].
    pub(super) fn pull_back_output<S: Simd>(
        &self,
        simd: S,
        rows: usize,
        b: impl Fn(usize) -> f32,
        carried: &mut [f32],
        finish: impl FnMut(usize, usize, &[S::f32s]),
    ) {
        let w = &self.output.reverse;
        if self.layers[self.last()].skip {
            repeat(simd, w, rows, &b, store(simd, carried));
        }
        repeat(simd, w, rows, &b, finish);
    }

    /// The cotangents of hidden layer `index` from those of the map above it, `z_bar`, handed to `finish` as by
    /// [`product`].
    ///
    /// Those of a residual block are those of its input, too: `carried` holds those of the layer above if it is one,
    /// and then these if this is one.
    pub(super) fn pull_back<S: Simd>(
        &self,
        simd: S,
        index: usize,
        z_bar: &[f32],
        carried: &mut [f32],
        finish: impl FnMut(usize, usize, &[S::f32s]),
    ) {
        let (map, above) = match self.layers.get(index + 1) {
            Some(layer) => (&layer.map, layer.skip),
            None => (&self.output, false),
        };
        if !(above || self.layers[index].skip) {
            return map.pull_back(simd, z_bar, finish);
        }
        let g = &mut carried[..z_bar.len() / map.stride * map.input_stride];
        match above {
            true => map.pull_back(simd, z_bar, accumulate(simd, g)),
            false => map.pull_back(simd, z_bar, store(simd, g)),
        }
        each(simd, g, map.input_stride, finish);
    }
}
