//! The same for vector scores.

use std::ops::Range;

use fokker_score_net::{
    Activation, Architecture, Backend, Derivatives, Element, FourierFeatures, Gradient,
    InstructionSet, Output, Prediction, Sin, Softplus, TimeInput, VectorDerivatives, VectorJet,
};
use fokker_sde_core::{Score, ScoreJet, SmoothScore};
use ndarray::Array2;

use super::{error, gradient_of, network, points, widened};

/// Shapes with one output and many, with and without residual blocks, and everything at once.
pub(super) fn vector_shapes() -> Vec<Architecture> {
    let any = |dim, hidden: &[usize], activation| Architecture {
        output: Output::Vector,
        ..Architecture::potential(dim, hidden.to_vec(), activation)
    };
    let softplus = |beta| Activation::Softplus(Softplus::new(beta).unwrap());
    let preconditioned = Prediction::Preconditioned { data_std: 0.8 };
    let fourier = Some(FourierFeatures { count: 24, scale: 0.7 });
    vec![
        any(2, &[80, 80, 80], Activation::Silu),
        any(1, &[1], softplus(3.0)),
        any(1, &[3, 17], Activation::Tanh),
        any(3, &[33, 18], softplus(4.0)),
        any(4, &[20, 20], Activation::Gelu),
        any(5, &[33, 130], Activation::Silu),
        any(17, &[20, 9, 40], Activation::Tanh),
        any(64, &[100, 40], Activation::Silu),
        Architecture { residual: true, ..any(2, &[48, 48, 48], Activation::Silu) },
        Architecture {
            residual: true,
            ..any(5, &[20, 20, 33, 33, 33, 9], Activation::Sin(Sin::default()))
        },
        Architecture { prediction: Prediction::Noise, fourier, ..any(2, &[24, 24], softplus(2.0)) },
        Architecture {
            time: TimeInput::Fourier { pairs: 3 },
            prediction: Prediction::Data,
            ..any(20, &[48], Activation::Gelu)
        },
        Architecture {
            residual: true,
            time: TimeInput::LogSnr,
            prediction: preconditioned,
            fourier,
            ..any(64, &[50, 50, 50], Activation::Silu)
        },
    ]
}

/// A loss in which every part of a vector score's first derivatives counts.
fn vector_loss<E: Element>(first: bool) -> impl FnMut(Range<usize>, &mut VectorJet<E>) -> f64 {
    move |range, jet| {
        let mut sum = 0.0;
        let mut square = |value: &mut E, weight: f64| {
            let error = value.wide() - 0.3;
            sum += weight * error * error;
            *value = E::of(2.0 * weight * error);
        };
        for (row, i) in range.enumerate() {
            let weight = 1.0 + (i % 3) as f64;
            jet.score.row_mut(row).iter_mut().for_each(|s| square(s, weight));
        }
        if first {
            jet.time_derivative.iter_mut().for_each(|rate| square(rate, 0.7));
            // Weights that tell a matrix from its transpose.
            for ((_, i, j), slope) in jet.jacobian.indexed_iter_mut() {
                square(slope, 0.1 + 0.2 * ((i + 2 * j) % 5) as f64);
            }
        }
        sum
    }
}

#[test]
fn losses_of_vector_scores_agree_with_the_reference() {
    use VectorDerivatives::{First, Value};
    for shape in vector_shapes() {
        let network = network::<f32>(&shape, 1);
        for n in [1, 7, 64, 150] {
            let (t, x) = points(n, shape.dim);
            let (wide_t, wide_x) = (t.mapv(f64::from), x.mapv(f64::from));
            let wide = widened(&network);
            let mut reference = Gradient::zeros(&wide);
            let (loss, slot) = (&mut vector_loss(false), Some(reference.0.as_mut_slice()));
            let value =
                wide.add_vector_loss(wide_t.view(), wide_x.view(), Value, loss, slot).unwrap();
            let loss = &mut vector_loss(true);
            let first =
                wide.add_vector_loss(wide_t.view(), wide_x.view(), First, loss, None).unwrap();
            for set in InstructionSet::available() {
                let network = network.clone().with_instruction_set(set);
                let case = format!("{set}, {n} points, {shape:?}");
                let mut gradient = Gradient::zeros(&network);
                let (loss, slot) = (&mut vector_loss(false), Some(gradient.0.as_mut_slice()));
                let sum = network.add_vector_loss(t.view(), x.view(), Value, loss, slot).unwrap();
                assert!((sum - value).abs() < 1e-6 * value, "{case}: {sum} for {value}");
                let off = error(&gradient.0, &reference.0);
                assert!(off < 1e-5, "{case}: gradient off by {off:e}");
                let at = (t.clone(), x.clone());
                let (again, same) = gradient_of(&network, &at, Derivatives::Gradient);
                assert!((again - sum).abs() < 1e-12 * sum && same == gradient, "{case}");
                let loss = &mut vector_loss(false);
                let alone = network.add_vector_loss(t.view(), x.view(), Value, loss, None);
                assert_eq!(alone.unwrap(), sum);
                let loss = &mut vector_loss(true);
                let sum = network.add_vector_loss(t.view(), x.view(), First, loss, None).unwrap();
                assert!((sum - first).abs() < 1e-6 * first, "{case}: {sum} for {first}");
            }
        }
    }
}

#[test]
fn vector_scores_and_their_jets_agree_with_the_reference() {
    for shape in vector_shapes() {
        let network = network::<f32>(&shape, 2);
        for n in [1, 9, 300] {
            let (t, x) = points(n, shape.dim);
            let (wide_t, wide_x) = (t.mapv(f64::from), x.mapv(f64::from));
            let (wide, mut expected) = (widened(&network), ScoreJet::zeros(n, shape.dim));
            wide.score_jet(wide_t.view(), wide_x.view(), &mut expected).unwrap();
            let mut expected_score = Array2::zeros((n, shape.dim));
            wide.score(0.7_f32.into(), wide_x.view(), expected_score.view_mut()).unwrap();
            for set in InstructionSet::available() {
                let network = network.clone().with_instruction_set(set);
                let case = format!("{set}, {n} points, {shape:?}");
                let mut jet = ScoreJet::zeros(n, shape.dim);
                network.score_jet(t.view(), x.view(), &mut jet).unwrap();
                let errors = [
                    error(&jet.score, &expected.score),
                    error(&jet.time_derivative, &expected.time_derivative),
                    error(&jet.divergence, &expected.divergence),
                ];
                // At a single point a divergence may be a small difference of large terms.
                let allowed = if n == 1 { 1e-4 } else { 1e-5 };
                assert!(errors.iter().all(|&e| e < allowed), "{case}: {errors:?}");
                let mut score = Array2::zeros((n, shape.dim));
                network.score(0.7, x.view(), score.view_mut()).unwrap();
                let off = error(&score, &expected_score);
                assert!(off < 1e-5, "{case}: score off by {off:e}");
            }
        }
    }
}

#[test]
fn there_are_kernels_for_their_jets() {
    for shape in vector_shapes() {
        let fused = network::<f32>(&shape, 3);
        let reference = fused.clone().with_backend(Backend::Reference);
        let (t, x) = points(100, shape.dim);
        let [fused, reference] = [fused, reference].map(|network| {
            let mut jet = ScoreJet::zeros(100, shape.dim);
            network.score_jet(t.view(), x.view(), &mut jet).unwrap();
            jet.time_derivative
        });
        assert_ne!(fused, reference, "{shape:?}");
    }
}
