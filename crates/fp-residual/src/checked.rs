//! Numbers that files may hold: refused while a file is being read, so that the error knows its place.

use serde::de::{Deserialize, Deserializer, Error};

/// A number of a usable size.
pub(crate) fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (1e-9..=1e9).contains(&value) {
        Ok(value)
    } else {
        Err(D::Error::custom("must be between 1e-9 and 1e9"))
    }
}

/// 0, or a number of a usable size.
pub(crate) fn weight<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if value == 0.0 || (1e-9..=1e9).contains(&value) {
        Ok(value)
    } else {
        Err(D::Error::custom("must be 0 or between 1e-9 and 1e9"))
    }
}
