use std::fmt::Debug;
use std::sync::Arc;

use crate::parameters::Matrix;
use crate::{Element, LayerJet, NetworkError, Parameter};

/// A function from jets to jets with parameters: a layer, or a whole network.
///
/// What is implemented here is all that a network of one's own needs: [`LayerJet`]'s operations take the derivatives
/// in `x` and `t` along, and record what the reverse pass needs.
///
/// A network gets `[τ, y]`, the features of the time and the point as its
/// [`Prediction`](crate::Prediction) scales it, and returns one unit for a potential or `d` for a vector score.
pub trait Layer<E: Element>: Debug + Send + Sync {
    /// The parameters for so many input units. Names are of the form `layer.part` and differ.
    fn parameters(&self, inputs: usize) -> Vec<Parameter>;

    /// The number of output units for so many input units.
    fn outputs(&self, inputs: usize) -> usize;

    /// The jet of the output; `parameters` are those of [`Layer::parameters`], in their order.
    ///
    /// # Errors
    /// If the shapes do not fit, or the tensor library fails.
    fn apply(
        &self,
        parameters: &[Matrix<E>],
        input: LayerJet<E>,
    ) -> Result<LayerJet<E>, NetworkError>;
}

/// Layers one after the other. The names of their parameters get the number of the layer in front.
#[derive(Debug, Clone)]
pub struct Stack<E: Element>(pub Vec<Arc<dyn Layer<E>>>);

impl<E: Element> Layer<E> for Stack<E> {
    fn parameters(&self, inputs: usize) -> Vec<Parameter> {
        let (mut all, mut width) = (Vec::new(), inputs);
        for (index, layer) in self.0.iter().enumerate() {
            let named = layer.parameters(width).into_iter().map(|parameter| Parameter {
                name: format!("{index}.{}", parameter.name),
                ..parameter
            });
            all.extend(named);
            width = layer.outputs(width);
        }
        all
    }

    fn outputs(&self, inputs: usize) -> usize {
        self.0.iter().fold(inputs, |width, layer| layer.outputs(width))
    }

    fn apply(
        &self,
        parameters: &[Matrix<E>],
        input: LayerJet<E>,
    ) -> Result<LayerJet<E>, NetworkError> {
        let (mut jet, mut rest) = (input, parameters);
        for layer in &self.0 {
            let count = layer.parameters(jet.width()).len().min(rest.len());
            let (own, tail) = rest.split_at(count);
            jet = layer.apply(own, jet)?;
            rest = tail;
        }
        Ok(jet)
    }
}
