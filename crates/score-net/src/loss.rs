//! Losses of the jets of a network, and their parameter gradients.

use std::ops::Range;

use dfdx::prelude::{
    Backward, NoneTape, OwnedTape, PutTape, SumTo, Tape, Tensor, TensorFromVec, TryAdd, TryMul,
};
use fokker_sde_core::Jet;
use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::error::backend;
use crate::mlp::Vector;
use crate::{Derivatives, Element, Gradient, Mlp, NetworkError};

/// A scalar on a tape.
pub type Scalar<E, T> = Tensor<(), E, <E as Element>::Device, T>;

/// Points that the reference evaluates at once.
const BLOCK: usize = 64;

impl<E: Element> Mlp<E> {
    /// The sum of a loss over the points `(x_i, t_i)`, `t` `[n]` and `x` `[n, d]`; its parameter gradient is
    /// added to `gradient`, if there is one, which is laid out as [`Mlp::parameters`].
    ///
    /// `loss` is called for one range of points after the other. It gets their jet, returns the sum of
    /// the losses there and leaves in the jet the partial derivatives of that sum. Parts of the jet that
    /// `derivatives` does not name are 0, and their derivatives are not read.
    ///
    /// This is one fused operation of the kernels, or the reverse pass of dfdx through
    /// [`Mlp::tensor_jet`]; see [`Backend`](crate::Backend).
    ///
    /// ```
    /// use fokker_score_net::{Derivatives, Gradient, Mlp, MlpShape};
    /// use fokker_sde_core::{Jet, Streams};
    ///
    /// let network = Mlp::<f32>::new(&MlpShape::paper(), Streams::new(0))?;
    /// let (t, x) = (ndarray::array![0.1, 2.0], ndarray::array![[0.3, -1.2], [1.0, 2.0]]);
    /// // Σ (Δφ)², whose derivative in Δφ is 2 Δφ.
    /// let mut loss = |_, jet: &mut Jet<f32>| {
    ///     let sum = jet.laplacian.iter().map(|&l| f64::from(l * l)).sum();
    ///     let slopes = &jet.laplacian * 2.0;
    ///     *jet = Jet { laplacian: slopes, ..Jet::zeros(jet.value.len(), 2) };
    ///     sum
    /// };
    /// let mut gradient = Gradient::zeros(&network);
    /// let slot = Some(gradient.0.as_mut_slice());
    /// let sum = network.add_loss(t.view(), x.view(), Derivatives::All, &mut loss, slot)?;
    /// assert!(sum > 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If the shapes do not fit, `loss` leaves a jet of another shape, or the tensor library fails. What
    /// was added to `gradient` is then of no use.
    pub fn add_loss(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        derivatives: Derivatives,
        loss: &mut dyn FnMut(Range<usize>, &mut Jet<E>) -> f64,
        gradient: Option<&mut [E]>,
    ) -> Result<f64, NetworkError> {
        self.check_points(&t, &x)?;
        if let Some(gradient) = &gradient {
            self.check_gradient(gradient)?;
        }
        let mut misshapen = None;
        let loss = &mut |range: Range<usize>, jet: &mut Jet<E>| {
            let n = range.len();
            let sum = loss(range, jet);
            if let Err(error) = jet.check_shape(n, self.shape.dim) {
                misshapen = Some(error);
                *jet = Jet::zeros(n, self.shape.dim);
            }
            sum
        };
        let sum = match self.kernel() {
            Some(kernel) => kernel.add_loss_gradient(t, x, derivatives, loss, gradient),
            None => self.add_reference_loss(t, x, derivatives, loss, gradient)?,
        };
        misshapen.map_or(Ok(sum), |error| Err(error.into()))
    }

    fn add_reference_loss(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        derivatives: Derivatives,
        loss: &mut dyn FnMut(Range<usize>, &mut Jet<E>) -> f64,
        mut gradient: Option<&mut [E]>,
    ) -> Result<f64, NetworkError> {
        let blocks = t.axis_chunks_iter(Axis(0), BLOCK).zip(x.axis_chunks_iter(Axis(0), BLOCK));
        let mut total = 0.0;
        for (block, (t, x)) in blocks.enumerate() {
            let range = block * BLOCK..block * BLOCK + x.nrows();
            let mut jet = Jet::zeros(range.len(), x.ncols());
            let Some(gradient) = &mut gradient else {
                self.tensor_jet(t, x, derivatives, NoneTape)?.write(&mut jet, 0);
                total += loss(range, &mut jet);
                continue;
            };
            let tensors = self.tensor_jet(t, x, derivatives, OwnedTape::default())?;
            tensors.write(&mut jet, 0);
            total += loss(range, &mut jet);
            let constant = |entries: Vec<E>| -> Result<Vector<E>, NetworkError> {
                let shape = (entries.len(),);
                self.device.try_tensor_from_vec(entries, shape).map_err(backend)
            };
            // The derivative of this sum is that of the loss, whose partial derivatives are frozen.
            let slopes = constant(jet.gradient.t().iter().copied().collect())?;
            let part = tensors.gradient.try_mul(slopes).map_err(backend)?;
            let mut sum: Scalar<E, _> = part.try_sum().map_err(backend)?;
            if let Some(second) = tensors.second {
                let parts = [
                    (tensors.value, &jet.value),
                    (second.time_derivative, &jet.time_derivative),
                    (second.laplacian, &jet.laplacian),
                ];
                for (tensor, slopes) in parts {
                    let part = tensor.try_mul(constant(slopes.to_vec())?).map_err(backend)?;
                    let part: Scalar<E, _> = part.try_sum().map_err(backend)?;
                    sum = sum.try_add(part).map_err(backend)?;
                }
            }
            let part = self.collect_gradient(sum.try_backward().map_err(backend)?)?;
            gradient.iter_mut().zip(&part.0).for_each(|(sum, &g)| *sum += g);
        }
        Ok(total)
    }

    /// A loss whose parameter gradient is known, as one operation on a tape: in dfdx's reverse pass
    /// `gradient` times the cotangent of the loss is added to the gradients of the parameters. So a loss
    /// from [`Mlp::add_loss`] can be joined with others made of dfdx's operations.
    ///
    /// # Errors
    /// If `gradient` is not one of this network, or the tensor library fails.
    pub fn record_loss<T: Tape<E, E::Device>>(
        &self,
        loss: E,
        gradient: Gradient<E>,
        mut tape: T,
    ) -> Result<Scalar<E, T>, NetworkError> {
        self.check_gradient(&gradient.0)?;
        let loss = self.device.try_tensor_from_vec(vec![loss], ()).map_err(backend)?;
        let (layers, recorded) = (self.layers.clone(), loss.clone());
        tape.add_backward_op(move |gradients| {
            let cotangent: E = gradients.get_or_alloc_mut(&recorded)?.iter().copied().sum();
            let mut rest = gradient.0.iter();
            let mut add = |slots: &mut Vec<E>| {
                slots.iter_mut().zip(&mut rest).for_each(|(slot, &g)| *slot += cotangent * g);
            };
            for layer in &layers {
                add(gradients.get_or_alloc_mut(&layer.weight)?);
                add(gradients.get_or_alloc_mut(&layer.bias)?);
            }
            Ok(())
        });
        Ok(loss.put_tape(tape))
    }
}
