use dfdx::prelude::{HasShape, NoneTape, Tensor, TensorFromVec};
use fokker_sde_core::{Purpose, StreamRng, Streams};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::error::backend;
use crate::{Element, NetworkError};

/// A matrix of dfdx.
pub type Matrix<E, T = NoneTape> = Tensor<(usize, usize), E, <E as Element>::Device, T>;

/// One array of parameters of a network: its name in files, its shape and the law that it is drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// The name.
    pub name: String,
    /// One length, or two: rows and columns. A layer gets it as a matrix, one length `n` as `[1, n]`.
    pub shape: Vec<usize>,
    /// The law of its entries before training.
    pub initial: Initial,
    /// Whether training changes it.
    pub trained: bool,
}

/// The law of the entries of a [`Parameter`] before training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Initial {
    /// Uniform on `±bound`.
    Uniform {
        /// The bound.
        bound: f64,
    },
    /// Normal with mean 0.
    Normal {
        /// The standard deviation.
        std: f64,
    },
    /// This number.
    Constant(f64),
}

impl Parameter {
    /// The weight `[outputs, inputs]` and the bias `[outputs]` of an affine map, uniform on `±1/√inputs` as
    /// PyTorch's `Linear` starts.
    pub fn affine(name: &str, inputs: usize, outputs: usize) -> [Self; 2] {
        let initial = Initial::Uniform { bound: 1.0 / (inputs as f64).sqrt() };
        [("weight", vec![outputs, inputs]), ("bias", vec![outputs])].map(|(part, shape)| Self {
            name: format!("{name}.{part}"),
            shape,
            initial,
            trained: true,
        })
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What stands before the last dot of the name: the layer.
    pub(crate) fn layer(&self) -> &str {
        self.name.rsplit_once('.').map_or(&self.name, |(layer, _)| layer)
    }

    fn draw<E: Element>(&self, rng: &mut StreamRng) -> impl Iterator<Item = E> {
        let entry = move || match self.initial {
            Initial::Uniform { bound } => rng.random_range(-bound..bound),
            Initial::Normal { std } => {
                let normal: f64 = StandardNormal.sample(rng);
                std * normal
            }
            Initial::Constant(value) => value,
        };
        std::iter::repeat_with(entry).map(E::of).take(self.len())
    }

    /// The parameter as a matrix of given entries.
    pub(crate) fn matrix<E: Element>(
        &self,
        device: &E::Device,
        entries: &[E],
    ) -> Result<Matrix<E>, NetworkError> {
        let columns = self.shape.last().copied().unwrap_or(1);
        let shape = (entries.len() / columns.max(1), columns);
        device.try_tensor_from_vec(entries.to_vec(), shape).map_err(backend)
    }
}

/// The entries of all parameters, one after the other, before training. The parameters of the layer `k`, in the
/// order in which layers are first named, are drawn from the stream `(Weights, k, 0)`.
pub(crate) fn draw<E: Element>(parameters: &[Parameter], streams: Streams) -> Vec<E> {
    let mut entries = Vec::new();
    let mut rng = streams.rng(Purpose::Weights, 0, 0);
    let (mut layer, mut index) = (None, 0);
    for parameter in parameters {
        if layer.is_some_and(|layer| layer != parameter.layer()) {
            index += 1;
            rng = streams.rng(Purpose::Weights, index, 0);
        }
        layer = Some(parameter.layer());
        entries.extend(parameter.draw::<E>(&mut rng));
    }
    entries
}

/// The entries of a matrix, row by row.
pub(crate) fn entries<E: Element>(matrix: &Matrix<E>) -> Vec<E> {
    let &(rows, columns) = matrix.shape();
    let mut entries = vec![E::zero(); rows * columns];
    matrix.copy_into(&mut entries);
    entries
}
