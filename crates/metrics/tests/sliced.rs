//! The sliced distance against closed forms, quadrature over directions, and itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::f64::consts::PI;
use std::sync::Mutex;

use fokker_metrics::{
    Distance, MassError, PointsError, Side, SlicedError, sliced_wasserstein, wasserstein_line,
};
use ndarray::{Array2, ArrayView2, Axis, Slice, array};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rayon::ThreadPoolBuilder;

fn rng(seed: u64) -> impl Fn(u64) -> ChaCha8Rng + Sync {
    move |k| {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(k);
        rng
    }
}

/// Normal points with mean 0 and the covariance `scale² I`.
fn normal(n: usize, d: usize, scale: f64, rng: &mut impl Rng) -> Array2<f64> {
    let mut draw = || -> f64 { StandardNormal.sample(rng) };
    Array2::from_shape_simple_fn((n, d), || scale * draw())
}

fn sliced(
    first: &Array2<f64>,
    second: &Array2<f64>,
    order: f64,
    projections: u64,
    seed: u64,
) -> Distance {
    sliced_wasserstein(first.view(), second.view(), order, projections, rng(seed)).unwrap()
}

/// How many standard errors lie between the value and the truth.
fn deviation(found: &Distance, truth: f64) -> f64 {
    (found.value - truth) / found.standard_error.unwrap()
}

/// A translation by `v` costs `(θ·v)²` in each direction, of mean `|v|²/d` and variance
/// `2 (d − 1) |v|⁴ / (d² (d + 2))`, or `|θ·v|`, of mean `Γ(d/2) / (√π Γ((d + 1)/2)) |v|`.
///
/// Eight deviations of at most 5 standard errors: a false alarm once in a hundred thousand.
#[test]
fn a_translation_has_its_closed_form() {
    let mut draw = ChaCha8Rng::seed_from_u64(1);
    let projections = 4000;
    for (d, mean) in [(2, 2.0 / PI), (3, 0.5), (4, 4.0 / (3.0 * PI)), (5, 0.375)] {
        let points = normal(6, d, 1.0, &mut draw);
        let v = normal(1, d, 1.0, &mut draw);
        let length2 = v.iter().map(|x| x * x).sum::<f64>();
        let (there, dim) = (&points + &v, d as f64);
        let squared = sliced(&points, &there, 2.0, projections, 2);
        assert!(deviation(&squared, length2 / dim).abs() < 5.0, "{d} {squared:?}");
        assert!(squared.squared);
        assert_eq!((squared.n, squared.floor), ([Some(6); 2], None));
        let variance = 2.0 * (dim - 1.0) / (dim * dim * (dim + 2.0)) * length2 * length2;
        let expected = (variance / projections as f64).sqrt();
        // The kurtosis of (θ·v)² is below 15: the error of a standard error of 4000 is below 3 %.
        assert!((squared.standard_error.unwrap() / expected - 1.0).abs() < 0.15);
        let first = sliced(&points, &there, 1.0, projections, 3);
        assert!(deviation(&first, mean * length2.sqrt()).abs() < 5.0, "{d} {first:?}");
        assert!(!first.squared);
    }
}

/// Between `N(0, I)` and `N(0, s² I)`, `W_2² = (1 − s)²` and `W_1 = |1 − s| √(2/π)` in every
/// direction.
///
/// With `n` points a standard deviation is found to `s / √(2n)` at worst, when all directions err
/// alike, and the square of the difference to `2 |1 − s| √((1 + s²) / (2n))`. Six errors of at most
/// five times that: a false alarm once in three hundred thousand. The bias is of the order
/// `log log n / n`, far less.
#[test]
fn normal_laws_have_their_closed_form() {
    let mut draw = ChaCha8Rng::seed_from_u64(4);
    let (n, s) = (20_000, 1.5);
    for (d, m) in [(1, n), (2, n), (5, n / 2)] {
        let (first, second) = (normal(n, d, 1.0, &mut draw), normal(m, d, s, &mut draw));
        let spread = ((1.0 + s * s) / (2.0 * m as f64)).sqrt();
        let found = sliced(&first, &second, 2.0, 20, 5);
        let error = found.value - (1.0 - s) * (1.0 - s);
        assert!(error.abs() < 5.0 * 2.0 * (s - 1.0) * spread, "{d} {error}");
        // E|x| varies by √(1 − 2/π) s / √n, which is less than the standard deviation does.
        let found = sliced(&first, &second, 1.0, 20, 6);
        let error = found.value - (s - 1.0) * (2.0 / PI).sqrt();
        assert!(error.abs() < 5.0 * spread, "{d} {error}");
    }
}

/// In the plane the mean over directions is an integral over an angle, here by the trapezoidal
/// rule.
///
/// Six deviations of at most 5 standard errors: a false alarm once in a hundred thousand.
#[test]
fn the_mean_over_directions_is_that_of_quadrature() {
    let mut draw = ChaCha8Rng::seed_from_u64(7);
    for m in [40, 27] {
        let (first, mut second) = (normal(40, 2, 1.0, &mut draw), normal(m, 2, 0.6, &mut draw));
        second.column_mut(0).map_inplace(|x| *x = 2.0 * *x + 1.0);
        for order in [1.0, 2.0, 1.5] {
            let nodes = 2000;
            let at = |k: i32| {
                let (sin, cos) = (PI * f64::from(k) / f64::from(nodes)).sin_cos();
                let on = |points: &Array2<f64>| points.dot(&array![cos, sin]).to_vec();
                wasserstein_line(&on(&first), &on(&second), None, order).unwrap().distance.value
            };
            let truth = (0..nodes).map(at).sum::<f64>() / f64::from(nodes);
            let found = sliced(&first, &second, order, 3000, 8);
            assert!(deviation(&found, truth).abs() < 5.0, "{m} {order} {truth} {found:?}");
            // So that the deviation says something.
            assert!(found.standard_error.unwrap() < 0.02 * truth);
        }
    }
}

/// The deviations from a known value, in standard errors, have mean square 1.
#[test]
fn the_standard_error_is_that_of_the_value() {
    let (points, v) = (array![[0.3, -1.0, 0.2], [0.0, 0.5, 2.0]], array![[1.0, 2.0, -2.0]]);
    let there = &points + &v;
    let runs = 400;
    let deviations: Vec<f64> = (0..runs)
        .map(|seed| deviation(&sliced(&points, &there, 2.0, 200, 100 + seed), 3.0))
        .collect();
    // The mean of 400 squares of nearly normal numbers varies by √(2/400), of which 0.35 is five
    // times: a false alarm once in a million.
    let square = deviations.iter().map(|z| z * z).sum::<f64>() / runs as f64;
    assert!((square - 1.0).abs() < 0.35, "{square}");
    let [few, many] = [100, 10_000].map(|count| sliced(&points, &there, 2.0, count, 9));
    let ratio = few.standard_error.unwrap() / many.standard_error.unwrap();
    // A hundred times the directions: 10, to 5 times the 7 % by which the first one varies.
    assert!((6.5..13.5).contains(&ratio), "{ratio}");
}

#[test]
fn in_one_dimension_it_is_the_distance_on_the_line() {
    let mut draw = ChaCha8Rng::seed_from_u64(10);
    for m in [50, 31] {
        let (first, second) = (normal(50, 1, 1.0, &mut draw), normal(m, 1, 2.0, &mut draw));
        for order in [1.0, 2.0, 2.5] {
            let (a, b) = (first.column(0).to_vec(), second.column(0).to_vec());
            let line = wasserstein_line(&a, &b, None, order).unwrap().distance;
            let found = sliced(&first, &second, order, 7, 11);
            assert!((found.value / line.value - 1.0).abs() < 1e-14);
            assert!(found.standard_error.unwrap() < 1e-14);
            assert_eq!((found.n, found.squared), (line.n, line.squared));
        }
    }
}

/// `SW_2² ≤ W_2² / d`, with equality for translations: any assignment bounds it.
#[test]
fn it_is_at_most_the_distance_itself() {
    let mut draw = ChaCha8Rng::seed_from_u64(12);
    for d in [2, 3, 8] {
        let (first, second) = (normal(30, d, 1.0, &mut draw), normal(30, d, 1.0, &mut draw));
        let assigned = (&first - &second).mapv(|x| x * x).sum() / 30.0;
        let found = sliced(&first, &second, 2.0, 500, 13);
        assert!(found.value > 0.0 && found.value < assigned / d as f64);
    }
}

#[test]
fn neither_the_order_of_points_nor_of_sides_nor_their_layout_matters() {
    let mut draw = ChaCha8Rng::seed_from_u64(14);
    for m in [40, 33] {
        let (first, second) = (normal(40, 3, 1.0, &mut draw), normal(m, 3, 2.0, &mut draw));
        let found = sliced(&first, &second, 2.0, 10, 15);
        assert_eq!(sliced(&second, &first, 2.0, 10, 15).value, found.value);
        let shuffled = first.select(Axis(0), &(0..40).map(|i| i * 7 % 40).collect::<Vec<_>>());
        assert_eq!(sliced(&shuffled, &second, 2.0, 10, 15), found);
        let again = |first: ArrayView2<'_, f64>| {
            sliced_wasserstein(first, second.view(), 2.0, 10, rng(15)).unwrap()
        };
        assert_eq!(again(first.slice_axis(Axis(0), Slice::new(0, None, -1))), found);
        assert_eq!(again(first.t().as_standard_layout().t()), found);
        let wide = Array2::from_shape_fn((40, 6), |(i, k)| first[[i, k / 2]]);
        assert_eq!(again(wide.slice_axis(Axis(1), Slice::new(1, None, 2))), found);
        let repeated = ndarray::concatenate![Axis(0), first, first, first];
        assert!((sliced(&repeated, &second, 2.0, 10, 15).value / found.value - 1.0).abs() < 1e-13);
    }
}

#[test]
fn the_unit_of_length_does_not_matter() {
    let mut draw = ChaCha8Rng::seed_from_u64(24);
    let (first, second) = (normal(9, 3, 1.0, &mut draw), normal(8, 3, 1.0, &mut draw));
    let found = sliced(&first, &second, 2.0, 10, 25);
    // The squares of the squares of these lengths are beyond all numbers.
    for exponent in [400, -400] {
        let unit = 2f64.powi(exponent);
        let scaled = sliced(&(&first * unit), &(&second * unit), 2.0, 10, 25);
        assert_eq!(scaled.value / unit / unit, found.value);
        let [error, expected] = [&scaled, &found].map(|found| found.standard_error.unwrap());
        assert!((error / unit / unit / expected - 1.0).abs() < 1e-14);
    }
}

#[test]
fn equal_sets_are_at_distance_zero() {
    let points = normal(100, 4, 3.0, &mut ChaCha8Rng::seed_from_u64(16));
    for order in [1.0, 2.0, 1.3] {
        let found = sliced(&points, &points, order, 5, 17);
        assert_eq!((found.value, found.standard_error), (0.0, Some(0.0)));
    }
}

#[test]
fn single_precision_counts_as_its_exact_value() {
    let points = normal(60, 2, 1.0, &mut ChaCha8Rng::seed_from_u64(18)).mapv(|x| x as f32);
    let (a, b) = points.view().split_at(Axis(0), 40);
    let found = sliced_wasserstein(a, b, 2.0, 9, rng(19)).unwrap();
    let wide = [a, b].map(|points| points.mapv(f64::from));
    assert_eq!(sliced(&wide[0], &wide[1], 2.0, 9, 19), found);
}

#[test]
fn threads_do_not_change_a_bit() {
    let mut draw = ChaCha8Rng::seed_from_u64(20);
    let (first, second) = (normal(300, 2, 1.0, &mut draw), normal(200, 2, 2.0, &mut draw));
    let found = [1, 2, 3, 7].map(|threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let found = pool.install(|| sliced(&first, &second, 1.0, 50, 21));
        (found.value.to_bits(), found.standard_error.unwrap().to_bits())
    });
    assert_eq!(found, [found[0]; 4]);
}

#[test]
fn each_direction_has_its_own_generator() {
    let points = array![[0.0, 1.0], [1.0, 1.0]];
    let asked = Mutex::new(Vec::new());
    let observed = |k| {
        asked.lock().unwrap().push(k);
        rng(22)(k)
    };
    let found = sliced_wasserstein(points.view(), (&points * 3.0).view(), 2.0, 40, observed);
    assert_eq!(found.unwrap(), sliced(&points, &(&points * 3.0), 2.0, 40, 22));
    let mut asked = asked.into_inner().unwrap();
    asked.sort_unstable();
    assert_eq!(asked, (0..40).collect::<Vec<_>>());
}

#[test]
fn bad_input_is_refused() {
    let refused = |first: &Array2<f64>, second: &Array2<f64>, order, projections| {
        sliced_wasserstein(first.view(), second.view(), order, projections, rng(23)).unwrap_err()
    };
    let one = array![[1.0, 2.0]];
    for order in [0.5, -1.0, f64::INFINITY] {
        assert_eq!(refused(&one, &one, order, 9), SlicedError::Order { order });
    }
    assert!(matches!(refused(&one, &one, f64::NAN, 9), SlicedError::Order { .. }));
    for projections in [0, 1] {
        assert_eq!(refused(&one, &one, 1.0, projections), SlicedError::Projections { projections });
    }
    let columns =
        |first, second| refused(&Array2::zeros((3, first)), &Array2::zeros((3, second)), 1.0, 9);
    for (first, second) in [(2, 3), (0, 1), (0, 0)] {
        assert_eq!(
            columns(first, second),
            SlicedError::Points(PointsError::Columns { first, second })
        );
    }
    let none = Array2::zeros((0, 2));
    let empty = |side| SlicedError::Points(MassError::Empty { side }.into());
    assert_eq!(refused(&none, &one, 1.0, 9), empty(Side::First));
    assert_eq!(refused(&one, &none, 1.0, 9), empty(Side::Second));
    for value in [f64::INFINITY, f64::NEG_INFINITY] {
        let bad = array![[0.0, 0.0], [0.0, value]];
        let side = Side::Second;
        let error = SlicedError::Points(PointsError::Point { side, row: 1, column: 1, value });
        assert_eq!(refused(&one, &bad, 1.0, 9), error);
    }
    let bad = array![[0.0, 0.0], [f64::NAN, 0.0]];
    let error = refused(&bad, &one, 1.0, 9);
    let SlicedError::Points(error) = error else { panic!("{error}") };
    assert!(matches!(error, PointsError::Point { side: Side::First, row: 1, column: 0, .. }));
    for (far, order) in [(1e160, 2.0), (1e120, 3.0), (f64::MAX, 1.0)] {
        let error = refused(&array![[-far, -far]], &array![[far, far]], order, 9);
        assert_eq!(error, SlicedError::Overflow { order });
    }
    // Both sides overflow alike.
    let far = array![[f64::MAX, f64::MAX], [-f64::MAX, f64::MAX]];
    let error = refused(&far, &far, 1.0, 50);
    assert_eq!(error, SlicedError::Overflow { order: 1.0 });
}
