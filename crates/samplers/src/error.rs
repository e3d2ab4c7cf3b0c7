use fokker_sde_core::{BatchError, SdeError};
use ndarray::Array2;

use crate::Solver;

/// Why no samples were returned.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SamplingError {
    /// A particle left the numbers: the earliest step at which one did, and of its particles the one
    /// of lowest index. Adaptive steps are counted in each block for itself.
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
    /// The diffusion has no time of a log-SNR between two of its times.
    #[error(transparent)]
    Diffusion(#[from] SdeError),
    /// The weight of the noise is negative, too large or no number at some time.
    #[error("the weight λ of the noise is {lambda} at t = {t}, but must be at least 0 and at most {LARGEST:e}", LARGEST = crate::ReverseProcess::LARGEST_LAMBDA)]
    Lambda {
        /// The time.
        t: f64,
        /// The weight there.
        lambda: f64,
    },
    /// The solver is one for the ODE alone, or for weights of the noise up to 1.
    #[error(
        "the solver `{solver}` is for {allowed}, but at t = {t} λ is {lambda}; {} solve all processes",
        for_all()
    )]
    Process {
        /// The solver.
        solver: Solver,
        /// The processes it solves.
        allowed: &'static str,
        /// The time.
        t: f64,
        /// The weight of the noise there.
        lambda: f64,
    },
    /// The solver has no error estimate to choose its steps by.
    #[error(
        "the solver `{solver}` takes the steps of a grid: it has no estimate of its error to keep within a tolerance, as {} have",
        adaptive()
    )]
    NotAdaptive {
        /// The solver.
        solver: Solver,
    },
    /// Trajectories at the times of a grid were asked for, but with a tolerance steps are not those of the grid.
    #[error(
        "trajectories are taken at the times of the grid, which `{solver}` with a tolerance does not step on"
    )]
    NotOnGrid {
        /// The solver.
        solver: Solver,
    },
    /// The solver is no Runge–Kutta method.
    #[error("a flow is solved by a Runge–Kutta method, which `{solver}` is not")]
    NotRungeKutta {
        /// The solver.
        solver: Solver,
    },
    /// The times of a flow do not all rise or all fall, or are not times of the diffusion.
    #[error(
        "time {index} of the flow is {t}: its times must rise, or fall, between 0 and the horizon {horizon}"
    )]
    Times {
        /// The index of the time.
        index: usize,
        /// The time.
        t: f64,
        /// The horizon.
        horizon: f64,
    },
    /// A flow was asked for a time that it does not go through.
    #[error("the flow goes from t = {from} to {to}, not through {t}")]
    Outside {
        /// What was asked for.
        t: f64,
        /// Where it starts.
        from: f64,
        /// Where it ends.
        to: f64,
    },
    /// A tolerance is not a positive number.
    #[error(
        "the {which} tolerance is {value}, but must be finite, not negative, and one of the two positive"
    )]
    Tolerance {
        /// `absolute` or `relative`.
        which: &'static str,
        /// Its value.
        value: f64,
    },
    /// The steps that a tolerance asks for are too small for the numbers, or too many.
    #[error(
        "the block of particle {particle} cannot keep the tolerance at t = {t}: the step is down to {step} after {steps} steps"
    )]
    StepTooSmall {
        /// The first particle of the block.
        particle: usize,
        /// The time.
        t: f64,
        /// The step that was asked for.
        step: f64,
        /// The steps taken before.
        steps: usize,
    },
    /// A grid that does not end at 0 has no last step to be denoised.
    #[error("the last step is to denoise, but the grid ends at t = {t} instead of 0")]
    NothingToDenoise {
        /// The last time of the grid.
        t: f64,
    },
    /// A grid of one step, which is taken in a way of its own, leaves none for a tolerance.
    #[error(
        "the grid has one step, taken as the last one, so that there is none to keep within a tolerance: give it more, or another last step"
    )]
    NothingAdaptive,
    /// The solver asks for the score at the end of the last step, where this one is not finite.
    #[error(
        "the solver `{solver}` asks for the score at t = {t}, where it is not finite: take the last step to denoise or noise-free, or end the grid earlier"
    )]
    InfiniteAtEnd {
        /// The solver.
        solver: Solver,
        /// The last time of the grid.
        t: f64,
    },
    /// The grid starts beyond the horizon of the diffusion.
    #[error("the grid starts at t = {t}, beyond the horizon {horizon}")]
    BeyondHorizon {
        /// The first time of the grid.
        t: f64,
        /// The horizon.
        horizon: f64,
    },
    /// The observer asked to stop.
    #[error("sampling was cancelled after {} particles had arrived", finished.nrows())]
    Cancelled {
        /// The particles that had arrived, `[m, d]`: of whole blocks, in the order of their indices.
        finished: Array2<f64>,
    },
}

/// The solvers that have an estimate of their error.
fn adaptive() -> String {
    names(|solver| solver.properties().adaptive)
}

/// The solvers of processes with any noise.
fn for_all() -> String {
    names(|solver| solver.largest_lambda() == f64::INFINITY)
}

fn names(chosen: impl Fn(Solver) -> bool) -> String {
    let names: Vec<&str> = Solver::ALL
        .into_iter()
        .filter(|solver| chosen(*solver))
        .map(|solver| solver.properties().name)
        .collect();
    names.join(", ")
}
