use std::sync::{Arc, Once, OnceLock};

use dfdx::prelude::{Axes2, Gradients, HasShape, PermuteTo, Tensor, TensorFromVec};
use fokker_sde_core::{Purpose, Streams};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::error::backend;
use crate::kernel::{InstructionSet, Kernel};
use crate::{Activation, Element, NetworkError, Softplus};

/// The shape of an [`Mlp`]: everything about it but its parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Mlp", deny_unknown_fields)]
pub struct MlpShape {
    /// The dimension `d` of a point.
    pub dim: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The activation after each hidden layer.
    pub activation: Activation,
}

impl MlpShape {
    /// The network of Deveney et al. (2025): two dimensions, three hidden layers of 80, Softplus with
    /// β = 100; 13 361 parameters.
    pub fn paper() -> Self {
        Self { dim: 2, hidden: vec![80; 3], activation: Activation::Softplus(Softplus::PAPER) }
    }

    /// `(inputs, outputs)` of each layer: `d + 1` inputs `[t, x_1 … x_d]` first, 1 output last.
    ///
    /// # Errors
    /// If the dimension, the number of hidden layers or a width is 0 or too large.
    pub fn layers(&self) -> Result<Vec<(usize, usize)>, NetworkError> {
        let empty = [
            (self.dim == 0, "the dimension of the points"),
            (self.hidden.is_empty(), "the number of hidden layers"),
            (self.hidden.contains(&0), "every width"),
        ];
        if let Some((_, what)) = empty.into_iter().find(|(empty, _)| *empty) {
            return Err(NetworkError::Empty { what });
        }
        let widest = self.hidden.iter().copied().max().unwrap_or(0);
        let sizes = [
            ("the dimension of the points", self.dim, 1 << 16),
            ("the number of hidden layers", self.hidden.len(), 1 << 10),
            ("the largest width", widest, 1 << 16),
        ];
        if let Some((what, value, limit)) = sizes.into_iter().find(|(_, size, limit)| size > limit)
        {
            return Err(NetworkError::TooLarge { what, value, limit });
        }
        let inputs = std::iter::once(self.dim + 1).chain(self.hidden.iter().copied());
        let outputs = self.hidden.iter().copied().chain([1]);
        Ok(inputs.zip(outputs).collect())
    }
}

pub(crate) type Matrix<E, T = dfdx::prelude::NoneTape> =
    Tensor<(usize, usize), E, <E as Element>::Device, T>;
pub(crate) type Vector<E, T = dfdx::prelude::NoneTape> =
    Tensor<(usize,), E, <E as Element>::Device, T>;

/// One affine map `y = x Wᵀ + b`, parameters laid out as PyTorch does: `weight` is `[out, in]`.
#[derive(Debug, Clone)]
pub(crate) struct Layer<E: Element> {
    pub(crate) weight: Matrix<E>,
    pub(crate) bias: Vector<E>,
}

impl<E: Element> Layer<E> {
    /// `Wᵀ`, `[in, out]`: a view of the same data and, on a tape, the same parameter.
    pub(crate) fn transposed_weight(&self) -> Matrix<E> {
        self.weight.clone().permute::<(usize, usize), Axes2<1, 0>>()
    }
}

/// A multilayer perceptron with input `[t, x_1 … x_d]` and scalar output, the potential `φ(x, t)`.
///
/// As a [`Score`](fokker_sde_core::Score) it is `∇φ`; as a
/// [`Potential`](fokker_sde_core::Potential) it gives the jet of `φ`.
#[derive(Debug, Clone)]
pub struct Mlp<E: Element> {
    pub(crate) shape: MlpShape,
    pub(crate) layers: Vec<Layer<E>>,
    pub(crate) device: E::Device,
    backend: Backend,
    set: InstructionSet,
    /// The parameters as the kernels read them, made when they are first needed.
    kernel: OnceLock<Arc<Kernel>>,
}

/// How a network is evaluated. Results agree to rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// By fused kernels, which hold a tile of points in cache from input to gradient, on the vector
    /// instructions of the machine. In single precision; networks of other types use the reference.
    #[default]
    Fused,
    /// By dfdx's tensor operations and reverse pass.
    Reference,
}

/// The gradient of a loss with respect to all parameters of an [`Mlp`], laid out like
/// [`Mlp::parameters`].
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient<E>(pub Vec<E>);

impl<E: Element> Gradient<E> {
    /// The zero gradient of a network.
    pub fn zeros(network: &Mlp<E>) -> Self {
        Self(vec![E::zero(); network.parameter_count()])
    }
}

/// dfdx spreads a matrix product over all threads if it is large enough. Ours belong to blocks of
/// points that run in parallel already, and handing parts of them around only costs time.
fn keep_products_on_their_thread() {
    gemm_common::gemm::set_threading_threshold(usize::MAX);
}

impl<E: Element> Mlp<E> {
    /// A network with random parameters: weights and biases uniform on `±1/√fan_in`, as PyTorch's
    /// `Linear` starts. The streams' purpose is [`Purpose::Weights`], the index the layer.
    ///
    /// # Errors
    /// If the shape has an empty part.
    pub fn new(shape: &MlpShape, streams: Streams) -> Result<Self, NetworkError> {
        let mut parameters = Vec::new();
        for (index, (inputs, outputs)) in shape.layers()?.into_iter().enumerate() {
            let bound = 1.0 / (inputs as f64).sqrt();
            let mut rng = streams.rng(Purpose::Weights, index as u64, 0);
            parameters.extend(
                (0..(inputs + 1) * outputs).map(|_| E::of(rng.random_range(-bound..bound))),
            );
        }
        Self::from_parameters(shape, &parameters)
    }

    /// A network with given parameters, laid out as [`Mlp::parameters`] returns them.
    ///
    /// # Errors
    /// If the shape has an empty part or does not need exactly this many parameters, or
    /// [`InstructionSet::VARIABLE`] names no level of this machine.
    pub fn from_parameters(shape: &MlpShape, parameters: &[E]) -> Result<Self, NetworkError> {
        let sizes = shape.layers()?;
        keep_products_on_their_thread();
        let device = E::Device::default();
        let needed: usize = sizes.iter().map(|(inputs, outputs)| (inputs + 1) * outputs).sum();
        if parameters.len() != needed {
            let found = parameters.len();
            return Err(NetworkError::ParameterCount { expected: needed, found });
        }
        let mut rest = parameters;
        let mut layers = Vec::with_capacity(sizes.len());
        for (inputs, outputs) in sizes {
            let (weight, tail) = rest.split_at(inputs * outputs);
            let (bias, tail) = tail.split_at(outputs);
            rest = tail;
            layers.push(Layer {
                weight: device
                    .try_tensor_from_vec(weight.to_vec(), (outputs, inputs))
                    .map_err(backend)?,
                bias: device.try_tensor_from_vec(bias.to_vec(), (outputs,)).map_err(backend)?,
            });
        }
        Ok(Self {
            shape: shape.clone(),
            layers,
            device,
            backend: Backend::default(),
            set: InstructionSet::selected()?,
            kernel: OnceLock::new(),
        })
    }

    /// This network, evaluated by `backend`.
    pub fn with_backend(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// This network, with kernels for `set` in place of [`InstructionSet::selected`].
    pub fn with_instruction_set(self, set: InstructionSet) -> Self {
        Self { set, kernel: OnceLock::new(), ..self }
    }

    /// The kernels, unless the reference is to be used.
    pub(crate) fn kernel(&self) -> Option<&Kernel> {
        static TOLD: Once = Once::new();
        if self.backend == Backend::Reference {
            return None;
        }
        if !E::FUSED {
            TOLD.call_once(|| {
                tracing::info!("no fused kernels in double precision: using the reference");
            });
            return None;
        }
        Some(self.kernel.get_or_init(|| Arc::new(Kernel::new(self, self.set))))
    }

    /// Puts other parameters in the place of these; as many as there are.
    pub(crate) fn set_parameters(&mut self, parameters: &[E]) {
        self.kernel.take();
        let mut rest = parameters;
        let mut next = |size: usize| {
            let (head, tail) = rest.split_at(size);
            rest = tail;
            head
        };
        for Layer { weight, bias } in &mut self.layers {
            let &(outputs, inputs) = weight.shape();
            weight.copy_from(next(outputs * inputs));
            bias.copy_from(next(outputs));
        }
    }

    /// The shape.
    pub fn shape(&self) -> &MlpShape {
        &self.shape
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.shape.layers().map_or(0, |sizes| sizes.iter().map(|(i, o)| (i + 1) * o).sum())
    }

    /// All parameters: for each layer its weight `[out, in]`, row by row, then its bias `[out]`.
    pub fn parameters(&self) -> Vec<E> {
        let mut all = Vec::with_capacity(self.parameter_count());
        for layer in &self.layers {
            all.extend(layer.weight.as_vec());
            all.extend(layer.bias.as_vec());
        }
        all
    }

    /// Checks that a gradient is laid out as the parameters are.
    pub(crate) fn check_gradient(&self, gradient: &[E]) -> Result<(), NetworkError> {
        let (expected, found) = (self.parameter_count(), gradient.len());
        if expected == found {
            Ok(())
        } else {
            Err(NetworkError::ParameterCount { expected, found })
        }
    }

    /// The part of a reverse pass's result that belongs to this network's parameters.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn collect_gradient(
        &self,
        mut gradients: Gradients<E, E::Device>,
    ) -> Result<Gradient<E>, NetworkError> {
        let mut all = Vec::with_capacity(self.parameter_count());
        for layer in &self.layers {
            all.extend_from_slice(gradients.get_or_alloc_mut(&layer.weight).map_err(backend)?);
            all.extend_from_slice(gradients.get_or_alloc_mut(&layer.bias).map_err(backend)?);
        }
        Ok(Gradient(all))
    }
}
