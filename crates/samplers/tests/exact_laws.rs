//! Samplers with the exact score against exact laws.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::atomic::{AtomicUsize, Ordering};

use fokker_samplers::{LastStep, Observer, ReverseProcess, Sampler, SamplingError, Unobserved};
use fokker_sde_core::{
    BatchError, GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck, Score, Sde,
    Streams, TimeGrid,
};
use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis};
use proptest::prelude::*;

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

fn gaussian(mean: [f64; 2], variance: f64) -> MixtureMarginals<OrnsteinUhlenbeck> {
    let mixture = GaussianMixture::new(vec![(1.0, mean.to_vec(), variance)]).unwrap();
    MixtureMarginals::new(mixture, SDE)
}

fn sampler(lambda: f64) -> Sampler {
    Sampler { process: ReverseProcess::family(lambda).unwrap(), ..Sampler::default() }
}

fn sample(
    lambda: f64,
    score: &dyn Score<f64>,
    grid: &TimeGrid,
    n: usize,
    seed: u64,
) -> Array2<f64> {
    let streams = Streams::new(seed);
    sampler(lambda).sample(score, &SDE, grid, n, streams, &Unobserved).unwrap().particles
}

/// Mean and variance of the scheme itself for the Gaussian law `N(m, v)` in one coordinate, by its
/// own recursion: every step is affine, so that the law of the particles stays Gaussian.
fn moments_of_the_scheme(lambda: f64, mean: f64, variance: f64, grid: &TimeGrid) -> (f64, f64) {
    let (mut m, mut v) = (0.0, SDE.prior().std.powi(2));
    let last = grid.steps().len() - 1;
    for (step, (t, next)) in grid.steps().enumerate() {
        let law = SDE.marginal(t);
        let (centre, spread) = (law.alpha * mean, law.alpha.powi(2) * variance + law.sigma.powi(2));
        let h = t - next;
        let push = h * 0.5 * (1.0 + lambda * lambda) / spread;
        let factor = 1.0 + h - push;
        m = factor * m + push * centre;
        v = factor * factor * v + if step == last { 0.0 } else { lambda * lambda * h };
    }
    (m, v)
}

#[test]
fn particles_follow_the_exact_law_of_the_scheme() {
    // 40 000 particles; means and variances within 5 standard errors, false-alarm rate 6e-7 for each
    // of the 12 assertions.
    let n = 40_000;
    let grid = GridRule::TwoLevel { coarse: 79, fine: 10 }.grid(&SDE).unwrap();
    let (mean, variance) = ([1.0, -0.5], 0.3);
    let score = gaussian(mean, variance);
    for lambda in [0.0, 0.5, 1.0] {
        let x = sample(lambda, &score, &grid, n, 1);
        for (axis, target) in mean.into_iter().enumerate() {
            let (m, v) = moments_of_the_scheme(lambda, target, variance, &grid);
            let column = x.column(axis);
            let scale = 1.0 / (n as f64).sqrt();
            let found = (column.mean().unwrap(), column.var(1.0));
            assert!((found.0 - m).abs() < 5.0 * v.sqrt() * scale, "mean, λ = {lambda}: {found:?}");
            assert!(
                (found.1 - v).abs() < 5.0 * v * 2.0_f64.sqrt() * scale,
                "variance, λ = {lambda}: {found:?} instead of {v}"
            );
        }
    }
}

#[test]
fn the_scheme_converges_to_the_data_law_with_order_one() {
    // Deterministic: the moments of the scheme, whose particles the test above ties to the code.
    for lambda in [0.0, 1.0] {
        let error = |steps| {
            let grid = GridRule::Uniform { steps }.grid(&SDE).unwrap();
            let (m, v) = moments_of_the_scheme(lambda, 1.0, 0.3, &grid);
            (m - 1.0).hypot(v - 0.3)
        };
        let order = (error(4000) / error(8000)).log2();
        assert!((order - 1.0).abs() < 0.1, "λ = {lambda}: order {order}");
    }
}

#[test]
fn the_mixture_comes_back_from_noise_both_ways() {
    // By symmetry the four diagonal components get equal shares of 20 000 samples, and so do the four
    // on the axes: χ² with 3 degrees of freedom stays below 30.7 with probability 1 − 1e-6.
    let mixture = GaussianMixture::nine_components();
    let score = MixtureMarginals::new(mixture, SDE);
    let grid = GridRule::PAPER.grid(&SDE).unwrap();
    let n = 20_000;
    for lambda in [0.0, 1.0] {
        let x = sample(lambda, &score, &grid, n, 2);
        let mut counts = std::collections::HashMap::new();
        for row in x.rows() {
            // The centres lie on the lattice 1.3·(i, j), i + j even or an axis; round to it.
            let cell = [(row[0] / 1.3).round() as i32, (row[1] / 1.3).round() as i32];
            *counts.entry(cell).or_insert(0_u32) += 1;
        }
        let centres =
            [[0, 0], [1, 1], [1, -1], [-1, 1], [-1, -1], [2, 0], [-2, 0], [0, 2], [0, -2]];
        let at: Vec<f64> =
            centres.iter().map(|c| f64::from(*counts.get(c).unwrap_or(&0))).collect();
        let total: f64 = at.iter().sum();
        assert!(total > 0.9 * n as f64);
        // The centre loses more to its neighbours' cells than the others: compare the outer four
        // with each other and the diagonal four with each other.
        for ring in [&at[1..5], &at[5..9]] {
            let mean = ring.iter().sum::<f64>() / 4.0;
            let chi: f64 = ring.iter().map(|c| (c - mean).powi(2) / mean).sum();
            assert!(chi < 30.7, "λ = {lambda}: {at:?}");
        }
        // E|x|² of the data law is 0.65²·(96/9 + 0.4).
        let second = x.mapv(|x| x * x).sum() / n as f64;
        assert!((second - 0.65_f64.powi(2) * (96.0 / 9.0 + 0.4)).abs() < 0.12, "{second}");
    }
}

#[test]
fn same_bits_for_any_number_of_threads_and_particles() {
    let score = gaussian([0.0, 1.0], 0.2);
    let grid = GridRule::Uniform { steps: 20 }.grid(&SDE).unwrap();
    let run = |threads, n| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| sample(1.0, &score, &grid, n, 3))
    };
    let one = run(1, 1500);
    for threads in [2, 3, 7] {
        assert_eq!(one, run(threads, 1500));
    }
    let more = run(2, 2000);
    assert_eq!(one, more.view().split_at(Axis(0), 1500).0);
}

#[test]
fn the_ode_draws_no_noise_and_shares_its_start_with_the_sde() {
    let score = gaussian([0.0, 0.0], 0.5);
    let grid = GridRule::Uniform { steps: 1 }.grid(&SDE).unwrap();
    // One noise-free step from the same prior points, whatever λ is.
    let still = sample(0.0, &score, &grid, 300, 4);
    let noise_free = sample(1.0, &score, &grid, 300, 4);
    let h = 10.0;
    let start = |x: f64, lambda: f64| {
        let spread = 0.5;
        x / (1.0 + h - h * 0.5 * (1.0 + lambda * lambda) / spread)
    };
    for (a, b) in still.iter().zip(&noise_free) {
        assert!((start(*a, 0.0) - start(*b, 1.0)).abs() < 1e-12);
    }
    // With its noise the last step differs; the ODE's does not.
    let noisy = |lambda| {
        Sampler { last_step: LastStep::Solver, ..sampler(lambda) }
            .sample(&score as &dyn Score<f64>, &SDE, &grid, 300, Streams::new(4), &Unobserved)
            .unwrap()
            .particles
    };
    assert_eq!(noisy(0.0), still);
    assert_ne!(noisy(1.0), noise_free);
}

/// A score that is not finite for particles with `x₁ > 1.5` once `t < 5`.
struct Broken;

impl Score<f64> for Broken {
    fn dim(&self) -> usize {
        2
    }

    fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
            let bad = t < 5.0 && x[0] > 1.5;
            out.assign(&x.mapv(|x| if bad { f64::NAN } else { -2.0 * x }));
        }
        Ok(())
    }
}

#[test]
fn the_first_particle_that_is_not_finite_is_named() {
    let grid = GridRule::Uniform { steps: 10 }.grid(&SDE).unwrap();
    let fail = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = || sampler(0.0).sample(&Broken, &SDE, &grid, 2000, Streams::new(5), &Unobserved);
        pool.install(run).unwrap_err()
    };
    let error = fail(1);
    let SamplingError::NotFinite { step, t, state, .. } = &error else { panic!("{error}") };
    // The grid's times are 10, 9, …: the first step from below 5 starts at t = 4 and ends at 3.
    assert_eq!((*step, *t), (6, 3.0));
    assert!(state[0].is_nan());
    for threads in [2, 5] {
        // NaN is not equal to itself; its text is.
        assert_eq!(fail(threads).to_string(), error.to_string());
    }
}

#[test]
fn the_observer_counts_particles_and_cancels() {
    struct Count(AtomicUsize, usize);
    impl Observer for Count {
        fn finished(&self, particles: usize) {
            self.0.fetch_add(particles, Ordering::Relaxed);
        }
        fn cancelled(&self) -> bool {
            self.0.load(Ordering::Relaxed) >= self.1
        }
    }
    let score = gaussian([0.0, 0.0], 0.5);
    let grid = GridRule::Uniform { steps: 3 }.grid(&SDE).unwrap();
    let run = |limit| {
        let count = Count(AtomicUsize::new(0), limit);
        let result = sampler(1.0).sample::<f64>(&score, &SDE, &grid, 1000, Streams::new(6), &count);
        (result.map(|samples| samples.particles), count.0.into_inner())
    };
    let (all, counted) = run(usize::MAX);
    let all = all.unwrap();
    assert_eq!((all.nrows(), counted), (1000, 1000));
    // Which blocks arrive before the others depends on the threads; on one it is the first.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let Err(SamplingError::Cancelled { finished }) = pool.install(|| run(256)).0 else { panic!() };
    assert_eq!(finished, all.view().split_at(Axis(0), 256).0);
}

#[test]
fn only_finite_weights_of_the_noise_name_a_process() {
    for lambda in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(ReverseProcess::family(lambda).is_none());
        let process = ReverseProcess::varying(move |t| if t < 5.0 { lambda } else { 1.0 });
        let score = gaussian([0.0, 0.0], 0.5);
        let grid = GridRule::Uniform { steps: 3 }.grid(&SDE).unwrap();
        let sampler = Sampler { process, ..Sampler::default() };
        let result = sampler.sample::<f64>(&score, &SDE, &grid, 10, Streams::new(0), &Unobserved);
        assert!(matches!(result, Err(SamplingError::Lambda { t, .. }) if t < 5.0));
    }
    assert!(ReverseProcess::family(0.0).unwrap().is_ode());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn permuting_the_particles_permutes_their_scores(seed in 0_u64..1000, shift in 1_usize..299) {
        // What makes a batch a set of particles: no particle sees another.
        let score = MixtureMarginals::new(GaussianMixture::nine_components(), SDE);
        let grid = GridRule::Uniform { steps: 5 }.grid(&SDE).unwrap();
        let x = sample(1.0, &score, &grid, 300, seed);
        let rotate = |x: &Array2<f64>| {
            let (head, tail) = x.view().split_at(Axis(0), shift);
            ndarray::concatenate(Axis(0), &[tail, head]).unwrap()
        };
        let evaluate = |x: &Array2<f64>| {
            let mut s = Array2::zeros(x.raw_dim());
            score.score(0.2, x.view(), s.view_mut()).unwrap();
            s
        };
        prop_assert_eq!(rotate(&evaluate(&x)), evaluate(&rotate(&x)));
    }
}
