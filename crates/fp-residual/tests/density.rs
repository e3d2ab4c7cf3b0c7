//! Densities of the reverse SDE's law by forward paths, against closed forms.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::f64::consts::PI;

use fokker_fp_residual::{DensityError, SdeDensity};
use fokker_sde_core::{
    BatchError, Diffusion, GaussianMixture, Jet, MixtureMarginals, OrnsteinUhlenbeck, Potential,
    Purpose, Real, Score, Sde, Streams,
};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayViewMut2, Axis, array};
use rand_distr::{Distribution, StandardNormal};

/// `φ = log N(α_t m, α_t² v + (1 + δ) σ_t²)`, whose residual is `½ δ g² (|x − α_t m|²/V² − d/V)` with `V` for the
/// variance.
struct Wrong {
    sde: Diffusion,
    mean: Vec<f64>,
    variance: f64,
    excess: f64,
}

impl Wrong {
    fn new(sde: Diffusion, dim: usize, excess: f64) -> Self {
        let mean = (0..dim).map(|k| 0.4 - 0.3 * (k % 3) as f64).collect();
        Self { sde, mean, variance: 0.3, excess }
    }

    fn paper(dim: usize, excess: f64) -> Self {
        Self::new(Diffusion::default(), dim, excess)
    }

    /// The factor of the mean and the variance at `t`.
    fn at(&self, t: f64) -> (f64, f64) {
        let law = self.sde.marginal(t);
        let noise = (1.0 + self.excess) * law.sigma.powi(2);
        (law.alpha, law.alpha.powi(2) * self.variance + noise)
    }

    /// Mean and variance of the reverse SDE's law. With `S = σ²/α²`, `Q = v + (1 + δ) S` and the mean and the variance
    /// of `X/α` the moments of the SDE solve `dμ/dS = (μ − m)/Q` and `dc/dS = 2 c/Q − 1`, so that with `κ = 1/(1 + δ)`
    /// `μ − m ∝ Q^κ` and `c − Q/(1 − δ) ∝ Q^{2κ}`.
    fn law(&self, t: f64) -> (Vec<f64>, f64) {
        let horizon = self.sde.horizon();
        let [(alpha, now), (last, end)] = [t, horizon].map(|t| {
            let (alpha, variance) = self.at(t);
            (alpha, variance / alpha.powi(2))
        });
        let power = (now / end).powf(1.0 / (1.0 + self.excess));
        let prior = (self.sde.prior().std / last).powi(2);
        let part = 1.0 / (1.0 - self.excess);
        let variance = now * part + (prior - end * part) * power * power;
        let mean = self.mean.iter().map(|m| alpha * m * (1.0 - power)).collect();
        (mean, alpha.powi(2) * variance)
    }

    /// `log p^SDE` and `∇w`.
    fn exact(&self, t: f64, x: ArrayView1<'_, f64>) -> (f64, Vec<f64>) {
        let ((mean, variance), (alpha, own)) = (self.law(t), self.at(t));
        let squares: f64 = x.iter().zip(&mean).map(|(x, m)| (x - m).powi(2)).sum();
        let log_p = -0.5 * (squares / variance + x.len() as f64 * (2.0 * PI * variance).ln());
        let gradient = x.iter().zip(&mean).zip(&self.mean);
        let gradient =
            gradient.map(|((x, m), own_m)| (x - alpha * own_m) / own - (x - m) / variance);
        (log_p, gradient.collect())
    }

    /// Points of the law.
    fn points(&self, t: f64, n: usize) -> Array2<f64> {
        let (mean, variance) = self.law(t);
        let mut rng = Streams::new(1).rng(Purpose::Evaluation, 0, 0);
        Array2::from_shape_fn((n, mean.len()), |(_, k)| {
            let z: f64 = StandardNormal.sample(&mut rng);
            mean[k] + variance.sqrt() * z
        })
    }
}

impl<F: Real> Score<F> for Wrong {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn score(
        &self,
        t: F,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), BatchError> {
        let mut jet = Jet::zeros(x.nrows(), x.ncols());
        self.jet(Array1::from_elem(x.nrows(), t).view(), x, &mut jet)?;
        out.assign(&jet.gradient);
        Ok(())
    }
}

impl<F: Real> Potential<F> for Wrong {
    fn jet(
        &self,
        t: ArrayView1<'_, F>,
        x: ArrayView2<'_, F>,
        jet: &mut Jet<F>,
    ) -> Result<(), BatchError> {
        jet.check(self.mean.len(), &t, &x)?;
        let (mut time, mut law) = (f64::NAN, (0.0, 0.0, 0.0, 0.0));
        for (i, x) in x.rows().into_iter().enumerate() {
            if t[i].wide() != time {
                time = t[i].wide();
                let (alpha, variance) = self.at(time);
                let (a, g) = (self.sde.drift_rate(time), self.sde.diffusion(time));
                law = (alpha, variance, a, 2.0 * a * variance + (1.0 + self.excess) * g * g);
            }
            let (alpha, variance, a, rate) = law;
            let (dim, mut squares, mut carried) = (x.len() as f64, 0.0, 0.0);
            for (k, (x, m)) in x.iter().zip(&self.mean).enumerate() {
                let u = x.wide() - alpha * m;
                squares += u * u;
                carried += a * alpha * m * u;
                jet.gradient[[i, k]] = F::of(-u / variance);
            }
            let log_peak = -0.5 * dim * (2.0 * PI * variance).ln();
            jet.value[i] = F::of(log_peak - 0.5 * squares / variance);
            jet.laplacian[i] = F::of(-dim / variance);
            let slope = 0.5 * (squares / variance - dim) * rate / variance;
            jet.time_derivative[i] = F::of(carried / variance + slope);
        }
        Ok(())
    }
}

/// How many of `z` are within 2 of 0: of 240 normal ones 229 ± 3.2, and out of this range once in 10⁴.
fn check_coverage(z: &[f64], what: &str) {
    assert_eq!(z.len(), 240);
    let inside = z.iter().filter(|z| z.abs() < 2.0).count();
    let squares = z.iter().map(|z| z * z).sum::<f64>() / z.len() as f64;
    eprintln!("{what}: {inside} of 240, mean z² {squares:.3}");
    assert!((215..=239).contains(&inside), "{what}: {inside}");
}

const STREAMS: fn() -> Streams = || Streams::new(5);

#[test]
fn with_an_exact_potential_few_paths_are_enough() {
    for sde in Diffusion::examples() {
        let law = MixtureMarginals::new(GaussianMixture::nine_components(), sde.clone());
        let x = array![[0.3, -1.2], [1.3, 1.3], [0.0, 4.0]];
        let t = sde.time_of_log_snr(3.0).unwrap();
        let density = SdeDensity { paths: 64, steps: 10, ..SdeDensity::default() };
        let found = density.log_density(&law, &sde, t, x.view(), STREAMS()).unwrap();
        let slopes = density.correction_gradient(&law, &sde, t, x.view(), STREAMS()).unwrap();
        // The weights differ by what the prior is not the law at T.
        let error = GaussianMixture::nine_components().diffused(sde.marginal(t));
        for ((x, found), slope) in x.rows().into_iter().zip(found).zip(slopes) {
            let (found, slope) = (found.unwrap(), slope.unwrap());
            let exact = error.log_density(&x.to_vec());
            let tolerance = 1e-6 + 5.0 * found.standard_error;
            assert!((found.value - exact).abs() < tolerance, "{sde:?}: {found:?}, not {exact}");
            if matches!(sde, Diffusion::OrnsteinUhlenbeck(_)) {
                assert!(found.standard_error < 1e-6 && found.effective > 63.999, "{found:?}");
                assert!(slope.gradient.iter().all(|s| s.abs() < 1e-6), "{slope:?}");
            }
        }
    }
}

#[test]
fn a_wrong_potential_is_put_right_within_the_standard_errors() {
    let t_of = |sde: &Diffusion| sde.time_of_log_snr(1.0).unwrap();
    for sde in Diffusion::examples() {
        for (dim, excess) in [(1, -0.15), (2, -0.1), (10, -0.05)] {
            if dim != 2 && !matches!(sde, Diffusion::OrnsteinUhlenbeck(_)) {
                continue;
            }
            let wrong = Wrong::new(sde.clone(), dim, excess);
            let t = t_of(&sde);
            let x = wrong.points(t, 240);
            let density = SdeDensity { paths: 256, steps: 60, ..SdeDensity::default() };
            let found = density.log_density(&wrong, &sde, t, x.view(), STREAMS()).unwrap();
            let exact: Vec<_> = x.rows().into_iter().map(|x| wrong.exact(t, x)).collect();
            let z = found.iter().zip(&exact).map(|(found, (log_p, _))| {
                let found = found.unwrap();
                (found.value - log_p) / found.standard_error
            });
            let name = format!("{sde:?}, d = {dim}");
            check_coverage(&z.collect::<Vec<_>>(), &name);
            let slopes = density.correction_gradient(&wrong, &sde, t, x.view(), STREAMS()).unwrap();
            let z = slopes.iter().zip(&exact).map(|(found, (_, exact))| {
                let found = found.as_ref().unwrap();
                (found.gradient[0] - exact[0]) / found.standard_error[0]
            });
            check_coverage(&z.collect::<Vec<_>>(), &format!("{name}, gradient"));
        }
    }
}

/// Of a horizon that leaves the weights a variance.
fn short() -> Diffusion {
    Diffusion::OrnsteinUhlenbeck(OrnsteinUhlenbeck::new(4.0).unwrap())
}

#[test]
fn the_order_in_the_steps_is_two() {
    let wrong = Wrong::new(short(), 1, -0.4);
    let x = array![[1.0]];
    let exact = wrong.exact(0.05, x.row(0)).0;
    let error = |steps| {
        let density = SdeDensity { paths: 1 << 18, steps, ..SdeDensity::default() };
        let found = density.log_density(&wrong, &wrong.sde, 0.05, x.view(), STREAMS()).unwrap();
        let found = found[0].unwrap();
        eprintln!("{steps} steps: {:.5} ± {:.5}", found.value - exact, found.standard_error);
        (found.value - exact, found.quadrature)
    };
    // Known to ± 0.13, from the standard errors: three of these are allowed.
    let ((eight, _), (sixteen, quadrature)) = (error(8), error(16));
    let order = (eight / sixteen).log2();
    assert!((order - 2.0).abs() < 0.4, "{order}");
    // What is said of the error of 16 steps is their distance to 8, by the same paths.
    assert!((quadrature - (eight - sixteen).abs()).abs() < 0.015, "{quadrature}");
    assert!(quadrature > sixteen.abs());
}

#[test]
fn from_time_zero_the_density_is_that_of_the_data() {
    let wrong = Wrong::paper(2, -0.1);
    let x = wrong.points(0.0, 240);
    let density = SdeDensity { paths: 256, ..SdeDensity::default() };
    let found = density.log_density(&wrong, &wrong.sde, 0.0, x.view(), STREAMS()).unwrap();
    let slopes = density.correction_gradient(&wrong, &wrong.sde, 0.0, x.view(), STREAMS()).unwrap();
    let (mut values, mut gradients) = (Vec::new(), Vec::new());
    for ((x, found), slope) in x.rows().into_iter().zip(found).zip(slopes) {
        let (found, slope, exact) = (found.unwrap(), slope.unwrap(), wrong.exact(0.0, x));
        values.push((found.value - exact.0) / found.standard_error);
        gradients.push((slope.gradient[1] - exact.1[1]) / slope.standard_error[1]);
    }
    check_coverage(&values, "t = 0");
    check_coverage(&gradients, "t = 0, gradient");
}

#[test]
fn resampling_saves_paths_and_stays_unbiased() {
    let wrong = Wrong::new(short(), 8, -0.4);
    let t = 0.05;
    let x = wrong.points(t, 60);
    let run = |resampling| {
        let density = SdeDensity { paths: 2048, steps: 120, resampling, ..SdeDensity::default() };
        density.log_density(&wrong, &wrong.sde, t, x.view(), STREAMS()).unwrap()
    };
    let [plain, resampled] = [None, Some(0.5)].map(run);
    let withheld = |of: &[Result<_, _>]| of.iter().filter(|found| found.is_err()).count();
    eprintln!("withheld {} without and {} with", withheld(&plain), withheld(&resampled));
    assert!(withheld(&plain) > 30 && withheld(&resampled) < 5);
    let error = plain.iter().find_map(|found| found.err()).unwrap();
    assert!(error.effective < 32.0 && error.to_string().contains("of 2048 paths count"));
    // The mean of p̂/p over independent points is 1; p̂ is e^value without its correction. False alarm: once in 15
    // 000.
    let ratios: Vec<f64> = resampled
        .iter()
        .zip(x.rows())
        .filter_map(|(found, x)| {
            let found = found.ok()?;
            let variance = found.standard_error.powi(2);
            Some((found.value - 0.5 * variance - wrong.exact(t, x).0).exp())
        })
        .collect();
    let n = ratios.len() as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let variance = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>() / (n * (n - 1.0));
    eprintln!("mean ratio {mean:.4} ± {:.4}", variance.sqrt());
    assert!((mean - 1.0).abs() < 4.0 * variance.sqrt(), "{mean} ± {}", variance.sqrt());
    // Student's law of 15 degrees of freedom has 93.6 % within 2: fewer than 80 % of 46 about once in 1000 times.
    let density =
        SdeDensity { paths: 2048, steps: 120, resampling: Some(0.5), ..SdeDensity::default() };
    let slopes = density.correction_gradient(&wrong, &wrong.sde, t, x.view(), STREAMS()).unwrap();
    let z = slopes.iter().zip(x.rows()).filter_map(|(found, x)| {
        let found = found.as_ref().ok()?;
        Some((found.gradient[0] - wrong.exact(t, x).1[0]) / found.standard_error[0])
    });
    let z: Vec<f64> = z.collect();
    let inside = z.iter().filter(|z| z.abs() < 2.0).count();
    eprintln!("gradient: {inside} of {}", z.len());
    assert!(z.len() >= 40 && inside * 10 >= z.len() * 8, "{inside} of {}", z.len());
}

#[test]
fn the_same_bits_for_any_number_of_threads_and_shared_noise_is_smooth() {
    let wrong = Wrong::paper(2, -0.1);
    let x = wrong.points(0.3, 70);
    let run = |threads: usize, shared_noise, resampling| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let density =
            SdeDensity { paths: 512, steps: 20, shared_noise, resampling, ..SdeDensity::default() };
        let (sde, streams) = (&wrong.sde, STREAMS());
        pool.install(|| {
            let values = density.log_density(&wrong, sde, 0.3, x.view(), streams).unwrap();
            let slopes = density.correction_gradient(&wrong, sde, 0.3, x.view(), streams).unwrap();
            format!("{values:?} {slopes:?}")
        })
    };
    for (shared_noise, resampling) in [(false, None), (true, None), (true, Some(0.7))] {
        let one = run(1, shared_noise, resampling);
        assert!([2, 3, 7].iter().all(|&threads| run(threads, shared_noise, resampling) == one));
    }
    // With shared noise a difference has the slope ∇φ + ∇w, far within the errors of the values.
    let density = SdeDensity { shared_noise: true, ..SdeDensity::default() };
    let x = array![[0.3, 0.1], [0.301, 0.1]];
    let found = density.log_density(&wrong, &wrong.sde, 0.3, x.view(), STREAMS()).unwrap();
    let [a, b] = [0, 1].map(|i| found[i].unwrap().value);
    let [c, d] = [0, 1].map(|i| wrong.exact(0.3, x.row(i)).0);
    assert!(((b - a) - (d - c)).abs() < 1e-4, "{} {}", b - a, d - c);
}

#[test]
fn single_precision_agrees_with_double() {
    let wrong = Wrong::paper(2, -0.1);
    let x = wrong.points(0.01, 20);
    let density = SdeDensity { paths: 256, ..SdeDensity::default() };
    let (sde, narrow) = (&wrong.sde, x.mapv(|x| x as f32));
    let wide = narrow.mapv(f64::from);
    let single = density.log_density(&wrong, sde, 0.01, narrow.view(), STREAMS()).unwrap();
    let double = density.log_density(&wrong, sde, 0.01, wide.view(), STREAMS()).unwrap();
    for (a, b) in single.iter().zip(&double) {
        let (a, b) = (a.unwrap(), b.unwrap());
        assert!((a.value - b.value).abs() < 1e-4, "{a:?} {b:?}");
    }
    let single = density.correction_gradient(&wrong, sde, 0.01, narrow.view(), STREAMS()).unwrap();
    let double = density.correction_gradient(&wrong, sde, 0.01, wide.view(), STREAMS()).unwrap();
    for (a, b) in single.iter().zip(&double) {
        let (a, b) = (a.as_ref().unwrap(), b.as_ref().unwrap());
        let error = (a.gradient[0] - b.gradient[0]).abs();
        assert!(error < 0.1 * b.standard_error[0], "{a:?} {b:?}");
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let wrong = Wrong::paper(2, -0.1);
    let x = array![[0.1, 0.2], [f64::NAN, 0.0]];
    let good = SdeDensity { paths: 32, steps: 5, least_effective: 2.0, ..SdeDensity::default() };
    let refuse = |density: SdeDensity, t: f64, x: ArrayView2<'_, f64>| {
        let value = density.log_density(&wrong, &wrong.sde, t, x, STREAMS()).unwrap_err();
        let slope = density.correction_gradient(&wrong, &wrong.sde, t, x, STREAMS()).unwrap_err();
        assert_eq!(
            value.to_string().split(" is not finite").next(),
            slope.to_string().split(" is not finite").next()
        );
        value
    };
    let one = x.slice_axis(Axis(0), (..1).into());
    for density in [
        SdeDensity { paths: 0, ..good },
        SdeDensity { paths: 48, ..good },
        SdeDensity { steps: 1, ..good },
        SdeDensity { resampling: Some(0.0), ..good },
        SdeDensity { resampling: Some(f64::NAN), ..good },
        SdeDensity { least_effective: 0.5, ..good },
        SdeDensity { least_effective: 33.0, ..good },
        SdeDensity { least_effective: f64::NAN, ..good },
    ] {
        let error = refuse(density, 0.1, one);
        assert!(matches!(error, DensityError::Parameter { .. }), "{error}");
    }
    for t in [-0.1, 10.0, f64::NAN] {
        assert!(matches!(refuse(good, t, one), DensityError::Time { .. }));
    }
    let narrow = Array2::zeros((3, 1));
    assert!(matches!(refuse(good, 0.1, narrow.view()), DensityError::Potential(_)));
    let error = refuse(good, 0.1, x.view());
    assert!(matches!(error, DensityError::NotFinite { point: 1, .. }), "{error}");
    let none = Array2::<f64>::zeros((0, 2));
    let none = good.log_density(&wrong, &wrong.sde, 0.1, none.view(), STREAMS());
    assert!(none.unwrap().is_empty());
    // At 0 the law of a point is none, and its potential not finite.
    let data = GaussianMixture::new(vec![(1.0, vec![0.0, 0.0], 1e-300)]).unwrap();
    let point = MixtureMarginals::new(data, OrnsteinUhlenbeck::PAPER);
    let error = good.log_density(&point, &OrnsteinUhlenbeck::PAPER, 0.0, one, STREAMS());
    assert!(matches!(error, Err(DensityError::NotFinite { point: 0, t: 0.0, .. })), "{error:?}");
}
