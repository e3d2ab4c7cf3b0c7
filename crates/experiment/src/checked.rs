//! Numbers that a configuration file may hold: each check speaks while the file is being read, so
//! that the error knows its line.

use serde::de::{Deserialize, Deserializer, Error};

/// Fails with `rule` unless `holds`.
fn check<'de, D, T>(deserializer: D, rule: &str, holds: impl Fn(&T) -> bool) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let value = T::deserialize(deserializer)?;
    if holds(&value) { Ok(value) } else { Err(D::Error::custom(rule)) }
}

pub(crate) fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let rule = "must be between 1 and 100000000";
    check(deserializer, rule, |n| (1..=100_000_000).contains(n))
}

pub(crate) fn nodes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    check(deserializer, "must be between 2 and 1024", |n| (2..=1024).contains(n))
}

pub(crate) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    check(deserializer, "must be positive and finite", |x: &f64| *x > 0.0 && x.is_finite())
}

pub(crate) fn not_negative<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    check(deserializer, "must be finite and not negative", |x: &f64| *x >= 0.0 && x.is_finite())
}

pub(crate) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialEq,
{
    check(deserializer, "must hold at least one entry", |list: &Vec<T>| !list.is_empty())
}

pub(crate) fn distinct<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + PartialEq,
{
    let list = list(deserializer)?;
    let repeated = (1..list.len()).any(|i| list[..i].contains(&list[i]));
    if repeated { Err(D::Error::custom("must not hold an entry twice")) } else { Ok(list) }
}

pub(crate) fn widths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    check(deserializer, "must hold at least one width, each at least 1", |widths: &Vec<usize>| {
        !widths.is_empty() && !widths.contains(&0)
    })
}

/// Residual weights: distinct, finite, not negative.
pub(crate) fn weights<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let list: Vec<f64> = distinct(deserializer)?;
    match list.iter().find(|w| !(**w >= 0.0 && w.is_finite())) {
        Some(w) => Err(D::Error::custom(format!("holds {w}, but must hold finite weights ≥ 0"))),
        None => Ok(list),
    }
}
