use std::time::Instant;

use fokker_sde_core::{Purpose, Real, Score, Sde, Streams, TimeGrid};
use ndarray::{Array2, Array3, ArrayView1, ArrayViewMut3, Axis};
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::dynamics::{Dynamics, VectorField};
use crate::noise::Increments;
use crate::scheme::{Block, Scheme, denoise, noise_free_step};
use crate::step_control::{StepControl, Trials};
use crate::{Cost, Noise, Observer, ReverseProcess, SamplingError, Solver, Tolerance};

/// Particles per block: a block is one task and has random streams and, if they are adaptive, steps of its own. Part of
/// what a seed means.
pub(crate) const BLOCK: usize = 256;

/// How a batch of particles goes from the prior to the data: the process, and how it is solved.
///
/// ```
/// use fokker_samplers::{LastStep, ReverseProcess, Sampler, Solver, Unobserved};
/// use fokker_sde_core::{GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck, Streams};
///
/// let sde = OrnsteinUhlenbeck::PAPER;
/// let score = MixtureMarginals::new(GaussianMixture::nine_components(), sde);
/// let grid = GridRule::LogSnr { steps: 25, t_min: None }.grid(&sde)?;
/// let sampler = Sampler {
///     process: ReverseProcess::ODE,
///     solver: Solver::DpmSolverPlusPlus2M,
///     last_step: LastStep::Denoise,
///     ..Sampler::default()
/// };
/// let samples = sampler.sample::<f64>(&score, &sde, &grid, 1000, Streams::new(0), &Unobserved)?;
/// assert_eq!(samples.particles.dim(), (1000, 2));
/// assert_eq!(samples.cost.evaluations_per_particle(), 25.0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Sampler {
    /// The process to solve.
    pub process: ReverseProcess,
    /// How to solve it.
    pub solver: Solver,
    /// With a tolerance the solver chooses its steps, for each block its own; the grid gives the first step, the
    /// ends, and the last step if that is a special one. Noise is then that of [`Noise::Path`].
    pub tolerance: Option<Tolerance>,
    /// Where the noise comes from.
    pub noise: Noise,
    /// How the last step of the grid is taken.
    pub last_step: LastStep,
}

impl Default for Sampler {
    /// The reverse-time SDE by the scheme of Deveney et al. (2025).
    fn default() -> Self {
        Self {
            process: ReverseProcess::SDE,
            solver: Solver::default(),
            tolerance: None,
            noise: Noise::default(),
            last_step: LastStep::default(),
        }
    }
}

/// How the last step of a grid is taken. At `t = 0` many scores are infinite, and with them all solvers that ask for the
/// score there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LastStep {
    /// By the solver, as all others.
    Solver,
    /// To the mean of the last transition of the Euler–Maruyama scheme, as Deveney et al. (2025) do. For the ODE an Euler step.
    #[default]
    NoiseFree,
    /// To the estimate of the data, `E[X_0 | X_t] = (X_t + σ_t² s)/α_t`; the grid must end at 0.
    Denoise,
}

/// Where particles arrived, and what it cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Samples<F> {
    /// The particles at the end of the grid, `[n, d]`.
    pub particles: Array2<F>,
    /// What it cost.
    pub cost: Cost,
}

impl Sampler {
    /// Moves `n` particles from the prior at `grid`'s first time to its last.
    ///
    /// Block `b` of 256 particles starts from stream `(Prior, 0, b)` and draws its noise from
    /// `(Path, 0, b)`, or from the tree of streams `(BrownianBridge, b, …)`: same streams, same bits for any number of
    /// threads; all processes and solvers start from the same points; and the first of more particles are those of fewer.
    ///
    /// # Errors
    /// If a particle becomes non-finite, the score cannot be evaluated, the solver does not know the process, the
    /// tolerance cannot be kept, the grid does not fit, or the observer cancels: then the error holds the particles that
    /// had arrived.
    pub fn sample<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        grid: &TimeGrid,
        n: usize,
        streams: Streams,
        observer: &dyn Observer,
    ) -> Result<Samples<F>, SamplingError>
    where
        StandardNormal: Distribution<F>,
    {
        let last = [grid.times().len() - 1];
        let (places, cost) = self.run(score, sde, grid, &last, n, streams, observer)?;
        Ok(Samples { particles: places.index_axis_move(Axis(0), 0), cost })
    }

    /// As [`Sampler::sample`], but returns where the particles are at every time of `grid`, `[k, n, d]` for its `k` times, the
    /// first of which is the prior's. The last are the particles of [`Sampler::sample`], bit for bit.
    ///
    /// # Errors
    /// As [`Sampler::sample`]; and [`SamplingError::NotOnGrid`] with a tolerance, whose steps are not those of the grid.
    pub fn trajectories<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        grid: &TimeGrid,
        n: usize,
        streams: Streams,
        observer: &dyn Observer,
    ) -> Result<(Array3<F>, Cost), SamplingError>
    where
        StandardNormal: Distribution<F>,
    {
        if self.tolerance.is_some() {
            return Err(SamplingError::NotOnGrid { solver: self.solver });
        }
        let all: Vec<usize> = (0..grid.times().len()).collect();
        self.run(score, sde, grid, &all, n, streams, observer)
    }

    /// Where `n` particles are at the times of `grid` with the indices `kept`, of which the last is that of its end.
    #[expect(clippy::too_many_arguments, reason = "those of `sample`, and what to keep")]
    fn run<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        grid: &TimeGrid,
        kept: &[usize],
        n: usize,
        streams: Streams,
        observer: &dyn Observer,
    ) -> Result<(Array3<F>, Cost), SamplingError>
    where
        StandardNormal: Distribution<F>,
    {
        self.check(sde, grid)?;
        self.check_score(score, sde, grid)?;
        let clock = Instant::now();
        let mut places = Array3::zeros((kept.len(), n, score.dim()));
        let work = Work { sampler: self, score, sde, grid, kept, streams, observer };
        let outcomes: Vec<Result<Cost, SamplingError>> = places
            .axis_chunks_iter_mut(Axis(1), BLOCK)
            .into_par_iter()
            .enumerate()
            .map(|(block, out)| work.block(block, out))
            .collect();
        // Every block was run to its end, so that the error reported is the same each time.
        let mut cost = Cost::default();
        let mut error: Option<SamplingError> = None;
        for outcome in &outcomes {
            match outcome {
                Ok(part) => cost = cost.plus(*part),
                Err(found) => {
                    let worse = error.as_ref().is_none_or(|error| found.place() < error.place());
                    if worse {
                        error = Some(found.clone());
                    }
                }
            }
        }
        match error {
            None => {
                cost.seconds = clock.elapsed().as_secs_f64();
                Ok((places, cost))
            }
            Some(SamplingError::Cancelled { .. }) => {
                let arrived = (0..n).filter(|i| outcomes[i / BLOCK].is_ok());
                let ends = places.index_axis(Axis(0), kept.len() - 1);
                let finished = ends.select(Axis(0), &arrived.collect::<Vec<_>>());
                Err(SamplingError::Cancelled { finished: finished.mapv(F::wide) })
            }
            Some(error) => Err(error),
        }
    }

    /// Refuses a score that the solver will ask for at the end of the grid, where it is not finite: at one point, a standard
    /// deviation of the prior from 0 in each coordinate. [`Sampler::sample`] does so before its first step.
    ///
    /// # Errors
    /// If the score is not finite there, or cannot be evaluated.
    pub fn check_score<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        grid: &TimeGrid,
    ) -> Result<(), SamplingError> {
        let (times, steps) = (grid.times(), grid.times().len() - 1);
        if self.last_step != LastStep::Solver || !self.solver.asks_at_end(steps) {
            return Ok(());
        }
        let t = times[steps];
        let x = Array2::from_elem((1, score.dim()), F::of(sde.prior().std));
        let mut found = Array2::zeros(x.raw_dim());
        score.score(F::of(t), x.view(), found.view_mut())?;
        match found.iter().all(|s| s.is_finite()) {
            true => Ok(()),
            false => Err(SamplingError::InfiniteAtEnd { solver: self.solver, t }),
        }
    }

    /// Refuses what [`Sampler::sample`] would refuse before its first step, whatever the score.
    ///
    /// # Errors
    /// If the solver does not know the process or has no error estimate to keep within the tolerance, or the grid does not fit.
    pub fn check(&self, sde: &dyn Sde, grid: &TimeGrid) -> Result<(), SamplingError> {
        let (times, horizon) = (grid.times(), sde.horizon());
        if times[0] > horizon * (1.0 + 1e-12) {
            return Err(SamplingError::BeyondHorizon { t: times[0], horizon });
        }
        let end = times[times.len() - 1];
        if self.last_step == LastStep::Denoise && end > 0.0 {
            return Err(SamplingError::NothingToDenoise { t: end });
        }
        if let Some(tolerance) = &self.tolerance {
            tolerance.check()?;
            if !self.solver.properties().adaptive {
                return Err(SamplingError::NotAdaptive { solver: self.solver });
            }
            if times.len() == 2 && self.last_step != LastStep::Solver {
                return Err(SamplingError::NothingAdaptive);
            }
        }
        let largest = self.solver.largest_lambda();
        let middles = grid.steps().map(|(from, to)| 0.5 * (from + to));
        for t in times.iter().copied().chain(middles) {
            let lambda = self.process.lambda(t);
            if !ReverseProcess::allows(lambda) {
                return Err(SamplingError::Lambda { t, lambda });
            }
            if lambda > largest {
                let allowed = if largest == 0.0 { "the ODE, λ = 0" } else { "λ up to 1" };
                return Err(SamplingError::Process { solver: self.solver, allowed, t, lambda });
            }
        }
        Ok(())
    }
}

/// What all blocks share.
struct Work<'a, F> {
    sampler: &'a Sampler,
    score: &'a dyn Score<F>,
    sde: &'a dyn Sde,
    grid: &'a TimeGrid,
    /// The indices of the times at which places are kept.
    kept: &'a [usize],
    streams: Streams,
    observer: &'a dyn Observer,
}

impl<F: Real> Work<'_, F>
where
    StandardNormal: Distribution<F>,
{
    /// Moves the particles of one block, and writes where they are at the times kept.
    fn block(&self, index: usize, mut out: ArrayViewMut3<'_, F>) -> Result<Cost, SamplingError> {
        let (sampler, dim) = (self.sampler, self.score.dim());
        let wanted = out.len_of(Axis(1));
        // The steps of a block depend on all of its particles, also on those that only more particles would ask for.
        let rows = if sampler.tolerance.is_some() { BLOCK } else { wanted };
        let noise = if sampler.tolerance.is_some() { Noise::Path } else { sampler.noise };
        let dynamics = Dynamics::new(self.score, self.sde, &sampler.process);
        let number = index as u64;
        let mut increments = Increments::new(noise, self.streams, number, self.sde.horizon(), dim);
        let mut start = self.streams.rng(Purpose::Prior, 0, number);
        let std = F::of(self.sde.prior().std);
        let x =
            Array2::from_shape_simple_fn((rows, dim), || std * StandardNormal.sample(&mut start));
        let mut block = Block { dynamics: &dynamics, noise: &mut increments, x };
        let corrections = self.streams.rng(Purpose::Path, 1, number);
        let mut scheme = sampler.solver.scheme((rows, dim), corrections);
        let mut places = out.outer_iter_mut().zip(self.kept).peekable();
        let mut arrive = |index: usize, x: &Array2<F>| {
            if let Some((mut place, _)) = places.next_if(|(_, kept)| **kept == index) {
                place.assign(&x.slice_axis(Axis(0), (..wanted).into()));
            }
        };
        let solved = self.solve(&mut block, scheme.as_mut(), &mut arrive);
        let mut steps = solved.map_err(|e| e.in_block(index))?;
        self.observer.finished(wanted);
        let rows = rows as u64;
        steps.iter_mut().for_each(|steps| *steps *= rows);
        let [accepted, rejected] = steps;
        let evaluations = dynamics.evaluations() * rows;
        Ok(Cost { particles: rows, evaluations, accepted, rejected, seconds: 0.0 })
    }

    /// Takes a block through the grid; returns how many steps counted and how many did not. `arrive` sees the particles at the
    /// times of the grid, of adaptive steps at the end only.
    fn solve(
        &self,
        block: &mut Block<'_, F>,
        scheme: &mut dyn Scheme<F>,
        arrive: &mut dyn FnMut(usize, &Array2<F>),
    ) -> Result<[u64; 2], SamplingError> {
        let steps: Vec<(f64, f64)> = self.grid.steps().collect();
        let (last, before) = (steps.len() - 1, &steps[..steps.len() - 1]);
        let special = self.sampler.last_step != LastStep::Solver;
        let regular = if special { before } else { &steps[..] };
        let [mut accepted, mut rejected] = [0, 0];
        arrive(0, &block.x);
        match (&self.sampler.tolerance, regular) {
            (Some(tolerance), &[(start, next), ..]) => {
                let end = regular[regular.len() - 1].1;
                let control = StepControl::new(self.sampler.solver.error_order());
                let before = block.x.clone();
                let mut trials = AdaptiveBlock { work: self, block, scheme, tolerance, before };
                let horizon = self.sde.horizon();
                [accepted, rejected] = control.drive(&mut trials, [start, next, end], horizon)?;
                arrive(regular.len(), &block.x);
            }
            _ => {
                for (index, &(from, to)) in regular.iter().enumerate() {
                    self.listen()?;
                    scheme.step(block, from, to)?;
                    scheme.accept();
                    check_finite(&block.x, index, to)?;
                    accepted += 1;
                    arrive(index + 1, &block.x);
                }
            }
        }
        if special {
            self.listen()?;
            let (from, to) = steps[last];
            match self.sampler.last_step {
                LastStep::Denoise => {
                    let mut room = Array2::zeros(block.x.raw_dim());
                    denoise(block, from, &mut room)?;
                }
                _ => noise_free_step(block, from, to)?,
            }
            check_finite(&block.x, accepted as usize, to)?;
            accepted += 1;
            arrive(steps.len(), &block.x);
        }
        Ok([accepted, rejected])
    }

    fn listen(&self) -> Result<(), SamplingError> {
        match self.observer.cancelled() {
            true => Err(SamplingError::Cancelled { finished: Array2::default((0, 0)) }),
            false => Ok(()),
        }
    }
}

/// A block whose steps are adaptive.
struct AdaptiveBlock<'a, 'b, F> {
    work: &'a Work<'a, F>,
    block: &'a mut Block<'b, F>,
    scheme: &'a mut dyn Scheme<F>,
    tolerance: &'a Tolerance,
    /// The particles before the last step.
    before: Array2<F>,
}

impl<F: Real> Trials for AdaptiveBlock<'_, '_, F>
where
    StandardNormal: Distribution<F>,
{
    fn attempt(&mut self, from: f64, to: f64) -> Result<f64, SamplingError> {
        self.work.listen()?;
        self.before.assign(&self.block.x);
        self.scheme.step(self.block, from, to)?;
        let worst = |error| self.tolerance.worst(error, &self.before, &self.block.x);
        Ok(self.scheme.error().map_or(f64::INFINITY, worst))
    }

    fn keep(&mut self, steps: usize, _: f64, to: f64) -> Result<(), SamplingError> {
        self.scheme.accept();
        check_finite(&self.block.x, steps, to)
    }

    fn take_back(&mut self) {
        self.block.x.assign(&self.before);
    }

    fn check(&self, steps: usize, to: f64) -> Result<(), SamplingError> {
        check_finite(&self.block.x, steps, to)
    }
}

/// An error for the first row that is not finite; its index counts within the block.
pub(crate) fn check_finite<F: Real>(
    x: &Array2<F>,
    step: usize,
    t: f64,
) -> Result<(), SamplingError> {
    if x.iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    let wide = |row: ArrayView1<'_, F>| row.iter().map(|x| x.wide()).collect();
    let first =
        x.rows().into_iter().enumerate().find(|(_, row)| row.iter().any(|x| !x.is_finite()));
    let (particle, state) = first.map_or((0, Vec::new()), |(index, row)| (index, wide(row)));
    Err(SamplingError::NotFinite { step, t, particle, state })
}

impl SamplingError {
    /// Of errors from different blocks the one to report is that of the lowest place, whichever was found first.
    fn place(&self) -> (u8, usize, usize) {
        match self {
            Self::NotFinite { step, particle, .. } => (1, *step, *particle),
            Self::StepTooSmall { particle, .. } => (2, 0, *particle),
            Self::Cancelled { .. } => (3, 0, 0),
            _ => (0, 0, 0),
        }
    }

    /// Counts the particle of an error within the whole batch.
    pub(crate) fn in_block(mut self, block: usize) -> Self {
        if let Self::NotFinite { particle, .. } | Self::StepTooSmall { particle, .. } = &mut self {
            *particle += block * BLOCK;
        }
        self
    }
}
