use std::fmt::Write;
use std::path::Path;

use fokker_fp_residual::Combination;
use fokker_sde_core::{Diffusion, Purpose, Sde, Streams, sample_target};

use crate::points_spec::PointsSpec;
use crate::target_spec::clean_label;
use crate::{Error, TargetSource, ron_file};

/// The networks that [`template`] can begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NetworkKind {
    /// A preconditioned potential, smooth, with the time as log-SNR.
    #[default]
    Potential,
    /// The same for a vector score.
    Vector,
    /// The network and training of Deveney et al. (2025).
    Paper,
}

/// A commented configuration for a target, a diffusion and a kind of network, to be edited: with times, weights and grids that suit
/// the diffusion and the size of the data. `diffusion` is one of [`Diffusion::examples`]'s.
///
/// # Errors
/// If a file of points cannot be read, or what is made is no valid configuration.
pub fn template(
    target: &TargetSource,
    diffusion: &Diffusion,
    network: NetworkKind,
) -> Result<String, Error> {
    let known = target.law(None)?;
    let law = known.training.as_ref();
    let (entry, standardised) = match target {
        TargetSource::Named(name) => (name.to_string(), false),
        TargetSource::Points(path) => {
            let rule =
                "By the mean and the standard deviation of each component, or `Global`, or `None`.";
            let spec = PointsSpec::new(path.clone());
            let label = clean_label(spec.label());
            // Not every name of a file can be part of others.
            let name = if label == spec.label() {
                String::new()
            } else {
                format!("            name: {label:?},\n")
            };
            let path = path.display().to_string();
            let entry = format!(
                "Points(\n            path: {path:?},\n{name}\n            // {rule}\n            standardise: \
                 PerComponent,\n        )"
            );
            (entry, true)
        }
    };
    let dim = law.dim();
    let data_std = if standardised {
        1.0
    } else {
        let points = sample_target::<f64>(law, 20_000, Streams::new(0), Purpose::Truth, 0);
        rounded(points.mapv(|x| x * x).mean().unwrap_or(1.0).sqrt())
    };
    // Where the noise is a fiftieth of the data.
    let level = -2.0 * (0.02 * data_std).ln();
    let t_min = rounded(diffusion.time_of_log_snr(level).unwrap_or(1e-3 * diffusion.horizon()));
    let mut text = String::new();
    let mut line = |part: &str| {
        let _ = writeln!(text, "{part}");
    };
    line(
        "// An experiment of fokker; what is not given has its default. Run it by `fokker run THIS_FILE`.",
    );
    line("(");
    line("    // The master seed: same seed, same bits.");
    line("    seed: 0,");
    line("");
    line("    // The laws to learn: names, laws with their parameters, or points of files.");
    line(&format!("    targets: [{entry}],"));
    line("");
    line("    // The forward process; docs/diffusions.md lists them all.");
    line(&format!("    diffusion: {},", ron_file::write_line(diffusion)?));
    line("");
    let paper = network == NetworkKind::Paper;
    if paper {
        line(
            "    // The network of Deveney et al. (2025): a potential of (t, x) with 13 361 parameters in the plane.",
        );
        line("    network: (hidden: [80, 80, 80], activation: Softplus(beta: 100.0)),");
    } else {
        line("    network: (");
        line("        hidden: [96, 96, 96],");
        line("        activation: SiLU,");
        line("");
        if network == NetworkKind::Vector {
            line(
                "        // The score itself, which need not be a gradient; `Potential` makes it one.",
            );
            line("        output: Vector,");
            line("");
        }
        line(
            "        // The time as ½ log(σ/α): all noise levels are equally far from each other.",
        );
        line("        time: LogSnr,");
        line("");
        line(
            "        // The Gaussian part of the score is exact, that of the prior at the horizon included, and what the network",
        );
        line("        // returns is of size 1 at every noise level.");
        line(&format!("        prediction: Preconditioned(data_std: {data_std:?}),"));
        line("    ),");
    }
    line("");
    line("    training: (");
    let score_form = network == NetworkKind::Vector;
    let vector_fits = dim <= Combination::MOST_VECTOR_DIMENSIONS;
    if score_form && !vector_fits {
        line(
            "        // The residual of a vector score in so many dimensions takes too many derivatives.",
        );
        line("        residual_weights: [0.0],");
    } else {
        line("        // One network for each weight of the residual.");
        line(if paper {
            "        residual_weights: [0.0, 1.0],"
        } else {
            "        residual_weights: [0.0, 0.01],"
        });
    }
    line("");
    line("        // Points in each step, of score matching and of the residual.");
    line("        denoising_points: 1024,");
    line(if score_form { "        residual_points: 64," } else { "        residual_points: 256," });
    if paper {
        line(&format!("        times: (t_min: {t_min:?}),"));
        let shares = if dim > Combination::MOST_BOX_DIMENSIONS {
            ", shares: (inside_box: 0, marginal: 1)"
        } else {
            ", extent: 3.5"
        };
        line(&format!("        collocation: (t_min: {t_min:?}{shares}),"));
    } else {
        line("");
        line(
            "        // Times of score matching are uniform in the log-SNR and weighted as in EDM.",
        );
        line(&format!("        times: (t_min: {t_min:?}, law: LogSnr, stratified: true),"));
        line(&format!("        denoising_weight: Edm(data_std: {data_std:?}),"));
        line("");
        line(
            "        // The residual is taken where the diffused data are, weighted by σ²; `inside_box` and `trajectories` are",
        );
        line("        // other shares.");
        line(&format!(
            "        collocation: (t_min: {t_min:?}, shares: (inside_box: 0, marginal: 1), times: LogSnr),"
        ));
        line("        residual_time_weight: Sigma(power: 2),");
        if score_form {
            line("");
            line(
                "        // Of a vector score the equation of scores (Lai et al. 2023) is the only one.",
            );
            line("        residual_form: Score,");
        } else if dim > Combination::MOST_BOX_DIMENSIONS {
            line("");
            line("        // The Laplacian along one random direction instead of along all axes.");
            line("        laplacian: Rademacher(probes: 1),");
        }
        line("");
        line("        // The trained network is a moving average over the steps.");
        line("        average: 0.999,");
        line("        gradient_clip: 10,");
    }
    line("        stages: [");
    line("            (");
    line("                steps: 20000,");
    line(if paper {
        "                learning_rate: 1e-3,"
    } else {
        "                learning_rate: 2e-3,"
    });
    line("                warm_up: 200,");
    line("                schedule: Cosine(to: 0.01),");
    line("            ),");
    line("        ],");
    line("    ),");
    line("");
    line(
        "    // Particles of each sampler, and steps that are equal in the log-SNR, the last from t_min to the estimate of the",
    );
    line(
        "    // data; docs/choosing-a-solver.md compares what can be had for how many evaluations.",
    );
    line("    sampling: (");
    line("        particles: 20000,");
    line(&format!("        grid: LogSnr(steps: 75, t_min: {t_min:?}),"));
    line("        solver: Sra1,");
    line("        last_step: Denoise,");
    line("    ),");
    line("");
    line(
        "    // In the plane W2² is exact, between histograms on nodes × nodes points of the box; elsewhere it is sliced.",
    );
    line("    measurement: (");
    line("        nodes: 64,");
    line(&format!(
        "        extent: {:?},",
        if standardised { 3.5 } else { rounded(2.0 * data_std).max(3.5) }
    ));
    line(&format!(
        "        residual_points: {},",
        if dim > Combination::MOST_BOX_DIMENSIONS { 2000 } else { 50_000 }
    ));
    line("        bootstrap: 25,");
    line("    ),");
    line(")");
    crate::Experiment::parse(Path::new("template"), text.clone())?;
    Ok(text)
}

/// Two significant digits.
fn rounded(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

/// The names by which the command line knows diffusions, with their default parameters.
pub fn named_diffusions() -> Vec<(&'static str, Diffusion)> {
    let names = [
        "ou",
        "vp",
        "cosine",
        "sub-vp",
        "ve",
        "hyperbolic",
        "edm",
        "rectified",
        "cosine-sine",
        "path",
        "linear",
    ];
    names.into_iter().zip(Diffusion::examples()).collect()
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::TargetName;

    use super::*;
    use crate::Experiment;

    #[test]
    fn every_template_is_a_configuration_that_makes_sense() {
        let kinds = [NetworkKind::Potential, NetworkKind::Vector, NetworkKind::Paper];
        for (name, diffusion) in named_diffusions() {
            for kind in kinds {
                for target in [TargetName::Checkerboard, TargetName::SwissRoll] {
                    let text = template(&TargetSource::Named(target), &diffusion, kind).unwrap();
                    let experiment = Experiment::parse(Path::new("t.ron"), text).unwrap();
                    assert_eq!(experiment.diffusion, diffusion, "{name}");
                    assert_eq!(experiment.check_target(target.target().as_ref()), Ok(()), "{name}");
                    experiment.sampling.grid.grid(&diffusion).unwrap();
                }
            }
        }
    }

    #[test]
    fn files_of_many_dimensions_get_what_fits_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wide.csv");
        let rows: String = (0..50)
            .map(|i| {
                (0..20).map(|j| format!("{}", (i * 7 + j * 3) % 11)).collect::<Vec<_>>().join(",")
                    + "\n"
            })
            .collect();
        std::fs::write(&path, &rows).unwrap();
        for kind in [NetworkKind::Potential, NetworkKind::Vector, NetworkKind::Paper] {
            let source = TargetSource::Points(path.clone());
            let text = template(&source, &Diffusion::default(), kind).unwrap();
            let config = folder.path().join("wide.ron");
            std::fs::write(&config, text).unwrap();
            Experiment::load(&config).unwrap();
        }
        // A name that no label can have.
        let path = folder.path().join("-my points, 2024 (final).csv");
        std::fs::write(&path, rows).unwrap();
        let source = TargetSource::Points(path);
        let text = template(&source, &Diffusion::default(), NetworkKind::Potential).unwrap();
        assert!(text.contains("name: \"my_points__2024__final_\","), "{text}");
        let config = folder.path().join("named.ron");
        std::fs::write(&config, text).unwrap();
        Experiment::load(&config).unwrap();
    }
}
