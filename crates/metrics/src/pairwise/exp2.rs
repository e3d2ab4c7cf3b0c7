//! Powers of two in a form that compilers turn into vector instructions.

use std::f64::consts::LN_2;

/// The exponents from here down give the same, positive value, below 5·10⁻³⁰⁸.
const LOWEST: f64 = -1021.0;

/// `1.5 · 2⁵²`: added to a number of moderate size it rounds it to an integer, which then stands in the
/// lowest bits.
const SHIFT: f64 = 6_755_399_441_055_744.0;

/// The coefficients of the series of `2ʳ`, `(log 2)ᵏ/k!`: for `|r| ≤ ½` what follows is below 2·10⁻¹⁶.
const SERIES: [f64; 13] = {
    let mut series = [1.0; 13];
    let mut k = 1;
    while k < 13 {
        series[k] = series[k - 1] * LN_2 / k as f64;
        k += 1;
    }
    series
};

/// `2ˣ` for `x ≤ 0`, within three units in the last place for `x ≥ −1021`.
///
/// With `x = k + r`, `k` the nearest integer, the value is `2ᵏ 2ʳ`.
#[inline(always)]
pub(super) fn exp2(x: f64) -> f64 {
    let x = if x > LOWEST { x } else { LOWEST };
    let shifted = x + SHIFT;
    let r = x - (shifted - SHIFT);
    let mut series = SERIES[12];
    for &coefficient in SERIES[..12].iter().rev() {
        series = series * r + coefficient;
    }
    // The bits of k, offset as the exponent of a number is.
    let power = f64::from_bits((shifted.to_bits() + 1023) << 52);
    series * power
}

#[cfg(test)]
mod tests {
    use super::exp2;

    #[test]
    fn it_is_the_power_of_two() {
        for k in 0..=1_021_000 {
            let x = -1e-3 * f64::from(k);
            let expected = x.exp2();
            let unit = expected.next_up() - expected;
            assert!((exp2(x) - expected).abs() <= 3.0 * unit, "{x}");
        }
        for x in [-0.0, -f64::MIN_POSITIVE, -1e-17] {
            assert_eq!(exp2(x), 1.0);
        }
        for x in [-1021.5, -1e9, f64::MIN, f64::NEG_INFINITY] {
            assert_eq!(exp2(x), exp2(-1021.0));
        }
        assert!(exp2(-1021.0) < 5e-308);
    }
}
