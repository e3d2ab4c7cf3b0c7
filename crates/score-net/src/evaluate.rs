use dfdx::prelude::{HasShape, NoneTape, TensorFromVec, TryMatMul};
use fokker_sde_core::{BatchError, Jet, Potential, Score};
use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2, Axis};

use crate::error::backend;
use crate::jet::Derivatives;
use crate::mlp::Matrix;
use crate::{Element, Mlp, NetworkError};

/// Points evaluated at once: enough for the matrix products to run at full speed, few enough for
/// their results to stay in cache.
const BLOCK: usize = 256;

impl<E: Element> Mlp<E> {
    pub(crate) fn check_points(
        &self,
        t: &ArrayView1<'_, E>,
        x: &ArrayView2<'_, E>,
    ) -> Result<(), BatchError> {
        BatchError::check("x", &[x.nrows(), self.shape.dim], x.shape())?;
        BatchError::check("t", &[x.nrows()], t.shape())
    }

    /// `∇φ` at one time for at most a block of points, by reverse mode: two matrix products per
    /// hidden layer, against `d + 1` for a forward jet.
    fn score_block(
        &self,
        t: E,
        x: ArrayView2<'_, E>,
        mut out: ArrayViewMut2<'_, E>,
    ) -> Result<(), NetworkError> {
        let (n, dim) = (x.nrows(), self.shape.dim);
        let Some((output, hidden)) = self.layers.split_last() else { return Ok(()) };
        let mut input = Vec::with_capacity(n * (dim + 1));
        for x in x.rows() {
            input.push(t);
            input.extend(x);
        }
        let mut values = self.matrix(input, n)?;
        let mut slopes = Vec::with_capacity(hidden.len());
        for layer in hidden {
            let z = values.try_matmul(layer.transposed_weight()).map_err(backend)?;
            let bias = layer.bias.as_vec();
            let mut a = entries(&z);
            let mut slope = vec![E::zero(); a.len()];
            for (a, slope) in a.chunks_exact_mut(bias.len()).zip(slope.chunks_exact_mut(bias.len()))
            {
                for ((a, slope), &b) in a.iter_mut().zip(slope).zip(&bias) {
                    [*a, *slope, ..] = self.shape.activation.derivatives(*a + b);
                }
            }
            values = self.matrix(a, n)?;
            slopes.push(slope);
        }
        // The cotangent of the last activation is the output's weight row at every point.
        let row = output.weight.as_vec();
        let mut cotangent: Vec<E> = row.iter().copied().cycle().take(n * row.len()).collect();
        for (layer, slope) in hidden.iter().zip(&slopes).rev() {
            cotangent.iter_mut().zip(slope).for_each(|(c, &slope)| *c *= slope);
            let product = self.matrix(cotangent, n)?.try_matmul(layer.weight.clone());
            cotangent = entries(&product.map_err(backend)?);
        }
        for (mut out, row) in out.rows_mut().into_iter().zip(cotangent.chunks_exact(dim + 1)) {
            out.iter_mut().zip(&row[1..]).for_each(|(out, &s)| *out = s);
        }
        Ok(())
    }

    /// A matrix of `n` rows from its entries.
    fn matrix(&self, entries: Vec<E>, n: usize) -> Result<Matrix<E>, NetworkError> {
        let columns = entries.len() / n.max(1);
        self.device.try_tensor_from_vec(entries, (n, columns)).map_err(backend)
    }
}

fn entries<E: Element>(matrix: &Matrix<E>) -> Vec<E> {
    let &(rows, columns) = matrix.shape();
    let mut entries = vec![E::zero(); rows * columns];
    matrix.copy_into(&mut entries);
    entries
}

impl<E: Element> Score<E> for Mlp<E> {
    fn dim(&self) -> usize {
        self.shape.dim
    }

    fn score(
        &self,
        t: E,
        x: ArrayView2<'_, E>,
        mut out: ArrayViewMut2<'_, E>,
    ) -> Result<(), BatchError> {
        BatchError::check("x", &[x.nrows(), self.shape.dim], x.shape())?;
        BatchError::check("out", x.shape(), out.shape())?;
        if let Some(kernel) = self.kernel() {
            kernel.score(t, x, out);
            return Ok(());
        }
        let blocks = x.axis_chunks_iter(Axis(0), BLOCK);
        for (x, out) in blocks.zip(out.axis_chunks_iter_mut(Axis(0), BLOCK)) {
            self.score_block(t, x, out)?;
        }
        Ok(())
    }
}

impl<E: Element> Potential<E> for Mlp<E> {
    fn jet(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        jet: &mut Jet<E>,
    ) -> Result<(), BatchError> {
        jet.check(self.shape.dim, &t, &x)?;
        if let Some(kernel) = self.kernel() {
            kernel.jet(t, x, jet);
            return Ok(());
        }
        let blocks = t.axis_chunks_iter(Axis(0), BLOCK).zip(x.axis_chunks_iter(Axis(0), BLOCK));
        for (block, (t, x)) in blocks.enumerate() {
            self.tensor_jet(t, x, Derivatives::All, NoneTape)?.write(jet, block * BLOCK);
        }
        Ok(())
    }
}
