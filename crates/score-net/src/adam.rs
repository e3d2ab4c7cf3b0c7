use dfdx::prelude::{AdamConfig, Gradients};

use crate::error::backend;
use crate::{Element, Gradient, Mlp, NetworkError};

/// Adam, with the constants of PyTorch: `β = (0.9, 0.999)`, `ε = 1e-8`, no weight decay.
///
/// Source: Kingma and Ba, *Adam: a method for stochastic optimization*, ICLR 2015. The update is
/// dfdx's own kernel; the moments stand here, so that networks of any width can be trained.
#[derive(Debug)]
pub struct Adam<E: Element> {
    step: i32,
    moments: [Gradients<E, E::Device>; 2],
}

impl<E: Element> Default for Adam<E> {
    fn default() -> Self {
        Self { step: 0, moments: [Gradients::leaky(), Gradients::leaky()] }
    }
}

impl<E: Element> Adam<E> {
    /// One step of size `learning_rate` against `gradient`.
    ///
    /// # Errors
    /// If the gradient is not one of this network, or the tensor library fails.
    pub fn update(
        &mut self,
        network: &mut Mlp<E>,
        gradient: &Gradient<E>,
        learning_rate: f64,
    ) -> Result<(), NetworkError> {
        let expected = network.parameter_count();
        if gradient.0.len() != expected {
            return Err(NetworkError::ParameterCount { expected, found: gradient.0.len() });
        }
        self.step = self.step.saturating_add(1);
        let config = AdamConfig { lr: learning_rate, ..AdamConfig::default() };
        let mut rest = gradient.0.as_slice();
        for layer in &mut network.layers {
            self.update_tensor(&config, &mut layer.weight, &mut rest)?;
            self.update_tensor(&config, &mut layer.bias, &mut rest)?;
        }
        Ok(())
    }

    fn update_tensor<S: dfdx::prelude::Shape>(
        &mut self,
        config: &AdamConfig,
        parameter: &mut dfdx::prelude::Tensor<S, E, E::Device>,
        rest: &mut &[E],
    ) -> Result<(), NetworkError> {
        let mut holder = Gradients::leaky();
        let gradient = holder.get_or_alloc_mut(parameter).map_err(backend)?;
        let (head, tail) = rest.split_at(gradient.len());
        gradient.copy_from_slice(head);
        *rest = tail;
        let [first, second] = &mut self.moments;
        let first = first.get_or_alloc_mut(parameter).map_err(backend)?;
        let second = second.get_or_alloc_mut(parameter).map_err(backend)?;
        config.try_update(self.step, parameter, first, second, gradient).map_err(backend)
    }
}
