use fearless_simd::{Level, dispatch};

/// Points of the data among which the one behind a noised point may have been.
///
/// Let `x_1, …, x_n` be independent draws of the data, `x = α x_i + σ z` with `i` one of them, and `y = −z/σ` the score of
/// the law of `x` given `x_i`. Then the score of the law of `x` given all draws, but not which of them,
///
/// ```text
/// E[y | x, x_1, …, x_n] = Σ_j w_j (α x_j − x)/σ²,     w_j ∝ exp(−|x − α x_j|²/(2σ²)),
/// ```
///
/// has the same mean given `x` as `y`, by the tower property: the same network matches it best. Its variance given `x` is
/// smaller, by as much as there are draws near `x` at the scale `σ/α` (Rao and Blackwell). Source: Xu, Tong and
/// Jaakkola, *Stable target field for reduced variance score estimation in diffusion models*, ICLR 2023, who draw `x` from one
/// reference and call the mean biased; as a mean given `x` it is not.
pub(crate) struct References {
    /// Coordinate by coordinate, `[d, n]`.
    coordinates: Vec<f32>,
    len: usize,
    /// Room for the squares of `(x − α x_j)/σ`, and for the weights made of them.
    weights: Vec<f32>,
}

/// Partial sums that are kept side by side; the order of summation is the same on all machines.
const LANES: usize = 16;

impl References {
    /// The points of `data`, which are `len` rows.
    pub(crate) fn new(data: &[f64], len: usize) -> Self {
        let dim = data.len() / len.max(1);
        let coordinates =
            (0..dim).flat_map(|k| data.iter().skip(k).step_by(dim).map(|&x| x as f32)).collect();
        Self { coordinates, len, weights: vec![0.0; len] }
    }

    /// Makes of the noise `z` of `x = α x_own + σ z` its mean given `x` and the references,
    /// `Σ_j w_j (x − α x_j)/σ = z + (α/σ) Σ_j w_j (x_own − x_j)`, for the ratio `α/σ`.
    pub(crate) fn average_noise(&mut self, own: usize, ratio: f64, z: &mut [f64]) {
        dispatch!(Level::new(), _simd => self.average(own, ratio, z));
    }

    #[inline(always)]
    fn average(&mut self, own: usize, ratio: f64, z: &mut [f64]) {
        let ratio = ratio as f32;
        let Self { coordinates, len, weights } = self;
        weights.fill(0.0);
        for (x, z) in coordinates.chunks_exact(*len).zip(&*z) {
            let (here, z) = (x[own], *z as f32);
            for (square, x) in weights.iter_mut().zip(x) {
                let noise = z + ratio * (here - x);
                *square += noise * noise;
            }
        }
        let smaller = |least: f32, square: f32, _| if square < least { square } else { least };
        let least = lanes(weights, weights, f32::INFINITY, smaller);
        let least = least.into_iter().fold(f32::INFINITY, f32::min);
        for weight in weights.iter_mut() {
            *weight = exp2(HALF_LOG2_E * (least - *weight));
        }
        let total: f32 = lanes(weights, weights, 0.0, |sum, weight, _| sum + weight).iter().sum();
        for (x, z) in coordinates.chunks_exact(*len).zip(z) {
            let here = x[own];
            let moved = lanes(weights, x, 0.0, |sum, weight, x| sum + weight * (here - x));
            *z += f64::from(ratio * moved.iter().sum::<f32>() / total);
        }
    }
}

/// Folds pairs of numbers, sixteen side by side.
#[inline(always)]
fn lanes(
    first: &[f32],
    second: &[f32],
    start: f32,
    step: impl Fn(f32, f32, f32) -> f32,
) -> [f32; LANES] {
    let ((first, rest), (second, last)) = (first.as_chunks::<LANES>(), second.as_chunks::<LANES>());
    let mut lanes = [start; LANES];
    for (first, second) in first.iter().zip(second) {
        for ((lane, a), b) in lanes.iter_mut().zip(first).zip(second) {
            *lane = step(*lane, *a, *b);
        }
    }
    for ((lane, a), b) in lanes.iter_mut().zip(rest).zip(last) {
        *lane = step(*lane, *a, *b);
    }
    lanes
}

const HALF_LOG2_E: f32 = 0.5 * std::f32::consts::LOG2_E;

/// `2ˣ` for `x ≤ 0`, to a relative 3e-7, and below 2e-38 for `x` from −126 down.
///
/// With `x = k + r`, `k` the nearest integer, the value is `2ᵏ 2ʳ`, and `2ʳ` the sum of the first terms of its series, whose
/// remainder is below 1.3e-7 for `|r| ≤ ½`.
#[inline(always)]
fn exp2(x: f32) -> f32 {
    // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const SERIES: [f32; 7] = {
        let mut series = [1.0; 7];
        let mut k = 1;
        while k < 7 {
            series[k] = series[k - 1] * std::f32::consts::LN_2 / k as f32;
            k += 1;
        }
        series
    };
    let x = if x > -126.0 { x } else { -126.0 };
    let shifted = x + ROUND;
    let r = x - (shifted - ROUND);
    let mut power = SERIES[6];
    for &coefficient in SERIES[..6].iter().rev() {
        power = power * r + coefficient;
    }
    // The bits of k, offset as the exponent of a number is.
    f32::from_bits(shifted.to_bits().wrapping_add(127) << 23) * power
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::{Purpose, Streams};
    use rand::RngExt;
    use rand_distr::{Distribution, StandardNormal};

    use super::*;

    #[test]
    fn powers_of_two() {
        for k in 0..126_000 {
            let x = -1e-3 * k as f32;
            let expected = f64::from(x).exp2();
            assert!((f64::from(exp2(x)) / expected - 1.0).abs() < 3e-7, "{x}");
        }
        assert_eq!(exp2(-0.0), 1.0);
        for x in [-127.0, -1e9, f32::NEG_INFINITY] {
            assert!((0.0..2e-38).contains(&exp2(x)), "{x}");
        }
    }

    /// `Σ_j w_j (x − α x_j)/σ` in double precision, term by term.
    fn expected(data: &[[f64; 3]], own: usize, ratio: f64, z: [f64; 3]) -> [f64; 3] {
        let noise = |x: &[f64; 3]| [0, 1, 2].map(|k| z[k] + ratio * (data[own][k] - x[k]));
        let square = |x| noise(x).iter().map(|n| n * n).sum::<f64>();
        let least = data.iter().map(square).fold(f64::INFINITY, f64::min);
        let weights: Vec<f64> = data.iter().map(|x| (0.5 * (least - square(x))).exp()).collect();
        let total: f64 = weights.iter().sum();
        [0, 1, 2].map(|k| {
            let parts = data.iter().zip(&weights).map(|(x, weight)| weight * noise(x)[k]);
            parts.sum::<f64>() / total
        })
    }

    #[test]
    fn the_mean_noise_is_that_of_the_posterior() {
        let mut rng = Streams::new(3).rng(Purpose::Denoising, 0, 0);
        for n in [1, 7, 16, 33, 256] {
            let data: Vec<[f64; 3]> =
                (0..n).map(|_| [0, 1, 2].map(|_| 2.0 * rng.random::<f64>() - 1.0)).collect();
            let mut references = References::new(data.as_flattened(), n);
            for ratio in [1e-3, 0.3, 1.0, 7.0, 300.0] {
                let z = [0, 1, 2].map(|_| StandardNormal.sample(&mut rng));
                let own = n / 2;
                let mut found = z;
                references.average_noise(own, ratio, &mut found);
                for (found, expected) in found.iter().zip(expected(&data, own, ratio, z)) {
                    let size = 1.0 + expected.abs();
                    assert!(
                        (found - expected).abs() < 1e-4 * size,
                        "{n} {ratio} {found} {expected}"
                    );
                }
            }
        }
    }
}
