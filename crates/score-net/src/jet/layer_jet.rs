use std::ops::Range;

use dfdx::prelude::{
    Axes2, Axis, Gradients, HasErr, HasShape, PermuteTo, PutTape, SplitTape, Tape, TensorFromVec,
    TryAdd, TryConcatAlong, TryMatMul, TryMul,
};

use super::epilogue::Epilogue;
use super::{JetTape, Layout};
use crate::error::backend;
use crate::parameters::{Matrix, entries};
use crate::{Activation, Element, NetworkError};

/// The jet of what goes through the layers of a network: the values of `width` units at `n` points, and their
/// derivatives in `x` and `t`, see [`Layout`].
///
/// Layers are functions from jets to jets. Those here are the operations that they are made of; each takes all
/// derivatives along, and each is recorded, so that one reverse pass gives the parameter gradients of any loss
/// of the last jet.
#[derive(Debug)]
pub struct LayerJet<E: Element> {
    matrix: Matrix<E, JetTape<E>>,
    layout: Layout,
}

impl<E: Element> LayerJet<E> {
    pub(crate) fn new(matrix: Matrix<E>, layout: Layout, tape: JetTape<E>) -> Self {
        Self { matrix: matrix.put_tape(tape), layout }
    }

    pub(crate) fn into_matrix(self) -> Matrix<E, JetTape<E>> {
        self.matrix
    }

    /// Which derivatives there are.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The number of units.
    pub fn width(&self) -> usize {
        self.matrix.shape().1
    }

    /// Two jets that are this one: for layers that use their input twice.
    pub fn twice(self) -> (Self, Self) {
        let (matrix, tape) = self.matrix.split_tape();
        let again = matrix.clone().put_tape(tape.branch());
        let layout = self.layout.clone();
        (Self { matrix: matrix.put_tape(tape), ..self }, Self { matrix: again, layout })
    }

    /// `f(W h + b)` with `weight` `[outputs, inputs]`, `bias` `[1, outputs]`, and `f` the identity if there is no
    /// activation.
    ///
    /// # Errors
    /// If the shapes do not fit, or the tensor library fails.
    pub fn dense(
        self,
        weight: &Matrix<E>,
        bias: Option<&Matrix<E>>,
        activation: Option<Activation>,
    ) -> Result<Self, NetworkError> {
        let &(outputs, inputs) = weight.shape();
        check("weight", inputs, self.width())?;
        if let Some(bias) = bias {
            check("bias", outputs, bias.shape().1)?;
        }
        // A view of the same data and, on the tape, the same parameter.
        let transposed = weight.clone().permute::<(usize, usize), Axes2<1, 0>>();
        let z = self.matrix.try_matmul(transposed).map_err(backend)?;
        let epilogue = Epilogue { layout: self.layout.clone(), activation };
        Ok(Self { matrix: epilogue.apply(z, bias)?, layout: self.layout })
    }

    /// `f(h)`, entry by entry.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn activate(self, activation: Activation) -> Result<Self, NetworkError> {
        let epilogue = Epilogue { layout: self.layout.clone(), activation: Some(activation) };
        Ok(Self { matrix: epilogue.apply(self.matrix, None)?, layout: self.layout })
    }

    /// The sum with another jet of as many units at the same points.
    ///
    /// # Errors
    /// If the widths differ, or the tensor library fails.
    pub fn plus(self, other: Self) -> Result<Self, NetworkError> {
        check("sum", self.width(), other.width())?;
        let matrix = self.matrix.try_add(other.matrix).map_err(backend)?;
        Ok(Self { matrix, layout: self.layout })
    }

    /// The units of this jet and then those of another at the same points.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn concatenate(self, other: Self) -> Result<Self, NetworkError> {
        let joined = (self.matrix, other.matrix).try_concat_along(Axis::<1>).map_err(backend)?;
        Ok(Self { matrix: joined, layout: self.layout })
    }

    /// This jet times a number.
    ///
    /// # Errors
    /// If the tensor library fails.
    pub fn scale(self, factor: f64) -> Result<Self, NetworkError> {
        let matrix = self.matrix.try_mul(E::of(factor)).map_err(backend)?;
        Ok(Self { matrix, layout: self.layout })
    }

    /// The product with another jet of as many units at the same points, unit by unit, by the product rule:
    /// `(uv)_i = u_i v + u v_i` and `(uv)_ij = u_ij v + u_i v_j + u_j v_i + u v_ij`.
    ///
    /// # Errors
    /// If the widths differ, or the tensor library fails.
    pub fn times(self, other: Self) -> Result<Self, NetworkError> {
        check("product", self.width(), other.width())?;
        let (u, tape) = self.matrix.split_tape();
        let (v, other) = other.matrix.split_tape();
        let mut tape = dfdx::prelude::Merge::merge(tape, other);
        let (shape, layout) = (*u.shape(), self.layout);
        let factors = [entries(&u), entries(&v)];
        let product = product(&layout, &factors, shape.1);
        let out = u.device().try_tensor_from_vec(product, shape).map_err(backend)?;
        let (recorded, kept) = (out.clone(), layout.clone());
        tape.add_backward_op(move |gradients| {
            pull_back(&kept, gradients, [&u, &v], &factors, &recorded)
        });
        Ok(Self { matrix: out.put_tape(tape), layout })
    }
}

fn check(what: &'static str, expected: usize, found: usize) -> Result<(), NetworkError> {
    if expected == found { Ok(()) } else { Err(NetworkError::Width { what, expected, found }) }
}

/// The triples of blocks `(of, a, b)` for which block `of` of a product is a sum of `u_a v_b`.
fn terms(layout: &Layout) -> Vec<[usize; 3]> {
    let mut all = vec![[0, 0, 0]];
    for block in 1..layout.blocks() {
        all.extend([[block, block, 0], [block, 0, block]]);
    }
    for (part, pairs) in layout.second().iter().enumerate() {
        let block = 1 + layout.directions() + part;
        for [i, j] in pairs {
            all.extend([[block, 1 + i, 1 + j], [block, 1 + j, 1 + i]]);
        }
    }
    all
}

fn product<E: Element>(layout: &Layout, [u, v]: &[Vec<E>; 2], width: usize) -> Vec<E> {
    let size = layout.points() * width;
    let mut out = vec![E::zero(); u.len()];
    for [of, a, b] in terms(layout) {
        let (u, v) = (&u[range(a, size)], &v[range(b, size)]);
        for ((out, &u), &v) in out[range(of, size)].iter_mut().zip(u).zip(v) {
            *out += u * v;
        }
    }
    out
}

fn range(block: usize, size: usize) -> Range<usize> {
    block * size..(block + 1) * size
}

fn pull_back<E: Element>(
    layout: &Layout,
    gradients: &mut Gradients<E, E::Device>,
    factors: [&Matrix<E>; 2],
    entries: &[Vec<E>; 2],
    out: &Matrix<E>,
) -> Result<(), <E::Device as HasErr>::Err> {
    let cotangent = std::mem::take(&mut **gradients.get_or_alloc_mut(out)?);
    let size = layout.points() * out.shape().1;
    for (side, factor) in factors.into_iter().enumerate() {
        let total = gradients.get_or_alloc_mut(factor)?;
        for [of, a, b] in terms(layout) {
            let (own, partner) = if side == 0 { (a, b) } else { (b, a) };
            let partner = &entries[1 - side][range(partner, size)];
            let cotangent = &cotangent[range(of, size)];
            for ((total, &c), &p) in total[range(own, size)].iter_mut().zip(cotangent).zip(partner)
            {
                *total += c * p;
            }
        }
    }
    Ok(())
}
