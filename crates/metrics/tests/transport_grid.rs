//! Exact transport on grids of one to three axes and for any separable cost.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use GroundCost::{Euclidean, Manhattan, SquaredEuclidean};
use common::{cheapest_assignment, config, verified};
use fokker_metrics::{
    Axis, ExactTransport, Grid, GridMismatch, GroundCost, Histogram, TransportError, squared_w2,
    transport_costs, transport_grid, transport_separable,
};
use ndarray::{Array1, Array2, ArrayD};
use proptest::prelude::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A grid with axes of so many nodes and these spacings.
fn grid(sides: &[(usize, f64)]) -> Grid {
    let axis = |&(n, h): &(usize, f64)| Axis::nodes(0.0, h * (n - 1) as f64, n).unwrap();
    Grid::new(&sides.iter().map(axis).collect::<Vec<_>>()).unwrap()
}

fn histogram(grid: Grid, mut mass: impl FnMut(usize) -> f64) -> Histogram {
    let masses = (0..grid.len()).map(&mut mass).collect();
    Histogram::from_mass(grid, ArrayD::from_shape_vec(grid.shape(), masses).unwrap()).unwrap()
}

/// A cost of either kind.
#[derive(Debug)]
enum Cost {
    Ground(GroundCost),
    Tables(Vec<Array2<f64>>),
}

/// The costs between all places of a grid, from their coordinates.
fn matrix(grid: Grid, cost: &Cost) -> Array2<f64> {
    let n = grid.len();
    let places: Vec<Vec<f64>> = (0..n).map(|place| grid.place(place)).collect();
    Array2::from_shape_fn((n, n), |(mut a, mut b)| {
        let steps = places[a].iter().zip(&places[b]).map(|(x, y)| x - y);
        match cost {
            Cost::Ground(SquaredEuclidean) => steps.map(|step| step * step).sum(),
            Cost::Ground(Euclidean) => steps.map(|step| step * step).sum::<f64>().sqrt(),
            Cost::Ground(Manhattan) => steps.map(f64::abs).sum(),
            Cost::Tables(tables) => {
                let mut sum = 0.0;
                for table in tables {
                    sum += table[[a % table.nrows(), b % table.nrows()]];
                    (a, b) = (a / table.nrows(), b / table.nrows());
                }
                sum
            }
        }
    })
}

/// An optimum, verified.
fn solve(first: &Histogram, second: &Histogram, cost: &Cost) -> ExactTransport {
    let found = match cost {
        Cost::Ground(cost) => transport_grid(first, second, *cost),
        Cost::Tables(tables) => transport_separable(first, second, tables),
    };
    let masses = |h: &Histogram| h.mass().iter().copied().collect::<Vec<_>>();
    let costs = matrix(first.grid(), cost);
    verified(found.unwrap(), &masses(first), &masses(second), |a, b| costs[[a, b]])
}

/// Costs of all kinds on a grid.
fn costs(grid: Grid, rng: &mut ChaCha8Rng) -> [Cost; 4] {
    let table = |axis: &Axis| {
        Array2::from_shape_fn((axis.len(), axis.len()), |_| rng.random_range(-1.0..3.0))
    };
    let tables = grid.axes().iter().map(table).collect();
    let [a, b, c] = [SquaredEuclidean, Euclidean, Manhattan].map(Cost::Ground);
    [a, b, c, Cost::Tables(tables)]
}

const GRIDS: [&[(usize, f64)]; 8] = [
    &[(7, 1.0)],
    &[(2, 0.3)],
    &[(4, 0.5), (4, 0.5)],
    &[(5, 1.0), (3, 0.7)],
    &[(1 + 1, 3.0), (8, 0.1)],
    &[(3, 1.0), (3, 1.0), (3, 1.0)],
    &[(2, 1.0), (4, 0.2), (3, 1.7)],
    &[(6, 0.4), (2, 0.4), (2, 0.4)],
];

#[test]
fn agrees_with_the_cheapest_of_all_assignments() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..160 {
        let grid = grid(GRIDS[round % 8]);
        let count = 1 + round % 8;
        let [from, to] =
            [0; 2].map(|_| (0..count).map(|_| rng.random_range(0..grid.len())).collect::<Vec<_>>());
        let counted = |places: &[usize]| {
            histogram(grid, |p| places.iter().filter(|&&place| place == p).count() as f64)
        };
        for cost in costs(grid, &mut rng) {
            let found = solve(&counted(&from), &counted(&to), &cost);
            let costs = matrix(grid, &cost);
            let row = |&a: &usize| to.iter().map(|&b| costs[[a, b]]).collect();
            let rows: Vec<Vec<f64>> = from.iter().map(row).collect();
            let exact = cheapest_assignment(&rows) / count as f64;
            let error = (found.distance.value - exact).abs();
            assert!(error <= 1e-12 + 2.0 * found.cost_rounding, "{round} {cost:?} {error:e}");
            assert_eq!(found.rounding, 0.0);
        }
    }
}

#[test]
fn the_layered_network_agrees_with_the_bipartite_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for sides in GRIDS {
        let grid = grid(sides);
        let mut noise =
            || histogram(grid, |_| rng.random::<f64>() * f64::from(rng.random_bool(0.7)) + 1e-3);
        let (first, second) = (noise(), noise());
        for cost in costs(grid, &mut rng) {
            let layered = solve(&first, &second, &cost);
            let masses = |h: &Histogram| h.mass().iter().map(|m| m / h.total()).collect::<Vec<_>>();
            let weights = [masses(&first), masses(&second)];
            let costs = matrix(grid, &cost);
            let bipartite =
                transport_costs(costs.view(), Some([&weights[0], &weights[1]])).unwrap();
            let (a, b) = (layered.distance.value, bipartite.distance.value);
            assert!((a - b).abs() <= 1e-11, "{sides:?} {cost:?} {a} {b}");
        }
    }
}

#[test]
fn manhattan_transport_on_a_line_is_the_area_between_distribution_functions() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let grid = grid(&[(200, 0.25)]);
    for _ in 0..5 {
        let mut noise = || histogram(grid, |_| rng.random::<f64>());
        let (first, second) = (noise(), noise());
        let share = |h: &Histogram, p: usize| h.mass()[[p]] / h.total();
        let (mut gap, mut area) = (0.0f64, 0.0);
        for place in 0..199 {
            gap += share(&first, place) - share(&second, place);
            area += gap.abs() * 0.25;
        }
        let found = transport_grid(&first, &second, Manhattan).unwrap();
        assert!((found.distance.value - area).abs() < 1e-12);
        assert_eq!(found.cost_rounding, 0.0);
        assert!(!found.distance.squared);
    }
}

#[test]
fn gaussians_have_their_closed_form() {
    // W₂² between N(a, diag(s²)) and N(b, diag(r²)) is |a - b|² + Σ (s - r)²; masses are those of the
    // density at the nodes, which for widths of more than two spacings changes moments by less than 1e-8.
    let cases: [&[(usize, f64)]; 3] = [&[(400, 0.05)], &[(48, 0.4), (40, 0.5)], &[(12, 1.0); 3]];
    for sides in cases {
        let grid = grid(sides);
        let (mut exact, mut laws) = (0.0, [Vec::new(), Vec::new()]);
        for (k, &(n, h)) in sides.iter().enumerate() {
            let middle = 0.5 * h * (n - 1) as f64;
            let reach = 0.5 * h * n as f64;
            let a = (middle - 0.02 * reach, 0.16 * reach);
            let b = (middle + 0.05 * reach * (k + 1) as f64 / 2.0, 0.18 * reach);
            exact += (a.0 - b.0).powi(2) + (a.1 - b.1).powi(2);
            laws[0].push(a);
            laws[1].push(b);
        }
        let [first, second] = laws.map(|law| {
            histogram(grid, |place| {
                let x = grid.place(place);
                let square = |(x, (m, s)): (&f64, &(f64, f64))| ((x - m) / s).powi(2);
                (-0.5 * x.iter().zip(&law).map(square).sum::<f64>()).exp()
            })
        });
        let found = squared_w2(&first, &second).unwrap().distance;
        // On a grid the optimum lies above the continuous one by at most what moves mass to nodes.
        let coarse = sides.iter().map(|(_, h)| h * h).sum::<f64>();
        assert!((found.value - exact).abs() < 0.5 * coarse, "{sides:?} {} {exact}", found.value);
        assert!(found.squared && (found.root().powi(2) - found.value).abs() < 1e-15);
        // Shifting by whole nodes is exact.
        let shifted = histogram(grid, |place| {
            if place % sides[0].0 == 0 {
                0.0
            } else {
                first.mass().iter().nth(place - 1).copied().unwrap()
            }
        });
        let moved = squared_w2(&first, &shifted).unwrap().distance.value;
        assert!((moved / sides[0].1.powi(2) - 1.0).abs() < 2e-3, "{moved}");
    }
}

#[test]
fn one_axis_gives_what_two_give_along_a_line() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let masses: [Vec<f64>; 2] = [0; 2].map(|_| (0..30).map(|_| rng.random::<f64>()).collect());
    let line = grid(&[(30, 0.5)]);
    let plane = grid(&[(30, 0.5), (3, 0.5)]);
    let [on_line, on_plane] = [(line, 30), (plane, 90)].map(|(grid, _)| {
        let [a, b] = [0, 1].map(|k| histogram(grid, |p| masses[k].get(p).copied().unwrap_or(0.0)));
        squared_w2(&a, &b).unwrap().distance.value
    });
    assert!((on_line - on_plane).abs() < 1e-14);
}

/// Hard cases and how many pivots they took for each node.
#[test]
fn adversarial_cases_end_within_a_bound_on_pivots() {
    let flat: [&[(usize, f64)]; 4] =
        [&[(24, 1.0); 2], &[(2, 1.0), (100, 1.0)], &[(300, 1.0)], &[(6, 1.0); 3]];
    for sides in flat {
        let grid = grid(sides);
        let n = grid.len();
        let parity = |p: usize| grid.place(p).iter().sum::<f64>() as usize % 2;
        let one = |at: usize| histogram(grid, move |p| f64::from(p == at));
        let ties = histogram(grid, |_| 1.0);
        let pairs = [
            (one(0), one(n - 1)),
            (one(n / 2), ties.clone()),
            (ties.clone(), one(0)),
            (ties.clone(), ties.clone()),
            (
                histogram(grid, |p| f64::from(parity(p) == 0)),
                histogram(grid, |p| f64::from(parity(p) == 1)),
            ),
            (histogram(grid, |p| f64::from(p < n / 2)), histogram(grid, |p| f64::from(p >= n / 2))),
            (histogram(grid, |p| (p + 1) as f64), histogram(grid, |p| (n - p) as f64)),
            (
                histogram(grid, |p| (1u64 << (p % 50)) as f64),
                histogram(grid, |p| (1u64 << (p * 7 % 50)) as f64),
            ),
        ];
        for (k, (first, second)) in pairs.iter().enumerate() {
            for cost in [SquaredEuclidean, Euclidean, Manhattan].map(Cost::Ground) {
                let found = solve(first, second, &cost);
                let nodes = (n * (grid.dim().max(2) + 1)) as u64;
                assert!(found.pivots <= 10 * nodes, "{sides:?} {k} {cost:?} {}", found.pivots);
            }
        }
    }
}

#[test]
fn bad_input_is_refused() {
    let small = grid(&[(3, 1.0), (2, 1.0)]);
    let flat = |grid| histogram(grid, |_| 1.0);
    let first = flat(small);
    let second = flat(grid(&[(2, 1.0), (3, 1.0)]));
    let error = TransportError::Grids(GridMismatch(Box::new([small, second.grid()])));
    assert_eq!(squared_w2(&first, &second).unwrap_err(), error);

    let with = |tables: Vec<_>| transport_separable(&first, &first, &tables).unwrap_err();
    let table = |n: usize, value: f64| Array2::from_elem((n, n), value);
    let expected = vec![3, 2];
    for (tables, found) in [
        (vec![], vec![]),
        (vec![table(3, 1.0)], vec![[3, 3]]),
        (vec![table(2, 1.0), table(3, 1.0)], vec![[2, 2], [3, 3]]),
        (vec![table(3, 1.0), Array2::zeros((2, 1))], vec![[3, 3], [2, 1]]),
    ] {
        let expected = expected.clone();
        assert_eq!(with(tables), TransportError::CostTables { expected, found });
    }
    for value in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
        let mut bad = table(2, 0.0);
        bad[[1, 0]] = value;
        let error = with(vec![table(3, 1.0), bad]);
        assert!(
            matches!(error, TransportError::Cost { axis: Some(1), from: 1, to: 0, .. }),
            "{error}"
        );
    }
    let mut wide = table(3, f64::MAX);
    wide[[0, 1]] = f64::MIN;
    let range = f64::INFINITY;
    assert_eq!(with(vec![wide, table(2, 0.0)]), TransportError::CostRange { range });
    let mut narrow = table(3, 0.0);
    narrow[[0, 1]] = f64::from_bits(1);
    let range = f64::from_bits(1);
    assert_eq!(with(vec![narrow, table(2, 0.0)]), TransportError::CostRange { range });
    // Costs that are all the same are no trouble.
    let same = [table(3, 7.0), table(2, -1.0)];
    assert_eq!(transport_separable(&first, &first, &same).unwrap().distance.value, 6.0);

    // A grid may be of any size, its squared distances may not.
    for (h, range) in [(1e200, f64::INFINITY), (1e-200, 0.0)] {
        let extreme = flat(grid(&[(4, h)]));
        let found = squared_w2(&extreme, &extreme);
        assert_eq!(found.unwrap_err(), TransportError::CostRange { range });
        assert_eq!(transport_grid(&extreme, &extreme, Manhattan).unwrap().distance.value, 0.0);
    }

    let many = flat(Grid::square(129, 1.0).unwrap());
    let error = TransportError::TooManyCosts { first: 129 * 129, second: 129 * 129 };
    assert_eq!(transport_grid(&many, &many, Euclidean).unwrap_err(), error);
}

#[test]
fn what_was_dropped_and_counted_is_reported() {
    let grid = Grid::square(8, 1.0).unwrap();
    let [first, second] = [4, 10].map(|n| {
        let points = Array1::linspace(-1.25, 1.25, n);
        let points = Array2::from_shape_fn((n, 2), |(i, _)| points[i]);
        Histogram::from_points(grid, points.view()).unwrap()
    });
    let found = squared_w2(&first, &second).unwrap().distance;
    assert_eq!((found.n, found.dropped), ([Some(4), Some(10)], [0.5, 0.2]));
    assert_eq!((found.floor, found.interval, found.debiased()), (None, None, None));
}

fn masses() -> impl Strategy<Value = Vec<f64>> {
    let mass = prop_oneof![Just(0.0), Just(1.0), (0u32..9).prop_map(f64::from), 0.0..1.0f64];
    proptest::collection::vec(mass, 24)
        .prop_filter("no mass", |masses| masses.iter().sum::<f64>() > 0.0)
}

proptest! {
    #![proptest_config(config(7))]

    #[test]
    fn w1_and_w2_are_distances(a in masses(), b in masses(), c in masses(), which in 0usize..3) {
        let sides: [&[(usize, f64)]; 3] = [&[(24, 0.3)], &[(6, 1.0), (4, 0.6)], &[(4, 1.0), (3, 0.5), (2, 2.0)]];
        let grid = grid(sides[which]);
        let [a, b, c] = [a, b, c].map(|masses| histogram(grid, |p| masses[p]));
        for cost in [SquaredEuclidean, Euclidean, Manhattan].map(Cost::Ground) {
            let distance = |x: &Histogram, y: &Histogram| solve(x, y, &cost).distance.root();
            prop_assert_eq!(distance(&a, &a), 0.0);
            prop_assert!((distance(&a, &b) - distance(&b, &a)).abs() < 1e-9);
            prop_assert!(distance(&a, &c) <= distance(&a, &b) + distance(&b, &c) + 1e-9);
        }
    }
}
