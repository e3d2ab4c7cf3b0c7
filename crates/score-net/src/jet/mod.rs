//! The jet of a network on dfdx's tape.

mod epilogue;

use dfdx::prelude::{HasShape, PutTape, ReshapeTo, SplitTape, Tape, TensorFromVec, TryMatMul};
use fokker_sde_core::Jet;
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1};

use crate::error::backend;
use crate::mlp::{Matrix, Vector};
use crate::{Element, Mlp, NetworkError};
use epilogue::Epilogue;

/// Which derivatives of the potential a jet carries; fewer cost less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Derivatives {
    /// `φ` and `∇φ`: what denoising score matching needs.
    Gradient,
    /// `φ`, `∇φ`, `∂_t φ` and `Δφ`: what the Fokker–Planck residual needs.
    All,
}

/// Where each part of a jet of `n` points stands in the rows of a matrix: blocks of `n` rows, first
/// the value, then `∂_x1 … ∂_xd`, then, if all derivatives are carried, `∂_t` and the Laplacian.
/// One matrix product then takes all parts through an affine map at once.
#[derive(Debug, Clone, Copy)]
struct Layout {
    points: usize,
    dim: usize,
    derivatives: Derivatives,
}

impl Layout {
    fn blocks(&self) -> usize {
        match self.derivatives {
            Derivatives::Gradient => 1 + self.dim,
            Derivatives::All => 3 + self.dim,
        }
    }

    /// The rows of block `block`.
    fn rows(&self, block: usize) -> std::ops::Range<usize> {
        block * self.points..(block + 1) * self.points
    }
}

/// A network's potential and its derivatives at `n` points, as tensors on a tape.
#[derive(Debug, Clone)]
pub struct TensorJet<E: Element, T> {
    /// `φ`, `[n]`.
    pub value: Vector<E, T>,
    /// `∇φ`, `[d·n]`: the `n` values of `∂_x1 φ`, then those of `∂_x2 φ`, and so on.
    pub gradient: Vector<E, T>,
    /// `∂_t φ` and `Δφ`, `[n]` each, if [`Derivatives::All`] was asked for.
    pub second: Option<SecondOrder<E, T>>,
}

/// The parts of a [`TensorJet`] that the Fokker–Planck residual needs beyond the gradient.
#[derive(Debug, Clone)]
pub struct SecondOrder<E: Element, T> {
    /// `∂_t φ`, `[n]`.
    pub time_derivative: Vector<E, T>,
    /// `Δφ`, `[n]`.
    pub laplacian: Vector<E, T>,
}

impl<E: Element, T> TensorJet<E, T> {
    /// Writes the parts that there are into the rows of a jet from `from`.
    pub(crate) fn write(&self, jet: &mut Jet<E>, from: usize) {
        let column = |tensor: &Vector<E, T>, column: ArrayViewMut1<'_, E>| {
            column.into_iter().skip(from).zip(tensor.as_vec()).for_each(|(slot, v)| *slot = v);
        };
        let n = self.value.shape().0.max(1);
        for (k, slopes) in self.gradient.as_vec().chunks_exact(n).enumerate() {
            let rows = jet.gradient.column_mut(k).into_iter().skip(from);
            rows.zip(slopes).for_each(|(slot, &s)| *slot = s);
        }
        if let Some(second) = &self.second {
            column(&self.value, jet.value.view_mut());
            column(&second.time_derivative, jet.time_derivative.view_mut());
            column(&second.laplacian, jet.laplacian.view_mut());
        }
    }
}

impl<E: Element> Mlp<E> {
    /// The jet of the potential at `(x_i, t_i)`, `t` `[n]` and `x` `[n, d]`, recorded on `tape`.
    ///
    /// Through an affine map `z = h Wᵀ + b` every derivative of `h` goes through `W` alone; through
    /// an activation `a = f(z)`,
    ///
    /// - `∂_i a = f′(z) ∂_i z`,
    /// - `Δa = f′(z) Δz + f″(z) Σ_i (∂_i z)²`, summed over `x_1 … x_d`.
    ///
    /// The input `[t, x]` has constant first derivatives and no Laplacian. A reverse pass from any
    /// function of the result gives its parameter gradients. Source of the forward Laplacian: Li et
    /// al., *A computational framework for neural network-based variational Monte Carlo with forward
    /// Laplacian*, Nature Machine Intelligence 6 (2024).
    ///
    /// # Errors
    /// If the shapes do not fit or the tensor library fails.
    pub fn tensor_jet<T: Tape<E, E::Device>>(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        derivatives: Derivatives,
        tape: T,
    ) -> Result<TensorJet<E, T>, NetworkError> {
        self.check_points(&t, &x)?;
        let layout = Layout { points: x.nrows(), dim: x.ncols(), derivatives };
        let mut jet = self.input_jet(t, x, layout)?.put_tape(tape);
        for (index, layer) in self.layers.iter().enumerate() {
            let hidden = index + 1 < self.layers.len();
            let activation = hidden.then_some(self.shape.activation);
            let z = jet.try_matmul(layer.transposed_weight()).map_err(backend)?;
            jet = Epilogue { layout, activation }.apply(z, &layer.bias)?;
        }
        split(jet, layout)
    }

    /// The jet of the identity at `[t, x]`: value rows, then unit vectors, then zeros.
    fn input_jet(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        layout: Layout,
    ) -> Result<Matrix<E>, NetworkError> {
        let (n, inputs) = (layout.points, layout.dim + 1);
        let mut rows = vec![E::zero(); layout.blocks() * n * inputs];
        for ((row, &t), x) in rows.chunks_exact_mut(inputs).zip(t).zip(x.rows()) {
            row[0] = t;
            row[1..].iter_mut().zip(x).for_each(|(input, &x)| *input = x);
        }
        let time_block = layout.dim + 1;
        for block in 1..layout.blocks().min(time_block + 1) {
            let input = if block == time_block { 0 } else { block };
            for row in layout.rows(block) {
                rows[row * inputs + input] = E::one();
            }
        }
        self.device.try_tensor_from_vec(rows, (layout.blocks() * n, inputs)).map_err(backend)
    }
}

/// Cuts the output, one column, into the parts of the jet. Each part has a tape; dfdx merges them
/// again, in the order of recording, when the parts meet.
fn split<E: Element, T: Tape<E, E::Device>>(
    output: Matrix<E, T>,
    layout: Layout,
) -> Result<TensorJet<E, T>, NetworkError> {
    let rows = layout.blocks() * layout.points;
    let (output, tape) = output.try_reshape_like(&(rows,)).map_err(backend)?.split_tape();
    let part = |from: usize, to: usize, tape: T| {
        let rows = layout.rows(from).start..layout.rows(to).end;
        output.clone().put_tape(tape).try_slice((rows,)).map_err(backend)
    };
    let dim = layout.dim;
    Ok(TensorJet {
        value: part(0, 0, T::default())?,
        gradient: part(1, dim, tape)?,
        second: match layout.derivatives {
            Derivatives::Gradient => None,
            Derivatives::All => Some(SecondOrder {
                time_derivative: part(dim + 1, dim + 1, T::default())?,
                laplacian: part(dim + 2, dim + 2, T::default())?,
            }),
        },
    })
}
