use fokker_sde_core::BatchError;

/// Why a network could not be built or evaluated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NetworkError {
    /// A width, or the dimension of the points, is 0.
    #[error("{what} of a network must be at least 1")]
    Empty {
        /// What is 0.
        what: &'static str,
    },
    /// A width, the dimension of the points or the number of layers is beyond all use.
    #[error("{what} of a network is {value}, at most {limit} is possible")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its value.
        value: usize,
        /// The largest value.
        limit: usize,
    },
    /// The sharpness β of a Softplus is out of its range.
    #[error("the sharpness β of a Softplus must be between 1e-6 and 1e6, but is {0:?}")]
    Sharpness(f64),
    /// The threshold of a Softplus is out of its range.
    #[error("the threshold of a Softplus must be at least 1, but is {0:?}")]
    Threshold(f64),
    /// The frequency ω of a Sin is out of its range.
    #[error("the frequency ω of a Sin must be between 1e-3 and 1e3, but is {0:?}")]
    Frequency(f64),
    /// The name of an activation to be registered is empty, or stands for another one.
    #[error("`{0}` cannot name an activation of your own: the name is {why}", why = taken(.0))]
    ActivationName(String),
    /// No activation of this name was registered.
    #[error("no activation is registered as `{name}`; there is {}", list(.known))]
    UnknownActivation {
        /// The name given.
        name: String,
        /// The names of those that were.
        known: Vec<String>,
    },
    /// The number of parameters does not fit the shape.
    #[error("a network of this shape has {expected} parameters, but {found} were given")]
    ParameterCount {
        /// How many the shape has.
        expected: usize,
        /// How many were given.
        found: usize,
    },
    /// The standard deviation of the data of a preconditioned network is out of its range.
    #[error("the standard deviation of the data must be between 1e-6 and 1e6, but is {0:?}")]
    DataStd(f64),
    /// The standard deviation of the frequencies of Fourier features is out of its range.
    #[error("the scale of Fourier features must be between 1e-6 and 1e6, but is {0:?}")]
    FourierScale(f64),
    /// Layers do not fit together.
    #[error("the {what} of a layer has {found} units where {expected} are needed")]
    Width {
        /// Where.
        what: &'static str,
        /// The width that fits.
        expected: usize,
        /// The width found.
        found: usize,
    },
    /// The network returns something else than what is asked for.
    #[error("the network is no {}", match .needed {
        crate::Output::Potential => "potential: its score need not be a gradient",
        crate::Output::Vector => "vector score but a potential",
    })]
    Output {
        /// What is asked for.
        needed: crate::Output,
    },
    /// The machine does not have the vector instructions asked for.
    #[error(
        "`{name}` is no instruction set of this machine, which has {}; it is selected by the \
         environment variable {}", .available.join(", "), crate::InstructionSet::VARIABLE
    )]
    InstructionSet {
        /// The name given.
        name: String,
        /// The names of those that the machine has.
        available: Vec<&'static str>,
    },
    /// The points do not fit the network.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The tensor library failed.
    #[error("the tensor library failed: {0}")]
    Backend(String),
}

/// Why a name is refused.
fn taken(name: &str) -> &'static str {
    if name.is_empty() { "empty" } else { "taken" }
}

/// Names in a sentence.
fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

impl From<NetworkError> for BatchError {
    fn from(error: NetworkError) -> Self {
        match error {
            NetworkError::Batch(error) => error,
            other => Self::Backend(other.to_string()),
        }
    }
}

/// Wraps an error of dfdx, whose types no other crate is to know.
pub(crate) fn backend(error: impl std::fmt::Display) -> NetworkError {
    NetworkError::Backend(error.to_string())
}
