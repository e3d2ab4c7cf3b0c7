mod softplus;

use serde::{Deserialize, Serialize};

use crate::Element;

pub use softplus::Softplus;

/// The activation function `f` of a network's hidden layers, applied to each component.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// See [`Softplus`].
    Softplus(Softplus),
}

impl Activation {
    /// `[f(z), f′(z), f″(z), f‴(z)]`.
    ///
    /// A jet needs two derivatives; the reverse pass through it needs the third.
    #[inline(always)]
    pub fn derivatives<E: Element>(&self, z: E) -> [E; 4] {
        match self {
            Self::Softplus(softplus) => softplus.derivatives(z),
        }
    }
}
