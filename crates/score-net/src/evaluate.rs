use dfdx::prelude::{Backward, OwnedTape, PutTape, SplitTape, SumTo};
use fokker_sde_core::{BatchError, Jet, Potential, Score, ScoreDivergence, ScoreJet, SmoothScore};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2, Axis};

use crate::error::backend;
use crate::head::CoreInput;
use crate::jet::{JetReader, JetTape};
use crate::network::blocks;
use crate::parameters::entries;
use crate::{Derivatives, Element, NetworkError, Output, Scalar, ScoreNetwork, VectorDerivatives};

/// Points evaluated at once: enough for the matrix products to run at full speed, few enough for
/// their results to stay in cache.
const BLOCK: usize = 256;

impl<E: Element> ScoreNetwork<E> {
    /// What the layers return for some points of the input, without a tape: the entries of the last matrix.
    pub(crate) fn evaluate(&self, reader: &JetReader<'_, E>) -> Result<Vec<E>, NetworkError> {
        let input = reader.input_jet(&self.device, JetTape::off())?;
        Ok(entries(&self.layers().apply(&self.parameters, input)?.into_matrix().split_tape().0))
    }

    /// `∇_y N` of a potential at some points by reverse mode: two matrix products per layer, against `d + 1` for a
    /// forward jet.
    fn slopes(
        &self,
        input: &CoreInput<E>,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<E>, NetworkError> {
        let reader = JetReader::values(input, range);
        let (matrix, _) =
            reader.input_jet(&self.device, JetTape::off())?.into_matrix().split_tape();
        let leaf = crate::LayerJet::new(
            matrix.clone(),
            reader.layout().clone(),
            JetTape::on(OwnedTape::default()),
        );
        let (out, tape) = self.layers().apply(&self.parameters, leaf)?.into_matrix().split_tape();
        let sum: Scalar<E, _> = out.put_tape(tape.into_operations()).try_sum().map_err(backend)?;
        let mut gradients = sum.try_backward().map_err(backend)?;
        Ok(gradients.get_or_alloc_mut(&matrix).map_err(backend)?.to_vec())
    }

    /// The score at points whose input is known, by the reference, before the prediction makes of it what it is.
    fn reference_score(
        &self,
        input: &CoreInput<E>,
        mut out: ArrayViewMut2<'_, E>,
    ) -> Result<(), NetworkError> {
        let (dim, features) = (self.head().dim, input.time.ncols());
        for range in blocks(out.nrows(), BLOCK) {
            let (entries, features) = match self.head().output {
                Output::Vector => (self.evaluate(&JetReader::values(input, range.clone()))?, 0),
                Output::Potential => (self.slopes(input, range.clone())?, features),
            };
            let mut out = out.slice_axis_mut(Axis(0), range.into());
            for (mut out, row) in out.rows_mut().into_iter().zip(entries.chunks(features + dim)) {
                out.iter_mut().zip(&row[features..]).for_each(|(out, &s)| *out = s);
            }
        }
        Ok(())
    }

    /// The derivative of the score of a potential in time, and its divergence, by the reference.
    fn score_jet_of_potential(
        &self,
        input: &CoreInput<E>,
        x: ArrayView2<'_, E>,
        jet: &mut ScoreJet<E>,
    ) -> Result<(), NetworkError> {
        let dim = x.ncols();
        let mut moves = Array2::zeros(x.raw_dim());
        for ((mut row, x), c) in moves.rows_mut().into_iter().zip(x.rows()).zip(&input.coefficients)
        {
            row.zip_mut_with(&x, |slot, x| *slot = E::of(c.input.rate * x.wide()));
        }
        for range in blocks(x.nrows(), BLOCK) {
            let reader = JetReader::score_of_potential(input, range.clone(), moves.view());
            let entries = self.evaluate(&reader)?;
            let layout = reader.layout();
            for (row, i) in range.enumerate() {
                let second = |part: usize| entries[layout.second_order(part).start + row].wide();
                let (mut laplacian, c) = (second(0), input.coefficients.get(i));
                for k in 0..dim {
                    let slope = entries[layout.direction(k).start + row].wide();
                    let (mut score, mut rate) = (slope, second(1 + k));
                    if let Some(c) = c {
                        let x = x[[i, k]].wide();
                        score = c.base.at * x + c.gain.at * slope;
                        rate = c.base.rate * x + c.gain.rate * slope + c.gain.at * rate;
                    }
                    jet.score[[i, k]] = E::of(score);
                    jet.time_derivative[[i, k]] = E::of(rate);
                }
                if let Some(c) = c {
                    laplacian = c.base.at * dim as f64 + c.gain.at * c.input.at * laplacian;
                }
                jet.divergence[i] = E::of(laplacian);
            }
        }
        Ok(())
    }
}

impl<E: Element> Score<E> for ScoreNetwork<E> {
    fn dim(&self) -> usize {
        self.head().dim
    }

    fn score(
        &self,
        t: E,
        x: ArrayView2<'_, E>,
        mut out: ArrayViewMut2<'_, E>,
    ) -> Result<(), BatchError> {
        BatchError::check("x", &[x.nrows(), self.head().dim], x.shape())?;
        BatchError::check("out", x.shape(), out.shape())?;
        let coefficients = self.head().prediction.coefficients(self.sde.as_ref(), t.wide());
        if let Some(kernel) = self.kernel() {
            let mut features = vec![E::zero(); self.head().time.features()];
            self.head().time.at(self.sde.as_ref(), t.wide(), |k, at, _| features[k] = E::of(at));
            match coefficients {
                None => kernel.score(&features, x, out.view_mut()),
                Some(c) => {
                    let scale = E::of(c.input.at);
                    kernel.score(&features, x.mapv(|x| scale * x).view(), out.view_mut());
                }
            }
        } else {
            let t = Array1::from_elem(x.nrows(), t);
            let input = self.head().input(self.sde.as_ref(), t.view(), x);
            self.reference_score(&input, out.view_mut())?;
        }
        if let Some(c) = coefficients {
            let (base, gain) = (E::of(c.base.at), E::of(c.gain.at));
            out.zip_mut_with(&x, |s, &x| *s = base * x + gain * *s);
        }
        Ok(())
    }
}

impl<E: Element> Potential<E> for ScoreNetwork<E> {
    fn jet(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        jet: &mut Jet<E>,
    ) -> Result<(), BatchError> {
        jet.check(self.head().dim, &t, &x)?;
        self.check_output(Output::Potential)?;
        let mut write = |range: std::ops::Range<usize>, part: &mut Jet<E>| {
            for (from, to) in range.enumerate() {
                jet.value[to] = part.value[from];
                jet.time_derivative[to] = part.time_derivative[from];
                jet.gradient.row_mut(to).assign(&part.gradient.row(from));
                jet.laplacian[to] = part.laplacian[from];
            }
            0.0
        };
        self.add_loss(t, x, Derivatives::All, &mut write, None)?;
        Ok(())
    }
}

/// A potential has both from [`Potential::jet`], a vector score from its first derivatives: from the kernels, where
/// there are any.
impl<E: Element> ScoreDivergence<E> for ScoreNetwork<E> {
    fn score_and_divergence(
        &self,
        t: E,
        x: ArrayView2<'_, E>,
        mut score: ArrayViewMut2<'_, E>,
        mut divergence: ArrayViewMut1<'_, E>,
    ) -> Result<(), BatchError> {
        BatchError::check("x", &[x.nrows(), self.head().dim], x.shape())?;
        BatchError::check("score", x.shape(), score.shape())?;
        BatchError::check("divergence", &[x.nrows()], divergence.shape())?;
        let t = Array1::from_elem(x.nrows(), t);
        match self.head().output {
            Output::Potential => {
                let mut jet = Jet::zeros(x.nrows(), x.ncols());
                self.jet(t.view(), x, &mut jet)?;
                score.assign(&jet.gradient);
                divergence.assign(&jet.laplacian);
            }
            Output::Vector => {
                let mut jet = ScoreJet::zeros(x.nrows(), x.ncols());
                self.score_jet(t.view(), x, &mut jet)?;
                score.assign(&jet.score);
                divergence.assign(&jet.divergence);
            }
        }
        Ok(())
    }
}

impl<E: Element> SmoothScore<E> for ScoreNetwork<E> {
    fn score_jet(
        &self,
        t: ArrayView1<'_, E>,
        x: ArrayView2<'_, E>,
        jet: &mut ScoreJet<E>,
    ) -> Result<(), BatchError> {
        jet.check(self.head().dim, &t, &x)?;
        if self.head().output == Output::Potential {
            let input = self.head().input(self.sde.as_ref(), t, x);
            return Ok(self.score_jet_of_potential(&input, x, jet)?);
        }
        let mut write = |range: std::ops::Range<usize>, part: &mut crate::VectorJet<E>| {
            for (from, to) in range.enumerate() {
                jet.score.row_mut(to).assign(&part.score.row(from));
                jet.time_derivative.row_mut(to).assign(&part.time_derivative.row(from));
                jet.divergence[to] = part.divergence(from);
            }
            0.0
        };
        self.add_vector_loss(t, x, VectorDerivatives::First, &mut write, None)?;
        Ok(())
    }
}
