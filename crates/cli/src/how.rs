use clap::ValueEnum;
use fokker_experiment::{LastStep, NoiseWeight, Sampling, Solver, Tolerance};
use fokker_sde_core::GridRule;

use crate::args::extent;
use crate::report::Failure;

/// How a process is solved.
#[derive(Debug, clap::Args)]
pub(crate) struct How {
    /// The scheme; `fokker solvers` lists them
    #[arg(long, value_name = "SOLVER", default_value_t = Solver::Sra1)]
    pub(crate) solver: Solver,
    /// The time grid
    #[arg(long, value_name = "GRID", default_value = "log-snr")]
    pub(crate) grid: GridName,
    /// The number of steps, with --tol that of the grid that gives the first and the last [default: 75, of the paper's grid 890]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) steps: Option<u32>,
    /// Let the solver choose its steps: the error of each stays below TOL, and TOL times the size of the point; but the last, from
    /// --last-time to 0, is taken as --last-step says
    #[arg(long, value_name = "TOL", value_parser = extent)]
    pub(crate) tol: Option<f64>,
    /// The time of the last step, which goes to 0, on the grids log-snr, karras and quadratic [default: where the log-SNR is 9]
    #[arg(long, value_name = "T", value_parser = extent)]
    pub(crate) last_time: Option<f64>,
    /// How the last step is taken
    #[arg(long, value_name = "HOW", default_value = "denoise")]
    pub(crate) last_step: LastStepName,
    /// The weight λ of the noise of the SDE, a number or a formula in t [default: 1]
    #[arg(long, value_name = "LAMBDA", allow_hyphen_values = true)]
    pub(crate) lambda: Option<NoiseWeight>,
}

impl How {
    /// The sampling that the options ask for.
    pub(crate) fn sampling(&self, particles: u32) -> Result<Sampling, Failure> {
        let steps = self.steps.map(|steps| steps as usize);
        let (many, t_min) = (steps.unwrap_or(75), self.last_time);
        let grid = match self.grid {
            GridName::Paper => steps.map_or(GridRule::PAPER, GridRule::paper_with),
            GridName::Uniform => GridRule::Uniform { steps: many },
            GridName::LogSnr => GridRule::LogSnr { steps: many, t_min },
            GridName::Karras => GridRule::Karras { steps: many, rho: 7.0, t_min },
            GridName::Quadratic => GridRule::Quadratic { steps: many, t_min },
        };
        if t_min.is_some() && matches!(self.grid, GridName::Paper | GridName::Uniform) {
            let command = "sample or gap --grid paper|uniform";
            return Err(Failure::Option { option: "--last-time", command });
        }
        Ok(Sampling {
            solver: self.solver,
            tolerance: self.tol.map(|tol| Tolerance { absolute: tol, relative: tol }),
            last_step: self.last_step.into(),
            lambda: self.lambda.clone().unwrap_or_default(),
            ..Sampling::euler(particles as usize, grid)
        })
    }
}

/// The names of the time grids on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum GridName {
    /// That of Deveney et al. (2025): 790 steps of T/800, 100 of T/8000, or others in the same proportion
    Paper,
    /// Equal steps from T to 0
    Uniform,
    /// Equal steps in the log-SNR, and one to 0
    LogSnr,
    /// Equal steps in the seventh root of σ/α, and one to 0
    Karras,
    /// Equal steps in the root of t, and one to 0
    Quadratic,
}

/// The names of the last steps on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LastStepName {
    /// By the solver, as all others
    Solver,
    /// An Euler step without noise
    NoiseFree,
    /// To the estimate of the data
    Denoise,
}

impl From<LastStepName> for LastStep {
    fn from(name: LastStepName) -> Self {
        match name {
            LastStepName::Solver => Self::Solver,
            LastStepName::NoiseFree => Self::NoiseFree,
            LastStepName::Denoise => Self::Denoise,
        }
    }
}
