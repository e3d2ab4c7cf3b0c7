mod custom;
mod decay;
mod gelu;
mod silu;
mod sin;
mod softplus;
mod tanh;

use serde::{Deserialize, Serialize};

use crate::Element;

pub use custom::{ActivationFunction, CustomActivation};
pub use sin::Sin;
pub use softplus::Softplus;

/// The activation function `f` of a network's hidden layers, applied to each component.
///
/// In RON files it stands as `Softplus(beta: 100.0)`, `SiLU`, `Tanh`, `Sin(omega: 30.0)`, `GELU` or
/// `Custom("its name")`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// See [`Softplus`].
    Softplus(Softplus),
    /// `f(z) = z σ(z)` with the logistic function `σ`; also called Swish.
    #[serde(rename = "SiLU")]
    Silu,
    /// `f(z) = tanh z`.
    Tanh,
    /// `f(z) = sin(ωz)`, see [`Sin`].
    Sin(Sin),
    /// `f(z) = z Φ(z)` with the distribution function `Φ` of the standard normal law, not its approximation
    /// by `tanh`.
    #[serde(rename = "GELU")]
    Gelu,
    /// A function of your own, see [`CustomActivation`].
    Custom(CustomActivation),
}

/// The names of the variants in files.
const BUILT_IN: [&str; 6] = ["Softplus", "SiLU", "Tanh", "Sin", "GELU", "Custom"];

impl Activation {
    /// `[f(z), f′(z), f″(z), f‴(z)]`; not finite if `z` is not.
    ///
    /// A jet needs two derivatives; the reverse pass through it needs the third.
    #[inline(always)]
    pub fn derivatives<E: Element>(&self, z: E) -> [E; 4] {
        match self {
            Self::Softplus(softplus) => softplus.derivatives(z),
            Self::Silu => silu::derivatives(z),
            Self::Tanh => tanh::derivatives(z),
            Self::Sin(sin) => sin.derivatives(z),
            Self::Gelu => gelu::derivatives(z),
            Self::Custom(custom) => custom.derivatives(z),
        }
    }
}

#[cfg(test)]
mod tests;
