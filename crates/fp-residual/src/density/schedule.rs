use fokker_sde_core::{GridRule, Sde};

use super::DensityError;

/// `ρ²/(r σ_t)²` of the short first step: `ρ` is a tenth of the noise that `x` has.
const SHORT: f64 = 0.01;

/// One step of the forward diffusion and of the quadrature.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Step {
    /// The time at its end.
    pub(super) t: f64,
    /// `r`: the next place is `r x + ρ Z`.
    pub(super) ratio: f64,
    /// `ρ`.
    pub(super) spread: f64,
    /// The weight of `ε` at its end.
    pub(super) weight: f64,
    /// What the weight is with every other node only, less `weight`.
    pub(super) coarser: f64,
}

/// The steps from `t` to `T`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Schedule {
    /// The weight of `ε` at `t`.
    pub(super) start: f64,
    /// What that is with every other node only, less `start`.
    pub(super) coarser_start: f64,
    pub(super) steps: Vec<Step>,
}

impl Schedule {
    /// The trapezoidal rule.
    pub(super) fn new(sde: &dyn Sde, t: f64, steps: usize) -> Result<Self, DensityError> {
        Ok(Self::through(sde, &nodes(sde, t, steps)?, 0))
    }

    /// A short first step by the rule of its end, and the trapezoidal rule from there.
    pub(super) fn with_short_step(
        sde: &dyn Sde,
        t: f64,
        steps: usize,
    ) -> Result<Self, DensityError> {
        let mut times = nodes(sde, t, steps)?;
        if t > 0.0 {
            let log_snr = sde.marginal(t).log_snr() - SHORT.ln_1p();
            let horizon = sde.horizon();
            if log_snr > sde.marginal(horizon).log_snr() {
                times = nodes(sde, sde.time_of_log_snr(log_snr)?, steps)?;
                times.insert(0, t);
            } else {
                times = vec![t, horizon];
            }
        }
        let mut schedule = Self::through(sde, &times, 1);
        schedule.steps[0].weight += schedule.start;
        schedule.steps[0].coarser += schedule.coarser_start;
        (schedule.start, schedule.coarser_start) = (0.0, 0.0);
        Ok(schedule)
    }

    /// The trapezoidal rule through these times; every other one after the first `kept` is left out of the coarser rule.
    fn through(sde: &dyn Sde, times: &[f64], kept: usize) -> Self {
        let last = times.len() - 1;
        let fine = trapezoid(times, |_| true);
        let coarse = trapezoid(times, |k| k <= kept || k == last || (k - kept).is_multiple_of(2));
        let step = |k: usize| {
            let (from, to) = (sde.marginal(times[k - 1]), sde.marginal(times[k]));
            // ρ² = σ_to² − r² σ_from² without cancellation; at t = 0 the log-SNR is infinite.
            let fall = to.log_snr() - from.log_snr();
            Step {
                t: times[k],
                ratio: to.alpha / from.alpha,
                spread: to.sigma * (-fall.exp_m1()).sqrt(),
                weight: fine[k],
                coarser: coarse[k] - fine[k],
            }
        };
        let steps = (1..=last).map(step).collect();
        Self { start: fine[0], coarser_start: coarse[0] - fine[0], steps }
    }
}

/// The weights of the trapezoidal rule on those of the times that are `kept`, 0 on the others.
fn trapezoid(times: &[f64], kept: impl Fn(usize) -> bool) -> Vec<f64> {
    let nodes: Vec<usize> = (0..times.len()).filter(|&k| kept(k)).collect();
    let mut weights = vec![0.0; times.len()];
    for pair in nodes.windows(2) {
        let half = 0.5 * (times[pair[1]] - times[pair[0]]);
        weights[pair[0]] += half;
        weights[pair[1]] += half;
    }
    weights
}

/// The times of `steps` steps, rising from `t` to `T`.
fn nodes(sde: &dyn Sde, t: f64, steps: usize) -> Result<Vec<f64>, DensityError> {
    check(sde, t)?;
    let rule = if t > 0.0 {
        // The rule's own last step goes to 0, and is left out.
        GridRule::LogSnr { steps: steps + 1, t_min: Some(t) }
    } else {
        GridRule::LogSnr { steps, t_min: None }
    };
    let mut times = rule.grid(sde)?.times().to_vec();
    if t > 0.0 {
        times.pop();
    }
    times.reverse();
    Ok(times)
}

fn check(sde: &dyn Sde, t: f64) -> Result<(), DensityError> {
    let horizon = sde.horizon();
    if t >= 0.0 && t < horizon { Ok(()) } else { Err(DensityError::Time { t, horizon }) }
}
