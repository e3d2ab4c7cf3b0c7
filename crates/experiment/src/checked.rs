//! Numbers that a configuration file may hold: each check speaks while the file is being read, so
//! that the error knows its line.

use fokker_score_net::FourierFeatures;
use serde::de::{Deserialize, Deserializer, Error};

use crate::TargetSpec;

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

pub(crate) fn references<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    check(deserializer, "must be between 1 and 65536", |n| (1..=65_536).contains(n))
}

/// How many there are of what has a spread.
pub(crate) fn several<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let rule = "must be between 2 and 100000000";
    check(deserializer, rule, |n| (2..=100_000_000).contains(n))
}

pub(crate) fn fourier<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<FourierFeatures>, D::Error> {
    let rule = "must have a count between 1 and 4096 and a scale between 1e-6 and 1e6";
    check(deserializer, rule, |features: &Option<FourierFeatures>| {
        features.is_none_or(|FourierFeatures { count, scale }| {
            (1..=4096).contains(&count) && (1e-6..=1e6).contains(&scale)
        })
    })
}

pub(crate) fn nodes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    check(deserializer, "must be between 2 and 1024", |n| (2..=1024).contains(n))
}

pub(crate) fn replicates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    check(deserializer, "must be between 10 and 10000", |n| (10..=10_000).contains(n))
}

/// Lengths and learning rates: what single precision can hold, with room for squares.
pub(crate) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    check(deserializer, "must be between 1e-9 and 1e9", |x: &f64| (1e-9..=1e9).contains(x))
}

/// Whether a number can weigh a term of a loss.
fn is_weight(w: f64) -> bool {
    w == 0.0 || (1e-9..=1e9).contains(&w)
}

pub(crate) fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    check(deserializer, "must be 0 or between 1e-9 and 1e9", |w| is_weight(*w))
}

/// A share of some things that leaves some of them.
pub(crate) fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    check(deserializer, "must be at least 0 and below 1", |share| (0.0..1.0).contains(share))
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

/// Labels that files go by.
pub(crate) fn targets<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<TargetSpec>, D::Error> {
    let list: Vec<TargetSpec> = list(deserializer)?;
    // As file systems compare names that do not tell capitals from small letters.
    let label = |k: usize| list[k].label().to_ascii_lowercase();
    match (1..list.len()).find(|&i| (0..i).any(|j| label(i) == label(j))) {
        Some(twice) => {
            let label = list[twice].label();
            let rule = "targets and their files are told apart by their labels";
            Err(D::Error::custom(match &list[twice] {
                TargetSpec::Named(_) => format!("two targets have the label `{label}`: {rule}"),
                _ => format!("two targets have the label `{label}`: {rule}, give one a `name`"),
            }))
        }
        None => Ok(list),
    }
}

pub(crate) fn widths<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    let rule = "must hold 1 to 64 widths, each between 1 and 4096";
    check(deserializer, rule, |widths: &Vec<usize>| {
        (1..=64).contains(&widths.len()) && widths.iter().all(|width| (1..=4096).contains(width))
    })
}

/// Residual weights: distinct.
pub(crate) fn weights<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f64>, D::Error> {
    let list: Vec<f64> = distinct(deserializer)?;
    match list.iter().find(|w| !is_weight(**w)) {
        Some(w) => {
            let reason = format!("holds {w:?}, but weights must be 0 or between 1e-9 and 1e9");
            Err(D::Error::custom(reason))
        }
        // Adding 0 turns −0 into 0.
        None => Ok(list.into_iter().map(|w| w + 0.0).collect()),
    }
}

pub(crate) fn fraction<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    check(deserializer, "must be between 0 and 1", |x: &f64| (0.0..=1.0).contains(x))
}

pub(crate) fn optional_positive<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<f64>, D::Error> {
    let rule = "must be between 1e-9 and 1e9";
    check(deserializer, rule, |x: &Option<f64>| x.is_none_or(|x| (1e-9..=1e9).contains(&x)))
}

pub(crate) fn decay<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let rule = "must be at least 0 and below 1";
    check(deserializer, rule, |x: &Option<f64>| x.is_none_or(|x| (0.0..1.0).contains(&x)))
}
