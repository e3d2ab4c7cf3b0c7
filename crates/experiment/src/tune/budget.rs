//! How many steps and particles a time allows.

use std::time::Instant;

use fokker_score_net::Adam;
use fokker_sde_core::{Streams, Target};

use crate::sample::sample;
use crate::train::untrained;
use crate::{Error, Experiment, Method, Silent};

/// What a machine takes for an experiment, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    /// A training step without the residual, and with it.
    step: [f64; 2],
    /// A particle, both ways.
    particle: f64,
}

/// The share of a time that goes into sampling and measuring.
const MEASURING: f64 = 0.1;

/// Steps of each kind and particles by which speeds are measured.
const TRIAL_STEPS: usize = 40;
const TRIAL_PARTICLES: usize = 1024;

/// How long steps are tried at most.
const TRIAL_SECONDS: f64 = 1.0;

/// The fewest training steps of a network that are worth a comparison.
const FEWEST_STEPS: usize = 500;

impl Speed {
    /// Measured with the untrained network of an experiment, on the current threads.
    pub(crate) fn measure(experiment: &Experiment, target: &dyn Target) -> Result<Self, Error> {
        let training = &experiment.training;
        let streams = Streams::new(experiment.seed);
        let mut network = untrained(experiment, target.dim())?;
        let mut step = [0.0; 2];
        for (seconds, weight) in step.iter_mut().zip([0.0, training.largest_weight()]) {
            let objective = training.objective(target, &experiment.diffusion, weight, None);
            let mut adam = Adam::default();
            let (mut clock, mut steps) = (Instant::now(), 0);
            for k in 0..TRIAL_STEPS {
                let (_, mut gradient) = objective.gradient(&network, streams, k as u64)?;
                gradient.clip(1.0);
                adam.update(&mut network, &gradient, 1e-6)?;
                steps += 1;
                let passed = clock.elapsed().as_secs_f64();
                *seconds = passed / f64::from(steps);
                if passed > TRIAL_SECONDS {
                    break;
                }
                // The first steps fill caches.
                if k + 1 == TRIAL_STEPS / 4 {
                    (clock, steps) = (Instant::now(), 0);
                }
            }
        }
        let mut sampling = experiment.sampling.clone();
        sampling.particles = TRIAL_PARTICLES;
        let clock = Instant::now();
        for method in [Method::Sde, Method::Ode] {
            sample(&network, &experiment.diffusion, method, &sampling, experiment.seed, &Silent)?;
        }
        let particle = clock.elapsed().as_secs_f64() / TRIAL_PARTICLES as f64;
        Ok(Self { step, particle })
    }

    /// Training steps of each of some weights that all together take this long.
    pub(crate) fn steps(&self, seconds: f64, weights: &[f64]) -> Result<usize, Error> {
        let each: f64 = weights.iter().map(|&w_r| self.step[usize::from(w_r > 0.0)]).sum();
        let steps = ((1.0 - MEASURING) * seconds / each) as usize;
        if steps >= FEWEST_STEPS {
            return Ok(steps);
        }
        let needed = FEWEST_STEPS as f64 * each / (1.0 - MEASURING);
        Err(Error::Budget { steps, networks: weights.len(), missing: needed / seconds })
    }

    /// Particles of each of some networks that take no more than their share of a time.
    pub(crate) fn particles(&self, seconds: f64, networks: usize) -> usize {
        let most = MEASURING * seconds / (networks as f64 * self.particle);
        // Rounded, since it is a number that people read.
        ((most as usize).clamp(5000, 200_000) / 1000) * 1000
    }
}

/// An experiment with its stages stretched or shrunk to so many steps in all, and the moving average with them.
pub(crate) fn stretched(experiment: &Experiment, steps: usize) -> Experiment {
    let mut stretched = experiment.clone();
    let factor = steps as f64 / experiment.training_steps().max(1) as f64;
    let training = &mut stretched.training;
    let last = training.stages.len().saturating_sub(1);
    let mut left = steps;
    for (index, stage) in training.stages.iter_mut().enumerate() {
        let own = (stage.steps as f64 * factor).round() as usize;
        let own = if index == last { left } else { own.min(left) }.max(1);
        stage.warm_up = stage.warm_up.min(own / 10);
        stage.steps = own;
        left = left.saturating_sub(own);
    }
    // The average looks back over the same share of all steps, of which a tenth is enough.
    training.average = training.average.map(|decay| 1.0 - ((1.0 - decay) / factor).min(0.1));
    stretched
}
