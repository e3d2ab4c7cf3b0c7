//! How many steps, particles and batches a time allows.

use std::time::Instant;

use fokker_samplers::Cost;
use fokker_score_net::Optimizer;
use fokker_sde_core::{Purpose, Streams, sample_target};

use super::candidate::{POINTS, judge};
use crate::evaluate::{Samples, distances};
use crate::sample::sample;
use crate::side::Side;
use crate::target_law::TargetLaw;
use crate::train::untrained;
use crate::truth::Truth;
use crate::{Error, Experiment, Method, Progress};

/// What a machine takes for an experiment, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Speed {
    /// A training step without the residual, and with it.
    step: [f64; 2],
    /// Measuring a network, but for what its particles take.
    measuring: f64,
    /// A particle: sampling it both ways, measuring, and judging by another point.
    particle: f64,
}

/// What a time is spent on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// Training steps of each network.
    pub(crate) steps: usize,
    /// Particles of each sampler.
    pub(crate) particles: usize,
}

/// The share of a time that goes into sampling, measuring and judging.
const MEASURING: f64 = 0.15;

/// Steps of each kind, and particles, by which speeds are measured.
const TRIAL_STEPS: usize = 40;
const TRIAL_PARTICLES: [usize; 2] = [500, 2000];

/// How long steps are tried at most.
const TRIAL_SECONDS: f64 = 1.0;

/// The fewest training steps that are worth a comparison; the fewest and the most particles.
const FEWEST_STEPS: usize = 500;
const PARTICLES: [usize; 2] = [5000, 200_000];

impl Speed {
    /// Measured with the untrained network of an experiment, on the current threads.
    pub(crate) fn measure(
        experiment: &Experiment,
        law: &TargetLaw,
        progress: &dyn Progress,
    ) -> Result<Self, Error> {
        let training = &experiment.training;
        let (target, streams) = (law.training.as_ref(), Streams::new(experiment.seed));
        let mut network = untrained(experiment, target.dim())?;
        let mut step = [0.0; 2];
        for (seconds, weight) in step.iter_mut().zip([0.0, training.largest_weight()]) {
            let objective = training.objective(target, &experiment.diffusion, weight, None);
            let mut optimizer = Optimizer::new(training.optimizer);
            let (mut clock, mut steps) = (Instant::now(), 0);
            for k in 0..TRIAL_STEPS {
                let (_, mut gradient) = objective.gradient(&network, streams, k as u64)?;
                gradient.clip(1.0);
                optimizer.update(&mut network, &gradient, 1e-6)?;
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
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
        }
        let mut sampling = experiment.sampling.clone();
        sampling.particles = TRIAL_PARTICLES[0];
        let clock = Instant::now();
        for method in [Method::Sde, Method::Ode] {
            let sde = &experiment.diffusion;
            sample(&network, sde, method, &sampling, experiment.seed, progress)?;
        }
        let sampled = clock.elapsed().as_secs_f64() / TRIAL_PARTICLES[0] as f64;
        let [few, many] = TRIAL_PARTICLES.map(|n| measuring(experiment, law, n, progress));
        let [few, many] = [few?, many?];
        let [n, m] = TRIAL_PARTICLES.map(|n| n as f64);
        let measured = ((many - few) / (m - n)).max(0.0);
        let clock = Instant::now();
        judge(experiment, &network, law.truth.as_ref(), 2 * POINTS, progress)?;
        let judged = clock.elapsed().as_secs_f64() / (2 * POINTS) as f64;
        Ok(Self {
            step,
            measuring: (few - n * measured).max(0.0),
            particle: sampled + measured + judged,
        })
    }

    /// What so many seconds are spent on if one network is trained for each of some weights, all in equally many steps.
    ///
    /// # Errors
    /// If they are too few; `share` is the part of the time that they are.
    pub(crate) fn plan(&self, seconds: f64, share: f64, weights: &[f64]) -> Result<Plan, Error> {
        let steps: f64 = weights.iter().map(|&w_r| self.step[usize::from(w_r > 0.0)]).sum();
        let networks = weights.len() as f64;
        let least = self.measuring + PARTICLES[0] as f64 * self.particle;
        let measuring = (MEASURING * seconds).max(networks * least);
        let found = (seconds - measuring) / steps;
        if found < FEWEST_STEPS as f64 {
            let needed = FEWEST_STEPS as f64 * steps;
            let needed = (needed + networks * least).max(needed / (1.0 - MEASURING));
            // Speeds are not known to more than a part of ten.
            let minutes = (1.1 * needed / share / 0.6).ceil() / 100.0;
            return Err(Error::Budget { networks: weights.len(), steps: FEWEST_STEPS, minutes });
        }
        let particles = (measuring / networks - self.measuring) / self.particle;
        Ok(Plan {
            steps: found as usize,
            // Rounded, since it is a number that people read.
            particles: (particles as usize).clamp(PARTICLES[0], PARTICLES[1]) / 1000 * 1000,
        })
    }
}

/// The seconds that the distances between so many particles and the truth take.
fn measuring(
    experiment: &Experiment,
    law: &TargetLaw,
    particles: usize,
    progress: &dyn Progress,
) -> Result<f64, Error> {
    let mut protocol = experiment.protocol();
    protocol.sampling.particles = particles;
    let truth = Truth::of(&protocol, law)?;
    let streams = Streams::new(experiment.seed);
    let samples = |index| {
        let points =
            sample_target::<f32>(law.training.as_ref(), particles, streams, Purpose::Floor, index);
        let side = Side::new(&protocol, points.view())?;
        Ok::<_, Error>(Samples { points, side, cost: Cost::default() })
    };
    let [ode, sde] = [samples(1)?, samples(2)?];
    let clock = Instant::now();
    distances(&protocol, &ode, &sde, &truth, progress)?;
    Ok(clock.elapsed().as_secs_f64())
}

/// An experiment with its stages stretched or shrunk to so many steps in all, of which each stage has at least one, and the moving average
/// with them. Warm-ups stay as they are, or take a tenth of their stage.
pub(crate) fn stretched(experiment: &Experiment, steps: usize) -> Experiment {
    let mut stretched = experiment.clone();
    let factor = steps as f64 / experiment.training_steps().max(1) as f64;
    let training = &mut stretched.training;
    let (mut before, mut end) = (0.0, 0);
    let mut after = training.stages.len();
    for stage in &mut training.stages {
        // Where the stage ends, with a step for itself and for each of those after it.
        before += stage.steps as f64;
        after -= 1;
        let last = steps.saturating_sub(after).max(end + 1);
        let next = ((before * factor).round() as usize).clamp(end + 1, last);
        stage.steps = next - end;
        stage.warm_up = stage.warm_up.min(stage.steps / 10);
        end = next;
    }
    // The average looks back over the same share of all steps, of which a tenth is enough.
    training.average = training.average.map(|decay| 1.0 - ((1.0 - decay) / factor).min(0.1));
    stretched
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::EXAMPLE;

    #[test]
    fn stages_keep_their_proportions_and_their_sum() {
        let mut experiment =
            Experiment::parse(Path::new("example.ron"), EXAMPLE.to_owned()).unwrap();
        experiment.training.average = Some(0.999);
        // 70 000, 22 000 and 8000.
        let steps = |experiment: &Experiment| -> Vec<usize> {
            experiment.training.stages.iter().map(|stage| stage.steps).collect()
        };
        let half = stretched(&experiment, 50_000);
        assert_eq!(steps(&half), [35_000, 11_000, 4000]);
        assert!((half.training.average.unwrap() - 0.998).abs() < 1e-12);
        assert_eq!(stretched(&experiment, 100_000), experiment);
        for total in [3, 4, 5, 17, 999, 123_457] {
            let found = steps(&stretched(&experiment, total));
            assert_eq!(found.iter().sum::<usize>(), total);
            assert!(found.iter().all(|&steps| steps > 0), "{found:?}");
        }
    }

    #[test]
    fn a_time_is_spent_or_is_too_short() {
        let speed = Speed { step: [1e-3, 2e-3], measuring: 1.0, particle: 1e-4 };
        let weights = [0.0, 0.1, 0.2];
        let plan = speed.plan(300.0, 0.5, &weights).unwrap();
        let spent = plan.steps as f64 * 5e-3 + 3.0 * (1.0 + plan.particles as f64 * 1e-4);
        assert!((240.0..=300.0).contains(&spent), "{spent}");
        // 2.5 seconds of training and 4.5 of the rest are the least; they have half of the time.
        let Err(Error::Budget { minutes, .. }) = speed.plan(6.9, 0.5, &weights) else {
            panic!("6.9 seconds are too few")
        };
        assert!((1.1 * 14.0 / 60.0..1.1 * 14.0 / 60.0 + 0.011).contains(&minutes), "{minutes}");
        assert!(speed.plan(minutes * 30.0, 0.5, &weights).is_ok());
    }
}
