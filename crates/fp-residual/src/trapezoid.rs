/// The weights of the trapezoidal rule on falling times.
pub(crate) fn trapezoid_weights(times: &[f64]) -> impl Iterator<Item = f64> + '_ {
    let last = times.len().saturating_sub(1);
    (0..times.len()).map(move |k| 0.5 * (times[k.saturating_sub(1)] - times[(k + 1).min(last)]))
}
