use fokker_sde_core::BatchError;

/// Why no law was returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LawError {
    /// The score is that of another number of coordinates.
    #[error("the score is one of {score} coordinates, the grid one of {grid}")]
    Dimension {
        /// The dimension of the score.
        score: usize,
        /// That of the grid.
        grid: usize,
    },
    /// The masses to start from have another shape than the grid.
    #[error("the masses to start from have shape {found:?}, the grid has {expected:?}")]
    Shape {
        /// The shape of the grid.
        expected: Vec<usize>,
        /// The shape of the masses.
        found: Vec<usize>,
    },
    /// A mass to start from is negative or not finite, or all of them are zero or their sum overflows.
    #[error("a law cannot start from masses of which one, or the sum, is {value}")]
    Mass {
        /// The first such mass, or else the sum.
        value: f64,
    },
    /// The score, or the velocity it gives, is not finite in the centre of a cell: of the earliest step
    /// the first cell in the order of memory.
    #[error("the score at {place:?} is {score:?} at t = {t}: no velocity is finite there")]
    NotFinite {
        /// The time, the middle of a step.
        t: f64,
        /// The centre of the cell.
        place: Vec<f64>,
        /// The score there.
        score: Vec<f64>,
    },
    /// The box is too small: its walls hold back more than was allowed.
    #[error(
        "the cells at the walls hold {share:.1e} of the mass at t = {t}, more than {most:.1e}: the box is too small"
    )]
    AtWalls {
        /// The time, the end of a step or the start of the first.
        t: f64,
        /// The mass in the outermost cells as a share of all.
        share: f64,
        /// The share that was allowed.
        most: f64,
    },
    /// The weight of the noise is not finite or negative at some time.
    #[error("the weight λ of the noise is {lambda} at t = {t}, but must be finite and at least 0")]
    Lambda {
        /// The time.
        t: f64,
        /// The weight there.
        lambda: f64,
    },
    /// The score could not be evaluated.
    #[error(transparent)]
    Score(#[from] BatchError),
    /// The observer asked to stop.
    #[error("solving for the law was cancelled")]
    Cancelled,
}
