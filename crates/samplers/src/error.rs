use fokker_sde_core::BatchError;

/// Why no samples were returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// A particle left the numbers: the earliest step at which one did, and of its particles the one
    /// of lowest index.
    #[error("particle {particle} is at {state:?} after step {step}, at t = {t}")]
    NotFinite {
        /// The step, from 0.
        step: usize,
        /// The time after that step.
        t: f64,
        /// The index of the particle.
        particle: usize,
        /// Its coordinates.
        state: Vec<f64>,
    },
    /// The score could not be evaluated.
    #[error(transparent)]
    Score(#[from] BatchError),
    /// The observer asked to stop.
    #[error("sampling was cancelled")]
    Cancelled,
}

impl SamplingError {
    /// Of two errors from different blocks the one to report, whichever was found first.
    pub(crate) fn earlier(self, other: Self) -> Self {
        let place = |error: &Self| match error {
            Self::NotFinite { step, particle, .. } => (1, *step, *particle),
            Self::Score(_) => (0, 0, 0),
            Self::Cancelled => (2, 0, 0),
        };
        if place(&other) < place(&self) { other } else { self }
    }
}
