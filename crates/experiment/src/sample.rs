use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use fokker_samplers::{Cost, Observer, Samples};
use fokker_score_net::Checkpoint;
use fokker_sde_core::{Score, Sde, Streams};
use serde::{Deserialize, Serialize};

use crate::points_file::ends_with;
use crate::run::write_restored;
use crate::{Error, Event, Progress, Sampling, files};

/// The two ways to sample a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The reverse-time SDE.
    Sde,
    /// The probability-flow ODE.
    Ode,
}

impl Method {
    /// The name in files and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sde => "sde",
            Self::Ode => "ode",
        }
    }
}

/// Passes the news of a sampler on to the progress of a run.
pub(crate) struct Counter<'a> {
    progress: &'a dyn Progress,
    method: Method,
    done: AtomicUsize,
    particles: usize,
}

impl<'a> Counter<'a> {
    /// Of so many particles.
    pub(crate) fn new(progress: &'a dyn Progress, method: Method, particles: usize) -> Self {
        Self { progress, method, done: AtomicUsize::new(0), particles }
    }
}

impl Observer for Counter<'_> {
    fn finished(&self, particles: usize) {
        let done = self.done.fetch_add(particles, Ordering::Relaxed) + particles;
        let (method, particles) = (self.method, self.particles);
        self.progress.on(Event::Sampled { method, done, particles });
    }

    fn cancelled(&self) -> bool {
        self.progress.cancelled()
    }
}

/// Samples a score one of the two ways.
pub(crate) fn sample(
    score: &dyn Score<f32>,
    sde: &dyn Sde,
    method: Method,
    sampling: &Sampling,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Samples<f32>, Error> {
    let (sampler, grid) = sampling.sampler(method, sde)?;
    let checked = sampler.check_score(score, sde, &grid);
    checked.map_err(|source| Error::Solver { method, source })?;
    let particles = sampling.particles;
    let counter = Counter::new(progress, method, particles);
    Ok(sampler.sample(score, sde, &grid, particles, Streams::new(seed), &counter)?)
}

/// Samples the model in the checkpoint file `from` and writes the particles, `[n, d]` in the
/// units of the data, to the `.npy` file `to`: in single precision, or in double if the network learned standardised points.
/// Returns what it cost.
///
/// # Errors
/// If the checkpoint cannot be read, the solver does not fit, sampling fails, or the file cannot be written; the file is then
/// left as it was.
pub fn sample_checkpoint(
    from: &Path,
    to: &Path,
    method: Method,
    sampling: &Sampling,
    seed: u64,
    progress: &dyn Progress,
) -> Result<Cost, Error> {
    let Checkpoint { network, diffusion, standardisation } = files::read_checkpoint::<f32>(from)?;
    files::check_writable(to)?;
    files::refuse_same(from, to)?;
    if !ends_with(to, ".npy") {
        let reason = "does not end in .npy, the format that samples are written in".to_owned();
        return Err(Error::Content { path: to.to_owned(), reason });
    }
    let Samples { particles, cost } =
        sample(&network, &diffusion, method, sampling, seed, progress)?;
    match standardisation {
        Some(map) => write_restored(to, particles.mapv(f64::from), &map)?,
        None => files::write_npy(to, particles.view())?,
    }
    Ok(cost)
}
