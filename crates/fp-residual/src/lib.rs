//! The Fokker–Planck residual of a potential, denoising score matching, and the training objective
//! that joins them.
//!
//! For the forward process `dX = f dt + g dW` the log-density `φ = log p` solves `ε = 0` with the
//! *residual*
//!
//! `ε = ∂_t φ + ∇·f + f·∇φ − ½ g² (Δφ + |∇φ|²)`.
//!
//! A learned potential does not; how `ε` varies in `x` is what makes the laws of its
//! probability-flow ODE and its reverse-time SDE differ. The [`Objective`] penalises `mean ε²`.
//!
//! Of a finished model [`Energy`] measures that difference, [`lipschitz_bound`] and [`pathwise_bound`] make of it
//! bounds on the Wasserstein-2 distance between the two laws, [`Rotation`] says how much of a score is no gradient,
//! and [`VariationalBound`] how far the SDE's law can be from the data.
//!
//! ```
//! use fokker_fp_residual::residual;
//! use fokker_sde_core::{GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck};
//! use ndarray::array;
//!
//! let sde = OrnsteinUhlenbeck::default();
//! let exact = MixtureMarginals::new(GaussianMixture::nine_components(), sde);
//! let (t, x) = (array![0.1, 2.0], array![[0.3, -1.2], [1.0, 2.0]]);
//! let epsilon = residual(&exact, &sde, t.view(), x.view())?;
//! assert!(epsilon.iter().all(|e: &f64| e.abs() < 1e-10));
//! # Ok::<(), fokker_sde_core::BatchError>(())
//! ```

mod bound;
mod checked;
mod collocation;
mod combination;
mod conditions;
mod denoising;
mod density;
mod energy;
mod estimate;
mod estimate_error;
mod form;
mod forward_path;
mod jacobian;
mod objective;
mod ordered_sum;
mod posterior;
mod residual;
mod rotation;
mod times;
mod trajectories;
mod trapezoid;
mod variational;
mod vector_form;
mod work;

pub use bound::{
    Growth, LipschitzRule, WassersteinBound, growth_exponents, lipschitz_bound, pathwise_bound,
};
pub use collocation::{Collocation, Shares};
pub use combination::Combination;
pub use conditions::Conditions;
pub use denoising::{DenoisingBatch, DenoisingWeight, mean_denoising_error};
pub use density::{CorrectionGradient, DensityError, LogDensity, SdeDensity, Withheld};
pub use energy::{Energy, ResidualMoments};
pub use estimate::Estimate;
pub use estimate_error::EstimateError;
pub use form::{LaplacianRule, ResidualForm, ResidualWeight};
pub use jacobian::{one_sided_lipschitz, score_jacobian};
pub use objective::{Denoising, Losses, Objective, ObjectiveError, Residual};
pub use residual::{mean_squared_residual, residual, residual_of_jet};
pub use rotation::{Rotation, curl_norms, rotation_norms};
pub use times::{TimeDensity, TimeImportance, TimeLaw, TimeMoments};
pub use variational::VariationalBound;
