//! `∇w` at points of the SDE's law.

use fokker_fp_residual::Estimate;
use fokker_sde_core::{Potential, Purpose, Score, Sde, Streams};
use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis, Zip};
use rand::Rng;

use super::densities::MOST_WITHHELD;
use super::{Explanation, Study, density};
use crate::Error;

/// Estimates of `∇w`, `[k, n, d]`: two independent ones, so that their product has the mean `|∇w|²`.
pub(super) type Pair = [Array3<f64>; 2];

/// Estimates of `∇w` at each of some points of some times; where one was withheld, 0.
pub(super) struct Gradients {
    /// By all nodes of the paths.
    fine: Pair,
    /// By every other node of the same paths.
    coarse: Pair,
    /// Which points have none, `[k, n]`.
    withheld: Array2<bool>,
}

impl Gradients {
    /// At points `[k, n, d]` of all times, of which those of `nodes` are taken.
    pub(super) fn at(
        study: &Study<'_>,
        nodes: &[usize],
        x: ArrayView3<'_, f32>,
    ) -> Result<Self, Error> {
        let shape = (nodes.len(), x.dim().1, x.dim().2);
        let zeros = || [(); 2].map(|()| Array3::zeros(shape));
        let (mut fine, mut coarse) = (zeros(), zeros());
        let mut withheld = Array2::from_elem((shape.0, shape.1), false);
        // Half of the paths for each of the two.
        let Explanation { paths, steps, .. } = *study.explanation;
        let density = density(paths / 2, steps);
        for copy in 0..2 {
            for (node, &index) in nodes.iter().enumerate() {
                let (done, all) = (copy * nodes.len() + node, 2 * nodes.len());
                study.estimating("gradients of the densities", done, all)?;
                let (t, x) = (study.times[index], x.index_axis(Axis(0), index));
                let mut fine = fine[copy].index_axis_mut(Axis(0), node);
                let mut coarse = coarse[copy].index_axis_mut(Axis(0), node);
                if index == 0 {
                    let exact = at_horizon(study, x)?;
                    fine.assign(&exact);
                    coarse.assign(&exact);
                    continue;
                }
                // Each time and copy has noise of its own.
                let stream = 2 * index as u64 + copy as u64;
                let seed = study.streams().rng(Purpose::Density, u64::MAX, stream).next_u64();
                let potential: &dyn Potential<f32> = study.network;
                let streams = Streams::new(seed);
                let rows = density.correction_gradient(potential, study.sde, t, x, streams)?;
                for (point, row) in rows.into_iter().enumerate() {
                    match row {
                        Ok(row) => {
                            fine.row_mut(point).assign(&Array1::from(row.gradient));
                            coarse.row_mut(point).assign(&Array1::from(row.coarser));
                        }
                        Err(_) => withheld[[node, point]] = true,
                    }
                }
            }
        }
        Ok(Self { fine, coarse, withheld })
    }

    /// The points that have an estimate at all times; `None` if too few have.
    pub(super) fn known(&self) -> Option<Vec<usize>> {
        let count = self.withheld.ncols();
        let known: Vec<usize> =
            (0..count).filter(|&point| !self.withheld.column(point).iter().any(|w| *w)).collect();
        let few = (count - known.len()) as f64 > MOST_WITHHELD * count as f64 || known.len() < 2;
        (!few).then_some(known)
    }

    /// The estimates at these points, by all nodes and by every other one.
    pub(super) fn select(&self, points: &[usize]) -> [Pair; 2] {
        [&self.fine, &self.coarse]
            .map(|pair| pair.each_ref().map(|one| one.select(Axis(1), points)))
    }

    /// `½g²‖∇w‖` at a time unless it is lost in its errors, and the share of points without an estimate.
    pub(super) fn velocity(
        &self,
        study: &Study<'_>,
        node: usize,
        t: f64,
    ) -> Result<(Option<f64>, f64), Error> {
        let withheld = self.withheld.row(node);
        let share =
            withheld.iter().filter(|&&withheld| withheld).count() as f64 / withheld.len() as f64;
        if share > MOST_WITHHELD {
            return Ok((None, share));
        }
        let known: Vec<usize> = (0..withheld.len()).filter(|&point| !withheld[point]).collect();
        let mean = |pair: &Pair| {
            let squares: Vec<f64> = known.iter().map(|&point| square(pair, node, point)).collect();
            Estimate::of_values("squared gradient of w", &squares)
        };
        let (fine, coarse) = (mean(&self.fine)?, mean(&self.coarse)?);
        let error = (2.0 * fine.standard_error).max((fine.mean - coarse.mean).abs());
        let push = 0.5 * study.sde.diffusion(t).powi(2);
        Ok(((fine.mean > error).then(|| push * fine.mean.sqrt()), share))
    }

    /// The energy `∫ ½g² E|∇w|² dt` over these points, with its error and what the quadrature along paths may be off.
    pub(super) fn energy(
        &self,
        study: &Study<'_>,
        nodes: &[usize],
        points: &[usize],
    ) -> Result<Estimate, Error> {
        let times: Vec<f64> = nodes.iter().map(|&index| study.times[index]).collect();
        let last = times.len() - 1;
        let weight = |node: usize| {
            let step = times[node.saturating_sub(1)] - times[(node + 1).min(last)];
            0.25 * step * study.sde.diffusion(times[node]).powi(2)
        };
        let energy = |pair: &Pair| {
            let of = |&point: &usize| -> f64 {
                (0..=last).map(|node| weight(node) * square(pair, node, point)).sum()
            };
            Estimate::of_values("energy", &points.iter().map(of).collect::<Vec<_>>())
        };
        let (fine, coarse) = (energy(&self.fine)?, energy(&self.coarse)?);
        let standard_error = fine.standard_error.hypot(fine.mean - coarse.mean);
        Ok(Estimate { standard_error, ..fine })
    }
}

/// An estimate of `|∇w|²`.
fn square([one, other]: &Pair, node: usize, point: usize) -> f64 {
    let at = |estimates: &Array3<f64>| {
        estimates.index_axis(Axis(0), node).index_axis(Axis(0), point).to_owned()
    };
    at(one).dot(&at(other))
}

/// `∇w_T = ∇log π − s` at the horizon, `[n, d]`.
fn at_horizon(study: &Study<'_>, x: ArrayView2<'_, f32>) -> Result<Array2<f64>, Error> {
    let mut score = Array2::zeros(x.raw_dim());
    study.network.score(study.sde.horizon() as f32, x, score.view_mut())?;
    let variance = study.sde.prior().std.powi(2);
    let mut gradient = Array2::zeros(x.raw_dim());
    Zip::from(&mut gradient)
        .and(&x)
        .and(&score)
        .for_each(|gradient, &x, &s| *gradient = -f64::from(x) / variance - f64::from(s));
    Ok(gradient)
}
