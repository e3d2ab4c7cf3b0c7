use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use fokker_experiment::Method;

use crate::report::Failure;

/// Score-based diffusion models trained with the Fokker–Planck residual, sampled by the reverse-time
/// SDE and by the probability-flow ODE, with the exact Wasserstein-2 gap between the two.
#[derive(Debug, Parser)]
#[command(name = "fokker", version, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Worker threads; all cores if not given. Results do not depend on it
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Master seed of all random numbers
    #[arg(long, global = true, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Print the result as one line of JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print nothing but the result and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Print more while working
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a commented example configuration
    #[command(after_help = "Example:\n  fokker init > my.ron")]
    Init,
    /// Train, sample and measure as a configuration says, and leave a run folder
    #[command(
        after_help = "Example:\n  fokker run experiments/quick.ron --seed 3 --out runs/third"
    )]
    Run {
        /// The configuration, a RON file
        config: PathBuf,
        /// The run folder; runs/NAME-SEED if not given
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Replace a finished run
        #[arg(long)]
        force: bool,
    },
    /// Sample a trained network
    #[command(
        after_help = "The time grid is that of the paper: 790 steps of T/800, then 100 of T/8000, the \
                      last step of the SDE without noise. The file holds the points, [n, d], f32.\n\n\
                      Example:\n  fokker sample runs/quick-0/checkpoints/checkerboard_w1.safetensors \
                      --method ode --n 10000 --seed 1 --out ode.npy"
    )]
    Sample {
        /// The checkpoint, a .safetensors file
        checkpoint: PathBuf,
        /// The reverse-time SDE or the probability-flow ODE
        #[arg(long)]
        method: MethodName,
        /// The number of points
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
        n: u32,
        /// The file to write, .npy
        #[arg(long, value_name = "FILE.npy")]
        out: PathBuf,
    },
    /// Measure the exact Wasserstein-2 distance between two histograms or two point sets
    #[command(
        after_help = "Histograms are [n, n], rows along y, over the nodes linspace(-L, L, n) in both \
                      directions; a flat array of n² entries is one, too. Points are [m, 2] with m other \
                      than 2; they are \
                      counted at the nearest of 64 × 64 such nodes, and those outside the box are \
                      dropped and reported. Both sides are normalised to mass 1.\n\n\
                      Example:\n  fokker w2 ode.npy sde.npy --extent 3.5 --json"
    )]
    W2 {
        /// The first .npy file
        a: PathBuf,
        /// The second .npy file
        b: PathBuf,
        /// Half the side L of the box
        #[arg(long, value_name = "L", default_value_t = 3.5, value_parser = extent)]
        extent: f64,
    },
}

/// The names of the two samplers on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum MethodName {
    Sde,
    Ode,
}

impl From<MethodName> for Method {
    fn from(name: MethodName) -> Self {
        match name {
            MethodName::Sde => Self::Sde,
            MethodName::Ode => Self::Ode,
        }
    }
}

fn extent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(extent) if (1e-9..=1e9).contains(&extent) => Ok(extent),
        Ok(_) => Err("must be between 1e-9 and 1e9".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Arguments {
    /// Whether the command draws random numbers and works on many threads, for a while.
    pub(crate) fn works(&self) -> bool {
        matches!(self.command, Command::Run { .. } | Command::Sample { .. })
    }

    /// Refuses an option that the command would not look at.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let command = match self.command {
            Command::Init => "init",
            Command::Run { .. } => "run",
            Command::Sample { .. } => "sample",
            Command::W2 { .. } => "w2",
        };
        let unused = [
            ("--seed", self.seed.is_some() && !self.works()),
            ("--threads", self.threads.is_some() && !self.works()),
            ("--json", self.json && matches!(self.command, Command::Init)),
        ];
        match unused.into_iter().find(|(_, unused)| *unused) {
            Some((option, _)) => Err(Failure::Option { option, command }),
            None => Ok(()),
        }
    }
}
