//! `fokker explain`.

use std::fmt::Write;
use std::path::PathBuf;

use fokker_experiment::{
    Bounds, EnergyForms, ExplainReport, Explanation, PointMean, TargetSource, WithError,
};

use crate::args::{extent, several};

/// What is explained, and how much is computed for it.
#[derive(Debug, clap::Args)]
pub(crate) struct Explain {
    /// The checkpoint, a .safetensors file
    pub(crate) model: PathBuf,
    /// What it was trained to sample, for likelihoods: a name, or a file of points
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) target: Option<TargetSource>,
    /// Draw figures into this folder
    #[arg(long, value_name = "DIR")]
    pub(crate) figure: Option<PathBuf>,
    /// Particles of each sampler, for the distance between the two
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = several())]
    pub(crate) n: u32,
    /// Points of each law at which densities are estimated
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(64..=1_000_000))]
    points: u32,
    /// Forward paths for each of these points, a multiple of 64
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = paths)]
    paths: usize,
    /// Steps of trajectories and paths
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(16..=10_000))]
    steps: u32,
    /// The time that everything goes down to [default: where the log-SNR is 9]
    #[arg(long, value_name = "T", value_parser = extent)]
    last_time: Option<f64>,
    /// Half the side of the box of histograms and maps
    #[arg(long, value_name = "L", default_value_t = 3.5, value_parser = extent)]
    pub(crate) extent: f64,
}

fn paths(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(paths) if (64..=1 << 20).contains(&paths) && paths % 64 == 0 => Ok(paths),
        Ok(_) => Err("must be a multiple of 64 from 64 to 1048576".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Explain {
    pub(crate) fn explanation(&self) -> Explanation {
        Explanation {
            points: self.points as usize,
            paths: self.paths,
            steps: self.steps as usize,
            last_time: self.last_time,
        }
    }
}

/// The result for people. Writing into a string does not fail.
pub(crate) fn text(report: &ExplainReport) -> String {
    let mut text = format!(
        "{}: why its SDE and its ODE differ at t = {:.3e}, seed {}{}\n\n",
        report.model,
        report.last_time,
        report.seed,
        if report.standardised { ", in standardised units" } else { "" },
    );
    let gap = &report.gap;
    // What chance adds to the square is taken off.
    let measured = (gap.w2sq - gap.floor).max(0.0).sqrt();
    let name = gap.distance.symbol().replace('²', "");
    let _ = writeln!(
        text,
        "distance between the two laws, measured with N = {}\n  {:<36}{}   (squared {:.6}, of which the noise floor is {:.6})",
        gap.n,
        name,
        if measured > 0.0 { format!("{measured:.5}") } else { "not above the floor".to_owned() },
        gap.w2sq,
        gap.floor
    );
    if gap.outside.iter().any(|share| *share > 0.0) {
        let [ode, sde] = gap.outside.map(|share| 100.0 * share);
        let _ = writeln!(
            text,
            "  outside the box, and not counted: {ode:.3} % of the ODE's points, {sde:.3} % of the SDE's"
        );
    }
    if let Some(bounds) = &report.bounds {
        bounds_text(&mut text, bounds, measured);
    }
    if let Some(energy) = &report.energy {
        energy_text(&mut text, energy);
    }
    let mut note = String::new();
    let mut mean = |name: &str, mean: &PointMean| {
        let _ = writeln!(text, "  {name:<36}{}", point_mean(mean));
    };
    if let Some(found) = &report.divergences {
        mean("KL(SDE‖ODE), nats", &found.sde_from_ode);
        mean("KL(ODE‖SDE), nats", &found.ode_from_sde);
    }
    if let (Some(found), Some(target)) = (&report.likelihoods, &report.target) {
        mean("log-likelihood under the SDE", &found.sde);
        mean("log-likelihood under the ODE", &found.ode);
        let seen = if found.held_out { "" } else { ", which training has seen" };
        note = format!("  the likelihoods are of points of {target}{seen}\n");
    }
    if let Some(found) = &report.variational {
        mean("KL(truth‖SDE), nats", &found.sde);
        mean("KL(truth‖ODE), nats", &found.ode);
        let _ = writeln!(
            text,
            "  {:<36}{}   (holds for the SDE alone)",
            "variational bound, nats",
            with_error(found.bound)
        );
    }
    text.push_str(&note);
    if !report.attribution.is_empty() {
        text.push_str("\n        t    ½g²‖∇w‖  spread of ε  median of ε  Λ largest    median\n");
        // A dozen and the last: all are in the figure, and in JSON.
        let last = report.attribution.len() - 1;
        let stride = last.div_ceil(12).max(1);
        let shown = report.attribution.iter().enumerate();
        for (_, at) in shown.filter(|(k, _)| (last - k).is_multiple_of(stride)) {
            let velocity = at.velocity.map_or_else(|| "–".to_owned(), |v| format!("{v:.3e}"));
            let _ = writeln!(
                text,
                "{:9.2e}  {velocity:>10}  {:11.3e}  {:11.2e}  {:9.2e}  {:8.1e}",
                at.t, at.residual_spread, at.residual_median, at.lipschitz_max, at.lipschitz_median
            );
        }
        text.push_str(
            "½g²∇w is by what the velocities of the two laws differ; its norm is over the SDE's law, as are the median of ε, a \
             function of t alone that makes no difference, and the spread of ε, half of the range of its middle 80 %. Λ: one-sided Lipschitz \
             numbers of the ODE.\n",
        );
    }
    if !report.rotation.is_empty() {
        text.push_str("\n        t   mean |A|²      share of |∇s|²     share of the error's\n");
        for at in &report.rotation {
            let error = at.share_of_error.zip(at.share_of_error_se);
            let error = error
                .map_or_else(|| "–".to_owned(), |(share, se)| format!("{share:.2e} ± {se:.0e}"));
            let _ = writeln!(
                text,
                "{:9.2e}  {:10.3e}  {:.2e} ± {:.0e}     {error}",
                at.t, at.squared, at.share, at.share_se
            );
        }
        text.push_str(
            "A = ½(∇s − ∇sᵀ) is what no gradient has. A vector score has no potential, hence no residual, and no density of its SDE.\n",
        );
    }
    if let Some(reason) = &report.no_fields {
        let _ = writeln!(text, "{reason}");
    }
    text.push_str(
        "± is one standard error, [ ] a 95 % interval, widened by what the quadrature along paths may be off; more --steps make that \
         less, more --paths what is withheld.\n",
    );
    text
}

fn bounds_text(text: &mut String, bounds: &Bounds, measured: f64) {
    text.push_str("bounds on W2, with two standard errors of what they are made of\n");
    let mut row = |name: String, value: Option<f64>, reason: &str| {
        let value = value.map_or_else(
            || reason.to_owned(),
            |value| match measured {
                0.0 => format!("{value:.5}"),
                _ => format!("{value:.5}   ({:.1} times what was measured)", value / measured),
            },
        );
        let _ = writeln!(text, "  {name:<36}{value}");
    };
    let withheld = "withheld: too few paths count";
    row("along the flow of the ODE".to_owned(), bounds.by_flow, withheld);
    row("by Lipschitz numbers along it".to_owned(), bounds.by_trajectories, withheld);
    for bound in &bounds.by_energy {
        let name = |form: &str| match bound.quantile {
            1.0 => format!("by the energy, {form}"),
            quantile => format!("  Λ at {quantile:.2}: no bound, {form}"),
        };
        let beyond = "beyond all numbers";
        row(name("Jensen"), bound.jensen, beyond);
        if bound.quantile == 1.0 {
            row(name("identity"), bound.identity, "withheld, as the identity is");
            row(name("mean ε²"), bound.naive, beyond);
        }
    }
}

fn energy_text(text: &mut String, energy: &EnergyForms) {
    text.push_str("energy ∫ ½g² E|∇w|² dt, nats\n");
    let mut row = |name: &str, value: Option<WithError>| {
        let value = value.map_or_else(
            || "withheld: too few paths count; more --paths help".to_owned(),
            with_error,
        );
        let _ = writeln!(text, "  {name:<36}{value}");
    };
    row("directly", energy.direct);
    row("by the identity", energy.identity);
    row("at most, by Jensen", Some(energy.jensen));
    row("at most, by centred mean ε²", Some(energy.centred));
    row("at most, by mean ε²", Some(energy.naive));
    text.push_str("divergences and likelihoods\n");
}

fn with_error(WithError { value, standard_error }: WithError) -> String {
    format!("{value:.4e} ± {standard_error:.1e}")
}

fn point_mean(found: &PointMean) -> String {
    match (found.mean, found.standard_error, found.quadrature, found.interval) {
        (Some(mean), _, Some(off), _) if off > mean.abs() => {
            format!(
                "withheld: {mean:.1e}, but the quadrature may be off by {off:.1e}; more --steps help"
            )
        }
        (Some(mean), Some(error), _, Some([low, high])) => {
            let some = match found.withheld {
                0 => String::new(),
                some => format!(", {some} of {} points withheld", found.points),
            };
            format!("{mean:.5} ± {error:.5}  [{low:.5}, {high:.5}]{some}")
        }
        _ => format!(
            "withheld: at {} of {} points too few paths count; more --paths help",
            found.withheld, found.points
        ),
    }
}
