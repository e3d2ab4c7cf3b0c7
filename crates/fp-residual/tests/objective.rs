//! The objective and its gradient against independent computations.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use dfdx::prelude::{Backward, OwnedTape};
use fokker_fp_residual::{
    Collocation, Conditions, Denoising, DenoisingBatch, Estimate, Losses, Objective, Residual,
    TimeLaw, mean_squared_residual, residual,
};
use fokker_score_net::{
    Activation, Adam, Architecture, Backend, Gradient, InstructionSet, ScoreNetwork, Softplus,
};
use fokker_sde_core::{
    GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Potential, Purpose, Score, Sde, Streams,
    Target, TargetName,
};
use ndarray::Array2;
use std::sync::Arc;

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

fn objective(target: &dyn Target, points: usize, weight: f64) -> Objective<'_> {
    Objective {
        target,
        sde: &SDE,
        denoising: Denoising { points, ..Denoising::default() },
        residual: Residual { points, ..Residual::default() },
        residual_weight: weight,
        conditions: Conditions::default(),
        importance: None,
    }
}

/// Every component of the gradient against Richardson-extrapolated central differences of the loss.
fn check_gradient(shape: &Architecture, weight: f64, h: f64) {
    let target = TargetName::Checkerboard.target();
    let objective = objective(target.as_ref(), 6, weight);
    let streams = Streams::new(4);
    let network = ScoreNetwork::<f64>::new(shape, Arc::new(SDE), streams).unwrap();
    let (_, Gradient(gradient)) = objective.gradient(&network, streams, 0).unwrap();
    let mut parameters = network.parameters();
    let scale = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    // All components of small networks, every 29th of large ones.
    let stride = if parameters.len() < 500 { 1 } else { 29 };
    for index in (0..parameters.len()).step_by(stride) {
        let at = parameters[index];
        let mut loss = |value: f64| {
            parameters[index] = value;
            let network = ScoreNetwork::from_parameters(shape, Arc::new(SDE), &parameters).unwrap();
            objective.gradient(&network, streams, 0).unwrap().0.total
        };
        let mut slope = |h: f64| (loss(at + h) - loss(at - h)) / (2.0 * h);
        let expected = (4.0 * slope(h / 2.0) - slope(h)) / 3.0;
        parameters[index] = at;
        let error = (gradient[index] - expected).abs();
        assert!(
            error < 1e-6 * (0.1 * scale + expected.abs()),
            "parameter {index}: {} instead of {expected}, largest {scale}",
            gradient[index]
        );
    }
}

#[test]
fn the_gradient_agrees_with_finite_differences() {
    let softplus = |beta| Activation::Softplus(Softplus::new(beta).unwrap());
    let small = Architecture::potential(2, vec![7, 5, 6], softplus(3.0));
    check_gradient(&small, 0.0, 1e-4);
    check_gradient(&small, 1.0, 1e-4);
    check_gradient(&Architecture { hidden: vec![9], ..small }, 0.3, 1e-4);
    check_gradient(&Architecture::paper(), 1.0, 2e-6);
}

#[test]
fn the_losses_are_the_means_they_are_said_to_be() {
    let target = TargetName::Circles.target();
    let objective = objective(target.as_ref(), 40, 2.0);
    let streams = Streams::new(5);
    let network = ScoreNetwork::<f64>::paper(streams).unwrap();
    let (Losses { total, denoising, residual: Some(mean), .. }, _) =
        objective.gradient(&network, streams, 7).unwrap()
    else {
        panic!("a positive weight gives a residual");
    };
    // The same points again, evaluated without the tape.
    let mut rng = streams.rng(Purpose::Denoising, 7, 0);
    let batch =
        DenoisingBatch::<f64>::draw(40, target.as_ref(), &SDE, objective.denoising.times, &mut rng);
    let mut sum = 0.0;
    for i in 0..40 {
        let mut s = Array2::zeros((1, 2));
        let x = batch.x.row(i).insert_axis(ndarray::Axis(0));
        network.score(batch.t[i], x, s.view_mut()).unwrap();
        sum += (&s.row(0) - &batch.score.row(i)).mapv(|e| e * e).sum();
    }
    // The mean over points and components: 40 points of 2 components.
    assert!((denoising - sum / 80.0).abs() < 1e-10 * denoising);
    let mut rng = streams.rng(Purpose::Collocation, 7, 0);
    let (t, x) = objective.residual.collocation.draw_inside::<f64>(40, 2, [1e-5, 10.0], &mut rng);
    let epsilon = residual(&network, &SDE, t.view(), x.view()).unwrap();
    let expected = epsilon.mapv(|e| e * e).sum() / 40.0;
    let Estimate { mean, standard_error } = mean;
    assert!((mean - expected).abs() < 1e-10 * expected);
    let spread = epsilon.mapv(|e| e * e).std(1.0) / 40_f64.sqrt();
    assert!((standard_error - spread).abs() < 1e-10 * spread);
    assert!((total - (denoising + 2.0 * mean)).abs() < 1e-12 * total);
    let monitored = objective.mean_squared_residual(&network, streams, 7).unwrap();
    assert_eq!(monitored, Estimate { mean, standard_error });
    let (losses, _) = objective.gradient(&network, streams, 7).unwrap();
    assert_eq!(objective.losses(&network, streams, 7).unwrap(), losses);
}

#[test]
fn the_exact_potential_has_no_residual_and_a_perturbed_one_its_own() {
    let exact = MixtureMarginals::new(GaussianMixture::nine_components(), SDE);
    let mut rng = Streams::new(1).rng(Purpose::Collocation, 0, 0);
    let (t, x) = Collocation::default().draw_inside::<f64>(3000, 2, [1e-5, 10.0], &mut rng);
    let epsilon = residual(&exact, &SDE, t.view(), x.view()).unwrap();
    assert!(epsilon.iter().all(|e| e.abs() < 1e-10));

    // φ + c·x₁ adds f·∇(c x₁) − ½(2 c ∂₁φ + c²) = −c x₁ − c ∂₁φ − ½c² to the residual.
    struct Tilted(MixtureMarginals<OrnsteinUhlenbeck>, f64);
    impl Score<f64> for Tilted {
        fn dim(&self) -> usize {
            2
        }
        fn score(
            &self,
            t: f64,
            x: ndarray::ArrayView2<'_, f64>,
            mut out: ndarray::ArrayViewMut2<'_, f64>,
        ) -> Result<(), fokker_sde_core::BatchError> {
            self.0.score(t, x, out.view_mut())?;
            out.column_mut(0).iter_mut().for_each(|s| *s += self.1);
            Ok(())
        }
    }
    impl Potential<f64> for Tilted {
        fn jet(
            &self,
            t: ndarray::ArrayView1<'_, f64>,
            x: ndarray::ArrayView2<'_, f64>,
            jet: &mut fokker_sde_core::Jet<f64>,
        ) -> Result<(), fokker_sde_core::BatchError> {
            self.0.jet(t, x, jet)?;
            jet.value += &(&x.column(0) * self.1);
            jet.gradient.column_mut(0).iter_mut().for_each(|s| *s += self.1);
            Ok(())
        }
    }
    let c = 0.3;
    let tilted = Tilted(exact, c);
    let mut jet = fokker_sde_core::Jet::zeros(t.len(), 2);
    tilted.0.jet(t.view(), x.view(), &mut jet).unwrap();
    let expected =
        x.column(0).mapv(|x| -c * x) - jet.gradient.column(0).mapv(|s| c * s) - 0.5 * c * c;
    let epsilon = residual(&tilted, &SDE, t.view(), x.view()).unwrap();
    assert!((&epsilon - &expected).iter().all(|e| e.abs() < 1e-9));
    let mean = mean_squared_residual(&tilted, &SDE, t.view(), x.view()).unwrap().mean;
    assert!((mean - expected.mapv(|e| e * e).mean().unwrap()).abs() < 1e-9 * mean);
}

#[test]
fn noised_data_has_the_law_of_the_diffused_target() {
    // For the mixture E|x_t|² = α² E|x_0|² + 2σ², averaged
    // over the time law; and the conditional score has mean 0 and σ_t times it variance 1.
    // 200 000 points; 5 standard errors, false-alarm rate 6e-7 for each of the three.
    let target = GaussianMixture::nine_components();
    let n = 200_000;
    let mut rng = Streams::new(2).rng(Purpose::Denoising, 0, 0);
    let batch = DenoisingBatch::<f64>::draw(n, &target, &SDE, TimeLaw::default(), &mut rng);
    let (mut excess, mut squares, mut noise) = (0.0, 0.0, 0.0);
    // E|x_0|² = 0.65² · (4·8 + 4·16)/9 + 2·0.65²·0.2.
    let data = 0.65_f64.powi(2) * (96.0 / 9.0 + 0.4);
    for i in 0..n {
        let law = SDE.marginal(batch.t[i]);
        let expected = law.alpha.powi(2) * data + 2.0 * law.sigma.powi(2);
        let difference = batch.x.row(i).mapv(|x| x * x).sum() - expected;
        excess += difference;
        squares += difference * difference;
        noise += batch.score.row(i).mapv(|s| s * s).sum() * law.sigma.powi(2) / 2.0;
    }
    let n = n as f64;
    assert!((excess / n).abs() < 5.0 * (squares / n).sqrt() / n.sqrt());
    // The mean of two squared normals has variance 1.
    assert!((noise / n - 1.0).abs() < 5.0 / n.sqrt());
    // T·Beta(1, 2) has mean T/3 and variance T²/18.
    let mean = batch.t.mean().unwrap() - 1e-5;
    assert!((mean - 10.0 / 3.0).abs() < 5.0 * 10.0 / (18.0 * n).sqrt());
    assert!(batch.t.iter().all(|&t| (1e-5..=10.0 + 1e-5).contains(&t)));
}

#[test]
fn the_gradient_has_the_same_bits_for_any_number_of_threads() {
    let target = TargetName::Ring.target();
    let objective = objective(target.as_ref(), 1100, 1.0);
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut network = ScoreNetwork::<f32>::paper(Streams::new(0)).unwrap();
            let mut adam = Adam::default();
            for step in 0..3 {
                let (_, gradient) = objective.gradient(&network, Streams::new(0), step).unwrap();
                adam.update(&mut network, &gradient, 1e-3).unwrap();
            }
            network.parameters()
        })
    };
    let one = run(1);
    assert_eq!(one, run(2));
    assert_eq!(one, run(3));
    assert_eq!(one, run(7));
}

#[test]
fn the_fused_objective_agrees_with_the_reference_on_every_level() {
    let error = |found: &[f32], expected: &[f64]| {
        let size = expected.iter().fold(0.0_f64, |m, e| m.max(e.abs()));
        let pairs = found.iter().zip(expected);
        pairs.fold(0.0_f64, |m, (f, e)| m.max((f64::from(*f) - e).abs())) / size
    };
    for (name, weight) in TargetName::ALL.into_iter().zip([0.0, 0.1, 1.0, 10.0]) {
        let target = name.target();
        // Many points: at β = 100 the rounding of a single one can be larger.
        let objective = objective(target.as_ref(), 3000, weight);
        let network = ScoreNetwork::<f32>::paper(Streams::new(1)).unwrap();
        let (expected, reference) = {
            let network = network.clone().with_backend(Backend::Reference);
            objective.gradient(&network, Streams::new(2), 3).unwrap()
        };
        let reference: Vec<f64> = reference.0.into_iter().map(f64::from).collect();
        for set in InstructionSet::available() {
            let network = network.clone().with_instruction_set(set);
            let (losses, gradient) = objective.gradient(&network, Streams::new(2), 3).unwrap();
            assert!((losses.total - expected.total).abs() < 1e-6 * expected.total, "{set}");
            assert!(error(&gradient.0, &reference) < 1e-5, "{set}");
        }
    }
}

#[test]
fn the_objective_joins_other_terms_on_a_tape() {
    let target = TargetName::Ring.target();
    let objective = objective(target.as_ref(), 70, 1.0);
    let network = ScoreNetwork::<f32>::paper(Streams::new(1)).unwrap();
    let (losses, gradient) = objective.gradient(&network, Streams::new(2), 3).unwrap();
    let tape = OwnedTape::default();
    let (again, loss) = objective.on_tape(&network, Streams::new(2), 3, tape).unwrap();
    assert_eq!(losses, again);
    // The square of L has the gradient 2 L ∇L.
    let gradients = loss.try_square().unwrap().try_backward().unwrap();
    let Gradient(squared) = network.collect_gradient(gradients).unwrap();
    let factor = 2.0 * losses.total as f32;
    for (found, g) in squared.iter().zip(&gradient.0) {
        assert!((found - factor * g).abs() <= 1e-6 * (factor * g).abs());
    }
}

#[test]
fn adam_lowers_the_loss() {
    let target = TargetName::Mixture.target();
    let objective = objective(target.as_ref(), 512, 1.0);
    let streams = Streams::new(9);
    let mut network = ScoreNetwork::<f32>::paper(streams).unwrap();
    let mut adam = Adam::default();
    // The same points at each step: a deterministic function to minimise.
    let first = objective.gradient(&network, streams, 0).unwrap().0.total;
    for _ in 0..60 {
        let (_, gradient) = objective.gradient(&network, streams, 0).unwrap();
        adam.update(&mut network, &gradient, 1e-3).unwrap();
    }
    let last = objective.gradient(&network, streams, 0).unwrap().0.total;
    assert!(last < 0.9 * first, "{first} → {last}");
}

#[test]
fn a_loss_that_is_not_finite_is_an_error() {
    let target = TargetName::Mixture.target();
    let objective = objective(target.as_ref(), 16, 1.0);
    let shape = Architecture::paper();
    let broken =
        ScoreNetwork::<f32>::from_parameters(&shape, Arc::new(SDE), &[f32::NAN; 13_361]).unwrap();
    let error = objective.gradient(&broken, Streams::new(0), 12).unwrap_err();
    assert_eq!(error.to_string(), "the denoising loss is NaN at training step 12");
    let error = objective.mean_squared_residual(&broken, Streams::new(0), 3).unwrap_err();
    assert_eq!(error.to_string(), "the mean squared residual is NaN at training step 3");
}
