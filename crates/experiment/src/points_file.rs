//! Points in files: reading them, taking columns, and knowing a file again.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::points_spec::Column;
use crate::table::{self, Table};
use crate::{Error, files};

/// What a file is known again by: enough to notice that it was edited or replaced, not to withstand
/// somebody who means to deceive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMark {
    /// The file.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// The CRC-32 of its bytes (ISO 3309), in hexadecimal.
    pub crc32: String,
}

impl FileMark {
    fn of(path: &Path, bytes: &[u8]) -> Self {
        let crc32 = format!("{:08x}", crc32fast::hash(bytes));
        Self { path: path.to_owned(), bytes: bytes.len() as u64, crc32 }
    }
}

/// The points of a file.
pub(crate) struct PointsFile {
    /// `[m, d]`.
    pub(crate) points: Array2<f64>,
    /// The names of the columns, if the file has them.
    pub(crate) names: Option<Vec<String>>,
    pub(crate) mark: FileMark,
}

impl PointsFile {
    /// Reads a `.csv`, `.csv.gz` or `.npy` file; the latter has no names.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let mark = FileMark::of(path, &bytes);
        if is_table(path) {
            let Table { names, values } = table::parse_csv(path, &unpacked(path, bytes)?)?;
            return Ok(Self { points: values, names, mark });
        }
        let array = files::parse_npy(path, &bytes)?;
        let shape = array.shape().to_vec();
        let points = array.into_dimensionality().map_err(|_| Error::Content {
            path: path.to_owned(),
            reason: format!("has shape {shape:?}, expected points [m, d]"),
        })?;
        Ok(Self { points, names: None, mark })
    }

    /// Keeps some columns, in this order; all if none are named.
    ///
    /// # Errors
    /// If there is no such column.
    pub(crate) fn select(mut self, columns: &[Column]) -> Result<Self, Error> {
        if columns.is_empty() {
            return Ok(self);
        }
        let count = self.points.ncols();
        let places = |column: &Column| {
            let found = match (column, &self.names) {
                (Column::Number(number), _) => Some(*number..number.saturating_add(1)),
                (Column::Range { first, last }, _) => Some(*first..last.saturating_add(1)),
                (Column::Name(name), Some(names)) => {
                    names.iter().position(|found| found == name).map(|number| number..number + 1)
                }
                (Column::Name(_), None) => None,
            };
            let found = found.filter(|range| !range.is_empty() && range.end <= count);
            found.ok_or_else(|| {
                let known = match &self.names {
                    Some(names) => format!(": {}", names.join(", ")),
                    None => " without names".to_owned(),
                };
                let reason = format!("has no column {column}, but {count}{known}");
                Error::Content { path: self.mark.path.clone(), reason }
            })
        };
        let ranges = columns.iter().map(places).collect::<Result<Vec<_>, Error>>()?;
        let places: Vec<usize> = ranges.into_iter().flatten().collect();
        if let Some(k) = (1..places.len()).find(|&k| places[..k].contains(&places[k])) {
            let reason = format!("`columns` holds column {} twice", places[k]);
            return Err(Error::Content { path: self.mark.path, reason });
        }
        self.names = self.names.map(|names| places.iter().map(|&k| names[k].clone()).collect());
        self.points = self.points.select(Axis(1), &places);
        Ok(self)
    }

    /// What a column is called in messages.
    pub(crate) fn column(&self, number: usize) -> String {
        match self.names.as_ref().and_then(|names| names.get(number)) {
            Some(name) => format!("column `{name}`"),
            None => format!("column {number}"),
        }
    }
}

/// Whether a file holds a table of text, packed or not.
pub(crate) fn is_table(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".csv") || name.ends_with(".csv.gz")
}

/// The bytes of a text, unpacked if the name of the file ends in `.gz`.
pub(crate) fn unpacked(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    if path.extension().is_none_or(|ending| ending != "gz") {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).map_err(|error| {
        let reason = format!("not a readable .gz file: {error}");
        Error::Content { path: path.to_owned(), reason }
    })?;
    Ok(text)
}
