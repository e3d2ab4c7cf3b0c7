//! Every form of the residual, condition and weight: gradients against finite differences, means against independent
//! estimates, and what is refused.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::sync::Arc;

use fokker_fp_residual::{
    Collocation, Combination, Conditions, Denoising, DenoisingWeight, LaplacianRule, Objective,
    ObjectiveError, Residual, ResidualForm, ResidualWeight, Shares, TimeDensity, TimeImportance,
    TimeLaw, residual,
};
use fokker_score_net::{
    Activation, Architecture, FourierFeatures, Gradient, Output, Prediction, ScoreNetwork,
    TimeInput,
};
use fokker_sde_core::{
    Edm, Empirical, GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Potential, Purpose, Sde,
    Streams, Target, VariancePreserving,
};
use ndarray::{Array1, Array2, array};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

const FORMS: [ResidualForm; 5] = [
    ResidualForm::LogDensity,
    ResidualForm::Density,
    ResidualForm::Score,
    ResidualForm::Centred,
    ResidualForm::Weak { smoothing: 0.4 },
];

fn architectures() -> Vec<(Architecture, Arc<dyn Sde>)> {
    let base = Architecture::potential(2, vec![6, 6], Activation::Silu);
    let prediction = Prediction::Preconditioned { data_std: 1.5 };
    let fourier = Some(FourierFeatures { count: 8, scale: 0.5 });
    vec![
        (base.clone(), Arc::new(OrnsteinUhlenbeck::PAPER)),
        (
            Architecture { prediction, time: TimeInput::LogSnr, residual: true, ..base.clone() },
            Arc::new(VariancePreserving::default()),
        ),
        (
            Architecture { fourier, prediction, activation: Activation::Tanh, ..base.clone() },
            Arc::new(Edm::new(5.0).unwrap()),
        ),
        (
            Architecture { output: Output::Vector, ..base.clone() },
            Arc::new(OrnsteinUhlenbeck::PAPER),
        ),
        (
            Architecture { output: Output::Vector, prediction, residual: true, ..base },
            Arc::new(VariancePreserving::default()),
        ),
    ]
}

fn objective<'a>(target: &'a dyn Target, sde: &'a dyn Sde, form: ResidualForm) -> Objective<'a> {
    let t_min = 0.05 * sde.horizon();
    let collocation = Collocation { t_min, extent: 2.0, ..Collocation::default() };
    Objective {
        target,
        sde,
        denoising: Denoising {
            points: 8,
            times: TimeLaw::new(t_min, TimeDensity::Uniform),
            ..Denoising::default()
        },
        residual: Residual { points: 16, form, collocation, ..Residual::default() },
        residual_weight: 0.7,
        conditions: Conditions::default(),
        importance: None,
    }
}

/// Every fourth trained parameter's derivative of `L` against a difference of order 4.
fn check_gradient(case: &str, objective: &Objective<'_>, network: &ScoreNetwork<f64>) {
    let streams = Streams::new(4);
    let (_, Gradient(gradient)) = objective.gradient(network, streams, 0).unwrap();
    let (parameters, mut other) = (network.parameters(), network.clone());
    let scale = gradient.iter().fold(0.0_f64, |m, g| m.max(g.abs()));
    assert!(scale > 1e-6, "{case}");
    let mut from = 0;
    for parameter in network.description() {
        let own = from..from + parameter.len();
        from = own.end;
        for index in own.step_by(4).filter(|_| parameter.trained) {
            let mut at = |shift: f64| {
                let mut changed = parameters.clone();
                changed[index] += shift;
                other.set_parameters(&changed).unwrap();
                objective.gradient(&other, streams, 0).unwrap().0.total
            };
            let h = 1e-3;
            let expected = (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h);
            let off = (gradient[index] - expected).abs();
            assert!(
                off < 2e-6 * (0.1 * scale + expected.abs()),
                "{case}, {}: {off:e}",
                parameter.name
            );
        }
    }
}

#[test]
fn every_form_of_every_network_has_the_gradient_of_finite_differences() {
    let target = GaussianMixture::nine_components();
    for (architecture, sde) in architectures() {
        let network =
            ScoreNetwork::<f64>::new(&architecture, sde.clone(), Streams::new(3)).unwrap();
        for form in FORMS {
            let mut objective = objective(&target, sde.as_ref(), form);
            if architecture.output == Output::Vector && form != ResidualForm::Score {
                let refused = objective.gradient(&network, Streams::new(0), 0).unwrap_err();
                assert_eq!(refused, ObjectiveError::Combination(Combination::VectorForm));
                continue;
            }
            let case = format!("{architecture:?}, {form:?}");
            check_gradient(&case, &objective, &network);
            if architecture.output == Output::Potential && form == ResidualForm::LogDensity {
                for rule in
                    [LaplacianRule::Rademacher { probes: 1 }, LaplacianRule::Gaussian { probes: 2 }]
                {
                    objective.residual.laplacian = rule;
                    check_gradient(&case, &objective, &network);
                }
            }
        }
        let weights = [ResidualWeight::G, ResidualWeight::G2, ResidualWeight::Sigma { power: 1.5 }];
        for (weight, dsm) in weights.into_iter().zip([
            DenoisingWeight::Sigma2,
            DenoisingWeight::Likelihood,
            DenoisingWeight::Edm { data_std: 1.5 },
        ]) {
            let mut objective = objective(&target, sde.as_ref(), ResidualForm::Score);
            objective.residual.weight = weight;
            objective.denoising.weight = dsm;
            objective.residual.collocation.shares = Shares::MARGINAL;
            objective.conditions.terminal = 0.4;
            if architecture.output == Output::Potential {
                objective.conditions =
                    Conditions { initial: 0.3, boundary: 0.2, ..objective.conditions };
            }
            check_gradient(&format!("{architecture:?}, {weight:?}, {dsm:?}"), &objective, &network);
        }
    }
}

/// The mean and standard error over steps of the residual's term; the error that each step states is that of the spread.
fn estimate(objective: &Objective<'_>, network: &ScoreNetwork<f32>, steps: u64) -> (f64, f64) {
    let found: Vec<_> = (0..steps)
        .map(|step| objective.mean_squared_residual(network, Streams::new(9), step).unwrap())
        .collect();
    let values: Vec<f64> = found.iter().map(|found| found.mean).collect();
    let (mean, error) = mean_and_error(&values);
    let stated = found.iter().map(|found| found.standard_error.powi(2)).sum::<f64>();
    let ratio = stated.sqrt() / steps as f64 / error;
    assert!((0.8..1.25).contains(&ratio), "{ratio} of the spread for {:?}", objective.residual);
    (mean, error)
}

fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

fn assert_agree(case: &str, a: (f64, f64), b: (f64, f64)) {
    let error = a.1.hypot(b.1);
    assert!((a.0 - b.0).abs() < 4.0 * error, "{case}: {a:?} and {b:?}");
    assert!(error < 0.1 * b.0.abs(), "{case}: {a:?} and {b:?} say little");
}

#[test]
fn every_form_has_the_mean_it_is_said_to_have() {
    // Two independent estimates of each mean, 4 standard errors of their difference: false-alarm rate 6e-5 for each of
    // the 7 assertions.
    let (target, sde) = (GaussianMixture::nine_components(), OrnsteinUhlenbeck::PAPER);
    let architecture = Architecture::potential(2, vec![16, 16], Activation::Tanh);
    let network = ScoreNetwork::<f32>::new(&architecture, Arc::new(sde), Streams::new(5)).unwrap();
    let parameters: Vec<f64> = network.parameters().iter().map(|&p| 2.0 * f64::from(p)).collect();
    let wide =
        ScoreNetwork::<f64>::from_parameters(&architecture, Arc::new(sde), &parameters).unwrap();
    let narrow: Vec<f32> = parameters.iter().map(|&p| p as f32).collect();
    let network =
        ScoreNetwork::<f32>::from_parameters(&architecture, Arc::new(sde), &narrow).unwrap();
    let n = 60_000;
    let mut rng = Streams::new(10).rng(Purpose::Evaluation, 0, 0);
    let (t, x): (Array1<f64>, Array2<f64>) = objective(&target, &sde, FORMS[0])
        .residual
        .collocation
        .draw_inside(n, 2, [0.5, 10.0], &mut rng);
    let epsilon =
        |t: &Array1<f64>, x: &Array2<f64>| residual(&wide, &sde, t.view(), x.view()).unwrap();
    let squares = mean_and_error(&epsilon(&t, &x).mapv(|e| e * e).to_vec());
    let log_density = objective(&target, &sde, ResidualForm::LogDensity);
    assert_agree("log-density", estimate(&log_density, &network, 400), squares);
    for laplacian in
        [LaplacianRule::Rademacher { probes: 1 }, LaplacianRule::Gaussian { probes: 3 }]
    {
        let mut objective = log_density;
        objective.residual.laplacian = laplacian;
        assert_agree("probes", estimate(&objective, &network, 2500), squares);
    }
    let mut value = Array1::zeros(n);
    wide.potential(t.view(), x.view(), value.view_mut()).unwrap();
    let density = (value.mapv(f64::exp) * epsilon(&t, &x)).mapv(|e| e * e);
    let found = estimate(&objective(&target, &sde, ResidualForm::Density), &network, 1500);
    assert_agree("density", found, mean_and_error(&density.to_vec()));
    // |∇ε|²/2 by central differences along the axes.
    let h = 1e-4;
    let slope = |axis: usize| {
        let shifted = |h: f64| {
            let mut x = x.clone();
            x.column_mut(axis).iter_mut().for_each(|x| *x += h);
            epsilon(&t, &x)
        };
        ((shifted(h) - shifted(-h)) / (2.0 * h)).mapv(|e| e * e)
    };
    let score = (slope(0) + slope(1)) / 2.0;
    let found = estimate(&objective(&target, &sde, ResidualForm::Score), &network, 1500);
    assert_agree("score", found, mean_and_error(&score.to_vec()));
    // Half the mean squared difference of two independent points with the same time.
    let mut other = x.clone();
    other.mapv_inplace(|_| rng.random_range(-2.0..2.0));
    let centred = (epsilon(&t, &x) - epsilon(&t, &other)).mapv(|e| 0.5 * e * e);
    let found = estimate(&objective(&target, &sde, ResidualForm::Centred), &network, 1500);
    assert_agree("centred", found, mean_and_error(&centred.to_vec()));
    // The product of ε at two independent places around each point, with the exact Laplacian.
    let mut around = || {
        let mut places = x.clone();
        for (mut row, &t) in places.rows_mut().into_iter().zip(&t) {
            let s = 0.4 * sde.marginal(t).sigma;
            row.iter_mut().for_each(|x| {
                let z: f64 = StandardNormal.sample(&mut rng);
                *x += s * z;
            });
        }
        epsilon(&t, &places)
    };
    let weak = around() * around();
    let found = estimate(&objective(&target, &sde, FORMS[4]), &network, 2500);
    assert_agree("weak", found, mean_and_error(&weak.to_vec()));
}

#[test]
fn the_score_form_of_a_vector_score_is_that_of_lai_et_al() {
    // The exact score satisfies the equation, taken by differences of its jet; and the objective gives for a network what
    // the same differences of the network's jet give.
    let (target, sde) = (GaussianMixture::nine_components(), VariancePreserving::default());
    let architecture = Architecture {
        output: Output::Vector,
        ..Architecture::potential(2, vec![12], Activation::Tanh)
    };
    let network = ScoreNetwork::<f64>::new(&architecture, Arc::new(sde), Streams::new(6)).unwrap();
    let equation = |score: &dyn fokker_sde_core::SmoothScore<f64>, t: f64, x: [f64; 2]| {
        let jet = |x: [f64; 2]| {
            let mut jet = fokker_sde_core::ScoreJet::zeros(1, 2);
            score.score_jet(array![t].view(), array![x].view(), &mut jet).unwrap();
            let s = [jet.score[[0, 0]], jet.score[[0, 1]]];
            (s, [jet.time_derivative[[0, 0]], jet.time_derivative[[0, 1]]], jet.divergence[0])
        };
        let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
        let inside = |x: [f64; 2]| {
            let (s, _, divergence) = jet(x);
            0.5 * g * g * (divergence + s[0] * s[0] + s[1] * s[1]) - a * (x[0] * s[0] + x[1] * s[1])
        };
        let h = 1e-4;
        let rates = jet(x).1;
        [0, 1].map(|k| {
            let at = |h: f64| {
                let mut x = x;
                x[k] += h;
                inside(x)
            };
            rates[k] - (8.0 * (at(h) - at(-h)) - (at(2.0 * h) - at(-2.0 * h))) / (12.0 * h)
        })
    };
    let exact = MixtureMarginals::new(target.clone(), sde);
    let size = equation(&exact, 0.3, [0.4, -0.9]);
    assert!(size.iter().all(|r| r.abs() < 1e-6), "{size:?}");
    let objective = objective(&target, &sde, ResidualForm::Score);
    let found = objective.mean_squared_residual(&network, Streams::new(1), 0).unwrap().mean;
    let mut rng = Streams::new(1).rng(Purpose::Collocation, 0, 0);
    let (t, x): (Array1<f64>, Array2<f64>) =
        objective.residual.collocation.draw_inside(16, 2, [0.05, 1.0], &mut rng);
    let sum: f64 = (0..16)
        .map(|i| {
            equation(&network, t[i], [x[[i, 0]], x[[i, 1]]]).map(|r| r * r).iter().sum::<f64>()
                / 2.0
        })
        .sum();
    assert!((found / (sum / 16.0) - 1.0).abs() < 1e-6, "{found}, {}", sum / 16.0);
}

#[test]
fn collocation_points_come_from_where_they_are_said_to() {
    // Marginal points have the second moment of p_t; a model's own trajectories, with a network near the score of a
    // Gaussian, that of the Gaussian. Seen through the mean of the residual's form with a weight that singles out nothing.
    let (target, sde) = (GaussianMixture::nine_components(), OrnsteinUhlenbeck::PAPER);
    let mut objective = objective(&target, &sde, ResidualForm::LogDensity);
    let network = ScoreNetwork::<f32>::paper(Streams::new(2)).unwrap();
    let mut values = Vec::new();
    for shares in [
        Shares::default(),
        Shares::MARGINAL,
        Shares::TRAJECTORIES,
        Shares { inside_box: 1.0, marginal: 1.0, trajectories: 1.0 },
    ] {
        objective.residual.collocation.shares = shares;
        objective.residual.points = 192;
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| objective.gradient(&network, Streams::new(2), 5).unwrap())
        };
        let one = run(1);
        assert_eq!(one, run(3));
        values.push(one.0.residual.unwrap().mean);
    }
    assert!((0..4).all(|i| (0..i).all(|j| values[i] != values[j])), "{values:?}");
}

#[test]
fn importance_and_strata_keep_the_denoising_loss() {
    // The same mean over 300 steps with and without, within 4 standard errors: false-alarm rate 6e-5 for each. Importance
    // takes a fifth off the error at least.
    let (target, sde) = (GaussianMixture::nine_components(), OrnsteinUhlenbeck::PAPER);
    let network = ScoreNetwork::<f32>::paper(Streams::new(2)).unwrap();
    let mut plain = objective(&target, &sde, ResidualForm::LogDensity);
    (plain.residual_weight, plain.denoising.points) = (0.0, 256);
    plain.denoising.times = TimeLaw::new(1e-3, TimeDensity::Uniform);
    let losses = |objective: &Objective<'_>, importance: &mut TimeImportance, learn: bool| {
        let values: Vec<f64> = (0..600)
            .map(|step| {
                let used = importance.clone();
                let objective = Objective { importance: learn.then_some(&used), ..*objective };
                let (losses, _) = objective.gradient(&network, Streams::new(3), step).unwrap();
                importance.update(&losses.moments);
                losses.denoising
            })
            .collect();
        mean_and_error(&values[300..])
    };
    let mut importance = TimeImportance::default();
    let expected = losses(&plain, &mut importance, false);
    let learned = losses(&plain, &mut importance, true);
    let stratified = Objective {
        denoising: Denoising {
            times: TimeLaw { stratified: true, ..plain.denoising.times },
            ..plain.denoising
        },
        ..plain
    };
    let in_strata = losses(&stratified, &mut TimeImportance::default(), false);
    for (name, found) in [("importance", learned), ("strata", in_strata)] {
        let error = expected.1.hypot(found.1);
        assert!((found.0 - expected.0).abs() < 4.0 * error, "{name}: {found:?} for {expected:?}");
    }
    assert!(learned.1 < 0.8 * expected.1, "{learned:?} for {expected:?}");
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let (plane, sde) = (GaussianMixture::nine_components(), OrnsteinUhlenbeck::PAPER);
    let many = Empirical::new(Array2::zeros((3, 64))).unwrap();
    let potential = Output::Potential;
    let base = |target| objective(target, &sde, ResidualForm::LogDensity);
    let mut cases = Vec::new();
    cases.push((base(&many), potential, "more than 6 dimensions"));
    let mut objective = base(&many);
    objective.residual.collocation.shares = Shares::MARGINAL;
    assert_eq!(objective.check(potential), Ok(()));
    objective.conditions.boundary = 1.0;
    cases.push((objective, potential, "more than 6 dimensions"));
    objective.conditions = Conditions { initial: 1.0, ..Conditions::default() };
    cases.push((objective, potential, "density is known"));
    objective.conditions = Conditions::default();
    objective.residual.form = ResidualForm::Score;
    cases.push((objective, Output::Vector, "second derivatives"));
    let mut objective = base(&plane);
    objective.residual.form = ResidualForm::Density;
    cases.push((objective, Output::Vector, "no potential"));
    objective.residual.laplacian = LaplacianRule::Rademacher { probes: 1 };
    cases.push((objective, potential, "without bias in the form LogDensity only"));
    let mut objective = base(&plane);
    objective.residual.collocation.shares = Shares { inside_box: 0.0, ..Shares::default() };
    cases.push((objective, potential, "one of the shares"));
    let mut objective = base(&plane);
    (objective.residual.form, objective.residual.points) = (ResidualForm::Centred, 100);
    cases.push((objective, potential, "multiple of 8"));
    let mut objective = base(&plane);
    objective.residual_weight = 0.0;
    objective.conditions.initial = 1.0;
    cases.push((objective, Output::Vector, "no potential"));
    for (objective, output, reason) in cases {
        let error = objective.check(output).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
}
