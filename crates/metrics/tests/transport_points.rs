//! Exact transport between point sets and for matrices of costs.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{cheapest_assignment, config, verified};
use fokker_metrics::{
    ExactTransport, GroundCost, MassError, PointsError, Side, TransportError, transport_costs,
    transport_points,
};
use ndarray::{Array2, ArrayView2, array};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

const COSTS: [GroundCost; 3] =
    [GroundCost::SquaredEuclidean, GroundCost::Euclidean, GroundCost::Manhattan];

fn between(
    cost: GroundCost,
    a: ArrayView2<'_, f64>,
    b: ArrayView2<'_, f64>,
    i: usize,
    j: usize,
) -> f64 {
    let steps = &a.row(i) - &b.row(j);
    match cost {
        GroundCost::SquaredEuclidean => steps.mapv(|x| x * x).sum(),
        GroundCost::Euclidean => steps.mapv(|x| x * x).sum().sqrt(),
        GroundCost::Manhattan => steps.mapv(f64::abs).sum(),
    }
}

/// An optimum, verified.
fn solve(
    first: &Array2<f64>,
    second: &Array2<f64>,
    weights: Option<[&[f64]; 2]>,
    cost: GroundCost,
) -> ExactTransport {
    let (a, b) = (first.view(), second.view());
    let found = transport_points(a, b, weights, cost).unwrap();
    let uniform = [vec![1.0; a.nrows()], vec![1.0; b.nrows()]];
    let [mu, nu] = weights.unwrap_or([&uniform[0], &uniform[1]]);
    verified(found, mu, nu, |i, j| between(cost, a, b, i, j))
}

fn normals(rng: &mut ChaCha8Rng, n: usize, d: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((n, d), || StandardNormal.sample(rng))
}

#[test]
fn agrees_with_the_cheapest_of_all_assignments() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..120 {
        let (n, d) = (1 + round % 8, 1 + round % 4);
        let (first, second) = (normals(&mut rng, n, d), normals(&mut rng, n, d));
        for cost in COSTS {
            let found = solve(&first, &second, None, cost);
            let row =
                |i| (0..n).map(|j| between(cost, first.view(), second.view(), i, j)).collect();
            let matrix: Vec<Vec<f64>> = (0..n).map(row).collect();
            let exact = cheapest_assignment(&matrix) / n as f64;
            assert!(
                (found.distance.value - exact).abs() <= 1e-12 * (1.0 + exact),
                "{round} {cost:?}"
            );
            assert_eq!(found.distance.squared, cost == GroundCost::SquaredEuclidean);
            assert_eq!(found.distance.n, [Some(n as u64); 2]);
        }
    }
}

#[test]
fn lines_agree_with_sorting() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for (n, d) in [(50, 1), (333, 1), (200, 3)] {
        // Along a line in space, too.
        let direction = normals(&mut rng, 1, d);
        let [a, b] = [0; 2].map(|_| normals(&mut rng, n, 1));
        let length = direction.mapv(|x| x * x).sum();
        let sorted = |points: &Array2<f64>| {
            let mut sorted: Vec<f64> = points.iter().copied().collect();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        let squares = sorted(&a).iter().zip(sorted(&b)).map(|(x, y)| (x - y).powi(2)).sum::<f64>();
        let exact = squares / n as f64 * length;
        let found =
            solve(&a.dot(&direction), &b.dot(&direction), None, GroundCost::SquaredEuclidean);
        assert!((found.distance.value - exact).abs() <= 1e-11 * exact);
    }
}

#[test]
fn a_shift_costs_its_length() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let points = normals(&mut rng, 300, 2);
    let moved = &points + &array![[3.0, -4.0]];
    let w2 = solve(&points, &moved, None, GroundCost::SquaredEuclidean).distance;
    let w1 = solve(&points, &moved, None, GroundCost::Euclidean).distance;
    assert!((w2.value - 25.0).abs() < 1e-9 && (w2.root() - 5.0).abs() < 1e-9, "{w2:?}");
    assert!((w1.value - 5.0).abs() < 1e-9 && w1.root() == w1.value, "{w1:?}");
}

#[test]
fn sizes_may_differ_and_weights_are_repeated_points() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for round in 0..20 {
        let (n, m) = (3 + round, 40 - round);
        let (first, second) = (normals(&mut rng, n, 2), normals(&mut rng, m, 2));
        let plain = solve(&first, &second, None, GroundCost::Euclidean);
        // Some points of no weight, and some in two halves.
        let weights = [vec![1.0 / n as f64; n], vec![1.0 / m as f64; m]];
        let same = solve(&first, &second, Some([&weights[0], &weights[1]]), GroundCost::Euclidean);
        assert!((plain.distance.value - same.distance.value).abs() < 1e-12);
        let mut doubled = Array2::zeros((2 * n, 2));
        let mut halves = vec![0.0; 2 * n];
        for i in 0..n {
            for k in [2 * i, 2 * i + 1] {
                doubled.row_mut(k).assign(&first.row(i));
                halves[k] = [0.25, 0.75][k % 2] / n as f64;
            }
        }
        let split = solve(&doubled, &second, Some([&halves, &weights[1]]), GroundCost::Euclidean);
        assert!((plain.distance.value - split.distance.value).abs() < 1e-12);
    }
}

#[test]
fn any_costs_will_do() {
    let costs = array![[-5.0, 2.0, 7.0], [4.0, 1e-3, -2.0]];
    let weights = [&[0.5, 0.5][..], &[0.2, 0.2, 0.6]];
    let found = transport_costs(costs.view(), Some(weights)).unwrap();
    let found = verified(found, weights[0], weights[1], |i, j| costs[[i, j]]);
    // 0.2 of -5, 0.2 of 2, 0.1 of 7 from the first, all else of the second to the third.
    assert!((found.distance.value - (-1.0 + 0.4 + 0.7 - 1.0)).abs() < 1e-13);
    let flat = transport_costs(Array2::from_elem((4, 6), 3.0).view(), None).unwrap();
    assert_eq!(flat.distance.value, 3.0);
}

#[test]
fn adversarial_cases_end_within_a_bound_on_pivots() {
    let n = 120;
    let here: Array2<f64> = Array2::zeros((n, 2));
    let line = Array2::from_shape_fn((n, 2), |(i, k)| if k == 0 { i as f64 } else { 0.0 });
    let ties = Array2::from_shape_fn((n, 2), |(i, k)| ((i + k) % 3) as f64);
    let powers: Vec<f64> = (0..n).map(|i| 0.5f64.powi(1 + i as i32 % 40)).collect();
    let total: f64 = powers.iter().sum();
    let powers: Vec<f64> = powers.iter().map(|p| p / total).collect();
    let mut turned = powers.clone();
    turned.reverse();
    for (first, second) in [(&here, &line), (&line, &ties), (&ties, &ties), (&here, &here)] {
        for weights in [None, Some([&powers[..], &turned[..]])] {
            for cost in COSTS {
                let found = solve(first, second, weights, cost);
                assert!(found.pivots <= 20 * 2 * n as u64, "{cost:?} {}", found.pivots);
            }
        }
    }
}

#[test]
fn bad_input_is_refused() {
    let points = array![[0.0, 0.0], [1.0, 0.0]];
    let refused = |first: &Array2<f64>, second: &Array2<f64>, weights| {
        transport_points(first.view(), second.view(), weights, GroundCost::Euclidean).unwrap_err()
    };
    let flat = array![[0.0], [1.0]];
    let error = PointsError::Columns { first: 2, second: 1 };
    assert_eq!(refused(&points, &flat, None), error.into());
    for value in [f64::NAN, f64::INFINITY] {
        let bad = array![[0.0, 0.0], [1.0, value]];
        let TransportError::Points(error) = refused(&points, &bad, None) else { panic!() };
        let side = Side::Second;
        assert!(
            matches!(error, PointsError::Point { side: s, row: 1, column: 1, .. } if s == side)
        );
    }
    let none = Array2::zeros((0, 2));
    let side = Side::First;
    let empty = || PointsError::Mass(MassError::Empty { side }).into();
    assert_eq!(refused(&none, &points, None), empty());
    assert_eq!(refused(&points, &points, Some([&[0.0, 0.0], &[1.0, 1.0]])), empty());
    let error = PointsError::Weights { side: Side::Second, points: 2, weights: 3 };
    assert_eq!(refused(&points, &points, Some([&[1.0, 1.0], &[1.0, 1.0, 0.0]])), error.into());
    let error = PointsError::Mass(MassError::Unequal { first: 2.0, second: 3.0 });
    assert_eq!(refused(&points, &points, Some([&[1.0, 1.0], &[1.0, 2.0]])), error.into());
    let error = PointsError::Mass(MassError::Mass { side, index: 1, value: -1.0 });
    assert_eq!(refused(&points, &points, Some([&[1.0, -1.0], &[1.0, 1.0]])), error.into());
    let far = array![[0.0, 0.0], [1e300, 0.0]];
    let squared = transport_points(points.view(), far.view(), None, GroundCost::SquaredEuclidean);
    let error = squared.unwrap_err();
    assert!(matches!(error, TransportError::Cost { axis: None, from: 0, to: 1, .. }), "{error}");
    let large = Array2::zeros((1 << 15, 1));
    let error = TransportError::TooManyCosts { first: 1 << 15, second: 1 << 15 };
    assert_eq!(refused(&large, &large, None), error);
}

fn points() -> impl Strategy<Value = Array2<f64>> {
    let coordinate = prop_oneof![(-2i32..3).prop_map(f64::from), -2.0..2.0f64];
    proptest::collection::vec(coordinate, 2..24).prop_map(|mut flat| {
        flat.truncate(flat.len() / 2 * 2);
        Array2::from_shape_vec((flat.len() / 2, 2), flat).unwrap()
    })
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn w1_and_w2_are_distances(a in points(), b in points(), c in points()) {
        for cost in COSTS {
            let distance = |x, y| solve(x, y, None, cost).distance.root();
            prop_assert!(distance(&a, &a) < 1e-7);
            prop_assert!((distance(&a, &b) - distance(&b, &a)).abs() < 1e-9);
            prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c) + 1e-9);
        }
    }
}
