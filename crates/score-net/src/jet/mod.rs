//! The jet of a network on dfdx's tape.

mod epilogue;
mod layer_jet;
mod layout;
mod read;
mod tape;
mod vector;

use ndarray::ArrayView3;

pub use layer_jet::LayerJet;
pub use layout::Layout;
pub(crate) use read::JetReader;
pub use tape::JetTape;
pub use vector::{VectorDerivatives, VectorJet};
pub(crate) use vector::{lift_vector, pull_vector};

/// Which derivatives of a potential a jet carries; fewer cost less.
#[derive(Debug, Clone, Copy)]
pub enum Derivatives<'a, E> {
    /// `∇φ`: what denoising score matching needs. Of a network for vector scores, `s`.
    Gradient,
    /// `φ`, `∇φ` and `∂_t φ`; in the place of the Laplacian stands what the network's
    /// [`Prediction`](crate::Prediction) adds to it.
    First,
    /// `φ`, `∇φ`, `∂_t φ` and `Δφ`: what the Fokker–Planck residual needs.
    All,
    /// The same with the Laplacian of the network estimated along `p` probe vectors `v` at each point, `[p, n, d]`, by
    /// the mean of `v·∇²φ v`: unbiased if `E v vᵀ = I`, with `p` channels instead of `d`. What the network's
    /// [`Prediction`](crate::Prediction) adds to it is exact. Source: Hutchinson, *A stochastic estimator of the trace
    /// of the influence matrix*, Communications in Statistics 18 (1989).
    Along(ArrayView3<'a, E>),
}

impl<E> Derivatives<'_, E> {
    /// The same for a shorter time: views of arrays do not shrink by themselves.
    pub(crate) fn view(&self) -> Derivatives<'_, E> {
        match self {
            Self::Gradient => Derivatives::Gradient,
            Self::First => Derivatives::First,
            Self::All => Derivatives::All,
            Self::Along(probes) => Derivatives::Along(probes.view()),
        }
    }

    /// Whether there are others than the gradient.
    pub(crate) fn second(&self) -> bool {
        !matches!(self, Self::Gradient)
    }
}
