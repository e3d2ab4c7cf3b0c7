//! Histograms as integers of a common total.

use ndarray::ArrayView2;
use num_traits::Float;

/// Sums of whole numbers that come out below this, 2⁵³, are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Histograms are rounded to a total of 2 to this power.
///
/// Flows are at most the total and so fit `i64`; costs are below 2⁶⁰⁺²¹, which fits `i128`.
const SCALE: u32 = 60;

/// Bits appended to the 53 of the largest mass before the masses are put on a common exponent.
///
/// Masses then stay below 2⁶², so that one shifted left by [`SCALE`] fits `u128`.
const GUARD: u32 = 9;

/// Two row-major histograms as integers of equal, positive totals.
pub(super) struct Masses {
    pub(super) supply: Vec<i64>,
    pub(super) demand: Vec<i64>,
    pub(super) total: i64,
    /// Bound on the mass moved by rounding, in parts of the total.
    pub(super) rounding: f64,
}

impl Masses {
    /// Expects finite, non-negative masses with positive, finite sums.
    pub(super) fn new(first: ArrayView2<'_, f64>, second: ArrayView2<'_, f64>) -> Self {
        let total = first.sum();
        let whole = |mass: &f64| mass.fract() == 0.0;
        if total < EXACT
            && total == second.sum()
            && first.iter().all(whole)
            && second.iter().all(whole)
        {
            let counts = |mass: ArrayView2<'_, f64>| mass.iter().map(|&m| m as i64).collect();
            let (supply, demand) = (counts(first), counts(second));
            return Self { supply, demand, total: total as i64, rounding: 0.0 };
        }
        // For each node of each histogram: bringing it to a common exponent moves at most half of
        // 2^-61 of the total, since the largest mass has its leading bit at 2^61, and the largest
        // remainder at most a quarter of 2^-60.
        let rounding = (first.len() + second.len()) as f64 * (-61f64).exp2();
        Self { supply: scaled(first), demand: scaled(second), total: 1 << SCALE, rounding }
    }
}

/// The masses rounded to integers that sum to `2^SCALE`, by the method of the largest remainder;
/// among equal remainders the earlier node is served first.
fn scaled(mass: ArrayView2<'_, f64>) -> Vec<i64> {
    let common = fixed_point(mass);
    let sum: u128 = common.iter().sum();
    let mut rounded = Vec::with_capacity(common.len());
    let mut remainders = Vec::with_capacity(common.len());
    for (i, &m) in common.iter().enumerate() {
        let share = m << SCALE;
        rounded.push((share / sum) as i64);
        remainders.push((share % sum, i));
    }
    let missing = (1i64 << SCALE) - rounded.iter().sum::<i64>();
    remainders.sort_unstable_by(|(a, i), (b, j)| b.cmp(a).then(i.cmp(j)));
    for &(_, i) in remainders.iter().take(missing as usize) {
        rounded[i] += 1;
    }
    rounded
}

/// The masses as integers in a common unit, so fine that [`scaled`] loses next to nothing by it.
///
/// Taken from the bits, because scaling in floating point could overflow or round the sum.
fn fixed_point(mass: ArrayView2<'_, f64>) -> Vec<u128> {
    let exponent = |m: f64| i32::from(m.integer_decode().1);
    let top = mass.iter().filter(|&&m| m > 0.0).map(|&m| exponent(m)).max().unwrap_or(0);
    let fixed = |&m: &f64| {
        let wide = u128::from(m.integer_decode().0) << GUARD;
        match (top - exponent(m)).unsigned_abs() {
            0 => wide,
            // Beyond this the mass is less than half a unit.
            drop @ 1..=64 => (wide + (1 << (drop - 1))) >> drop,
            _ => 0,
        }
    };
    mass.iter().map(fixed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, arr2};

    #[test]
    fn whole_numbers_of_equal_totals_are_kept() {
        let masses = Masses::new(arr2(&[[3.0, 0.0], [1.0, 2.0]]).view(), arr2(&[[6.0]]).view());
        assert_eq!((masses.supply, masses.demand), (vec![3, 0, 1, 2], vec![6]));
        assert_eq!((masses.total, masses.rounding), (6, 0.0));
    }

    #[test]
    fn other_masses_are_shared_out_exactly() {
        let total = 1i64 << SCALE;
        let thirds = Masses::new(arr2(&[[1.0, 1.0, 1.0]]).view(), arr2(&[[0.5, 0.0, 0.5]]).view());
        // 2^60 = 1 mod 3, and the first of equal remainders gets the unit.
        assert_eq!(thirds.supply, [total / 3 + 1, total / 3, total / 3]);
        assert_eq!(thirds.demand, [total / 2, 0, total / 2]);
        assert_eq!(thirds.total, total);
        assert_eq!(thirds.rounding, 6.0 / 2f64.powi(61));
    }

    #[test]
    fn every_magnitude_is_shared_out_within_the_bound() {
        let scales = [f64::from_bits(3), f64::MIN_POSITIVE, 1e-300, 1e-9, 1.0, 1e300];
        for scale in scales {
            let mass = Array2::from_shape_fn((8, 8), |(j, i)| scale * ((3 * i + 5 * j) % 7) as f64);
            let parts = scaled(mass.view());
            assert_eq!(parts.iter().sum::<i64>(), 1 << SCALE);
            let sum: f64 = mass.iter().map(|m| m / scale).sum();
            for (part, m) in parts.iter().zip(&mass) {
                let exact = m / scale / sum * 2f64.powi(60);
                assert!((*part as f64 - exact).abs() <= 4.0 + exact * 1e-15, "{part} {exact}");
            }
        }
        let uneven = scaled(arr2(&[[1.0, 1e-18, 1e-300, 0.0]]).view());
        assert_eq!(uneven, [(1 << SCALE) - 1, 1, 0, 0]);
    }
}
