//! Score and potential networks: scores, jets, parameter gradients of losses of jets, checkpoints.
//!
//! A network `φ_θ(x, t)` is a log-density up to a function of `t`; its score is `s_θ = ∇φ_θ`. A *jet* is its
//! value with the derivatives `∂_x1 … ∂_xd`, `∂_t` and the Laplacian.
//!
//! In single precision fused kernels evaluate scores and jets, and losses of jets with their parameter
//! gradients ([`ScoreNetwork::add_loss`]), on the vector instructions of the machine ([`InstructionSet`]). The
//! reference is dfdx, which differentiates in reverse mode only, once: derivatives in `x` and `t` are carried
//! forward through the layers in operations on its tape, so that one reverse pass gives the parameter
//! gradients of a loss that contains second derivatives ([`LayerJet`]). [`Backend`] selects.
//!
//! ```
//! use fokker_score_net::ScoreNetwork;
//! use fokker_sde_core::{Score, Streams};
//!
//! // The network of Deveney et al. (2025): 3-80-80-80-1, Softplus with β = 100.
//! let network = ScoreNetwork::<f32>::paper(Streams::new(0))?;
//! assert_eq!(network.parameter_count(), 13_361);
//! let x = ndarray::array![[0.5, -1.0], [2.0, 0.0]];
//! let mut score = ndarray::Array2::zeros((2, 2));
//! network.score(0.1, x.view(), score.view_mut())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod activation;
mod architecture;
mod average;
mod checkpoint;
mod element;
mod error;
mod evaluate;
mod head;
mod jet;
mod kernel;
mod layer;
mod loss;
mod network;
mod optimizer;
mod parameters;
mod prediction;
mod state_dict;
mod time_input;

pub use activation::{Activation, ActivationFunction, CustomActivation, Sin, Softplus};
pub use architecture::{Architecture, FourierFeatures};
pub use average::WeightAverage;
pub use checkpoint::{Checkpoint, CheckpointError};
pub use element::Element;
pub use error::NetworkError;
pub use head::{Head, Output};
pub use jet::{Derivatives, JetTape, LayerJet, Layout, VectorDerivatives, VectorJet};
pub use kernel::InstructionSet;
pub use layer::{Layer, Stack};
pub use loss::{Loss, Scalar, VectorLoss};
pub use network::{Backend, Gradient, ScoreNetwork};
pub use optimizer::{Adam, Optimizer, OptimizerKind, Soap};
pub use parameters::{Initial, Matrix, Parameter};
pub use prediction::Prediction;
pub use state_dict::StateDict;
pub use time_input::TimeInput;
