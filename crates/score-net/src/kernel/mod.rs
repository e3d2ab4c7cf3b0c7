//! Fused kernels: scores, jets, and the parameter gradients of losses of jets, for tiles of points that
//! stay in cache, on the vector instructions of the machine.

mod activate;
mod buffer;
mod elementwise;
mod exponential;
mod gelu;
mod gradient;
mod instruction_set;
mod packed;
mod product;
mod score;
mod silu;
mod sin;
mod softplus;
mod tanh;
mod tile;

use std::ops::Range;

use fokker_sde_core::{Jet, Real};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

use crate::{Derivatives, Element, Mlp};
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

/// A network ready for the kernels.
#[derive(Debug)]
pub(crate) struct Kernel {
    packed: Packed,
    set: InstructionSet,
}

impl Kernel {
    pub(crate) fn new<E: Element>(network: &Mlp<E>, set: InstructionSet) -> Self {
        Self { packed: Packed::new(network), set }
    }

    /// `∇φ(x_i, t)` for every row of `x`.
    pub(crate) fn score<E: Real>(&self, t: E, x: ArrayView2<'_, E>, out: ArrayViewMut2<'_, E>) {
        dispatch!(self.set, simd => score::score(simd, &self.packed, t, x, out));
    }

    /// The jet of `φ` at `(x_i, t_i)`.
    pub(crate) fn jet<E: Real>(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        jet: &mut Jet<E>,
    ) {
        let mut write = |range: Range<usize>, part: &mut Jet<E>| {
            for (from, to) in range.enumerate() {
                jet.value[to] = part.value[from];
                jet.time_derivative[to] = part.time_derivative[from];
                jet.gradient.row_mut(to).assign(&part.gradient.row(from));
                jet.laplacian[to] = part.laplacian[from];
            }
            0.0
        };
        self.add_loss_gradient(t, x, Derivatives::All, &mut write, None);
    }

    /// See [`gradient::add_loss_gradient`].
    pub(crate) fn add_loss_gradient<E: Real>(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        derivatives: Derivatives,
        loss: &mut dyn FnMut(Range<usize>, &mut Jet<E>) -> f64,
        gradient: Option<&mut [E]>,
    ) -> f64 {
        let network = &self.packed;
        dispatch!(
            self.set,
            simd => gradient::add_loss_gradient(simd, network, t, x, derivatives, loss, gradient)
        )
    }
}
