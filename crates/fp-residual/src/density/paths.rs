use std::ops::Range;

use fokker_sde_core::{Jet, Potential, Purpose, Real, Sde, StreamRng, Streams};
use ndarray::{Array1, Array2, ArrayView2, Axis, Slice};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use rayon::prelude::*;

use super::moments::Moments;
use super::resample::{effective_and_log_mean, systematic};
use super::schedule::{Schedule, Step};
use super::{DensityError, SdeDensity};
use crate::residual_of_jet;

/// Groups of paths with a stream each: the units of the variance if there is resampling.
pub(super) const GROUPS: usize = 16;

/// Rows of a batch of jets, about.
const ROWS: usize = 2048;

/// What the noise of the second path of a pair is to that of the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coupling {
    /// Opposite in all steps.
    Opposite,
    /// Opposite in the first step, and the same after it. The two are resampled as one, with the first step's noise.
    AfterFirst,
}

impl Coupling {
    /// Paths that are resampled as one.
    fn together(self) -> usize {
        match self {
            Self::Opposite => 1,
            Self::AfterFirst => 2,
        }
    }
}

/// All paths from the points `x`, `[n, d]`.
pub(super) struct Walk<'a, F> {
    pub(super) settings: &'a SdeDensity,
    pub(super) potential: &'a dyn Potential<F>,
    pub(super) sde: &'a dyn Sde,
    pub(super) schedule: Schedule,
    /// What is taken off `ε` at the end of each step.
    pub(super) common: Vec<f64>,
    pub(super) coupling: Coupling,
    pub(super) streams: Streams,
    pub(super) x: ArrayView2<'a, F>,
}

impl<F: Real> Walk<'_, F> {
    /// The moments of the weights `e^A` from each point, with `D = ½ (e^{A(Z)} − e^{A(−Z)}) Z` where pairs part
    /// in the first step.
    pub(super) fn moments(&self) -> Result<Vec<Moments>, DensityError> {
        let (n, own) = (self.x.nrows(), self.settings.paths / GROUPS);
        let block = (ROWS / own).max(1);
        let tasks: Vec<(Range<usize>, usize)> = (0..n)
            .step_by(block)
            .flat_map(|from| (0..GROUPS).map(move |group| (from..(from + block).min(n), group)))
            .collect();
        let done: Vec<_> =
            tasks.into_par_iter().map(|(points, group)| self.group(points, group)).collect();
        let mut all = Vec::with_capacity(n);
        let mut done = done.into_iter();
        while let Some(first) = done.next() {
            let mut block = first?;
            for other in done.by_ref().take(GROUPS - 1) {
                block = block.into_iter().zip(other?).map(|(a, b)| a.merge(b)).collect();
            }
            all.extend(block);
        }
        Ok(all)
    }

    /// One group of paths from each of some points.
    fn group(&self, points: Range<usize>, group: usize) -> Result<Vec<Moments>, DensityError> {
        let mut paths = Paths::new(self, points.clone(), group);
        let last = self.schedule.steps.len() - 1;
        for (index, step) in self.schedule.steps.iter().enumerate() {
            paths.step(index, step);
            paths.weigh(step, self.common[index], index == last)?;
            if let Some(share) = self.settings.resampling.filter(|_| index < last) {
                paths.resample(share);
            }
        }
        Ok(paths.finish())
    }
}

/// One group of paths from each of some points, on their way: row `p·own + i` is path `i` from the `p`-th.
struct Paths<'w, 'a, F> {
    walk: &'w Walk<'a, F>,
    points: Range<usize>,
    /// Paths from each point.
    own: usize,
    /// One for all points, or one for each.
    rngs: Vec<StreamRng>,
    place: Array2<F>,
    jet: Jet<F>,
    /// `A` so far, since the last resampling.
    log_weights: Vec<f64>,
    /// What the quadrature by every other node would add to `A`.
    coarser: Vec<f64>,
    /// The noise of the first step of each pair, if it is needed at the end: `[pairs, d]`.
    first: Array2<f64>,
    /// For each point, where resampling takes place next.
    offsets: Vec<f64>,
    /// For each point, the logarithm of the product of the mean weights at all resamplings.
    log_factors: Vec<f64>,
    /// For each point, the least effective number of its paths before they were resampled.
    least: Vec<f64>,
}

impl<'w, 'a, F: Real> Paths<'w, 'a, F> {
    fn new(walk: &'w Walk<'a, F>, points: Range<usize>, group: usize) -> Self {
        let Walk { settings, streams, x, coupling, .. } = walk;
        let (own, dim) = (settings.paths / GROUPS, x.ncols());
        let rng = |index: u64| streams.rng(Purpose::Density, index, group as u64);
        let rngs = if settings.shared_noise {
            vec![rng(0)]
        } else {
            points.clone().map(|point| rng(point as u64)).collect()
        };
        let rows = points.len() * own;
        let pairs = if *coupling == Coupling::AfterFirst { rows / 2 } else { 0 };
        Self {
            walk,
            own,
            rngs,
            place: Array2::from_shape_fn((rows, dim), |(row, k)| x[[points.start + row / own, k]]),
            jet: Jet::zeros(rows, dim),
            log_weights: vec![0.0; rows],
            coarser: vec![0.0; rows],
            first: Array2::zeros((pairs, dim)),
            offsets: vec![0.0; points.len()],
            log_factors: vec![0.0; points.len()],
            least: vec![own as f64; points.len()],
            points,
        }
    }

    /// `x ← r x ± ρ Z`.
    fn step(&mut self, index: usize, step: &Step) {
        let (own, dim) = (self.own, self.place.ncols());
        let opposite = index == 0 || self.walk.coupling == Coupling::Opposite;
        let sign = if opposite { -1.0 } else { 1.0 };
        let ratio = F::of(step.ratio);
        let mut noise = vec![0.0; own / 2 * dim];
        let mut offset = 0.0;
        for point in 0..self.points.len() {
            if let Some(rng) = self.rngs.get_mut(point) {
                noise.iter_mut().for_each(|z| *z = StandardNormal.sample(rng));
                // Always drawn, so that the noise does not depend on what is resampled.
                offset = rng.random();
            }
            self.offsets[point] = offset;
            for (pair, z) in noise.chunks_exact(dim).enumerate() {
                let row = point * own + 2 * pair;
                for (k, z) in z.iter().enumerate() {
                    let z = step.spread * z;
                    let [first, second] = [[row, k], [row + 1, k]];
                    self.place[first] = ratio * self.place[first] + F::of(z);
                    self.place[second] = ratio * self.place[second] + F::of(sign * z);
                }
            }
            if index == 0 && !self.first.is_empty() {
                let from = point * own / 2;
                for (pair, z) in noise.chunks_exact(dim).enumerate() {
                    let mut row = self.first.row_mut(from + pair);
                    row.iter_mut().zip(z).for_each(|(slot, z)| *slot = *z);
                }
            }
        }
    }

    /// Adds the step's part of the integral of `ε` to `A`, and at the horizon `log π − φ`.
    fn weigh(&mut self, step: &Step, common: f64, last: bool) -> Result<(), DensityError> {
        let Walk { potential, sde, .. } = self.walk;
        let times = Array1::from_elem(self.place.nrows(), F::of(step.t));
        potential.jet(times.view(), self.place.view(), &mut self.jet)?;
        let epsilon = residual_of_jet(&self.jet, *sde, times.view(), self.place.view());
        let prior = sde.prior();
        let mut wide = vec![0.0; self.place.ncols()];
        for (row, log_weight) in self.log_weights.iter_mut().enumerate() {
            let own = epsilon[row].wide() - common;
            let mut change = step.weight * own;
            if last {
                wide.iter_mut().zip(self.place.row(row)).for_each(|(w, x)| *w = x.wide());
                change += prior.log_density(&wide) - self.jet.value[row].wide();
            }
            *log_weight += change;
            self.coarser[row] += step.coarser * own;
            if !log_weight.is_finite() {
                let point = self.points.start + row / self.own;
                let place = self.place.row(row).iter().map(|x| x.wide()).collect();
                return Err(DensityError::NotFinite { point, t: step.t, place });
            }
        }
        Ok(())
    }

    /// Resamples the paths from each point of which too few count.
    fn resample(&mut self, share: f64) {
        let (own, together) = (self.own, self.walk.coupling.together());
        for point in 0..self.points.len() {
            let rows = point * own..(point + 1) * own;
            let log_weights = &self.log_weights[rows.clone()];
            let (effective, _) = effective_and_log_mean(log_weights);
            if effective >= share * own as f64 {
                continue;
            }
            self.least[point] = self.least[point].min(effective);
            let means: Vec<f64> = log_weights
                .chunks_exact(together)
                .map(|weights| effective_and_log_mean(weights).1)
                .collect();
            self.log_factors[point] += effective_and_log_mean(&means).1;
            let drawn = systematic(&means, self.offsets[point]);
            let place = self.place.slice_axis(Axis(0), rows.clone().into()).to_owned();
            let weights = log_weights.to_vec();
            let coarser = self.coarser[rows.clone()].to_vec();
            for (to, &from) in drawn.iter().enumerate() {
                for own_row in 0..together {
                    let (source, row) =
                        (from * together + own_row, rows.start + to * together + own_row);
                    self.place.row_mut(row).assign(&place.row(source));
                    self.log_weights[row] = weights[source] - means[from];
                    self.coarser[row] = coarser[source];
                }
            }
            if !self.first.is_empty() {
                let pairs = rows.start / 2;
                let own_pairs = Slice::from(pairs..pairs + own / 2);
                let noise = self.first.slice_axis(Axis(0), own_pairs).to_owned();
                for (to, &from) in drawn.iter().enumerate() {
                    self.first.row_mut(pairs + to).assign(&noise.row(from));
                }
            }
        }
    }

    /// The moments of each point: of its pairs, or of the group as one unit.
    fn finish(self) -> Vec<Moments> {
        let (own, dim) = (self.own, self.first.ncols());
        let dim = if self.first.is_empty() { 0 } else { dim };
        let moments = |point: usize| {
            let log_weights = &self.log_weights[point * own..(point + 1) * own];
            let coarser = &self.coarser[point * own..(point + 1) * own];
            let (effective, log_mean) = effective_and_log_mean(log_weights);
            let mut coarse = 0.0;
            let mut pairs = Moments::new(log_mean, dim);
            let mut sums = vec![0.0; dim];
            let mut coarser_sums = vec![0.0; dim];
            for (pair, log_weights) in log_weights.chunks_exact(2).enumerate() {
                let [a, b] = [log_weights[0], log_weights[1]].map(|a| (a - log_mean).exp());
                let [c, d] = [a * coarser[2 * pair].exp(), b * coarser[2 * pair + 1].exp()];
                coarse += 0.5 * (c + d);
                let half = 0.5 * (a - b);
                let noise = |k: usize| half * self.first[[point * own / 2 + pair, k]];
                sums.iter_mut().enumerate().for_each(|(k, sum)| *sum += noise(k));
                for (k, sum) in coarser_sums.iter_mut().enumerate() {
                    *sum += 0.5 * (c - d) * self.first[[point * own / 2 + pair, k]];
                }
                pairs.add(0.5 * (a + b), a * a + b * b, (0..dim).map(noise));
            }
            if self.walk.settings.resampling.is_none() {
                (pairs.coarser, pairs.coarser_vector) = (coarse, coarser_sums);
                return pairs;
            }
            let mut whole = Moments::new(log_mean + self.log_factors[point], dim);
            // As many equal weights as were effective when fewest were.
            let squares = (own * own) as f64 / self.least[point].min(effective);
            whole.add(1.0, squares, sums.iter().map(|sum| sum / (own / 2) as f64));
            let pairs = (own / 2) as f64;
            whole.coarser = coarse / pairs;
            whole.coarser_vector = coarser_sums.into_iter().map(|sum| sum / pairs).collect();
            whole
        };
        (0..self.points.len()).map(moments).collect()
    }
}
