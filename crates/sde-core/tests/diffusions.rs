//! Every diffusion against independent computations: its moment equations, the Fokker–Planck equation,
//! simulation, the inverse of its signal-to-noise ratio, and its form in files.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fokker_sde_core::{
    Diffusion, GaussianMixture, Jet, Marginal, MixtureMarginals, OrnsteinUhlenbeck, Potential,
    Purpose, Sde, SdeError, Streams, SubVariancePreserving, VarianceExploding, VariancePreserving,
};
use ndarray::{Array1, Array2};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

/// One of each kind, and some with other parameters.
fn diffusions() -> Vec<Diffusion> {
    let mut all = Diffusion::examples();
    assert_eq!(all.len(), 11);
    let fast = OrnsteinUhlenbeck::new(2.0).unwrap().with_coefficients(3.0, 0.7).unwrap();
    all.extend([
        Diffusion::OrnsteinUhlenbeck(fast),
        Diffusion::VariancePreserving(VariancePreserving::new(5.0, 0.5).unwrap()),
        Diffusion::SubVariancePreserving(SubVariancePreserving::new(2.0, 2.0).unwrap()),
        Diffusion::VarianceExploding(VarianceExploding::new(0.2, 4.0).unwrap()),
    ]);
    all
}

/// `f'(t)` by the central difference of order 8, with steps of a fraction of the way to the ends of `[0, T]`, and
/// what rounding makes of it.
fn slope(horizon: f64, t: f64, f: impl Fn(f64) -> f64) -> (f64, f64) {
    let h = 0.003 * t.min(horizon - t);
    let weights = [4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0];
    let terms = weights.iter().enumerate().map(|(k, weight)| {
        let step = (k + 1) as f64 * h;
        weight * (f(t + step) - f(t - step))
    });
    (terms.sum::<f64>() / h, 2.0 * f64::EPSILON * f(t).abs() / h)
}

/// Times of `(0, T)`, dense at both ends.
fn times(horizon: f64) -> impl Iterator<Item = f64> {
    let ends = (1..=24).map(|k| 10_f64.powf(-0.25 * f64::from(k)));
    ends.clone().chain(ends.take(12).map(|s| 1.0 - 0.5 * s)).map(move |s| s * horizon)
}

#[test]
fn the_marginal_solves_its_moment_equations() {
    for sde in diffusions() {
        assert_eq!(sde.marginal(0.0), Marginal { alpha: 1.0, sigma: 0.0 }, "{sde:?}");
        for t in times(sde.horizon()) {
            let Marginal { alpha, sigma } = sde.marginal(t);
            let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
            let (rate, rounding) = slope(sde.horizon(), t, |t| sde.marginal(t).alpha);
            let off = (rate - a * alpha).abs();
            assert!(off < 1e-9 * (a * alpha).abs() + rounding, "{sde:?} at {t}: α' off by {off:e}");
            let (rate, rounding) = slope(sde.horizon(), t, |t| sde.marginal(t).sigma.powi(2));
            let off = (rate - (2.0 * a * sigma * sigma + g * g)).abs();
            let scale = (2.0 * a * sigma * sigma).abs() + g * g;
            assert!(off < 1e-9 * scale + rounding, "{sde:?} at {t}: (σ²)' off by {off:e}");
        }
    }
}

#[test]
fn mixtures_satisfy_the_fokker_planck_equation() {
    // ∂_t log p by differences of the closed form of p_t, which knows α and σ only; the rest by the jet, which
    // knows a and g. To 1e-9 of the size of the terms.
    let data = GaussianMixture::nine_components();
    for sde in diffusions() {
        let mut rng = Streams::new(1).rng(Purpose::Evaluation, 0, 0);
        let exact = MixtureMarginals::new(data.clone(), sde.clone());
        for _ in 0..300 {
            let t = sde.horizon() * rng.random_range(0.001..0.999_f64);
            let law = sde.marginal(t);
            let spread = 3.5 * law.alpha + 3.0 * law.sigma;
            let x = Array2::from_shape_simple_fn((1, 2), || rng.random_range(-spread..spread));
            let mut jet = Jet::zeros(1, 2);
            exact.jet(Array1::from_elem(1, t).view(), x.view(), &mut jet).unwrap();
            let point = x.row(0).to_vec();
            let value = |t| data.diffused(sde.marginal(t)).log_density(&point);
            let (rate, _) = slope(sde.horizon(), t, value);
            let (a, g) = (sde.drift_rate(t), sde.diffusion(t));
            let s = jet.gradient.row(0);
            let terms = [
                rate,
                2.0 * a,
                a * x.row(0).dot(&s),
                -0.5 * g * g * jet.laplacian[0],
                -0.5 * g * g * s.dot(&s),
            ];
            let residual: f64 = terms.iter().sum();
            let size: f64 = terms.iter().map(|term| term.abs()).sum();
            assert!(
                residual.abs() < 1e-9 * size.max(1.0),
                "{sde:?}: {residual:e} of {size:e} at {t}"
            );
            let off = (jet.time_derivative[0] - rate).abs();
            assert!(off < 1e-9 * size.max(1.0), "{sde:?}: ∂_t φ off by {off:e} at {t}");
        }
    }
}

#[test]
fn simulated_transitions_have_the_marginal_law() {
    // dX = a X dt + g dW from x₀ = 1.5 to the time where σ/α is 1, by X ← e^{ah} X + g √h Z with coefficients in the
    // middle of steps that are equal in log(σ/α) after a first one to 1e-3; second order. 20 000 paths and a 5σ band:
    // false-alarm rate 6e-7 for each of the 30 assertions, of which the scheme's bias takes less than 0.001.
    for sde in diffusions() {
        let steps = 300;
        let last = sde.time_of_log_snr(0.0).unwrap();
        let grid: Vec<f64> = (0..=steps)
            .map(|k| match k {
                0 => 0.0,
                _ => {
                    let share = f64::from(k - 1) / f64::from(steps - 1);
                    sde.time_of_log_snr(2.0 * 1e3_f64.ln() * (1.0 - share)).unwrap()
                }
            })
            .collect();
        let n = 20_000;
        let mut rng = Streams::new(2).rng(Purpose::Evaluation, 0, 0);
        let mut x = Array1::from_elem(n, 1.5);
        for pair in grid.windows(2) {
            let (h, middle) = (pair[1] - pair[0], 0.5 * (pair[0] + pair[1]));
            let factor = (sde.drift_rate(middle) * h).exp();
            let spread = sde.diffusion(middle) * h.sqrt() * factor.sqrt();
            x.iter_mut().for_each(|x| {
                let noise: f64 = StandardNormal.sample(&mut rng);
                *x = factor * *x + spread * noise;
            });
        }
        let Marginal { alpha, sigma } = sde.marginal(last);
        let (mean, variance, n) = (x.mean().unwrap(), x.var(1.0), n as f64);
        let off = (mean - 1.5 * alpha).abs() / sigma;
        assert!(off < 0.001 + 5.0 / n.sqrt(), "{sde:?}: mean {mean} instead of {}", 1.5 * alpha);
        let off = (variance / (sigma * sigma) - 1.0).abs();
        assert!(off < 0.001 + 5.0 * (2.0 / n).sqrt(), "{sde:?}: variance {variance}, σ {sigma}");
    }
}

#[test]
fn the_signal_to_noise_ratio_falls_and_has_an_inverse() {
    for sde in diffusions() {
        let mut before = f64::INFINITY;
        let mut ordered: Vec<f64> = times(sde.horizon()).collect();
        ordered.sort_by(f64::total_cmp);
        for t in ordered {
            let log_snr = sde.marginal(t).log_snr();
            assert!(log_snr < before, "{sde:?} at {t}");
            before = log_snr;
            // d log-SNR/dt = −g²/σ²: what rounding makes of the inverse.
            let (g, sigma) = (sde.diffusion(t), sde.marginal(t).sigma);
            let allowed = 1e-12 * t + 1e-13 * (1.0 + log_snr.abs()) * (sigma / g).powi(2);
            let found = sde.time_of_log_snr(log_snr).unwrap();
            assert!((found - t).abs() < allowed, "{sde:?}: {found} instead of {t}");
        }
        let last = sde.marginal(sde.horizon()).log_snr();
        let t = sde.time_of_log_snr(last).unwrap();
        assert!((t / sde.horizon() - 1.0).abs() < 1e-6 && t <= sde.horizon(), "{sde:?}: {t}");
        for beyond in [last - 0.1, f64::NAN, f64::INFINITY] {
            let error = sde.time_of_log_snr(beyond).unwrap_err();
            assert!(matches!(error, SdeError::LogSnr { .. }), "{sde:?}: {error}");
        }
    }
}

#[test]
fn priors_are_the_laws_that_are_left_of_data_at_the_horizon() {
    for sde in Diffusion::examples() {
        let (last, prior) = (sde.marginal(sde.horizon()), sde.prior());
        // Of the data less than a fiftieth of the noise is left, and its standard deviation is the prior's.
        assert!(last.alpha < 0.05 * last.sigma, "{sde:?}: {last:?}");
        assert!((last.sigma / prior.std - 1.0).abs() < 0.05, "{sde:?}: {last:?}, {prior:?}");
        assert!(sde.drift_rate(sde.horizon()).is_finite() && sde.diffusion(0.0).is_finite());
    }
}

#[test]
fn diffusions_are_read_as_they_are_written_and_checked() {
    for sde in diffusions() {
        let text = serde_json::to_string(&sde).unwrap();
        let again: Diffusion = serde_json::from_str(&text).unwrap();
        assert_eq!(again, sde, "{text}");
        assert_eq!(again.marginal(0.3), sde.marginal(0.3));
    }
    let text = serde_json::to_string(&Diffusion::default()).unwrap();
    assert_eq!(text, r#"{"OrnsteinUhlenbeck":{"horizon":10.0}}"#);
    for (text, reason) in [
        (r#"{"OrnsteinUhlenbeck":{"horizon":-1.0}}"#, "horizon T of a diffusion must be"),
        (r#"{"OrnsteinUhlenbeck":{"horizon":1.0,"rate":0.0}}"#, "rate"),
        (r#"{"OrnsteinUhlenbeck":{"horizon":1.0,"mean":0.0}}"#, "unknown field `mean`"),
        (r#"{"VariancePreserving":{"beta_min":0.1,"beta_max":1e9}}"#, "beta_max"),
        (r#"{"SubVariancePreserving":{"beta_min":0.1}}"#, "missing field `beta_max`"),
        (r#"{"Cosine":{"offset":0.008,"horizon":1.0}}"#, "its drift or noise is infinite at 1"),
        (r#"{"VarianceExploding":{"sigma_min":2.0,"sigma_max":1.0}}"#, "above sigma_min"),
        (r#"{"Hyperbolic":{"horizon":1.5}}"#, "its drift or noise is infinite at 1"),
        (r#"{"Edm":{"horizon":0.0}}"#, "horizon"),
        (r#"{"Rectified":{"horizon":1.0}}"#, "its drift or noise is infinite at 1"),
        (r#"{"CosineSine":{"horizon":1.0}}"#, "its drift or noise is infinite at 1"),
        (r#"{"Path":{"alpha":"1-t","variance":"t^","horizon":0.5}}"#, "`t^` is no formula in t"),
        (r#"{"Path":{"alpha":"1+t","variance":"t/9","horizon":1.5}}"#, "g²"),
        (r#"{"Linear":{"mu":"1","w":"t-1","horizon":0.5}}"#, "w is -"),
    ] {
        let error = serde_json::from_str::<Diffusion>(text).unwrap_err().to_string();
        assert!(error.contains(reason), "{text}: {error}");
    }
}
