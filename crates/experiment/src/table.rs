//! Columns of numbers in text files.

use std::fmt::Write;
use std::path::Path;

use ndarray::Array2;

use crate::{Error, files};

/// Numbers by rows, with the names of their columns if the file has them.
pub(crate) struct Table {
    pub(crate) names: Option<Vec<String>>,
    pub(crate) values: Array2<f64>,
}

/// Reads a file of comma-separated values. The first line holds names if one of its fields is no number;
/// lines that start with `#` are left out.
pub(crate) fn read_csv(path: &Path) -> Result<Table, Error> {
    parse_csv(path, &files::read(path)?)
}

/// The numbers in the text of the file `path`.
pub(crate) fn parse_csv(path: &Path, text: &[u8]) -> Result<Table, Error> {
    let content = |reason: String| Error::Content { path: path.to_owned(), reason };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .comment(Some(b'#'))
        .trim(csv::Trim::All)
        .from_reader(text);
    let (mut names, mut values, mut columns) = (None, Vec::new(), 0);
    for record in reader.records() {
        let record = record.map_err(|error| content(error.to_string()))?;
        let line = record.position().map_or(0, csv::Position::line);
        let first = names.is_none() && values.is_empty();
        if first && record.iter().any(|field| field.parse::<f64>().is_err()) {
            names = Some(record.iter().map(str::to_owned).collect());
            continue;
        }
        columns = record.len();
        for (column, field) in record.iter().enumerate() {
            let value: f64 = field.parse().map_err(|_| {
                content(format!("line {line}, column {}: `{field}` is no number", column + 1))
            })?;
            if !value.is_finite() {
                let reason = format!("line {line}, column {}: {value} is not finite", column + 1);
                return Err(content(reason));
            }
            values.push(value);
        }
    }
    if values.is_empty() {
        return Err(content("holds no numbers".to_owned()));
    }
    let values = Array2::from_shape_vec((values.len() / columns, columns), values)
        .map_err(|error| content(error.to_string()))?;
    Ok(Table { names, values })
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
