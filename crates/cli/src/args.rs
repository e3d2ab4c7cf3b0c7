use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use fokker_experiment::{
    Comparison, DistanceMethod, GroundCost, Method, Output, Precision, Preset, Solver,
    TargetSource, named_diffusions,
};

use fokker_sde_core::Diffusion;

use crate::explain::Explain;
use crate::how::How;
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
    /// Print a commented configuration for a target, a diffusion and a network
    #[command(
        after_help = "The recipe is that of docs/closing-the-gap.md; `--preset paper` is that of Deveney et al. (2025).\n\n\
                      Examples:\n  fokker init > my.ron\n  \
                      fokker init --target points.csv --sde vp --network vector > my.ron"
    )]
    Init {
        /// What to learn: a name such as moons, or a file of points, .npy or .csv
        #[arg(long, value_name = "NAME|FILE", default_value = "checkerboard")]
        target: TargetSource,
        #[command(flatten)]
        recipe: Recipe,
    },
    /// Choose the weight of the residual within a time, and train a network with it
    #[command(
        after_help = "A configuration is tuned among its own `residual_weights`; of anything else the recipe is that of `fokker init`. Half \
                      of the time goes to one network for each weight, the other half to one with the weight that was chosen; steps and particles follow \
                      from how fast this machine is. What was ended early goes on by the same command.\n\n\
                      Examples:\n  fokker tune points.csv --minutes 20 --out tuned\n  \
                      fokker tune my.ron --minutes 5 --out tuned"
    )]
    Tune {
        /// What to learn: a name such as moons, a file of points, .npy or .csv, or a configuration, .ron, with one target
        data: String,
        /// About how long it may take, in minutes
        #[arg(long, value_name = "M", value_parser = minutes)]
        minutes: f64,
        /// The folder for what comes out
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        #[command(flatten)]
        recipe: Recipe,
        /// Replace what was tuned before
        #[arg(long)]
        force: bool,
    },
    /// Train, sample and measure as a configuration says, and leave a run folder
    ///
    /// A run that was ended early, even killed, is gone on with by the same command; its results are the
    /// same to the bit
    #[command(
        after_help = "Examples:\n  fokker run experiments/quick.ron --seed 3 --out runs/third\n  \
                      fokker run experiments/paper.ron --cell circles_w0.1"
    )]
    Run {
        /// The configuration, a RON file
        config: PathBuf,
        /// The run folder; runs/NAME-SEED if not given
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
        /// Only this cell, a target and a weight such as circles_w0.1
        #[arg(long, value_name = "CELL")]
        cell: Option<String>,
        /// Replace a finished run
        #[arg(long)]
        force: bool,
    },
    /// Draw the figures of a run folder and print its tables, also of an unfinished run
    #[command(after_help = "Example:\n  fokker report runs/quick-0")]
    Report {
        /// The run folder
        folder: PathBuf,
    },
    /// Put the distances of several runs beside each other
    #[command(
        after_help = "A run is its folder, finished or not, or a CSV file with the columns target, recipe, w_r, ode_truth, \
                      sde_truth, ode_sde and floor, and seed if it likes; w_r, floor and seed may be empty.\n\n\
                      Example:\n  fokker compare runs/plain-0 runs/smooth-0 paper.csv --figure front"
    )]
    Compare {
        /// Run folders, and tables
        #[arg(required = true, value_name = "RUN")]
        runs: Vec<PathBuf>,
        /// Draw TARGET-gap.png and TARGET-ode.png of each target into this folder
        #[arg(long, value_name = "DIR")]
        figure: Option<PathBuf>,
        /// Write the distances to this file, which can be compared with others in turn
        #[arg(long, value_name = "FILE.csv")]
        table: Option<PathBuf>,
    },
    /// Sample a trained network
    #[command(
        after_help = "The file holds the points, [n, d], in the units of the data: f32, or f64 of a \
                      network that learned standardised points.\n\n\
                      Examples:\n  fokker sample runs/quick-0/checkpoints/checkerboard_w1.safetensors \
                      --method ode --n 10000 --seed 1 --out ode.npy\n  \
                      fokker sample model.safetensors --method sde --lambda 0.5 --solver dpm-solver-pp-2m \
                      --grid log-snr --steps 60 --last-step denoise --n 10000 --out half.npy"
    )]
    Sample {
        /// The checkpoint, a .safetensors file
        checkpoint: PathBuf,
        /// The reverse-time SDE or the probability-flow ODE
        #[arg(long)]
        method: MethodName,
        /// The number of points
        #[arg(long, value_name = "N", value_parser = count())]
        n: u32,
        /// The file to write, .npy
        #[arg(long, value_name = "FILE.npy")]
        out: PathBuf,
        #[command(flatten)]
        how: How,
    },
    /// List the solvers, with their orders and costs
    #[command(after_help = "Example:\n  fokker solvers --json")]
    Solvers,
    /// Sample trained networks both ways, and measure the gap between the two and the truth
    #[command(
        after_help = "Distances are W2², exact, between histograms on 64 × 64 nodes over the box, each with \
                      a 95 % interval by the bootstrap and the noise floor; of points on the line, exact \
                      between the points; in more than two dimensions sliced W2², with the energy distance. \
                      A target is checkerboard, circles, ring, mixture, swiss_roll, moons, spirals, \
                      pinwheel, eight_gaussians or student_t, or a file of points [m, d], .npy, .csv or \
                      .csv.gz. Of a network that learned standardised points distances are in its units; \
                      targets are in those of the data.\n\nExample:\n  \
                      fokker gap runs/quick-0/checkpoints/*.safetensors --target checkerboard --n 100000 \
                      --figure gap.png"
    )]
    Gap {
        /// The checkpoints, .safetensors files
        #[arg(required = true)]
        models: Vec<PathBuf>,
        /// What they were trained to sample: a name, or a file of points
        #[arg(long, value_name = "NAME|FILE")]
        target: TargetSource,
        /// The number of points of each sampler, and of a target known by name
        #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = several())]
        n: u32,
        #[command(flatten)]
        how: How,
        /// How the ODE is solved, if otherwise than the SDE
        #[arg(long, value_name = "SOLVER")]
        ode_solver: Option<Solver>,
        /// Draw the densities, .png or .svg
        #[arg(long, value_name = "FILE")]
        figure: Option<PathBuf>,
        #[command(flatten)]
        means: Means,
        /// Replicates of the bootstrap
        #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(10..=10_000))]
        bootstrap: u32,
    },
    /// Measure the Fokker–Planck residual of a trained network, or write its values at given points
    #[command(
        after_help = "Means are of ε², over t uniform in (t-min, T) and x uniform in the box, and by bands of \
                      time; with a target also along the law of the forward process. In more than three \
                      dimensions, where a box says nothing, there must be a target. Of a network that \
                      learned standardised points all is in its units, but for the target.\n\n\
                      With --at, the columns t,x,y (in two dimensions; t,x1,x2,… in others) are read, and \
                      t,x,y,phi,phi_t,phi_x,phi_y,laplacian,residual are written, with 17 digits.\n\n\
                      Examples:\n  fokker residual model.safetensors --target circles\n  \
                      fokker residual model.safetensors --at points.csv --out values.csv --precision f64"
    )]
    Residual {
        /// The checkpoint, a .safetensors file
        model: PathBuf,
        /// The target whose diffused law is followed: a name, or a file of points
        #[arg(long, value_name = "NAME|FILE", conflicts_with = "at")]
        target: Option<TargetSource>,
        /// A CSV file of points: write the values there instead of means
        #[arg(long, value_name = "POINTS.csv", requires = "out", conflicts_with_all = ["t_min", "extent", "points"])]
        at: Option<PathBuf>,
        /// The CSV file to write the values to
        #[arg(long, value_name = "VALUES.csv", requires = "at")]
        out: Option<PathBuf>,
        /// In single precision by the fused kernels, or in double
        #[arg(long, default_value = "f32")]
        precision: PrecisionName,
        #[command(flatten)]
        means: Means,
    },
    /// Explain the gap between the samplers of a network: densities, energy, bounds, and where it is made
    ///
    /// docs/theory.md derives what is computed
    #[command(
        after_help = "Of a potential network. log p^SDE is estimated by forward paths, log p^ODE by the ODE itself; an                       estimate that few paths decide is withheld. Of a vector score there is the gap, and how far it is                       from a gradient. Figures: attribution.png, and in the plane fields.png.\n\n\
                      Example:\n  fokker explain model.safetensors --target circles --figure why"
    )]
    Explain(Explain),
    /// Make a checkpoint of a network trained in PyTorch
    #[command(after_help = "In PyTorch:\n  from safetensors.torch import save_file\n  \
                      save_file(net.state_dict(), \"net.safetensors\")\n\n\
                      The description names the inputs, the layers in order, the activation and the diffusion; \
                      experiments/reference-network.ron is one, with comments.\n\nExample:\n  \
                      fokker import net.safetensors --network net.ron --out model.safetensors")]
    Import {
        /// The state dict, a .safetensors file
        state_dict: PathBuf,
        /// What the state dict does not say, a RON file
        #[arg(long, value_name = "NET.ron")]
        network: PathBuf,
        /// The checkpoint to write
        #[arg(long, value_name = "MODEL.safetensors")]
        out: PathBuf,
    },
    /// Measure the Wasserstein distance between two histograms or two point sets, exactly or otherwise
    #[command(
        after_help = "Files are .npy, .csv or .csv.gz. Histograms are [n, n], rows along y, over the nodes \
                      linspace(-L, L, n) in both directions; n² numbers flat are one, too, and [n, n, n] is \
                      one in space. Points are [m, d] with m other than d, and are counted at the nearest \
                      of such nodes, those outside the box being dropped and reported; with --points they \
                      are taken as they are, and m may be d. Both sides are normalised to mass 1.\n\n\
                      exact      the optimum, proven; of points as they are some thousands a side\n\
                      sinkhorn   the debiased Sinkhorn divergence, for large grids\n\
                      sliced     the mean over random directions, for points, any number\n\
                      1d         the optimum between points on a line, any number\n\n\
                      A plan is an array [k, 3]: where from, where to, and the share of the mass, with \
                      points by their rows and nodes by their places in the flattened array.\n\n\
                      Examples:\n  fokker w2 ode.npy sde.npy --extent 3.5 --json\n  \
                      fokker w2 a.csv b.csv --points --cost euclidean --plan plan.npy\n  \
                      fokker w2 ode.npy sde.npy --method sliced --projections 200"
    )]
    W2(W2),
}

/// What `fokker w2` is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct W2 {
    /// The first file
    pub(crate) a: PathBuf,
    /// The second file
    pub(crate) b: PathBuf,
    /// How the distance is found
    #[arg(long, default_value = "exact")]
    pub(crate) method: DistanceName,
    /// What it costs to move mass: the distance squared, the distance, or the sum along the axes
    #[arg(long, default_value = "squared")]
    pub(crate) cost: CostName,
    /// Take points as they are, not counted on a grid
    #[arg(long)]
    pub(crate) points: bool,
    /// Half the side L of the box [default: 3.5]
    #[arg(long, value_name = "L", value_parser = extent)]
    pub(crate) extent: Option<f64>,
    /// Nodes along each axis on which points are counted [default: 64, in space 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_048_576))]
    pub(crate) nodes: Option<u32>,
    /// Write the plan, of exact and 1d
    #[arg(long, value_name = "FILE.npy")]
    pub(crate) plan: Option<PathBuf>,
    /// Sinkhorn's ε, as a share of the cost across the box [default: 0.001]
    #[arg(long, value_name = "SHARE", value_parser = extent)]
    pub(crate) epsilon: Option<f64>,
    /// Random directions of a sliced distance [default: 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub(crate) projections: Option<u32>,
    /// Replicates of the bootstrap, for an interval around the exact distance of points on a grid
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=10_000))]
    pub(crate) bootstrap: Option<u32>,
}

impl W2 {
    /// What the options ask for.
    pub(crate) fn comparison(&self, seed: u64) -> Comparison {
        Comparison {
            method: self.method.into(),
            cost: self.cost.into(),
            pointwise: self.points,
            extent: self.extent.unwrap_or(3.5),
            nodes: self.nodes.map(|nodes| nodes as usize),
            epsilon: self.epsilon.unwrap_or(1e-3),
            projections: self.projections.unwrap_or(100).into(),
            bootstrap: self.bootstrap.unwrap_or(0).into(),
            seed,
            plan: self.plan.clone(),
        }
    }

    /// The method as an option, and the first option that it has no use for.
    fn unused(&self) -> Option<(&'static str, &'static str)> {
        use DistanceName::{Exact, Line, Sinkhorn, Sliced};
        let name = match self.method {
            Exact if self.points => "w2 --points",
            Exact => "w2 --method exact",
            Sinkhorn => "w2 --method sinkhorn",
            Sliced => "w2 --method sliced",
            Line => "w2 --method 1d",
        };
        let without_box = self.points || matches!(self.method, Sliced | Line);
        let unused = [
            ("--points", self.points && matches!(self.method, Sliced | Line)),
            ("--cost manhattan", self.cost == CostName::Manhattan && self.method == Sliced),
            ("--extent", self.extent.is_some() && without_box),
            ("--nodes", self.nodes.is_some() && without_box),
            ("--plan", self.plan.is_some() && matches!(self.method, Sinkhorn | Sliced)),
            ("--epsilon", self.epsilon.is_some() && self.method != Sinkhorn),
            ("--projections", self.projections.is_some() && self.method != Sliced),
            ("--bootstrap", self.bootstrap.is_some() && (self.method != Exact || self.points)),
        ];
        unused.into_iter().find_map(|(option, unused)| unused.then_some((name, option)))
    }
}

/// The names of the methods on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DistanceName {
    Exact,
    Sinkhorn,
    Sliced,
    #[value(name = "1d")]
    Line,
}

impl From<DistanceName> for DistanceMethod {
    fn from(name: DistanceName) -> Self {
        match name {
            DistanceName::Exact => Self::Exact,
            DistanceName::Sinkhorn => Self::Sinkhorn,
            DistanceName::Sliced => Self::Sliced,
            DistanceName::Line => Self::Line,
        }
    }
}

/// The names of the costs on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum CostName {
    Squared,
    Euclidean,
    Manhattan,
}

impl From<CostName> for GroundCost {
    fn from(name: CostName) -> Self {
        match name {
            CostName::Squared => Self::SquaredEuclidean,
            CostName::Euclidean => Self::Euclidean,
            CostName::Manhattan => Self::Manhattan,
        }
    }
}

/// What means of the residual are taken over.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Means {
    /// Half the side L of the box
    #[arg(long, value_name = "L", default_value_t = 3.5, value_parser = extent)]
    pub(crate) extent: f64,
    /// The first time of the residual
    #[arg(long, value_name = "T", default_value_t = 1e-5, value_parser = extent)]
    pub(crate) t_min: f64,
    /// Points of each mean over the network
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = several())]
    pub(crate) points: u32,
}

fn count() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=100_000_000)
}

/// How many there are of what has a spread.
pub(crate) fn several() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(2..=100_000_000)
}

/// The names of the precisions on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum PrecisionName {
    F32,
    F64,
}

impl From<PrecisionName> for Precision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::F32 => Self::Single,
            PrecisionName::F64 => Self::Double,
        }
    }
}

/// What a configuration begins with.
#[derive(Debug, Clone, Args)]
pub(crate) struct Recipe {
    /// The recipe of training [default: smooth]
    #[arg(long, value_name = "NAME")]
    pub(crate) preset: Option<PresetName>,
    /// The forward process; that of the recipe if not given
    #[arg(long, value_name = "NAME", value_parser = clap::builder::PossibleValuesParser::new(
        named_diffusions().into_iter().map(|(name, _)| name)))]
    pub(crate) sde: Option<String>,
    /// The network of the smooth recipe [default: potential]
    #[arg(long, value_name = "KIND")]
    pub(crate) network: Option<NetworkName>,
}

/// The recipes that a configuration can begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PresetName {
    /// A smooth, preconditioned network and what closes the gap
    Smooth,
    /// The network and training of Deveney et al. (2025)
    Paper,
}

/// The kinds of networks that a configuration can begin with.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum NetworkName {
    /// A potential, whose gradient is the score
    Potential,
    /// A vector score
    Vector,
}

impl Recipe {
    /// Whether anything was asked for.
    pub(crate) fn is_given(&self) -> bool {
        self.preset.is_some() || self.sde.is_some() || self.network.is_some()
    }

    pub(crate) fn preset(&self) -> Result<Preset, Failure> {
        match (self.preset, self.network) {
            (Some(PresetName::Paper), None) => Ok(Preset::Paper),
            (Some(PresetName::Paper), Some(_)) => {
                Err(Failure::Option { option: "--network", command: "init --preset paper" })
            }
            (_, Some(NetworkName::Vector)) => Ok(Preset::Smooth(Output::Vector)),
            _ => Ok(Preset::Smooth(Output::Potential)),
        }
    }

    /// The diffusion asked for; that of the recipe is its own Ornstein–Uhlenbeck process.
    pub(crate) fn diffusion(&self) -> Option<Diffusion> {
        let known = named_diffusions().into_iter().filter(|(name, _)| *name != "ou");
        let mut chosen = known.filter(|(name, _)| Some(*name) == self.sde.as_deref());
        chosen.next().map(|(_, diffusion)| diffusion)
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if (0.01..=100_000.0).contains(&minutes) => Ok(minutes),
        Ok(_) => Err("must be between 0.01 and 100000".to_owned()),
        Err(error) => Err(error.to_string()),
    }
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

pub(crate) fn extent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(extent) if (1e-9..=1e9).contains(&extent) => Ok(extent),
        Ok(_) => Err("must be between 1e-9 and 1e9".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

impl Arguments {
    /// Whether the command works for long, and looks at signals meanwhile.
    pub(crate) fn listens(&self) -> bool {
        use Command::{Explain, Gap, Run, Sample, Tune};
        matches!(self.command, Run { .. } | Tune { .. } | Sample { .. } | Gap { .. } | Explain(_))
    }

    /// Whether the command draws random numbers and works on many threads.
    fn draws(&self) -> bool {
        self.listens()
            || matches!(self.command, Command::Residual { at: None, .. } | Command::W2(_))
    }

    /// Refuses an option that the command would not look at.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let command = match self.command {
            Command::Init { .. } => "init",
            Command::Run { .. } => "run",
            Command::Tune { .. } => "tune",
            Command::Report { .. } => "report",
            Command::Compare { .. } => "compare",
            Command::Gap { .. } => "gap",
            Command::Explain(_) => "explain",
            Command::Residual { at: None, .. } => "residual",
            Command::Residual { .. } => "residual --at",
            Command::Import { .. } => "import",
            Command::Sample { .. } => "sample",
            Command::Solvers => "solvers",
            Command::W2(_) => "w2",
        };
        let unused = [
            ("--seed", self.seed.is_some() && !self.draws()),
            ("--threads", self.threads.is_some() && !self.draws()),
            (
                "--json",
                self.json && matches!(self.command, Command::Init { .. } | Command::Report { .. }),
            ),
        ];
        if let Some((option, _)) = unused.into_iter().find(|(_, unused)| *unused) {
            return Err(Failure::Option { option, command });
        }
        match &self.command {
            Command::W2(w2) => match w2.unused() {
                Some((command, option)) => Err(Failure::Option { option, command }),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}
