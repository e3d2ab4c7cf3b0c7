//! Our side of the comparison with PyTorch and JAX in `benches/peers`.
//!
//! `peer --what step0|step1|ode|sde --threads N --seconds S` warms up, repeats the work for about `S`
//! seconds and prints one line of JSON with the time of each repetition.

use std::error::Error;
use std::io::Write;
use std::time::{Duration, Instant};

use fokker_fp_residual::{CollocationBox, Objective, TimeLaw};
use fokker_samplers::{EulerMaruyama, ReverseProcess, Unobserved};
use fokker_score_net::{Adam, Mlp, MlpShape};
use fokker_sde_core::{GridRule, OrnsteinUhlenbeck, Sde, Streams, TargetName};

const DENOISING_POINTS: usize = 20_000;
const RESIDUAL_POINTS: usize = 5_000;
const LEARNING_RATE: f64 = 1e-4;
const PARTICLES: usize = 50_000;
const STEPS: usize = 20;
const WARM_UP: Duration = Duration::from_secs(1);
const FEWEST_REPETITIONS: usize = 2;

struct Options {
    what: String,
    threads: usize,
    seconds: Duration,
}

fn options() -> Result<Options, Box<dyn Error>> {
    let mut options = Options { what: "step0".into(), threads: 2, seconds: Duration::from_secs(3) };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--what" => options.what = value,
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
        denoising_points: DENOISING_POINTS,
        residual_points: RESIDUAL_POINTS,
        residual_weight: weight,
        times: TimeLaw::default(),
        collocation: CollocationBox::default(),
    };
    let mut network = Mlp::<f32>::new(&MlpShape::paper(), Streams::new(0))?;
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
    let network = Mlp::<f32>::new(&MlpShape::paper(), streams)?;
    let grid = GridRule::Uniform { steps: STEPS }.grid(sde.horizon())?;
    let solver = EulerMaruyama { process, noise_free_last_step: false };
    repeat(seconds, || {
        solver.sample::<f32>(&network, &sde, &grid, PARTICLES, streams, &Unobserved)?;
        Ok(())
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let Options { what, threads, seconds } = options()?;
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
