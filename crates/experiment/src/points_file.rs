//! Points in files: reading them, taking columns, and knowing a file again.

use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use crate::points_spec::Column;
use crate::table::TableText;
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

/// A file of points of which some columns may be taken.
pub(crate) struct OpenFile {
    content: Content,
    mark: FileMark,
}

enum Content {
    Table(TableText),
    Array(Array2<f64>),
}

impl OpenFile {
    /// Opens a `.csv`, `.csv.gz` or `.npy` file; the latter has no names.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let bytes = files::read(path)?;
        let mark = FileMark::of(path, &bytes);
        if is_table(path) {
            let text = TableText::new(path, unpacked(path, bytes)?)?;
            return Ok(Self { content: Content::Table(text), mark });
        }
        let array = files::parse_npy(path, &bytes)?;
        let shape = array.shape().to_vec();
        let points = array.into_dimensionality().map_err(|_| Error::Content {
            path: path.to_owned(),
            reason: format!("has shape {shape:?}, expected points [m, d]"),
        })?;
        Ok(Self { content: Content::Array(points), mark })
    }

    /// The points in some columns, in this order; in all if none are named.
    ///
    /// # Errors
    /// If there is no such column, or a name stands for two; or if they hold something else than numbers.
    pub(crate) fn select(self, columns: &[Column]) -> Result<PointsFile, Error> {
        let (names, count) = match &self.content {
            Content::Table(text) => (text.names.as_deref(), text.columns),
            Content::Array(points) => (None, points.ncols()),
        };
        let places = places(columns, names, count);
        let places =
            places.map_err(|reason| Error::Content { path: self.mark.path.clone(), reason })?;
        let names = names.map(|names| places.iter().map(|&k| names[k].clone()).collect());
        let points = match self.content {
            Content::Table(text) => text.numbers(&places)?,
            Content::Array(points) if columns.is_empty() => points,
            Content::Array(points) => points.select(Axis(1), &places),
        };
        Ok(PointsFile { points, names, mark: self.mark })
    }
}

/// The numbers of columns of a table with so many, all if none are named.
fn places(
    columns: &[Column],
    names: Option<&[String]>,
    count: usize,
) -> Result<Vec<usize>, String> {
    let doubled = |name: &String| {
        names.is_some_and(|names| names.iter().filter(|found| *found == name).count() > 1)
    };
    let named = columns.iter().filter_map(|column| match column {
        Column::Name(name) => Some(name),
        _ => None,
    });
    let chosen: Vec<&String> = match columns {
        [] => names.unwrap_or_default().iter().collect(),
        _ => named.collect(),
    };
    if let Some(name) = chosen.into_iter().find(|name| doubled(name)) {
        return Err(format!(
            "has two columns `{name}`: tell them apart in `columns` by their numbers"
        ));
    }
    if columns.is_empty() {
        return Ok((0..count).collect());
    }
    let range = |column: &Column| {
        let found = match (column, names) {
            (Column::Number(number), _) => Some(*number..number.saturating_add(1)),
            (Column::Range { first, last }, _) => Some(*first..last.saturating_add(1)),
            (Column::Name(name), Some(names)) => {
                names.iter().position(|found| found == name).map(|number| number..number + 1)
            }
            (Column::Name(_), None) => None,
        };
        let found = found.filter(|range| !range.is_empty() && range.end <= count);
        found.ok_or_else(|| {
            let known = match names {
                Some(names) => format!(": {}", names.join(", ")),
                None => " without names".to_owned(),
            };
            format!("has no column {column}, but {count}{known}")
        })
    };
    let ranges = columns.iter().map(range).collect::<Result<Vec<_>, String>>()?;
    let places: Vec<usize> = ranges.into_iter().flatten().collect();
    match (1..places.len()).find(|&k| places[..k].contains(&places[k])) {
        Some(k) => Err(format!("`columns` holds column {} twice", places[k])),
        None => Ok(places),
    }
}

impl PointsFile {
    /// Reads all columns of a `.csv`, `.csv.gz` or `.npy` file; the latter has no names.
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        OpenFile::new(path)?.select(&[])
    }

    /// What a column is called in messages.
    pub(crate) fn column(&self, number: usize) -> String {
        match self.names.as_ref().and_then(|names| names.get(number)) {
            Some(name) => format!("column `{name}`"),
            None => format!("column {number}"),
        }
    }
}

/// Whether the name of a file ends so, in capitals or not.
pub(crate) fn ends_with(path: &Path, ending: &str) -> bool {
    path.to_string_lossy().to_ascii_lowercase().ends_with(ending)
}

/// Whether a file holds a table of text, packed or not.
pub(crate) fn is_table(path: &Path) -> bool {
    ends_with(path, ".csv") || ends_with(path, ".csv.gz")
}

/// The bytes of a text, unpacked if the name of the file ends in `.gz`: all members of the archive, one behind the other.
pub(crate) fn unpacked(path: &Path, bytes: Vec<u8>) -> Result<Vec<u8>, Error> {
    if !ends_with(path, ".gz") {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text).map_err(|error| {
        let reason = format!("not a readable .gz file: {error}");
        Error::Content { path: path.to_owned(), reason }
    })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};
    use ndarray::array;

    use super::*;

    fn packed(text: &str) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn archives_are_read_to_their_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("parts.CSV.GZ");
        let parts = [packed("x,y\n1,2\n"), packed("3,4\n")].concat();
        std::fs::write(&path, &parts).unwrap();
        assert_eq!(PointsFile::read(&path).unwrap().points, array![[1.0, 2.0], [3.0, 4.0]]);
        std::fs::write(&path, [parts, b"junk".to_vec()].concat()).unwrap();
        let error = PointsFile::read(&path).err().unwrap().to_string();
        assert!(error.contains("parts.CSV.GZ: not a readable .gz file"), "{error}");
    }

    /// The points in some columns of a table, or what is said against them.
    fn points(text: &str, columns: &[Column]) -> Result<Array2<f64>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.csv");
        std::fs::write(&path, text).unwrap();
        let file = OpenFile::new(&path).and_then(|file| file.select(columns));
        file.map(|file| file.points).map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_columns_that_are_taken_hold_numbers() {
        let name = |name: &str| Column::Name(name.to_owned());
        let text = "# places\nplace,x,y,x\nhere,1,2,7\nthere,3,4,8\n";
        assert_eq!(points(text, &[name("y")]), Ok(array![[2.0], [4.0]]));
        let numbers = [Column::Number(3), Column::Number(1)];
        assert_eq!(points(text, &numbers), Ok(array![[7.0, 1.0], [8.0, 3.0]]));
        assert_eq!(points("1,2\n3,4\n", &[]), Ok(array![[1.0, 2.0], [3.0, 4.0]]));
        for (text, columns, reason) in [
            (text, vec![name("place")], "line 3, column 1: `here` is no number"),
            (text, vec![name("x")], "has two columns `x`"),
            ("x,x\n1,2\n", vec![], "has two columns `x`"),
            ("x,2\n3,4\n", vec![], "line 1, the first, holds `x` and the number `2`"),
            ("x,y\n", vec![], "holds no numbers"),
            ("", vec![], "holds no numbers"),
            ("x,y\n1,2\n3\n", vec![name("x")], "fields"),
            ("1,2\n3,inf\n", vec![], "line 2, column 2: inf is not finite"),
        ] {
            let error = points(text, &columns).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
