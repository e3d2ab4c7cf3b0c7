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
/// | `metrics.jsonl` | one line every ten training steps; `loss` is `dsm + w · residual`, `w` the weight in force |
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

/// The first line of `config.ron`, by which a run folder is known.
const HEADER: &str = "// Written by fokker: the experiment as resolved.\n";

/// The folders of a run, and the endings of the files in them.
const FOLDERS: [(&str, &[&str]); 3] =
    [("checkpoints", &["safetensors"]), ("samples", &["npy"]), ("figures", &["png", "svg"])];

impl RunFolder {
    /// Makes the folder ready for a new run of the experiment `config`, in RON, and locks it.
    ///
    /// Results of an unfinished run of the same experiment are removed; those of a finished one, or of
    /// another experiment, only with `force`. Files that a run does not write are left alone.
    ///
    /// # Errors
    /// If the folder holds such results and `force` is not set, or something else, or is in use by
    /// another run, or cannot be written.
    pub fn create(path: &Path, config: &str, force: bool) -> Result<Self, Error> {
        let at = |source| Error::Write { path: path.to_owned(), source };
        let config = format!("{HEADER}{config}");
        if path.exists() && fs::read_dir(path).map_err(at)?.next().is_some() {
            let found = fs::read_to_string(path.join(CONFIG)).unwrap_or_default();
            if !found.starts_with(HEADER) {
                return Err(Error::NotARunFolder(path.to_owned()));
            }
            if !force && path.join(SUMMARY).exists() {
                return Err(Error::Finished(path.to_owned()));
            }
            if !force && found != config {
                return Err(Error::OtherRun(path.to_owned()));
            }
        }
        fs::create_dir_all(path).map_err(at)?;
        let metrics_path = path.join(METRICS);
        let metrics = fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&metrics_path)
            .map_err(at)?;
        // The lock ends with the process, however that ends.
        match metrics.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(Error::InUse(path.to_owned())),
            Err(fs::TryLockError::Error(source)) => return Err(at(source)),
        }
        metrics.set_len(0).map_err(at)?;
        // The mark of a finished run goes before anything else of it.
        remove_file(&path.join(SUMMARY))?;
        for (folder, endings) in FOLDERS {
            let folder = path.join(folder);
            fs::create_dir_all(&folder).map_err(at)?;
            for entry in fs::read_dir(&folder).map_err(at)? {
                let file = entry.map_err(at)?.path();
                let ending = file.extension().unwrap_or_default();
                if endings.iter().any(|known| ending == *known) {
                    remove_file(&file)?;
                }
            }
        }
        files::write(&path.join(CONFIG), config.as_bytes())?;
        Ok(Self { path: path.to_owned(), metrics })
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

fn remove_file(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Write { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}
