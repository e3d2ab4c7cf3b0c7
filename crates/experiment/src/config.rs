use std::path::Path;

use fokker_fp_residual::{
    Collocation, Combination, Conditions, Denoising, DenoisingWeight, LaplacianRule, Objective,
    Residual, ResidualForm, ResidualWeight, TimeImportance, TimeLaw,
};
use fokker_score_net::{
    Activation, Architecture, Backend, FourierFeatures, OptimizerKind, Output, Prediction,
    TimeInput,
};
use fokker_sde_core::{Diffusion, Marginal, Sde, Target};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ron_file::{self, ConfigError};
use crate::target_law::TargetLaw;
use crate::{CellId, Error, Protocol, Sampling, TargetSpec, checked};

/// A configuration with all that is required.
#[cfg(test)]
pub(crate) const EXAMPLE: &str = include_str!("../../../experiments/quick.ron");

/// Everything that determines a run, bit for bit, together with the files of points that it names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// The master seed.
    pub seed: u64,
    /// The laws to learn; one cell for each, times one for each residual weight.
    #[serde(deserialize_with = "checked::targets")]
    pub targets: Vec<TargetSpec>,
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

/// A multilayer perceptron, see [`Architecture`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The widths of the hidden layers.
    #[serde(deserialize_with = "checked::widths")]
    pub hidden: Vec<usize>,
    /// The activation after each of them.
    pub activation: Activation,
    /// A potential or a vector score; a potential if not given.
    #[serde(default)]
    pub output: Output,
    /// How the time is given; raw if not given.
    #[serde(default)]
    pub time: TimeInput,
    /// What the output stands for; the score or its potential if not given.
    #[serde(default)]
    pub prediction: Prediction,
    /// Whether hidden layers are residual blocks.
    #[serde(default)]
    pub residual: bool,
    /// Random Fourier features before the first hidden layer.
    #[serde(default, deserialize_with = "checked::fourier")]
    pub fourier: Option<FourierFeatures>,
    /// How it is evaluated, in training and in sampling; [`Backend::Fused`] if not given.
    #[serde(default)]
    pub backend: Backend,
}

impl Network {
    /// The network for points of dimension `dim`.
    pub fn architecture(&self, dim: usize) -> Architecture {
        Architecture {
            dim,
            hidden: self.hidden.clone(),
            activation: self.activation,
            output: self.output,
            time: self.time,
            prediction: self.prediction,
            residual: self.residual,
            fourier: self.fourier,
        }
    }
}

/// How networks are trained: by the gradient of `L_DSM + w_R · mean ε²`.
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
    /// The weight of a time in `L_DSM`; 1 if not given.
    #[serde(default)]
    pub denoising_weight: DenoisingWeight,
    /// Draws of the data over which the conditional score of a point is averaged, see [`Denoising::references`]; 1 if not given.
    #[serde(default = "one_reference", deserialize_with = "checked::references")]
    pub denoising_references: usize,
    /// Whether times where `L_DSM` is large are looked at more often, see [`TimeImportance`]; not if not given.
    #[serde(default)]
    pub importance: bool,
    /// Where the residual is taken.
    pub collocation: Collocation,
    /// What of the residual is squared; `ε` itself if not given.
    #[serde(default)]
    pub residual_form: ResidualForm,
    /// The weight of a time in the residual's term; 1 if not given.
    #[serde(default)]
    pub residual_time_weight: ResidualWeight,
    /// How the Laplacian in the residual is found; exactly if not given.
    #[serde(default)]
    pub laplacian: LaplacianRule,
    /// Initial, boundary and terminal conditions; none if not given.
    #[serde(default)]
    pub conditions: Conditions,
    /// The norm to which gradients are clipped; not if not given.
    #[serde(default, deserialize_with = "checked::optional_positive")]
    pub gradient_clip: Option<f64>,
    /// The decay of a moving average of the parameters, which is then the trained network; none if not given.
    #[serde(default, deserialize_with = "checked::decay")]
    pub average: Option<f64>,
    /// What makes steps of gradients; Adam if not given.
    #[serde(default)]
    pub optimizer: OptimizerKind,
    /// The stages, one after the other; the optimizer starts anew in each.
    #[serde(deserialize_with = "checked::list")]
    pub stages: Vec<Stage>,
}

impl Training {
    /// The number of the stage that a step, from 0, belongs to, and the steps of it before. The last
    /// stage goes on for ever.
    fn place(&self, step: usize) -> (usize, usize) {
        let mut into = step;
        for (index, stage) in self.stages.iter().enumerate() {
            if into < stage.steps || index + 1 == self.stages.len() {
                return (index, into);
            }
            into -= stage.steps;
        }
        (0, step)
    }

    /// The largest of the weights.
    pub(crate) fn largest_weight(&self) -> f64 {
        self.residual_weights.iter().copied().fold(0.0, f64::max)
    }

    /// The term of the residual.
    pub(crate) fn residual(&self) -> Residual {
        Residual {
            points: self.residual_points,
            form: self.residual_form,
            weight: self.residual_time_weight,
            laplacian: self.laplacian,
            collocation: self.collocation,
        }
    }

    /// The objective with a weight of the residual.
    pub(crate) fn objective<'a>(
        &self,
        target: &'a dyn Target,
        sde: &'a dyn Sde,
        residual_weight: f64,
        importance: Option<&'a TimeImportance>,
    ) -> Objective<'a> {
        let (points, times) = (self.denoising_points, self.times);
        Objective {
            target,
            sde,
            denoising: Denoising {
                points,
                times,
                weight: self.denoising_weight,
                references: self.denoising_references,
            },
            residual: self.residual(),
            residual_weight,
            conditions: self.conditions,
            importance,
        }
    }

    /// The stage that a step, from 0, belongs to.
    pub(crate) fn stage_of(&self, step: usize) -> Stage {
        self.stages[self.place(step).0]
    }

    /// The steps of its stage that are done before a step, from 0.
    pub(crate) fn steps_into_stage(&self, step: usize) -> usize {
        self.place(step).1
    }
}

/// Some training steps at one learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub struct Stage {
    /// The number of steps.
    #[serde(deserialize_with = "checked::count")]
    pub steps: usize,
    /// The learning rate.
    #[serde(deserialize_with = "checked::positive")]
    pub learning_rate: f64,
    /// The factor of `w_R` in this stage, 1 if not given; with 0 the stage trains on `L_DSM` alone.
    #[serde(default = "one", deserialize_with = "checked::weight")]
    pub residual_factor: f64,
    /// Steps over which the learning rate rises linearly from 0, at most all of them; none if not given.
    #[serde(default)]
    pub warm_up: usize,
    /// How the learning rate goes on after that; constant if not given.
    #[serde(default)]
    pub schedule: Schedule,
}

impl Serialize for Stage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Stage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stage = Self::deserialize(deserializer)?;
        if stage.warm_up > stage.steps {
            let Self { warm_up, steps, .. } = stage;
            let reason = format!("`warm_up` takes {warm_up} steps, but the stage has {steps}");
            return Err(serde::de::Error::custom(reason));
        }
        Ok(stage)
    }
}

/// How a learning rate changes over a stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum Schedule {
    /// Not at all.
    #[default]
    Constant,
    /// It falls from `η` to `η` times `to` along half a cosine (Loshchilov and Hutter, *SGDR*, ICLR 2017).
    Cosine {
        /// What is left at the end, as a share; 0 to 1.
        #[serde(deserialize_with = "checked::fraction")]
        to: f64,
    },
}

impl Stage {
    /// The learning rate at a step of the stage, from 0.
    pub(crate) fn rate_at(&self, step: usize) -> f64 {
        if step < self.warm_up {
            return self.learning_rate * (step + 1) as f64 / (self.warm_up + 1) as f64;
        }
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine { to } => {
                let length = self.steps.saturating_sub(self.warm_up).max(1) as f64;
                let angle = std::f64::consts::PI * (step - self.warm_up) as f64 / length;
                self.learning_rate * (to + (1.0 - to) * 0.5 * (1.0 + angle.cos()))
            }
        }
    }
}

fn one() -> f64 {
    1.0
}

fn one_reference() -> usize {
    1
}

/// How samples are compared: in the plane by exact `W2²` between histograms on a square grid, elsewhere as
/// [`DistanceKind`](crate::DistanceKind) says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// Nodes in each direction of the grid, and in other dimensions than two of the densities drawn.
    #[serde(deserialize_with = "checked::nodes")]
    pub nodes: usize,
    /// Half the side `L` of the box, in standardised units for points that are standardised; the nodes are
    /// `linspace(−L, L)`. For the plane only.
    #[serde(deserialize_with = "checked::positive")]
    pub extent: f64,
    /// Points of each mean over a finished network: of `ε²` over the box, along the forward process and
    /// by bands of time, and of the denoising score matching loss.
    #[serde(deserialize_with = "checked::several")]
    pub residual_points: usize,
    /// Replicates of the bootstrap behind the interval of each distance; 100 if not given.
    #[serde(default = "bootstrap", deserialize_with = "checked::replicates")]
    pub bootstrap: usize,
}

fn bootstrap() -> usize {
    Measurement::default().bootstrap
}

impl Default for Measurement {
    fn default() -> Self {
        Self { nodes: 64, extent: 3.5, residual_points: 100_000, bootstrap: 100 }
    }
}

impl Experiment {
    /// Reads an experiment from a file, and looks into the files of points that it names; their paths,
    /// which are relative to the folder of the file, are made absolute.
    ///
    /// # Errors
    /// If a file cannot be read or does not hold what it should, or the configuration is not valid.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Self::of_text(path, ron_file::load(path)?)
    }

    /// As [`Experiment::load`], of the text of the file `path`, which need not exist.
    ///
    /// # Errors
    /// As [`Experiment::load`].
    pub fn of_text(path: &Path, text: String) -> Result<Self, Error> {
        let mut experiment = Self::parse(path, text.clone())?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let mut nth = 0;
        for index in 0..experiment.targets.len() {
            let target = &mut experiment.targets[index];
            if let TargetSpec::Points(points) = target {
                points.path = folder.join(&points.path);
            }
            let law = TargetLaw::new(target, experiment.seed).map_err(|found| {
                let (place, reason) = ((index, nth), found.error.to_string());
                ConfigError::in_points(path, text.clone(), place, found.field, reason)
            })?;
            if let TargetSpec::Points(points) = target {
                nth += 1;
                points.path = std::path::absolute(&points.path)
                    .map_err(|source| Error::Read { path: points.path.clone(), source })?;
            }
            experiment.check_target(law.training.as_ref()).map_err(|(field, error)| {
                let label = experiment.targets[index].label();
                let reason = format!("does not fit `{label}`: {error}");
                ConfigError::in_field(path, text.clone(), &["training", field], reason)
            })?;
        }
        Ok(experiment)
    }

    /// Refuses to train on what makes no sense for a target, and names the field of `training`.
    pub(crate) fn check_target(
        &self,
        target: &dyn Target,
    ) -> Result<(), (&'static str, Combination)> {
        let weight = self.training.largest_weight();
        let objective = self.training.objective(target, &self.diffusion, weight, None);
        objective.check(self.network.output).map_err(|combination| {
            let field = match combination {
                Combination::VectorForm | Combination::VectorDimensions => "residual_form",
                Combination::Probes => "laplacian",
                Combination::Box if self.training.conditions.boundary == 0.0 => "collocation",
                Combination::NoShares => "collocation",
                Combination::Groups => "residual_points",
                _ => "conditions",
            };
            let given = self.training.residual_form != ResidualForm::default();
            // A form that is not given has no place in the file.
            (
                if field == "residual_form" && !given { "residual_weights" } else { field },
                combination,
            )
        })
    }

    /// Reads an experiment from the text of the file `path`. The files of points that it names are not
    /// looked at; see [`Experiment::load`].
    ///
    /// # Errors
    /// If the text is not a valid configuration: names line, column and field.
    pub fn parse(path: &Path, text: String) -> Result<Self, ConfigError> {
        let experiment: Self = ron_file::parse(path, &text)?;
        let horizon = experiment.diffusion.horizon();
        let training = &experiment.training;
        for (part, t_min) in
            [("times", training.times.t_min), ("collocation", training.collocation.t_min)]
        {
            if t_min >= horizon {
                let reason = format!("must be below the horizon of the diffusion, {horizon}");
                let field = ["training", part, "t_min"];
                return Err(ConfigError::in_field(path, text, &field, reason));
            }
        }
        for t in [training.times.t_min, training.collocation.t_min, horizon] {
            let Marginal { alpha, sigma } = experiment.diffusion.marginal(t);
            let ratios = [sigma / alpha, alpha / sigma];
            if !ratios.iter().all(|ratio| ratio.is_finite()) {
                let reason = format!(
                    "σ/α is {:?} at t = {t}, but the log-SNR must be finite from `t_min` to the horizon",
                    ratios[0]
                );
                return Err(ConfigError::in_field(path, text, &["diffusion"], reason));
            }
        }
        Ok(experiment)
    }

    /// The experiment as RON, in the form that [`Experiment::parse`] reads.
    ///
    /// # Errors
    /// If it cannot be written as RON.
    pub fn to_ron(&self) -> Result<String, Error> {
        ron_file::write(self)
    }

    /// How its models are sampled and measured.
    pub fn protocol(&self) -> Protocol {
        Protocol {
            seed: self.seed,
            sampling: self.sampling.clone(),
            measurement: self.measurement,
            times: self.training.times,
            collocation: self.training.collocation,
        }
    }

    /// Its cells, target by target and weight by weight.
    pub fn cells(&self) -> Vec<CellId> {
        let weights = &self.training.residual_weights;
        let cells = self
            .targets
            .iter()
            .flat_map(|target| weights.iter().map(|&w_r| (target.label().to_owned(), w_r)))
            .map(|(target, w_r)| CellId { target, w_r });
        cells.collect()
    }

    /// The cell whose files are named `stem`, such as `checkerboard_w0.1`.
    ///
    /// # Errors
    /// If there is none.
    pub fn cell(&self, stem: &str) -> Result<CellId, Error> {
        let cells = self.cells();
        cells.iter().find(|id| id.stem() == stem).cloned().ok_or_else(|| Error::UnknownCell {
            name: stem.to_owned(),
            known: cells.iter().map(CellId::stem).collect(),
        })
    }

    /// All training steps of one cell.
    pub fn training_steps(&self) -> usize {
        self.training.stages.iter().map(|stage| stage.steps).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_configuration_of_the_repository_can_be_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments");
        let files = |folder: &Path| -> Vec<std::path::PathBuf> {
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
        };
        let all = [files(&folder), files(&folder.join("closing"))].concat();
        let configurations = all.iter().filter(|path| path.extension() == Some("ron".as_ref()));
        let mut read = 0;
        // That of the reference is of a network alone.
        for path in configurations.filter(|path| !path.ends_with("reference-network.ron")) {
            Experiment::load(path).unwrap_or_else(|error| panic!("{error}"));
            read += 1;
        }
        assert!(read > 40, "{read}");
    }

    #[test]
    fn every_target_of_the_documentation_can_be_read() {
        let documentation = include_str!("../../../docs/configuration.md");
        let rows = documentation.split("| form | law |").nth(1).unwrap();
        let rows =
            rows.split("\n\n").next().unwrap().lines().filter_map(|row| row.split('|').nth(1));
        let codes = rows.flat_map(|cell| cell.split('`').skip(1).step_by(2));
        let forms: Vec<String> = codes.map(|form| form.replace(", …]", "]")).collect();
        assert_eq!(forms.len(), 18);
        for form in forms {
            let text = EXAMPLE.replace("[checkerboard]", &format!("[{form}]"));
            assert!(text.contains(&form));
            Experiment::parse(Path::new("example.ron"), text).unwrap();
        }
    }

    #[test]
    fn every_diffusion_of_the_documentation_can_be_read_and_written() {
        let documentation = include_str!("../../../docs/diffusions.md");
        let examples = documentation.split("```ron\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(examples.lines().count(), Diffusion::examples().len());
        for (line, expected) in examples.lines().zip(Diffusion::examples()) {
            let line = line.split("//").next().unwrap();
            let text = EXAMPLE.replace("OrnsteinUhlenbeck(horizon: 10.0)", line.trim());
            assert!(text.contains(line.trim()));
            let experiment = Experiment::parse(Path::new("example.ron"), text).unwrap();
            assert_eq!(experiment.diffusion, expected);
            let again = Experiment::parse(Path::new("again.ron"), experiment.to_ron().unwrap());
            assert_eq!(again.unwrap(), experiment);
        }
    }
}
