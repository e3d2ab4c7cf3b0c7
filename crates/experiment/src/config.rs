use std::path::Path;

use fokker_fp_residual::{CollocationBox, TimeLaw};
use fokker_score_net::{
    Activation, Architecture, Backend, FourierFeatures, Output, Prediction, TimeInput,
};
use fokker_sde_core::{Diffusion, GridRule, Sde, TargetName};
use serde::{Deserialize, Serialize};

use crate::ron_file::{self, ConfigError};
use crate::{CellId, Error, Protocol, checked};

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
    #[serde(default)]
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
    /// Points of each mean over a finished network: of `ε²` over the box, along the forward process and
    /// by bands of time, and of the denoising score matching loss.
    #[serde(deserialize_with = "checked::count")]
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
    /// Reads an experiment from a file.
    ///
    /// # Errors
    /// If the file cannot be read or is not a valid configuration.
    pub fn load(path: &Path) -> Result<Self, Error> {
        Ok(Self::parse(path, ron_file::load(path)?)?)
    }

    /// Reads an experiment from the text of the file `path`.
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
            sampling: self.sampling,
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
            .flat_map(|&target| weights.iter().map(move |&w_r| CellId { target, w_r }));
        cells.collect()
    }

    /// The cell whose files are named `stem`, such as `checkerboard_w0.1`.
    ///
    /// # Errors
    /// If there is none.
    pub fn cell(&self, stem: &str) -> Result<CellId, Error> {
        let cells = self.cells();
        cells.iter().find(|id| id.stem() == stem).copied().ok_or_else(|| Error::UnknownCell {
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
