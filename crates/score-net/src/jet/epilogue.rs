use dfdx::prelude::{Gradients, HasErr, HasShape, PutTape, SplitTape, Tape, TensorFromVec};

use super::{Derivatives, Layout};
use crate::error::backend;
use crate::mlp::{Matrix, Vector};
use crate::{Activation, Element, NetworkError};

/// What follows the matrix product of a layer: the bias, which only the value gets, and the
/// activation, if there is one. One operation on dfdx's tape, with its own reverse pass.
///
/// Forward, with `z` the value plus bias, `z_i` its first derivatives (those in `x` and `t`), `z_Δ`
/// its Laplacian and `q = Σ z_i²` over the derivatives in `x`:
///
/// `a = f(z)`, `a_i = f′ z_i`, `a_Δ = f′ z_Δ + f″ q`.
///
/// Backward, from the cotangents `ā`, `ā_i`, `ā_Δ`:
///
/// - `z̄ = f′ ā + f″ Σ_i ā_i z_i + ā_Δ (f″ z_Δ + f‴ q)`, with the sum over `x` and `t`,
/// - `z̄_i = f′ ā_i`, and for `i` in `x` also `2 f″ ā_Δ z_i`,
/// - `z̄_Δ = f′ ā_Δ`; the bias gets the sum of `z̄` over the points.
#[derive(Debug, Clone, Copy)]
pub(super) struct Epilogue {
    pub(super) layout: Layout,
    pub(super) activation: Option<Activation>,
}

/// `f′`, `f″` and `f‴` at every point and unit, `[n, width]` each, kept for the reverse pass.
struct Slopes<E> {
    first: Vec<E>,
    second: Vec<E>,
    third: Vec<E>,
}

impl Epilogue {
    pub(super) fn apply<E: Element, T: Tape<E, E::Device>>(
        self,
        z: Matrix<E, T>,
        bias: &Vector<E>,
    ) -> Result<Matrix<E, T>, NetworkError> {
        let (z, mut tape) = z.split_tape();
        let mut values =
            vec![E::zero(); self.layout.blocks() * self.layout.points * self.width(&z)];
        z.copy_into(&mut values);
        let slopes = self.forward(&mut values, &bias.as_vec());
        let device = z.device().clone();
        let shape = (self.layout.blocks() * self.layout.points, self.width(&z));
        let out = device.try_tensor_from_vec(values, shape).map_err(backend)?;
        let (recorded, bias) = (out.clone(), bias.clone());
        tape.add_backward_op(move |gradients| {
            self.backward(gradients, &z, &bias, &recorded, slopes)
        });
        Ok(out.put_tape(tape))
    }

    fn width<E: Element>(&self, z: &Matrix<E>) -> usize {
        z.shape().1
    }

    /// Turns the parts of `z` in `jet` into those of `a`.
    fn forward<E: Element>(&self, jet: &mut [E], bias: &[E]) -> Slopes<E> {
        let width = bias.len();
        let size = self.layout.points * width;
        let (value, derivatives) = jet.split_at_mut(size);
        let mut slopes =
            Slopes { first: vec![E::one(); size], second: Vec::new(), third: Vec::new() };
        for row in value.chunks_exact_mut(width) {
            row.iter_mut().zip(bias).for_each(|(z, &b)| *z += b);
        }
        let Some(activation) = self.activation else { return slopes };
        slopes.second = vec![E::zero(); size];
        let slots = value.iter_mut().zip(&mut slopes.first).zip(&mut slopes.second);
        if self.layout.derivatives == Derivatives::All {
            slopes.third = vec![E::zero(); size];
            for (((z, first), second), third) in slots.zip(&mut slopes.third) {
                [*z, *first, *second, *third] = activation.derivatives(*z);
            }
        } else {
            for ((z, first), second) in slots {
                [*z, *first, *second, _] = activation.derivatives(*z);
            }
        }
        let (first_order, laplacian) = self.split_derivatives(derivatives, size);
        if let Some(laplacian) = laplacian {
            scale(laplacian, &slopes.first);
            for z_i in first_order.chunks_exact(size).take(self.layout.dim) {
                for ((a, &z_i), &f2) in laplacian.iter_mut().zip(z_i).zip(&slopes.second) {
                    *a += f2 * z_i * z_i;
                }
            }
        }
        for z_i in first_order.chunks_exact_mut(size) {
            scale(z_i, &slopes.first);
        }
        slopes
    }

    /// The derivative blocks: those in `x` and `t`, and the Laplacian's.
    fn split_derivatives<'a, E>(
        &self,
        derivatives: &'a mut [E],
        size: usize,
    ) -> (&'a mut [E], Option<&'a mut [E]>) {
        match self.layout.derivatives {
            Derivatives::Gradient => (derivatives, None),
            Derivatives::All => {
                let (first_order, laplacian) =
                    derivatives.split_at_mut((self.layout.dim + 1) * size);
                (first_order, Some(laplacian))
            }
        }
    }

    fn backward<E: Element>(
        self,
        gradients: &mut Gradients<E, E::Device>,
        z: &Matrix<E>,
        bias: &Vector<E>,
        out: &Matrix<E>,
        slopes: Slopes<E>,
    ) -> Result<(), <E::Device as HasErr>::Err> {
        // The result's own cotangent is not read again: its buffer becomes that of z̄.
        let mut cotangent = std::mem::take(&mut **gradients.get_or_alloc_mut(out)?);
        if self.activation.is_some() {
            let mut jet = vec![E::zero(); cotangent.len()];
            z.copy_into(&mut jet);
            self.pull_back(&mut cotangent, &mut jet, &slopes);
        }
        let size = slopes.first.len();
        let bias_gradient = gradients.get_or_alloc_mut(bias)?;
        let width = bias_gradient.len();
        for row in cotangent[..size].chunks_exact(width) {
            bias_gradient.iter_mut().zip(row).for_each(|(b, &z)| *b += z);
        }
        let total = gradients.get_or_alloc_mut(z)?;
        total.iter_mut().zip(&cotangent).for_each(|(total, &z)| *total += z);
        Ok(())
    }

    /// Turns the cotangents of `a` into those of `z`; `jet` holds the parts of `z` but for the bias
    /// in its value, which is not read.
    fn pull_back<E: Element>(&self, cotangent: &mut [E], jet: &mut [E], slopes: &Slopes<E>) {
        let Slopes { first, second, third } = slopes;
        let size = first.len();
        let (value_bar, derivatives_bar) = cotangent.split_at_mut(size);
        let (_, derivatives) = jet.split_at_mut(size);
        let (first_order_bar, laplacian_bar) = self.split_derivatives(derivatives_bar, size);
        let (first_order, laplacian) = self.split_derivatives(derivatives, size);
        scale(value_bar, first);
        for (a_bar, z_i) in
            first_order_bar.chunks_exact_mut(size).zip(first_order.chunks_exact(size))
        {
            for (j, total) in value_bar.iter_mut().enumerate() {
                *total += second[j] * a_bar[j] * z_i[j];
            }
            scale(a_bar, first);
        }
        let (Some(laplacian_bar), Some(laplacian)) = (laplacian_bar, laplacian) else { return };
        for (j, total) in value_bar.iter_mut().enumerate() {
            *total += second[j] * laplacian_bar[j] * laplacian[j];
        }
        let two = E::one() + E::one();
        let in_space = first_order_bar.chunks_exact_mut(size).zip(first_order.chunks_exact(size));
        for (z_bar, z_i) in in_space.take(self.layout.dim) {
            for (j, total) in value_bar.iter_mut().enumerate() {
                let weighted = laplacian_bar[j] * z_i[j];
                *total += third[j] * weighted * z_i[j];
                z_bar[j] += two * second[j] * weighted;
            }
        }
        scale(laplacian_bar, first);
    }
}

/// Multiplies each entry by its slope.
fn scale<E: Element>(values: &mut [E], slopes: &[E]) {
    values.iter_mut().zip(slopes).for_each(|(value, &slope)| *value *= slope);
}
