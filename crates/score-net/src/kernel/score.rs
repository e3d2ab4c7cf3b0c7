use fearless_simd::Simd;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::buffer::{get_rows, with_scratch};
use super::elementwise::{activate_slope, activate_value, activate_with_slope, add};
use super::finish::{pull_in_place, store};
use super::packed::Packed;
use super::tile_rows;
use crate::Output;

/// `∇_y N(y_i, τ)` or `F(y_i, τ)` with the features of one time.
pub(super) fn score<S: Simd>(
    simd: S,
    network: &Packed,
    time: &[f32],
    place: ArrayView2<'_, f32>,
    out: ArrayViewMut2<'_, f32>,
) {
    match network.kind {
        Output::Potential => of_potential(simd, network, time, place, out),
        Output::Vector => of_vector(simd, network, time, place, out),
    }
}

/// By reverse mode: two matrix products per hidden layer.
fn of_potential<S: Simd>(
    simd: S,
    network: &Packed,
    time: &[f32],
    place: ArrayView2<'_, f32>,
    out: ArrayViewMut2<'_, f32>,
) {
    let strides: usize = network.layers.iter().map(|layer| layer.stride).sum();
    let stride = network.input_stride();
    let floats = 2 * strides + stride + network.carried();
    let rows = tile_rows(floats, place.nrows());
    with_scratch(rows * floats, |mut scratch| {
        let input = scratch.zeros(rows * stride);
        let mut layers: Vec<[&mut [f32]; 2]> = network
            .layers
            .iter()
            .map(|layer| [(); 2].map(|()| scratch.take(rows * layer.stride)))
            .collect();
        let carried = scratch.take(rows * network.carried());
        for_tiles(rows, place, out, |place, out| {
            load(input, stride, time, place);
            differentiate(simd, network, input, &mut layers, carried);
            get_rows(input, stride, network.features, out);
        });
    });
}

/// By one forward pass, which keeps two layers.
fn of_vector<S: Simd>(
    simd: S,
    network: &Packed,
    time: &[f32],
    place: ArrayView2<'_, f32>,
    out: ArrayViewMut2<'_, f32>,
) {
    let (stride, widest, output) = (network.input_stride(), network.widest(), &network.output);
    let floats = stride + 2 * widest + output.stride;
    let rows = tile_rows(floats, place.nrows());
    with_scratch(rows * floats, |mut scratch| {
        let input = scratch.zeros(rows * stride);
        let [mut below, mut value] = [(); 2].map(|()| scratch.take(rows * widest));
        let result = scratch.take(rows * output.stride);
        for_tiles(rows, place, out, |place, out| {
            load(input, stride, time, place);
            for (index, layer) in network.layers.iter().enumerate() {
                let h = if index == 0 { &*input } else { &below[..rows * layer.input_stride] };
                let z = &mut value[..rows * layer.stride];
                layer.push_forward(simd, h, Some(&layer.bias), store(simd, z));
                activate_value(simd, layer.activation, z);
                if layer.skip {
                    add(simd, h, z);
                }
                std::mem::swap(&mut below, &mut value);
            }
            let top = &below[..rows * output.input_stride];
            output.push_to(simd, top, Some(&output.bias), result);
            get_rows(result, output.stride, 0, out);
        });
    });
}

/// Calls `work` for the points of one tile after the other, with the place of their scores.
fn for_tiles(
    rows: usize,
    place: ArrayView2<'_, f32>,
    mut out: ArrayViewMut2<'_, f32>,
    mut work: impl FnMut(ArrayView2<'_, f32>, ArrayViewMut2<'_, f32>),
) {
    let tiles = place.axis_chunks_iter(Axis(0), rows);
    tiles.zip(out.axis_chunks_iter_mut(Axis(0), rows)).for_each(|(place, out)| work(place, out));
}

/// Writes `[τ, y]` into a tile.
fn load(input: &mut [f32], stride: usize, time: &[f32], place: ArrayView2<'_, f32>) {
    for (row, y) in input.chunks_exact_mut(stride).zip(place.rows()) {
        let values = time.iter().chain(y);
        row.iter_mut().zip(values).for_each(|(slot, v)| *slot = *v);
    }
}

/// Replaces the inputs of a tile by the derivatives of `φ` with respect to them. Of each layer, the first
/// matrix holds values and the second slopes; on the way back the second become cotangents.
fn differentiate<S: Simd>(
    simd: S,
    network: &Packed,
    input: &mut [f32],
    layers: &mut [[&mut [f32]; 2]],
    carried: &mut [f32],
) {
    for (index, layer) in network.layers.iter().enumerate() {
        let (before, rest) = layers.split_at_mut(index);
        let [value, slope] = &mut rest[0];
        let h = before.last().map_or(&*input, |[value, _]| &**value);
        if index < network.last() {
            layer.push_forward(simd, h, Some(&layer.bias), store(simd, value));
            activate_with_slope(simd, layer.activation, value, slope);
            if layer.skip {
                add(simd, h, value);
            }
        } else {
            layer.push_forward(simd, h, Some(&layer.bias), store(simd, slope));
            activate_slope(simd, layer.activation, slope);
            let rows = slope.len() / layer.stride;
            let finish = pull_in_place(simd, slope);
            network.pull_back_output(simd, rows, |_| 1.0, carried, finish);
        }
    }
    for (index, layer) in network.layers.iter().enumerate().rev() {
        let (before, rest) = layers.split_at_mut(index);
        let z_bar = &*rest[0][1];
        match before.last_mut() {
            Some([_, slope]) => {
                network.pull_back(simd, index - 1, z_bar, carried, pull_in_place(simd, slope));
            }
            None => layer.pull_back(simd, z_bar, store(simd, input)),
        }
    }
}
