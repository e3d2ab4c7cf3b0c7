use std::path::Path;

use fokker_fp_residual::Combination;
use fokker_score_net::Output;
use fokker_sde_core::{Diffusion, OrnsteinUhlenbeck, Purpose, Sde, Streams, sample_target};

use crate::points_spec::PointsSpec;
use crate::target_spec::clean_label;
use crate::{Error, Experiment, TargetSource, ron_file};

/// The recipes that [`template`] can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The recipe of `docs/closing-the-gap.md`, for a potential or a vector score.
    Smooth(Output),
    /// The network and training of Deveney et al. (2025).
    Paper,
}

impl Default for Preset {
    fn default() -> Self {
        Self::Smooth(Output::Potential)
    }
}

impl Preset {
    /// The diffusion of the recipe: an Ornstein–Uhlenbeck process of rate 1.
    pub fn diffusion(self) -> Diffusion {
        Diffusion::OrnsteinUhlenbeck(match self {
            Self::Smooth(_) => OrnsteinUhlenbeck::SHORT,
            Self::Paper => OrnsteinUhlenbeck::PAPER,
        })
    }
}

/// A commented configuration for a target by a recipe, to be edited, with times, weights and grids that suit the diffusion and the
/// size of the data. `diffusion` is one of [`named_diffusions`], by default that of the recipe.
///
/// # Errors
/// If a file of points cannot be read, or what is made is no valid configuration.
pub fn template(
    target: &TargetSource,
    diffusion: Option<&Diffusion>,
    preset: Preset,
) -> Result<String, Error> {
    let own = preset.diffusion();
    let diffusion = diffusion.unwrap_or(&own);
    let facts = Facts::of(target, diffusion)?;
    let [network, training, sampling] = match preset {
        Preset::Smooth(output) => [
            smooth_network(&facts, output),
            smooth_training(&facts, output),
            smooth_sampling(&facts),
        ],
        Preset::Paper => {
            [PAPER_NETWORK.to_owned(), paper_training(&facts), PAPER_SAMPLING.to_owned()]
        }
    };
    let text = format!(
        "\
// An experiment of fokker; what is not given has its default. Run it by `fokker run THIS_FILE`.
(
    // The master seed: same seed, same bits.
    seed: 0,

    // The laws to learn: names, laws with their parameters, or points of files.
    targets: [{entry}],

    // The forward process; docs/diffusions.md lists them all.{horizon}
    diffusion: {diffusion},

{network}
{training}
{sampling}
    // In the plane W2² is exact, between histograms on nodes × nodes points of the box; on the line it is exact between points, elsewhere
    // sliced.
    measurement: (
        nodes: 64,
        extent: {extent:?},
        residual_points: {residual_points},
        bootstrap: 25,
    ),
)
",
        entry = facts.entry,
        horizon = match preset {
            Preset::Smooth(_) if *diffusion == own =>
                "\n    // By t = 4 no more than e⁻⁴ is left of the data; times beyond that would teach nothing.",
            _ => "",
        },
        diffusion = ron_file::write_line(diffusion)?,
        extent = facts.extent,
        residual_points = if facts.high { 2000 } else { 50_000 },
    );
    Experiment::parse(Path::new("template"), text.clone())?;
    Ok(text)
}

/// The weights of the residual that [`tune`](crate::tune) chooses among for the configuration of a recipe: none, a tenth of the
/// recipe's, that, and ten times that.
pub fn tuned_weights(experiment: &Experiment) -> Vec<f64> {
    match experiment.training.largest_weight() {
        0.0 => vec![0.0],
        weight => vec![0.0, weight / 10.0, weight, weight * 10.0],
    }
}

/// What a configuration depends on.
struct Facts {
    /// The target as RON.
    entry: String,
    dim: usize,
    /// Whether a box says nothing about so many dimensions.
    high: bool,
    data_std: f64,
    t_min: f64,
    extent: f64,
}

impl Facts {
    fn of(target: &TargetSource, diffusion: &Diffusion) -> Result<Self, Error> {
        let known = target.law(None)?;
        let law = known.training.as_ref();
        let (entry, standardised) = match target {
            TargetSource::Named(name) => (name.to_string(), false),
            TargetSource::Points(path) => {
                let count = known.points.as_ref().map_or(0, |points| points.nrows());
                (points_entry(path, count), true)
            }
        };
        let data_std = if standardised {
            1.0
        } else {
            let points = sample_target::<f64>(law, 20_000, Streams::new(0), Purpose::Truth, 0);
            rounded(points.mapv(|x| x * x).mean().unwrap_or(1.0).sqrt())
        };
        // Where the noise is a hundredth of the data.
        let level = 2.0 * (100.0 / data_std).ln();
        let t_min = rounded(diffusion.time_of_log_snr(level).unwrap_or(1e-3 * diffusion.horizon()));
        let extent = if standardised { 3.5 } else { rounded(2.0 * data_std).max(3.5) };
        let dim = law.dim();
        let high = dim > Combination::MOST_BOX_DIMENSIONS;
        Ok(Self { entry, dim, high, data_std, t_min, extent })
    }
}

/// The fewest points of a file of which some are held out.
const FEWEST: usize = 50;

/// So many points of a file as a target.
fn points_entry(path: &Path, count: usize) -> String {
    let spec = PointsSpec::new(path.to_owned());
    let label = clean_label(spec.label());
    // Not every name of a file can be part of others.
    let name = if label == spec.label() {
        String::new()
    } else {
        format!("            name: {label:?},\n")
    };
    let path = path.display().to_string();
    let held_out = if count < FEWEST {
        "// All points are trained on and stand for the truth: there are too few to keep some for that.
            held_out: 0,"
    } else {
        "// The share of the points that is kept from training and stands for the truth.
            held_out: 0.2,"
    };
    format!(
        "Points(
            // Relative to the folder of this file.
            path: {path:?},
{name}
            // By the mean and the standard deviation of each component, or `Global`, or `None`.
            standardise: PerComponent,

            {held_out}
        )"
    )
}

/// The network of Deveney et al. (2025).
const PAPER_NETWORK: &str = "    \
    // The network of Deveney et al. (2025): a potential of (t, x) with 13 361 parameters in the plane.
    network: (hidden: [80, 80, 80], activation: Softplus(beta: 100.0)),
";

fn smooth_network(facts: &Facts, output: Output) -> String {
    let output = match output {
        Output::Potential => "",
        Output::Vector => {
            "
        // The score itself, which need not be a gradient; `Potential` makes it one.
        output: Vector,
"
        }
    };
    format!(
        "    network: (
        // {hidden_note}
        hidden: {hidden},

        // Smooth, as the residual's second derivatives need it.
        activation: SiLU,
{output}
        // The time as ½ log(σ/α): all noise levels are equally far from each other.
        time: LogSnr,

        // The Gaussian part of the score is exact, that of the prior at the horizon included, and what the network
        // returns is of size 1 at every noise level.
        prediction: Preconditioned(data_std: {data_std:?}),
    ),
",
        hidden_note = if facts.high {
            "Wide enough for so many dimensions."
        } else {
            "Deep and narrow: better than a few wide layers of as many parameters."
        },
        hidden = if facts.high { "[256, 256, 256]" } else { "[40, 40, 40, 40, 40, 40, 40, 40]" },
        data_std = facts.data_std,
    )
}

fn smooth_training(facts: &Facts, output: Output) -> String {
    let &Facts { dim, high, data_std, t_min, .. } = facts;
    let vector = output == Output::Vector;
    let weights = if vector && dim > Combination::MOST_VECTOR_DIMENSIONS {
        "// The residual of a vector score in so many dimensions takes too many derivatives.
        residual_weights: [0.0],"
    } else if vector || high {
        "// One network for each weight of the residual: this one is small enough to cost nothing, `fokker tune` finds others.
        residual_weights: [0.001],"
    } else {
        "// One network for each weight of the residual: with this one the score is better than with none, `fokker tune` finds others.
        residual_weights: [1.0],"
    };
    let form = match output {
        Output::Vector => {
            "
        // Of a vector score the equation of scores (Lai et al. 2023) is the only one.
        residual_form: Score,
"
        }
        Output::Potential if high => {
            "
        // The Laplacian along one random direction instead of along all axes.
        laplacian: Rademacher(probes: 1),
"
        }
        Output::Potential => "",
    };
    format!(
        "    training: (
        {weights}

        // Points in each step, of score matching and of the residual.
        denoising_points: {points},
        residual_points: {residual_points},

        // The score that a point is matched to is averaged over which of so many draws of the data is behind it: less noise.
        denoising_references: 256,

        // Times are uniform in the log-SNR, one in each sixty-fourth of it, and weighted as in EDM: all noise levels count alike.
        times: (t_min: {t_min:?}, law: LogSnr, stratified: true),
        denoising_weight: Edm(data_std: {data_std:?}),

        // The residual is taken where the diffused data are, and weighted by σ⁴, which makes that of all noise levels alike.
        collocation: (t_min: {t_min:?}, shares: (inside_box: 0, marginal: 1), times: LogSnr),
        residual_time_weight: Sigma(power: 4),
{form}{optimizer}
        // The trained network is a moving average over the steps.
        average: {average},
        gradient_clip: 10,

        // The learning rate falls to almost nothing, which takes out the noise of the batches.
        stages: [
            (
                steps: 20000,
                learning_rate: {rate},
                warm_up: 200,
                schedule: Cosine(to: 0.005),
            ),
        ],
    ),
",
        points = if high { 256 } else { 2048 },
        residual_points = if vector || high { 64 } else { 1024 },
        average = if high { 0.999 } else { 0.9975 },
        rate = if high { "1e-3" } else { "1e-2" },
        optimizer = if high { "" } else { SOAP },
    )
}

const SOAP: &str = "
        // Adam in the eigenbasis of the moments of each layer's gradients: half the error after as many steps.
        optimizer: Soap,
";

fn smooth_sampling(facts: &Facts) -> String {
    format!(
        "    \
    // Particles of each sampler, and steps that are equal in the log-SNR, the last from t_min to the estimate of the data: of the
    // SDE 75 of two evaluations, of the ODE, which is smooth, 16 of four. docs/choosing-a-solver.md compares solvers.
    sampling: (
        particles: 100000,
        grid: LogSnr(steps: 75, t_min: {t_min:?}),
        solver: Sra1,
        last_step: Denoise,
        ode: (grid: LogSnr(steps: 16, t_min: {t_min:?}), solver: RungeKutta4, last_step: Denoise),
    ),
",
        t_min = facts.t_min,
    )
}

/// The sampling of Deveney et al. (2025), with fewer particles.
const PAPER_SAMPLING: &str = "    \
    // Particles of each sampler, and Euler's steps from T to T/80 and from there to 0, the last without noise.
    sampling: (
        particles: 100000,
        grid: TwoLevel(coarse: 790, fine: 100),
    ),
";

fn paper_training(facts: &Facts) -> String {
    let (place, shares) = if facts.high {
        (
            "at the diffused data, since a box says nothing here",
            "shares: (inside_box: 0, marginal: 1)",
        )
    } else {
        ("in a box", "extent: 3.5")
    };
    format!(
        "    training: (
        // One network for each weight of the residual.
        residual_weights: [0.0, 1.0],

        // Points in each step, of score matching and of the residual; the paper takes 200 000 and 50 000.
        denoising_points: 1024,
        residual_points: 256,

        // Times of score matching are T·Beta(1, 2) + t_min; the residual is taken at uniform times, {place}.
        times: (t_min: 1e-5),
        collocation: (t_min: 1e-5, {shares}),

        // Adam starts anew in each stage.
        stages: [
            (
                steps: 25000,
                learning_rate: 1e-3,
            ),
            (
                steps: 65000,
                learning_rate: 1e-4,
            ),
            (
                steps: 10000,
                learning_rate: 1e-5,
            ),
        ],
    ),
"
    )
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

    const PRESETS: [Preset; 3] =
        [Preset::Smooth(Output::Potential), Preset::Smooth(Output::Vector), Preset::Paper];

    #[test]
    fn every_template_is_a_configuration_that_makes_sense() {
        for (name, diffusion) in named_diffusions() {
            for preset in PRESETS {
                for target in [TargetName::Checkerboard, TargetName::SwissRoll] {
                    let source = TargetSource::Named(target);
                    let text = template(&source, Some(&diffusion), preset).unwrap();
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
        for preset in PRESETS {
            let source = TargetSource::Points(path.clone());
            let text = template(&source, None, preset).unwrap();
            let config = folder.path().join("wide.ron");
            std::fs::write(&config, text).unwrap();
            Experiment::load(&config).unwrap();
        }
        // A name that no label can have.
        let path = folder.path().join("-my points, 2024 (final).csv");
        std::fs::write(&path, rows).unwrap();
        let source = TargetSource::Points(path);
        let text = template(&source, None, Preset::default()).unwrap();
        assert!(text.contains("name: \"my_points__2024__final_\","), "{text}");
        let config = folder.path().join("named.ron");
        std::fs::write(&config, text).unwrap();
        Experiment::load(&config).unwrap();
    }
}
