//! Whole experiments: configuration, training, sampling both ways, measurement, and the run folder
//! that holds the results.
//!
//! An [`Experiment`] is read from a RON file; [`run`] trains one network for each of its cells (a
//! target and a weight of the residual), samples each network with the reverse-time SDE and the
//! probability-flow ODE, measures the exact squared Wasserstein-2 distances between the two and the
//! truth, and leaves a [`RunFolder`], which [`report`] draws. [`import`] makes a checkpoint of a network
//! trained elsewhere; [`gap`] and [`residual_report`] measure checkpoints.

mod cell;
mod checked;
mod config;
mod distance;
mod error;
mod evaluate;
pub mod figures;
mod files;
mod gap;
mod import;
mod panels;
mod progress;
mod protocol;
mod report;
mod residual_means;
mod residual_report;
mod ron_file;
mod run;
mod run_folder;
mod sample;
mod summary;
mod table;
mod target_source;
mod text_table;
mod train;
mod training_state;

pub use cell::{Cell, CellId, Distances, ResidualBand, ResidualMeans};
pub use config::{EXAMPLE, Experiment, Measurement, Network, Sampling, Stage, Training};
pub use distance::{Comparison, DistanceMethod, DistanceReport, Input, distance};
pub use error::Error;
pub use fokker_metrics::GroundCost;
pub use gap::gap;
pub use import::{Imported, import};
pub use progress::{Event, Progress, Silent};
pub use protocol::Protocol;
pub use report::report;
pub use residual_report::{Precision, ResidualReport, residual_at, residual_report};
pub use ron_file::ConfigError;
pub use run::run;
pub use run_folder::RunFolder;
pub use sample::{Method, sample_checkpoint};
pub use summary::Summary;
pub use target_source::TargetSource;
pub(crate) use train::MetricsLine;

/// The code of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
