//! Losses of the jets of a network, and their parameter gradients.

use std::ops::Range;

use dfdx::prelude::{
    Backward, HasShape, OwnedTape, PutTape, SplitTape, SumTo, Tape, Tensor, TensorFromVec, TryMul,
};
use fokker_sde_core::{BatchError, Jet};
use ndarray::{ArrayView1, ArrayView2, Axis};

use crate::error::backend;
use crate::head::{lift, pull};
use crate::jet::{JetReader, JetTape, lift_vector, pull_vector};
use crate::network::blocks;
use crate::parameters::entries;
use crate::{
    Derivatives, Element, Gradient, NetworkError, Output, ScoreNetwork, VectorDerivatives,
    VectorJet,
};

/// A scalar on a tape.
pub type Scalar<E, T> = Tensor<(), E, <E as Element>::Device, T>;

/// A loss of potentials' jets, see [`ScoreNetwork::add_loss`].
pub type Loss<'a, E> = dyn FnMut(Range<usize>, &mut Jet<E>) -> f64 + 'a;

/// A loss of vector scores' jets, see [`ScoreNetwork::add_vector_loss`].
pub type VectorLoss<'a, E> = dyn FnMut(Range<usize>, &mut VectorJet<E>) -> f64 + 'a;

/// Points that the reference evaluates at once.
const BLOCK: usize = 64;

impl<E: Element> ScoreNetwork<E> {
    /// The sum of a loss over the points `(x_i, t_i)`, `t` `[n]` and `x` `[n, d]`; its parameter gradient is
    /// added to `gradient`, if there is one, which is laid out as [`ScoreNetwork::parameters`].
    ///
    /// `loss` is called for one range of points after the other. It gets their jet, returns the sum of
    /// the losses there and leaves in the jet the partial derivatives of that sum. Parts of the jet that
    /// `derivatives` does not name are 0, and their derivatives are not read. Each range but the last holds a multiple
    /// of 8 points.
    ///
    /// This is one fused operation of the kernels, or the reverse pass of dfdx through the jets of the layers; see
    /// [`Backend`](crate::Backend). The reference carries derivatives forward (Li et al., *A computational framework for
    /// neural network-based variational Monte Carlo with forward Laplacian*, Nature Machine Intelligence 6, 2024), so
    /// that one reverse pass gives the gradient. A network of vector scores takes losses of its score alone, in
    /// `jet.gradient`.
    ///
    /// ```
    /// use fokker_score_net::{Derivatives, Gradient, ScoreNetwork};
    /// use fokker_sde_core::{Jet, Streams};
    ///
    /// let network = ScoreNetwork::<f32>::paper(Streams::new(0))?;
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
    /// If the shapes do not fit, more than the score of a vector score is asked for, `loss` leaves a jet of another
    /// shape, or the tensor library fails. What was added to `gradient` is then of no use.
    pub fn add_loss(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        derivatives: Derivatives<'_, E>,
        loss: &mut Loss<'_, E>,
        gradient: Option<&mut [E]>,
    ) -> Result<f64, NetworkError> {
        self.check_points(&t, &x)?;
        if let Derivatives::Along(probes) = &derivatives {
            let expected = [probes.shape()[0], x.nrows(), x.ncols()];
            BatchError::check("probes", &expected, probes.shape())?;
        }
        if let Some(gradient) = &gradient {
            self.check_gradient(gradient)?;
        }
        if derivatives.second() {
            self.check_output(Output::Potential)?;
        }
        if self.head().output == Output::Vector && self.kernel().is_none() {
            let mut of_score = |range: Range<usize>, jet: &mut VectorJet<E>| {
                let mut part = Jet::zeros(range.len(), x.ncols());
                part.gradient.assign(&jet.score);
                let sum = loss(range, &mut part);
                jet.score = part.gradient;
                sum
            };
            return self.add_vector_loss(t, x, VectorDerivatives::Value, &mut of_score, gradient);
        }
        let input = self.head().input(self.sde.as_ref(), t, x);
        let mut misshapen = None;
        let loss = &mut |range: Range<usize>, jet: &mut Jet<E>| {
            let n = range.len();
            let coefficients = input.coefficients.get(range.clone()).unwrap_or_default();
            let x = x.slice_axis(Axis(0), range.clone().into());
            // What a vector score is made of F by is what the gradient of a potential is made of its layers' by.
            lift(coefficients, x, derivatives, jet);
            let sum = loss(range, jet);
            if let Err(error) = jet.check_shape(n, x.ncols()) {
                misshapen = Some(error);
                *jet = Jet::zeros(n, x.ncols());
            }
            pull(coefficients, x, derivatives, jet);
            sum
        };
        let sum = match self.kernel() {
            Some(kernel) => kernel.add_loss_gradient(&input, derivatives, loss, gradient),
            None => self.add_reference_loss(
                x.nrows(),
                |range| JetReader::potential(&input, range, derivatives.view()),
                |range, reader, entries| {
                    let mut jet = reader.read(entries);
                    (loss(range, &mut jet), reader.cotangents(&jet))
                },
                gradient,
            )?,
        };
        misshapen.map_or(Ok(sum), |error| Err(error.into()))
    }

    /// As [`ScoreNetwork::add_loss`], for the jets of a vector score. The kernels know losses of the score, and without a
    /// gradient those of its first derivatives; others are left to the reference.
    ///
    /// # Errors
    /// As [`ScoreNetwork::add_loss`]; if this is a potential.
    pub fn add_vector_loss(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        derivatives: VectorDerivatives,
        loss: &mut VectorLoss<'_, E>,
        gradient: Option<&mut [E]>,
    ) -> Result<f64, NetworkError> {
        self.check_output(Output::Vector)?;
        self.check_points(&t, &x)?;
        if let Some(gradient) = &gradient {
            self.check_gradient(gradient)?;
        }
        let input = self.head().input(self.sde.as_ref(), t, x);
        let mut misshapen = None;
        let loss = &mut |range: Range<usize>, jet: &mut VectorJet<E>| {
            let n = range.len();
            let coefficients = input.coefficients.get(range.clone()).unwrap_or_default();
            let x = x.slice_axis(Axis(0), range.clone().into());
            lift_vector(coefficients, x, derivatives, jet);
            let sum = loss(range, jet);
            if let Err(error) = jet.check_shape(n, x.ncols()) {
                misshapen = Some(error);
                *jet = VectorJet::zeros(n, x.ncols());
            }
            pull_vector(coefficients, x, derivatives, jet);
            sum
        };
        let sum = match (self.kernel(), derivatives) {
            (Some(kernel), VectorDerivatives::Value) => {
                let of_score = &mut |range: Range<usize>, jet: &mut Jet<E>| {
                    let mut whole = VectorJet::zeros(range.len(), x.ncols());
                    std::mem::swap(&mut whole.score, &mut jet.gradient);
                    let sum = loss(range, &mut whole);
                    std::mem::swap(&mut whole.score, &mut jet.gradient);
                    sum
                };
                kernel.add_loss_gradient(&input, Derivatives::Gradient, of_score, gradient)
            }
            (Some(kernel), VectorDerivatives::First) if gradient.is_none() => {
                kernel.add_vector_jet_loss(&input, loss)
            }
            _ => self.add_reference_loss(
                x.nrows(),
                |range| JetReader::vector(&input, range, derivatives),
                |range, reader, entries| {
                    let mut jet = reader.read_vector(entries);
                    (loss(range, &mut jet), reader.vector_cotangents(&jet))
                },
                gradient,
            )?,
        };
        misshapen.map_or(Ok(sum), |error| Err(error.into()))
    }

    /// The sum over blocks of `n` points of what `loss` makes of the entries of the last matrix, and of the cotangents it
    /// leaves the parameter gradient.
    fn add_reference_loss<'a>(
        &self,
        n: usize,
        reader: impl Fn(Range<usize>) -> JetReader<'a, E>,
        mut loss: impl FnMut(Range<usize>, &JetReader<'a, E>, &[E]) -> (f64, Vec<E>),
        mut gradient: Option<&mut [E]>,
    ) -> Result<f64, NetworkError>
    where
        E: 'a,
    {
        let mut total = 0.0;
        for range in blocks(n, BLOCK) {
            let reader = reader(range.clone());
            let Some(gradient) = &mut gradient else {
                total += loss(range, &reader, &self.evaluate(&reader)?).0;
                continue;
            };
            let input = reader.input_jet(&self.device, JetTape::on(OwnedTape::default()))?;
            let (out, tape) =
                self.layers().apply(&self.parameters, input)?.into_matrix().split_tape();
            let (sum, cotangents) = loss(range, &reader, &entries(&out));
            total += sum;
            // The derivative of this sum is that of the loss, whose partial derivatives are frozen.
            let cotangents =
                self.device.try_tensor_from_vec(cotangents, *out.shape()).map_err(backend)?;
            let frozen = out.put_tape(tape.into_operations()).try_mul(cotangents);
            let scalar: Scalar<E, _> = frozen.map_err(backend)?.try_sum().map_err(backend)?;
            let part = self.collect_gradient(scalar.try_backward().map_err(backend)?)?;
            gradient.iter_mut().zip(&part.0).for_each(|(sum, &g)| *sum += g);
        }
        Ok(total)
    }

    /// A loss whose parameter gradient is known, as one operation on a tape: in dfdx's reverse pass
    /// `gradient` times the cotangent of the loss is added to the gradients of the parameters. So a loss
    /// from [`ScoreNetwork::add_loss`] can be joined with others made of dfdx's operations.
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
        let (parameters, recorded) = (self.parameters.clone(), loss.clone());
        tape.add_backward_op(move |gradients| {
            let cotangent: E = gradients.get_or_alloc_mut(&recorded)?.iter().copied().sum();
            let mut rest = gradient.0.iter();
            for matrix in &parameters {
                let slots = gradients.get_or_alloc_mut(matrix)?;
                slots.iter_mut().zip(&mut rest).for_each(|(slot, &g)| *slot += cotangent * g);
            }
            Ok(())
        });
        Ok(loss.put_tape(tape))
    }
}
