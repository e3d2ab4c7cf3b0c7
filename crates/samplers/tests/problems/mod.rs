//! Problems with known solutions that all solvers are held to.

#![allow(dead_code, reason = "each test file uses some of it")]

use fokker_samplers::{
    LastStep, Noise, ReverseProcess, Sampler, Samples, SamplingError, Solver, Unobserved,
};
use fokker_sde_core::{
    Diffusion, GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Streams, TimeGrid,
    VariancePreserving,
};

/// A diffusion with the exact score of a mixture of Gaussians on the line.
pub(crate) struct Problem {
    pub(crate) name: &'static str,
    pub(crate) sde: Diffusion,
    pub(crate) score: MixtureMarginals<Diffusion>,
    /// `(weight, mean, variance)` of the data.
    pub(crate) data: Vec<(f64, f64, f64)>,
    /// The times between which the score is smooth enough for the orders of solvers to show.
    pub(crate) span: [f64; 2],
}

pub(crate) fn problems() -> Vec<Problem> {
    let one = vec![(1.0, 1.0, 0.3)];
    let two = vec![(0.4, -1.0, 0.12), (0.6, 1.2, 0.4)];
    let ou = Diffusion::OrnsteinUhlenbeck(OrnsteinUhlenbeck::PAPER);
    let vp = Diffusion::VariancePreserving(VariancePreserving::default());
    let problem = |name, sde: &Diffusion, data: &Vec<(f64, f64, f64)>, span| {
        let components = data.iter().map(|&(w, mean, variance)| (w, vec![mean], variance));
        let mixture = GaussianMixture::new(components.collect()).unwrap();
        let score = MixtureMarginals::new(mixture, sde.clone());
        Problem { name, sde: sde.clone(), score, data: data.clone(), span }
    };
    vec![
        problem("Gaussian, Ornstein–Uhlenbeck", &ou, &one, [1.25, 0.15625]),
        problem("mixture, Ornstein–Uhlenbeck", &ou, &two, [1.25, 0.15625]),
        problem("mixture, variance preserving", &vp, &two, [0.5, 0.125]),
    ]
}

impl Problem {
    /// `n` equal steps of the span.
    pub(crate) fn grid(&self, n: usize) -> TimeGrid {
        let [from, to] = self.span;
        let time = |k: usize| (from * (n - k) as f64 + to * k as f64) / n as f64;
        TimeGrid::new((0..=n).map(time).collect()).unwrap()
    }

    /// `particles` particles through the grid of `n` steps.
    pub(crate) fn run(
        &self,
        solver: Solver,
        process: &ReverseProcess,
        n: usize,
        particles: usize,
    ) -> Result<Samples<f64>, SamplingError> {
        let sampler = Sampler {
            process: process.clone(),
            solver,
            tolerance: None,
            noise: Noise::Path,
            last_step: LastStep::Solver,
        };
        let streams = Streams::new(11);
        sampler.sample(&self.score, &self.sde, &self.grid(n), particles, streams, &Unobserved)
    }
}

/// The root mean square difference of two sets of particles.
pub(crate) fn distance(a: &Samples<f64>, b: &Samples<f64>) -> f64 {
    let difference = &a.particles - &b.particles;
    (difference.mapv(|x| x * x).sum() / difference.len() as f64).sqrt()
}

/// The distribution function at `x` of a mixture on the line of components `(weight, mean, variance)`, by the midpoint
/// rule from far on the left.
pub(crate) fn distribution(data: &[(f64, f64, f64)], x: f64) -> f64 {
    let n = 2000;
    let h = (x + 6.0) / f64::from(n);
    let density = |x: f64| {
        let term = |&(weight, mean, variance): &(f64, f64, f64)| {
            let scale = (2.0 * std::f64::consts::PI * variance).sqrt();
            weight * (-0.5 * (x - mean).powi(2) / variance).exp() / scale
        };
        data.iter().map(term).sum::<f64>()
    };
    (0..n).map(|k| density(-6.0 + h * (f64::from(k) + 0.5)) * h).sum()
}

/// Kolmogorov and Smirnov's `D`: the largest distance between the distribution functions of particles on the line and of
/// a law.
pub(crate) fn kolmogorov_smirnov(samples: Samples<f64>, distribution: impl Fn(f64) -> f64) -> f64 {
    let mut x = samples.particles.into_raw_vec_and_offset().0;
    x.sort_by(f64::total_cmp);
    let n = x.len() as f64;
    x.iter().enumerate().fold(0.0, |largest: f64, (k, &x)| {
        let (below, exact) = (k as f64 / n, distribution(x));
        largest.max((exact - below).abs()).max((exact - below - 1.0 / n).abs())
    })
}
