//! Masses as integers of a common total.

use std::fmt;

use num_traits::Float;
use thiserror::Error;

/// Sums of whole numbers that come out below this, 2⁵³, are exact.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Masses are rounded to a total of 2 to this power.
///
/// Flows are at most the total and so fit `i64`; costs are below 2⁶⁰⁺²¹, which fits `i128`.
const SCALE: u32 = 60;

/// Bits appended to the 53 of the largest mass before the masses are put on a common exponent.
///
/// Masses then stay below 2⁶², so that one shifted left by [`SCALE`] fits `u128`.
const GUARD: u32 = 9;

/// The most by which two totals may differ, relative to the larger, and still be called equal.
const EQUAL: f64 = 1e-9;

/// Why masses are no two sides of a transport problem.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum MassError {
    /// No masses at all, or none but zeros.
    #[error("the {side} side has no mass")]
    Empty {
        /// Which side.
        side: Side,
    },
    /// A mass that is negative, NaN or infinite.
    #[error("the mass {value} at index {index} of the {side} side is not finite and non-negative")]
    Mass {
        /// Which side.
        side: Side,
        /// The index of the mass.
        index: usize,
        /// Its value.
        value: f64,
    },
    /// The masses of a side are finite, their sum is not.
    #[error("the masses of the {side} side add up to more than the largest number")]
    Total {
        /// Which side.
        side: Side,
    },
    /// The two sides do not have the same mass.
    #[error("the first side has mass {first}, the second {second}; divide each by its sum")]
    Unequal {
        /// The sum of the first side.
        first: f64,
        /// The sum of the second side.
        second: f64,
    },
}

/// One of the two sides of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The first argument.
    First,
    /// The second argument.
    Second,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::First => "first",
            Self::Second => "second",
        })
    }
}

/// Two sides of a transport problem as integers of equal, positive totals.
#[derive(Debug, Clone)]
pub(crate) struct Masses {
    pub(crate) supply: Vec<i64>,
    pub(crate) demand: Vec<i64>,
    pub(crate) total: i64,
    /// Bound on the mass moved by rounding, in parts of the total.
    pub(crate) rounding: f64,
}

impl Masses {
    /// Masses that must have equal totals.
    ///
    /// # Errors
    ///
    /// [`MassError`] for what is no mass, or if the totals differ by more than one part in 10⁹.
    pub(crate) fn equal(first: &[f64], second: &[f64]) -> Result<Self, MassError> {
        equal_totals(first, second)?;
        Ok(Self::normalised(first, second))
    }

    /// `n` and `m` points, each of the same mass: exact, with `n m` a common multiple of both.
    ///
    /// # Errors
    ///
    /// [`MassError::Empty`] for no points.
    pub(crate) fn uniform(n: usize, m: usize) -> Result<Self, MassError> {
        for (side, count) in [(Side::First, n), (Side::Second, m)] {
            if count == 0 {
                return Err(MassError::Empty { side });
            }
        }
        let common = gcd(n, m);
        let (supply, demand) = (vec![(m / common) as i64; n], vec![(n / common) as i64; m]);
        Ok(Self { supply, demand, total: (n * (m / common)) as i64, rounding: 0.0 })
    }

    /// Each side divided by its total.
    ///
    /// Expects finite, non-negative masses with positive, finite sums.
    pub(crate) fn normalised(first: &[f64], second: &[f64]) -> Self {
        let total: f64 = first.iter().sum();
        let whole = |mass: &f64| mass.fract() == 0.0;
        if total < EXACT
            && total == second.iter().sum()
            && first.iter().all(whole)
            && second.iter().all(whole)
        {
            let counts = |mass: &[f64]| mass.iter().map(|&m| m as i64).collect();
            let (supply, demand) = (counts(first), counts(second));
            return Self { supply, demand, total: total as i64, rounding: 0.0 };
        }
        // For each mass of each side: bringing it to a common exponent moves at most half of
        // 2^-61 of the total, since the largest mass has its leading bit at 2^61, and the largest
        // remainder at most a quarter of 2^-60.
        let rounding = (first.len() + second.len()) as f64 * (-61f64).exp2();
        Self { supply: scaled(first), demand: scaled(second), total: 1 << SCALE, rounding }
    }
}

/// The sums of the masses of both sides, which must not differ by more than one part in 10⁹.
pub(crate) fn equal_totals(first: &[f64], second: &[f64]) -> Result<[f64; 2], MassError> {
    let [a, b] = [total(first, Side::First)?, total(second, Side::Second)?];
    if (a - b).abs() > EQUAL * a.max(b) {
        return Err(MassError::Unequal { first: a, second: b });
    }
    Ok([a, b])
}

/// The sum of one side's masses.
fn total(masses: &[f64], side: Side) -> Result<f64, MassError> {
    let bad = |mass: &f64| !(*mass >= 0.0 && mass.is_finite());
    if let Some(index) = masses.iter().position(bad) {
        return Err(MassError::Mass { side, index, value: masses[index] });
    }
    match masses.iter().sum::<f64>() {
        0.0 => Err(MassError::Empty { side }),
        total if total.is_finite() => Ok(total),
        _ => Err(MassError::Total { side }),
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The masses rounded to integers that sum to `2^SCALE`, by the method of the largest remainder;
/// among equal remainders the earlier mass is served first.
fn scaled(mass: &[f64]) -> Vec<i64> {
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
fn fixed_point(mass: &[f64]) -> Vec<u128> {
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

    #[test]
    fn whole_numbers_of_equal_totals_are_kept() {
        let masses = Masses::equal(&[3.0, 0.0, 1.0, 2.0], &[6.0]).unwrap();
        assert_eq!((masses.supply, masses.demand), (vec![3, 0, 1, 2], vec![6]));
        assert_eq!((masses.total, masses.rounding), (6, 0.0));
    }

    #[test]
    fn points_get_the_least_common_multiple() {
        let masses = Masses::uniform(4, 6).unwrap();
        assert_eq!((masses.supply, masses.demand), (vec![3; 4], vec![2; 6]));
        assert_eq!((masses.total, masses.rounding), (12, 0.0));
        assert_eq!(Masses::uniform(0, 6).unwrap_err(), MassError::Empty { side: Side::First });
    }

    #[test]
    fn other_masses_are_shared_out_exactly() {
        let total = 1i64 << SCALE;
        let thirds = Masses::equal(&[1.0 / 3.0; 3], &[0.5, 0.0, 0.5]).unwrap();
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
            let mass: Vec<f64> =
                (0..64).map(|i| scale * ((3 * i + 2 * i / 8) % 7) as f64).collect();
            let parts = scaled(&mass);
            assert_eq!(parts.iter().sum::<i64>(), 1 << SCALE);
            let sum: f64 = mass.iter().map(|m| m / scale).sum();
            for (part, m) in parts.iter().zip(&mass) {
                let exact = m / scale / sum * 2f64.powi(60);
                assert!((*part as f64 - exact).abs() <= 4.0 + exact * 1e-15, "{part} {exact}");
            }
        }
        let uneven = scaled(&[1.0, 1e-18, 1e-300, 0.0]);
        assert_eq!(uneven, [(1 << SCALE) - 1, 1, 0, 0]);
    }

    #[test]
    fn what_is_no_mass_is_refused() {
        let refused = |first: &[f64], second: &[f64]| Masses::equal(first, second).unwrap_err();
        let (one, side) = (&[1.0][..], Side::Second);
        assert_eq!(refused(one, &[]), MassError::Empty { side });
        assert_eq!(refused(one, &[0.0, 0.0]), MassError::Empty { side });
        assert_eq!(refused(one, &[1.0, -2.0]), MassError::Mass { side, index: 1, value: -2.0 });
        for value in [f64::NAN, f64::INFINITY] {
            let error = refused(&[1.0, value], one);
            assert!(matches!(error, MassError::Mass { side: Side::First, index: 1, .. }));
        }
        assert_eq!(refused(one, &[f64::MAX, f64::MAX]), MassError::Total { side });
        assert_eq!(refused(one, &[0.5, 0.6]), MassError::Unequal { first: 1.0, second: 1.1 });
    }
}
