//! Jets and scores of networks against finite differences and against each other.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fokker_score_net::{Activation, Architecture, Element, ScoreNetwork, Softplus};
use fokker_sde_core::{Jet, OrnsteinUhlenbeck, Potential, Purpose, Score, Streams};
use ndarray::{Array1, Array2};
use rand::RngExt;
use std::sync::Arc;

fn network<E: Element>(architecture: &Architecture, seed: u64) -> ScoreNetwork<E> {
    let sde = Arc::new(OrnsteinUhlenbeck::PAPER);
    ScoreNetwork::new(architecture, sde, Streams::new(seed)).unwrap()
}

fn points<E: Element>(n: usize, dim: usize) -> (Array1<E>, Array2<E>) {
    let mut rng = Streams::new(11).rng(Purpose::Evaluation, 0, 0);
    let t = Array1::from_shape_simple_fn(n, || E::of(rng.random_range(0.0..4.0)));
    (t, Array2::from_shape_simple_fn((n, dim), || E::of(rng.random_range(-3.0..3.0))))
}

fn jet_of<E: Element>(network: &ScoreNetwork<E>, t: &Array1<E>, x: &Array2<E>) -> Jet<E> {
    let mut jet = Jet::zeros(x.nrows(), x.ncols());
    network.jet(t.view(), x.view(), &mut jet).unwrap();
    jet
}

/// A network whose second derivatives vary on the scale of the points.
fn smooth(dim: usize) -> Architecture {
    let activation = Activation::Softplus(Softplus::new(4.0).unwrap());
    Architecture::potential(dim, vec![17, 9, 12], activation)
}

fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// Checks every part of the jet against central differences of the part one order lower.
fn check_against_differences(shape: &Architecture, h: f64, tolerance: f64) {
    let network = network::<f64>(shape, 3);
    let (t, x) = points::<f64>(300, shape.dim);
    let jet = jet_of(&network, &t, &x);
    let (late, early) = (jet_of(&network, &(&t + h), &x), jet_of(&network, &(&t - h), &x));
    let rate = (&late.value - &early.value) / (2.0 * h);
    let scale = largest(jet.time_derivative.iter().copied());
    assert!(scale > 1e-3);
    assert!(largest(&rate - &jet.time_derivative) < tolerance * scale);
    let mut laplacian = Array1::<f64>::zeros(t.len());
    for axis in 0..shape.dim {
        let shifted = |h: f64| {
            let mut x = x.clone();
            x.column_mut(axis).iter_mut().for_each(|x| *x += h);
            jet_of(&network, &t, &x)
        };
        let (plus, minus) = (shifted(h), shifted(-h));
        let slope = (&plus.value - &minus.value) / (2.0 * h);
        let scale = largest(jet.gradient.iter().copied());
        assert!(largest(&slope - &jet.gradient.column(axis)) < tolerance * scale);
        let second = &plus.gradient.column(axis) - &minus.gradient.column(axis);
        laplacian += &(second / (2.0 * h));
    }
    let scale = largest(jet.laplacian.iter().copied());
    assert!(scale > 1e-3);
    assert!(largest(&laplacian - &jet.laplacian) < tolerance * scale);
}

#[test]
fn jets_agree_with_finite_differences() {
    check_against_differences(&smooth(2), 1e-5, 1e-8);
    check_against_differences(&smooth(1), 1e-5, 1e-8);
    check_against_differences(&smooth(5), 1e-5, 1e-8);
    // β = 100: the truncation error h² f⁗/6 grows with β³.
    check_against_differences(&Architecture::paper(), 1e-6, 1e-6);
}

#[test]
fn the_score_is_the_gradient_of_the_jet() {
    let network = network::<f64>(&Architecture::paper(), 5);
    // More points than one block, and not a multiple of it.
    let (_, x) = points::<f64>(700, 2);
    let jet = jet_of(&network, &Array1::from_elem(700, 0.7), &x);
    let mut score = Array2::zeros((700, 2));
    network.score(0.7, x.view(), score.view_mut()).unwrap();
    assert!(largest(&score - &jet.gradient) < 1e-13);
    let mut value = Array1::zeros(700);
    network.potential(Array1::from_elem(700, 0.7).view(), x.view(), value.view_mut()).unwrap();
    assert_eq!(value, jet.value);
}

#[test]
fn single_precision_follows_double() {
    let shape = Architecture::paper();
    let narrow = network::<f32>(&shape, 6);
    let parameters: Vec<f64> = narrow.parameters().into_iter().map(f64::from).collect();
    let wide = ScoreNetwork::<f64>::from_parameters(
        &shape,
        Arc::new(OrnsteinUhlenbeck::PAPER),
        &parameters,
    )
    .unwrap();
    let (t, x) = points::<f32>(500, 2);
    let found = jet_of(&narrow, &t, &x);
    let expected = jet_of(&wide, &t.mapv(f64::from), &x.mapv(f64::from));
    let pairs = [
        (found.value.to_vec(), expected.value.to_vec()),
        (found.time_derivative.to_vec(), expected.time_derivative.to_vec()),
        (found.gradient.iter().copied().collect(), expected.gradient.iter().copied().collect()),
        (found.laplacian.to_vec(), expected.laplacian.to_vec()),
    ];
    for (found, expected) in pairs {
        let scale = largest(expected.iter().copied());
        let error = largest(found.iter().zip(&expected).map(|(a, b)| f64::from(*a) - b));
        assert!(error < 2e-4 * scale, "{error} of {scale}");
    }
}

#[test]
fn parameters_start_uniform_and_make_the_same_network_again() {
    let shape = Architecture::paper();
    let network = network::<f32>(&shape, 8);
    let parameters = network.parameters();
    assert_eq!(parameters.len(), 13_361);
    let mut rest = parameters.as_slice();
    for pair in network.description().chunks(2) {
        let inputs = pair[0].shape[1];
        let (layer, tail) = rest.split_at(pair[0].len() + pair[1].len());
        rest = tail;
        let bound = 1.0 / (inputs as f32).sqrt();
        assert!(layer.iter().all(|w| w.abs() <= bound));
        // The variance of a uniform law is bound²/3; 8 standard errors of it (kurtosis 9/5).
        let n = layer.len() as f32;
        let variance = layer.iter().map(|w| w * w).sum::<f32>() / n;
        assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 8.0 * (0.8 / n).sqrt());
    }
    let again = ScoreNetwork::<f32>::from_parameters(
        &shape,
        Arc::new(OrnsteinUhlenbeck::PAPER),
        &parameters,
    )
    .unwrap();
    assert_eq!(again.parameters(), parameters);
    let other =
        ScoreNetwork::<f32>::new(&shape, Arc::new(OrnsteinUhlenbeck::PAPER), Streams::new(9));
    assert_ne!(other.unwrap().parameters(), parameters);
}

#[test]
fn what_does_not_fit_is_refused() {
    let shape = Architecture::paper();
    let network = network::<f32>(&shape, 0);
    let mut out = Array2::zeros((4, 2));
    assert!(network.score(0.0, Array2::zeros((4, 3)).view(), out.view_mut()).is_err());
    assert!(network.score(0.0, Array2::zeros((5, 2)).view(), out.view_mut()).is_err());
    let mut jet = Jet::zeros(4, 2);
    let (t, x) = (Array1::zeros(3), Array2::zeros((4, 2)));
    assert!(network.jet(t.view(), x.view(), &mut jet).is_err());
    assert!(
        ScoreNetwork::<f32>::from_parameters(&shape, Arc::new(OrnsteinUhlenbeck::PAPER), &[0.0; 5])
            .is_err()
    );
    for broken in [
        Architecture { dim: 0, ..shape.clone() },
        Architecture { hidden: vec![], ..shape.clone() },
        Architecture { hidden: vec![8, 0], ..shape },
    ] {
        assert!(
            ScoreNetwork::<f32>::new(&broken, Arc::new(OrnsteinUhlenbeck::PAPER), Streams::new(0))
                .is_err()
        );
    }
}

#[test]
fn empty_batches_are_fine() {
    let network = network::<f32>(&Architecture::paper(), 0);
    let mut out = Array2::zeros((0, 2));
    network.score(0.0, Array2::zeros((0, 2)).view(), out.view_mut()).unwrap();
    let mut jet = Jet::zeros(0, 2);
    network.jet(Array1::zeros(0).view(), Array2::zeros((0, 2)).view(), &mut jet).unwrap();
}
