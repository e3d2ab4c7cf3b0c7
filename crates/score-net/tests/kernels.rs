//! The fused kernels against the reference, on every instruction set of the machine.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::ops::Range;
use std::sync::Arc;

use dfdx::prelude::{Backward, NoneTape, OwnedTape, TryAdd, TryMul};
use fokker_score_net::{
    Activation, ActivationFunction, Architecture, Backend, CustomActivation, Derivatives, Element,
    FourierFeatures, Gradient, InstructionSet, NetworkError, Output, Prediction, ScoreNetwork, Sin,
    Softplus, TimeInput,
};
use fokker_sde_core::{
    Jet, OrnsteinUhlenbeck, Potential, Purpose, Score, ScoreJet, SmoothScore, Streams,
};
use ndarray::{Array1, Array2, Array3};
use rand::RngExt;
use vector::vector_shapes;

#[path = "kernels/vector.rs"]
mod vector;

/// `arctan z`, an activation of the user's own.
#[derive(Debug)]
struct Arctan;

impl ActivationFunction for Arctan {
    fn name(&self) -> &str {
        "arctan"
    }

    fn derivatives(&self, z: f64) -> [f64; 4] {
        let d = 1.0 / (1.0 + z * z);
        [z.atan(), d, -2.0 * z * d * d, (6.0 * z * z - 2.0) * d.powi(3)]
    }
}

/// Shapes whose widths are and are not multiples of the padding, of one layer to five, for points of 1
/// to 64 dimensions; then every other activation.
fn shapes() -> Vec<Architecture> {
    let any = |dim, hidden: &[usize], activation| {
        Architecture::potential(dim, hidden.to_vec(), activation)
    };
    let shape = |dim, hidden: &[usize], beta| {
        any(dim, hidden, Activation::Softplus(Softplus::new(beta).unwrap()))
    };
    let sine = |omega| Activation::Sin(Sin::new(omega).unwrap());
    let custom = CustomActivation::register(&Arctan).unwrap();
    vec![
        Architecture::paper(),
        shape(2, &[80, 80, 80], 4.0),
        shape(1, &[1], 3.0),
        shape(2, &[16], 2.0),
        shape(2, &[17, 9, 12], 4.0),
        shape(3, &[32, 48, 64, 96, 112], 1.0),
        shape(5, &[33, 130], 5.0),
        shape(15, &[20, 20], 2.0),
        shape(64, &[100, 40], 0.7),
        shape(2, &[512, 300], 2.0),
        any(2, &[80, 80, 80], Activation::Silu),
        any(5, &[33, 18], Activation::Silu),
        any(2, &[80, 80, 80], Activation::Tanh),
        any(5, &[33, 18], Activation::Tanh),
        any(2, &[80, 80, 80], sine(1.0)),
        any(5, &[33, 18], sine(3.0)),
        any(2, &[80, 80, 80], Activation::Gelu),
        any(5, &[33, 18], Activation::Gelu),
        any(3, &[40, 21], Activation::Custom(custom)),
        Architecture { time: TimeInput::LogSigma, ..any(2, &[40, 40], Activation::Silu) },
        Architecture {
            time: TimeInput::Fourier { pairs: 3 },
            prediction: Prediction::Preconditioned { data_std: 0.8 },
            ..any(2, &[80, 80], Activation::Silu)
        },
        Architecture {
            fourier: Some(FourierFeatures { count: 50, scale: 0.7 }),
            prediction: Prediction::Noise,
            ..any(3, &[24, 24], Activation::Tanh)
        },
        Architecture {
            time: TimeInput::LogSnr,
            prediction: Prediction::Data,
            ..any(20, &[48], Activation::Gelu)
        },
        Architecture { residual: true, ..shape(2, &[80, 80, 80], 4.0) },
        // With layers between the blocks, one of them at the top.
        Architecture { residual: true, ..any(5, &[20, 20, 33, 33, 33, 9], Activation::Tanh) },
        Architecture { residual: true, ..any(64, &[40, 40], Activation::Silu) },
        Architecture { residual: true, ..any(1, &[3, 3], Activation::Gelu) },
        Architecture {
            residual: true,
            time: TimeInput::LogSnr,
            prediction: Prediction::Preconditioned { data_std: 0.8 },
            fourier: Some(FourierFeatures { count: 24, scale: 0.7 }),
            ..any(3, &[24, 24, 24], Activation::Silu)
        },
    ]
}

/// Two probe vectors of ±1 at each point.
fn probes(n: usize, dim: usize) -> Array3<f32> {
    let mut rng = Streams::new(12).rng(Purpose::Evaluation, 0, 0);
    Array3::from_shape_simple_fn((2, n, dim), || if rng.random() { 1.0 } else { -1.0 })
}

fn network<E: Element>(architecture: &Architecture, seed: u64) -> ScoreNetwork<E> {
    let sde = Arc::new(OrnsteinUhlenbeck::PAPER);
    ScoreNetwork::new(architecture, sde, Streams::new(seed)).unwrap()
}

fn points(n: usize, dim: usize) -> (Array1<f32>, Array2<f32>) {
    let mut rng = Streams::new(11).rng(Purpose::Evaluation, 0, 0);
    let t = Array1::from_shape_simple_fn(n, || rng.random_range(0.1..4.0));
    (t, Array2::from_shape_simple_fn((n, dim), || rng.random_range(-3.0..3.0)))
}

fn widened(network: &ScoreNetwork<f32>) -> ScoreNetwork<f64> {
    let parameters: Vec<f64> = network.parameters().into_iter().map(f64::from).collect();
    ScoreNetwork::from_parameters(
        network.architecture().unwrap(),
        Arc::new(OrnsteinUhlenbeck::PAPER),
        &parameters,
    )
    .unwrap()
}

/// The largest difference relative to the largest expected value.
fn error<'a, A: Element, B: Element>(
    found: impl IntoIterator<Item = &'a A>,
    expected: impl IntoIterator<Item = &'a B>,
) -> f64 {
    let (mut difference, mut largest) = (0.0_f64, 0.0_f64);
    for (found, expected) in found.into_iter().zip(expected) {
        assert!(found.is_finite());
        difference = difference.max((found.wide() - expected.wide()).abs());
        largest = largest.max(expected.wide().abs());
    }
    if difference == 0.0 { 0.0 } else { difference / largest }
}

/// A loss in which every part of the jet counts: its value at each point and its partial derivatives.
fn loss<E: Element>(second: bool) -> impl FnMut(Range<usize>, &mut Jet<E>) -> f64 {
    move |range, jet| {
        let mut sum = 0.0;
        for (row, i) in range.enumerate() {
            let weight = 1.0 + (i % 3) as f64;
            for s in jet.gradient.row_mut(row) {
                let error = s.wide() - 0.3;
                sum += weight * error * error;
                *s = E::of(2.0 * weight * error);
            }
            if second {
                let (value, rate) = (jet.value[row].wide(), jet.time_derivative[row].wide());
                let laplacian = jet.laplacian[row].wide();
                sum += 0.5 * value * value + weight * rate * rate + 0.1 * laplacian * laplacian;
                jet.value[row] = E::of(value);
                jet.time_derivative[row] = E::of(2.0 * weight * rate);
                jet.laplacian[row] = E::of(0.2 * laplacian);
            }
        }
        sum
    }
}

fn gradient_of<E: Element>(
    network: &ScoreNetwork<E>,
    (t, x): &(Array1<E>, Array2<E>),
    derivatives: Derivatives<'_, E>,
) -> (f64, Gradient<E>) {
    let mut gradient = Gradient::zeros(network);
    let loss = &mut loss(!matches!(derivatives, Derivatives::Gradient));
    let sum = network.add_loss(t.view(), x.view(), derivatives, loss, Some(&mut gradient.0));
    (sum.unwrap(), gradient)
}

#[test]
fn losses_and_gradients_agree_with_the_reference() {
    for shape in shapes() {
        let network = network::<f32>(&shape, 1);
        for n in [1, 7, 64, 150] {
            let (t, x) = points(n, shape.dim);
            let wide = (t.mapv(f64::from), x.mapv(f64::from));
            let probes = probes(n, shape.dim);
            let wide_probes = probes.mapv(f64::from);
            let asked = [
                (Derivatives::Gradient, Derivatives::Gradient),
                (Derivatives::All, Derivatives::All),
                (Derivatives::Along(probes.view()), Derivatives::Along(wide_probes.view())),
            ];
            for (derivatives, wide_derivatives) in asked {
                let (expected, Gradient(reference)) =
                    gradient_of(&widened(&network), &wide, wide_derivatives);
                for set in InstructionSet::available() {
                    let network = network.clone().with_instruction_set(set);
                    let at = (t.clone(), x.clone());
                    let (sum, Gradient(gradient)) = gradient_of(&network, &at, derivatives);
                    let case = format!("{set}, {n} points, {derivatives:?}, {shape:?}");
                    let off = (sum - expected).abs() / expected;
                    assert!(off < 1e-6, "{case}: loss off by {off:e}");
                    let off = error(&gradient, &reference);
                    assert!(off < 1e-5, "{case}: gradient off by {off:e}");
                    let loss = &mut loss(!matches!(derivatives, Derivatives::Gradient));
                    let alone = network.add_loss(t.view(), x.view(), derivatives, loss, None);
                    assert_eq!(alone.unwrap(), sum);
                }
            }
        }
    }
}

#[test]
fn scores_and_jets_agree_with_the_reference_and_between_levels() {
    for shape in shapes() {
        let network = network::<f32>(&shape, 2);
        for n in [1, 9, 300] {
            let (t, x) = points(n, shape.dim);
            let time = Array1::from_elem(n, 0.7);
            let wide = widened(&network);
            let mut expected = Jet::zeros(n, shape.dim);
            wide.jet(t.mapv(f64::from).view(), x.mapv(f64::from).view(), &mut expected).unwrap();
            let mut expected_score = Array2::zeros((n, shape.dim));
            wide.score(0.7_f32.into(), x.mapv(f64::from).view(), expected_score.view_mut())
                .unwrap();
            let mut first: Option<Array2<f32>> = None;
            for set in InstructionSet::available() {
                let network = network.clone().with_instruction_set(set);
                let case = format!("{set}, {n} points, {shape:?}");
                let mut jet = Jet::zeros(n, shape.dim);
                network.jet(t.view(), x.view(), &mut jet).unwrap();
                let errors = [
                    error(&jet.value, &expected.value),
                    error(&jet.time_derivative, &expected.time_derivative),
                    error(&jet.gradient, &expected.gradient),
                    error(&jet.laplacian, &expected.laplacian),
                ];
                // At a single point a Laplacian may be a small difference of large terms.
                let allowed = if n == 1 { 1e-4 } else { 1e-5 };
                assert!(errors.iter().all(|&e| e < allowed), "{case}: {errors:?}");
                let mut score = Array2::zeros((n, shape.dim));
                network.score(0.7, x.view(), score.view_mut()).unwrap();
                let off = error(&score, &expected_score);
                assert!(off < 1e-5, "{case}: score off by {off:e}");
                let first = first.get_or_insert_with(|| score.clone());
                let off = error(&score, &*first);
                // Of the largest score of many points: at β = 100 a slope amplifies the rounding of
                // the sum before it by β/4.
                assert!(n < 300 || off < 1e-6, "{case}: score off by {off:e} from the first level");
                network.jet(time.view(), x.view(), &mut jet).unwrap();
                assert!(error(&score, &jet.gradient) < 1e-6, "{case}");
            }
        }
    }
}

#[test]
fn the_reference_can_be_selected_and_serves_double_precision() {
    let network = network::<f32>(&Architecture::paper(), 3);
    let at = points(100, 2);
    let fused = gradient_of(&network, &at, Derivatives::All);
    let reference =
        gradient_of(&network.clone().with_backend(Backend::Reference), &at, Derivatives::All);
    assert_ne!(fused.1, reference.1);
    assert!(error(&fused.1.0, &reference.1.0) < 1e-5);
    let wide = widened(&network);
    let at = (at.0.mapv(f64::from), at.1.mapv(f64::from));
    let again = gradient_of(&wide.clone().with_backend(Backend::Reference), &at, Derivatives::All);
    assert_eq!(gradient_of(&wide, &at, Derivatives::All), again);
}

#[test]
fn there_are_kernels_for_every_shape() {
    for shape in [shapes(), vector_shapes()].concat() {
        let fused = network::<f32>(&shape, 3);
        let reference = fused.clone().with_backend(Backend::Reference);
        let at = points(100, shape.dim);
        let [fused, reference] =
            [fused, reference].map(|network| gradient_of(&network, &at, Derivatives::Gradient).1);
        // The reference adds in another order.
        assert_ne!(fused, reference, "{shape:?}");
    }
}

#[test]
fn a_recorded_loss_joins_others_on_a_tape() {
    let network = network::<f32>(&Architecture::paper(), 4);
    let at = points(30, 2);
    let (sum, gradient) = gradient_of(&network, &at, Derivatives::All);
    let record = |factor: f32| {
        let recorded =
            network.record_loss(sum as f32, gradient.clone(), OwnedTape::default()).unwrap();
        recorded.try_mul(factor).unwrap()
    };
    // 3 L + (−½) L, two operations on one tape.
    let joined = record(3.0).try_add(record(-0.5)).unwrap();
    let Gradient(found) = network.collect_gradient(joined.try_backward().unwrap()).unwrap();
    let expected: Vec<f32> = gradient.0.iter().map(|g| 2.5 * g).collect();
    assert!(error(&found, &expected) < 1e-6);
    assert!(network.record_loss(0.0, Gradient(vec![1.0]), NoneTape).is_err());
}

#[test]
fn one_broken_point_does_not_spoil_the_scores_of_others() {
    let base = Architecture::paper();
    let vector = Architecture { output: Output::Vector, residual: true, ..base.clone() };
    for shape in [base.clone(), Architecture { residual: true, ..base }, vector] {
        let network = network::<f32>(&shape, 5);
        let (_, mut x) = points(20, 2);
        let mut whole = Array2::zeros((20, 2));
        network.score(0.5, x.view(), whole.view_mut()).unwrap();
        for broken in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            x[[7, 1]] = broken;
            for set in InstructionSet::available() {
                let network = network.clone().with_instruction_set(set);
                let mut score = Array2::zeros((20, 2));
                network.score(0.5, x.view(), score.view_mut()).unwrap();
                assert!(!score.row(7).iter().all(|s| s.is_finite()));
                score.row_mut(7).assign(&whole.row(7));
                assert!(error(&score, &whole) < 1e-6);
                if shape.output == Output::Vector {
                    let mut jet = ScoreJet::zeros(20, 2);
                    let t = Array1::from_elem(20, 0.5);
                    network.score_jet(t.view(), x.view(), &mut jet).unwrap();
                    assert!(jet.divergence[7].is_nan());
                    jet.divergence[7] = 0.0;
                    assert!(jet.divergence.iter().all(|d| d.is_finite()));
                }
            }
        }
    }
}

#[test]
fn what_does_not_fit_a_loss_is_refused() {
    let network = network::<f32>(&Architecture::paper(), 6);
    for network in [network.clone(), network.with_backend(Backend::Reference)] {
        let (t, x) = points(20, 2);
        let add = |t: &Array1<f32>, loss: &mut dyn FnMut(Range<usize>, &mut Jet<f32>) -> f64, n| {
            let mut gradient = vec![0.0; n];
            let all = Derivatives::All;
            network.add_loss(t.view(), x.view(), all, loss, Some(&mut gradient))
        };
        let mut fitting = |_, _: &mut Jet<f32>| 1.0;
        assert_eq!(add(&t, &mut fitting, 13_361).unwrap(), 1.0);
        assert!(add(&t, &mut fitting, 5).is_err());
        assert!(add(&Array1::zeros(21), &mut fitting, 13_361).is_err());
        for other in [Jet::zeros(21, 2), Jet::zeros(500, 2), Jet::zeros(20, 3), Jet::zeros(0, 2)] {
            let mut replacing = |_, jet: &mut Jet<f32>| {
                *jet = other.clone();
                1.0
            };
            let error = add(&t, &mut replacing, 13_361).unwrap_err();
            assert!(error.to_string().starts_with("array `jet."), "{error}");
        }
    }
}

#[test]
fn levels_are_found_by_name() {
    let available = InstructionSet::available();
    assert_eq!(available.last().unwrap().name(), "plain");
    for set in available {
        assert_eq!(set.name().parse::<InstructionSet>().unwrap().name(), set.name());
    }
    let error = "sse9".parse::<InstructionSet>().unwrap_err();
    assert!(matches!(error, NetworkError::InstructionSet { .. }));
    assert!(
        error.to_string().starts_with("`sse9` is no instruction set of this machine, which has ")
    );
}
