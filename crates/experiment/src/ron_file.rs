//! Reading and writing RON, with errors that know their place.

use std::path::{Path, PathBuf};

use ron::error::Position;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, files};

/// Why a configuration was refused: the place in the file, the field, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {}{reason}", .path.display(), named(.field))]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The field, such as `training.stages[0].steps`; empty if the file has no fields at all.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

fn named(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("field `{field}`: ") }
}

impl ConfigError {
    /// The byte of the text that the error points to.
    pub fn offset(&self) -> usize {
        let before: usize =
            self.text.split_inclusive('\n').take(self.line.saturating_sub(1)).map(str::len).sum();
        let line = self.text[before..].split('\n').next().unwrap_or_default();
        let within: usize =
            line.chars().take(self.column.saturating_sub(1)).map(char::len_utf8).sum();
        before + within
    }
}

/// How this crate reads and writes RON: a variant may hold the fields of its struct directly, and what is optional
/// is given as it is.
fn options() -> ron::Options {
    let extensions = ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES
        | ron::extensions::Extensions::IMPLICIT_SOME;
    ron::Options::default().with_default_extension(extensions)
}

/// Where the last of some words stands in a text that has been read without error: each after the one
/// before, outside comments. `None` if they do not all stand there in this order.
fn locate(text: &str, words: &[String]) -> Option<Position> {
    let mut rest = words.iter().peekable();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let mut from = 0;
        while let Some(word) = rest.peek() {
            let Some(found) = code[from..].find(word.as_str()) else { break };
            let length = word.len();
            rest.next();
            if rest.peek().is_none() {
                let col = code[..from + found].chars().count() + 1;
                return Some(Position { line: index + 1, col });
            }
            from += found + length;
        }
    }
    None
}

/// The last field whose name stands before a position.
fn field_before(text: &str, position: Position) -> Option<String> {
    let lines = text.lines().take(position.line).enumerate();
    let before: Vec<String> = lines
        .map(|(index, line)| {
            let end = if index + 1 == position.line { position.col } else { usize::MAX };
            line.chars().take(end).collect::<String>()
        })
        .collect();
    before.iter().rev().find_map(|line| {
        let code = line.split("//").next()?;
        let name = code.rsplit_once(':')?.0;
        let start = name.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        (start < name.len()).then(|| name[start..].to_owned())
    })
}

impl ConfigError {
    /// That the field at `path` of a text read without error does not fit the rest of it.
    pub(crate) fn in_field(file: &Path, text: String, path: &[&str], reason: String) -> Self {
        let words: Vec<String> = path.iter().map(|name| format!("{name}:")).collect();
        let Position { line, col } = locate(&text, &words).unwrap_or(Position { line: 1, col: 1 });
        Self { path: file.to_owned(), text, line, column: col, field: path.join("."), reason }
    }

    /// That the target `index`, the `nth` of those that are `Points`, both from 0, is not what a file
    /// holds: in `field`, or as a whole if that is empty.
    pub(crate) fn in_points(
        file: &Path,
        text: String,
        (index, nth): (usize, usize),
        field: &str,
        reason: String,
    ) -> Self {
        let mut words = vec!["targets:".to_owned()];
        words.extend(std::iter::repeat_n("Points(".to_owned(), nth + 1));
        let entry = locate(&text, &words);
        words.push(format!("{field}:"));
        // A field that is not given says what it says by default.
        let place = if field.is_empty() { entry } else { locate(&text, &words).or(entry) };
        let Position { line, col } = place.unwrap_or(Position { line: 1, col: 1 });
        let dot = if field.is_empty() { "" } else { "." };
        let field = format!("targets[{index}].Points{dot}{field}");
        Self { path: file.to_owned(), text, line, column: col, field, reason }
    }
}

/// Reads a file.
pub(crate) fn load(path: &Path) -> Result<String, Error> {
    files::check_regular(path)?;
    let text = std::fs::read_to_string(path);
    // Some editors begin a text with the mark of its byte order.
    let text = text.map(|text| text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text));
    text.map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Reads a value from the text of the file `path`.
pub(crate) fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, ConfigError> {
    let fail = |position: Position, field: String, reason: String| ConfigError {
        path: path.to_owned(),
        text: text.to_owned(),
        line: position.line,
        column: position.col,
        field,
        reason,
    };
    let spanned = |error: ron::error::SpannedError, field: String| {
        let at = error.span.start;
        // Where the reader stumbled between two fields it names none: the one it came from.
        let (parent, lost) = match field.strip_suffix('?') {
            Some(parent) => (parent.trim_end_matches('.'), true),
            None => (field.as_str(), false),
        };
        let child = match &error.code {
            ron::Error::MissingStructField { field, .. }
            | ron::Error::DuplicateStructField { field, .. } => Some((*field).to_owned()),
            _ if lost => field_before(text, at),
            _ => None,
        };
        let path: Vec<&str> = [parent, child.as_deref().unwrap_or("")]
            .into_iter()
            .filter(|s| !s.is_empty())
            .collect();
        let reason = match error.code {
            ron::Error::MissingStructField { .. } => "is missing".to_owned(),
            ron::Error::DuplicateStructField { .. } => "is given twice".to_owned(),
            other => other.to_string(),
        };
        fail(at, path.join("."), reason)
    };
    let mut deserializer = ron::Deserializer::from_str_with_options(text, &options())
        .map_err(|error| spanned(error, String::new()))?;
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        let field = if field == "." { String::new() } else { field };
        spanned(deserializer.span_error(error.into_inner()), field)
    })?;
    deserializer.end().map_err(|error| spanned(deserializer.span_error(error), String::new()))?;
    Ok(value)
}

/// A value as RON on one line.
pub(crate) fn write_line(value: &impl Serialize) -> Result<String, Error> {
    let pretty =
        ron::ser::PrettyConfig::new().struct_names(false).compact_structs(true).depth_limit(0);
    let text = options().to_string_pretty(value, pretty);
    text.map_err(|error| Error::Internal(error.to_string()))
}

/// A value as RON, in the form that [`parse`] reads.
pub(crate) fn write(value: &impl Serialize) -> Result<String, Error> {
    let pretty = ron::ser::PrettyConfig::new().struct_names(false);
    let text = options()
        .to_string_pretty(value, pretty)
        .map_err(|error| Error::Internal(error.to_string()))?;
    Ok(text + "\n")
}
