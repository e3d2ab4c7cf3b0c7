//! Solvers for the reverse-time processes of a diffusion, over batches of particles. They know a
//! [`Score`](fokker_sde_core::Score) and nothing else of a model.
//!
//! The family of [`ReverseProcess`]es, written with the forward time `t` running from `T` down,
//!
//! `dX = [f − ½(1 + λ²) g² s] dt + λ g dW̄`,
//!
//! holds the probability-flow ODE (`λ = 0`) and the reverse-time SDE (`λ = 1`). With the exact score
//! every member has the marginals `p_t` of the forward process; with a learned one each has its own.
//! In one and two dimensions [`laws`] solves for them on a grid, without sampling noise.
//!
//! How a process is solved is the matter of a [`Solver`] and a time grid, joined in a [`Sampler`].

mod brownian;
mod cost;
mod dynamics;
mod error;
mod flow;
pub mod laws;
mod noise;
mod observer;
mod process;
mod sampler;
mod scheme;
mod solver;
mod step_control;
mod trajectory;

pub use cost::Cost;
pub use error::SamplingError;
pub use flow::Flow;
pub use laws::{
    CellAxis, CellGrid, CellGridError, GridLaw, LawError, LawObserver, LawSolver, LawStatistics,
};
pub use noise::Noise;
pub use observer::{Observer, Unobserved};
pub use process::ReverseProcess;
pub use sampler::{LastStep, Sampler, Samples};
pub use solver::{Properties, Solver, UnknownSolver};
pub use step_control::Tolerance;
pub use trajectory::Trajectory;
