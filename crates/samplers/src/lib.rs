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
//! ```
//! use fokker_samplers::{EulerMaruyama, ReverseProcess, Unobserved};
//! use fokker_sde_core::{GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck, Streams};
//!
//! let sde = OrnsteinUhlenbeck::PAPER;
//! let score = MixtureMarginals::new(GaussianMixture::nine_components(), sde);
//! let grid = GridRule::TwoLevel { coarse: 79, fine: 10 }.grid(&sde)?;
//! let solver = EulerMaruyama { process: ReverseProcess::SDE, noise_free_last_step: true };
//! let samples = solver.sample::<f64>(&score, &sde, &grid, 1000, Streams::new(0), &Unobserved)?;
//! assert_eq!(samples.dim(), (1000, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod error;
mod euler_maruyama;
pub mod laws;
mod observer;
mod process;

pub use error::SamplingError;
pub use euler_maruyama::EulerMaruyama;
pub use laws::{
    CellAxis, CellGrid, CellGridError, GridLaw, LawError, LawObserver, LawSolver, LawStatistics,
};
pub use observer::{Observer, Unobserved};
pub use process::ReverseProcess;
