use std::ops::Range;
use std::sync::{Arc, Once, OnceLock};

use dfdx::prelude::Gradients;
use fokker_sde_core::{BatchError, OrnsteinUhlenbeck, Sde, Streams};
use ndarray::{ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use crate::error::backend;
use crate::kernel::{InstructionSet, Kernels};
use crate::parameters::{Matrix, draw, entries};
use crate::{Architecture, Element, Head, Layer, NetworkError, Output, Parameter};

/// A network `φ_θ(x, t)` or `s_θ(x, t)` for the marginals of a diffusion: layers with their parameters, and the
/// [`Head`] around them.
///
/// As a [`Score`](fokker_sde_core::Score) it is `∇φ` or `s`; a potential is also a
/// [`Potential`](fokker_sde_core::Potential), and both are a [`SmoothScore`](fokker_sde_core::SmoothScore).
#[derive(Clone)]
pub struct ScoreNetwork<E: Element> {
    head: Head,
    layers: Layers<E>,
    description: Vec<Parameter>,
    pub(crate) parameters: Vec<Matrix<E>>,
    pub(crate) sde: Arc<dyn Sde>,
    pub(crate) device: E::Device,
    backend: Backend,
    set: InstructionSet,
    /// The parameters as the kernels read them, made when they are first needed.
    kernel: OnceLock<Option<Arc<dyn Kernels<E>>>>,
}

#[derive(Debug, Clone)]
enum Layers<E: Element> {
    Known(Architecture),
    Own(Arc<dyn Layer<E>>),
}

/// How a network is evaluated. Results agree to rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// By fused kernels, which hold a tile of points in cache from input to gradient, on the vector
    /// instructions of the machine. In single precision; networks of other types, and what the kernels do not know,
    /// use the reference.
    #[default]
    Fused,
    /// By dfdx's tensor operations and reverse pass.
    Reference,
}

/// The gradient of a loss with respect to all parameters of a network, laid out like
/// [`ScoreNetwork::parameters`]. That of parameters which are not trained is 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient<E>(pub Vec<E>);

impl<E: Element> Gradient<E> {
    /// The Euclidean norm.
    pub fn norm(&self) -> f64 {
        self.0.iter().map(|g| g.wide() * g.wide()).sum::<f64>().sqrt()
    }

    /// Scales the gradient down to the norm `limit` if it is longer: clipping by the global norm (Pascanu, Mikolov and
    /// Bengio, *On the difficulty of training recurrent neural networks*, ICML 2013).
    pub fn clip(&mut self, limit: f64) {
        let norm = self.norm();
        if norm > limit {
            let factor = E::of(limit / norm);
            self.0.iter_mut().for_each(|g| *g *= factor);
        }
    }

    /// The zero gradient of a network.
    pub fn zeros(network: &ScoreNetwork<E>) -> Self {
        Self(vec![E::zero(); network.parameter_count()])
    }
}

/// dfdx spreads a matrix product over all threads if it is large enough. Ours belong to blocks of
/// points that run in parallel already, and handing parts of them around only costs time.
fn keep_products_on_their_thread() {
    gemm_common::gemm::set_threading_threshold(usize::MAX);
}

impl<E: Element> ScoreNetwork<E> {
    /// A network for the marginals of `sde` with random parameters, see
    /// [`Parameter::affine`] and [`FourierFeatures`](crate::FourierFeatures). The streams' purpose is
    /// [`Purpose::Weights`](fokker_sde_core::Purpose::Weights), the index the layer.
    ///
    /// # Errors
    /// If the architecture is impossible.
    pub fn new(
        architecture: &Architecture,
        sde: Arc<dyn Sde>,
        streams: Streams,
    ) -> Result<Self, NetworkError> {
        architecture.layers()?;
        let layers = Layers::Known(architecture.clone());
        Self::build(architecture.head(), layers, sde, |description| draw(description, streams))
    }

    /// The network of Deveney et al. (2025), see [`Architecture::paper`], for their diffusion.
    ///
    /// # Errors
    /// If [`InstructionSet::VARIABLE`] names no level of this machine.
    pub fn paper(streams: Streams) -> Result<Self, NetworkError> {
        Self::new(&Architecture::paper(), Arc::new(OrnsteinUhlenbeck::PAPER), streams)
    }

    /// A network with given parameters, laid out as [`ScoreNetwork::parameters`] returns them.
    ///
    /// # Errors
    /// If the architecture is impossible or does not need exactly this many parameters, or
    /// [`InstructionSet::VARIABLE`] names no level of this machine.
    pub fn from_parameters(
        architecture: &Architecture,
        sde: Arc<dyn Sde>,
        parameters: &[E],
    ) -> Result<Self, NetworkError> {
        architecture.layers()?;
        let layers = Layers::Known(architecture.clone());
        Self::build(architecture.head(), layers, sde, |_| parameters.to_vec())
    }

    /// A network of your own layers, with random parameters as they describe them. It is evaluated by the reference.
    ///
    /// # Errors
    /// If the head is impossible, or the layers do not return as many units as it needs.
    pub fn of_layers(
        layers: Arc<dyn Layer<E>>,
        head: Head,
        sde: Arc<dyn Sde>,
        streams: Streams,
    ) -> Result<Self, NetworkError> {
        let (expected, found) = (head.outputs(), layers.outputs(head.inputs()));
        if expected != found {
            return Err(NetworkError::Width { what: "output", expected, found });
        }
        Self::build(head, Layers::Own(layers), sde, |description| draw(description, streams))
    }

    fn build(
        head: Head,
        layers: Layers<E>,
        sde: Arc<dyn Sde>,
        parameters: impl FnOnce(&[Parameter]) -> Vec<E>,
    ) -> Result<Self, NetworkError> {
        head.check()?;
        keep_products_on_their_thread();
        let description = match &layers {
            Layers::Known(architecture) => Layer::<E>::parameters(architecture, head.inputs()),
            Layers::Own(layers) => layers.parameters(head.inputs()),
        };
        let device = E::Device::default();
        let parameters = parameters(&description);
        let expected: usize = description.iter().map(Parameter::len).sum();
        if parameters.len() != expected {
            return Err(NetworkError::ParameterCount { expected, found: parameters.len() });
        }
        let mut rest = parameters.as_slice();
        let mut matrices = Vec::with_capacity(description.len());
        for parameter in &description {
            let (own, tail) = rest.split_at(parameter.len());
            rest = tail;
            matrices.push(parameter.matrix(&device, own)?);
        }
        Ok(Self {
            head,
            layers,
            description,
            parameters: matrices,
            sde,
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
    pub(crate) fn kernel(&self) -> Option<&dyn Kernels<E>> {
        static TOLD: Once = Once::new();
        if self.backend == Backend::Reference {
            return None;
        }
        let kernel = self.kernel.get_or_init(|| match &self.layers {
            Layers::Known(architecture) => E::kernels(architecture, &self.parameters, self.set),
            _ => None,
        });
        if kernel.is_none() {
            TOLD.call_once(|| {
                tracing::info!("no fused kernels for this network: using the reference");
            });
        }
        kernel.as_deref()
    }

    /// What stands around the layers.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// The architecture; none of a network of your own layers.
    pub fn architecture(&self) -> Option<&Architecture> {
        match &self.layers {
            Layers::Known(architecture) => Some(architecture),
            Layers::Own(_) => None,
        }
    }

    /// The layers.
    pub(crate) fn layers(&self) -> &dyn Layer<E> {
        match &self.layers {
            Layers::Known(architecture) => architecture,
            Layers::Own(layers) => layers.as_ref(),
        }
    }

    /// Name, shape and initial law of each array of parameters, in the order of [`ScoreNetwork::parameters`].
    pub fn description(&self) -> &[Parameter] {
        &self.description
    }

    /// The number of parameters.
    pub fn parameter_count(&self) -> usize {
        self.description.iter().map(Parameter::len).sum()
    }

    /// All parameters, array by array, each row by row: of a perceptron for each layer its weight `[out, in]`, then its
    /// bias `[out]`.
    pub fn parameters(&self) -> Vec<E> {
        let mut all = Vec::with_capacity(self.parameter_count());
        self.parameters.iter().for_each(|matrix| all.extend(entries(matrix)));
        all
    }

    /// Puts other parameters in the place of these.
    ///
    /// # Errors
    /// If they are not as many.
    pub fn set_parameters(&mut self, parameters: &[E]) -> Result<(), NetworkError> {
        self.check_gradient(parameters)?;
        self.kernel.take();
        let mut rest = parameters;
        for (matrix, parameter) in self.parameters.iter_mut().zip(&self.description) {
            let (own, tail) = rest.split_at(parameter.len());
            rest = tail;
            matrix.copy_from(own);
        }
        Ok(())
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

    pub(crate) fn check_points(
        &self,
        t: &ArrayView1<'_, E>,
        x: &ArrayView2<'_, E>,
    ) -> Result<(), BatchError> {
        BatchError::check("x", &[x.nrows(), self.head.dim], x.shape())?;
        BatchError::check("t", &[x.nrows()], t.shape())
    }

    /// Refuses a network whose output is not this.
    pub(crate) fn check_output(&self, needed: Output) -> Result<(), NetworkError> {
        if self.head.output == needed { Ok(()) } else { Err(NetworkError::Output { needed }) }
    }

    /// The part of a reverse pass's result that belongs to this network's trained parameters.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn collect_gradient(
        &self,
        mut gradients: Gradients<E, E::Device>,
    ) -> Result<Gradient<E>, NetworkError> {
        let mut all = Vec::with_capacity(self.parameter_count());
        for (matrix, parameter) in self.parameters.iter().zip(&self.description) {
            if parameter.trained {
                all.extend_from_slice(gradients.get_or_alloc_mut(matrix).map_err(backend)?);
            } else {
                all.resize(all.len() + parameter.len(), E::zero());
            }
        }
        Ok(Gradient(all))
    }
}

impl<E: Element> std::fmt::Debug for ScoreNetwork<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScoreNetwork")
            .field("head", &self.head)
            .field("layers", &self.layers)
            .field("parameters", &self.parameter_count())
            .finish_non_exhaustive()
    }
}

/// Ranges of at most `block` points each.
pub(crate) fn blocks(n: usize, block: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(block).map(move |from| from..(from + block).min(n))
}
