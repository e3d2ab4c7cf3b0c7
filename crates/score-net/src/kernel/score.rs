use fearless_simd::Simd;
use fokker_sde_core::Real;
use ndarray::{ArrayView2, ArrayViewMut2, Axis};

use super::buffer::with_scratch;
use super::elementwise::{activate_slope, activate_with_slope, add};
use super::finish::{pull_in_place, store};
use super::packed::Packed;
use super::tile_rows;

/// `∇_y N(y_i, τ)` with the features of one time, by reverse mode: two matrix products per hidden layer.
pub(super) fn score<S: Simd, E: Real>(
    simd: S,
    network: &Packed,
    time: &[E],
    place: ArrayView2<'_, E>,
    mut out: ArrayViewMut2<'_, E>,
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
        let features = network.features;
        let tiles = place.axis_chunks_iter(Axis(0), rows);
        for (place, mut out) in tiles.zip(out.axis_chunks_iter_mut(Axis(0), rows)) {
            for (row, y) in input.chunks_exact_mut(stride).zip(place.rows()) {
                let values = time.iter().chain(y);
                row.iter_mut().zip(values).for_each(|(slot, v)| *slot = v.wide() as f32);
            }
            differentiate(simd, network, input, &mut layers, carried);
            let rows = input.chunks_exact(stride);
            for (mut out, row) in out.rows_mut().into_iter().zip(rows) {
                out.iter_mut()
                    .zip(&row[features..])
                    .for_each(|(out, &s)| *out = E::of(f64::from(s)));
            }
        }
    });
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
