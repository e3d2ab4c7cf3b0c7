//! How the networks of a search are judged.

use fokker_fp_residual::{
    Conditions, Denoising, DenoisingWeight, Estimate, LaplacianRule, ResidualForm, Shares,
    TimeDensity, TimeLaw,
};
use fokker_score_net::{Output, ScoreNetwork};
use fokker_sde_core::{Sde, Streams, Target};
use serde::{Deserialize, Serialize};

use crate::pareto::front;
use crate::{Cell, Error, Experiment, Progress};

/// A weight of the residual, with what was found of the network that was trained with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The weight `w_R`.
    pub w_r: f64,
    /// The denoising score matching loss `½ ∫ g² E|s − y|² dt` at points that it was not trained on, in nats: of two networks by how much
    /// the bound on `KL(p_0 ‖ p^SDE_0)` differs (Song, Durkan, Murray and Ermon, NeurIPS 2021).
    pub dsm: f64,
    /// By how much it is above that of the candidate with the smallest, at the same points.
    pub dsm_above: f64,
    /// The standard error of `dsm_above`.
    pub dsm_above_se: f64,
    /// The mean of the centred residual along the forward process, weighted as in training; of a vector score that of the
    /// equation of scores, and `None` where there is none.
    pub residual: Option<f64>,
    /// Its standard error.
    pub residual_se: Option<f64>,
    /// The distance between the two samplers.
    pub gap: f64,
    /// Its bootstrap interval.
    pub gap_ci: [f64; 2],
    /// The distance of the ODE's samples to the truth.
    pub ode_truth: f64,
    /// The distance of the SDE's samples to the truth.
    pub sde_truth: f64,
    /// Whether no other candidate has a DSM loss, a residual and a gap that are at least as small, and one smaller.
    pub front: bool,
    /// Whether it is as good a score as the best one, so that it may be chosen for its gap.
    pub kept: bool,
}

/// Points of score matching and of the residual in each batch by which candidates are judged.
pub(crate) const POINTS: usize = 2048;

/// The fewest and the most of these batches.
const BATCHES: [usize; 2] = [8, 64];

/// By how much the DSM loss of a candidate that is kept may be above the smallest, in nats for each dimension, beyond two
/// standard errors.
const TOLERANCE: f64 = 2.5e-3;

/// What the batches say of a network.
pub(crate) struct Judged {
    dsm: Vec<f64>,
    residual: Option<Vec<f64>>,
}

/// Judges a network by about so many points of `target`, the same for all networks, which it was not trained on.
pub(crate) fn judge(
    experiment: &Experiment,
    network: &ScoreNetwork<f32>,
    target: &dyn Target,
    points: usize,
    progress: &dyn Progress,
) -> Result<Judged, Error> {
    let mut objective = experiment.training.objective(target, &experiment.diffusion, 1.0, None);
    let Denoising { times: TimeLaw { t_min, .. }, references, .. } = objective.denoising;
    // Of times uniform in the log-SNR, whose rate is g²/σ², the weight σ² is that of the likelihood.
    objective.denoising = Denoising {
        points: POINTS,
        times: TimeLaw { stratified: true, ..TimeLaw::new(t_min, TimeDensity::LogSnr) },
        weight: DenoisingWeight::Sigma2,
        references,
    };
    let log_snr = |t| experiment.diffusion.marginal(t).log_snr();
    let range = log_snr(t_min) - log_snr(experiment.diffusion.horizon());
    let nats = 0.5 * range * target.dim() as f64;
    objective.residual.points = POINTS;
    objective.residual.form = match network.head().output {
        Output::Potential => ResidualForm::Centred,
        Output::Vector => ResidualForm::Score,
    };
    objective.residual.laplacian = LaplacianRule::Exact;
    objective.residual.collocation.shares = Shares::MARGINAL;
    objective.conditions = Conditions::default();
    if objective.check(network.head().output).is_err() {
        objective.residual_weight = 0.0;
    }
    // Other points than those of training.
    let streams = Streams::new(!experiment.seed);
    let (mut dsm, mut residual) = (Vec::new(), Vec::new());
    for batch in 0..points.div_ceil(POINTS).clamp(BATCHES[0], BATCHES[1]) {
        if progress.cancelled() {
            return Err(Error::Cancelled);
        }
        let losses = objective.losses(network, streams, batch as u64)?;
        dsm.push(nats * losses.denoising);
        residual.extend(losses.residual.map(|residual| residual.mean));
    }
    Ok(Judged { dsm, residual: (!residual.is_empty()).then_some(residual) })
}

/// The candidates, from what was judged and measured of each.
pub(crate) fn candidates(
    found: &[(f64, Judged, Cell)],
    dim: usize,
) -> Result<Vec<Candidate>, Error> {
    let mean = |what, values: &[f64]| {
        Estimate::of_values(what, values).map_err(|error| Error::Internal(error.to_string()))
    };
    let mut all = Vec::new();
    let losses = found.iter().map(|(_, judged, _)| judged.dsm.iter().sum::<f64>());
    let best = losses.enumerate().min_by(|a, b| a.1.total_cmp(&b.1));
    let best = best.map_or(&[][..], |(index, _)| &found[index].1.dsm);
    for (w_r, judged, Cell { distances, .. }) in found {
        let above: Vec<f64> = judged.dsm.iter().zip(best).map(|(own, best)| own - best).collect();
        let (dsm, above) = (mean("losses", &judged.dsm)?, mean("losses", &above)?);
        let residual = judged.residual.as_deref().map(|all| mean("residuals", all)).transpose()?;
        let allowed = TOLERANCE * dim as f64 + 2.0 * above.standard_error;
        all.push(Candidate {
            w_r: *w_r,
            dsm: dsm.mean,
            dsm_above: above.mean,
            dsm_above_se: above.standard_error,
            residual: residual.map(|residual| residual.mean),
            residual_se: residual.map(|residual| residual.standard_error),
            gap: distances.w2sq_ode_sde,
            gap_ci: distances.w2sq_ode_sde_ci,
            ode_truth: distances.w2sq_ode_truth,
            sde_truth: distances.w2sq_sde_truth,
            front: false,
            kept: above.mean <= allowed,
        });
    }
    let rows: Vec<[f64; 3]> =
        all.iter().map(|one| [one.dsm, one.residual.unwrap_or(0.0), one.gap]).collect();
    all.iter_mut().zip(front(&rows)).for_each(|(one, front)| one.front = front);
    Ok(all)
}

/// The one to choose and why: of those that are kept the one with the smallest gap, or, where chance does not tell its gap from
/// others, the one of these with the smallest residual, and with the smallest weight if there is none.
pub(crate) fn choose(candidates: &[Candidate]) -> Option<(&Candidate, String)> {
    let kept = || candidates.iter().filter(|one| one.kept);
    let least = kept().min_by(|a, b| a.gap.total_cmp(&b.gap))?;
    let near = kept().filter(|one| one.gap <= least.gap + least.gap_uncertainty());
    let rank = |one: &Candidate| one.residual.unwrap_or(one.w_r);
    let chosen = near.min_by(|a, b| rank(a).total_cmp(&rank(b)))?;
    let why = if kept().count() == 1 {
        "the only one that is kept".to_owned()
    } else if chosen == least {
        "the smallest gap of those kept".to_owned()
    } else {
        let what = if chosen.residual.is_some() { "residual" } else { "weight" };
        format!(
            "chance does not tell its gap from the smallest, that of w_R = {}, and its {what} is smaller",
            least.w_r
        )
    };
    Some((chosen, why))
}

impl Candidate {
    /// What chance makes of the gap: half of its interval. (The interval itself has chance taken out, the gap has not.)
    pub fn gap_uncertainty(&self) -> f64 {
        0.5 * (self.gap_ci[1] - self.gap_ci[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(w_r: f64, gap: f64, residual: Option<f64>, kept: bool) -> Candidate {
        Candidate {
            w_r,
            dsm: 1.0,
            dsm_above: 0.0,
            dsm_above_se: 0.0,
            residual,
            residual_se: None,
            gap,
            gap_ci: [gap - 0.2, gap],
            ode_truth: 1.0,
            sde_truth: 1.0,
            front: true,
            kept,
        }
    }

    #[test]
    fn the_gap_decides_unless_chance_does() {
        let choice = |all: &[Candidate]| {
            choose(all).map(|(one, why)| (one.w_r, why.split(' ').next().unwrap().to_owned()))
        };
        let (far, near) = (candidate(0.0, 2.0, Some(9.0), true), candidate(0.1, 1.05, None, true));
        let least = candidate(0.3, 1.0, Some(3.0), true);
        let ruined = candidate(9.0, 0.5, Some(0.1), false);
        let all = [far.clone(), near.clone(), least.clone(), ruined.clone()];
        // Without a residual its weight counts.
        assert_eq!(choice(&all), Some((0.1, "chance".to_owned())));
        assert_eq!(choice(&[far.clone(), least, ruined.clone()]), Some((0.3, "the".to_owned())));
        assert_eq!(choice(&[far, ruined.clone()]), Some((0.0, "the".to_owned())));
        assert_eq!(choice(&[ruined]), None);
    }
}
