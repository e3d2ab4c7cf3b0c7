use std::ops::Range;

use fokker_score_net::{
    Derivatives, Element, NetworkError, Output, ScoreNetwork, VectorDerivatives, VectorJet,
};
use fokker_sde_core::{Jet, Purpose, Streams};
use ndarray::{Array1, Array2, Array3, ArrayView3, Axis, Slice};

use crate::collocation::Sources;
use crate::conditions::{Condition, boundary_loss, initial_loss, terminal_loss};
use crate::form::Points;
use crate::vector_form::score_loss;
use crate::{DenoisingBatch, Objective, ResidualForm, TimeLaw, TimeMoments};

/// What a task finds.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) sum: f64,
    /// Of the residual, the sum over groups of points of the squared mean of a group.
    pub(crate) squares: f64,
    pub(crate) moments: TimeMoments,
}

/// One task at work.
pub(crate) struct Work<'a, E: Element> {
    pub(crate) objective: &'a Objective<'a>,
    pub(crate) network: &'a ScoreNetwork<E>,
    pub(crate) streams: Streams,
    pub(crate) step: u64,
    /// The numbers of the blocks, and the places of their points in the task.
    pub(crate) blocks: Vec<(u64, Range<usize>)>,
}

impl<E: Element> Work<'_, E> {
    pub(crate) fn denoising(
        &self,
        n: usize,
        gradient: Option<&mut [E]>,
    ) -> Result<Found, NetworkError> {
        let Objective { target, sde, denoising, importance, .. } = *self.objective;
        let dim = target.dim();
        let mut batch = DenoisingBatch::<E>::zeros(n, dim);
        // The share of the law of times below each point's, and what its loss is to be multiplied with.
        let mut places = vec![(0.0, 1.0); n];
        for (block, range) in &self.blocks {
            let mut rng = self.streams.rng(Purpose::Denoising, self.step, *block);
            let (from, count) = (range.start, range.len());
            batch.fill(range.clone(), target, sde, denoising, &mut rng, |index, u| {
                let u = denoising.times.share(index, count, u);
                let place = importance.map_or((u, 1.0), |importance| importance.share(u));
                places[from + index] = place;
                place.0
            });
        }
        for (place, t) in places.iter_mut().zip(&batch.t) {
            place.1 *= denoising.weight.at(sde, t.wide());
        }
        let factor = 2.0 / (denoising.points * dim) as f64;
        let mut moments = TimeMoments::default();
        let (t, x) = (batch.t.view(), batch.x.view());
        let mut loss = |range: Range<usize>, jet: &mut Jet<E>| {
            let conditional = batch.score.slice_axis(Axis(0), range.clone().into());
            let mut sum = 0.0;
            for ((mut slopes, scores), &(share, weight)) in
                jet.gradient.rows_mut().into_iter().zip(conditional.rows()).zip(&places[range])
            {
                let mut squares = 0.0;
                for (slope, y) in slopes.iter_mut().zip(scores) {
                    let error = slope.wide() - y.wide();
                    squares += error * error;
                    *slope = E::of(factor * weight * error);
                }
                sum += weight * squares;
                if importance.is_some() {
                    // The loss under the law of times itself, whatever it is looked at by.
                    let density = importance.map_or(1.0, |importance| importance.density(share));
                    moments.add(share, weight * density * squares / dim as f64);
                }
            }
            sum
        };
        let sum = self.network.add_loss(t, x, Derivatives::Gradient, &mut loss, gradient)?;
        Ok(Found { sum, moments, ..Found::default() })
    }

    pub(crate) fn residual(
        &self,
        n: usize,
        gradient: Option<&mut [E]>,
    ) -> Result<Found, NetworkError> {
        let Objective { target, sde, residual, residual_weight, .. } = *self.objective;
        let (dim, form) = (target.dim(), residual.form);
        let (mut t, mut x) = (Array1::zeros(n), Array2::zeros((n, dim)));
        let mut moves = Array2::zeros((n, dim));
        let sources = Sources { target, sde, score: self.network };
        let vector = self.network.head().output == Output::Vector;
        let rows = if vector { 1 } else { form.rows(residual.laplacian) };
        let together = form.drawn_together();
        // Points at which the network is evaluated; those of a group that looks around one point begin as that point.
        let copies = if together > 1 { 1 } else { rows };
        let mut probes: Vec<Array3<E>> = Vec::new();
        for (block, range) in &self.blocks {
            let rng = |purpose| self.streams.rng(purpose, self.step, *block);
            let (mut places, mut paths) = (rng(Purpose::Collocation), rng(Purpose::Trajectory));
            let slice = Slice::from(range.clone());
            let mut t = t.slice_axis_mut(Axis(0), slice);
            let mut x = x.slice_axis_mut(Axis(0), slice);
            let drawn = range.len().div_ceil(copies);
            let (own_t, own_x) = (
                t.slice_axis_mut(Axis(0), (..drawn).into()),
                x.slice_axis_mut(Axis(0), (..drawn).into()),
            );
            residual
                .collocation
                .fill(together, &sources, &mut places, &mut paths, own_t, own_x)
                .map_err(NetworkError::from)?;
            for row in (0..range.len()).rev() {
                let from = row / copies;
                t[row] = t[from];
                let place = x.row(from).to_owned();
                x.row_mut(row).assign(&place);
            }
            let mut around = rng(Purpose::Probe);
            if !vector {
                let moves = moves.slice_axis_mut(Axis(0), slice);
                form.spread(sde, t.view(), x, moves, &mut around);
                probes.extend(residual.laplacian.draw(range.len(), dim, &mut around));
            }
        }
        let factor = residual_weight / residual.points as f64;
        let points = |range: &Range<usize>| Points {
            sde,
            weight: residual.weight,
            t: t.slice_axis(Axis(0), range.clone().into()),
            x: x.slice_axis(Axis(0), range.clone().into()),
            moves: moves.slice_axis(Axis(0), range.clone().into()),
        };
        if vector {
            let mut squares = 0.0;
            let mut loss = |range: Range<usize>, jet: &mut VectorJet<E>| {
                let (sum, part) = score_loss(&points(&range), factor, jet);
                squares += part;
                sum
            };
            let all = VectorDerivatives::All;
            let sum = self.network.add_vector_loss(t.view(), x.view(), all, &mut loss, gradient)?;
            return Ok(Found { sum, squares, ..Found::default() });
        }
        let views: Vec<ArrayView3<'_, E>> = probes.iter().map(|part| part.view()).collect();
        let probes = ndarray::concatenate(Axis(1), &views).ok();
        let derivatives = match (&probes, form) {
            (_, ResidualForm::Weak { .. }) => Derivatives::First,
            (Some(probes), _) if !views.is_empty() => Derivatives::Along(probes.view()),
            _ => Derivatives::All,
        };
        let mut squares = 0.0;
        let mut loss = |range: Range<usize>, jet: &mut Jet<E>| {
            let (sum, part) = form.loss(&points(&range), rows, factor, jet);
            squares += part;
            sum
        };
        let sum = self.network.add_loss(t.view(), x.view(), derivatives, &mut loss, gradient)?;
        Ok(Found { sum, squares, ..Found::default() })
    }

    pub(crate) fn condition(
        &self,
        condition: Condition,
        gradient: Option<&mut [E]>,
    ) -> Result<Found, NetworkError> {
        let Objective { target, sde, residual, conditions, .. } = *self.objective;
        let dim = target.dim();
        let factor = conditions.weight(condition) / conditions.points() as f64;
        let (mut sum, mut gradient) = (0.0, gradient);
        for (block, range) in &self.blocks {
            let index = 3 * block + condition as u64;
            let mut rng = self.streams.rng(Purpose::Condition, self.step, index);
            let n = range.len();
            let gradient = gradient.as_deref_mut();
            let collocation = residual.collocation;
            sum += match condition {
                Condition::Initial => {
                    let (t, x, log_densities) =
                        Condition::data::<E>(n, collocation.t_min, target, &mut rng);
                    let mut loss = |range: Range<usize>, jet: &mut Jet<E>| {
                        initial_loss(&log_densities[range], factor, jet)
                    };
                    let first = Derivatives::First;
                    self.network.add_loss(t.view(), x.view(), first, &mut loss, gradient)?
                }
                Condition::Boundary => {
                    let times = TimeLaw::new(collocation.t_min, collocation.times);
                    let time = |rng: &mut _| times.draw(sde, rng);
                    let (t, x, normals) =
                        Condition::faces::<E>(n, dim, collocation.extent, time, &mut rng);
                    let all = t.to_vec();
                    let mut loss = |range: Range<usize>, jet: &mut Jet<E>| {
                        let x = x.slice_axis(Axis(0), range.clone().into());
                        let (t, normals) = (&all[range.clone()], &normals[range]);
                        boundary_loss(sde, t, x, normals, factor, jet)
                    };
                    let first = Derivatives::First;
                    self.network.add_loss(t.view(), x.view(), first, &mut loss, gradient)?
                }
                Condition::Terminal => {
                    let (t, x) = Condition::prior::<E>(n, dim, sde, &mut rng);
                    let mut loss = |range: Range<usize>, jet: &mut Jet<E>| {
                        let x = x.slice_axis(Axis(0), range.into());
                        terminal_loss(sde, x, factor, jet)
                    };
                    let asked = Derivatives::Gradient;
                    self.network.add_loss(t.view(), x.view(), asked, &mut loss, gradient)?
                }
            };
        }
        Ok(Found { sum, ..Found::default() })
    }
}
