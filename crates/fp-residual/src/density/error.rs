use fokker_sde_core::{BatchError, SdeError, TimeGridError};

/// Why there is no estimate at a point: what it would be is decided by a few paths.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error(
    "only {effective:.1} of {paths} paths count, but {needed} are needed: the weights spread too much"
)]
pub struct Withheld {
    /// The effective number of paths.
    pub effective: f64,
    /// The number that was asked for.
    pub needed: f64,
    /// The number of paths.
    pub paths: usize,
}

/// Why densities could not be estimated at all.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum DensityError {
    /// A parameter is out of its range.
    #[error("the {what} must be {rule}, but is {value}")]
    Parameter {
        /// Which parameter.
        what: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What it is.
        value: f64,
    },
    /// There is nothing between this time and the horizon, or it is no time.
    #[error("densities are for times from 0 to before the horizon {horizon}, not for {t}")]
    Time {
        /// The time.
        t: f64,
        /// The horizon.
        horizon: f64,
    },
    /// The residual or the potential is not finite: of the earliest block of paths the earliest step.
    #[error(
        "the potential or its residual is not finite at {place:?}, t = {t}, on a path from point {point}"
    )]
    NotFinite {
        /// The index of the point where the path starts.
        point: usize,
        /// The time.
        t: f64,
        /// Where the path is.
        place: Vec<f64>,
    },
    /// The potential could not be evaluated.
    #[error(transparent)]
    Potential(#[from] BatchError),
    /// The diffusion has no grid from this time.
    #[error(transparent)]
    Grid(#[from] TimeGridError),
    /// The diffusion has no such log-SNR.
    #[error(transparent)]
    Diffusion(#[from] SdeError),
}
