//! Jacobians of scores, how fast they let solutions part, and how much they rotate.

use fokker_fp_residual::{
    EstimateError, Rotation, curl_norms, one_sided_lipschitz, rotation_norms, score_jacobian,
};
use fokker_sde_core::{
    BatchError, GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Purpose, Real, Score, Sde,
    Streams, sample_target,
};
use ndarray::{Array2, Array3, ArrayView2, ArrayViewMut2, Axis, array};

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

/// The score `M x`.
struct Linear(Array2<f64>);

impl<F: Real> Score<F> for Linear {
    fn dim(&self) -> usize {
        self.0.nrows()
    }

    fn score(
        &self,
        _t: F,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), BatchError> {
        out.assign(&x.dot(&self.0.t().mapv(F::of)));
        Ok(())
    }
}

/// The Hessian of `log p` for a mixture of isotropic components `(w, m, v)`:
/// `E[(g_k − s)(g_k − s)ᵀ] − E[1/v_k] I`, `g_k = −(x − m_k)/v_k`, with responsibilities.
fn hessian(components: &[(f64, Vec<f64>, f64)], t: f64, x: &[f64]) -> Array2<f64> {
    let (d, law) = (x.len(), SDE.marginal(t));
    let mut terms = Vec::new();
    for (w, m, v) in components {
        let v = law.alpha.powi(2) * v + law.sigma.powi(2);
        let g: Vec<f64> = x.iter().zip(m).map(|(x, m)| (law.alpha * m - x) / v).collect();
        let squares: f64 = g.iter().map(|g| g * g).sum();
        terms.push((w * v.powf(-0.5 * d as f64) * (-0.5 * v * squares).exp(), g, 1.0 / v));
    }
    let total: f64 = terms.iter().map(|(r, ..)| r).sum();
    let score = |i: usize| terms.iter().map(|(r, g, _)| r * g[i]).sum::<f64>() / total;
    Array2::from_shape_fn((d, d), |(i, j)| {
        let spread =
            |(r, g, p): &(f64, Vec<f64>, f64)| r * (g[i] * g[j] - if i == j { *p } else { 0.0 });
        terms.iter().map(spread).sum::<f64>() / total - score(i) * score(j)
    })
}

#[test]
fn jacobians_are_the_hessians_of_mixtures_which_do_not_rotate() {
    for d in [1, 2, 3] {
        let mean = |k: usize| (0..d).map(|i| ((3 * i + 5 * k) as f64).sin()).collect();
        let components: Vec<(f64, Vec<f64>, f64)> =
            (0..3).map(|k| (1.0 + k as f64, mean(k), 0.1 + 0.1 * k as f64)).collect();
        let data = GaussianMixture::new(components.clone()).unwrap();
        let law = MixtureMarginals::new(data.clone(), SDE);
        // More than a block.
        let x = sample_target::<f64>(&data, 300, Streams::new(1), Purpose::Evaluation, 0);
        for t in [0.01, 0.3, 3.0] {
            let exact: Vec<Array2<f64>> =
                x.rows().into_iter().map(|x| hessian(&components, t, &x.to_vec())).collect();
            let worst = |jacobian: &Array3<f64>| {
                let off = jacobian
                    .outer_iter()
                    .zip(&exact)
                    .map(|(j, exact)| (&j - exact).iter().fold(0.0_f64, |m, e| m.max(e.abs())));
                off.fold(0.0, f64::max)
            };
            let length = SDE.marginal(t).sigma.max(0.1);
            let jacobian = score_jacobian::<f64>(&law, t, x.view(), length).unwrap();
            assert!(worst(&jacobian) < 2e-8, "d = {d}, t = {t}: {:e}", worst(&jacobian));
            let single = x.mapv(f32::of);
            let jacobian32 = score_jacobian::<f32>(&law, t, single.view(), length).unwrap();
            assert!(worst(&jacobian32) < 2e-2, "d = {d}, t = {t}: {:e}", worst(&jacobian32));
            let largest = rotation_norms(jacobian.view()).unwrap().fold(0.0_f64, |m, a| m.max(*a));
            assert!(largest < 2e-8, "d = {d}, t = {t}: {largest:e}");
            // d = 1: the number is that of the second derivative.
            if d == 1 {
                let numbers = one_sided_lipschitz(jacobian.view(), &SDE, t).unwrap();
                let off =
                    numbers.iter().zip(&exact).map(|(l, h)| (l - 1.0 - 0.5 * h[[0, 0]]).abs());
                assert!(off.fold(0.0, f64::max) < 1e-8);
            }
        }
    }
}

#[test]
fn differences_are_of_second_order() {
    // s = x³: (s(x + h) − s(x − h))/2h = 3x² + h², with h = ε^{1/3} length.
    struct Cubic;
    impl Score<f64> for Cubic {
        fn dim(&self) -> usize {
            1
        }
        fn score(
            &self,
            _t: f64,
            x: ArrayView2<'_, f64>,
            mut out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            out.assign(&x.mapv(|x| x * x * x));
            Ok(())
        }
    }
    for length in [1e2, 1e3, 1e4] {
        let jacobian = score_jacobian(&Cubic, 0.0, array![[1.0]].view(), length).unwrap();
        let h = f64::EPSILON.cbrt() * length;
        assert!(((jacobian[[0, 0, 0]] - 3.0) / (h * h) - 1.0).abs() < 1e-5, "{length}");
    }
}

/// A symmetric part with largest eigenvalue 2, and a rotation of known norm.
fn parts(d: usize) -> (Array2<f64>, Array2<f64>, f64) {
    // A reflection I − 2vvᵀ turns diag(2, −1, …, −1) into 3 q qᵀ − I with q its first column.
    let v: Vec<f64> = (0..d).map(|i| (1.0 + i as f64).sqrt()).collect();
    let square: f64 = v.iter().map(|v| v * v).sum();
    let q: Vec<f64> =
        (0..d).map(|i| f64::from(u8::from(i == 0)) - 2.0 * v[i] * v[0] / square).collect();
    let symmetric =
        Array2::from_shape_fn((d, d), |(i, j)| 3.0 * q[i] * q[j] - f64::from(u8::from(i == j)));
    let entry = |i: usize, j: usize| 0.3 + i as f64 + 2.0 * j as f64;
    let rotation = Array2::from_shape_fn((d, d), |(i, j)| match i.cmp(&j) {
        std::cmp::Ordering::Less => entry(i, j),
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => -entry(j, i),
    });
    let norm = rotation.iter().map(|a| a * a).sum::<f64>().sqrt();
    (symmetric, rotation, norm)
}

#[test]
fn linear_scores_have_their_rotation_and_their_lipschitz_number() {
    for d in [2, 3, 5] {
        let (symmetric, rotation, norm) = parts(d);
        let x = Array2::from_shape_fn((4, d), |(i, j)| (i as f64 - 1.5) * (1.0 + j as f64));
        let score = Linear(&symmetric + &rotation);
        let jacobian = score_jacobian::<f64>(&score, 0.4, x.view(), 1.0).unwrap();
        let numbers = one_sided_lipschitz(jacobian.view(), &SDE, 0.4).unwrap();
        // a = −1, g = 1: λ = 1 + ½·2; a rotation does not change distances.
        assert!(numbers.iter().all(|l| (l - 2.0).abs() < 1e-7), "d = {d}: {numbers}");
        let found = Rotation::of(jacobian.view()).unwrap();
        let (a, s) = (norm * norm, 4.0 + (d - 1) as f64);
        assert!((found.squared.mean / a - 1.0).abs() < 1e-8);
        assert!((found.jacobian_squared.mean / (a + s) - 1.0).abs() < 1e-8);
        assert!((found.share.mean / (a / (a + s)) - 1.0).abs() < 1e-8);
        assert!(found.share.standard_error < 1e-8);
        // Of the error of this score, if the symmetric part is the exact one, all is rotation.
        let exact = score_jacobian::<f64>(&Linear(symmetric), 0.4, x.view(), 1.0).unwrap();
        let error = Rotation::of((&jacobian - &exact).view()).unwrap();
        assert!((error.share.mean - 1.0).abs() < 1e-8);
        let curls = curl_norms(jacobian.view());
        if d == 5 {
            assert!(matches!(curls, Err(EstimateError::Range { value: 5.0, .. })));
            continue;
        }
        // By its components: in the plane ∂_1 s_2 − ∂_2 s_1 alone.
        let m = rotation;
        let curl: f64 = match d {
            2 => (m[[1, 0]] - m[[0, 1]]).abs(),
            _ => [(2, 1), (0, 2), (1, 0)]
                .map(|(i, j)| (m[[i, j]] - m[[j, i]]).powi(2))
                .iter()
                .sum::<f64>()
                .sqrt(),
        };
        assert!(curls.unwrap().iter().all(|c| (c / curl - 1.0).abs() < 1e-8), "d = {d}");
    }
}

#[test]
fn shares_have_the_error_of_a_ratio() {
    // Rotation a_i = u_i and symmetric part of square 1: share E[2u²]/E[2u² + 1] over two values of u², each in half
    // of the points.
    let n = 4000;
    let jacobian = Array3::from_shape_fn((n, 2, 2), |(k, i, j)| {
        let u = if k % 2 == 0 { 1.0 } else { 2.0 };
        match (i, j) {
            (0, 1) => u,
            (1, 0) => -u,
            (0, 0) => 1.0,
            _ => 0.0,
        }
    });
    let found = Rotation::of(jacobian.view()).unwrap();
    let ratio = 5.0 / 6.0;
    // (u − r v)/E v at 2u² = 2 and 8: ±(2 − 3r)/6 and so on.
    let spread = ((2.0 - 3.0 * ratio) / 6.0_f64).abs();
    assert!((found.share.mean - ratio).abs() < 1e-12);
    assert!((found.share.standard_error / (spread / (n as f64).sqrt()) - 1.0).abs() < 1e-3);
}

#[test]
fn what_is_no_number_is_named() {
    struct Broken;
    impl Score<f64> for Broken {
        fn dim(&self) -> usize {
            1
        }
        fn score(
            &self,
            _t: f64,
            x: ArrayView2<'_, f64>,
            mut out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            out.assign(&x.mapv(f64::sqrt));
            Ok(())
        }
    }
    let mut x = Array2::ones((600, 1));
    x.slice_axis_mut(Axis(0), (300..).into()).fill(-1.0);
    let error = score_jacobian(&Broken, 0.5, x.view(), 1.0).unwrap_err();
    assert!(matches!(error, EstimateError::NotFinite { t: 0.5, point: 300, .. }), "{error}");
    let error = score_jacobian(&Broken, 0.5, x.view(), 0.0).unwrap_err();
    assert!(matches!(error, EstimateError::Range { value: 0.0, .. }));
    let mut jacobian = Array3::<f64>::zeros((3, 2, 2));
    jacobian[[2, 1, 0]] = f64::NAN;
    let error = one_sided_lipschitz(jacobian.view(), &SDE, 0.1).unwrap_err();
    assert!(matches!(error, EstimateError::NotFinite { point: 2, .. }));
    let one = jacobian.select(Axis(0), &[0]);
    assert!(matches!(Rotation::of(one.view()), Err(EstimateError::TooFew { found: 1, .. })));
    assert!(one_sided_lipschitz(jacobian.slice_axis(Axis(2), (..1).into()), &SDE, 0.1).is_err());
}
