use super::buffer::Scratch;
use super::packed::{Affine, Packed};

/// The gradient of all parameters, in padded matrices.
pub(super) struct PaddedGradient<'a> {
    /// For each hidden layer `[outputs, inputs]`, for the first `[inputs, outputs]`, and the bias.
    pub(super) layers: Vec<[&'a mut [f32]; 2]>,
    /// The same for the output, `[outputs, inputs]`.
    pub(super) output: [&'a mut [f32]; 2],
}

impl<'a> PaddedGradient<'a> {
    /// The floats of a weight and a bias. Where rows are not padded, their number is even.
    fn sizes(network: &Packed) -> impl Iterator<Item = [usize; 2]> {
        let rows = |units: usize| units.next_multiple_of(4);
        let layers = network.layers.iter().enumerate().map(move |(index, layer)| match index {
            0 => [rows(layer.inputs) * layer.stride, layer.stride],
            _ => [layer.stride * layer.input_stride, layer.stride],
        });
        let Affine { outputs, input_stride, stride, .. } = network.output;
        layers.chain([[rows(outputs) * input_stride, stride]])
    }

    pub(super) fn floats(network: &Packed) -> usize {
        Self::sizes(network).flatten().sum()
    }

    pub(super) fn zeros(network: &Packed, scratch: &mut Scratch<'a>) -> Self {
        let mut all = Self::sizes(network).map(|sizes| sizes.map(|size| scratch.zeros(size)));
        let layers = all.by_ref().take(network.layers.len()).collect();
        Self { layers, output: all.next().unwrap_or_default() }
    }

    /// Adds this to a gradient laid out as the network's parameters.
    pub(super) fn add_to(self, network: &Packed, gradient: &mut [f32]) {
        let mut rest = gradient;
        let mut next = |size: usize| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(size);
            rest = tail;
            head
        };
        let add = |slot: &mut f32, value: &f32| *slot += value;
        let hidden = network.layers.iter().map(|layer| (&**layer, layer.trained));
        let maps = hidden.chain([(&network.output, true)]);
        let sums = self.layers.into_iter().chain([self.output]);
        for (index, ((map, trained), [weight, bias])) in maps.zip(sums).enumerate() {
            let (rows, bias_row) = (next(map.outputs * map.inputs), next(map.outputs));
            if !trained {
                continue;
            }
            for (o, row) in rows.chunks_exact_mut(map.inputs).enumerate() {
                if index == 0 {
                    let column = weight[o..].iter().step_by(map.stride);
                    row.iter_mut().zip(column).for_each(|(slot, value)| add(slot, value));
                } else {
                    let padded = &weight[o * map.input_stride..];
                    row.iter_mut().zip(padded).for_each(|(slot, value)| add(slot, value));
                }
            }
            bias_row.iter_mut().zip(bias).for_each(|(slot, value)| add(slot, value));
        }
    }
}
