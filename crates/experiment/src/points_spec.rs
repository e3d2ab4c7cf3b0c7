use std::fmt;
use std::path::{Path, PathBuf};

use fokker_sde_core::StandardisationRule;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::checked;
use crate::points_file::ends_with;

/// Points from a file as a target: `Points(path: "airports.csv", columns: ["longitude", "latitude"])`.
///
/// Networks learn, and distances are measured, in the units of the standardised points; samples are
/// written in those of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointsSpec {
    /// The file, `.csv`, `.csv.gz` or `.npy` (`[m, d]`); relative to the folder of the configuration.
    pub path: PathBuf,
    /// The columns of a `.csv` file that are taken, in this order, by name or number; all if not given.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Column>,
    /// How the points are standardised; by component if not given.
    #[serde(default)]
    pub standardise: StandardisationRule,
    /// The width of the uniform noise that is added to each component at every draw, in the units of the
    /// file; none if not given. See [`Dequantised`](fokker_sde_core::Dequantised).
    #[serde(default, deserialize_with = "checked::weight")]
    pub dequantise: f64,
    /// The share of the points that is kept from training and stands for the truth; with 0, if not given,
    /// all points do both. The seed says which.
    #[serde(default, deserialize_with = "checked::share")]
    pub held_out: f64,
    /// The size of the images that the points are, row by row, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageSize>,
    /// The label; the name of the file without its endings if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The size of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSize {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
}

/// A column of a table, or some in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Column {
    /// By its name in the first line.
    Name(String),
    /// By its number, from 0.
    Number(usize),
    /// Those from one to another, both included: `(first: 0, last: 63)`.
    Range {
        /// The number of the first one, from 0.
        first: usize,
        /// That of the last one.
        last: usize,
    },
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Number(number) => number.fmt(f),
            Self::Range { first, last } => write!(f, "{first} to {last}"),
        }
    }
}

impl<'de> Deserialize<'de> for Column {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Columns;

        /// The columns from one to another.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Range {
            first: usize,
            last: usize,
        }

        impl<'de> Visitor<'de> for Columns {
            type Value = Column;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a column, its number from 0, or (first: …, last: …)")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Column, E> {
                Ok(Column::Name(name.to_owned()))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Column, E> {
                usize::try_from(number).map(Column::Number).map_err(E::custom)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Column, A::Error> {
                let Range { first, last } = Range::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Column::Range { first, last })
            }
        }
        deserializer.deserialize_any(Columns)
    }
}

/// The endings that files of points may have.
const ENDINGS: [&str; 3] = [".csv.gz", ".csv", ".npy"];

impl PointsSpec {
    /// All columns of a file, with nothing done to them.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            columns: Vec::new(),
            standardise: StandardisationRule::default(),
            dequantise: 0.0,
            held_out: 0.0,
            images: None,
            name: None,
        }
    }

    /// The name that stands for the points in files and tables.
    pub fn label(&self) -> &str {
        let file = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let ending = ENDINGS.iter().find(|ending| ends_with(Path::new(file), ending));
        // Endings are ASCII, whose capitals are as long.
        let stem = ending.map_or(file, |ending| &file[..file.len() - ending.len()]);
        self.name.as_deref().unwrap_or(stem)
    }

    /// Refuses what cannot be right whatever the file holds.
    pub(crate) fn check(&self) -> Result<(), String> {
        let file = self.path.to_string_lossy();
        if !ENDINGS.iter().any(|ending| ends_with(&self.path, ending)) {
            return Err(format!("`{file}` does not end in .csv, .csv.gz or .npy"));
        }
        match self.images {
            Some(ImageSize { width: 0, .. } | ImageSize { height: 0, .. }) => {
                Err("`images` need a width and a height of at least 1".to_owned())
            }
            _ => Ok(()),
        }
    }
}
