//! Entropic transport against closed forms, exact transport and itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fokker_metrics::{
    Axis, Epsilon, Grid, GridMismatch, GroundCost, Histogram, MassError, PointsError, Side,
    Sinkhorn, SinkhornDivergence, SinkhornError,
};
use ndarray::{Array1, Array2, ArrayD, IxDyn, arr2, array};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

use GroundCost::{Euclidean, Manhattan, SquaredEuclidean};

const TOLERANCE: f64 = 1e-8;

fn absolute(epsilon: f64) -> Sinkhorn {
    Sinkhorn { epsilon: Epsilon::Absolute(epsilon), tolerance: TOLERANCE, ..Sinkhorn::default() }
}

fn relative(share: f64) -> Sinkhorn {
    Sinkhorn { epsilon: Epsilon::Relative(share), tolerance: TOLERANCE, ..Sinkhorn::default() }
}

/// A histogram with the masses that a function of the place gives.
fn histogram(grid: &Grid, mass: impl Fn(&[f64]) -> f64) -> Histogram {
    let masses = (0..grid.len()).map(|flat| mass(&grid.place(flat))).collect();
    let masses = ArrayD::from_shape_vec(IxDyn(&grid.shape()), masses).unwrap();
    Histogram::from_mass(*grid, masses).unwrap()
}

/// The places of a grid as points, and the masses as weights.
fn places(histogram: &Histogram) -> (Array2<f64>, Vec<f64>) {
    let grid = histogram.grid();
    let points = (0..grid.len()).flat_map(|flat| grid.place(flat)).collect();
    let points = Array2::from_shape_vec((grid.len(), grid.dim()), points).unwrap();
    (points, histogram.density().iter().map(|d| d * grid.cell_volume()).collect())
}

fn random_points(rng: &mut ChaCha8Rng, n: usize, d: usize) -> Array2<f64> {
    Array2::from_shape_simple_fn((n, d), || rng.random_range(-1.0..1.0))
}

fn near(found: f64, expected: f64, within: f64) {
    assert!((found - expected).abs() <= within, "{found} for {expected}");
}

/// `OT_ε` between normal laws of means `shift` apart, from the eigenvalues of the product of their
/// covariances and the sum of their traces; Janati, Muzellec, Peyré and Cuturi (2020), theorem 1.
fn between_gaussians(shift: f64, traces: f64, eigenvalues: &[f64], epsilon: f64) -> f64 {
    let half = 0.5 * epsilon;
    let root = |l: &f64| (4.0 * l + half * half).sqrt();
    let term = |l| -root(l) + half * (1.0 - epsilon.ln()) + half * (root(l) + half).ln();
    shift * shift + traces + eigenvalues.iter().map(term).sum::<f64>()
}

#[test]
fn gaussians_on_the_line() {
    let grid = Grid::new(&[Axis::nodes(-9.0, 9.0, 301).unwrap()]).unwrap();
    let law = |mean: f64, deviation: f64| {
        histogram(&grid, |x| (-0.5 * ((x[0] - mean) / deviation).powi(2)).exp())
    };
    let (a, b) = (0.7f64, 1.1f64);
    let (first, second) = (law(-1.0, a), law(1.5, b));
    for epsilon in [0.1, 0.5, 4.0, 50.0] {
        let found = absolute(epsilon).histograms(&first, &second, SquaredEuclidean).unwrap();
        let [aa, ab, bb] = [(0.0, a, a), (2.5, a, b), (0.0, b, b)].map(|(shift, a, b)| {
            between_gaussians(shift, a * a + b * b, &[a * a * b * b], epsilon)
        });
        near(found.regularised, ab, 1e-8);
        near(found.distance.value, ab - 0.5 * (aa + bb), 1e-8);
        // The cost of transport itself, with a little room for the grid.
        let exact = 2.5f64.powi(2) + (a - b).powi(2);
        let [lower, upper] = found.bracket;
        assert!(lower <= exact + 1e-3 && exact <= upper, "{lower} {exact} {upper}");
        assert!(upper - lower < 1.2 * epsilon, "{epsilon}: {lower} {upper}");
    }
}

#[test]
fn correlated_gaussians_in_the_plane() {
    let axes = [Axis::cells(-6.0, 6.0, 60), Axis::nodes(-7.0, 8.0, 101)];
    let grid = Grid::new(&axes.map(Result::unwrap)).unwrap();
    // Covariances [[a, b], [b, c]].
    let law = |[p, q]: [f64; 2], [a, b, c]: [f64; 3]| {
        let det = a * c - b * b;
        histogram(&grid, |x| {
            let (u, v) = (x[0] - p, x[1] - q);
            (-0.5 * (c * u * u - 2.0 * b * u * v + a * v * v) / det).exp()
        })
    };
    let (a, b) = ([0.5, 0.3, 0.8], [0.7, -0.2, 0.4]);
    let (first, second) = (law([-0.5, 0.2], a), law([0.4, 0.8], b));
    let closed = |shift: f64, a: [f64; 3], b: [f64; 3], epsilon: f64| {
        let trace = a[0] * b[0] + 2.0 * a[1] * b[1] + a[2] * b[2];
        let det = (a[0] * a[2] - a[1] * a[1]) * (b[0] * b[2] - b[1] * b[1]);
        let root = (0.25 * trace * trace - det).max(0.0).sqrt();
        let eigenvalues = [0.5 * trace + root, 0.5 * trace - root];
        between_gaussians(shift, a[0] + a[2] + b[0] + b[2], &eigenvalues, epsilon)
    };
    for epsilon in [0.3, 3.0] {
        let found = absolute(epsilon).histograms(&first, &second, SquaredEuclidean).unwrap();
        let ab = closed(1.17f64.sqrt(), a, b, epsilon);
        let [aa, bb] = [a, b].map(|law| closed(0.0, law, law, epsilon));
        near(found.regularised, ab, 1e-7);
        near(found.distance.value, ab - 0.5 * (aa + bb), 1e-7);
    }
}

#[test]
fn a_law_is_at_no_distance_from_itself() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let points = random_points(&mut rng, 40, 3);
    for cost in [SquaredEuclidean, Euclidean, Manhattan] {
        let found = relative(0.02).points(points.view(), points.view(), None, cost).unwrap();
        near(found.distance.value, 0.0, 1e-9);
        // What remains is the entropy.
        assert!(found.regularised > 0.01 && found.bracket[0] <= 1e-9, "{found:?}");
        assert_eq!(found.distance.squared, cost == SquaredEuclidean);
        assert_eq!(found.distance.n, [Some(40); 2]);
    }
}

/// The cheapest of all assignments, by enumeration.
fn cheapest(cost: &Array2<f64>, from: usize, to: &mut Vec<usize>) -> f64 {
    if from == to.len() {
        return 0.0;
    }
    let mut best = f64::INFINITY;
    for k in from..to.len() {
        to.swap(from, k);
        best = best.min(cost[[from, to[from]]] + cheapest(cost, from + 1, to));
        to.swap(from, k);
    }
    best
}

fn costs(x: &Array2<f64>, y: &Array2<f64>, cost: GroundCost) -> Array2<f64> {
    Array2::from_shape_fn((x.nrows(), y.nrows()), |(i, j)| {
        let difference: Array1<f64> = &x.row(i) - &y.row(j);
        match cost {
            SquaredEuclidean => difference.dot(&difference),
            Euclidean => difference.dot(&difference).sqrt(),
            Manhattan => difference.mapv(f64::abs).sum(),
        }
    })
}

#[test]
fn without_entropy_it_is_the_cheapest_assignment() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for cost in [SquaredEuclidean, Euclidean, Manhattan] {
        for _ in 0..5 {
            let [x, y] = [7, 7].map(|n| random_points(&mut rng, n, 2));
            let exact = cheapest(&costs(&x, &y, cost), 0, &mut (0..7).collect()) / 7.0;
            let mut last = f64::INFINITY;
            for share in [1.0, 1e-1, 1e-2, 1e-3] {
                let solver = Sinkhorn { tolerance: 1e-6, ..relative(share) };
                let found = solver.points(x.view(), y.view(), None, cost).unwrap();
                let error = (found.distance.value - exact).abs();
                assert!(error <= last, "{share} {exact} {found:?}");
                last = error;
                let [lower, upper] = found.bracket;
                assert!(lower <= exact + 1e-9 && exact <= upper + 1e-9, "{exact} {found:?}");
                assert!(upper - lower < 3.0 * found.epsilon);
                assert!(exact <= found.regularised + 1e-9);
            }
            near(last, 0.0, 2e-3);
        }
    }
}

/// The cost between masses on the line: the coupling of the quantiles is optimal for convex costs.
fn on_the_line(a: &[(f64, f64)], b: &[(f64, f64)], cost: impl Fn(f64) -> f64) -> f64 {
    let sorted = |side: &[(f64, f64)]| {
        let total: f64 = side.iter().map(|(_, mass)| mass).sum();
        let mut side: Vec<_> = side.iter().map(|&(x, mass)| (x, mass / total)).collect();
        side.sort_by(|a, b| a.0.total_cmp(&b.0));
        side
    };
    let (mut a, mut b) = (sorted(a), sorted(b));
    let (mut i, mut j, mut sum) = (0, 0, 0.0);
    while i < a.len() && j < b.len() {
        let moved = a[i].1.min(b[j].1);
        sum += moved * cost(a[i].0 - b[j].0);
        a[i].1 -= moved;
        b[j].1 -= moved;
        if a[i].1 <= b[j].1 {
            i += 1;
        } else {
            j += 1;
        }
    }
    sum
}

fn fixed(cases: u32) -> ProptestConfig {
    let rng_seed = RngSeed::Fixed(7);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(fixed(48))]

    #[test]
    fn the_bracket_holds_the_optimum(
        a in vec((-3.0..3.0f64, prop_oneof![Just(0.0), 0.1..1.0f64]), 1..12),
        b in vec((-2.0..5.0f64, prop_oneof![Just(0.0), 0.1..1.0f64]), 1..12),
        exponent in -3.0..1.0f64,
        tolerance in 1e-6..1e-2f64,
    ) {
        prop_assume!([&a, &b].iter().all(|side| side.iter().any(|&(_, mass)| mass > 0.0)));
        let [(x, u), (y, v)] = [&a, &b].map(|side| {
            let total: f64 = side.iter().map(|(_, mass)| mass).sum();
            let points = Array2::from_shape_fn((side.len(), 1), |(i, _)| side[i].0);
            (points, side.iter().map(|(_, mass)| mass / total).collect::<Vec<_>>())
        });
        let solver = Sinkhorn { tolerance, ..relative(10f64.powf(exponent)) };
        let exact = [on_the_line(&a, &b, |z| z * z), on_the_line(&a, &b, f64::abs)];
        for (cost, exact) in [SquaredEuclidean, Euclidean].into_iter().zip(exact) {
            let found = solver.points(x.view(), y.view(), Some([&u, &v]), cost);
            // All points in one place: there is no cost for ε to be a share of.
            prop_assume!(!matches!(found, Err(SinkhornError::Epsilon { largest_cost: 0.0, .. })));
            let found = found.unwrap();
            let [lower, upper] = found.bracket;
            prop_assert!(lower <= exact + 1e-9 && exact <= upper + 1e-9, "{} {:?}", exact, found);
            prop_assert!(lower <= found.regularised + 1e-9);
            prop_assert!(found.marginal_error <= tolerance);
            prop_assert_eq!(found.distance.n, [None, None]);
        }
    }

    #[test]
    fn a_translation_is_its_squared_length(
        x in vec((-1.0..1.0f64, -1.0..1.0f64), 1..20),
        (p, q) in (-3.0..3.0f64, -3.0..3.0f64),
        exponent in -2.5..1.0f64,
    ) {
        let x = Array2::from_shape_fn((x.len(), 2), |(i, k)| if k == 0 { x[i].0 } else { x[i].1 });
        let y = &x + &array![p, q];
        let found =
            relative(10f64.powf(exponent)).points(x.view(), y.view(), None, SquaredEuclidean);
        let value = found.unwrap().distance.value;
        prop_assert!((value - p * p - q * q).abs() < 1e-8, "{} {}", value, p * p + q * q);
    }

    #[test]
    fn the_grid_gives_what_its_points_give(
        masses in vec((prop_oneof![Just(0.0), 0.0..1.0f64], prop_oneof![Just(0.0), 0.0..1.0f64]), 60),
        exponent in -3.0..1.0f64,
        squared: bool,
    ) {
        prop_assume!(masses.iter().any(|m| m.0 > 0.0) && masses.iter().any(|m| m.1 > 0.0));
        let axes = [Axis::nodes(-1.0, 2.0, 4), Axis::cells(0.0, 1.0, 5), Axis::nodes(3.0, 7.0, 3)];
        let grid = Grid::new(&axes.map(Result::unwrap)).unwrap();
        let side = |mass: fn(&(f64, f64)) -> f64| {
            let masses = masses.iter().map(mass).collect();
            Histogram::from_mass(grid, ArrayD::from_shape_vec(IxDyn(&[3, 5, 4]), masses).unwrap())
        };
        let (first, second) = (side(|m| m.0).unwrap(), side(|m| m.1).unwrap());
        let cost = if squared { SquaredEuclidean } else { Manhattan };
        let solver = Sinkhorn { tolerance: 1e-6, ..relative(10f64.powf(exponent)) };
        let on_grid = solver.histograms(&first, &second, cost).unwrap();
        let [(x, u), (y, v)] = [&first, &second].map(places);
        let points = solver.points(x.view(), y.view(), Some([&u, &v]), cost).unwrap();
        let values = |found: &SinkhornDivergence| {
            let [lower, upper] = found.bracket;
            [found.distance.value, found.regularised, found.epsilon, lower, upper]
        };
        // The upper bound is a difference quotient, and has fewer digits.
        let digits = [1e-9, 1e-9, 1e-12, 1e-9, 1e-4 * points.epsilon];
        for ((a, b), within) in values(&on_grid).iter().zip(values(&points)).zip(digits) {
            prop_assert!((a - b).abs() <= within, "{:?} {:?}", on_grid, points);
        }
    }
}

#[test]
fn with_much_entropy_it_is_half_the_energy_distance() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (x, y) = (random_points(&mut rng, 20, 2), &random_points(&mut rng, 30, 2) * 1.5 + 0.3);
    let mean = |x: &Array2<f64>, y: &Array2<f64>| costs(x, y, Euclidean).mean().unwrap();
    let energy = mean(&x, &y) - 0.5 * (mean(&x, &x) + mean(&y, &y));
    let found = relative(1e4).points(x.view(), y.view(), None, Euclidean).unwrap();
    near(found.distance.value, energy, 1e-3 * energy);
}

#[test]
fn both_sides_are_alike() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let (x, y) = (random_points(&mut rng, 20, 2), random_points(&mut rng, 33, 2));
    for cost in [SquaredEuclidean, Euclidean, Manhattan] {
        let there = relative(1e-2).points(x.view(), y.view(), None, cost).unwrap();
        let back = relative(1e-2).points(y.view(), x.view(), None, cost).unwrap();
        near(there.distance.value, back.distance.value, 1e-8);
        assert_eq!(
            (there.distance.n, back.distance.n),
            ([Some(20), Some(33)], [Some(33), Some(20)])
        );
        assert!(there.distance.value > 0.0);
    }
}

/// Steps of the grid, one tenth of them without mass: two far masses, and an `ε` below a squared step.
#[test]
fn places_without_mass_and_small_epsilon_are_no_trouble() {
    let axes = [Axis::nodes(0.0, 99.0, 100), Axis::nodes(0.0, 49.0, 50)];
    let grid = Grid::new(&axes.map(Result::unwrap)).unwrap();
    let law = |left: f64, low: f64| {
        histogram(&grid, |x| {
            let (u, v) = (x[0] - left, x[1] - low);
            let inside = (0.0..10.0).contains(&u) && (0.0..20.0).contains(&v);
            if inside && (u + v) % 10.0 != 3.0 { 1.0 + u * v } else { 0.0 }
        })
    };
    let solver = Sinkhorn { tolerance: 1e-7, ..absolute(0.5) };
    let there = solver.histograms(&law(2.0, 1.0), &law(87.0, 28.0), SquaredEuclidean).unwrap();
    let exact = 85.0 * 85.0 + 27.0 * 27.0;
    near(there.distance.value, exact, 1e-6);
    let [lower, upper] = there.bracket;
    assert!(lower <= exact + 1e-6 && exact <= upper && upper - lower < 1.0, "{there:?}");
    let there = solver.histograms(&law(2.0, 1.0), &law(87.0, 28.0), Manhattan).unwrap();
    assert!(there.bracket[0] <= 112.0 + 1e-9 && 112.0 <= there.bracket[1], "{there:?}");
    assert!(!there.distance.squared);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let axes = [Axis::nodes(-1.0, 1.0, 90), Axis::nodes(-1.0, 1.0, 70)];
    let grid = Grid::new(&axes.map(Result::unwrap)).unwrap();
    let first = histogram(&grid, |x| (-4.0 * (x[0] * x[0] + x[1])).exp());
    let second = histogram(&grid, |x| 1.0 + (7.0 * x[0] * x[1]).sin());
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let (x, y) = (random_points(&mut rng, 300, 2), random_points(&mut rng, 200, 2));
    let solver = Sinkhorn { epsilon: Epsilon::Relative(1e-2), ..Sinkhorn::default() };
    let all = || {
        let grids = [SquaredEuclidean, Manhattan]
            .map(|cost| solver.histograms(&first, &second, cost).unwrap());
        let points = solver.points(x.view(), y.view(), None, Euclidean).unwrap();
        (grids, points)
    };
    let found = [1, 2, 3, 7].map(|threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(all)
    });
    for other in &found[1..] {
        assert_eq!(&found[0], other);
    }
}

#[test]
fn single_precision_counts_as_its_exact_value() {
    let (x, y) = (arr2(&[[0.1f32, 2.0], [0.7, -1.0]]), arr2(&[[0.3f32, 0.0]]));
    let wide = [&x, &y].map(|points| points.mapv(f64::from));
    let single = relative(0.1).points(x.view(), y.view(), None, Manhattan);
    let double = relative(0.1).points(wide[0].view(), wide[1].view(), None, Manhattan);
    assert_eq!(single, double);
}

#[test]
fn too_few_iterations_are_an_error() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let (x, y) = (random_points(&mut rng, 20, 2), random_points(&mut rng, 20, 2));
    let solver = Sinkhorn { iterations: 12, ..absolute(0.01) };
    match solver.points(x.view(), y.view(), None, SquaredEuclidean) {
        Err(SinkhornError::NotConverged { iterations: 12, error, tolerance, .. }) => {
            assert!(error > tolerance && tolerance == TOLERANCE);
        }
        other => panic!("{other:?}"),
    }
    let none = Sinkhorn { iterations: 0, ..absolute(0.01) };
    let none = none.points(x.view(), x.view(), None, SquaredEuclidean);
    assert!(matches!(none, Err(SinkhornError::NotConverged { .. })));
}

#[test]
fn unusable_input_is_refused() {
    let (x, y) = (array![[0.0, 1.0], [2.0, 3.0]], array![[1.0, 1.0], [4.0, 0.0], [0.0, 0.0]]);
    let plain = Sinkhorn::default();
    let points = |x: &Array2<f64>, y: &Array2<f64>, weights: Option<[&[f64]; 2]>| {
        plain.points(x.view(), y.view(), weights, SquaredEuclidean).unwrap_err()
    };
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut bad = y.clone();
        bad[[2, 1]] = value;
        let error = points(&x, &bad, None);
        assert!(matches!(
            error,
            SinkhornError::Points(PointsError::Point { side: Side::Second, row: 2, column: 1, .. })
        ));
        let error = points(&bad, &x, None);
        assert!(matches!(
            error,
            SinkhornError::Points(PointsError::Point { side: Side::First, row: 2, column: 1, .. })
        ));
    }
    let columns = SinkhornError::Points(PointsError::Columns { first: 2, second: 3 });
    assert_eq!(points(&x, &Array2::zeros((1, 3)), None), columns);
    let (none, side) = (Array2::zeros((0, 2)), Side::Second);
    assert_eq!(points(&x, &none, None), PointsError::Mass(MassError::Empty { side }).into());
    assert_eq!(
        points(&x, &none, Some([&[1.0; 2], &[]])),
        PointsError::Mass(MassError::Empty { side }).into()
    );
    let weights = |a: &[f64], b: &[f64]| points(&x, &y, Some([a, b]));
    let count = SinkhornError::Points(PointsError::Weights { side, points: 3, weights: 2 });
    assert_eq!(weights(&[0.5; 2], &[0.5; 2]), count);
    let mass = MassError::Mass { side, index: 1, value: -1.0 };
    assert_eq!(weights(&[0.5; 2], &[1.0, -1.0, 1.0]), PointsError::Mass(mass).into());
    assert_eq!(weights(&[0.5; 2], &[0.0; 3]), PointsError::Mass(MassError::Empty { side }).into());
    let unequal = MassError::Unequal { first: 1.0, second: 2.0 };
    assert_eq!(weights(&[0.5; 2], &[1.0, 1.0, 0.0]), PointsError::Mass(unequal).into());
    assert_eq!(points(&(&x * 1e200), &y, None), SinkhornError::TooFarApart);
    // All in one place: the share of a cost of zero.
    let epsilon = SinkhornError::Epsilon { epsilon: 0.0, largest_cost: 0.0 };
    assert_eq!(points(&Array2::ones((2, 2)), &Array2::ones((3, 2)), None), epsilon);

    for bad in [0.0, -1.0, f64::INFINITY, f64::NAN, 1e-13] {
        for epsilon in [Epsilon::Absolute(bad), Epsilon::Relative(bad)] {
            let solver = Sinkhorn { epsilon, ..plain };
            let error = solver.points(x.view(), y.view(), None, Manhattan).unwrap_err();
            assert!(matches!(error, SinkhornError::Epsilon { largest_cost: 7.0, .. }), "{error}");
        }
    }
    for tolerance in [0.0, -1.0, f64::NAN] {
        let solver = Sinkhorn { tolerance, ..plain };
        let error = solver.points(x.view(), y.view(), None, Euclidean).unwrap_err();
        assert!(matches!(error, SinkhornError::Tolerance { .. }), "{error}");
    }

    let histogram = |grid: &Grid| histogram(grid, |_| 1.0);
    let (first, second) = (Grid::square(3, 1.0).unwrap(), Grid::square(3, 2.0).unwrap());
    let error = plain.histograms(&histogram(&first), &histogram(&second), Manhattan).unwrap_err();
    assert_eq!(error, SinkhornError::Grids(GridMismatch(Box::new([first, second]))));
    let error = plain.histograms(&histogram(&first), &histogram(&first), Euclidean).unwrap_err();
    assert_eq!(error, SinkhornError::NotSeparable { axes: 2 });
}

/// Laws of a single place have only one plan.
#[test]
fn a_single_place_has_only_one_plan() {
    let solver = absolute(0.3);
    let (x, y) = (array![[1.0, 2.0]], array![[4.0, 6.0], [1.0, 2.0]]);
    let found = solver.points(x.view(), y.view(), None, Euclidean).unwrap();
    near(found.regularised, 2.5, 1e-12);
    near(found.bracket[0], 2.5, 1e-12);
    near(found.bracket[1], 2.5, 1e-4);
    let found = solver.points(x.view(), x.view(), None, Euclidean).unwrap();
    assert_eq!((found.distance.value, found.bracket), (0.0, [0.0; 2]));
    let cell = Grid::new(&[Axis::cells(0.0, 1.0, 1).unwrap()]).unwrap();
    let law = histogram(&cell, |_| 3.0);
    for cost in [SquaredEuclidean, Euclidean, Manhattan] {
        near(solver.histograms(&law, &law, cost).unwrap().distance.value, 0.0, 1e-15);
    }
}
