use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use fokker_sde_core::{Standardisation, StandardisationRule, TargetName};

use crate::points_file::{ends_with, is_table};
use crate::points_spec::PointsSpec;
use crate::target_law::TargetLaw;
use crate::{Error, TargetSpec};

/// The law that a model is compared with: one known by name, or points in a file.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetSource {
    /// A law known by name.
    Named(TargetName),
    /// Points `[m, d]` in a `.npy` file, or the columns of a `.csv` or `.csv.gz` file.
    Points(PathBuf),
}

impl FromStr for TargetSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(name) = TargetName::ALL.into_iter().find(|name| name.as_str() == text) {
            return Ok(Self::Named(name));
        }
        let path = PathBuf::from(text);
        if is_table(&path) || ends_with(&path, ".npy") {
            return Ok(Self::Points(path));
        }
        let names = TargetName::ALL.map(TargetName::as_str).join(", ");
        Err(format!("expected a .npy, .csv or .csv.gz file, or one of {names}"))
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
    /// The law, in the units of a network that was trained on points standardised by this map.
    ///
    /// # Errors
    /// If a file cannot be read, or the map is of points of another dimension.
    pub(crate) fn law(&self, map: Option<&Standardisation>) -> Result<TargetLaw, Error> {
        let law = match self {
            Self::Named(name) => TargetLaw::known(name.target()),
            Self::Points(path) => {
                let standardise = StandardisationRule::None;
                let spec = PointsSpec { standardise, ..PointsSpec::new(path.clone()) };
                TargetLaw::new(&TargetSpec::Points(spec), 0).map_err(|found| *found.error)?
            }
        };
        match map {
            Some(map) => law.standardised(map),
            None => Ok(law),
        }
    }
}
