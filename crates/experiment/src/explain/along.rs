//! Bounds on W2 along trajectories of the ODE.

use fokker_fp_residual::{growth_exponents, pathwise_bound};
use fokker_samplers::{Flow, Solver};
use fokker_sde_core::Sde;
use ndarray::{Array2, ArrayView2, ArrayView3, Axis, concatenate};

use super::Study;
use super::attribution::lipschitz_at;
use super::gradients::Pair;
use crate::Error;

/// Both bounds; `None` where one is too large for a number.
pub(super) struct Along {
    /// With the derivative of the flow itself, in the direction of `∇w`.
    pub(super) by_flow: Option<f64>,
    /// With the one-sided Lipschitz numbers along the flow.
    pub(super) by_lipschitz: Option<f64>,
}

/// `∫ (E|DΦ_{t→t_0}(X) ½g²∇w_t(X)|²)^½ dt` over points of the SDE's law, `[k, n, d]` at all times of which those of `nodes` count, and the same with
/// `exp ∫λ` for `|DΦ|`. There are estimates of `∇w` at the nodes by all nodes of their paths, and by every other one. To each bound two of its
/// standard errors are added, and what the quadrature along paths may be off.
///
/// `DΦ` is a central difference of two trajectories, a share of `σ_t` apart.
pub(super) fn along(
    study: &Study<'_>,
    nodes: &[usize],
    x: ArrayView3<'_, f32>,
    gradients: &[Pair; 2],
) -> Result<Along, Error> {
    let times: Vec<f64> = nodes.iter().map(|&index| study.times[index]).collect();
    let flow = Flow { solver: Solver::Midpoint, tolerance: None };
    let mut exponents = Array2::zeros((nodes.len(), x.dim().1));
    let mut carried = gradients.clone();
    for (node, &index) in nodes.iter().enumerate() {
        study.estimating("the flow of the ODE", node, nodes.len())?;
        let below = &study.times[index..];
        if below.len() < 2 {
            // The flow to the same time is the identity.
            continue;
        }
        let start = x.index_axis(Axis(0), index);
        let way = flow.carry::<f32>(study.network, study.sde, start, below)?;
        let mut numbers = Array2::zeros((below.len(), start.nrows()));
        for (&t, mut row) in below.iter().zip(numbers.rows_mut()) {
            row.assign(&lipschitz_at(study, t, way.at(t)?.view())?);
        }
        exponents.row_mut(node).assign(&growth_exponents(below, numbers.view())?.row(0));
        for carried in carried.iter_mut().flatten() {
            let mut directions = carried.index_axis_mut(Axis(0), node);
            let moved = derivative(study, &flow, below, start, directions.view())?;
            directions.assign(&moved);
        }
    }
    let bound = |exponents: ArrayView2<'_, f64>, pairs: &[Pair; 2]| -> Result<_, Error> {
        let bound = |pair: &Pair| {
            let pair = pair.each_ref().map(|gradients| gradients.view());
            pathwise_bound(study.sde, &times, exponents, pair)
        };
        let (fine, coarse) = (bound(&pairs[0])?, bound(&pairs[1])?);
        let off = (fine.w2() - coarse.w2()).abs();
        let upper = fine.w2() * (1.0 + 2.0 * fine.relative_error) + off;
        Ok(Some(upper).filter(|upper| upper.is_finite()))
    };
    let none = Array2::zeros(exponents.raw_dim());
    Ok(Along {
        by_flow: bound(none.view(), &carried)?,
        by_lipschitz: bound(exponents.view(), gradients)?,
    })
}

/// The derivatives of the flow from the first of `times` to the last at the points `x` in these directions, all `[n, d]`.
fn derivative(
    study: &Study<'_>,
    flow: &Flow,
    times: &[f64],
    x: ArrayView2<'_, f32>,
    directions: ArrayView2<'_, f64>,
) -> Result<Array2<f64>, Error> {
    let root = f64::from(f32::EPSILON).cbrt();
    let step = root * study.sde.marginal(times[0]).sigma;
    let mut moves = directions.to_owned();
    for (mut row, x) in moves.rows_mut().into_iter().zip(x.rows()) {
        let length = row.dot(&row).sqrt();
        let size = f64::from(x.iter().fold(0.0_f32, |size, x| size.max(x.abs())));
        // Where coordinates are large, so far that their rounding is not seen.
        let step = step.max(root * root * size);
        row.mapv_inplace(|entry| if length > 0.0 { step * entry / length } else { 0.0 });
    }
    let moves = moves.mapv(|entry| entry as f32);
    let starts = concatenate![Axis(0), &x + &moves, &x - &moves];
    let (plus, minus) = starts.view().split_at(Axis(0), x.nrows());
    let norms = |rows: Array2<f64>| rows.map_axis(Axis(1), |row| row.dot(&row).sqrt());
    let apart = norms((&plus - &minus).mapv(f64::from));
    let lengths = norms(directions.to_owned());
    let ends =
        flow.carry::<f32>(study.network, study.sde, starts.view(), times)?.end().mapv(f64::from);
    let (plus, minus) = ends.view().split_at(Axis(0), x.nrows());
    let mut found = &plus - &minus;
    for ((mut row, length), apart) in found.rows_mut().into_iter().zip(&lengths).zip(&apart) {
        row.mapv_inplace(|entry| if *length > 0.0 { entry * length / apart } else { 0.0 });
    }
    Ok(found)
}
