use std::ops::Range;

use dfdx::prelude::Tape;
use fokker_score_net::{Element, Gradient, NetworkError, Output, Scalar, ScoreNetwork};
use fokker_sde_core::{Sde, Streams, Target};
use rayon::prelude::*;

use crate::conditions::Condition;
use crate::ordered_sum::OrderedSum;
use crate::work::{Found, Work};
use crate::{
    Collocation, Combination, Conditions, DenoisingWeight, Estimate, LaplacianRule, ResidualForm,
    ResidualWeight, TimeImportance, TimeLaw, TimeMoments,
};

/// The training objective
///
/// `L = L_DSM + w_R · mean ε² + conditions`,
///
/// by default that of Deveney et al. (2025): `L_DSM` the mean over points *and components* of `(s − ∇ log p(x_t | x_0))²`, at times
/// from a [`TimeLaw`], and `mean ε²` the mean of the squared Fokker–Planck residual over a box. [`Denoising`] and [`Residual`] say
/// what else the two may be.
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    /// The law of the data.
    pub target: &'a dyn Target,
    /// The forward process.
    pub sde: &'a dyn Sde,
    /// `L_DSM`.
    pub denoising: Denoising,
    /// The residual's term.
    pub residual: Residual,
    /// The weight `w_R ≥ 0` of the residual; at 0 no residual is computed in training.
    pub residual_weight: f64,
    /// Initial, boundary and terminal conditions.
    pub conditions: Conditions,
    /// Where `L_DSM` is to look more often, if that is known.
    pub importance: Option<&'a TimeImportance>,
}

/// Denoising score matching.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Denoising {
    /// The number of points in each step.
    pub points: usize,
    /// Their times.
    pub times: TimeLaw,
    /// The weight of a time.
    pub weight: DenoisingWeight,
    /// Draws of the data among which the one behind a noised point is taken to be unknown: with more than one a network is
    /// matched to the mean of its conditional scores over the posterior of that draw, which leaves the best network what it is and
    /// has less noise. A block of 64 points has at least as many, its own; each point costs an exponential for each.
    pub references: usize,
}

/// The term of the Fokker–Planck residual.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Residual {
    /// The number of points in each step, a multiple of 8 for all forms but the default.
    pub points: usize,
    /// What is squared.
    pub form: ResidualForm,
    /// The weight of a time.
    pub weight: ResidualWeight,
    /// How the Laplacian is found.
    pub laplacian: LaplacianRule,
    /// Where the points are.
    pub collocation: Collocation,
}

/// The parts of the objective at one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Losses {
    /// `L`.
    pub total: f64,
    /// `L_DSM`.
    pub denoising: f64,
    /// The mean of the residual's form with its standard error, which holds the noise of probes and other random directions, too;
    /// `None` where it was not computed because its weight is 0.
    pub residual: Option<Estimate>,
    /// The conditions with their weights, 0 without any.
    pub conditions: f64,
    /// What [`TimeImportance::update`] takes in.
    pub moments: TimeMoments,
}

/// Why the objective has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ObjectiveError {
    /// A part of the objective is not finite.
    #[error("the {part} is {value} at training step {step}")]
    NotFinite {
        /// `denoising loss`, `mean squared residual`, `initial condition`, … or `gradient`.
        part: &'static str,
        /// The value found.
        value: f64,
        /// The training step, from 0.
        step: u64,
    },
    /// Parts of the objective do not fit each other or the network.
    #[error("{0}")]
    Combination(#[from] Combination),
    /// The network could not be evaluated.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Points per block, which has a random stream of its own. Part of what a seed means.
const BLOCK: usize = 64;

/// The terms of the objective.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Term {
    Residual,
    Denoising,
    Condition(Condition),
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
    /// If the parts do not fit together, a loss or the gradient is not finite, or the network cannot be evaluated.
    pub fn gradient<E: Element>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
    ) -> Result<(Losses, Gradient<E>), ObjectiveError> {
        self.check(network.head().output)?;
        let tasks = self.cut(&self.terms());
        let gradient = OrderedSum::new(network);
        // Handed out in their order: the large ones first, the small ones as threads fall idle.
        let mut found = tasks
            .iter()
            .enumerate()
            .par_bridge()
            .map(|(index, task)| {
                let found = gradient
                    .add(index, |part| self.add_task(network, streams, step, task, Some(part)))?;
                Ok((index, found))
            })
            .collect::<Result<Vec<(usize, Found)>, NetworkError>>()?;
        found.sort_unstable_by_key(|&(index, _)| index);
        let found: Vec<Found> = found.into_iter().map(|(_, found)| found).collect();
        let losses = self.join(&tasks, &found, network.head().output, step)?;
        let gradient = gradient.finish();
        let size: f64 = gradient.0.iter().map(|g| g.wide().abs()).sum();
        finite("gradient", size, step)?;
        Ok((losses, gradient))
    }

    /// The losses for the points of training step `step`, without a gradient: how a network is judged by points that it was not
    /// trained on, with streams of another seed.
    ///
    /// # Errors
    /// As [`Objective::gradient`].
    pub fn losses<E: Element>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
    ) -> Result<Losses, ObjectiveError> {
        self.check(network.head().output)?;
        let tasks = self.cut(&self.terms());
        let found = self.find(&tasks, network, streams, step)?;
        self.join(&tasks, &found, network.head().output, step)
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

    /// The mean of the residual's form over the collocation points of training step `step`, without a gradient: how the
    /// residual of a network is followed whose objective does not contain it.
    ///
    /// # Errors
    /// If it is not finite, or the network cannot be evaluated.
    pub fn mean_squared_residual<E: Element>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
    ) -> Result<Estimate, ObjectiveError> {
        Combination::check_residual(&self.residual, network.head().output, self.target.dim())?;
        let found = self.find(&self.cut(&[Term::Residual]), network, streams, step)?;
        let mean = found.iter().map(|found| found.sum).sum::<f64>() / self.residual.points as f64;
        let mean = finite("mean squared residual", mean, step)?;
        Ok(self.estimate(mean, &found, network.head().output))
    }

    /// A mean of the residual's form with its standard error, from the groups of points that are independent of each other.
    fn estimate<'f>(
        &self,
        mean: f64,
        found: impl IntoIterator<Item = &'f Found>,
        output: Output,
    ) -> Estimate {
        let rows = match output {
            Output::Vector => 1,
            Output::Potential => self.residual.form.rows(self.residual.laplacian),
        };
        let groups = (self.residual.points / rows).max(1) as f64;
        let squares: f64 = found.into_iter().map(|found| found.squares).sum();
        let variance = (squares / groups - mean * mean).max(0.0) / (groups - 1.0).max(1.0);
        Estimate { mean, standard_error: variance.sqrt() }
    }

    /// Refuses what does not fit together.
    ///
    /// # Errors
    /// Names the first combination that makes no sense.
    pub fn check(&self, output: Output) -> Result<(), Combination> {
        let dim = self.target.dim();
        if self.residual_weight > 0.0 {
            Combination::check_residual(&self.residual, output, dim)?;
        }
        let conditions = &self.conditions;
        let needs_potential = conditions.initial > 0.0 || conditions.boundary > 0.0;
        if needs_potential && output == Output::Vector {
            return Err(Combination::VectorCondition);
        }
        if conditions.boundary > 0.0 && dim > Combination::MOST_BOX_DIMENSIONS {
            return Err(Combination::Box);
        }
        let known = conditions.initial == 0.0 || self.target.density(&vec![0.0; dim]).is_some();
        if known { Ok(()) } else { Err(Combination::NoDensity) }
    }

    /// The terms with a positive weight; those that cost more per point first, which balances threads.
    fn terms(&self) -> Vec<Term> {
        let conditions = Condition::ALL.map(Term::Condition);
        [Term::Residual, Term::Denoising]
            .into_iter()
            .chain(conditions)
            .filter(|term| self.weight(*term).0 > 0.0)
            .collect()
    }

    /// The weight of a term, and its name in errors.
    fn weight(&self, term: Term) -> (f64, &'static str) {
        match term {
            Term::Residual => (self.residual_weight, "mean squared residual"),
            Term::Denoising => (1.0, "denoising loss"),
            Term::Condition(condition) => (self.conditions.weight(condition), condition.name()),
        }
    }

    /// The number of points of a term.
    fn points(&self, term: Term) -> usize {
        match term {
            Term::Denoising => self.denoising.points,
            Term::Residual => self.residual.points,
            Term::Condition(_) => self.conditions.points(),
        }
    }

    /// What tasks find, without a gradient.
    fn find<E: Element>(
        &self,
        tasks: &[Task],
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
    ) -> Result<Vec<Found>, NetworkError> {
        let tasks = tasks.par_iter();
        tasks.map(|task| self.add_task(network, streams, step, task, None)).collect()
    }

    /// The losses from the sums of all tasks.
    fn join(
        &self,
        tasks: &[Task],
        found: &[Found],
        output: Output,
        step: u64,
    ) -> Result<Losses, ObjectiveError> {
        let mut losses = Losses {
            total: 0.0,
            denoising: 0.0,
            residual: None,
            conditions: 0.0,
            moments: TimeMoments::default(),
        };
        found.iter().for_each(|found| losses.moments.merge(&found.moments));
        // The denoising loss first: if all are broken, it is the one to name.
        let mut terms = self.terms();
        terms.sort_by_key(|term| *term != Term::Denoising);
        for term in terms {
            let own = tasks.iter().zip(found).filter(|(task, _)| task.term == term);
            let sum: f64 = own.map(|(_, found)| found.sum).sum();
            let components = if term == Term::Denoising { self.target.dim() } else { 1 };
            let (weight, name) = self.weight(term);
            let mean = finite(name, sum / (self.points(term) * components) as f64, step)?;
            losses.total += if term == Term::Denoising { mean } else { weight * mean };
            match term {
                Term::Denoising => losses.denoising = mean,
                Term::Residual => {
                    let own = tasks.iter().zip(found).filter(|(task, _)| task.term == term);
                    let own = own.map(|(_, found)| found);
                    losses.residual = Some(self.estimate(mean, own, output));
                }
                Term::Condition(_) => losses.conditions += weight * mean,
            }
        }
        Ok(losses)
    }

    /// Cuts the points of `terms` into tasks. Each takes a sixteenth of the blocks that are left, down to
    /// a few: sizes depend on nothing but the number of points, and the last tasks are small, so that
    /// all threads end at about the same time.
    fn cut(&self, terms: &[Term]) -> Vec<Task> {
        let mut left: usize = terms.iter().map(|&term| self.points(term)).sum();
        let mut tasks = Vec::new();
        for &term in terms {
            let (n, mut from) = (self.points(term), 0);
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

    /// What a task finds; its share of the objective's gradient is added to `gradient`.
    fn add_task<E: Element>(
        &self,
        network: &ScoreNetwork<E>,
        streams: Streams,
        step: u64,
        task: &Task,
        gradient: Option<&mut [E]>,
    ) -> Result<Found, NetworkError> {
        // The numbers of the task's blocks, with the places of their points in the task.
        let first = task.points.start / BLOCK;
        let places = (0..task.points.len()).step_by(BLOCK);
        let blocks = places.enumerate().map(|(index, from)| {
            ((first + index) as u64, from..(from + BLOCK).min(task.points.len()))
        });
        let blocks: Vec<(u64, Range<usize>)> = blocks.collect();
        let work = Work { objective: self, network, streams, step, blocks };
        match task.term {
            Term::Denoising => work.denoising(task.points.len(), gradient),
            Term::Residual => work.residual(task.points.len(), gradient),
            Term::Condition(condition) => work.condition(condition, gradient),
        }
    }
}

fn finite(part: &'static str, value: f64, step: u64) -> Result<f64, ObjectiveError> {
    if value.is_finite() { Ok(value) } else { Err(ObjectiveError::NotFinite { part, value, step }) }
}
