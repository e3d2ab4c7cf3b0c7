use fokker_sde_core::{BatchError, Sde};
use ndarray::{ArrayView1, ArrayView2, ArrayView3, Axis};

use super::{WassersteinBound, log_pieces, log_sum};
use crate::trapezoid::trapezoid_weights;
use crate::{Estimate, EstimateError};

/// The bound along paths, `W₂ ≤ ∫ (E[e^{2E_t} |½g²∇w_t|²])^{1/2} dt` over falling `times`, with the mean over points
/// of `p^SDE_t` at each time.
///
/// `exponents`, `[k, n]`, holds `E_t = ∫_{t_0}^t λ_r dr` along the ODE from each point at `t` down to the last time,
/// as [`growth_exponents`](crate::growth_exponents) has it; `gradients` are estimates of `∇w` there, `[k, n, d]`:
/// two, independent of each other given the points, whose product has the mean `|∇w|²`, or twice the same where it is
/// known well.
///
/// Such a product may be negative in the mean: its time is then in [`WassersteinBound::negative`], and adds nothing.
/// The stated error, of the linearisation, adds up those of the times, whatever the points of different times have to
/// do with each other.
///
/// # Errors
/// If the shapes or the times do not fit, there are fewer than two points, or a value is not finite.
pub fn pathwise_bound(
    sde: &dyn Sde,
    times: &[f64],
    exponents: ArrayView2<'_, f64>,
    gradients: [ArrayView3<'_, f64>; 2],
) -> Result<WassersteinBound, EstimateError> {
    EstimateError::check_times(times, sde.horizon())?;
    let (k, n, dim) = (times.len(), exponents.ncols(), gradients[0].dim().2);
    BatchError::check("exponents", &[k, n], exponents.shape())?;
    for gradient in gradients {
        BatchError::check("gradients", &[k, n, dim], gradient.shape())?;
    }
    let (mut logs, mut errors, mut negative) = (Vec::new(), Vec::new(), Vec::new());
    for (index, &t) in times.iter().enumerate() {
        let gradients = gradients.map(|gradient| gradient.index_axis_move(Axis(0), index));
        let (largest, mean) = squared_growth(t, exponents.row(index), gradients)?;
        if mean.mean < 0.0 {
            negative.push(t);
        }
        let push = (0.5 * sde.diffusion(t).powi(2)).ln();
        logs.push(push + largest + 0.5 * mean.mean.max(0.0).ln());
        errors.push(if mean.mean > 0.0 { 0.5 * mean.standard_error / mean.mean } else { 0.0 });
    }
    let pieces = log_pieces(times, &logs);
    let log_w2 = log_sum(&pieces);
    // Which share of the bound comes from a time; where it is 0, none does.
    let share = |(weight, log): (f64, &f64)| match log_w2 {
        f64::NEG_INFINITY => 0.0,
        _ => weight * (log - log_w2).exp(),
    };
    let shares = trapezoid_weights(times).zip(&logs).map(share);
    let relative_error = shares.zip(&errors).map(|(share, error)| share * error).sum();
    Ok(WassersteinBound {
        log_w2,
        relative_error,
        rule: None,
        negative,
        times: times.to_vec(),
        pieces,
    })
}

/// The largest exponent `E` at a time, and the mean of `e^{2(E_i − E)} ∇w_i·∇w'_i`.
fn squared_growth(
    t: f64,
    exponents: ArrayView1<'_, f64>,
    [one, other]: [ArrayView2<'_, f64>; 2],
) -> Result<(f64, Estimate), EstimateError> {
    EstimateError::check_finite("exponent of growth", t, 0, exponents.iter())?;
    let largest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let rows = exponents.iter().zip(one.rows()).zip(other.rows());
    let value = |((e, one), other): ((&f64, ArrayView1<'_, f64>), ArrayView1<'_, f64>)| {
        (2.0 * (e - largest)).exp() * one.dot(&other)
    };
    let values: Vec<f64> = rows.map(value).collect();
    EstimateError::check_finite("squared gradient of w", t, 0, &values)?;
    Ok((largest, Estimate::of_values("squared gradient of w", &values)?))
}
