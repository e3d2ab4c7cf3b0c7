//! Runs one kernel a given number of times on one thread: what `.ci/instructions` counts the
//! instructions of.
//!
//!     instructions               lists the kernels
//!     instructions --levels      lists the instruction sets
//!     instructions KERNEL TIMES  runs one

use std::error::Error;
use std::process::ExitCode;

use fokker_fp_residual::{Conditions, Denoising, DenoisingBatch, Objective, Residual, TimeLaw};
use fokker_metrics::{Grid, Histogram, squared_w2};
use fokker_samplers::{Sampler, Unobserved};
use fokker_score_net::{Gradient, InstructionSet, Optimizer, OptimizerKind, ScoreNetwork};
use fokker_sde_core::{
    GridRule, Jet, OrnsteinUhlenbeck, Potential, Purpose, Score, Streams, TargetName, sample_target,
};
use ndarray::{Array1, Array2};

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

/// Prepares and runs as often as it is told, so that the difference of two runs leaves out the
/// preparation.
type Kernel = fn(usize) -> Outcome;

const KERNELS: [(&str, Kernel); 10] = [
    ("score", score),
    ("jet", jet),
    ("gradient_w0", |times| gradient(0.0, times)),
    ("gradient_w1", |times| gradient(1.0, times)),
    ("adam", |times| optimizer(OptimizerKind::Adam, times)),
    ("soap", |times| optimizer(OptimizerKind::Soap, 10 * times)),
    ("sampler_step", sampler_step),
    ("rng", rng),
    ("histogram", histogram),
    ("transport", transport),
];

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

fn network() -> Result<ScoreNetwork<f32>, Box<dyn Error + Send + Sync>> {
    Ok(ScoreNetwork::paper(Streams::new(0))?)
}

fn places(n: usize) -> Array2<f32> {
    let target = TargetName::Checkerboard.target();
    sample_target(target.as_ref(), n, Streams::new(0), Purpose::Truth, 0)
}

fn score(times: usize) -> Outcome {
    let (network, x) = (network()?, places(512));
    let mut out = Array2::zeros(x.raw_dim());
    for _ in 0..times {
        network.score(0.5, x.view(), out.view_mut())?;
    }
    Ok(())
}

fn jet(times: usize) -> Outcome {
    let (network, x) = (network()?, places(512));
    let t = Array1::from_elem(512, 0.5);
    let mut jet = Jet::zeros(512, 2);
    for _ in 0..times {
        network.jet(t.view(), x.view(), &mut jet)?;
    }
    Ok(())
}

fn gradient(residual_weight: f64, times: usize) -> Outcome {
    let (network, target) = (network()?, TargetName::Checkerboard.target());
    let objective = Objective {
        target: target.as_ref(),
        sde: &SDE,
        denoising: Denoising { points: 512, ..Denoising::default() },
        residual: Residual { points: 128, ..Residual::default() },
        residual_weight,
        conditions: Conditions::default(),
        importance: None,
    };
    for _ in 0..times {
        objective.gradient(&network, Streams::new(0), 0)?;
    }
    Ok(())
}

fn optimizer(kind: OptimizerKind, times: usize) -> Outcome {
    let (mut network, mut optimizer) = (network()?, Optimizer::new(kind));
    let entries = (0..network.parameter_count()).map(|i| 1e-3 * (i as f32).sin());
    let gradient = Gradient(entries.collect());
    for _ in 0..times {
        optimizer.update(&mut network, &gradient, 1e-3)?;
    }
    Ok(())
}

fn sampler_step(times: usize) -> Outcome {
    let network = network()?;
    let sampler = Sampler::default();
    let grid = GridRule::Uniform { steps: 4 }.grid(&SDE)?;
    for _ in 0..times {
        sampler.sample::<f32>(&network, &SDE, &grid, 256, Streams::new(0), &Unobserved)?;
    }
    Ok(())
}

fn rng(times: usize) -> Outcome {
    let target = TargetName::Checkerboard.target();
    for _ in 0..times {
        let mut rng = Streams::new(0).rng(Purpose::Denoising, 0, 0);
        DenoisingBatch::<f32>::draw(512, target.as_ref(), &SDE, TimeLaw::default(), &mut rng);
    }
    Ok(())
}

fn histogram(times: usize) -> Outcome {
    let (grid, points) = (Grid::square(64, 3.5)?, places(10_000));
    for _ in 0..times {
        Histogram::from_points(grid, points.view())?;
    }
    Ok(())
}

fn transport(times: usize) -> Outcome {
    let grid = Grid::square(16, 3.5)?;
    let points = places(20_000);
    let (one, other) = points.view().split_at(ndarray::Axis(0), 10_000);
    let (one, other) = (Histogram::from_points(grid, one)?, Histogram::from_points(grid, other)?);
    for _ in 0..times {
        squared_w2(&one, &other)?;
    }
    Ok(())
}

fn run(arguments: &[String]) -> Outcome {
    let [name, times] = arguments else {
        if arguments == ["--levels"] {
            InstructionSet::available().iter().for_each(|set| println!("{set}"));
        } else {
            KERNELS.iter().for_each(|(name, _)| println!("{name}"));
        }
        return Ok(());
    };
    let Some((_, kernel)) = KERNELS.iter().find(|(kernel, _)| kernel == name) else {
        return Err(format!("no kernel `{name}`").into());
    };
    let times = times.parse()?;
    // The thread at hand alone: threads that wait for work spend instructions.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).use_current_thread().build()?;
    pool.install(|| kernel(times))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}
