//! The energy of the gap between SDE and ODE, against closed forms.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod linear;

use fokker_fp_residual::{Energy, Estimate, EstimateError};
use fokker_sde_core::{
    GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Potential, Prior, Purpose, Sde, Streams,
    sample_target,
};
use linear::{Moments, Quadratic, integral, times};
use ndarray::{Array1, Array3, Axis};
use rand_distr::{Distribution, StandardNormal};

fn wrong() -> Quadratic {
    Quadratic { axes: vec![[1.6, 1.5, 1.2]], eta: 0.0, sde: OrnsteinUhlenbeck::new(2.0).unwrap() }
}

/// `E[k_2 x² + k_1 x + k_0]` and the mean of its square, over a Gaussian: with `x = m + √v z` it is `A z² + B z + C`.
fn quadratic_moments([k0, k1, k2]: [f64; 3], [m, v]: Moments) -> [f64; 2] {
    let (a, b, c) = (k2 * v, (2.0 * k2 * m + k1) * v.sqrt(), k2 * m * m + k1 * m + k0);
    [a + c, (a + c).powi(2) + 2.0 * a * a + b * b]
}

/// What the estimates should be, by fine quadrature.
struct Exact {
    energy: f64,
    identity: f64,
    jensen: f64,
    naive: f64,
    centred: f64,
}

fn exact(phi: &Quadratic) -> Exact {
    let fine = times(2.0, 4000);
    let p = phi.moments(0, &fine, 1.0, 1.0);
    let [m0, v0] = p[p.len() - 1];
    // The forward process relaxes to N(0, ½).
    let q: Vec<Moments> =
        fine.iter().map(|t| [m0 * (-t).exp(), 0.5 + (v0 - 0.5) * (-2.0 * t).exp()]).collect();
    let epsilon = |t: f64| phi.residual_coefficients(t);
    let over = |laws: &[Moments], moment: &dyn Fn([f64; 3], Moments, Moments) -> f64| {
        let values: Vec<f64> = fine
            .iter()
            .zip(laws)
            .zip(&p)
            .map(|((&t, &law), &p)| moment(epsilon(t), law, p))
            .collect();
        integral(&fine, &values)
    };
    // w = log N(m, v) − φ as a quadratic, at T of N(0, ½) and at 0 of the end.
    let w = |t: f64, [m, v]: Moments| {
        let normal = -0.5 * (2.0 * std::f64::consts::PI * v).ln() - 0.5 * m * m / v;
        let e = phi.eta * (2.0 * t).sin();
        [normal - e, m / v - phi.c(0, t), 0.5 * (phi.b(0, t) - 1.0 / v)]
    };
    let (w_t, w_0) = (w(2.0, p[0]), w(0.0, [m0, v0]));
    let mean = |k, law| quadratic_moments(k, law)[0];
    let centred = |[k0, k1, k2]: [f64; 3], law, p| {
        let k = [k0 - mean([k0, k1, k2], p), k1, k2];
        quadratic_moments(k, law)[1].sqrt()
    };
    let direct: Vec<f64> =
        fine.iter().zip(&p).map(|(&t, &law)| 0.5 * phi.squared_gap_gradient(0, t, law)).collect();
    let along = over(&p, &|k, law, _| mean(k, law));
    let forward = over(&q, &|k, law, _| mean(k, law));
    let root = |k, law| quadratic_moments(k, law)[1].sqrt();
    Exact {
        energy: integral(&fine, &direct),
        identity: mean(w_t, p[0]) - mean(w_0, [m0, v0]) + along,
        jensen: mean(w_t, p[0]) - mean(w_t, q[0]) + along - forward,
        naive: root(w_t, p[0])
            + root(w_t, q[0])
            + over(&p, &|k, law, _| root(k, law))
            + over(&q, &|k, law, _| root(k, law)),
        centred: centred(w_t, p[0], p[0])
            + centred(w_t, q[0], p[0])
            + over(&p, &centred)
            + over(&q, &centred),
    }
}

/// `w_0` at the ends of the trajectories.
fn ends(phi: &Quadratic, x: &Array3<f64>) -> Array1<f64> {
    let law = *phi.moments(0, &times(2.0, 400), 1.0, 1.0).last().unwrap();
    let last = x.index_axis(Axis(0), x.dim().0 - 1);
    let (prior, mut value) = (Prior { std: law[1].sqrt() }, Array1::zeros(x.dim().1));
    phi.potential(Array1::zeros(x.dim().1).view(), last, value.view_mut()).unwrap();
    last.rows()
        .into_iter()
        .zip(value)
        .map(|(x, v)| prior.log_density(&[x[0] - law[0]]) - v)
        .collect()
}

fn near(what: &str, found: Estimate, exact: f64, quadrature: f64) {
    let off = (found.mean - exact).abs();
    println!("{what}: {:.5} ± {:.5}, exactly {exact:.5}", found.mean, found.standard_error);
    assert!(off < 5.0 * found.standard_error + quadrature, "{what}: {found:?}, not {exact}");
}

#[test]
fn a_wrong_gaussian_has_the_energy_and_the_bounds_of_its_closed_forms() {
    // 8000 trajectories, 5 standard errors, false-alarm rate 6e-7 for each of 5 assertions. The trapezoidal rule with
    // 100 steps of 0.02 is off by less than h²/12 times the change of the slopes over time, below 30: 1e-3. Roots of
    // means are too small by a share of 1e-3.
    let phi = wrong();
    let exact = exact(&phi);
    assert!((exact.identity - exact.energy).abs() < 1e-6, "{} {}", exact.identity, exact.energy);
    assert!(exact.energy < exact.jensen && exact.jensen < exact.centred);
    assert!(exact.centred < exact.naive);
    let grid = times(2.0, 100);
    let x = phi.trajectories(&grid, 8000, Streams::new(1));
    let energy = Energy::new(&phi, &phi.sde, &grid, x.view(), 2, Streams::new(2)).unwrap();
    let identity = energy.identity(ends(&phi, &x).view()).unwrap();
    near("identity", identity, exact.energy, 1e-3);
    let jensen = energy.jensen().unwrap();
    near("Jensen", jensen, exact.jensen, 1e-3);
    near("centred", energy.centred().unwrap(), exact.centred, 4e-3);
    near("naive", energy.naive().unwrap(), exact.naive, 4e-3);
    assert!(identity.mean < jensen.mean && jensen.mean < energy.naive().unwrap().mean);
    // The moments in time: those of the closed form, and together Jensen's integral.
    let laws = phi.moments(0, &grid, 1.0, 1.0);
    let all = energy.moments().unwrap();
    for (at, law) in all.iter().zip(&laws).step_by(25) {
        let [mean, square] = quadratic_moments(phi.residual_coefficients(at.t), *law);
        near("mean", at.mean, mean, 0.0);
        near("variance", at.variance, square - mean * mean, 0.0);
        let off = at.mean.mean - at.forward_mean.mean - at.difference.mean;
        assert!(off.abs() < 1e-12);
    }
    assert_eq!(all.last().unwrap().difference, Estimate { mean: 0.0, standard_error: 0.0 });
}

#[test]
fn a_function_of_time_changes_the_naive_bound_alone() {
    let phi = wrong();
    let shifted = Quadratic { eta: 3.0, ..wrong() };
    let grid = times(2.0, 100);
    let x = phi.trajectories(&grid, 300, Streams::new(1));
    let of =
        |phi: &Quadratic| Energy::new(phi, &phi.sde, &grid, x.view(), 1, Streams::new(2)).unwrap();
    let (one, other) = (of(&phi), of(&shifted));
    let same = |a: Estimate, b: Estimate| {
        (a.mean - b.mean).abs() < 1e-10 && (a.standard_error - b.standard_error).abs() < 1e-10
    };
    assert!(same(one.jensen().unwrap(), other.jensen().unwrap()));
    assert!(same(one.centred().unwrap(), other.centred().unwrap()));
    // The rule for the integral of c' = 6 cos 2t is off by h²/12 (c''(2) − c''(0)) = 4e-4.
    let [a, b] = [(&one, &phi), (&other, &shifted)]
        .map(|(energy, phi)| energy.identity(ends(phi, &x).view()).unwrap().mean);
    assert!((a - b).abs() < 5e-4, "{a} {b}");
    assert!(other.naive().unwrap().mean > one.naive().unwrap().mean + 1.0);
}

#[test]
fn exact_scores_have_no_energy() {
    // The law at rest is the prior: w and ε are 0 but for rounding.
    let sde = OrnsteinUhlenbeck::PAPER;
    let rest =
        MixtureMarginals::new(GaussianMixture::new(vec![(1.0, vec![0.0; 2], 0.5)]).unwrap(), sde);
    // Nine components at T = 10: log π − log p_T is a few times α_T |m| |x|/σ² = 5e-4, and ε is 0.
    let data = GaussianMixture::nine_components();
    let nine = MixtureMarginals::new(data.clone(), sde);
    let grid = times(10.0, 20);
    let grid = &grid[..20];
    let start = sample_target::<f64>(&data, 600, Streams::new(3), Purpose::Evaluation, 9);
    let mut rng = Streams::new(3).rng(Purpose::Path, 0, 0);
    let x = Array3::from_shape_fn((20, 600, 2), |(k, i, j)| {
        let (law, z): (_, f64) = (sde.marginal(grid[k]), StandardNormal.sample(&mut rng));
        law.alpha * start[[i, j]] + law.sigma * z
    });
    for (potential, bound) in [(&rest, 1e-11), (&nine, 5e-3)] {
        let energy = Energy::new(potential, &sde, grid, x.view(), 1, Streams::new(4)).unwrap();
        for estimate in [
            energy.jensen().unwrap(),
            energy.naive().unwrap(),
            energy.centred().unwrap(),
            energy.identity(Array1::zeros(600).view()).unwrap(),
        ] {
            assert!(estimate.mean.abs() < bound, "{estimate:?}");
        }
    }
    // The roots of tiny means add up; Jensen's sum is smaller still.
    let energy = Energy::new(&nine, &sde, grid, x.view(), 1, Streams::new(4)).unwrap();
    assert!(energy.jensen().unwrap().mean.abs() < 1e-4);
}

#[test]
fn standard_errors_are_those_of_repetition() {
    // The spread over 60 repetitions against the mean of the stated errors: its relative error is 1/√118 = 9 %; 5 of
    // them, false-alarm rate 6e-7 each.
    let (phi, grid) = (wrong(), times(2.0, 20));
    let mut all: Vec<[Estimate; 4]> = Vec::new();
    for seed in 0..60 {
        let x = phi.trajectories(&grid, 300, Streams::new(seed));
        let energy = Energy::new(&phi, &phi.sde, &grid, x.view(), 1, Streams::new(seed)).unwrap();
        let identity = energy.identity(ends(&phi, &x).view()).unwrap();
        let [jensen, naive, centred] =
            [energy.jensen(), energy.naive(), energy.centred()].map(Result::unwrap);
        all.push([identity, jensen, naive, centred]);
    }
    for k in 0..4 {
        let mean = all.iter().map(|e| e[k].mean).sum::<f64>() / 60.0;
        let spread = (all.iter().map(|e| (e[k].mean - mean).powi(2)).sum::<f64>() / 59.0).sqrt();
        let stated = all.iter().map(|e| e[k].standard_error).sum::<f64>() / 60.0;
        println!("estimate {k}: {spread:.5} over repetitions, {stated:.5} stated");
        assert!((spread / stated - 1.0).abs() < 0.46, "estimate {k}");
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let (phi, grid) = (wrong(), times(2.0, 5));
    let x = phi.trajectories(&grid, 700, Streams::new(1));
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| Energy::new(&phi, &phi.sde, &grid, x.view(), 2, Streams::new(2)).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn what_does_not_fit_is_refused_with_its_place() {
    let (phi, grid) = (wrong(), times(2.0, 5));
    let mut x = phi.trajectories(&grid, 700, Streams::new(1));
    let run = |times: &[f64], x: &Array3<f64>, paths| {
        Energy::new(&phi, &phi.sde, times, x.view(), paths, Streams::new(2)).unwrap_err()
    };
    let rising = [2.0, 1.0, 1.5, 0.5, 0.2, 0.1];
    assert_eq!(run(&rising, &x, 1), EstimateError::Times { index: 2, t: 1.5, from: 1.0 });
    let late = [1.9, 1.0, 0.5, 0.4, 0.3, 0.1];
    assert_eq!(run(&late, &x, 1), EstimateError::Start { t: 1.9, horizon: 2.0 });
    assert!(matches!(run(&grid, &x, 0), EstimateError::TooFew { found: 0, .. }));
    assert!(matches!(run(&grid[..4], &x, 1), EstimateError::Batch(_)));
    x[[2, 600, 0]] = f64::NAN;
    let error = run(&grid, &x, 1);
    assert!(
        matches!(error, EstimateError::NotFinite { point: 600, what: "residual", .. }),
        "{error}"
    );
    let x = phi.trajectories(&grid, 4, Streams::new(1));
    let energy = Energy::new(&phi, &phi.sde, &grid, x.view(), 1, Streams::new(2)).unwrap();
    assert!(matches!(energy.identity(Array1::zeros(3).view()), Err(EstimateError::Batch(_))));
}
