//! Our side of the comparison with PyTorch and JAX in `benches/peers`.
//!
//! `peer --what step0|step1|ode|sde --threads N --seconds S` warms up, repeats the work for about `S`
//! seconds and prints one line of JSON with the time of each repetition.
//!
//! `peer --what losses --points FILE` prints the losses of a network at given points. The file holds
//! little-endian `f32`: the parameters, then the columns `t, x1, x2, y1, y2` of all points, where `y`
//! is the score to match.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use fokker_fp_residual::{Conditions, Denoising, Objective, Residual};
use fokker_samplers::{LastStep, ReverseProcess, Sampler, Unobserved};
use fokker_score_net::{Adam, ScoreNetwork};
use fokker_sde_core::{GridRule, Jet, OrnsteinUhlenbeck, Potential, Streams, TargetName};
use ndarray::{ArrayView2, Axis};

const DENOISING_POINTS: usize = 20_000;
const RESIDUAL_POINTS: usize = 5_000;
const LEARNING_RATE: f64 = 1e-4;
const PARTICLES: usize = 50_000;
const STEPS: usize = 20;
const WARM_UP: Duration = Duration::from_secs(1);
const FEWEST_REPETITIONS: usize = 2;

struct Options {
    what: String,
    points: String,
    threads: usize,
    seconds: Duration,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options {
        what: "step0".into(),
        points: String::new(),
        threads: 2,
        seconds: Duration::from_secs(3),
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--what" => options.what = value,
            "--points" => options.points = value,
            "--threads" => options.threads = value.parse()?,
            "--seconds" => options.seconds = Duration::try_from_secs_f64(value.parse()?)?,
            _ => return Err(format!("unknown option {name}").into()),
        }
    }
    Ok(options)
}

/// The seconds of each repetition of `work`, after a warm-up.
fn repeat(
    seconds: Duration,
    mut work: impl FnMut() -> Result<(), Box<dyn Error + Send + Sync>>,
) -> Result<Vec<f64>, Box<dyn Error + Send + Sync>> {
    let start = Instant::now();
    while start.elapsed() < WARM_UP.min(seconds) {
        work()?;
    }
    let (start, mut times) = (Instant::now(), Vec::new());
    while times.len() < FEWEST_REPETITIONS || start.elapsed() < seconds {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(times)
}

/// Training steps: draw, differentiate, update.
fn train(weight: f64, seconds: Duration) -> Result<Vec<f64>, Box<dyn Error + Send + Sync>> {
    let target = TargetName::Checkerboard.target();
    let objective = Objective {
        target: target.as_ref(),
        sde: &OrnsteinUhlenbeck::PAPER,
        denoising: Denoising { points: DENOISING_POINTS, ..Denoising::default() },
        residual: Residual { points: RESIDUAL_POINTS, ..Residual::default() },
        residual_weight: weight,
        conditions: Conditions::default(),
        importance: None,
    };
    let mut network = ScoreNetwork::<f32>::paper(Streams::new(0))?;
    let mut adam = Adam::default();
    let mut step = 0;
    repeat(seconds, || {
        let (_, gradient) = objective.gradient(&network, Streams::new(0), step)?;
        adam.update(&mut network, &gradient, LEARNING_RATE)?;
        step += 1;
        Ok(())
    })
}

/// Whole runs of the sampler.
fn sample(
    process: ReverseProcess,
    seconds: Duration,
) -> Result<Vec<f64>, Box<dyn Error + Send + Sync>> {
    let (sde, streams) = (OrnsteinUhlenbeck::PAPER, Streams::new(0));
    let network = ScoreNetwork::<f32>::paper(streams)?;
    let grid = GridRule::Uniform { steps: STEPS }.grid(&sde)?;
    let sampler = Sampler { process, last_step: LastStep::Solver, ..Sampler::default() };
    repeat(seconds, || {
        sampler.sample::<f32>(&network, &sde, &grid, PARTICLES, streams, &Unobserved)?;
        Ok(())
    })
}

/// Both losses by the jet of the network, at points that the peers evaluate too.
fn losses(file: &str) -> Result<(), Box<dyn Error>> {
    let bytes = std::fs::read(file)?;
    let (words, _) = bytes.as_chunks::<4>();
    let numbers: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
    let mut network = ScoreNetwork::<f32>::paper(Streams::new(0))?;
    let count = network.parameter_count();
    let (parameters, points) = numbers.split_at_checked(count).ok_or("the file is too short")?;
    network.set_parameters(parameters)?;
    let points = ArrayView2::from_shape((points.len() / 5, 5), points)?;
    let (x, _) = points.split_at(Axis(1), 3);
    let (_, x) = x.split_at(Axis(1), 1);
    let mut jet = Jet::zeros(points.nrows(), 2);
    network.jet(points.column(0), x, &mut jet)?;
    let (mut denoising, mut residual) = (0.0, 0.0);
    for (i, point) in points.rows().into_iter().enumerate() {
        let s = jet.gradient.row(i);
        let mut epsilon = jet.time_derivative[i] - 2.0 - 0.5 * jet.laplacian[i];
        for k in 0..2 {
            epsilon -= s[k] * (point[1 + k] + 0.5 * s[k]);
            denoising += f64::from(s[k] - point[3 + k]).powi(2) / 2.0;
        }
        residual += f64::from(epsilon).powi(2);
    }
    let n = points.nrows() as f64;
    let line = serde_json::json!({ "denoising": denoising / n, "residual": residual / n });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { what, points, threads, seconds } = options()?;
    if what == "losses" {
        return losses(&points);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    let times = pool
        .install(|| match what.as_str() {
            "step0" => train(0.0, seconds),
            "step1" => train(1.0, seconds),
            "ode" => sample(ReverseProcess::ODE, seconds),
            "sde" => sample(ReverseProcess::SDE, seconds),
            _ => Err(format!("unknown work {what}").into()),
        })
        .map_err(|error| error.to_string())?;
    let line = serde_json::json!({ "what": what, "threads": threads, "seconds": times });
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}
