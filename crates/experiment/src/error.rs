use std::io;
use std::path::PathBuf;

use fokker_fp_residual::{Combination, DensityError, EstimateError, ObjectiveError};
use fokker_metrics::{
    HistogramError, LineError, PairwiseError, SinkhornError, SlicedError, TransportError,
    UncertaintyError,
};
use fokker_samplers::{LawError, SamplingError};
use fokker_score_net::{CheckpointError, NetworkError};
use fokker_sde_core::{BatchError, TimeGridError};

use crate::figures::FigureError;
use crate::{ConfigError, Method};

/// Why an experiment, or a part of one, failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration was refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file cannot be read.
    #[error("cannot read {}: {source}", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", .path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is not a checkpoint.
    #[error("{}: {source}", .path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CheckpointError,
    },
    /// A trained network cannot be written.
    #[error("the trained network cannot be written to {}: {source}", .path.display())]
    Unsaved {
        /// The file.
        path: PathBuf,
        /// What is wrong with the network.
        source: CheckpointError,
    },
    /// The run folder holds a finished run.
    #[error("{} holds a finished run; use --force to replace it, or --out for another folder", .0.display())]
    Finished(PathBuf),
    /// The run folder holds an unfinished run of another experiment.
    #[error(
        "{} holds an unfinished run of another experiment; use --force to replace it, or --out for \
         another folder", .0.display()
    )]
    OtherRun(PathBuf),
    /// Another process is running into the folder.
    #[error("{} is in use by another run", .0.display())]
    InUse(PathBuf),
    /// The run folder holds something else.
    #[error("{} is not empty and holds no run of fokker; name another folder with --out", .0.display())]
    NotARunFolder(PathBuf),
    /// The experiment has no such cell.
    #[error("there is no cell `{name}`; the experiment has {}", .known.join(", "))]
    UnknownCell {
        /// What was asked for.
        name: String,
        /// The names of its cells.
        known: Vec<String>,
    },
    /// A target is none.
    #[error("target `{label}`: {reason}")]
    Target {
        /// The label of the target.
        label: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The objective makes no sense for a target.
    #[error("target `{label}`: {source}")]
    Combination {
        /// The label of the target.
        label: String,
        /// What does not fit together.
        source: Combination,
    },
    /// The file of a target is not what it was when the run was started.
    #[error(
        "{} has changed since the run in {} was started; use --force to start anew, or --out for another \
         folder", .file.display(), .run.display()
    )]
    DataChanged {
        /// The file.
        file: PathBuf,
        /// The run folder.
        run: PathBuf,
    },
    /// No cell of the run is finished.
    #[error("{} holds no finished cell yet", .0.display())]
    NothingFinished(PathBuf),
    /// What is tuned learns another number of laws than one.
    #[error("a weight is chosen for one target, but the configuration has {0}")]
    OneTarget(usize),
    /// What is tuned leaves nothing to choose.
    #[error("there is one weight, w_R = {0}, and nothing to choose: `fokker run` trains it")]
    OneWeight(f64),
    /// A time is too short.
    #[error(
        "{steps} training steps for each of {networks} networks, the fewest to compare them by, and measuring them take about {minutes} \
         minutes: give it as many, or fewer `residual_weights`"
    )]
    Budget {
        /// The number of networks.
        networks: usize,
        /// The fewest steps for each.
        steps: usize,
        /// The time that is needed.
        minutes: f64,
    },
    /// The time grid is impossible.
    #[error(transparent)]
    TimeGrid(#[from] TimeGridError),
    /// A solver does not fit its process.
    #[error("the {} cannot be sampled so: {source}", .method.as_str().to_uppercase())]
    Solver {
        /// Which of the two.
        method: Method,
        /// What does not fit.
        source: SamplingError,
    },
    /// Training failed.
    #[error("training failed: {0}")]
    Training(#[from] ObjectiveError),
    /// The network failed.
    #[error("the network failed: {0}")]
    Network(#[from] NetworkError),
    /// Sampling failed.
    #[error("sampling failed: {0}")]
    Sampling(SamplingError),
    /// The law of a sampler could not be solved for.
    #[error("the law on a grid could not be solved for: {0}")]
    Law(LawError),
    /// The density of a sampler's law could not be estimated.
    #[error("the density of the SDE's law could not be estimated: {0}")]
    Density(#[from] DensityError),
    /// The energy of the difference of two laws, or a bound, could not be estimated.
    #[error("the difference of the two laws could not be estimated: {0}")]
    Estimate(#[from] EstimateError),
    /// Evaluating the residual failed.
    #[error("evaluating the network failed: {0}")]
    Batch(#[from] BatchError),
    /// The samples make no histogram.
    #[error("the samples make no histogram: {0}")]
    Histogram(#[from] HistogramError),
    /// All samples of a model lie outside the box.
    #[error(
        "{name}: none of the {} samples lies in the box ±{extent}, so there is no distance to measure; \
         the network may need more training", .method.as_str()
    )]
    OutsideTheBox {
        /// The model.
        name: String,
        /// The sampler.
        method: Method,
        /// Half the side of the box.
        extent: f64,
    },
    /// Points that are drawn from those in the box all lie outside of it.
    #[error(
        "{name}: so few points of the samplers or of the truth lie in the box ±{extent} that a draw from them has \
         none there, so there is no interval and no floor; the network may need more training, or the box a larger \
         extent"
    )]
    FewInTheBox {
        /// The model, or the target.
        name: String,
        /// Half the side of the box.
        extent: f64,
    },
    /// A mean over a network is not finite.
    #[error("{}: {what} is {value}: the network is too large for this precision", .path.display())]
    Mean {
        /// The model.
        path: PathBuf,
        /// Which mean.
        what: &'static str,
        /// What it is.
        value: f64,
    },
    /// The distance could not be computed.
    #[error("the distance could not be computed: {0}")]
    Transport(#[from] TransportError),
    /// The distance along a line could not be computed.
    #[error("the distance could not be computed: {0}")]
    Line(#[from] LineError),
    /// The sliced distance could not be computed.
    #[error("the distance could not be computed: {0}")]
    Sliced(#[from] SlicedError),
    /// The energy distance could not be computed.
    #[error("the distance could not be computed: {0}")]
    Pairwise(#[from] PairwiseError),
    /// Sinkhorn's divergence could not be computed.
    #[error("the distance could not be computed: {0}")]
    Sinkhorn(#[from] SinkhornError),
    /// There is no noise floor or no interval.
    #[error("the uncertainty of the distance could not be computed: {0}")]
    Uncertainty(#[from] UncertaintyError),
    /// A figure could not be drawn.
    #[error("a figure could not be drawn: {0}")]
    Figure(#[from] FigureError),
    /// The work was stopped from outside.
    #[error("interrupted")]
    Cancelled,
    /// A defect of this program.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<SamplingError> for Error {
    fn from(error: SamplingError) -> Self {
        match error {
            SamplingError::Cancelled { .. } => Self::Cancelled,
            other => Self::Sampling(other),
        }
    }
}

impl From<LawError> for Error {
    fn from(error: LawError) -> Self {
        match error {
            LawError::Cancelled => Self::Cancelled,
            other => Self::Law(other),
        }
    }
}

impl Error {
    /// That of a model or target of this name, where it says that a draw of its points has none in the box.
    pub(crate) fn in_the_box_of(self, name: &str, extent: f64) -> Self {
        match self {
            Self::Uncertainty(UncertaintyError::Histogram(HistogramError::Empty { .. }))
            | Self::Histogram(HistogramError::Empty { .. }) => {
                Self::FewInTheBox { name: name.to_owned(), extent }
            }
            other => other,
        }
    }

    /// Whether the fault lies in what the user gave (exit code 2), not in the work (exit code 1).
    pub fn is_bad_input(&self) -> bool {
        if let Self::Write { source, .. } = self {
            // A place that cannot be written is bad input; a disk that fills up is not.
            use io::ErrorKind::{
                AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied,
                ReadOnlyFilesystem,
            };
            return [
                AlreadyExists,
                IsADirectory,
                NotADirectory,
                NotFound,
                PermissionDenied,
                ReadOnlyFilesystem,
            ]
            .contains(&source.kind());
        }
        match self {
            Self::Transport(error) => {
                return !matches!(
                    error,
                    TransportError::Pivots { .. } | TransportError::Certificate(_)
                );
            }
            Self::Sinkhorn(error) => return !matches!(error, SinkhornError::NotConverged { .. }),
            _ => {}
        }
        matches!(
            self,
            Self::Config(_)
                | Self::Solver { .. }
                | Self::Line(_)
                | Self::Sliced(_)
                | Self::Pairwise(_)
                | Self::Target { .. }
                | Self::Combination { .. }
                | Self::DataChanged { .. }
                | Self::Uncertainty(_)
                | Self::Read { .. }
                | Self::Content { .. }
                | Self::Checkpoint { .. }
                | Self::Finished(_)
                | Self::OtherRun(_)
                | Self::InUse(_)
                | Self::NotARunFolder(_)
                | Self::UnknownCell { .. }
                | Self::NothingFinished(_)
                | Self::OneTarget(_)
                | Self::OneWeight(_)
                | Self::Budget { .. }
                | Self::TimeGrid(_)
                | Self::Network(NetworkError::InstructionSet { .. })
        )
    }
}
