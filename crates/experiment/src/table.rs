//! Columns of numbers in text files.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use ndarray::Array2;

use crate::{Error, files};

/// Numbers by rows, with the names of their columns if the file has them.
pub(crate) struct Table {
    pub(crate) names: Option<Vec<String>>,
    pub(crate) values: Array2<f64>,
}

/// Reads a file of comma-separated numbers. The first line holds names if none of its fields is a number;
/// lines that start with `#` are left out.
pub(crate) fn read_csv(path: &Path) -> Result<Table, Error> {
    let text = TableText::new(path, files::read(path)?)?;
    let values = text.numbers(&(0..text.columns).collect::<Vec<_>>())?;
    Ok(Table { names: text.names, values })
}

/// The text of a table, of whose columns some hold numbers.
pub(crate) struct TableText {
    path: PathBuf,
    text: Vec<u8>,
    /// The names of the columns, if the file has them.
    pub(crate) names: Option<Vec<String>>,
    /// The number of columns.
    pub(crate) columns: usize,
}

impl TableText {
    /// Looks at the first line of the file `path`: names if no field of it is a number, the first row if all are.
    ///
    /// # Errors
    /// If it holds both, which is a row whose columns hold not only numbers, or names some of which are numbers.
    pub(crate) fn new(path: &Path, text: Vec<u8>) -> Result<Self, Error> {
        let content = |reason: String| Error::Content { path: path.to_owned(), reason };
        let mut first = csv::StringRecord::new();
        let found = reader(&text).read_record(&mut first);
        if !found.map_err(|error| content(error.to_string()))? {
            return Err(content("holds no numbers".to_owned()));
        }
        let is_number = |field: &&str| field.parse::<f64>().is_ok();
        let names = match (first.iter().find(is_number), first.iter().find(|f| !is_number(f))) {
            (Some(number), Some(word)) => {
                let line = first.position().map_or(0, csv::Position::line);
                return Err(content(format!(
                    "line {line}, the first, holds `{word}` and the number `{number}`: it must be all names or all \
                     numbers"
                )));
            }
            (None, Some(_)) => Some(first.iter().map(str::to_owned).collect()),
            (_, None) => None,
        };
        Ok(Self { path: path.to_owned(), text, names, columns: first.len() })
    }

    /// The numbers in some columns, in this order; the others may hold anything.
    ///
    /// # Errors
    /// If a field of them is no finite number.
    pub(crate) fn numbers(&self, columns: &[usize]) -> Result<Array2<f64>, Error> {
        let content = |reason: String| Error::Content { path: self.path.clone(), reason };
        let (mut values, mut rows) = (Vec::new(), 0);
        let skipped = usize::from(self.names.is_some());
        for record in reader(&self.text).records().skip(skipped) {
            let record = record.map_err(|error| content(error.to_string()))?;
            let place = |column: usize| {
                let line = record.position().map_or(0, csv::Position::line);
                format!("line {line}, column {}", column + 1)
            };
            for &column in columns {
                // All records have as many fields.
                let field = record.get(column).unwrap_or_default();
                let value: f64 = field
                    .parse()
                    .map_err(|_| content(format!("{}: `{field}` is no number", place(column))))?;
                if !value.is_finite() {
                    return Err(content(format!("{}: {value} is not finite", place(column))));
                }
                values.push(value);
            }
            rows += 1;
        }
        if values.is_empty() {
            return Err(content("holds no numbers".to_owned()));
        }
        Array2::from_shape_vec((rows, columns.len()), values)
            .map_err(|error| content(error.to_string()))
    }
}

fn reader(text: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text)
}

/// Writes comma-separated values with 17 significant digits, which give back every bit of an `f64`.
pub(crate) fn write_csv(path: &Path, names: &[String], rows: &[Vec<f64>]) -> Result<(), Error> {
    let mut text = names.join(",");
    text.push('\n');
    for row in rows {
        for (column, value) in row.iter().enumerate() {
            let comma = if column == 0 { "" } else { "," };
            // Writing into a string does not fail.
            let _ = write!(text, "{comma}{value:.16e}");
        }
        text.push('\n');
    }
    files::write(path, text.as_bytes())
}
