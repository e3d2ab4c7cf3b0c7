//! Fused kernels: scores, jets, and the parameter gradients of losses of jets, for tiles of points that
//! stay in cache, on the vector instructions of the machine. Of vector scores, losses of the score have gradients, and
//! first derivatives have values.

mod activate;
mod buffer;
mod elementwise;
mod exponential;
mod finish;
mod gelu;
mod gradient;
mod instruction_set;
mod packed;
mod padded_gradient;
mod product;
mod score;
mod silu;
mod sin;
mod softplus;
mod tanh;
mod tile;
mod vector;

use ndarray::{ArrayView2, ArrayViewMut2};

use crate::head::CoreInput;
use crate::loss::{Loss, VectorLoss};
use crate::parameters::Matrix;
use crate::{Architecture, Derivatives, Element, Output};
use instruction_set::dispatch;
use packed::Packed;

pub use instruction_set::InstructionSet;

/// The points of a tile: as many as keep its `floats` per point in half a megabyte, but enough to make
/// use of a weight that is read once for all of them, unless a point alone is large. A multiple of 8, so
/// that strips of rows come out even.
fn tile_rows(floats: usize, points: usize) -> usize {
    let fit = (1 << 17) / floats.max(1) / 8 * 8;
    let fewest = if floats > 1 << 15 { 8 } else { 32 };
    fit.clamp(fewest, 64).min(points.next_multiple_of(8).max(8))
}

/// What the kernels do for a network of numbers `E`. Its users are generic in `E`; behind this trait the kernels are
/// compiled once, with this crate.
pub trait Kernels<E: Element>: Send + Sync {
    /// `∇_y N(y_i, τ)` of a potential or `F(y_i, τ)` of a vector score for every row of `y`, with the features `τ` of one
    /// time.
    fn score(&self, time: &[E], place: ArrayView2<'_, E>, out: ArrayViewMut2<'_, E>);

    /// The sum of a loss of jets, whose parameter gradient is added to `gradient`. Of a vector score the derivatives are
    /// [`Derivatives::Gradient`].
    fn add_loss_gradient(
        &self,
        input: &CoreInput<E>,
        derivatives: Derivatives<'_, E>,
        loss: &mut Loss<'_, E>,
        gradient: Option<&mut [E]>,
    ) -> f64;

    /// The sum of a loss of the first derivatives of a vector score.
    fn add_vector_jet_loss(&self, input: &CoreInput<E>, loss: &mut VectorLoss<'_, E>) -> f64;
}

/// A network in single precision, ready for the kernels.
#[derive(Debug)]
pub(crate) struct Kernel {
    packed: Packed,
    set: InstructionSet,
}

impl Kernel {
    /// `None` if the architecture is impossible.
    pub(crate) fn new(
        architecture: &Architecture,
        parameters: &[Matrix<f32>],
        set: InstructionSet,
    ) -> Option<Self> {
        Packed::new(architecture, parameters).map(|packed| Self { packed, set })
    }
}

impl Kernels<f32> for Kernel {
    fn score(&self, time: &[f32], place: ArrayView2<'_, f32>, out: ArrayViewMut2<'_, f32>) {
        dispatch!(self.set, simd => score::score(simd, &self.packed, time, place, out));
    }

    fn add_loss_gradient(
        &self,
        input: &CoreInput<f32>,
        derivatives: Derivatives<'_, f32>,
        loss: &mut Loss<'_, f32>,
        gradient: Option<&mut [f32]>,
    ) -> f64 {
        let network = &self.packed;
        match network.kind {
            Output::Potential => dispatch!(
                self.set,
                simd => gradient::add_loss_gradient(simd, network, input, derivatives, loss, gradient)
            ),
            Output::Vector => dispatch!(
                self.set,
                simd => vector::add_loss_gradient(simd, network, input, loss, gradient)
            ),
        }
    }

    fn add_vector_jet_loss(&self, input: &CoreInput<f32>, loss: &mut VectorLoss<'_, f32>) -> f64 {
        dispatch!(self.set, simd => vector::add_jet_loss(simd, &self.packed, input, loss))
    }
}
