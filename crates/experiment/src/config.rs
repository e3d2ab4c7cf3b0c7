use std::path::{Path, PathBuf};

use fokker_fp_residual::{CollocationBox, TimeLaw};
use fokker_score_net::{Activation, Backend, MlpShape};
use fokker_sde_core::{Diffusion, GridRule, Sde, TargetName};
use ron::error::Position;
use serde::{Deserialize, Serialize};

use crate::{Error, checked};

/// The experiment that `fokker init` prints: `experiments/quick.ron`, comments and all.
pub const EXAMPLE: &str = include_str!("../../../experiments/quick.ron");

/// Everything that determines a run, bit for bit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The master seed.
    pub seed: u64,
    /// The laws to learn; one cell for each, times one for each residual weight.
    #[serde(deserialize_with = "checked::distinct")]
    pub targets: Vec<TargetName>,
    /// The forward process.
    pub diffusion: Diffusion,
    /// The network, which is trained anew for each cell.
    pub network: Network,
    /// How it is trained.
    pub training: Training,
    /// How it is sampled, with the SDE and with the ODE.
    pub sampling: Sampling,
    /// How samples are compared.
    pub measurement: Measurement,
}

/// A multilayer perceptron from `[t, x]` to the potential.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The widths of the hidden layers.
    #[serde(deserialize_with = "checked::widths")]
    pub hidden: Vec<usize>,
    /// The activation after each of them.
    pub activation: Activation,
    /// How it is evaluated, in training and in sampling; [`Backend::Fused`] if not given.
    #[serde(default)]
    pub backend: Backend,
}

impl Network {
    /// The network for points of dimension `dim`.
    pub fn shape(&self, dim: usize) -> MlpShape {
        MlpShape { dim, hidden: self.hidden.clone(), activation: self.activation }
    }
}

/// How networks are trained: `L_DSM + w_R · mean ε²` by Adam.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Training {
    /// The weights `w_R` of the residual; one network for each.
    #[serde(deserialize_with = "checked::weights")]
    pub residual_weights: Vec<f64>,
    /// Points of `L_DSM` in each step.
    #[serde(deserialize_with = "checked::count")]
    pub denoising_points: usize,
    /// Points of `mean ε²` in each step.
    #[serde(deserialize_with = "checked::count")]
    pub residual_points: usize,
    /// The law of the times of `L_DSM`.
    pub times: TimeLaw,
    /// The box of the points of `mean ε²`.
    pub collocation: CollocationBox,
    /// The stages, one after the other; Adam starts anew in each.
    #[serde(deserialize_with = "checked::list")]
    pub stages: Vec<Stage>,
}

/// Some training steps at one learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The number of steps.
    #[serde(deserialize_with = "checked::count")]
    pub steps: usize,
    /// Adam's learning rate.
    #[serde(deserialize_with = "checked::positive")]
    pub learning_rate: f64,
    /// The factor of `w_R` in this stage, 1 if not given; with 0 the stage trains on `L_DSM` alone.
    #[serde(default = "one", deserialize_with = "checked::weight")]
    pub residual_factor: f64,
}

fn one() -> f64 {
    1.0
}

/// How models are sampled.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The number `N` of particles for each sampler, and of points of the truth.
    #[serde(deserialize_with = "checked::count")]
    pub particles: usize,
    /// The time grid of the Euler–Maruyama scheme.
    pub grid: GridRule,
}

/// How samples are compared: by exact `W2²` between histograms on a square grid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Nodes in each direction.
    #[serde(deserialize_with = "checked::nodes")]
    pub nodes: usize,
    /// Half the side `L` of the box; the nodes are `linspace(−L, L)`.
    #[serde(deserialize_with = "checked::positive")]
    pub extent: f64,
    /// Points of the box at which the finished network's `mean ε²` is taken.
    #[serde(deserialize_with = "checked::count")]
    pub residual_points: usize,
}

impl Default for Measurement {
    fn default() -> Self {
        Self { nodes: 64, extent: 3.5, residual_points: 100_000 }
    }
}

/// Why a configuration was refused: the place in the file, the field, and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}:{column}: {}{reason}", .path.display(), named(.field))]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1.
    pub column: usize,
    /// The field, such as `training.stages[0].steps`; empty if the file has no fields at all.
    pub field: String,
    /// What is wrong.
    pub reason: String,
}

fn named(field: &str) -> String {
    if field.is_empty() { String::new() } else { format!("field `{field}`: ") }
}

impl ConfigError {
    /// The byte of the text that the error points to.
    pub fn offset(&self) -> usize {
        let before: usize =
            self.text.split_inclusive('\n').take(self.line.saturating_sub(1)).map(str::len).sum();
        let line = self.text[before..].split('\n').next().unwrap_or_default();
        let within: usize =
            line.chars().take(self.column.saturating_sub(1)).map(char::len_utf8).sum();
        before + within
    }
}

/// How this crate reads and writes RON: a variant may hold the fields of its struct directly.
fn options() -> ron::Options {
    let extensions = ron::extensions::Extensions::UNWRAP_VARIANT_NEWTYPES;
    ron::Options::default().with_default_extension(extensions)
}

/// Where a field stands in a text that has been read without error: after each of its parents in
/// turn, outside comments.
fn locate(text: &str, path: &[&str]) -> Position {
    let mut rest = path.iter().peekable();
    for (index, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let mut from = 0;
        while let Some(name) = rest.peek() {
            let Some(found) = code[from..].find(&format!("{name}:")) else { break };
            rest.next();
            if rest.peek().is_none() {
                let col = code[..from + found].chars().count() + 1;
                return Position { line: index + 1, col };
            }
            from += found;
        }
    }
    Position { line: 1, col: 1 }
}

/// The last field whose name stands before a position.
fn field_before(text: &str, position: Position) -> Option<String> {
    let lines = text.lines().take(position.line).enumerate();
    let before: Vec<String> = lines
        .map(|(index, line)| {
            let end = if index + 1 == position.line { position.col } else { usize::MAX };
            line.chars().take(end).collect::<String>()
        })
        .collect();
    before.iter().rev().find_map(|line| {
        let code = line.split("//").next()?;
        let name = code.rsplit_once(':')?.0;
        let start = name.rfind(|c: char| !c.is_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        (start < name.len()).then(|| name[start..].to_owned())
    })
}

impl Experiment {
    /// Reads an experiment from a file.
    ///
    /// # Errors
    /// If the file cannot be read or is not a valid configuration.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Ok(Self::parse(path, text)?)
    }

    /// Reads an experiment from the text of the file `path`.
    ///
    /// # Errors
    /// If the text is not a valid configuration: names line, column and field.
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let fail = |position: Position, field: String, reason: String| ConfigError {
            path: path.to_owned(),
            text: text.clone(),
            line: position.line,
            column: position.col,
            field,
            reason,
        };
        let spanned = |error: ron::error::SpannedError, field: String| {
            let at = error.span.start;
            // Where the reader stumbled between two fields it names none: the one it came from.
            let (parent, lost) = match field.strip_suffix('?') {
                Some(parent) => (parent.trim_end_matches('.'), true),
                None => (field.as_str(), false),
            };
            let child = match &error.code {
                ron::Error::MissingStructField { field, .. }
                | ron::Error::DuplicateStructField { field, .. } => Some((*field).to_owned()),
                _ if lost => field_before(&text, at),
                _ => None,
            };
            let path: Vec<&str> = [parent, child.as_deref().unwrap_or("")]
                .into_iter()
                .filter(|s| !s.is_empty())
                .collect();
            let reason = match error.code {
                ron::Error::MissingStructField { .. } => "is missing".to_owned(),
                ron::Error::DuplicateStructField { .. } => "is given twice".to_owned(),
                other => other.to_string(),
            };
            fail(at, path.join("."), reason)
        };
        let mut deserializer = ron::Deserializer::from_str_with_options(&text, &options())
            .map_err(|error| spanned(error, String::new()))?;
        let experiment: Self =
            serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
                let field = error.path().to_string();
                let field = if field == "." { String::new() } else { field };
                spanned(deserializer.span_error(error.into_inner()), field)
            })?;
        deserializer
            .end()
            .map_err(|error| spanned(deserializer.span_error(error), String::new()))?;
        let horizon = experiment.diffusion.horizon();
        let training = &experiment.training;
        for (part, t_min) in
            [("times", training.times.t_min), ("collocation", training.collocation.t_min)]
        {
            if t_min >= horizon {
                let position = locate(&text, &["training", part, "t_min"]);
                let reason = format!("must be below the horizon of the diffusion, {horizon}");
                return Err(fail(position, format!("training.{part}.t_min"), reason));
            }
        }
        Ok(experiment)
    }

    /// The experiment as RON, in the form that [`Experiment::parse`] reads.
    ///
    /// # Errors
    /// If it cannot be written as RON.
    pub fn to_ron(&self) -> Result<String, Error> {
        let pretty = ron::ser::PrettyConfig::new().struct_names(false);
        let text = options()
            .to_string_pretty(self, pretty)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(text + "\n")
    }

    /// All training steps of one cell.
    pub fn training_steps(&self) -> usize {
        self.training.stages.iter().map(|stage| stage.steps).sum()
    }
}
