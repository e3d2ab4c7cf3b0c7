//! Mixtures with full covariances: densities, derivatives, the Fokker–Planck equation, moments,
//! refusals.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::f64::consts::PI;

use fokker_sde_core::{
    GaussianMixture, Jet, MixtureError, MixtureMarginals, OrnsteinUhlenbeck, Potential, Purpose,
    Score, ScoreJet, Sde, SmoothScore, StreamRng, Streams, Target, sample_target,
};
use ndarray::{Array1, Array2, Axis, array};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;
/// Eigenvalues of covariances: of one magnitude, and with condition numbers up to 1e6.
const TAME: [f64; 2] = [0.1, 2.0];
const WILD: [f64; 2] = [1e-4, 1e2];

fn normals(rng: &mut StreamRng, rows: usize, columns: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((rows, columns), || StandardNormal.sample(rng))
}

/// `Q Λ Qᵀ` with axes of Gaussian vectors, orthogonalised, and eigenvalues log-uniform between bounds;
/// the first two are the bounds themselves.
fn covariance(rng: &mut StreamRng, dim: usize, [low, high]: [f64; 2]) -> Array2<f64> {
    let mut axes = normals(rng, dim, dim);
    let mut sum = Array2::zeros((dim, dim));
    for i in 0..dim {
        let mut axis = axes.row(i).to_owned();
        // Twice, for orthogonality to rounding.
        for _ in 0..2 {
            for j in 0..i {
                let other = axes.row(j).to_owned();
                axis = &axis - &(&other * axis.dot(&other));
            }
            axis /= axis.dot(&axis).sqrt();
        }
        axes.row_mut(i).assign(&axis);
        let place = if i < 2 { i as f64 } else { rng.random() };
        let column = axis.insert_axis(Axis(1));
        sum += &(column.dot(&column.t()) * (low * (high / low).powf(place)));
    }
    sum
}

/// Three components of weights 1 : 2 : 3 with standard normal means.
fn mixture(seed: u64, dim: usize, bounds: [f64; 2]) -> GaussianMixture {
    let mut rng = Streams::new(seed).rng(Purpose::Evaluation, dim as u64, 0);
    let component = |k| {
        let mean = normals(&mut rng, 1, dim).into_iter().collect();
        (f64::from(k), mean, covariance(&mut rng, dim, bounds))
    };
    GaussianMixture::with_covariances((1..=3).map(component).collect()).unwrap()
}

/// Times in `[t_min, 2]` and a point of the law at each.
fn points(law: &GaussianMixture, n: usize, t_min: f64) -> (Array1<f64>, Array2<f64>) {
    let mut rng = Streams::new(11).rng(Purpose::Evaluation, 0, 0);
    let t = Array1::from_shape_simple_fn(n, || t_min + (2.0 - t_min) * rng.random::<f64>());
    let mut x = Array2::zeros((n, law.dim()));
    for (mut row, &t) in x.rows_mut().into_iter().zip(&t) {
        law.diffused(SDE.marginal(t)).draw(&mut rng, row.as_slice_mut().unwrap());
    }
    (t, x)
}

fn jet_of(law: &MixtureMarginals<OrnsteinUhlenbeck>, t: &Array1<f64>, x: &Array2<f64>) -> Jet<f64> {
    let mut jet = Jet::zeros(x.nrows(), x.ncols());
    law.jet(t.view(), x.view(), &mut jet).unwrap();
    jet
}

fn score_jet_of(
    law: &MixtureMarginals<OrnsteinUhlenbeck>,
    t: &Array1<f64>,
    x: &Array2<f64>,
) -> ScoreJet<f64> {
    let mut jet = ScoreJet::zeros(x.nrows(), x.ncols());
    law.score_jet(t.view(), x.view(), &mut jet).unwrap();
    jet
}

/// Whether arrays agree entry by entry, relative to the larger of 1 and the entries.
fn agree<'a>(
    found: impl IntoIterator<Item = &'a f64>,
    expected: impl IntoIterator<Item = &'a f64>,
    tolerance: f64,
) -> bool {
    found
        .into_iter()
        .zip(expected)
        .all(|(a, b)| (a - b).abs() <= tolerance * b.abs().max(a.abs()).max(1.0))
}

#[test]
fn the_density_in_the_plane_is_the_textbook_one() {
    // N(x; m, Σ) with Σ = [[a, b], [b, c]] has |Σ| = ac − b² and Σ⁻¹ = [[c, −b], [−b, a]] / |Σ|.
    let term = |[x, y]: [f64; 2], [p, q]: [f64; 2], [a, b, c]: [f64; 3]| {
        let determinant = a * c - b * b;
        let (u, v) = (x - p, y - q);
        let squares = (c * u * u - 2.0 * b * u * v + a * v * v) / determinant;
        (-0.5 * squares).exp() / (2.0 * PI * determinant.sqrt())
    };
    let (first, second) = ([1.3, -0.7, 0.6], [0.02, 0.05, 0.4]);
    let matrix = |[a, b, c]: [f64; 3]| array![[a, b], [b, c]];
    let law = GaussianMixture::with_covariances(vec![
        (1.0, vec![0.5, -1.0], matrix(first)),
        (4.0, vec![-0.2, 0.3], matrix(second)),
    ])
    .unwrap();
    for x in [[0.0, 0.0], [0.5, -1.0], [1.7, 2.0], [-3.0, 0.4]] {
        let expected = 0.2 * term(x, [0.5, -1.0], first) + 0.8 * term(x, [-0.2, 0.3], second);
        let found = law.density(&x).unwrap();
        assert!((found / expected - 1.0).abs() < 1e-13, "{found} for {expected} at {x:?}");
    }
    assert_eq!(law.log_density(&[1e200, 0.0]), f64::NEG_INFINITY);
}

#[test]
fn densities_integrate_to_one() {
    // The midpoint rule converges faster than any power of its step for a smooth integrand that
    // vanishes at the ends: with steps of a sixth of the least standard deviation the error is below
    // 1e-15, and outside of ±12 there is no more mass than that either.
    for seed in 0..3 {
        let narrow = [0.04, 1.0];
        let step = 0.2 / 6.0;
        let half = (12.0_f64 / step) as i64;
        let at = |i: i64| (i as f64 + 0.5) * step;
        let line = mixture(seed, 1, narrow);
        let mass: f64 = (-half..half).map(|i| line.density(&[at(i)]).unwrap()).sum();
        assert!((mass * step - 1.0).abs() < 1e-13, "{mass}");
        let plane = mixture(seed, 2, narrow);
        let row = |i| (-half..half).map(move |j| [at(i), at(j)]);
        let mass: f64 =
            (-half..half).flat_map(row).map(|x| plane.density(&x).unwrap()).sum::<f64>();
        assert!((mass * step * step - 1.0).abs() < 1e-12, "{mass}");
    }
}

#[test]
fn a_scalar_covariance_is_the_isotropic_one() {
    let spec = [(1.0, vec![0.5, -1.0, 2.0], 0.3), (2.0, vec![0.0, 1.0, 0.0], 1.7)];
    let matrix = |(weight, mean, variance)| (weight, mean, Array2::from_diag_elem(3, variance));
    let scalar = GaussianMixture::new(spec.to_vec()).unwrap();
    let full = GaussianMixture::with_covariances(spec.map(matrix).to_vec()).unwrap();
    let (t, x) = points(&scalar, 100, 0.0);
    assert!(agree(&full.mean(), &scalar.mean(), 1e-14));
    assert!(agree(&full.covariance(), &scalar.covariance(), 1e-14));
    let [scalar, full] = [scalar, full].map(|data| MixtureMarginals::new(data, SDE));
    let (a, b) = (jet_of(&scalar, &t, &x), jet_of(&full, &t, &x));
    assert!(agree(&a.value, &b.value, 1e-12));
    assert!(agree(&a.time_derivative, &b.time_derivative, 1e-12));
    assert!(agree(&a.gradient, &b.gradient, 1e-12));
    assert!(agree(&a.laplacian, &b.laplacian, 1e-12));
    let (a, b) = (score_jet_of(&scalar, &t, &x), score_jet_of(&full, &t, &x));
    assert!(agree(&a.time_derivative, &b.time_derivative, 1e-12));
}

#[test]
fn jets_agree_with_finite_differences() {
    let h = 1e-5;
    for dim in [1, 2, 3, 7] {
        let data = mixture(3, dim, TAME);
        let (t, x) = points(&data, 100, 0.01);
        let law = MixtureMarginals::new(data, SDE);
        let (jet, score) = (jet_of(&law, &t, &x), score_jet_of(&law, &t, &x));
        assert_eq!((&jet.gradient, &jet.laplacian), (&score.score, &score.divergence));
        let (after, before) = (jet_of(&law, &(&t + h), &x), jet_of(&law, &(&t - h), &x));
        let rate = (&after.value - &before.value) / (2.0 * h);
        assert!(agree(&jet.time_derivative, &rate, 1e-7), "∂_tφ, d = {dim}");
        let score_rate = (&after.gradient - &before.gradient) / (2.0 * h);
        assert!(agree(&score.time_derivative, &score_rate, 1e-7), "∂_t s, d = {dim}");
        let mut laplacian = Array1::zeros(t.len());
        for axis in 0..dim {
            let moved = |h: f64| {
                let mut x = x.clone();
                x.column_mut(axis).iter_mut().for_each(|x| *x += h);
                jet_of(&law, &t, &x)
            };
            let (plus, minus) = (moved(h), moved(-h));
            let slope = (&plus.value - &minus.value) / (2.0 * h);
            assert!(agree(jet.gradient.column(axis), &slope, 1e-7), "∇φ, d = {dim}");
            // The derivatives in t and in x commute.
            let slope = (&plus.time_derivative - &minus.time_derivative) / (2.0 * h);
            assert!(agree(score.time_derivative.column(axis), &slope, 1e-7), "∇∂_tφ, d = {dim}");
            laplacian +=
                &((&plus.gradient.column(axis) - &minus.gradient.column(axis)) / (2.0 * h));
        }
        assert!(agree(&jet.laplacian, &laplacian, 1e-7), "Δφ, d = {dim}");
    }
}

#[test]
fn the_fokker_planck_equation_holds_whatever_the_condition() {
    // ε = ∂_tφ + ∇·f + f·∇φ − ½g²(Δφ + |∇φ|²) with f = −x, g = 1, relative to its largest term.
    for dim in [1, 2, 3, 7] {
        for bounds in [TAME, WILD] {
            let data = mixture(5, dim, bounds);
            let (t, x) = points(&data, 1000, 0.0);
            let jet = jet_of(&MixtureMarginals::new(data, SDE), &t, &x);
            for i in 0..t.len() {
                let s = jet.gradient.row(i);
                let terms = [
                    jet.time_derivative[i],
                    -(dim as f64),
                    -x.row(i).dot(&s),
                    -0.5 * jet.laplacian[i],
                    -0.5 * s.dot(&s),
                ];
                let residual: f64 = terms.iter().sum();
                let size = terms.iter().fold(0.0_f64, |size, term| size.max(term.abs()));
                assert!(residual.abs() < 1e-9 * size, "ε = {residual:e} of {size:e}, d = {dim}");
            }
        }
    }
}

#[test]
fn the_score_is_that_of_the_jet_in_both_precisions() {
    let data = mixture(7, 3, TAME);
    let (_, x) = points(&data, 50, 0.0);
    let law = MixtureMarginals::new(data, SDE);
    let t = Array1::from_elem(50, 0.3);
    let mut wide = Array2::zeros((50, 3));
    law.score(0.3, x.view(), wide.view_mut()).unwrap();
    assert_eq!(wide, jet_of(&law, &t, &x).gradient);
    let (narrow_t, narrow_x) = (t.mapv(|t| t as f32), x.mapv(|x| x as f32));
    let mut narrow = ScoreJet::<f32>::zeros(50, 3);
    law.score_jet(narrow_t.view(), narrow_x.view(), &mut narrow).unwrap();
    assert!(agree(&narrow.score.mapv(f64::from), &wide, 1e-5));
    let mut short = ScoreJet::<f64>::zeros(50, 2);
    assert!(law.score_jet(t.view(), x.view(), &mut short).is_err());
    assert!(law.score_jet(t.view(), x.t(), &mut ScoreJet::zeros(50, 3)).is_err());
}

#[test]
fn far_from_the_data_the_divergence_does_not_cancel() {
    // Where one component has all the mass, Δφ = −d/v; E|g|² − |s|² is 1e10 there.
    let near = vec![(1.0, vec![-1.0, 0.0], 0.01), (1.0, vec![1.0, 0.0], 0.01)];
    let law = MixtureMarginals::new(GaussianMixture::new(near).unwrap(), SDE);
    let jet = jet_of(&law, &array![0.0], &array![[1000.0, 300.0]]);
    assert!((jet.laplacian[0] + 200.0).abs() < 1e-9, "{}", jet.laplacian[0]);
}

#[test]
fn samples_have_the_mean_and_covariance_of_the_law() {
    // Each moment within 5 of its standard errors, which come from the sample: a false-alarm rate of
    // 6e-7 for each of the 2·(7 + 49) assertions.
    let n = 100_000;
    for bounds in [TAME, WILD] {
        let law = mixture(9, 7, bounds);
        let x: Array2<f64> = sample_target(&law, n, Streams::new(4), Purpose::Truth, 0);
        let (mean, covariance) = (Array1::from_vec(law.mean()), law.covariance());
        let centred = &x - &mean;
        let within = |values: Array1<f64>, expected: f64| {
            let error = (values.var(1.0) / n as f64).sqrt();
            assert!(
                (values.mean().unwrap() - expected).abs() < 5.0 * error,
                "{expected} ± {error}"
            );
        };
        for i in 0..7 {
            within(x.column(i).to_owned(), mean[i]);
            for j in 0..7 {
                within(&centred.column(i) * &centred.column(j), covariance[[i, j]]);
            }
        }
    }
}

#[test]
fn diffusing_twice_is_diffusing_once() {
    let data = mixture(13, 3, WILD);
    let twice = data.diffused(SDE.marginal(0.2)).diffused(SDE.marginal(0.5));
    let once = data.diffused(SDE.marginal(0.7));
    for x in points(&data, 100, 0.0).1.rows() {
        let x = x.as_slice().unwrap();
        assert!((twice.log_density(x) - once.log_density(x)).abs() < 1e-9);
    }
    let scale = (-1.4_f64).exp();
    let expected = data.covariance() * scale + Array2::from_diag_elem(3, 0.5 * (1.0 - scale));
    assert!(agree(&once.covariance(), &expected, 1e-13));
}

#[test]
fn covariances_are_checked() {
    let good = (1.0, vec![0.0, 0.0], Array2::eye(2));
    let refusal = |matrix: Array2<f64>| {
        let bad = (1.0, vec![0.0, 0.0], matrix);
        GaussianMixture::with_covariances(vec![good.clone(), bad]).unwrap_err()
    };
    assert_eq!(
        refusal(Array2::eye(3)),
        MixtureError::Shape { component: 1, expected: 2, found: [3, 3] }
    );
    assert_eq!(
        refusal(array![[1.0, 0.5], [0.4, 1.0]]),
        MixtureError::Asymmetric { component: 1, row: 1, column: 0, value: 0.4, mirrored: 0.5 }
    );
    let infinite = f64::INFINITY;
    assert_eq!(
        refusal(array![[1.0, infinite], [infinite, 1.0]]),
        MixtureError::Entry { component: 1, row: 0, column: 1, value: infinite }
    );
    assert!(refusal(array![[1.0, f64::NAN], [0.0, 1.0]]).to_string().contains("(0, 1)"));
    for (matrix, expected) in [
        (array![[1.0, 2.0], [2.0, 1.0]], -1.0),
        (array![[2.0, 2.0], [2.0, 2.0]], 0.0),
        (array![[-1.0, 0.0], [0.0, -1.0]], -1.0),
        (Array2::zeros((2, 2)), 0.0),
    ] {
        let MixtureError::NotPositive { component: 1, smallest, .. } = refusal(matrix) else {
            panic!("another refusal")
        };
        assert!((smallest - expected).abs() < 1e-15);
    }
    // Asymmetry by rounding is none, and no entry is too large or small to be decomposed.
    for matrix in [
        array![[1.0, 0.5], [0.5 + 1e-10, 1.0]],
        array![[1e300, 0.0], [0.0, 1e300]],
        array![[1e-300, 5e-301], [5e-301, 1e-300]],
    ] {
        let law = GaussianMixture::with_covariances(vec![(1.0, vec![0.0, 0.0], matrix)]).unwrap();
        assert!(law.log_density(&[0.0, 0.0]).is_finite());
    }
    let heavy = vec![(1e308, vec![0.0], 1.0), (1e308, vec![0.0], 1.0)];
    assert_eq!(GaussianMixture::new(heavy), Err(MixtureError::TotalWeight(f64::INFINITY)));
}
