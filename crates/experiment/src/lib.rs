//! Whole experiments: configuration, training, sampling both ways, measurement, and the run folder
//! that holds the results.
//!
//! An [`Experiment`] is read from a RON file; [`run`] trains one network for each of its cells (a
//! target and a weight of the residual), samples each network with the reverse-time SDE and the
//! probability-flow ODE, measures the exact squared Wasserstein-2 distances between the two and the
//! truth, and leaves a [`RunFolder`].

mod checked;
mod config;
mod distance;
mod error;
mod evaluate;
pub mod figures;
mod files;
mod progress;
mod run;
mod run_folder;
mod sample;
mod summary;
mod train;

pub use config::{
    ConfigError, EXAMPLE, Experiment, Measurement, Network, Sampling, Stage, Training,
};
pub use distance::{Distance, Input, distance};
pub use error::Error;
pub use evaluate::{Cell, CellId};
pub use progress::{Event, Progress, Silent};
pub use run::run;
pub use run_folder::RunFolder;
pub use sample::{Method, sample_checkpoint};
pub use summary::Summary;

/// The code of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
