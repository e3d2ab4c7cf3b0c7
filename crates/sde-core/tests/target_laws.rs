//! Targets by what their laws are known to be: masses, moments, distribution functions, refusals.

use std::f64::consts::PI;

use fokker_sde_core::{
    GaussianMixture, Pinwheel, Purpose, Spirals, Streams, StudentT, SwissRoll, Target, TargetError,
    TwoMoons, sample_target,
};
use ndarray::Array2;

fn sample(target: &dyn Target, n: usize, seed: u64) -> Array2<f64> {
    sample_target(target, n, Streams::new(seed), Purpose::Truth, 0)
}

/// `sup |F_n − F|` of a sample for a continuous distribution function `F`.
fn kolmogorov_smirnov(values: impl IntoIterator<Item = f64>, f: impl Fn(f64) -> f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let n = values.len() as f64;
    let gap = |(i, &x): (usize, &f64)| (f(x) - i as f64 / n).max((i + 1) as f64 / n - f(x));
    values.iter().enumerate().map(gap).fold(0.0, f64::max)
}

/// What a Kolmogorov–Smirnov distance of `n` points exceeds with probability 1e-7 at most, by the
/// inequality of Dvoretzky, Kiefer & Wolfowitz with Massart's constant: `2 e^{−2n D²}`.
fn bound(n: usize) -> f64 {
    (2e7_f64.ln() / (2.0 * n as f64)).sqrt()
}

/// The distribution function of Student's t with 1, 2, 3 or 4 degrees of freedom.
fn student_cdf(degrees: u32, t: f64) -> f64 {
    assert!((1..=4).contains(&degrees));
    let w = 1.0 + t * t / f64::from(degrees);
    0.5 + match degrees {
        1 => t.atan() / PI,
        2 => t / (8.0 * w).sqrt(),
        3 => {
            let u = t / 3.0_f64.sqrt();
            (u / w + u.atan()) / PI
        }
        _ => 0.375 * t / w.sqrt() * (1.0 - t * t / (12.0 * w)),
    }
}

#[test]
fn student_t_has_its_marginals_and_radii() {
    // False-alarm rate 1e-7 for each of 24 distances.
    let n = 50_000;
    for degrees in 1..=4 {
        let nu = f64::from(degrees);
        let x = sample(&StudentT::new(5, nu, 1.7).unwrap(), n, u64::from(degrees));
        for column in x.columns() {
            let marginal = column.iter().map(|x| x / 1.7);
            let distance = kolmogorov_smirnov(marginal, |t| student_cdf(degrees, t));
            assert!(distance < bound(n), "ν = {degrees}: {distance}");
        }
        // The coordinates share one factor: in the plane P(|X| > r) = (1 + r²/ν)^{−ν/2}.
        let x = sample(&StudentT::new(2, nu, 1.0).unwrap(), n, 100 + u64::from(degrees));
        let radii = x.rows().into_iter().map(|x| x[0].hypot(x[1])).collect::<Vec<_>>();
        let distance = kolmogorov_smirnov(radii, |r| 1.0 - (1.0 + r * r / nu).powf(-0.5 * nu));
        assert!(distance < bound(n), "ν = {degrees}: {distance}");
    }
}

#[test]
fn student_t_has_its_density() {
    let h = 1e-5;
    for degrees in 1..=4 {
        let nu = f64::from(degrees);
        let line = StudentT::new(1, nu, 1.0).unwrap();
        for t in [-3.0, 0.0, 0.4, 20.0] {
            let slope = (student_cdf(degrees, t + h) - student_cdf(degrees, t - h)) / (2.0 * h);
            assert!((line.density(&[t]).unwrap() - slope).abs() < 1e-9);
        }
        // In five dimensions the unit sphere has area 8π²/3; r = tan u brings all radii into reach.
        let law = StudentT::new(5, nu, 1.7).unwrap();
        let steps = 20_000;
        let du = 0.5 * PI / f64::from(steps);
        let shell = |i: i32| {
            let (sin, cos) = ((f64::from(i) + 0.5) * du).sin_cos();
            let r = sin / cos;
            let x = [0.6 * r, 0.0, 0.0, -0.8 * r, 0.0];
            8.0 * PI * PI / 3.0 * r.powi(4) / (cos * cos) * law.density(&x).unwrap()
        };
        let mass = (0..steps).map(shell).sum::<f64>() * du;
        assert!((mass - 1.0).abs() < 1e-7, "ν = {degrees}: {mass}");
    }
    // (2π)^{−1} is the peak of the plane's law for every ν, and that of the normal law.
    for degrees in [0.25, 3.0, 1e6] {
        let peak = StudentT::new(2, degrees, 1.0).unwrap().density(&[0.0, 0.0]).unwrap();
        assert!((peak * 2.0 * PI - 1.0).abs() < 1e-8, "ν = {degrees}: {peak}");
    }
}

#[test]
fn the_heaviest_tails_are_finite() {
    let x = sample(&StudentT::new(3, 0.25, 1.0).unwrap(), 100_000, 1);
    assert!(x.iter().all(|x| x.is_finite()));
    let law = StudentT::new(3, 0.25, 1.0).unwrap();
    assert!(law.log_density(&[1e100, 0.0, 0.0]).is_finite());
}

#[test]
fn densities_in_the_plane_integrate_to_one() {
    // The midpoint rule on [−5, 5]² converges faster than any power of its step for densities that are
    // smooth and vanish at the ends; the step is below half of every standard deviation. The
    // densities of curves are themselves within 1e-9 of their peak.
    let targets: [(&str, Box<dyn Target>); 8] = [
        ("swiss roll", Box::new(SwissRoll::default())),
        ("thick swiss roll", Box::new(SwissRoll::new(0.3).unwrap())),
        ("moons", Box::new(TwoMoons::default())),
        ("spirals", Box::new(Spirals::default())),
        ("three spirals", Box::new(Spirals::new(3, 0.7, 0.2).unwrap())),
        ("one ray", Box::new(Spirals::new(1, 0.0, 0.3).unwrap())),
        ("pinwheel", Box::new(Pinwheel::default())),
        ("eight Gaussians", Box::new(GaussianMixture::eight_components())),
    ];
    for (name, target) in targets {
        const STEPS: usize = 200;
        let step = 10.0 / STEPS as f64;
        let at = |i: usize| -5.0 + (i as f64 + 0.5) * step;
        let mass: f64 = (0..STEPS * STEPS)
            .map(|i| target.density(&[at(i % STEPS), at(i / STEPS)]).unwrap())
            .sum();
        let mass = mass * step * step;
        assert!((mass - 1.0).abs() < 1e-6, "{name}: {mass}");
    }
}

#[test]
fn curves_have_their_means_and_variances() {
    // E|X|² = E|γ|² + 2s², and the centre by symmetry. Within 5 standard errors, which come from the
    // sample: a false-alarm rate of 6e-7 for each assertion.
    let n = 100_000;
    let angles = [1.5 * PI, 4.5 * PI];
    let mean_square = (angles[1].powi(3) - angles[0].powi(3)) / (3.0 * (angles[1] - angles[0]));
    let roll = 9.0 / angles[1].powi(2) * mean_square;
    let moons = 4.0 * (1.0 + 0.25 + 0.0625 - 0.5 * 2.0 / PI);
    let cases: [(&str, Box<dyn Target>, f64); 4] = [
        ("swiss roll", Box::new(SwissRoll::new(0.4).unwrap()), roll + 2.0 * 0.16),
        ("moons", Box::new(TwoMoons::new(0.3).unwrap()), moons + 2.0 * 0.09),
        // |γ|² = 9U.
        ("spirals", Box::new(Spirals::new(3, 0.7, 0.2).unwrap()), 4.5 + 2.0 * 0.04),
        // |X|² = 4((1 + s_r Z)² + s_t² Z²), whatever the twist.
        ("pinwheel", Box::new(Pinwheel::new(3, 0.5, 0.2, -1.0).unwrap()), 4.0 * (1.25 + 0.04)),
    ];
    for (name, target, expected) in cases {
        let x = sample(target.as_ref(), n, 8);
        let squares: ndarray::Array1<f64> = x.rows().into_iter().map(|x| x.dot(&x)).collect();
        let error = (squares.var(1.0) / n as f64).sqrt();
        let found = squares.mean().unwrap();
        assert!((found - expected).abs() < 5.0 * error, "{name}: {found} for {expected} ± {error}");
        if name != "swiss roll" {
            for column in x.columns() {
                let error = (column.var(1.0) / n as f64).sqrt();
                assert!(column.mean().unwrap().abs() < 5.0 * error, "{name}");
            }
        }
    }
}

#[test]
fn parameters_are_checked() {
    let range = |error: TargetError| match error {
        TargetError::Value { value, low, high, .. } => (value, low, high),
        TargetError::Count { value, low, high, .. } => (value as f64, low as f64, high as f64),
    };
    for noise in [0.0, -0.1, 0.009, 11.0, f64::INFINITY] {
        let expected = (noise, 0.01, 10.0);
        assert_eq!(range(SwissRoll::new(noise).unwrap_err()), expected);
        assert_eq!(range(TwoMoons::new(noise).unwrap_err()), expected);
        assert_eq!(range(Spirals::new(2, 1.5, noise).unwrap_err()), expected);
    }
    assert!(TwoMoons::new(f64::NAN).is_err());
    assert_eq!(range(Spirals::new(0, 1.5, 0.1).unwrap_err()), (0.0, 1.0, 16.0));
    assert_eq!(range(Spirals::new(2, -1.0, 0.1).unwrap_err()), (-1.0, 0.0, 10.0));
    assert_eq!(range(Pinwheel::new(65, 0.3, 0.1, 0.25).unwrap_err()), (65.0, 1.0, 64.0));
    assert_eq!(range(Pinwheel::new(5, 0.0, 0.1, 0.25).unwrap_err()), (0.0, 1e-3, 1.0));
    assert_eq!(range(Pinwheel::new(5, 0.3, 2.0, 0.25).unwrap_err()), (2.0, 1e-3, 1.0));
    assert_eq!(range(Pinwheel::new(5, 0.3, 0.1, 11.0).unwrap_err()), (11.0, -10.0, 10.0));
    assert!(StudentT::new(0, 3.0, 1.0).is_err());
    assert_eq!(range(StudentT::new(2, 0.0, 1.0).unwrap_err()), (0.0, 0.25, 1e6));
    assert_eq!(range(StudentT::new(2, 3.0, 0.0).unwrap_err()), (0.0, 1e-6, 1e6));
    assert_eq!(
        TwoMoons::new(20.0).unwrap_err().to_string(),
        "moons: the noise must be between 0.01 and 10, but is 20"
    );
}
