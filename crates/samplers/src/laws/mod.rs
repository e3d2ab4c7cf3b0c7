//! The laws of reverse processes on a grid of cells, in one and two dimensions, without sampling noise.
//!
//! With `τ = T − t` the law `p` of the process `dX = [f − ½(1 + λ²) g² s] dt + λ g dW̄` solves
//!
//! `∂_τ p = −∇·(v p) + ½ λ² g² Δp` with `v = −f + ½(1 + λ²) g² s`:
//!
//! for `λ = 0` the continuity equation of the probability-flow ODE, for `λ = 1` the Fokker–Planck equation of
//! the reverse-time SDE.
//!
//! **Unknowns** are the masses of cells: a finite-volume scheme (LeVeque, *Finite volume methods for
//! hyperbolic problems*, 2002). What leaves a cell arrives in another and walls let nothing through.
//!
//! **In time** a step of length `Δt` is Strang's splitting `X(½) Y(½) D(1) Y(½) X(½)` (SIAM J. Numer. Anal. 5
//! (1968)) into motion along either axis and diffusion, with the coefficients and the score in the middle of
//! the step. The score is hence asked once per step, and neither at `T` nor at the last time: a grid may
//! end at 0 although the score of a density with edges is not finite there.
//!
//! **Motion along an axis** is conservative and semi-Lagrangian: the faces of a cell are followed back, and
//! the mass between the places where they came from is the cell's new one (Filbet, Sonnendrücker and
//! Bertrand, J. Comput. Phys. 172 (2001); Crouseilles, Mehrenberger and Sonnendrücker, J. Comput. Phys. 229
//! (2010)). The velocity at faces is interpolated by cubics from that in centres and linear in each cell, so
//! that points are followed in closed form and never overtake each other; the mass in a cell is the parabola
//! of Colella and Woodward (J. Comput. Phys. 54 (1984)), drawn towards its mean where it would be negative
//! (Zhang and Shu, J. Comput. Phys. 229 (2010)). No Courant number limits the step, and nothing
//! flattens maxima, as limiters that keep a solution monotone do (van Leer, J. Comput. Phys. 32 (1979)): at a
//! jump of the density it may overshoot, but stays positive.
//!
//! **Diffusion** is the semigroup of the discrete Laplacian, exactly: the convolution with `e^{−z} I_k(z)`
//! between mirrors, `z = λ² g² Δt/h²` (Lindeberg, IEEE Trans. PAMI 12 (1990)). Positive for any `z`.
//!
//! ```
//! use fokker_samplers::{CellGrid, LawSolver, ReverseProcess, Unobserved};
//! use fokker_sde_core::{GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck};
//!
//! let sde = OrnsteinUhlenbeck::PAPER;
//! let data = GaussianMixture::new(vec![(0.5, vec![-1.0], 0.1), (0.5, vec![1.0], 0.1)])?;
//! let score = MixtureMarginals::new(data.clone(), sde);
//! let times = GridRule::LogSnr { steps: 200, t_min: Some(1e-3) }.grid(&sde)?;
//! let solver = LawSolver::new(CellGrid::line(-4.0, 4.0, 256)?);
//! let law = solver.solve::<f64>(&score, &sde, ReverseProcess::SDE, &times, &mut Unobserved)?;
//! let centre = solver.grid.axes()[0].centre(160);
//! assert!((law.density()[160] / data.log_density(&[centre]).exp() - 1.0).abs() < 0.01);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cell_grid;
mod departures;
mod error;
mod gaussian;
mod grid_law;
mod heat;
mod lines;
mod observer;
mod remap;
mod solver;
mod velocity;

pub use cell_grid::{CellAxis, CellGrid, CellGridError};
pub use error::LawError;
pub use grid_law::{GridLaw, LawStatistics};
pub use observer::LawObserver;
pub use solver::LawSolver;
