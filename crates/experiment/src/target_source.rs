use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fokker_sde_core::{Empirical, Target, TargetName};

use crate::{Error, table};

/// The law that a model is compared with: one known by name, or points in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetSource {
    /// A law known by name.
    Named(TargetName),
    /// Points `[m, d]` in a `.npy` file, or the columns of a `.csv` file.
    Points(PathBuf),
}

impl FromStr for TargetSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = TargetName::ALL.into_iter().find(|name| name.as_str() == text) {
            return Ok(Self::Named(name));
        }
        let path = PathBuf::from(text);
        if path.extension().is_some_and(|ending| ending == "npy" || ending == "csv") {
            return Ok(Self::Points(path));
        }
        let names = TargetName::ALL.map(TargetName::as_str).join(", ");
        Err(format!("expected a .npy or .csv file, or one of {names}"))
    }
}

impl fmt::Display for TargetSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => name.fmt(f),
            Self::Points(path) => path.display().fmt(f),
        }
    }
}

impl TargetSource {
    /// The law.
    pub(crate) fn law(&self) -> Result<Box<dyn Target>, Error> {
        match self {
            Self::Named(name) => Ok(name.target()),
            Self::Points(path) => Ok(Box::new(read_law(path)?)),
        }
    }
}

/// The law of the points in a file.
pub(crate) fn read_law(path: &Path) -> Result<Empirical, Error> {
    Empirical::new(table::read_points(path)?)
        .map_err(|error| Error::Content { path: path.to_owned(), reason: error.to_string() })
}
