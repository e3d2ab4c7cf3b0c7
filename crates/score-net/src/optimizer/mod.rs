//! Rules that make steps of gradients.

mod adam;
mod layer_matrix;
mod soap;

use serde::{Deserialize, Serialize};

pub use adam::Adam;
pub use soap::Soap;

use crate::{Element, Gradient, NetworkError, ScoreNetwork};

/// The rules, as configurations name them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OptimizerKind {
    /// [`Adam`].
    #[default]
    Adam,
    /// [`Soap`].
    Soap,
}

/// A rule with what it knows of the gradients so far.
#[derive(Debug, Clone, PartialEq)]
pub enum Optimizer<E: Element> {
    /// See [`Adam`].
    Adam(Adam<E>),
    /// See [`Soap`].
    Soap(Soap<E>),
}

impl<E: Element> Optimizer<E> {
    /// The rule before the first step.
    pub fn new(kind: OptimizerKind) -> Self {
        Self::resume(kind, 0, |_| None)
    }

    /// The rule as it was after `steps` steps, with the arrays of [`Optimizer::arrays`] by their names.
    pub fn resume(
        kind: OptimizerKind,
        steps: u32,
        mut array: impl FnMut(&'static str) -> Option<Vec<E>>,
    ) -> Self {
        let mut get = |name| array(name).unwrap_or_default();
        match kind {
            OptimizerKind::Adam => Self::Adam(Adam::resume(steps, Adam::<E>::ARRAYS.map(get))),
            OptimizerKind::Soap => Self::Soap(Soap::resume(steps, Soap::<E>::ARRAYS.map(&mut get))),
        }
    }

    /// All that steps to come depend on beside the number of steps: named arrays, empty before the first step.
    pub fn arrays(&self) -> Vec<(&'static str, &[E])> {
        fn named<'a, E, const N: usize>(
            names: [&'static str; N],
            arrays: &'a [Vec<E>; N],
        ) -> Vec<(&'static str, &'a [E])> {
            names.into_iter().zip(arrays.iter().map(Vec::as_slice)).collect()
        }
        match self {
            Self::Adam(adam) => named(Adam::<E>::ARRAYS, adam.arrays()),
            Self::Soap(soap) => named(Soap::<E>::ARRAYS, soap.arrays()),
        }
    }

    /// One step of size `learning_rate` against `gradient`.
    ///
    /// # Errors
    /// If the gradient, or that of an earlier step, is not one of this network.
    pub fn update(
        &mut self,
        network: &mut ScoreNetwork<E>,
        gradient: &Gradient<E>,
        learning_rate: f64,
    ) -> Result<(), NetworkError> {
        match self {
            Self::Adam(adam) => adam.update(network, gradient, learning_rate),
            Self::Soap(soap) => soap.update(network, gradient, learning_rate),
        }
    }
}
