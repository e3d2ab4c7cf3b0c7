//! Whole experiments: configuration, training, sampling both ways, measurement, and the run folder
//! that holds the results.
//!
//! An [`Experiment`] is read from a RON file; [`run`] trains one network for each of its cells (a
//! target and a weight of the residual), samples each network with the reverse-time SDE and the
//! probability-flow ODE, measures squared Wasserstein-2 distances between the two and the truth (exact in
//! the plane and on the line, sliced elsewhere), and leaves a [`RunFolder`], which [`report`] draws. [`import`] makes a checkpoint of a network
//! trained elsewhere; [`gap`] and [`residual_report`] measure checkpoints, and [`explain()`] says why the samplers of one differ.

mod cell;
mod checked;
mod compare;
mod config;
mod distance;
mod energy;
mod error;
mod evaluate;
mod explain;
pub mod figures;
mod files;
mod gap;
mod import;
mod mixture_spec;
mod modes;
mod panels;
mod pareto;
mod points_file;
mod points_spec;
mod polygons_spec;
mod progress;
mod protocol;
mod report;
mod report_samples;
mod residual_means;
mod residual_report;
mod ron_file;
mod run;
mod run_folder;
mod sample;
mod sampling;
mod side;
mod summary;
mod table;
mod target_law;
mod target_source;
mod target_spec;
mod template;
mod text_table;
mod train;
mod training_state;
mod truth;
mod tune;
mod view;

pub use cell::{Cell, CellId, Distances, ResidualBand, ResidualMeans};
pub use compare::{Compared, compare, comparison_table, write_comparison};
pub use config::{Experiment, Measurement, Network, Stage, Training};
pub use distance::{Comparison, DistanceMethod, DistanceReport, Input, distance};
pub use energy::{Energies, Energy};
pub use error::Error;
pub use explain::{
    Attribution, Bounds, Divergences, EnergyBound, EnergyForms, ExplainReport, Explanation,
    Likelihoods, PointMean, RotationAt, SamplerGap, VariationalReport, WithError, explain,
};
pub use fokker_metrics::GroundCost;
pub use fokker_samplers::{Cost, LastStep, Solver, Tolerance};
pub use fokker_score_net::Output;
pub use gap::gap;
pub use import::{Imported, import};
pub use mixture_spec::{ComponentSpec, MixtureSpec};
pub use modes::{EDGE, ModeShares, Modes, modes_table};
pub use points_file::FileMark;
pub use points_spec::{Column, ImageSize, PointsSpec};
pub use polygons_spec::PolygonsSpec;
pub use progress::{Event, Progress, Silent};
pub use protocol::Protocol;
pub use report::report;
pub use residual_report::{Precision, ResidualReport, residual_at, residual_report};
pub use ron_file::ConfigError;
pub use run::run;
pub use run_folder::RunFolder;
pub use sample::{Method, sample_checkpoint};
pub use sampling::{NoiseWeight, Sampling, Solving};
pub use side::DistanceKind;
pub use summary::Summary;
pub use target_source::TargetSource;
pub use target_spec::{NoiseSpec, PinwheelSpec, SpiralsSpec, StudentTSpec, TargetSpec};
pub use template::{Preset, named_diffusions, template, tuned_weights};
pub(crate) use train::MetricsLine;
pub use tune::{Candidate, JudgedAt, Tuned, tune};

/// The code of the README is a test.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
