//! Transport on the line against enumeration, another formula for the cost, and closed forms.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fokker_metrics::{
    LineError, MassError, PlanEntry, PointsError, Side, line_plan, wasserstein_line,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

const ORDERS: [f64; 4] = [1.0, 2.0, 1.5, 3.7];

/// `W_p^p` between points of equal mass.
fn uniform(first: &[f64], second: &[f64], order: f64) -> f64 {
    wasserstein_line(first, second, None, order).unwrap().distance.value
}

fn weighted(first: &[f64], second: &[f64], weights: [&[f64]; 2], order: f64) -> f64 {
    wasserstein_line(first, second, Some(weights), order).unwrap().distance.value
}

fn points(n: usize, rng: &mut ChaCha8Rng) -> Vec<f64> {
    // Every third is whole, so that there are ties.
    let point = |i| {
        let x: f64 = rng.random_range(-3.0..3.0);
        if i % 3 == 0 { x.round() } else { x }
    };
    (0..n).map(point).collect()
}

fn close(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-13 * (1.0 + expected.abs())
}

/// The least mean cost of all assignments of one list of points to another.
fn cheapest_assignment(from: &[f64], to: &mut [f64], order: f64) -> f64 {
    let Some((&first, rest)) = from.split_first() else { return 0.0 };
    let mut best = f64::INFINITY;
    for k in 0..to.len() {
        to.swap(0, k);
        let cost =
            (first - to[0]).abs().powf(order) + cheapest_assignment(rest, &mut to[1..], order);
        best = best.min(cost);
        to.swap(0, k);
    }
    best
}

#[test]
fn the_value_is_the_least_of_all_assignments() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for n in 1..=7 {
        for order in ORDERS {
            let (first, mut second) = (points(n, &mut rng), points(n, &mut rng));
            let found = uniform(&first, &second, order);
            let least = cheapest_assignment(&first, &mut second, order) / n as f64;
            assert!(close(found, least), "{n} {order}: {found} {least}");
        }
    }
}

#[test]
fn points_of_different_numbers_are_points_repeated() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (n, m) in [(1, 5), (2, 3), (4, 6), (7, 1), (12, 35), (40, 39)] {
        let (first, second) = (points(n, &mut rng), points(m, &mut rng));
        let repeat = |points: &[f64], times| points.repeat(times);
        for order in ORDERS {
            let found = uniform(&first, &second, order);
            let expected = uniform(&repeat(&first, m), &repeat(&second, n), order);
            assert!(close(found, expected), "{n} {m} {order}: {found} {expected}");
        }
    }
}

#[test]
fn whole_weights_are_points_repeated() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for (n, m) in [(1, 1), (3, 8), (20, 20), (31, 7)] {
        let (first, second) = (points(n, &mut rng), points(m, &mut rng));
        let mut weights =
            [n, m].map(|n| (0..n).map(|_| rng.random_range(0..5)).collect::<Vec<_>>());
        let [a, b] = weights.each_ref().map(|w| w.iter().sum::<usize>());
        weights[0][n / 2] += 1 + b.saturating_sub(a);
        weights[1][m / 2] += 1 + a.saturating_sub(b);
        let repeat = |points: &[f64], times: &[usize]| -> Vec<f64> {
            points.iter().zip(times).flat_map(|(&x, &times)| vec![x; times]).collect()
        };
        let (many_first, many_second) = (repeat(&first, &weights[0]), repeat(&second, &weights[1]));
        let masses = weights.map(|w| w.into_iter().map(|w| w as f64).collect::<Vec<_>>());
        for order in ORDERS {
            let (found, expected) = (
                wasserstein_line(&first, &second, Some([&masses[0], &masses[1]]), order).unwrap(),
                uniform(&many_first, &many_second, order),
            );
            assert!(close(found.distance.value, expected), "{n} {m} {order}");
            assert_eq!((found.rounding, found.distance.n), (0.0, [None, None]));
        }
    }
}

/// `W_1 = ∫ |F − G| dx`, a formula that knows nothing of quantiles.
#[test]
fn the_first_order_is_the_area_between_distribution_functions() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for (n, m) in [(2, 3), (10, 10), (57, 23)] {
        let (first, second) = (points(n, &mut rng), points(m, &mut rng));
        let weights = [n, m].map(|n| {
            let raw: Vec<f64> = (0..n).map(|_| rng.random::<f64>().powi(3)).collect();
            let sum: f64 = raw.iter().sum();
            raw.into_iter().map(|w| w / sum).collect::<Vec<_>>()
        });
        let mut jumps: Vec<(f64, f64)> = first.iter().copied().zip(weights[0].clone()).collect();
        jumps.extend(second.iter().zip(&weights[1]).map(|(&y, &w)| (y, -w)));
        jumps.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (mut height, mut area) = (0.0f64, 0.0);
        for pair in jumps.windows(2) {
            height += pair[0].1;
            area += height.abs() * (pair[1].0 - pair[0].0);
        }
        let found =
            wasserstein_line(&first, &second, Some([&weights[0], &weights[1]]), 1.0).unwrap();
        assert!(close(found.distance.value, area), "{} {area}", found.distance.value);
        assert!(found.rounding > 0.0 && found.rounding < 1e-16, "{}", found.rounding);
    }
}

/// The three ways through the code: by sorted lists, by points of two numbers, by weights.
#[test]
fn all_ways_agree_on_many_points() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let n = 30_000;
    let (mut first, second) = (points(n, &mut rng), points(n, &mut rng));
    for order in ORDERS {
        let expected = uniform(&first, &second, order);
        let ones = vec![0.1; n];
        assert!(close(weighted(&first, &second, [&ones, &ones], order), expected), "{order}");
        let twice = second.repeat(2);
        assert!(close(uniform(&first, &twice, order), expected), "{order}");
    }
    let before = uniform(&first, &second, 2.0);
    first.rotate_left(n / 3);
    assert_eq!(uniform(&first, &second, 2.0), before);
}

#[test]
fn laws_on_two_places_differ_by_the_mass_that_moves() {
    for (a, b) in [(0.25, 0.75), (0.1, 0.3), (1.0, 1.0 / 3.0), (0.0, 0.7)] {
        let weights = [&[1.0 - a, a][..], &[b, 1.0 - b]];
        for order in ORDERS {
            let found = weighted(&[-1.0, 1.0], &[1.0, -1.0], weights, order);
            assert!(close(found, (a - b).abs() * 2f64.powf(order)), "{a} {b} {order}");
        }
    }
}

/// Between the quantiles of two uniform laws, `x = u` and `y = 3u + 1`, at the midpoints of `n`
/// pieces, `W_2² = 1/n Σ (1 + 2u)² = 13/3 − 1/(3n²)`.
#[test]
fn uniform_laws_have_their_closed_form() {
    for n in [1, 2, 10, 1000] {
        let mid = |i| (f64::from(i) + 0.5) / f64::from(n);
        // Against the order, and in it.
        let first: Vec<f64> = (0..n).rev().map(mid).collect();
        let second: Vec<f64> = (0..n).map(|i| 3.0 * mid(i) + 1.0).collect();
        let exact = 13.0 / 3.0 - 1.0 / (3.0 * f64::from(n * n));
        let found = wasserstein_line(&first, &second, None, 2.0).unwrap();
        assert!(close(found.distance.value, exact), "{n}");
        assert!(found.distance.squared);
        assert_eq!(found.distance.n, [Some(n as u64); 2]);
        let [mean, third] = [1.0, 3.0].map(|p| wasserstein_line(&first, &second, None, p).unwrap());
        assert!(close(mean.distance.value, 2.0) && !mean.distance.squared);
        assert!(!third.distance.squared);
    }
}

#[test]
fn the_plan_has_the_marginals_and_the_cost() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for (n, m) in [(1, 4), (9, 9), (24, 18), (50, 77)] {
        let (first, second) = (points(n, &mut rng), points(m, &mut rng));
        let whole = [n, m].map(|n| vec![m as f64 / n as f64; n]);
        let mut skewed = [n, m].map(|n| (0..n).map(|_| rng.random()).collect::<Vec<f64>>());
        skewed[0][0] = 0.0;
        let [a, b] = skewed.each_ref().map(|w| w.iter().sum::<f64>());
        // One point of all the mass if there is no other.
        skewed[0][n - 1] += (b - a).max(0.0);
        skewed[1][m - 1] += (a - b).max(0.0);
        for weights in [None, Some(&skewed)] {
            let given = weights.map(|[a, b]| [&a[..], &b[..]]);
            let plan = line_plan(&first, &second, given).unwrap();
            assert!(plan.is_sorted_by_key(|entry| (entry.from, entry.to)));
            assert!(plan.len() < n + m && plan.iter().all(|entry| entry.mass > 0.0));
            let [mut sent, mut got] = [vec![0.0; n], vec![0.0; m]];
            for entry in &plan {
                sent[entry.from] += entry.mass;
                got[entry.to] += entry.mass;
            }
            for (found, masses) in [sent, got].iter().zip(weights.unwrap_or(&whole)) {
                let total: f64 = masses.iter().sum();
                let near = |(found, mass): (&f64, &f64)| (found - mass / total).abs() < 1e-15;
                assert!(found.iter().zip(masses).all(near));
            }
            for order in ORDERS {
                let paid =
                    |e: &PlanEntry| e.mass * (first[e.from] - second[e.to]).abs().powf(order);
                let cost: f64 = plan.iter().map(paid).sum();
                let value = wasserstein_line(&first, &second, given, order).unwrap();
                assert!(close(cost, value.distance.value), "{n} {m} {order}");
            }
        }
    }
}

#[test]
fn the_plan_serves_equal_points_by_their_index() {
    let plan = line_plan(&[0.0, -0.0, -1.0], &[7.0, 2.0, 7.0], None).unwrap();
    let expected =
        [(0, 0), (1, 2), (2, 1)].map(|(from, to)| PlanEntry { from, to, mass: 1.0 / 3.0 });
    assert_eq!(plan, expected);
    let plan = line_plan(&[5.0, 1.0, 9.0], &[0.0], Some([&[1.0, 0.0, 3.0], &[4.0]])).unwrap();
    let expected = [(0, 0.25), (2, 0.75)].map(|(from, mass)| PlanEntry { from, to: 0, mass });
    assert_eq!(plan, expected);
}

#[test]
fn signed_zeros_are_equal() {
    for order in ORDERS {
        assert_eq!(uniform(&[0.0, -0.0, 1.0], &[1.0, -0.0, -0.0], order), 0.0);
    }
}

#[test]
fn extreme_points_are_exact_until_they_overflow() {
    let far = f64::MAX;
    assert_eq!(uniform(&[far, -far], &[-far, far], 2.0), 0.0);
    assert_eq!(uniform(&[0.0], &[far], 1.0), far);
    // The integers behind the weights do not make it larger.
    let half = [1.0 / 3.0, 2.0 / 3.0];
    assert!(close(weighted(&[0.0, 0.0], &[1e308, 1e308], [&half, &half], 1.0) / 1e308, 1.0));
    let refused = |first: &[f64], second: &[f64], weights, order| {
        let error = wasserstein_line(first, second, weights, order).unwrap_err();
        assert_eq!(error, LineError::Overflow { order });
    };
    refused(&[-far], &[far], None, 1.0);
    refused(&[0.0], &[1e200], None, 2.0);
    refused(&[0.0, 1.0], &[1.0, 2.0, 1e200], None, 2.0);
    refused(&[0.0, 1e200], &[0.0], Some([&[0.5, 0.5], &[1.0]]), 2.0);
    refused(&[0.0], &[1e200], None, 1.7);
    // What has no mass costs nothing.
    assert_eq!(weighted(&[0.0, far], &[1.0], [&[1.0, 0.0], &[1.0]], 2.0), 1.0);
}

#[test]
fn bad_input_is_refused() {
    let refused = |first: &[f64], second: &[f64], weights, order| {
        let error = wasserstein_line(first, second, weights, order).unwrap_err();
        if let LineError::Points(_) = error {
            // A NaN is not equal to itself.
            let plan = line_plan(first, second, weights).unwrap_err();
            assert_eq!(plan.to_string(), error.to_string());
        }
        error
    };
    let one = &[1.0][..];
    for order in [0.99, 0.0, -1.0, f64::NEG_INFINITY, f64::INFINITY] {
        assert_eq!(refused(one, one, None, order), LineError::Order { order });
    }
    assert!(matches!(refused(one, one, None, f64::NAN), LineError::Order { .. }));
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let error = refused(&[0.0, value], one, None, 1.0);
        let LineError::Points(error) = error else { panic!("{error}") };
        assert!(matches!(error, PointsError::Point { side: Side::First, row: 1, column: 0, .. }));
        // A point without mass has to be a point all the same.
        let error = refused(one, &[0.0, 0.0, value], Some([one, &[1.0, 0.0, 0.0]]), 2.0);
        let LineError::Points(error) = error else { panic!("{error}") };
        assert!(matches!(error, PointsError::Point { side: Side::Second, row: 2, .. }));
    }
    for (side, points) in [(Side::First, [&[][..], one]), (Side::Second, [one, &[]])] {
        let empty = LineError::Points(MassError::Empty { side }.into());
        assert_eq!(refused(points[0], points[1], None, 1.0), empty);
        assert_eq!(refused(points[0], points[1], Some(points), 1.0), empty);
        let lengths = LineError::Points(PointsError::Weights { side, points: 1, weights: 0 });
        assert_eq!(refused(one, one, Some(points), 1.0), lengths);
    }
    let mass = |weights| match refused(&[0.0, 1.0], one, Some([weights, one]), 1.0) {
        LineError::Points(PointsError::Mass(error)) => error,
        other => panic!("{other}"),
    };
    assert_eq!(mass(&[0.5, 0.6]), MassError::Unequal { first: 1.1, second: 1.0 });
    assert_eq!(mass(&[0.0, 0.0]), MassError::Empty { side: Side::First });
    let negative = MassError::Mass { side: Side::First, index: 1, value: -0.5 };
    assert_eq!(mass(&[1.5, -0.5]), negative);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        rng_seed: RngSeed::Fixed(7),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    /// `W_1` and `W_2` are metrics, of any numbers of points, and do not tell translates or
    /// reflections.
    #[test]
    fn distances_are_metrics(
        a in vec(-9.0..9.0, 1..20),
        b in vec(-9.0..9.0, 1..20),
        c in vec(-9.0..9.0, 1..20),
        shift in -5.0..5.0,
    ) {
        for order in [1.0, 2.0] {
            let w = |x: &[f64], y: &[f64]| uniform(x, y, order).powf(1.0 / order);
            prop_assert_eq!(w(&a, &a), 0.0);
            prop_assert_eq!(w(&a, &b), w(&b, &a));
            prop_assert!(w(&a, &c) <= w(&a, &b) + w(&b, &c) + 1e-12);
            prop_assert!(w(&a, &b) > 0.0);
            let image = |x: &[f64]| x.iter().map(|x| shift - x).collect::<Vec<_>>();
            prop_assert!((w(&image(&a), &image(&b)) - w(&a, &b)).abs() < 1e-12);
            // By Jensen, W_1 is at most W_2.
            prop_assert!(uniform(&a, &b, 1.0) <= uniform(&a, &b, 2.0).sqrt() + 1e-12);
        }
    }

    /// Against their own translates, all orders give the length of the way.
    #[test]
    fn a_translation_costs_its_length(a in vec(-9.0..9.0, 1..50), shift in -5.0..5.0) {
        let there: Vec<f64> = a.iter().map(|x| x + shift).collect();
        for order in ORDERS {
            let found = uniform(&a, &there, order);
            prop_assert!((found - f64::abs(shift).powf(order)).abs() < 1e-10, "{}", found);
        }
    }
}
