//! Closed forms against independent computations: transitions, mixture scores, the Fokker–Planck
//! equation.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fokker_sde_core::{
    Diffusion, GaussianMixture, Jet, Marginal, MixtureMarginals, OrnsteinUhlenbeck, Potential,
    Purpose, Score, Sde, Streams,
};
use ndarray::{Array1, Array2, array};
use proptest::prelude::*;
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// Points of the plane with times in `[t_min, 10]`, fixed by a seed.
fn points(n: usize, t_min: f64, extent: f64) -> (Array1<f64>, Array2<f64>) {
    let mut rng = Streams::new(1).rng(Purpose::Evaluation, 0, 0);
    let t = Array1::from_shape_simple_fn(n, || t_min + (10.0 - t_min) * rng.random::<f64>());
    let x = Array2::from_shape_simple_fn((n, 2), || extent * (2.0 * rng.random::<f64>() - 1.0));
    (t, x)
}

fn exact() -> MixtureMarginals<OrnsteinUhlenbeck> {
    MixtureMarginals::new(GaussianMixture::nine_components(), OrnsteinUhlenbeck::default())
}

fn jet_of(potential: &impl Potential<f64>, t: &Array1<f64>, x: &Array2<f64>) -> Jet<f64> {
    let mut jet = Jet::zeros(x.nrows(), x.ncols());
    potential.jet(t.view(), x.view(), &mut jet).unwrap();
    jet
}

#[test]
fn the_marginal_solves_its_moment_equations() {
    let sde = OrnsteinUhlenbeck::default();
    let h = 1e-5;
    for t in [1e-3, 0.1, 0.7, 3.0, 9.0] {
        let (before, at, after) = (sde.marginal(t - h), sde.marginal(t), sde.marginal(t + h));
        let alpha_rate = (after.alpha - before.alpha) / (2.0 * h);
        let variance_rate = (after.sigma.powi(2) - before.sigma.powi(2)) / (2.0 * h);
        let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
        assert!((alpha_rate - a * at.alpha).abs() < 1e-9);
        assert!((variance_rate - (2.0 * a * at.sigma.powi(2) + g * g)).abs() < 1e-9);
    }
    assert_eq!(sde.marginal(0.0), Marginal { alpha: 1.0, sigma: 0.0 });
    // Accurate where 1 − e^{−2t} cancels: σ² = t − t² + O(t³).
    let tiny = 1e-12;
    assert!((sde.marginal(tiny).sigma.powi(2) / tiny - 1.0).abs() < 1e-11);
}

#[test]
fn simulated_transitions_have_the_marginal_law() {
    // Euler–Maruyama for dX = −X dt + dW from x₀ = 1.5 to t = 1 in 400 steps. Its own bias is below
    // 0.0025; with 20 000 paths a 5σ band has a false-alarm rate of 6e-7 for each assertion.
    let sde = OrnsteinUhlenbeck::default();
    let (n, steps) = (20_000, 400);
    let h = 1.0 / steps as f64;
    let mut rng = Streams::new(2).rng(Purpose::Evaluation, 0, 0);
    let ends: Array1<f64> = Array1::from_shape_simple_fn(n, || {
        (0..steps).fold(1.5, |x, _| {
            let noise: f64 = StandardNormal.sample(&mut rng);
            x + sde.drift_rate(0.0) * x * h + sde.diffusion(0.0) * h.sqrt() * noise
        })
    });
    let mean = ends.mean().unwrap();
    let variance = ends.var(1.0);
    let Marginal { alpha, sigma } = sde.marginal(1.0);
    let n = n as f64;
    assert!((mean - 1.5 * alpha).abs() < 0.0025 + 5.0 * sigma / n.sqrt());
    assert!((variance - sigma * sigma).abs() < 0.0025 + 5.0 * sigma * sigma * (2.0 / n).sqrt());
}

#[test]
fn the_mixture_jet_agrees_with_finite_differences() {
    let exact = exact();
    let (t, x) = points(200, 0.01, 3.5);
    let jet = jet_of(&exact, &t, &x);
    let value = |t: &Array1<f64>, x: &Array2<f64>| jet_of(&exact, t, x).value;
    let h = 1e-5;
    let time_derivative = (value(&(&t + h), &x) - value(&(&t - h), &x)) / (2.0 * h);
    assert!((&jet.time_derivative - &time_derivative).iter().all(|e| e.abs() < 1e-6));
    let mut laplacian = Array1::<f64>::zeros(t.len());
    for axis in 0..2 {
        let shifted = |h: f64| {
            let mut x = x.clone();
            x.column_mut(axis).iter_mut().for_each(|x| *x += h);
            jet_of(&exact, &t, &x)
        };
        let (plus, minus) = (shifted(h), shifted(-h));
        let slope = (&plus.value - &minus.value) / (2.0 * h);
        assert!((&jet.gradient.column(axis) - &slope).iter().all(|e| e.abs() < 1e-6));
        laplacian += &((&plus.gradient.column(axis) - &minus.gradient.column(axis)) / (2.0 * h));
    }
    assert!((&jet.laplacian - &laplacian).iter().all(|e| e.abs() < 1e-5));
}

#[test]
fn the_mixture_satisfies_the_fokker_planck_equation() {
    // ε = ∂_tφ + ∇·f + f·∇φ − ½g²(Δφ + |∇φ|²) with f = −x, g = 1.
    let (t, x) = points(2000, 0.0, 3.5);
    let jet = jet_of(&exact(), &t, &x);
    for i in 0..t.len() {
        let s = jet.gradient.row(i);
        let residual =
            jet.time_derivative[i] - 2.0 - x.row(i).dot(&s) - 0.5 * (jet.laplacian[i] + s.dot(&s));
        assert!(residual.abs() < 1e-10, "ε = {residual:e} at t = {}, x = {}", t[i], x.row(i));
    }
}

#[test]
fn score_is_the_gradient_of_the_jet_in_both_precisions() {
    let exact = exact();
    let (_, x) = points(50, 0.0, 3.0);
    let t = Array1::from_elem(50, 0.3);
    let jet = jet_of(&exact, &t, &x);
    let mut wide = Array2::zeros((50, 2));
    exact.score(0.3, x.view(), wide.view_mut()).unwrap();
    assert_eq!(wide, jet.gradient);
    let narrow_x = x.mapv(|x| x as f32);
    let mut narrow = Array2::<f32>::zeros((50, 2));
    exact.score(0.3_f32, narrow_x.view(), narrow.view_mut()).unwrap();
    assert!(narrow.iter().zip(&wide).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4));
}

#[test]
fn far_from_the_data_the_score_is_that_of_the_nearest_component() {
    let law = MixtureMarginals::new(
        GaussianMixture::new(vec![(1.0, vec![-1.0], 0.01), (3.0, vec![1.0], 0.01)]).unwrap(),
        OrnsteinUhlenbeck::default(),
    );
    let mut out = array![[0.0_f64]];
    law.score(0.0, array![[50.0]].view(), out.view_mut()).unwrap();
    assert!((out[[0, 0]] + 49.0 / 0.01).abs() < 1e-9);
}

#[test]
fn shapes_and_values_are_checked() {
    let exact = exact();
    let mut out = Array2::<f64>::zeros((3, 3));
    assert!(exact.score(0.1, Array2::zeros((3, 3)).view(), out.view_mut()).is_err());
    assert!(exact.score(0.1, Array2::zeros((3, 2)).view(), out.view_mut()).is_err());
    assert!(OrnsteinUhlenbeck::new(-1.0).is_err());
    assert!(OrnsteinUhlenbeck::new(f64::NAN).is_err());
    assert!(GaussianMixture::new(vec![]).is_err());
    assert!(GaussianMixture::new(vec![(1.0, vec![], 1.0)]).is_err());
    assert!(GaussianMixture::new(vec![(1.0, vec![0.0], 0.0)]).is_err());
    assert!(GaussianMixture::new(vec![(1.0, vec![0.0], 1.0), (1.0, vec![0.0; 2], 1.0)]).is_err());
    assert!(GaussianMixture::new(vec![(1.0, vec![f64::NAN], 1.0)]).is_err());
}

#[test]
fn a_diffusion_stands_for_the_process_it_names() {
    let (named, own) = (Diffusion::default(), OrnsteinUhlenbeck::default());
    assert_eq!(named.marginal(0.4), own.marginal(0.4));
    assert_eq!(named.prior(), own.prior());
    assert_eq!((named.horizon(), named.drift_rate(1.0), named.diffusion(1.0)), (10.0, -1.0, 1.0));
    // log π at the mode of N(0, ½ I) in the plane is −log π.
    assert!((named.prior().log_density(&[0.0, 0.0]) + std::f64::consts::PI.ln()).abs() < 1e-15);
}

proptest! {
    #[test]
    fn diffusing_twice_is_diffusing_once(
        first in 0.01_f64..3.0, second in 0.01_f64..3.0, x in -3.0_f64..3.0, y in -3.0_f64..3.0,
    ) {
        // The semigroup of the OU process: p_{s+t} = (p_s)_t.
        let sde = OrnsteinUhlenbeck::default();
        let data = GaussianMixture::nine_components();
        let twice = data.diffused(sde.marginal(first)).diffused(sde.marginal(second));
        let once = data.diffused(sde.marginal(first + second));
        prop_assert!((twice.log_density(&[x, y]) - once.log_density(&[x, y])).abs() < 1e-9);
    }
}
