//! The energy of the difference, the bounds that follow from it, and the times that make it.

use fokker_fp_residual::{
    Energy, Estimate, Growth, LipschitzRule, lipschitz_bound, one_sided_lipschitz, residual,
    score_jacobian,
};
use fokker_sde_core::{Potential, Score, Sde};
use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3, Axis, concatenate};

use super::along::along;
use super::densities::{LogDensities, MOST_WITHHELD};
use super::gradients::Gradients;
use super::{Attribution, Bounds, EnergyBound, EnergyForms, Study};
use crate::Error;

/// Of so many steps of the trajectories one time is attributed a part.
const STRIDE: usize = 2;

/// Of so many points of the SDE one is followed by the flow of the ODE, and has its `∇w` estimated at each of these times.
const SHARE: usize = 8;

/// What is found.
pub(super) struct Attributed {
    pub(super) energy: EnergyForms,
    pub(super) bounds: Bounds,
    pub(super) attribution: Vec<Attribution>,
}

/// From trajectories of both samplers, `[k, n, d]`, and the log-densities where the first of the SDE's end.
pub(super) fn attribute(
    study: &Study<'_>,
    sde_paths: &Array3<f32>,
    ode_paths: &Array3<f32>,
    ends: &LogDensities,
) -> Result<Attributed, Error> {
    let (network, times) = (study.network, study.times);
    let potential: &dyn Potential<f32> = network;
    let all = Energy::new(potential, study.sde, times, sde_paths.view(), 1, study.streams())?;
    let identity = identity(study, sde_paths, ends)?;

    let followed = (study.explanation.points / SHARE).max(2);
    let both = [sde_paths, ode_paths].map(|paths| paths.slice_axis(Axis(1), (..followed).into()));
    let lipschitz = lipschitz(study, concatenate![Axis(1), both[0], both[1]].view())?;
    let last = times.len() - 1;
    let nodes: Vec<usize> = (0..last).step_by(STRIDE).chain([last]).collect();
    let gradients = Gradients::at(study, &nodes, both[0])?;
    let (jensen, naive) = (all.jensen()?, all.naive()?);
    let mut by_energy = Vec::new();
    for quantile in [1.0, 0.99, 0.5] {
        let rule = match quantile {
            1.0 => LipschitzRule::Largest,
            quantile => LipschitzRule::Quantile(quantile),
        };
        let growth = Growth::new(times, lipschitz.view(), rule)?;
        let bound = |energy: Estimate| -> Result<f64, Error> {
            // An estimate of what is not negative may be so: two standard errors above it, it should not.
            let mean = energy.mean + 2.0 * energy.standard_error;
            if mean < 0.0 {
                return Ok(f64::INFINITY);
            }
            Ok(lipschitz_bound(study.sde, &growth, Estimate { mean, ..energy })?.w2())
        };
        let unit = Estimate { mean: 1.0, standard_error: 0.0 };
        let finite = |bound: f64| bound.is_finite().then_some(bound);
        by_energy.push(EnergyBound {
            quantile,
            log_amplification: lipschitz_bound(study.sde, &growth, unit)?.log_w2,
            jensen: finite(bound(jensen)?),
            identity: identity.map(bound).transpose()?.and_then(finite),
            naive: finite(bound(naive)?),
        });
    }
    let known = gradients.known();
    let (mut bounds_along, mut direct) = (None, None);
    if let Some(known) = &known {
        let points = both[0].select(Axis(1), known);
        bounds_along = Some(along(study, &nodes, points.view(), &gradients.select(known))?);
        direct = Some(gradients.energy(study, &nodes, known)?);
    }
    let bounds = Bounds {
        by_flow: bounds_along.as_ref().and_then(|along| along.by_flow),
        by_trajectories: bounds_along.and_then(|along| along.by_lipschitz),
        by_energy,
    };
    let attribution = nodes.iter().enumerate().map(|(node, &index)| {
        let (velocity, withheld) = gradients.velocity(study, node, times[index])?;
        let sorted = |mut values: Vec<f64>| {
            values.sort_unstable_by(f64::total_cmp);
            values
        };
        let numbers = sorted(lipschitz.row(index).to_vec());
        let t = times[index];
        let x = sde_paths.index_axis(Axis(0), index);
        let at = Array1::from_elem(x.nrows(), t as f32);
        let epsilon = residual::<f32>(network, study.sde, at.view(), x)?;
        let epsilon = sorted(epsilon.iter().map(|&e| f64::from(e)).collect());
        let quantile = |q: f64| epsilon[(q * (epsilon.len() - 1) as f64).round() as usize];
        Ok(Attribution {
            t,
            residual_median: quantile(0.5),
            residual_spread: 0.5 * (quantile(0.9) - quantile(0.1)),
            velocity,
            lipschitz_max: numbers[numbers.len() - 1],
            lipschitz_median: numbers[numbers.len() / 2],
            withheld,
        })
    });
    let attribution = attribution.collect::<Result<_, Error>>()?;
    let energy = EnergyForms {
        direct: direct.map(Into::into),
        identity: identity.map(Into::into),
        jensen: jensen.into(),
        centred: all.centred()?.into(),
        naive: naive.into(),
    };
    Ok(Attributed { energy, bounds, attribution })
}

/// The energy by the identity, over the trajectories whose end has an estimate; `None` if too few have.
fn identity(
    study: &Study<'_>,
    paths: &Array3<f32>,
    ends: &LogDensities,
) -> Result<Option<Estimate>, Error> {
    let known: Vec<usize> = (0..ends.sde.len()).filter(|&i| ends.sde[i].is_some()).collect();
    let withheld = ends.sde.len() - known.len();
    if withheld as f64 > MOST_WITHHELD * ends.sde.len() as f64 || known.len() < 2 {
        return Ok(None);
    }
    let paths = paths.select(Axis(1), &known);
    let last = study.times.len() - 1;
    let t = Array1::from_elem(known.len(), study.times[last] as f32);
    let mut phi = Array1::zeros(known.len());
    study.network.potential(t.view(), paths.index_axis(Axis(0), last), phi.view_mut())?;
    let densities = known.iter().filter_map(|&i| ends.sde[i]);
    let w: Array1<f64> = densities.zip(&phi).map(|(p, &phi)| p.value - f64::from(phi)).collect();
    let energy = Energy::new::<f32>(
        study.network,
        study.sde,
        study.times,
        paths.view(),
        1,
        study.streams(),
    )?;
    let found = energy.identity(w.view())?;
    // What the quadrature along paths may be off is the same for all points.
    let off: f64 = known.iter().filter_map(|&i| ends.sde[i]).map(|end| end.quadrature).sum();
    let standard_error = found.standard_error.hypot(off / known.len() as f64);
    Ok(Some(Estimate { standard_error, ..found }))
}

/// The one-sided Lipschitz numbers of the ODE at points `[k, n, d]` of the `k` times, `[k, n]`.
fn lipschitz(study: &Study<'_>, x: ArrayView3<'_, f32>) -> Result<Array2<f64>, Error> {
    let mut numbers = Array2::zeros((x.dim().0, x.dim().1));
    for ((&t, x), mut row) in study.times.iter().zip(x.outer_iter()).zip(numbers.rows_mut()) {
        row.assign(&lipschitz_at(study, t, x)?);
    }
    Ok(numbers)
}

pub(super) fn lipschitz_at(
    study: &Study<'_>,
    t: f64,
    x: ArrayView2<'_, f32>,
) -> Result<Array1<f64>, Error> {
    let score: &dyn Score<f32> = study.network;
    let jacobian = score_jacobian(score, t, x, study.sde.marginal(t).sigma)?;
    Ok(one_sided_lipschitz(jacobian.view(), study.sde, t)?)
}
