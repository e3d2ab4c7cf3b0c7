use dfdx::prelude::{Gradients, HasErr, HasShape, PutTape, SplitTape, Tape, TensorFromVec};

use super::Layout;
use crate::error::backend;
use crate::parameters::Matrix;
use crate::{Activation, Element, NetworkError};

/// What follows the matrix product of a layer: the bias, which only the value gets, and the
/// activation, if there is one. One operation on dfdx's tape, with its own reverse pass.
///
/// Forward, with `z` the value plus bias, `z_i` its derivative along direction `i`, `z_c` a second-order part and
/// `q_c = Σ z_i z_j` over its pairs `(i, j)`:
///
/// `a = f(z)`, `a_i = f′ z_i`, `a_c = f′ z_c + f″ q_c`.
///
/// Backward, from the cotangents `ā`, `ā_i`, `ā_c`:
///
/// - `z̄ = f′ ā + f″ Σ_i ā_i z_i + Σ_c ā_c (f″ z_c + f‴ q_c)`,
/// - `z̄_i = f′ ā_i + f″ Σ_c ā_c Σ z_j`, with the last sum over the partners `j` of `i` in the pairs of `c`,
/// - `z̄_c = f′ ā_c`; the bias gets the sum of `z̄` over the points.
#[derive(Debug, Clone)]
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

/// The parts of a jet of `size` entries each: value, directions, second order.
fn parts<'a, E>(
    layout: &Layout,
    jet: &'a mut [E],
    size: usize,
) -> (&'a mut [E], &'a mut [E], &'a mut [E]) {
    let (value, derivatives) = jet.split_at_mut(size);
    let (first, second) = derivatives.split_at_mut(layout.directions() * size);
    (value, first, second)
}

impl Epilogue {
    /// `bias` is `[1, width]`.
    pub(super) fn apply<E: Element, T: Tape<E, E::Device>>(
        self,
        z: Matrix<E, T>,
        bias: Option<&Matrix<E>>,
    ) -> Result<Matrix<E, T>, NetworkError> {
        let (z, mut tape) = z.split_tape();
        let shape = *z.shape();
        let mut values = vec![E::zero(); shape.0 * shape.1];
        z.copy_into(&mut values);
        let slopes = self.forward(&mut values, bias.map(|bias| bias.as_vec()).as_deref(), shape.1);
        let out = z.device().try_tensor_from_vec(values, shape).map_err(backend)?;
        let (recorded, bias) = (out.clone(), bias.cloned());
        tape.add_backward_op(move |gradients| {
            self.backward(gradients, &z, bias.as_ref(), &recorded, &slopes)
        });
        Ok(out.put_tape(tape))
    }

    /// Turns the parts of `z` in `jet` into those of `a`.
    fn forward<E: Element>(&self, jet: &mut [E], bias: Option<&[E]>, width: usize) -> Slopes<E> {
        let size = self.layout.points() * width;
        let (value, first_order, second_order) = parts(&self.layout, jet, size);
        let mut slopes =
            Slopes { first: vec![E::one(); size], second: Vec::new(), third: Vec::new() };
        if let Some(bias) = bias {
            for row in value.chunks_exact_mut(width.max(1)) {
                row.iter_mut().zip(bias).for_each(|(z, &b)| *z += b);
            }
        }
        let Some(activation) = self.activation else { return slopes };
        slopes.second = vec![E::zero(); size];
        let slots = value.iter_mut().zip(&mut slopes.first).zip(&mut slopes.second);
        if self.layout.second().is_empty() {
            for ((z, first), second) in slots {
                [*z, *first, *second, _] = activation.derivatives(*z);
            }
        } else {
            slopes.third = vec![E::zero(); size];
            for (((z, first), second), third) in slots.zip(&mut slopes.third) {
                [*z, *first, *second, *third] = activation.derivatives(*z);
            }
        }
        for (part, pairs) in second_order.chunks_exact_mut(size.max(1)).zip(self.layout.second()) {
            scale(part, &slopes.first);
            for [i, j] in pairs.iter().map(|pair| pair.map(|k| &first_order[k * size..][..size])) {
                for (((a, &z_i), &z_j), &f2) in part.iter_mut().zip(i).zip(j).zip(&slopes.second) {
                    *a += f2 * z_i * z_j;
                }
            }
        }
        for z_i in first_order.chunks_exact_mut(size.max(1)) {
            scale(z_i, &slopes.first);
        }
        slopes
    }

    fn backward<E: Element>(
        &self,
        gradients: &mut Gradients<E, E::Device>,
        z: &Matrix<E>,
        bias: Option<&Matrix<E>>,
        out: &Matrix<E>,
        slopes: &Slopes<E>,
    ) -> Result<(), <E::Device as HasErr>::Err> {
        // The result's own cotangent is not read again: its buffer becomes that of z̄.
        let mut cotangent = std::mem::take(&mut **gradients.get_or_alloc_mut(out)?);
        if self.activation.is_some() {
            let mut jet = vec![E::zero(); cotangent.len()];
            z.copy_into(&mut jet);
            self.pull_back(&mut cotangent, &mut jet, slopes);
        }
        if let Some(bias) = bias {
            let bias_gradient = gradients.get_or_alloc_mut(bias)?;
            let width = bias_gradient.len();
            for row in cotangent[..slopes.first.len()].chunks_exact(width) {
                bias_gradient.iter_mut().zip(row).for_each(|(b, &z)| *b += z);
            }
        }
        let total = gradients.get_or_alloc_mut(z)?;
        total.iter_mut().zip(&cotangent).for_each(|(total, &z)| *total += z);
        Ok(())
    }

    /// Turns the cotangents of `a` into those of `z`; `jet` holds the parts of `z` but for the bias
    /// in its value, which is not read.
    fn pull_back<E: Element>(&self, cotangent: &mut [E], jet: &mut [E], slopes: &Slopes<E>) {
        let Slopes { first, second, third } = slopes;
        let size = first.len().max(1);
        let (value_bar, first_order_bar, second_order_bar) =
            parts(&self.layout, cotangent, first.len());
        let (_, first_order, second_order) = parts(&self.layout, jet, first.len());
        scale(value_bar, first);
        for (a_bar, z_i) in
            first_order_bar.chunks_exact_mut(size).zip(first_order.chunks_exact(size))
        {
            for (j, total) in value_bar.iter_mut().enumerate() {
                *total += second[j] * a_bar[j] * z_i[j];
            }
            scale(a_bar, first);
        }
        let second_order = second_order.chunks_exact(size);
        let second_order_bar = second_order_bar.chunks_exact_mut(size);
        for ((part_bar, part), pairs) in
            second_order_bar.zip(second_order).zip(self.layout.second())
        {
            for (j, total) in value_bar.iter_mut().enumerate() {
                *total += second[j] * part_bar[j] * part[j];
            }
            for &[i, k] in pairs {
                let [z_i, z_k] = [i, k].map(|k| &first_order[k * size..][..size]);
                for (j, total) in value_bar.iter_mut().enumerate() {
                    *total += third[j] * part_bar[j] * z_i[j] * z_k[j];
                }
                for (own, partner) in [(i, z_k), (k, z_i)] {
                    let z_bar = &mut first_order_bar[own * size..][..size];
                    for (j, total) in z_bar.iter_mut().enumerate() {
                        *total += second[j] * part_bar[j] * partner[j];
                    }
                }
            }
            scale(part_bar, first);
        }
    }
}

/// Multiplies each entry by its slope.
fn scale<E: Element>(values: &mut [E], slopes: &[E]) {
    values.iter_mut().zip(slopes).for_each(|(value, &slope)| *value *= slope);
}
