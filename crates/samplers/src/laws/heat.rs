/// The most standard deviations, in lengths of the line, that a law is spread by: then it is uniform to the
/// last bit, since the slowest mode, `exp(−½ (π s)²)` for a spread of `s` lengths, is `1e-34`.
const MOST_LENGTHS: f64 = 4.0;

/// Below this number of squared cells a variance changes no bit.
const LEAST_VARIANCE: f64 = 1e-18;

/// The semigroup of the discrete Laplacian on a line of cells between mirrors, for one time: a convolution
/// with the weights `e^{−z} I_k(z)`, `z` the variance in squared cells and `I_k` the modified Bessel
/// functions. They are positive, sum to 1 and have exactly the variance `z`, whatever `z` is.
/// Source: Lindeberg, *Scale-space for discrete signals*, IEEE Trans. PAMI 12 (1990).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Heat {
    /// The weights of the distances 0, 1, ….
    weights: Vec<f64>,
}

impl Heat {
    /// For lines of `cells` cells; `None` where no mass moves.
    pub(crate) fn new(variance: f64, cells: usize) -> Option<Self> {
        let most = (MOST_LENGTHS * cells as f64).powi(2);
        (variance > LEAST_VARIANCE).then(|| Self { weights: bessel_weights(variance.min(most)) })
    }

    /// Convolves a line; `padded` and `sums` are memory.
    pub(crate) fn apply(&self, line: &mut [f64], padded: &mut Vec<f64>) {
        let (cells, reach) = (line.len(), self.weights.len() - 1);
        let mirrored = |place: usize| {
            let place = place % (2 * cells);
            line[place.min(2 * cells - 1 - place)]
        };
        // The place before the first is 2 cells − 1 in a period, and so is `reach` before it.
        let start = 2 * cells - reach % (2 * cells);
        padded.clear();
        padded.extend((start..start + reach).map(mirrored));
        padded.extend_from_slice(line);
        padded.extend((cells..cells + reach).map(mirrored));
        for (out, x) in line.iter_mut().zip(&padded[reach..]) {
            *out = self.weights[0] * x;
        }
        for (distance, weight) in self.weights.iter().enumerate().skip(1) {
            let [below, above] = [&padded[reach - distance..], &padded[reach + distance..]];
            for ((out, a), b) in line.iter_mut().zip(below).zip(above) {
                *out += weight * (a + b);
            }
        }
    }
}

/// `e^{−z} I_k(z)` for `k = 0, 1, …` as long as they matter, by Miller's backward recurrence
/// `I_{k−1} = I_{k+1} + (2k/z) I_k` and the sum `I_0 + 2 Σ I_k = e^z`.
fn bessel_weights(z: f64) -> Vec<f64> {
    // Past this index weights are below 1e-20.
    let reach = 20 + (10.0 * z.sqrt()).ceil() as usize;
    let mut weights = vec![0.0; reach + 1];
    // Whatever the recurrence starts from is forgotten on the way down.
    let (mut above, mut here) = (0.0_f64, 1e-300_f64);
    for k in (0..reach + 20).rev() {
        // `here` is I_{k+1}.
        (above, here) = (here, above + 2.0 * (k + 1) as f64 / z * here);
        if here > 1e200 {
            // A weight that underflows here is one that does not matter.
            (above, here) = (above * 1e-250, here * 1e-250);
            weights.iter_mut().for_each(|weight| *weight *= 1e-250);
        }
        if k <= reach {
            weights[k] = here;
        }
    }
    let total = weights[0] + 2.0 * weights[1..].iter().sum::<f64>();
    weights.iter_mut().for_each(|weight| *weight /= total);
    while weights.len() > 1 && weights.last().is_some_and(|&weight| weight < 1e-20) {
        weights.pop();
    }
    // To the last bit: the same weights are used again and again, and so would be an error of their sum.
    weights[0] = 1.0 - 2.0 * weights[1..].iter().rev().sum::<f64>();
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_have_unit_sum_and_their_variance() {
        for z in [1e-17, 1e-6, 0.1, 1.0, 7.3, 100.0, 12_345.6] {
            let weights = bessel_weights(z);
            let moment = |power: i32| {
                let terms = weights.iter().enumerate().skip(1);
                2.0 * terms.map(|(k, w)| w * (k as f64).powi(power)).sum::<f64>()
            };
            assert!((weights[0] + moment(0) - 1.0).abs() < 1e-14, "{z}");
            assert!((moment(2) / z - 1.0).abs() < 1e-12, "{z}: {}", moment(2));
            // The fourth moment of a law with the symbol exp(z (cos θ − 1)).
            assert!((moment(4) / (3.0 * z * z + z) - 1.0).abs() < 1e-12, "{z}");
        }
    }

    #[test]
    fn modes_of_the_mirrors_decay_as_they_must() {
        // cos(π m (i + ½)/n) is an eigenvector, with the eigenvalue exp(z (cos(π m/n) − 1)).
        let cells = 12;
        for (z, mode) in [(0.3, 5), (3.0, 1), (40.0, 2), (2000.0, 1)] {
            let angle = std::f64::consts::PI * f64::from(mode) / cells as f64;
            let start: Vec<f64> =
                (0..cells).map(|i| 1.0 + (angle * (i as f64 + 0.5)).cos()).collect();
            let mut line = start.clone();
            Heat::new(z, cells).unwrap().apply(&mut line, &mut Vec::new());
            let factor = (z * (angle.cos() - 1.0)).exp();
            for (found, start) in line.iter().zip(&start) {
                assert!((found - (1.0 + factor * (start - 1.0))).abs() < 1e-14, "{z}: {line:?}");
            }
        }
    }

    #[test]
    fn a_spread_of_many_lengths_is_uniform_and_one_of_none_nothing() {
        let mut line = [1.0, 0.0, 0.0];
        Heat::new(1e300, 3).unwrap().apply(&mut line, &mut Vec::new());
        assert!(line.iter().all(|mass| (mass - 1.0 / 3.0).abs() < 1e-15), "{line:?}");
        assert_eq!(Heat::new(0.0, 3), None);
    }
}
