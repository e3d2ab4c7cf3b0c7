/// `(Σ w)²/Σ w²` of weights of which the logarithms are given, and the logarithm of their mean. Both are of no use if
/// one is not finite.
pub(super) fn effective_and_log_mean(log_weights: &[f64]) -> (f64, f64) {
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut squares) = (0.0, 0.0);
    for log_weight in log_weights {
        let weight = (log_weight - largest).exp();
        sum += weight;
        squares += weight * weight;
    }
    (sum * sum / squares, largest + (sum / log_weights.len() as f64).ln())
}

/// `n` draws with replacement from the indices of `n` weights, in which an index of share `c/n` is drawn `⌊c⌋` or
/// `⌈c⌉` times, `c` times in the mean: the places where the cumulated shares pass `(i + offset)/n`. Rising.
pub(super) fn systematic(log_weights: &[f64], offset: f64) -> Vec<usize> {
    let n = log_weights.len();
    let (_, log_mean) = effective_and_log_mean(log_weights);
    let mut drawn = Vec::with_capacity(n);
    let mut copies = 0.0;
    for (index, log_weight) in log_weights.iter().enumerate() {
        copies += (log_weight - log_mean).exp();
        while drawn.len() < n && (drawn.len() as f64) + offset < copies {
            drawn.push(index);
        }
    }
    // What rounding of the sum leaves over.
    drawn.resize(n, n - 1);
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_drawn_as_often_as_it_weighs_up_to_one() {
        let log_weights: Vec<f64> = [0.1, 2.6, 0.0, 1.3, 1.0].map(f64::ln).to_vec();
        let (effective, log_mean) = effective_and_log_mean(&log_weights);
        assert!((effective - 25.0 / (0.01 + 6.76 + 1.69 + 1.0)).abs() < 1e-12);
        assert!(log_mean.abs() < 1e-15);
        let (mut counts, offsets) = ([0; 5], 1000);
        for k in 0..offsets {
            let drawn = systematic(&log_weights, (f64::from(k) + 0.5) / f64::from(offsets));
            assert_eq!(drawn.len(), 5);
            assert!(drawn.is_sorted());
            let of = |index| drawn.iter().filter(|&&drawn| drawn == index).count();
            assert!(of(2) == 0 && (2..=3).contains(&of(1)) && (1..=2).contains(&of(3)));
            (0..5).for_each(|index| counts[index] += of(index));
        }
        assert_eq!(counts, [100, 2600, 0, 1300, 1000]);
    }
}
