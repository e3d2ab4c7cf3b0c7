use serde::{Deserialize, Serialize};

use crate::parameters::Matrix;
use crate::{
    Activation, Element, Head, Initial, Layer, LayerJet, NetworkError, Output, Parameter,
    Prediction, Sin, Softplus, TimeInput,
};

/// A multilayer perceptron: everything about it but its parameters.
///
/// Its input is `[τ(t), C x]`, the features of its [`TimeInput`] and the point as its [`Prediction`] scales it. Then come
/// the Fourier features, if there are any, the hidden layers `h ← f(W h + b)`, and an affine map to the output, one
/// number for a potential and `d` for a vector score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename = "Mlp", deny_unknown_fields)]
pub struct Architecture {
    /// The dimension `d` of a point.
    pub dim: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The activation after each hidden layer.
    pub activation: Activation,
    /// What the output is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub output: Output,
    /// How the time is given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub time: TimeInput,
    /// What the output stands for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub prediction: Prediction,
    /// Whether hidden layers between equal widths are residual blocks, `h ← h + f(W h + b)` (He et al. 2016).
    #[serde(default, skip_serializing_if = "is_default")]
    pub residual: bool,
    /// Random features between the input and the first hidden layer.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fourier: Option<FourierFeatures>,
}

/// Random Fourier features `sin(W u + b)` of the input `u`, `W` normal with the standard deviation `scale` and `b` uniform on `±π`,
/// which training leaves as they are. Sources: Rahimi and Recht, *Random features for large-scale kernel machines*,
/// NeurIPS 2007; Tancik et al., *Fourier features let networks learn high frequency functions in low dimensional
/// domains*, NeurIPS 2020.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FourierFeatures {
    /// How many.
    pub count: usize,
    /// The standard deviation of the frequencies.
    pub scale: f64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One affine map of a network and what follows it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dense {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    pub(crate) activation: Option<Activation>,
    /// Whether the input is added to the output.
    pub(crate) skip: bool,
    /// The law of the parameters if training leaves them as they are.
    pub(crate) frozen: Option<FourierFeatures>,
}

impl Dense {
    fn parameters(&self) -> [Parameter; 2] {
        let [weight, bias] = Parameter::affine(&self.name, self.inputs, self.outputs);
        let Some(FourierFeatures { scale, .. }) = self.frozen else { return [weight, bias] };
        let bound = std::f64::consts::PI;
        [
            Parameter { initial: Initial::Normal { std: scale }, trained: false, ..weight },
            Parameter { initial: Initial::Uniform { bound }, trained: false, ..bias },
        ]
    }
}

impl Architecture {
    /// The network of Deveney et al. (2025): two dimensions, three hidden layers of 80, Softplus with
    /// β = 100; 13 361 parameters.
    pub fn paper() -> Self {
        Self::potential(2, vec![80; 3], Activation::Softplus(Softplus::PAPER))
    }

    /// A potential of points of dimension `dim` with nothing but hidden layers, given the time as it is.
    pub fn potential(dim: usize, hidden: Vec<usize>, activation: Activation) -> Self {
        Self {
            dim,
            hidden,
            activation,
            output: Output::default(),
            time: TimeInput::default(),
            prediction: Prediction::default(),
            residual: false,
            fourier: None,
        }
    }

    /// What stands around its layers.
    pub fn head(&self) -> Head {
        let Self { dim, output, time, prediction, .. } = *self;
        Head { dim, output, time, prediction }
    }

    /// Its affine maps in their order.
    ///
    /// # Errors
    /// If the dimension, the number of hidden layers or a width is 0 or too large, or a number out of its range.
    pub(crate) fn layers(&self) -> Result<Vec<Dense>, NetworkError> {
        self.head().check()?;
        let features = self.fourier.map(|fourier| fourier.count);
        let empty = [
            (self.hidden.is_empty(), "the number of hidden layers"),
            (self.hidden.contains(&0) || features == Some(0), "every width"),
        ];
        if let Some((_, what)) = empty.into_iter().find(|(empty, _)| *empty) {
            return Err(NetworkError::Empty { what });
        }
        let widest = self.hidden.iter().copied().chain(features).max().unwrap_or(0);
        let sizes = [
            ("the number of hidden layers", self.hidden.len(), 1 << 10),
            ("the largest width", widest, 1 << 16),
        ];
        if let Some((what, value, limit)) = sizes.into_iter().find(|(_, size, limit)| size > limit)
        {
            return Err(NetworkError::TooLarge { what, value, limit });
        }
        let mut inputs = self.head().inputs();
        let mut layers = Vec::with_capacity(self.hidden.len() + 2);
        if let Some(fourier) = self.fourier {
            if !(1e-6..=1e6).contains(&fourier.scale) {
                return Err(NetworkError::FourierScale(fourier.scale));
            }
            layers.push(Dense {
                name: "features".to_owned(),
                inputs,
                outputs: fourier.count,
                activation: Some(Activation::Sin(Sin::default())),
                skip: false,
                frozen: Some(fourier),
            });
            inputs = fourier.count;
        }
        let outputs = self.hidden.iter().map(|&width| (width, Some(self.activation)));
        let last = (self.head().outputs(), None);
        for (index, (outputs, activation)) in outputs.chain([last]).enumerate() {
            layers.push(Dense {
                name: format!("layers.{index}"),
                inputs,
                outputs,
                activation,
                skip: self.residual && index > 0 && activation.is_some() && inputs == outputs,
                frozen: None,
            });
            inputs = outputs;
        }
        Ok(layers)
    }
}

impl<E: Element> Layer<E> for Architecture {
    /// Those of [`Architecture`]'s own number of inputs.
    fn parameters(&self, _inputs: usize) -> Vec<Parameter> {
        self.layers().iter().flatten().flat_map(Dense::parameters).collect()
    }

    fn outputs(&self, _inputs: usize) -> usize {
        self.head().outputs()
    }

    fn apply(
        &self,
        parameters: &[Matrix<E>],
        input: LayerJet<E>,
    ) -> Result<LayerJet<E>, NetworkError> {
        let mut jet = input;
        for (layer, pair) in self.layers()?.iter().zip(parameters.chunks_exact(2)) {
            let [weight, bias] = pair else { break };
            jet = if layer.skip {
                let (changed, kept) = jet.twice();
                changed.dense(weight, Some(bias), layer.activation)?.plus(kept)?
            } else {
                jet.dense(weight, Some(bias), layer.activation)?
            };
        }
        Ok(jet)
    }
}
