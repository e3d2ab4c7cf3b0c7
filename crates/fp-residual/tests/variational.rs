//! The variational bound on the SDE's law, against closed forms.

mod linear;

use fokker_fp_residual::{EstimateError, VariationalBound};
use fokker_sde_core::{GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Streams};
use linear::{Moments, Quadratic, integral, times};

/// `KL(N(m, v) ‖ N(n, w))`.
fn divergence([m, v]: Moments, [n, w]: Moments) -> f64 {
    0.5 * ((w / v).ln() - 1.0 + (v + (m - n).powi(2)) / w)
}

#[test]
fn gaussians_have_the_bound_of_their_closed_form() {
    // 4000 points at each of 201 times: 5 standard errors, false-alarm rate 6e-7 for each assertion; the trapezoidal
    // rule is off by 1e-4.
    let sde = OrnsteinUhlenbeck::new(2.0).unwrap();
    let model = Quadratic { axes: vec![[1.6, 1.5, 0.6]], eta: 0.0, sde };
    let (mean, variance) = (0.7, 0.2);
    let data = GaussianMixture::new(vec![(1.0, vec![mean], variance)]).unwrap();
    let law = MixtureMarginals::new(data.clone(), sde);
    let exactly = |t: f64| -> Moments {
        [mean * (-t).exp(), variance * (-2.0 * t).exp() + 0.5 - 0.5 * (-2.0 * t).exp()]
    };
    let of = |grid: &[f64], n| {
        VariationalBound::new::<f64>(&model, &law, &data, &sde, grid, n, Streams::new(1))
    };
    let grid = times(2.0, 200);
    let found = of(&grid, 4000).unwrap();
    let errors: Vec<f64> =
        grid.iter().map(|&t| 0.5 * model.squared_gap_gradient(0, t, exactly(t))).collect();
    let prior = divergence(exactly(2.0), [0.0, 0.5]);
    let off = (found.prior.mean - prior).abs();
    assert!(off < 5.0 * found.prior.standard_error, "{:?} {prior}", found.prior);
    for (rate, error) in found.rates.iter().zip(&errors).step_by(40) {
        assert!((rate.mean - error).abs() < 5.0 * rate.standard_error, "{rate:?} {error}");
    }
    let total = prior + integral(&grid, &errors);
    let off = (found.total.mean - total).abs();
    assert!(off < 5.0 * found.total.standard_error + 1e-4, "{:?} {total}", found.total);
    let end = *model.moments(0, &grid, 1.0, 1.0).last().unwrap();
    let left = divergence(exactly(0.0), end);
    println!(
        "KL {left:.4}, right side {:.4} ± {:.4}",
        found.total.mean, found.total.standard_error
    );
    assert!(left < total);
    // Same bits for any number of threads, and refusals.
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| of(&grid[..], 700).unwrap())
    };
    assert_eq!(run(1), run(3));
    assert!(matches!(of(&grid[1..], 100), Err(EstimateError::Start { .. })));
    assert!(matches!(of(&grid, 1), Err(EstimateError::TooFew { .. })));
}

#[test]
fn the_exact_score_leaves_the_prior_alone() {
    let sde = OrnsteinUhlenbeck::PAPER;
    let data = GaussianMixture::nine_components();
    let law = MixtureMarginals::new(data.clone(), sde);
    let grid = &times(10.0, 10)[..10];
    let found =
        VariationalBound::new::<f64>(&law, &law, &data, &sde, grid, 500, Streams::new(1)).unwrap();
    assert_eq!(found.total.mean, found.prior.mean);
    // KL(p_T ‖ π) is about |m|² α_T²/2σ_T² = 1e-8; five standard errors of its mean.
    assert!(found.prior.mean.abs() < 1e-7 + 5.0 * found.prior.standard_error);
    assert!(found.prior.standard_error < 1e-4);
}
