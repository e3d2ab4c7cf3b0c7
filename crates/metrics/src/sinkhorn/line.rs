//! What becomes of one line of a grid: sums of exponentials, and maxima, over the line, at each of its
//! places.
//!
//! With `h` on the line and `κ` the cost of one step, over the temperature where there is one, the place
//! `i` gets `log Σ_j exp(h_j - κ s(i - j))` or `max_j (h_j - κ s(i - j))`, with `s(k)` either `k²` or
//! `|k|`. The value `-∞` stands for no mass; it is kept where there is none on the whole line.

/// Terms below `e^-40` times the largest one are left out of a sum. Those of a line of 10⁵ places change
/// its logarithm by less than 5·10⁻¹³.
pub(super) const NEGLIGIBLE: f64 = 40.0;

/// The most places to either side that [`Gaussian`] computes from the terms of one.
const LONGEST_REACH: usize = 32;

/// What the terms may grow by on the way there, as an exponent: with [`NEGLIGIBLE`] well inside the range
/// of numbers.
const LARGEST_GROWTH: f64 = 600.0;

/// Places of a block that are computed in one pass over the terms, and terms taken at a time: as many as
/// fit into the registers.
const STEPS: usize = 4;
const WIDTH: usize = 4;

/// Room for computations on one line.
#[derive(Default)]
pub(super) struct Scratch {
    line: Vec<f64>,
    terms: Vec<f64>,
    up: Vec<f64>,
    down: Vec<f64>,
}

/// A transform of one line, in place.
pub(super) trait Line: Sync {
    fn apply(&self, line: &mut [f64], scratch: &mut Scratch);
}

/// `log Σ_j exp(h_j - κ (i - j)²)`, without underflow whatever `κ` and `h` are.
///
/// The places are taken in blocks. With `m` the middle of one, `t_j = h_j - κ (m - j)²` and `q` where
/// that is largest,
///
/// `Σ_j exp(h_j - κ (m + p - j)²) = exp(t_q - κ p (p + 2 (m - q))) Σ_j exp(t_j - t_q) exp(2κ (j - q))^p`,
///
/// so that the exponentials are needed once for the block, and each step of `p` from there multiplies the
/// terms by a table. The sum is at least 1, its term at `q`. A term with
/// `t_j - t_q + 2κ |p| |j - q| ≤ -40` at the ends of the block is below `e^-40` in all of it: only the
/// window of the others is summed, and the block is so short that none of these underflows.
pub(super) struct Gaussian {
    kappa: f64,
    reach: usize,
    /// `κ k²` for `-n < k < n`.
    penalty: Vec<f64>,
    /// `exp(2κ k)` for `-n < k < n`, and its inverse.
    up: Vec<f64>,
    down: Vec<f64>,
}

impl Gaussian {
    /// For lines of `n` places.
    pub(super) fn new(n: usize, kappa: f64) -> Self {
        let reach = LARGEST_GROWTH / (2.0 * kappa * n as f64);
        // The conversion saturates; a NaN of 0/0 cannot be, as κ n is infinite or positive.
        let reach = (reach as usize).min(LONGEST_REACH);
        let steps = || (0..2 * n - 1).map(|k| k as f64 - (n - 1) as f64);
        let power = |sign: f64| steps().map(move |k| (sign * 2.0 * kappa * k).exp()).collect();
        let penalty = steps().map(|k| kappa * k * k).collect();
        Self { kappa, reach, penalty, up: power(1.0), down: power(-1.0) }
    }
}

impl Line for Gaussian {
    fn apply(&self, line: &mut [f64], scratch: &mut Scratch) {
        let n = line.len();
        let Scratch { line: h, terms, up, down } = scratch;
        h.clear();
        h.extend_from_slice(line);
        let slope = 2.0 * self.kappa * self.reach as f64;
        for (block, values) in line.chunks_mut(2 * self.reach + 1).enumerate() {
            let first = block * (2 * self.reach + 1);
            let middle = (first + self.reach).min(n - 1);
            terms.clear();
            terms.extend(h.iter().zip(&self.penalty[n - 1 - middle..]).map(|(h, cost)| h - cost));
            let top = largest(terms);
            let Some(peak) = terms.iter().position(|&t| t == top && top > f64::NEG_INFINITY) else {
                values.fill(f64::NEG_INFINITY);
                continue;
            };
            let counts =
                |j: &usize| terms[*j] - top + slope * peak.abs_diff(*j) as f64 > -NEGLIGIBLE;
            let from = (0..peak).find(counts).unwrap_or(peak);
            let to = (peak + 1..n).rev().find(counts).unwrap_or(peak);
            up.resize(to + 1 - from, 0.0);
            up.iter_mut().zip(&terms[from..=to]).for_each(|(up, t)| *up = (t - top).exp());
            down.clear();
            down.extend_from_slice(up);

            let shift = 2.0 * (middle as f64 - peak as f64);
            let value = |p: f64, sum: f64| top - self.kappa * p * (p + shift) + sum.ln();
            let window = n - 1 + from - peak..n + to - peak;
            let (below, above) = values.split_at_mut(middle - first);
            if let Some((at, above)) = above.split_first_mut() {
                *at = value(0.0, up.iter().sum());
                for (k, places) in above.chunks_mut(STEPS).enumerate() {
                    let sums = advance(up, &self.up[window.clone()]);
                    for (s, (place, sum)) in places.iter_mut().zip(sums).enumerate() {
                        *place = value((k * STEPS + s + 1) as f64, sum);
                    }
                }
            }
            for (k, places) in below.rchunks_mut(STEPS).enumerate() {
                let sums = advance(down, &self.down[window.clone()]);
                for (s, (place, sum)) in places.iter_mut().rev().zip(sums).enumerate() {
                    *place = value(-((k * STEPS + s + 1) as f64), sum);
                }
            }
        }
    }
}

/// `log Σ_j exp(h_j - κ |i - j|)`, by one sweep in each direction.
pub(super) struct Laplace {
    pub(super) kappa: f64,
}

impl Line for Laplace {
    fn apply(&self, line: &mut [f64], scratch: &mut Scratch) {
        sweep(line, scratch, self.kappa, log_add);
    }
}

/// `max_j (h_j - κ (i - j)²)`.
pub(super) struct Parabola {
    /// `κ k²` for `-n < k < n`.
    penalty: Vec<f64>,
}

impl Parabola {
    /// For lines of `n` places.
    pub(super) fn new(n: usize, kappa: f64) -> Self {
        let steps = (0..2 * n - 1).map(|k| k as f64 - (n - 1) as f64);
        Self { penalty: steps.map(|k| kappa * k * k).collect() }
    }
}

impl Line for Parabola {
    fn apply(&self, line: &mut [f64], scratch: &mut Scratch) {
        let n = line.len();
        let Scratch { line: h, terms, .. } = scratch;
        h.clear();
        h.extend_from_slice(line);
        for (i, value) in line.iter_mut().enumerate() {
            terms.clear();
            terms.extend(h.iter().zip(&self.penalty[n - 1 - i..]).map(|(h, cost)| h - cost));
            *value = largest(terms);
        }
    }
}

/// `max_j (h_j - κ |i - j|)`.
pub(super) struct Cone {
    pub(super) kappa: f64,
}

impl Line for Cone {
    fn apply(&self, line: &mut [f64], scratch: &mut Scratch) {
        sweep(line, scratch, self.kappa, f64::max);
    }
}

/// Adds up what comes from below, then what comes from above, each step costing `kappa`.
fn sweep(line: &mut [f64], scratch: &mut Scratch, kappa: f64, add: impl Fn(f64, f64) -> f64) {
    let h = &mut scratch.line;
    h.clear();
    h.extend_from_slice(line);
    let mut carried = f64::NEG_INFINITY;
    for value in line.iter_mut() {
        carried = add(*value, carried - kappa);
        *value = carried;
    }
    carried = f64::NEG_INFINITY;
    for (value, &h) in line.iter_mut().zip(h.iter()).rev() {
        *value = add(*value, carried);
        carried = add(h, carried) - kappa;
    }
}

/// `log(e^a + e^b)`.
fn log_add(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// Multiplies each number by its factor [`STEPS`] times; the sums after each.
fn advance(numbers: &mut [f64], factors: &[f64]) -> [f64; STEPS] {
    let mut lanes = [[0.0; WIDTH]; STEPS];
    let (chunks, rest) = numbers.as_chunks_mut::<WIDTH>();
    let (factor_chunks, factor_rest) = factors.as_chunks::<WIDTH>();
    for (chunk, factors) in chunks.iter_mut().zip(factor_chunks) {
        for lanes in &mut lanes {
            *chunk = std::array::from_fn(|k| chunk[k] * factors[k]);
            *lanes = std::array::from_fn(|k| lanes[k] + chunk[k]);
        }
    }
    let mut sums = lanes.map(|lanes| lanes.iter().sum());
    for (x, factor) in rest.iter_mut().zip(factor_rest) {
        for sum in &mut sums {
            *x *= factor;
            *sum += *x;
        }
    }
    sums
}

/// The largest of numbers that are not NaN.
pub(super) fn largest(numbers: &[f64]) -> f64 {
    let greater = |a: f64, b: f64| if a > b { a } else { b };
    let mut lanes = [f64::NEG_INFINITY; WIDTH];
    let (chunks, rest) = numbers.as_chunks::<WIDTH>();
    for chunk in chunks {
        for (lane, &x) in lanes.iter_mut().zip(chunk) {
            *lane = greater(*lane, x);
        }
    }
    lanes.iter().chain(rest).copied().fold(f64::NEG_INFINITY, greater)
}

#[cfg(test)]
mod tests {
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// Lines of many lengths and ranges: rough ones, smooth ones as of potentials, and with gaps.
    fn lines() -> impl Iterator<Item = Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..240).map(move |k: usize| {
            let n = [1, 2, 3, 8, 33, 34, 66, 99, 200, 331][k % 10];
            let range = 10f64.powi((k / 10 % 6) as i32 - 1);
            let bend = rng.random_range(-2.0..2.0) * range / (n * n) as f64;
            let gaps = [0.0, 0.3, 0.95, 1.0][k / 60];
            let mut place = |j: usize| match rng.random_bool(gaps) {
                true => f64::NEG_INFINITY,
                false => rng.random_range(-1.0..1.0) * range + bend * (j * j) as f64,
            };
            (0..n).map(&mut place).collect()
        })
    }

    /// Compares a transform with `combine` of all terms `h_j - κ |i - j|^power`, for all lines and many `κ`.
    fn compare<L: Line>(
        power: i32,
        make: impl Fn(usize, f64) -> L,
        combine: impl Fn(&[f64]) -> f64,
    ) {
        let mut scratch = Scratch::default();
        for h in lines() {
            for kappa in [0.0, 1e-9, 1e-5, 1e-3, 0.02, 0.3, 2.0, 50.0, 1e6] {
                let mut found = h.clone();
                make(h.len(), kappa).apply(&mut found, &mut scratch);
                for (i, &found) in found.iter().enumerate() {
                    let term =
                        |(j, h): (usize, &f64)| h - kappa * (i.abs_diff(j) as f64).powi(power);
                    let terms: Vec<f64> = h.iter().enumerate().map(term).collect();
                    let expected = combine(&terms);
                    let scale = 1.0 + expected.abs() + kappa * h.len() as f64;
                    let equal = found == expected || (found - expected).abs() <= 1e-13 * scale;
                    assert!(equal, "n {}, κ {kappa}, {i}: {found} for {expected}", h.len());
                }
            }
        }
    }

    fn log_sum_exp(terms: &[f64]) -> f64 {
        let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if top == f64::NEG_INFINITY {
            return top;
        }
        top + terms.iter().map(|t| (t - top).exp()).sum::<f64>().ln()
    }

    fn maximum(terms: &[f64]) -> f64 {
        terms.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }

    #[test]
    fn sums_are_those_of_all_terms() {
        compare(2, Gaussian::new, log_sum_exp);
        compare(1, |_, kappa| Laplace { kappa }, log_sum_exp);
    }

    #[test]
    fn maxima_are_those_of_all_terms() {
        compare(2, Parabola::new, maximum);
        compare(1, |_, kappa| Cone { kappa }, maximum);
    }
}
