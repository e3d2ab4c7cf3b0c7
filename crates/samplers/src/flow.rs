use std::cell::Cell;
use std::time::Instant;

use fokker_sde_core::{BatchError, Real, Score, ScoreDivergence, Sde};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut2, Axis, Zip};
use rayon::prelude::*;

use crate::dynamics::{Dynamics, VectorField};
use crate::sampler::{BLOCK, check_finite};
use crate::scheme::{RungeKutta, Tableau};
use crate::step_control::{StepControl, Trials};
use crate::trajectory::{Segment, Trajectory};
use crate::{Cost, ReverseProcess, SamplingError, Solver, Tolerance};

/// The flow of the probability-flow ODE `dx/dt = v = f − ½ g² s`, forward and backward in time, by a Runge–Kutta
/// method.
///
/// ```
/// use fokker_samplers::{Flow, Solver, Tolerance};
/// use fokker_sde_core::{GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Potential};
///
/// let sde = OrnsteinUhlenbeck::PAPER;
/// let law = MixtureMarginals::new(GaussianMixture::nine_components(), sde);
/// let tolerance = Some(Tolerance { absolute: 1e-8, relative: 1e-8 });
/// let flow = Flow { solver: Solver::DormandPrince, tolerance };
///
/// // From the data to noise, and half of the way back.
/// let x = ndarray::array![[0.3, -1.2], [1.3, 1.3]];
/// let there = flow.carry(&law, &sde, x.view(), &[0.0, 0.1, 10.0])?;
/// let back = flow.carry(&law, &sde, there.end().view(), &[10.0, 5.0])?;
/// assert!((back.end() - &there.at(5.0)?).iter().all(|difference: &f64| difference.abs() < 1e-6));
///
/// // The density of the ODE's law at t = 0; with the exact score that of the data, up to the prior's error.
/// let (log_p, _) = flow.log_density(&law, &sde, x.view(), &[0.0, 0.1, 10.0])?;
/// let mut exact = ndarray::Array1::zeros(2);
/// law.potential(ndarray::array![0.0, 0.0].view(), x.view(), exact.view_mut())?;
/// assert!((log_p - exact).iter().all(|difference: &f64| difference.abs() < 1e-5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Flow {
    /// The Runge–Kutta method.
    pub solver: Solver,
    /// With a tolerance the solver chooses its steps, for each block of 256 points its own; the first two times then
    /// give the first step.
    pub tolerance: Option<Tolerance>,
}

impl Flow {
    /// Carries the points `x`, `[n, d]`, from the first of `times` to the last; the times rise or fall, and are the
    /// steps unless there is a tolerance.
    ///
    /// # Errors
    /// If the solver is no Runge–Kutta method, it is not adaptive but has a tolerance, the times do not fit, a point becomes
    /// non-finite, the score cannot be evaluated, or the tolerance cannot be kept.
    pub fn carry<F: Real>(
        &self,
        score: &dyn Score<F>,
        sde: &dyn Sde,
        x: ArrayView2<'_, F>,
        times: &[f64],
    ) -> Result<Trajectory<F>, SamplingError> {
        BatchError::check("x", &[x.nrows(), score.dim()], x.shape())?;
        let ode = ReverseProcess::ODE;
        self.solve(sde, x, times, || Dynamics::new(score, sde, &ode))
    }

    /// The logarithm of the density of the ODE's law at the points `x`, `[n, d]`, at the first of `times`, which rise to the
    /// horizon, where the law is the prior `π`:
    ///
    /// `log p^ODE_t(x) = log π(X_T) + ∫_t^T ∇·v(X_r, r) dr`, `∇·v = d·a(t) − ½ g² ∇·s`,
    ///
    /// with the divergence of the score as it is, not estimated. Returns the logarithms, `[n]`, and what they cost. Source: Chen et
    /// al., *Neural ordinary differential equations*, NeurIPS 2018, for the change of variables; Song et al., ICLR 2021.
    ///
    /// # Errors
    /// As [`Flow::carry`]; if the times do not rise to the horizon.
    pub fn log_density<F: Real>(
        &self,
        score: &dyn ScoreDivergence<F>,
        sde: &dyn Sde,
        x: ArrayView2<'_, F>,
        times: &[f64],
    ) -> Result<(Array1<f64>, Cost), SamplingError> {
        let (n, dim, horizon) = (x.nrows(), score.dim(), sde.horizon());
        BatchError::check("x", &[n, dim], x.shape())?;
        let last = times.len().saturating_sub(1);
        let end = times.last().copied().unwrap_or(f64::NAN);
        if (end - horizon).abs() > 1e-12 * horizon {
            return Err(SamplingError::Times { index: last, t: end, horizon });
        }
        let mut start = Array2::zeros((n, dim + 1));
        start.slice_axis_mut(Axis(1), (..dim).into()).assign(&x);
        let field = || VelocityAndDivergence { score, sde, evaluations: Cell::new(0) };
        let arrived = self.solve(sde, start.view(), times, field)?;
        let prior = sde.prior();
        let log_density = |row: ndarray::ArrayView1<'_, F>| {
            let place: Vec<f64> = row.iter().take(dim).map(|x| x.wide()).collect();
            prior.log_density(&place) + row[dim].wide()
        };
        let end = arrived.end();
        Ok((end.rows().into_iter().map(log_density).collect(), arrived.cost))
    }

    fn solve<F: Real, V: VectorField<F>>(
        &self,
        sde: &dyn Sde,
        x: ArrayView2<'_, F>,
        times: &[f64],
        field: impl Fn() -> V + Sync,
    ) -> Result<Trajectory<F>, SamplingError> {
        let clock = Instant::now();
        check_times(times, sde.horizon())?;
        let tableau = self.solver.tableau();
        let tableau = tableau.ok_or(SamplingError::NotRungeKutta { solver: self.solver })?;
        if let Some(tolerance) = &self.tolerance {
            tolerance.check()?;
            if tableau.error.is_empty() {
                return Err(SamplingError::NotAdaptive { solver: self.solver });
            }
        }
        let carry = |(index, x): (usize, ArrayView2<'_, F>)| {
            let mut block = FlowBlock::new(tableau, x, field());
            let done = match &self.tolerance {
                None => times.windows(2).try_for_each(|step| block.step(step[0], step[1])),
                Some(tolerance) => {
                    let control = StepControl::new(self.solver.error_order());
                    let ends = [times[0], times[1], times[times.len() - 1]];
                    let before = block.x.clone();
                    let mut trials = AdaptiveFlow { block: &mut block, tolerance, before };
                    let taken_back = control.drive(&mut trials, ends, sde.horizon());
                    taken_back.map(|[_, taken_back]| block.steps[1] = taken_back)
                }
            };
            done.and_then(|()| block.finish()).map_err(|error| error.in_block(index))
        };
        let blocks: Vec<_> =
            x.axis_chunks_iter(Axis(0), BLOCK).into_par_iter().enumerate().map(carry).collect();
        let mut cost = Cost::default();
        let mut segments = Vec::with_capacity(blocks.len());
        for block in blocks {
            let (own, spent) = block?;
            segments.push(own);
            cost = cost.plus(spent);
        }
        cost.seconds = clock.elapsed().as_secs_f64();
        Ok(Trajectory::new(segments, [times[0], times[times.len() - 1]], x.dim(), cost))
    }
}

fn check_times(times: &[f64], horizon: f64) -> Result<(), SamplingError> {
    let rising = times.len() > 1 && times[0] < times[1];
    for (index, &t) in times.iter().enumerate() {
        let inside = (0.0..=horizon * (1.0 + 1e-12)).contains(&t);
        let ordered = index == 0 || (t != times[index - 1] && (t > times[index - 1]) == rising);
        if !(inside && ordered) {
            return Err(SamplingError::Times { index, t, horizon });
        }
    }
    match times {
        [] | [_] => Err(SamplingError::Times { index: times.len(), t: f64::NAN, horizon }),
        _ => Ok(()),
    }
}

/// `(v, ∇·v)` for states `(x, ∫ ∇·v)`.
struct VelocityAndDivergence<'a, F> {
    score: &'a dyn ScoreDivergence<F>,
    sde: &'a dyn Sde,
    evaluations: Cell<u64>,
}

impl<F: Real> VectorField<F> for VelocityAndDivergence<'_, F> {
    fn velocity(
        &self,
        t: f64,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), SamplingError> {
        self.evaluations.set(self.evaluations.get() + 1);
        let (n, dim) = (x.nrows(), self.score.dim());
        let place = x.slice_axis(Axis(1), (..dim).into());
        let (mut score, mut divergence) = (Array2::zeros((n, dim)), Array1::zeros(n));
        let (s, trace_of_s) = (score.view_mut(), divergence.view_mut());
        self.score.score_and_divergence(F::of(t), place, s, trace_of_s)?;
        let g = self.sde.diffusion(t);
        let (rate, push) = (self.sde.drift_rate(t), 0.5 * g * g);
        let trace = F::of(rate * dim as f64);
        let (rate, push) = (F::of(rate), F::of(push));
        let rows = Zip::from(out.rows_mut()).and(place.rows()).and(score.rows());
        rows.and(&divergence).for_each(|mut out, x, s, &divergence| {
            for ((out, &x), &s) in out.iter_mut().zip(x).zip(s) {
                *out = rate * x - push * s;
            }
            out[dim] = trace - push * divergence;
        });
        Ok(())
    }

    fn evaluations(&self) -> u64 {
        self.evaluations.get()
    }
}

/// A block of points on its way.
struct FlowBlock<F, V> {
    tableau: &'static Tableau,
    method: RungeKutta<F>,
    field: V,
    x: Array2<F>,
    segments: Vec<Segment<F>>,
    steps: [u64; 2],
}

impl<F: Real, V: VectorField<F>> FlowBlock<F, V> {
    fn new(tableau: &'static Tableau, x: ArrayView2<'_, F>, field: V) -> Self {
        let method = RungeKutta::new(tableau, x.dim());
        Self { tableau, method, field, x: x.to_owned(), segments: Vec::new(), steps: [0; 2] }
    }

    /// A step that counts.
    fn step(&mut self, from: f64, to: f64) -> Result<(), SamplingError> {
        let start = self.x.clone();
        self.method.advance(&self.field, &mut self.x, from, to)?;
        self.count(start, from, to)
    }

    /// Keeps the step from `start`.
    fn count(&mut self, start: Array2<F>, from: f64, to: f64) -> Result<(), SamplingError> {
        check_finite(&self.x, self.steps[0] as usize, to)?;
        self.steps[0] += 1;
        let segment = Segment::new(self.tableau, self.method.stages(), start, &self.x, [from, to]);
        self.segments.push(segment);
        self.method.keep();
        Ok(())
    }

    /// The way, whose last step learns the velocity at its end.
    fn finish(mut self) -> Result<(Vec<Segment<F>>, Cost), SamplingError> {
        // Each segment's velocity at the end is the first stage of the next one.
        let mut velocity = Array2::zeros(self.x.raw_dim());
        let Some(last) = self.segments.last() else { return Ok((self.segments, Cost::default())) };
        if !self.tableau.first_same_as_last {
            self.field.velocity(last.end(), self.x.view(), velocity.view_mut())?;
            for segment in self.segments.iter_mut().rev() {
                velocity = segment.close(velocity);
            }
        }
        let rows = self.x.nrows() as u64;
        let [accepted, rejected] = self.steps.map(|steps| steps * rows);
        let evaluations = self.field.evaluations() * rows;
        let cost = Cost { particles: rows, evaluations, accepted, rejected, seconds: 0.0 };
        Ok((self.segments, cost))
    }
}

/// The same with adaptive steps.
struct AdaptiveFlow<'a, F, V> {
    block: &'a mut FlowBlock<F, V>,
    tolerance: &'a Tolerance,
    /// The points before the last step.
    before: Array2<F>,
}

impl<F: Real, V: VectorField<F>> Trials for AdaptiveFlow<'_, F, V> {
    fn attempt(&mut self, from: f64, to: f64) -> Result<f64, SamplingError> {
        let FlowBlock { method, field, x, .. } = &mut *self.block;
        self.before.assign(x);
        method.advance(field, x, from, to)?;
        let worst = |error| self.tolerance.worst(error, &self.before, x);
        Ok(method.estimate().map_or(f64::INFINITY, worst))
    }

    fn keep(&mut self, _: usize, from: f64, to: f64) -> Result<(), SamplingError> {
        self.block.count(self.before.clone(), from, to)
    }

    fn take_back(&mut self) {
        self.block.x.assign(&self.before);
    }

    fn check(&self, steps: usize, to: f64) -> Result<(), SamplingError> {
        check_finite(&self.block.x, steps, to)
    }
}
