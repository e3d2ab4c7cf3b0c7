use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::{Error, files};

/// The folder that a run leaves:
///
/// | file | content |
/// | --- | --- |
/// | `config.ron` | the experiment as resolved; running it again gives the same results |
/// | `metrics.jsonl` | one line every ten training steps |
/// | `checkpoints/TARGET_wW.safetensors` | the trained networks |
/// | `samples/TARGET_truth.npy`, `samples/TARGET_wW_{sde,ode}.npy` | points `[n, 2]`, `f32` |
/// | `figures/densities.{png,svg}`, `figures/training.{png,svg}` | figures |
/// | `summary.json` | the results; written last, so that it marks a finished run |
#[derive(Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: fs::File,
}

const CONFIG: &str = "config.ron";
const METRICS: &str = "metrics.jsonl";
const SUMMARY: &str = "summary.json";
const FOLDERS: [&str; 3] = ["checkpoints", "samples", "figures"];

impl RunFolder {
    /// Makes the folder ready for a new run of the experiment `config`, in RON.
    ///
    /// What an unfinished run left there is removed; what a finished one left, only with `force`.
    ///
    /// # Errors
    /// If the folder holds a finished run and `force` is not set, or files that are not of a run, or
    /// if it cannot be written.
    pub fn create(path: &Path, config: &str, force: bool) -> Result<Self, Error> {
        let at = |source| Error::Write { path: path.to_owned(), source };
        if path.join(SUMMARY).exists() && path.join(CONFIG).exists() {
            if !force {
                return Err(Error::Finished(path.to_owned()));
            }
        } else if path.exists() {
            let empty = fs::read_dir(path).map_err(at)?.next().is_none();
            if !empty && !path.join(CONFIG).exists() {
                return Err(Error::NotARunFolder(path.to_owned()));
            }
        }
        // The mark of a finished run goes first, and the mark of a run last.
        for file in [SUMMARY, METRICS] {
            remove(&path.join(file), |file| fs::remove_file(file))?;
        }
        for folder in FOLDERS {
            remove(&path.join(folder), |folder| fs::remove_dir_all(folder))?;
        }
        fs::create_dir_all(path).map_err(at)?;
        files::write(&path.join(CONFIG), config.as_bytes())?;
        for folder in FOLDERS {
            fs::create_dir_all(path.join(folder)).map_err(at)?;
        }
        let metrics = fs::File::create(path.join(METRICS)).map_err(at)?;
        Ok(Self { path: path.to_owned(), metrics })
    }

    /// Where the folder is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a line to `metrics.jsonl`, whole, so that others can follow the file.
    pub(crate) fn append_metrics(&mut self, line: &impl Serialize) -> Result<(), Error> {
        let mut text = json(line)?;
        text.push('\n');
        let path = self.path.join(METRICS);
        self.metrics.write_all(text.as_bytes()).map_err(|source| Error::Write { path, source })
    }

    /// The path of `name` in `folder`.
    pub(crate) fn file(&self, folder: &str, name: &str) -> PathBuf {
        self.path.join(folder).join(name)
    }

    /// Writes `summary.json`, after which the run counts as finished.
    pub(crate) fn finish(&self, summary: &impl Serialize) -> Result<(), Error> {
        let sync = |source| Error::Write { path: self.path.join(METRICS), source };
        self.metrics.sync_all().map_err(sync)?;
        let text = serde_json::to_string_pretty(summary)
            .map_err(|error| Error::Internal(error.to_string()))?;
        files::write(&self.path.join(SUMMARY), (text + "\n").as_bytes())
    }
}

pub(crate) fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))
}

fn remove(path: &Path, how: impl Fn(&Path) -> std::io::Result<()>) -> Result<(), Error> {
    match how(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
