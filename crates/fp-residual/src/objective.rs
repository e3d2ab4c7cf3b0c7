use std::ops::Range;

use dfdx::prelude::Tape;
use fokker_score_net::{Derivatives, Element, Gradient, NetworkError, Scalar, ScoreNetwork};
use fokker_sde_core::{Jet, Purpose, Sde, Streams, Target};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;

use crate::ordered_sum::OrderedSum;
use crate::{CollocationBox, DenoisingBatch, TimeLaw};

/// The training objective of Deveney et al. (2025),
///
/// `L = L_DSM + w_R · mean ε²`,
///
/// with `L_DSM` the mean over points *and components* of `(s − ∇ log p(x_t | x_0))²`, unweighted in
/// time, at times from a [`TimeLaw`], and `mean ε²` the mean of the squared Fokker–Planck residual
/// over a [`CollocationBox`].
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    /// The law of the data.
    pub target: &'a dyn Target,
    /// The forward process.
    pub sde: &'a dyn Sde,
    /// The number of points of `L_DSM` in each step.
    pub denoising_points: usize,
    /// The number of points of `mean ε²` in each step.
    pub residual_points: usize,
    /// The weight `w_R ≥ 0` of the residual; at 0 no residual is computed in training.
    pub residual_weight: f64,
    /// The times of `L_DSM`.
    pub times: TimeLaw,
    /// The points of `mean ε²`.
    pub collocation: CollocationBox,
}

/// The parts of the objective at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// `L_DSM + w_R · mean ε²`.
    pub total: f64,
    /// `L_DSM`.
    pub denoising: f64,
    /// `mean ε²`; `None` where it was not computed because its weight is 0.
    pub residual: Option<f64>,
}

/// Why the objective has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ObjectiveError {
    /// A part of the objective is not finite.
    #[error("the {part} is {value} at training step {step}")]
    NotFinite {
        /// `denoising loss`, `mean squared residual` or `gradient`.
        part: &'static str,
        /// The value found.
        value: f64,
        /// The training step, from 0.
        step: u64,
    },
    /// The network could not be evaluated.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Points per block, which has a random stream of its own. Part of what a seed means.
const BLOCK: usize = 64;

/// The two terms of the objective.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Denoising,
    Residual,
}

/// Some blocks of a term, evaluated one after the other by one thread.
struct Task {
    term: Term,
    points: Range<usize>,
}

impl Objective<'_> {
    /// The losses and the parameter gradient of `L` for the points of training step `step`.
    ///
    /// Points are drawn in blocks of 64, evaluated over all threads of the current pool and summed in a
    /// fixed order: same streams and step, same bits, for any number of threads.
    ///
    /// # Errors
    /// If a loss or the gradient is not finite, or the network cannot be evaluated.
    pub fn gradient<E: Element>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
    ) -> Result<(Losses, Gradient<E>), ObjectiveError> {
        let tasks = self.cut(&self.terms());
        let gradient = OrderedSum::new(network);
        // Handed out in their order: the large ones first, the small ones as threads fall idle.
        let mut sums = tasks
            .iter()
            .enumerate()
            .par_bridge()
            .map(|(index, task)| {
                let sum = gradient
                    .add(index, |part| self.add_task(network, streams, step, task, Some(part)))?;
                Ok((index, sum))
            })
            .collect::<Result<Vec<(usize, f64)>, NetworkError>>()?;
        sums.sort_unstable_by_key(|&(index, _)| index);
        let sums: Vec<f64> = sums.into_iter().map(|(_, sum)| sum).collect();
        let losses = self.losses(&tasks, &sums, step)?;
        let gradient = gradient.finish();
        let size: f64 = gradient.0.iter().map(|g| g.wide().abs()).sum();
        finite("gradient", size, step)?;
        Ok((losses, gradient))
    }

    /// The losses at training step `step`, and `L` as a scalar on a tape of dfdx, to be joined with terms
    /// of the caller's own; its reverse pass gives the gradient of [`Objective::gradient`].
    ///
    /// # Errors
    /// As [`Objective::gradient`].
    pub fn on_tape<E: Element, T: Tape<E, E::Device>>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
        tape: T,
    ) -> Result<(Losses, Scalar<E, T>), ObjectiveError> {
        let (losses, gradient) = self.gradient(network, streams, step)?;
        let scalar = network.record_loss(E::of(losses.total), gradient, tape)?;
        Ok((losses, scalar))
    }

    /// `mean ε²` over the collocation points of training step `step`, without a gradient: how the
    /// residual of a network is followed whose objective does not contain it.
    ///
    /// # Errors
    /// If it is not finite, or the network cannot be evaluated.
    pub fn mean_squared_residual<E: Element>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
    ) -> Result<f64, ObjectiveError> {
        let sums: Vec<f64> = self
            .cut(&[Term::Residual])
            .par_iter()
            .map(|task| self.add_task(network, streams, step, task, None))
            .collect::<Result<_, NetworkError>>()?;
        let mean = sums.iter().sum::<f64>() / self.residual_points as f64;
        finite("mean squared residual", mean, step)
    }

    /// The terms with a positive weight; the one that costs more per point first, which balances threads.
    fn terms(&self) -> Vec<Term> {
        let residual = (self.residual_weight > 0.0).then_some(Term::Residual);
        residual.into_iter().chain([Term::Denoising]).collect()
    }

    /// The losses from the sums of squares of all tasks.
    fn losses(&self, tasks: &[Task], sums: &[f64], step: u64) -> Result<Losses, ObjectiveError> {
        let sum = |term| {
            let sums = tasks.iter().zip(sums).filter(|(task, _)| task.term == term);
            sums.map(|(_, sum)| sum).sum::<f64>()
        };
        let components = (self.denoising_points * self.target.dim()) as f64;
        let denoising = finite("denoising loss", sum(Term::Denoising) / components, step)?;
        if !self.terms().contains(&Term::Residual) {
            return Ok(Losses { total: denoising, denoising, residual: None });
        }
        let mean = sum(Term::Residual) / self.residual_points as f64;
        let residual = finite("mean squared residual", mean, step)?;
        let total = denoising + self.residual_weight * residual;
        Ok(Losses { total, denoising, residual: Some(residual) })
    }

    /// Cuts the points of `terms` into tasks. Each takes a sixteenth of the blocks that are left, down to
    /// a few: sizes depend on nothing but the number of points, and the last tasks are small, so that
    /// all threads end at about the same time.
    fn cut(&self, terms: &[Term]) -> Vec<Task> {
        let points = |term: Term| match term {
            Term::Denoising => self.denoising_points,
            Term::Residual => self.residual_points,
        };
        let mut left: usize = terms.iter().map(|&term| points(term)).sum();
        let mut tasks = Vec::new();
        for &term in terms {
            let (n, mut from) = (points(term), 0);
            while from < n {
                let size = BLOCK * (left / (16 * BLOCK)).max(2);
                let to = (from + size).min(n);
                tasks.push(Task { term, points: from..to });
                left -= to - from;
                from = to;
            }
        }
        tasks
    }

    /// The sum of squares of a task, whose share of the objective's gradient is added to `gradient`.
    fn add_task<E: Element>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
        task: &Task,
        gradient: Option<&mut [E]>,
    ) -> Result<f64, NetworkError> {
        let (n, dim) = (task.points.len(), self.target.dim());
        let blocks = (0..n).step_by(BLOCK).map(|from| from..(from + BLOCK).min(n));
        let rng = |purpose, from: usize| {
            streams.rng(purpose, step, ((task.points.start + from) / BLOCK) as u64)
        };
        match task.term {
            Term::Denoising => {
                let mut batch = DenoisingBatch::<E>::zeros(n, dim);
                for range in blocks {
                    let mut rng = rng(Purpose::Denoising, range.start);
                    batch.fill(range, self.target, self.sde, self.times, &mut rng);
                }
                let factor = 2.0 / (self.denoising_points * dim) as f64;
                let mut loss = |range: Range<usize>, jet: &mut Jet<E>| {
                    denoising_loss(&batch, range, factor, jet)
                };
                let (t, x) = (batch.t.view(), batch.x.view());
                network.add_loss(t, x, Derivatives::Gradient, &mut loss, gradient)
            }
            Term::Residual => {
                let horizon = self.sde.horizon();
                let (mut t, mut x) = (Array1::zeros(n), Array2::zeros((n, dim)));
                for range in blocks {
                    let mut rng = rng(Purpose::Collocation, range.start);
                    self.collocation.fill(range, horizon, &mut rng, &mut t, &mut x);
                }
                let factor = 2.0 * self.residual_weight / self.residual_points as f64;
                let (t, x) = (t.view(), x.view());
                let mut loss = |range: Range<usize>, jet: &mut Jet<E>| {
                    residual_loss(self.sde, t, x, range, factor, jet)
                };
                network.add_loss(t, x, Derivatives::All, &mut loss, gradient)
            }
        }
    }
}

/// `Σ |s_i − y_i|²` with `y_i` the conditional scores of a batch; the jet's gradients become
/// `factor (s_i − y_i)`.
fn denoising_loss<E: Element>(
    batch: &DenoisingBatch<E>,
    range: Range<usize>,
    factor: f64,
    jet: &mut Jet<E>,
) -> f64 {
    let mut sum = 0.0;
    let conditional = batch.score.slice_axis(Axis(0), range.into());
    for (mut slopes, scores) in jet.gradient.rows_mut().into_iter().zip(conditional.rows()) {
        for (slope, y) in slopes.iter_mut().zip(scores) {
            let error = slope.wide() - y.wide();
            sum += error * error;
            *slope = E::of(factor * error);
        }
    }
    sum
}

/// `Σ ε_i²` with `ε = ∂_t φ + a (d + x·s) − ½ g² (Δφ + |s|²)`; the jet becomes `factor ε` times the partial
/// derivatives of `ε`: 1 in `∂_t φ`, `a x − g² s` in `s = ∇φ` and `−½ g²` in `Δφ`.
fn residual_loss<E: Element>(
    sde: &dyn Sde,
    t: ArrayView1<'_, E>,
    x: ArrayView2<'_, E>,
    range: Range<usize>,
    factor: f64,
    jet: &mut Jet<E>,
) -> f64 {
    let mut sum = 0.0;
    for (row, i) in range.enumerate() {
        let (a, g) = (sde.drift_rate(t[i].wide()), sde.diffusion(t[i].wide()));
        let (x, mut s) = (x.index_axis(Axis(0), i), jet.gradient.row_mut(row));
        let mut transport = x.len() as f64;
        let mut squares = 0.0;
        for (x, s) in x.iter().zip(&s) {
            transport += x.wide() * s.wide();
            squares += s.wide() * s.wide();
        }
        let diffusion = 0.5 * g * g;
        let spread = jet.laplacian[row].wide() + squares;
        let epsilon = jet.time_derivative[row].wide() + a * transport - diffusion * spread;
        sum += epsilon * epsilon;
        let weight = factor * epsilon;
        for (x, s) in x.iter().zip(&mut s) {
            *s = E::of(weight * (a * x.wide() - 2.0 * diffusion * s.wide()));
        }
        jet.value[row] = E::of(0.0);
        jet.time_derivative[row] = E::of(weight);
        jet.laplacian[row] = E::of(-diffusion * weight);
    }
    sum
}

fn finite(part: &'static str, value: f64, step: u64) -> Result<f64, ObjectiveError> {
    if value.is_finite() { Ok(value) } else { Err(ObjectiveError::NotFinite { part, value, step }) }
}
