//! Energy distance and maximum mean discrepancy: closed forms, naive sums and invariances.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::f64::consts::{FRAC_2_PI, PI};

use fokker_metrics::{
    Distance, MassError, PairwiseError, PointsError, Side, median_bandwidth,
    squared_energy_distance, squared_mmd,
};
use ndarray::{Array2, ArrayView1, ArrayView2, array, concatenate};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};
use rayon::ThreadPoolBuilder;

const BANDWIDTHS: [f64; 2] = [0.3, 2.0];

fn normal(n: usize, d: usize, rng: &mut ChaCha8Rng) -> Array2<f64> {
    Array2::from_shape_simple_fn((n, d), || StandardNormal.sample(rng))
}

fn energy(x: &Array2<f64>, y: &Array2<f64>) -> Distance {
    squared_energy_distance(x.view(), y.view()).unwrap()
}

fn mmd(x: &Array2<f64>, y: &Array2<f64>) -> Distance {
    squared_mmd(x.view(), y.view(), &BANDWIDTHS).unwrap()
}

/// The distance between two rows.
fn distance(x: ArrayView1<'_, f64>, y: ArrayView1<'_, f64>) -> f64 {
    x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>().sqrt()
}

/// The mean of a function of the distance over all pairs of rows.
fn mean_over_pairs(x: &Array2<f64>, y: &Array2<f64>, k: &impl Fn(f64) -> f64) -> f64 {
    let over = |a| y.rows().into_iter().map(|b| k(distance(a, b))).sum::<f64>() / y.nrows() as f64;
    x.rows().into_iter().map(over).sum::<f64>() / x.nrows() as f64
}

/// The V-statistic and its floor by their definitions.
fn naive(x: &Array2<f64>, y: &Array2<f64>, k: impl Fn(f64) -> f64) -> [f64; 2] {
    let mean = |x, y| mean_over_pairs(x, y, &k);
    let value = mean(x, x) + mean(y, y) - 2.0 * mean(x, y);
    let all = concatenate![ndarray::Axis(0), *x, *y];
    let count = all.nrows() as f64;
    // Without the pairs of a point with itself.
    let pooled = (count * mean(&all, &all) - k(0.0)) / (count - 1.0);
    let [n, m] = [x, y].map(|points| points.nrows() as f64);
    [value, (1.0 / n + 1.0 / m) * (k(0.0) - pooled)]
}

fn gauss(r: f64) -> f64 {
    BANDWIDTHS.iter().map(|h| (-r * r / (2.0 * h * h)).exp()).sum()
}

fn assert_both(found: &Distance, expected: [f64; 2], tolerance: f64) {
    let found = [found.value, found.floor.unwrap().mean];
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} {expected}");
    }
}

/// The mean and its standard error.
fn mean(values: &[f64]) -> [f64; 2] {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    [mean, (squares / (n * (n - 1.0))).sqrt()]
}

#[test]
fn sums_are_those_of_all_pairs_whatever_the_blocks() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    // Around the ends of blocks of 64 rows and of 512 columns.
    let sizes = [(1, 1), (1, 2), (64, 65), (63, 512), (513, 130), (9, 1030)];
    for ((n, m), d) in sizes.into_iter().zip([2, 3, 1, 2, 4, 3]) {
        let (x, y) = (normal(n, d, &mut rng), 0.3 + 1.5 * normal(m, d, &mut rng));
        assert_both(&energy(&x, &y), naive(&x, &y, |r| -r), 1e-13);
        assert_both(&mmd(&x, &y), naive(&x, &y, gauss), 1e-13);
        assert_eq!(energy(&x, &y).n, [Some(n as u64), Some(m as u64)]);
        assert!(energy(&x, &y).squared && mmd(&x, &y).squared);
    }
}

#[test]
fn two_point_masses_in_closed_form() {
    for (n, m) in [(1, 1), (3, 5), (200, 70)] {
        let pairs = (n * m) as f64;
        let share = 2.0 * pairs / ((n + m) * (n + m - 1)) as f64;
        let per_point = 1.0 / n as f64 + 1.0 / m as f64;
        // Distances 5 and 13.
        for (a, b, r) in [(vec![1.0], vec![-4.0], 5.0), (vec![0.0, 5.0], vec![12.0, 0.0], 13.0)] {
            let of = |point: &[f64], n| Array2::from_shape_fn((n, point.len()), |(_, k)| point[k]);
            let (x, y) = (of(&a, n), of(&b, m));
            assert_both(&energy(&x, &y), [2.0 * r, per_point * share * r], 1e-13 * r);
            let far = 2.0 - gauss(r);
            assert_both(&mmd(&x, &y), [2.0 * far, per_point * share * far], 1e-13);
        }
    }
}

/// On the line the pairs are counted by sorting, in the plane one by one.
#[test]
fn the_line_is_a_line_in_the_plane() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (n, m) in [(1, 1), (2, 1), (100, 1), (300, 400)] {
        // Rounded, so that points coincide.
        let [x, y] = [n, m].map(|n| normal(n, 1, &mut rng).mapv(|x| (8.0 * x).round() / 8.0));
        let [flat_x, flat_y] = [&x, &y].map(|points| {
            let ones = Array2::ones((points.nrows(), 1));
            concatenate![ndarray::Axis(1), *points, ones]
        });
        let flat = energy(&flat_x, &flat_y);
        assert_both(&energy(&x, &y), [flat.value, flat.floor.unwrap().mean], 1e-14);
    }
}

#[test]
fn normal_laws_in_closed_form() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (n, m, shift) = (60, 40, 0.8f64);
    // |X − Y| with X − Y of variance 2 and this mean, by the distribution function at 0.
    let folded = |shift: f64, below: f64| {
        2f64.sqrt() * FRAC_2_PI.sqrt() * (-shift * shift / 4.0).exp() + shift * (1.0 - 2.0 * below)
    };
    // Φ(−0.8/√2) = erfc(0.4)/2.
    let [apart, together] = [folded(shift, 0.5 * 0.571_607_645), folded(0.0, 0.5)];
    let per_point = 1.0 / n as f64 + 1.0 / m as f64;
    let expected = 2.0 * (apart - together) + per_point * together;
    let values: Vec<f64> = (0..2000)
        .map(|_| energy(&normal(n, 1, &mut rng), &(shift + normal(m, 1, &mut rng))).value)
        .collect();
    let [found, error] = mean(&values);
    // Within 5 standard errors, as the other two: a false alarm once in a million each.
    assert!((found - expected).abs() < 5.0 * error, "{found} ± {error}, {expected}");
    assert!(error < 0.02 * expected);

    // E exp(−|X − Y|²/2h²) with X − Y of variance 2 in each coordinate and means (shift, shift).
    let kernel = |shift: f64| -> f64 {
        let of = |h: &f64| {
            let both = h * h + 2.0;
            h * h / both * (-2.0 * shift * shift / (2.0 * both)).exp()
        };
        BANDWIDTHS.iter().map(of).sum()
    };
    let expected = 2.0 * (kernel(0.0) - kernel(shift)) + per_point * (2.0 - kernel(0.0));
    let values: Vec<f64> = (0..1000)
        .map(|_| mmd(&normal(n, 2, &mut rng), &(shift + normal(m, 2, &mut rng))).value)
        .collect();
    let [found, error] = mean(&values);
    assert!((found - expected).abs() < 5.0 * error, "{found} ± {error}, {expected}");
    assert!(error < 0.02 * expected);
}

#[test]
fn floors_are_the_means_between_equal_laws() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    // E|X − X'| of two standard normal points, in one, two and three dimensions.
    let spans = [2.0 / PI.sqrt(), PI.sqrt(), 4.0 / PI.sqrt()];
    for (d, span) in (1..=3).zip(spans) {
        let (n, m) = (20, 30);
        let found: Vec<[Distance; 2]> = (0..1000)
            .map(|_| (normal(n, d, &mut rng), normal(m, d, &mut rng)))
            .map(|(x, y)| [energy(&x, &y), mmd(&x, &y)])
            .collect();
        let values = |k: usize, of: fn(&Distance) -> f64| -> Vec<f64> {
            found.iter().map(|distances| of(&distances[k])).collect()
        };
        // Twelve means within 5 standard errors: a false alarm once in a hundred thousand.
        for k in [0, 1] {
            let [left, error] = mean(&values(k, |distance| distance.debiased().unwrap()));
            let [value, _] = mean(&values(k, |distance| distance.value));
            assert!(left.abs() < 5.0 * error && error < 0.03 * value, "{left} ± {error}");
        }
        let per_point = 1.0 / n as f64 + 1.0 / m as f64;
        let kernel: f64 =
            BANDWIDTHS.iter().map(|h| (h * h / (h * h + 2.0)).powf(0.5 * d as f64)).sum();
        for (k, expected) in [(0, per_point * span), (1, per_point * (2.0 - kernel))] {
            let [floor, error] = mean(&values(k, |distance| distance.floor.unwrap().mean));
            assert!((floor - expected).abs() < 5.0 * error, "{floor} ± {error}, {expected}");
            assert!(error < 0.01 * expected);
        }
    }
}

#[test]
fn the_number_of_threads_is_immaterial() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (x, y) = (normal(1000, 3, &mut rng), 0.1 + normal(700, 3, &mut rng));
    let found = [1, 2, 3, 7].map(|threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| [energy(&x, &y), mmd(&x, &y)])
    });
    for others in &found[1..] {
        assert_eq!(others, &found[0]);
    }
}

#[test]
fn lengths_of_any_magnitude_are_compared() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for d in [1, 2] {
        let (x, y) = (normal(30, d, &mut rng), 0.5 + normal(40, d, &mut rng));
        let (plain, kernel) = (energy(&x, &y), mmd(&x, &y));
        for power in [-1000, -600, 1, 600, 1000] {
            let unit = 2f64.powi(power);
            let (x, y) = (&x * unit, &y * unit);
            let scaled = energy(&x, &y);
            assert_eq!(scaled.value, plain.value * unit);
            assert_eq!(scaled.floor.unwrap().mean, plain.floor.unwrap().mean * unit);
            let bandwidths = BANDWIDTHS.map(|h| h * unit);
            let scaled = squared_mmd(x.view(), y.view(), &bandwidths).unwrap();
            assert_eq!(scaled, kernel);
            let [median, wide] = [(&x, &y), (&(&x / unit), &(&y / unit))]
                .map(|(x, y)| median_bandwidth(x.view(), y.view(), &mut rng).unwrap());
            assert_eq!(median, wide * unit);
        }
        let all = |value: f64| Array2::from_elem((1, d), value);
        let least = f64::from_bits(1);
        assert_eq!(energy(&all(0.0), &all(-0.0)).value, 0.0);
        let root = (d as f64).sqrt();
        assert_eq!(energy(&all(least), &all(-least)).value, (4.0 * root).round() * least);
        let [small, large] = [all(-f64::MAX), all(f64::MAX)];
        let far = squared_energy_distance(small.view(), large.view());
        assert_eq!(far, Err(PairwiseError::TooFar));
        let far = median_bandwidth(small.view(), large.view(), &mut rng);
        assert_eq!(far, Err(PairwiseError::TooFar));
        assert_eq!(squared_mmd(small.view(), large.view(), &[1.0]).unwrap().value, 2.0);
        let far = squared_mmd(small.view(), large.view(), &[1.0, 0.5]);
        assert_eq!(far, Err(PairwiseError::TooFar));
        // Only a point itself is near, or every point is.
        for (h, expected) in [(1e-320, 1.0 / 30.0 + 1.0 / 40.0), (1e300, 0.0), (f64::MAX, 0.0)] {
            let found = squared_mmd(x.view(), y.view(), &[h]).unwrap();
            assert!((found.value - expected).abs() < 1e-14, "{h} {}", found.value);
        }
    }
}

/// A point that got away does not blur how the others lie.
#[test]
fn outliers_leave_the_rest_as_it_is() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    for d in [1, 2, 3] {
        let (mut x, y) = (normal(20, d, &mut rng), 0.5 + normal(30, d, &mut rng));
        x[[7, d - 1]] = 1e200;
        assert_both(&mmd(&x, &y), naive(&x, &y, gauss), 1e-13);
        let bandwidths = [1e-100, 0.3, 2.0, 1e250];
        let found = squared_mmd(x.view(), y.view(), &bandwidths).unwrap();
        // The least sees the points only, the largest nothing.
        let [value, floor] = naive(&x, &y, gauss);
        let per_point = 1.0 / 20.0 + 1.0 / 30.0;
        assert_both(&found, [value + per_point, floor + per_point], 1e-13);
        let median = median_bandwidth(x.view(), y.view(), &mut rng).unwrap();
        let expected = naive_median(&concatenate![ndarray::Axis(0), x, y]);
        assert!((median - expected).abs() < 1e-14, "{median} {expected}");
        // Of the value all else is rounding: 2 · 1e200 · (1/20 − 1/20²) less the pairs of its own set.
        let value = energy(&x, &y).value;
        let expected = 2.0 * 1e200 * (1.0 / 20.0 - 19.0 / 400.0);
        assert!((value / expected - 1.0).abs() < 1e-12, "{value} {expected}");
    }
}

#[test]
fn single_precision_counts_as_its_exact_value() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    for d in [1, 3] {
        let [x, y] = [20, 30].map(|n| normal(n, d, &mut rng).mapv(|x| x as f32));
        let [wide_x, wide_y] = [&x, &y].map(|points| points.mapv(f64::from));
        assert_eq!(squared_energy_distance(x.view(), y.view()).unwrap(), energy(&wide_x, &wide_y));
        assert_eq!(squared_mmd(x.view(), y.view(), &BANDWIDTHS).unwrap(), mmd(&wide_x, &wide_y));
    }
}

/// The median of the distances by sorting them all.
fn naive_median(points: &Array2<f64>) -> f64 {
    let rows: Vec<_> = points.rows().into_iter().collect();
    let before = |(a, row)| rows[..a].iter().map(move |other| distance(row, *other));
    let mut all: Vec<f64> = rows.iter().copied().enumerate().flat_map(before).collect();
    all.sort_by(f64::total_cmp);
    0.5 * (all[(all.len() - 1) / 2] + all[all.len() / 2])
}

#[test]
fn bandwidths_are_medians_of_distances() {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    for (n, m, d) in [(1, 1, 1), (1, 2, 2), (2, 2, 3), (40, 61, 2), (300, 700, 1)] {
        let (x, y) = (normal(n, d, &mut rng), 1.0 + normal(m, d, &mut rng));
        let found = median_bandwidth(x.view(), y.view(), &mut rng).unwrap();
        let expected = naive_median(&concatenate![ndarray::Axis(0), x, y]);
        assert!((found - expected).abs() < 1e-14, "{found} {expected}");
    }
    // Of many points, of which one in three lies far off, some are drawn. That every distance counts, with
    // a standard deviation of about 3 % of the median: within 15 %, a false alarm once in a million.
    let (x, y) = (normal(2000, 2, &mut rng), 3.0 + normal(1000, 2, &mut rng));
    let draw =
        |seed| median_bandwidth(x.view(), y.view(), &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
    let expected = naive_median(&concatenate![ndarray::Axis(0), x, y]);
    assert_eq!(draw(1), draw(1));
    assert_ne!(draw(1), draw(2));
    assert!((draw(1) / expected - 1.0).abs() < 0.15, "{} {expected}", draw(1));
}

#[test]
fn unusable_points_are_refused() {
    type Measure = fn(ArrayView2<'_, f64>, ArrayView2<'_, f64>) -> Result<f64, PairwiseError>;
    let measures: [Measure; 3] = [
        |x, y| squared_energy_distance(x, y).map(|distance| distance.value),
        |x, y| squared_mmd(x, y, &[1.0]).map(|distance| distance.value),
        |x, y| median_bandwidth(x, y, &mut ChaCha8Rng::seed_from_u64(9)),
    ];
    for measure in measures {
        for d in [1, 2] {
            let good = Array2::from_shape_fn((3, d), |(i, k)| (i + k) as f64);
            let none = Array2::zeros((0, d));
            let empty = |side| Err(PairwiseError::Points(MassError::Empty { side }.into()));
            assert_eq!(measure(none.view(), good.view()), empty(Side::First));
            assert_eq!(measure(good.view(), none.view()), empty(Side::Second));
            let wide = Array2::zeros((3, d + 1));
            let columns = PointsError::Columns { first: d, second: d + 1 };
            assert_eq!(measure(good.view(), wide.view()), Err(columns.into()));
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut bad = good.clone();
                bad[[2, d - 1]] = value;
                for (found, expected) in [
                    (measure(bad.view(), good.view()), Side::First),
                    (measure(good.view(), bad.view()), Side::Second),
                ] {
                    let Err(PairwiseError::Points(PointsError::Point {
                        side,
                        row: 2,
                        column,
                        value: found,
                    })) = found
                    else {
                        panic!("{found:?}");
                    };
                    assert_eq!((side, column), (expected, d - 1));
                    assert!(found.to_bits() == value.to_bits());
                }
            }
        }
        let flat = Array2::zeros((3, 0));
        let columns = PointsError::Columns { first: 0, second: 0 };
        assert_eq!(measure(flat.view(), flat.view()), Err(columns.into()));
    }
    // Three of six distances are zero; of the six between three and one, half.
    let (three, one) = (array![[1.0], [1.0], [1.0]], array![[2.0]]);
    let mut rng = ChaCha8Rng::seed_from_u64(10);
    assert_eq!(median_bandwidth(three.view(), one.view(), &mut rng), Ok(0.5));
    let coincident = median_bandwidth(three.view(), three.view(), &mut rng);
    assert_eq!(coincident, Err(PairwiseError::Coincident));
}

#[test]
fn unusable_bandwidths_are_refused() {
    let points = array![[0.0, 1.0]];
    let with = |bandwidths: &[f64]| squared_mmd(points.view(), points.view(), bandwidths);
    assert_eq!(with(&[]), Err(PairwiseError::NoBandwidth));
    for value in [0.0, -1.0, f64::INFINITY] {
        assert_eq!(with(&[1.0, value]), Err(PairwiseError::Bandwidth { index: 1, value }));
    }
    assert!(matches!(with(&[f64::NAN]), Err(PairwiseError::Bandwidth { index: 0, .. })));
}

/// So many points of the plane.
fn planar(points: &[(f64, f64)]) -> Array2<f64> {
    let coordinate = |(i, k): (usize, usize)| if k == 0 { points[i].0 } else { points[i].1 };
    Array2::from_shape_fn((points.len(), 2), coordinate)
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(32),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn motions_and_order_are_immaterial(
        first in vec((-2.0f64..2.0, -2.0f64..2.0), 1..80),
        second in vec((-2.0f64..2.0, -2.0f64..2.0), 1..80),
        angle in 0.0f64..6.3,
        shift in (-5.0f64..5.0, -5.0f64..5.0),
    ) {
        let (sin, cos) = angle.sin_cos();
        let moved = |points: &[(f64, f64)]| -> Array2<f64> {
            let to = |(x, y): &(f64, f64)| (cos * x - sin * y + shift.0, sin * x + cos * y + shift.1);
            // Mirrored and in reverse.
            planar(&points.iter().rev().map(to).map(|(x, y)| (y, x)).collect::<Vec<_>>())
        };
        let (x, y) = (planar(&first), planar(&second));
        let (moved_x, moved_y) = (moved(&first), moved(&second));
        for measure in [energy, mmd] {
            let found = measure(&x, &y);
            let both = [found.value, found.floor.unwrap().mean];
            assert_both(&measure(&moved_x, &moved_y), both, 1e-13);
            assert_both(&measure(&y, &x), both, 1e-13);
            prop_assert!(found.value >= 0.0);
        }
    }

    #[test]
    fn a_set_is_at_zero_from_itself(
        points in vec((-2.0f64..2.0, -2.0f64..2.0), 1..80),
        times in 1usize..4,
    ) {
        let x = planar(&points);
        let y = planar(&points.repeat(times));
        prop_assert!(energy(&x, &y).value < 1e-13);
        prop_assert!(mmd(&x, &y).value < 1e-13);
        // Without rounding on the line.
        let line = |points: &Array2<f64>| points.select(ndarray::Axis(1), &[0]);
        prop_assert_eq!(energy(&line(&x), &line(&y)).value, 0.0);
    }
}
