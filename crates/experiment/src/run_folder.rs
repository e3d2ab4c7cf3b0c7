use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::training_state::TrainingState;
use crate::{Cell, CellId, Error, Experiment, FileMark, MetricsLine, files};

/// The folder that a run leaves:
///
/// | file | content |
/// | --- | --- |
/// | `config.ron` | the experiment as resolved; running it again gives the same results |
/// | `metrics.jsonl` | one line every ten training steps; `loss` is `dsm + w · residual`, `w` the weight in force |
/// | `checkpoints/TARGET_wW.safetensors` | the trained networks |
/// | `data.json` | by what the files of points are known again, if the experiment names any |
/// | `samples/TARGET_truth.npy`, `samples/TARGET_wW_{sde,ode}.npy` | points `[n, d]` in the units of the data, `f32`, or `f64` of standardised data |
/// | `cells/TARGET_wW.json` | the results of a cell; written last, so that it marks a finished cell |
/// | `training/TARGET_wW.safetensors` | where an unfinished cell goes on |
/// | `figures/*.{png,svg}`, `report.html` | what [`report`](crate::report) draws |
/// | `summary.json` | the results; written last, so that it marks a finished run |
/// | `lock` | empty; locked while a process works in the folder |
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: fs::File,
    /// Held as long as the folder is open; it ends with the process, however that ends.
    _lock: fs::File,
}

const CONFIG: &str = "config.ron";
const METRICS: &str = "metrics.jsonl";
const SUMMARY: &str = "summary.json";
const LOCK: &str = "lock";
const DATA: &str = "data.json";

/// The first line of `config.ron`, by which a run folder is known.
const HEADER: &str = "// Written by fokker: the experiment as resolved.\n";

/// The folders of a run, and the endings of the files in them.
const FOLDERS: [(&str, &[&str]); 5] = [
    ("cells", &["json"]),
    ("training", &["safetensors"]),
    ("checkpoints", &["safetensors"]),
    ("samples", &["npy"]),
    ("figures", &["png", "svg"]),
];

impl RunFolder {
    /// Opens the folder for a run of an experiment on some files of points and locks it. An unfinished run
    /// of the same experiment is gone on with; what is there of another one, or of a finished one, is
    /// removed with `force`. Files that a run does not write are left alone.
    ///
    /// # Errors
    /// If the folder holds such results and `force` is not set, or something else, or is in use by
    /// another run, or cannot be read or written; or if a file of points has changed.
    pub fn open(
        path: &Path,
        experiment: &Experiment,
        data: &[FileMark],
        force: bool,
    ) -> Result<Self, Error> {
        let at = |source| Error::Write { path: path.to_owned(), source };
        let config = format!("{HEADER}{}", experiment.to_ron()?);
        let mut same = false;
        if path.exists() && fs::read_dir(path).map_err(at)?.next().is_some() {
            let found = fs::read_to_string(path.join(CONFIG)).unwrap_or_default();
            if !found.starts_with(HEADER) {
                return Err(Error::NotARunFolder(path.to_owned()));
            }
            if !force && path.join(SUMMARY).exists() {
                return Err(Error::Finished(path.to_owned()));
            }
            same = found == config;
            if !force && !same {
                return Err(Error::OtherRun(path.to_owned()));
            }
            if !force {
                refuse_changed(path, data)?;
            }
        }
        fs::create_dir_all(path).map_err(at)?;
        let lock = path.join(LOCK);
        let mut options = fs::File::options();
        let lock = options.create(true).truncate(false).write(true).open(lock).map_err(at)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::InUse(path.to_owned())),
            Err(fs::TryLockError::Error(source)) => return Err(at(source)),
        }
        if force || !same {
            clear(path)?;
        }
        for (folder, _) in FOLDERS {
            fs::create_dir_all(path.join(folder)).map_err(at)?;
        }
        if !data.is_empty() {
            write_json(&path.join(DATA), &data)?;
        }
        // Last, since it marks a run that can be gone on with.
        files::write(&path.join(CONFIG), config.as_bytes())?;
        let reader = RunReader { path: path.to_owned() };
        reader.forget_unfinished_metrics(experiment)?;
        let metrics = path.join(METRICS);
        let metrics = options.append(true).open(metrics).map_err(at)?;
        Ok(Self { path: path.to_owned(), metrics, _lock: lock })
    }

    /// What the folder holds so far.
    pub(crate) fn reader(&self) -> RunReader {
        RunReader { path: self.path.clone() }
    }

    /// Appends a line to `metrics.jsonl`, whole, so that others can follow the file.
    pub(crate) fn append_metrics(&mut self, line: &MetricsLine) -> Result<(), Error> {
        let mut text = json(line)?;
        text.push('\n');
        let path = self.path.join(METRICS);
        self.metrics.write_all(text.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    /// The path of `name` in `folder`.
    pub(crate) fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.path.join(folder).join(name)
    }

    /// Writes down where the training of a cell goes on.
    pub(crate) fn save_training(&self, id: &CellId, state: &TrainingState) -> Result<(), Error> {
        // What the state has seen must be there as long as the state is.
        self.sync_metrics()?;
        files::write(&self.reader().training_path(id), &state.to_bytes()?)
    }

    /// Writes the results of a cell, after which it counts as finished.
    pub(crate) fn finish_cell(&self, id: &CellId, cell: &Cell) -> Result<(), Error> {
        self.sync_metrics()?;
        write_json(&self.reader().cell_path(id), cell)?;
        files::remove(&self.reader().training_path(id))
    }

    /// Writes `summary.json`, after which the run counts as finished.
    pub(crate) fn finish(&self, summary: &impl Serialize) -> Result<(), Error> {
        write_json(&self.path.join(SUMMARY), summary)
    }

    fn sync_metrics(&self) -> Result<(), Error> {
        let path = || self.path.join(METRICS);
        self.metrics.sync_all().map_err(|source| Error::Write { path: path(), source })
    }
}

/// The folder of a run, finished or not, to read from.
pub(crate) struct RunReader {
    path: PathBuf,
}

impl RunReader {
    /// A folder that holds a run, and its experiment.
    pub(crate) fn open(path: &Path) -> Result<(Self, Experiment), Error> {
        let config = path.join(CONFIG);
        let text = fs::read_to_string(&config)
            .map_err(|source| Error::Read { path: config.clone(), source })?;
        if !text.starts_with(HEADER) {
            return Err(Error::NotARunFolder(path.to_owned()));
        }
        Ok((Self { path: path.to_owned() }, Experiment::parse(&config, text)?))
    }

    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The results of a cell; `None` as long as it is not finished.
    pub(crate) fn cell(&self, id: &CellId) -> Result<Option<Cell>, Error> {
        let path = self.cell_path(id);
        match fs::read_to_string(&path) {
            Ok(text) => parse_json(&path, &text).map(Some),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Where the training of a cell goes on, if it was begun.
    pub(crate) fn training(&self, id: &CellId) -> Result<Option<TrainingState>, Error> {
        let path = self.training_path(id);
        match fs::read(&path) {
            Ok(bytes) => TrainingState::from_bytes(&path, &bytes).map(Some),
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// The lines of `metrics.jsonl`.
    pub(crate) fn metrics(&self) -> Result<Vec<MetricsLine>, Error> {
        let path = self.path.join(METRICS);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(source) if source.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(Error::Read { path, source }),
        };
        // A process that was killed may have left the last line without its end.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        whole.map(|line| parse_json(&path, line)).collect()
    }

    /// Takes out of `metrics.jsonl` what will be written again.
    fn forget_unfinished_metrics(&self, experiment: &Experiment) -> Result<(), Error> {
        let mut known = Vec::new();
        for id in experiment.cells() {
            let steps = match (self.cell(&id)?, self.training(&id)?) {
                (Some(_), _) => usize::MAX,
                (None, Some(state)) => state.step,
                (None, None) => 0,
            };
            known.push((id, steps));
        }
        let mut text = String::new();
        for line in self.metrics()? {
            if known.iter().any(|(id, steps)| *id == line.cell && line.step <= *steps) {
                text.push_str(&json(&line)?);
                text.push('\n');
            }
        }
        files::write(&self.path.join(METRICS), text.as_bytes())
    }

    fn cell_path(&self, id: &CellId) -> PathBuf {
        self.path.join("cells").join(format!("{}.json", id.stem()))
    }

    fn training_path(&self, id: &CellId) -> PathBuf {
        self.path.join("training").join(format!("{}.safetensors", id.stem()))
    }
}

/// Refuses a place that holds something else than a run.
pub(crate) fn check_place(path: &Path) -> Result<(), Error> {
    let at = |source| Error::Write { path: path.to_owned(), source };
    if !path.exists() || fs::read_dir(path).map_err(at)?.next().is_none() {
        return Ok(());
    }
    let config = fs::read_to_string(path.join(CONFIG)).unwrap_or_default();
    if config.starts_with(HEADER) { Ok(()) } else { Err(Error::NotARunFolder(path.to_owned())) }
}

/// Removes the results of a run from its folder.
pub(crate) fn discard(path: &Path) -> Result<(), Error> {
    check_place(path)?;
    if path.exists() { clear(path) } else { Ok(()) }
}

/// Refuses files of points that are not those that the run in the folder was started with.
pub(crate) fn refuse_changed(path: &Path, data: &[FileMark]) -> Result<(), Error> {
    let marks = path.join(DATA);
    let known: Vec<FileMark> = match fs::read_to_string(&marks) {
        Ok(text) => parse_json(&marks, &text)?,
        Err(source) if source.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(Error::Read { path: marks, source }),
    };
    match data.iter().find(|mark| !known.contains(mark)) {
        Some(mark) => Err(Error::DataChanged { file: mark.path.clone(), run: path.to_owned() }),
        None => Ok(()),
    }
}

/// Removes the files of a run from its folder: the mark of a finished one before all else.
fn clear(path: &Path) -> Result<(), Error> {
    for name in [SUMMARY, METRICS, DATA, "report.html"] {
        files::remove(&path.join(name))?;
    }
    let at = |source| Error::Write { path: path.to_owned(), source };
    for (folder, endings) in FOLDERS {
        let folder = path.join(folder);
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(at)? {
            let file = entry.map_err(at)?.path();
            let ending = file.extension().unwrap_or_default();
            if endings.iter().any(|known| ending == *known) {
                files::remove(&file)?;
            }
        }
    }
    Ok(())
}

/// A value as one line of JSON.
fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), Error> {
    let text =
        serde_json::to_string_pretty(value).map_err(|error| Error::Internal(error.to_string()))?;
    files::write(path, (text + "\n").as_bytes())
}

fn parse_json<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Error> {
    serde_json::from_str(text)
        .map_err(|error| Error::Content { path: path.to_owned(), reason: error.to_string() })
}
