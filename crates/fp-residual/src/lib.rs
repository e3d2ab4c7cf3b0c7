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

mod collocation;
mod denoising;
mod estimate;
mod objective;
mod ordered_sum;
mod residual;

pub use collocation::CollocationBox;
pub use denoising::{DenoisingBatch, TimeLaw, mean_denoising_error};
pub use estimate::Estimate;
pub use objective::{Losses, Objective, ObjectiveError};
pub use residual::{mean_squared_residual, residual, residual_of_jet};

/// Refuses a number that is not of a usable size while a file is being read, so that the error knows its
/// place.
fn positive<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = <f64 as serde::Deserialize>::deserialize(deserializer)?;
    if (1e-9..=1e9).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom("must be between 1e-9 and 1e9"))
    }
}
