//! Bounds on how far apart the laws of SDE and ODE are.

mod growth;
mod pathwise;

use fokker_sde_core::Sde;

pub use growth::{Growth, LipschitzRule, growth_exponents};
pub use pathwise::pathwise_bound;

use crate::{Estimate, EstimateError};

/// A bound on the Wasserstein-2 distance `W₂(p^SDE_{t_0}, p^ODE_{t_0})` between the laws of a model's reverse-time SDE
/// and of its probability-flow ODE, with the times that it comes from.
///
/// The law `p^SDE` is also that of an ODE, with the velocity `f − g²s + ½g²∇log p^SDE = v + ½g²∇w` in the time `t`,
/// where `v = f − ½g²s` is that of the probability-flow ODE and `w = log p^SDE − φ`. Let `X` solve the first and `Y`
/// the second, both from the same point of the prior: `X_t` has the law `p^SDE_t`, `Y_t` that of the ODE, and
/// `W₂ ≤ ‖X − Y‖_{L²}` at the smallest time `t_0`.
///
/// **By one Lipschitz number for each time.** With `Λ_t` a one-sided Lipschitz bound of `−v`, the ODE in reverse time
/// `τ = T − t`, `d/dτ |X − Y| ≤ Λ_t |X − Y| + ½g²|∇w(X)|`. Grönwall's and Minkowski's inequalities, with
/// `L(t) = ∫_{t_0}^t Λ_r dr`, give `W₂ ≤ ∫ e^{L(t)} ½g² ‖∇w_t‖_{L²(p^SDE_t)} dt`, and that of Cauchy and Schwarz on
/// `(e^L g/√2)(g‖∇w‖/√2)`
///
/// `W₂ ≤ (½ ∫ g² e^{2L(t)} dt)^{1/2} (∫ ½g² E_{p^SDE_t}|∇w_t|² dt)^{1/2}`,
///
/// whose second factor is the root of the [`Energy`](crate::Energy). `Λ` keeps its sign: where the ODE contracts, `L`
/// falls.
///
/// **Along paths.** Let `Φ_{t→r}` be the flow of the ODE. Since `∂_tΦ_{t→t_0}(x) + DΦ_{t→t_0}(x) v(x, t) = 0`, along
/// `X`
///
/// `d/dt Φ_{t→t_0}(X_t) = DΦ_{t→t_0}(X_t) ½g²∇w_t(X_t)`, so `Y_{t_0} − X_{t_0} = ∫ DΦ_{t→t_0}(X_t) ½g²∇w_t(X_t) dt`,
///
/// the formula of Alekseev and Gröbner. `DΦ` grows no faster than the one-sided Lipschitz number `λ_r` of `−v` at the
/// place where the flow is, `|DΦ_{t→t_0}(x)| ≤ exp ∫_{t_0}^t λ_r(Φ_{t→r}x) dr`, and by Minkowski's inequality
///
/// `W₂ ≤ ∫ (E_{X~p^SDE_t}[exp(2∫_{t_0}^t λ_r(Φ_{t→r}X) dr) |½g²∇w_t(X)|²])^{1/2} dt`.
///
/// Sources: Hairer, Nørsett and Wanner, *Solving ordinary differential equations I*, §I.10 and §I.14; Deveney et al.
/// (2025), doi 10.1098/rsta.2024.0503, bound `W₂` by the residual.
///
/// Integrals are by the trapezoidal rule, means over the points that are given, and all is kept in logarithms: `e^L`
/// may be larger than any number.
#[derive(Debug, Clone, PartialEq)]
pub struct WassersteinBound {
    /// Its logarithm; `−∞` if it is 0.
    pub log_w2: f64,
    /// Its standard error over itself, of what was estimated from independent points.
    pub relative_error: f64,
    /// Which Lipschitz numbers it takes for all points; `None` for those of each path.
    pub rule: Option<LipschitzRule>,
    /// The times at which the estimate of a mean of squares was negative, and was taken to be 0.
    pub negative: Vec<f64>,
    times: Vec<f64>,
    /// The logarithms of the integral between two times, by the trapezoidal rule.
    pieces: Vec<f64>,
}

impl WassersteinBound {
    /// The bound itself; infinite where it is larger than any number.
    pub fn w2(&self) -> f64 {
        self.log_w2.exp()
    }

    /// Whether it is a bound, up to the points it was estimated from: Lipschitz numbers of a quantile are exceeded by
    /// those of other points, so that theirs is an estimate and none.
    pub fn is_bound(&self) -> bool {
        !matches!(self.rule, Some(LipschitzRule::Quantile(_)))
    }

    /// The share, of 1, of its integral over time that steps have whose middle is at least `from` and below `to`: of
    /// `½∫ g² e^{2L} dt` with one Lipschitz number for each time, of the bound itself along paths. 0 if the bound is.
    pub fn share(&self, from: f64, to: f64) -> f64 {
        let inside = self.times.windows(2).zip(&self.pieces).filter(|(step, _)| {
            let middle = 0.5 * (step[0] + step[1]);
            from <= middle && middle < to
        });
        let inside: Vec<f64> = inside.map(|(_, &piece)| piece).collect();
        let all = log_sum(&self.pieces);
        if all == f64::NEG_INFINITY { 0.0 } else { (log_sum(&inside) - all).exp() }
    }
}

/// The bound by one Lipschitz number for each time, from the energy `∫ ½g² E_{p^SDE_t}|∇w|² dt` over the same times
/// or a bound on it; derived at [`WassersteinBound`]: `W₂ ≤ (½ ∫ g² e^{2L} dt · energy)^{1/2}`.
///
/// # Errors
/// If the energy is negative, as an estimate may be, or not finite.
pub fn lipschitz_bound(
    sde: &dyn Sde,
    growth: &Growth,
    energy: Estimate,
) -> Result<WassersteinBound, EstimateError> {
    if !(energy.mean >= 0.0 && energy.mean.is_finite()) {
        let (what, rule) = ("energy", "finite and at least 0");
        return Err(EstimateError::Range { what, value: energy.mean, rule });
    }
    let squared = |(&t, l): (&f64, f64)| (0.5 * sde.diffusion(t).powi(2)).ln() + 2.0 * l;
    let logs: Vec<f64> = growth.times.iter().zip(growth.exponents()).map(squared).collect();
    let pieces = log_pieces(&growth.times, &logs);
    let log_w2 = 0.5 * (log_sum(&pieces) + energy.mean.ln());
    let relative = if energy.mean > 0.0 { energy.standard_error / energy.mean } else { 0.0 };
    Ok(WassersteinBound {
        log_w2,
        relative_error: 0.5 * relative,
        rule: Some(growth.rule),
        negative: Vec::new(),
        times: growth.times.clone(),
        pieces,
    })
}

/// `log Σ e^{l_i}`; `−∞` of none.
fn log_sum(logs: &[f64]) -> f64 {
    let largest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return largest;
    }
    largest + logs.iter().map(|l| (l - largest).exp()).sum::<f64>().ln()
}

/// The logarithms of the trapezoids between falling times of a function with these logarithms.
fn log_pieces(times: &[f64], logs: &[f64]) -> Vec<f64> {
    let piece = |(t, l): (&[f64], &[f64])| (0.5 * (t[0] - t[1])).ln() + log_sum(l);
    times.windows(2).zip(logs.windows(2)).map(piece).collect()
}
