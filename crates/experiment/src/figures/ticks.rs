//! Where the ticks of an axis go and what they say.

/// What the ticks of a linear axis over `length` say if there are at most `count` of them.
pub(super) fn linear(length: f64, count: usize) -> impl Fn(&f64) -> String {
    let order = (length / (count + 1) as f64).log10().floor();
    move |value| {
        if (-4.0..=4.0).contains(&order) {
            // Adding zero makes a negative zero positive.
            format!("{:.1$}", value + 0.0, (-order).max(0.0) as usize).replace('-', "−")
        } else {
            format!("{value:e}")
        }
    }
}

/// Ticks of a logarithmic axis between two decimal logarithms: the powers of ten, and over few
/// decades some multiples of these.
pub(super) fn logarithmic(low: f64, high: f64) -> Vec<f64> {
    let multiples: &[&str] = match high - low {
        ..1.0 => &["1", "1.5", "2", "3", "5", "7"],
        ..2.0 => &["1", "2", "5"],
        _ => &["1"],
    };
    // Over many decades only some powers have room for a label.
    let stride = ((high - low) / 6.0).ceil().max(1.0) as i32;
    (low.floor() as i32..=high.floor() as i32)
        .filter(|decade| decade % stride == 0)
        .flat_map(|decade| multiples.iter().map(move |multiple| format!("{multiple}e{decade}")))
        .filter_map(|text| text.parse().ok())
        .filter(|value: &f64| (low..=high).contains(&value.log10()))
        .collect()
}

/// What a tick of a logarithmic axis says.
pub(super) fn power(value: &f64) -> String {
    if (1e-3..1e4).contains(value) { value.to_string() } else { format!("{value:e}") }
}

/// The decimal logarithms that bound the axis of some positive values.
pub(super) fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .map(f64::log10)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (-1.0, 1.0);
    }
    // Wide enough to have two labelled ticks, and with air above and below the curves.
    let half = (0.54 * (high - low)).max(0.35);
    let middle = 0.5 * (low + high);
    (middle - half, middle + half)
}

#[cfg(test)]
mod tests {
    use super::{linear, logarithmic, power};

    #[test]
    fn linear_ticks_have_the_decimals_of_their_distance() {
        let labels = |length, count, values: &[f64]| -> Vec<String> {
            values.iter().map(linear(length, count)).collect()
        };
        assert_eq!(labels(7.0, 5, &[-2.0, -0.0, 2.0]), ["−2", "0", "2"]);
        assert_eq!(labels(0.16, 6, &[0.0, 0.05, 0.150_000_000_01]), ["0.00", "0.05", "0.15"]);
        assert_eq!(labels(20_000.0, 5, &[0.0, 5000.0]), ["0", "5000"]);
        assert_eq!(labels(2e-9, 2, &[0.0, 2e-9]), ["0e0", "2e-9"]);
    }

    #[test]
    fn logarithmic_ticks_are_powers_or_their_round_multiples() {
        let labels = |low: f64, high: f64| -> Vec<String> {
            logarithmic(low.log10(), high.log10()).iter().map(power).collect()
        };
        assert_eq!(labels(0.02, 20.0), ["0.1", "1", "10"]);
        assert_eq!(labels(0.3, 2.8), ["0.3", "0.5", "0.7", "1", "1.5", "2"]);
        assert_eq!(labels(2e-5, 1e-4), ["2e-5", "3e-5", "5e-5", "7e-5", "1e-4"]);
        assert_eq!(labels(1e-12, 1.0), ["1e-12", "1e-10", "1e-8", "1e-6", "1e-4", "0.01", "1"]);
    }
}
