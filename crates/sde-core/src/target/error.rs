use std::ops::RangeInclusive;

/// Why a target was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TargetError {
    /// A parameter is out of its range, or NaN.
    #[error("{target}: the {what} must be between {low} and {high}, but is {value}")]
    Value {
        /// The target.
        target: &'static str,
        /// The parameter.
        what: &'static str,
        /// The offending value.
        value: f64,
        /// The least value allowed.
        low: f64,
        /// The largest value allowed.
        high: f64,
    },
    /// A number of things is out of its range.
    #[error("{target}: the number of {what} must be between {low} and {high}, but is {value}")]
    Count {
        /// The target.
        target: &'static str,
        /// What is counted.
        what: &'static str,
        /// The offending number.
        value: usize,
        /// The least number allowed.
        low: usize,
        /// The largest number allowed.
        high: usize,
    },
}

impl TargetError {
    /// Refuses a `value` outside of `range`.
    pub(super) fn check(
        target: &'static str,
        what: &'static str,
        value: f64,
        range: RangeInclusive<f64>,
    ) -> Result<(), Self> {
        if range.contains(&value) {
            Ok(())
        } else {
            Err(Self::Value { target, what, value, low: *range.start(), high: *range.end() })
        }
    }

    /// Refuses a number outside of `range`.
    pub(super) fn check_count(
        target: &'static str,
        what: &'static str,
        value: usize,
        range: RangeInclusive<usize>,
    ) -> Result<(), Self> {
        if range.contains(&value) {
            Ok(())
        } else {
            Err(Self::Count { target, what, value, low: *range.start(), high: *range.end() })
        }
    }
}
