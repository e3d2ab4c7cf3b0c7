//! The exact distance against enumeration, an independent solver and closed forms.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fokker_metrics::{
    ExactTransport, Grid, GridMismatch, Histogram, LARGEST_GRID, TransportError, squared_w2,
};
use ndarray::{Array2, IxDyn};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};

/// A histogram on a grid of spacing 1, so that distances are in steps.
fn histogram(nodes: usize, mass: impl FnMut((usize, usize)) -> f64) -> Histogram {
    let grid = Grid::square(nodes, (nodes - 1) as f64 / 2.0).unwrap();
    Histogram::from_mass(grid, Array2::from_shape_fn((nodes, nodes), mass)).unwrap()
}

fn nodes_of(places: &[(usize, usize)], nodes: usize) -> Histogram {
    histogram(nodes, |place| places.iter().filter(|&&p| p == place).count() as f64)
}

fn solve(first: &Histogram, second: &Histogram) -> ExactTransport {
    squared_w2(first, second).unwrap()
}

fn squared_distance(a: (usize, usize), b: (usize, usize)) -> i64 {
    (a.0.abs_diff(b.0).pow(2) + a.1.abs_diff(b.1).pow(2)) as i64
}

/// The cheapest of all assignments of one list of places to another.
fn cheapest_assignment(from: &[(usize, usize)], to: &mut [(usize, usize)]) -> i64 {
    let Some((&first, rest)) = from.split_first() else { return 0 };
    let mut best = i64::MAX;
    for k in 0..to.len() {
        to.swap(0, k);
        let cost = squared_distance(first, to[0]) + cheapest_assignment(rest, &mut to[1..]);
        best = best.min(cost);
        to.swap(0, k);
    }
    best
}

/// The cost of transport between whole masses of equal totals, one cheapest augmenting path after
/// the other (Bellman–Ford) on the complete bipartite graph.
fn cheapest_transport(first: &Histogram, second: &Histogram) -> i64 {
    let listed = |h: &Histogram| -> Vec<((usize, usize), i64)> {
        h.mass()
            .indexed_iter()
            .filter(|(_, m)| **m > 0.0)
            .map(|(p, &m)| ((p[0], p[1]), m as i64))
            .collect()
    };
    let (mut supplies, mut demands) = (listed(first), listed(second));
    let (s, d) = (supplies.len(), demands.len());
    let cost: Vec<Vec<i64>> = supplies
        .iter()
        .map(|a| demands.iter().map(|b| squared_distance(a.0, b.0)).collect())
        .collect();
    let mut flow = vec![vec![0i64; d]; s];
    let far = i64::MAX / 4;
    while supplies.iter().any(|&(_, left)| left > 0) {
        let mut at_supply: Vec<_> =
            supplies.iter().map(|&(_, left)| if left > 0 { 0 } else { far }).collect();
        let mut at_demand = vec![far; d];
        let (mut supply_from, mut demand_from) = (vec![None; s], vec![0; d]);
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for i in 0..s {
                for j in 0..d {
                    if at_supply[i] + cost[i][j] < at_demand[j] {
                        (at_demand[j], demand_from[j]) = (at_supply[i] + cost[i][j], i);
                        changed = true;
                    }
                    if flow[i][j] > 0 && at_demand[j] - cost[i][j] < at_supply[i] {
                        (at_supply[i], supply_from[i]) = (at_demand[j] - cost[i][j], Some(j));
                        changed = true;
                    }
                }
            }
        }
        let goal = (0..d).filter(|&j| demands[j].1 > 0).min_by_key(|&j| at_demand[j]).unwrap();
        let (mut steps, mut room, mut j) = (Vec::new(), demands[goal].1, goal);
        let start = loop {
            let i = demand_from[j];
            steps.push((i, j, 1));
            let Some(back) = supply_from[i] else { break i };
            steps.push((i, back, -1));
            room = room.min(flow[i][back]);
            j = back;
        };
        room = room.min(supplies[start].1);
        for (i, j, sign) in steps {
            flow[i][j] += sign * room;
        }
        supplies[start].1 -= room;
        demands[goal].1 -= room;
    }
    (0..s).flat_map(|i| (0..d).map(move |j| (i, j))).map(|(i, j)| flow[i][j] * cost[i][j]).sum()
}

fn random_places(rng: &mut ChaCha8Rng, count: usize, nodes: usize) -> Vec<(usize, usize)> {
    (0..count).map(|_| (rng.random_range(0..nodes), rng.random_range(0..nodes))).collect()
}

#[test]
fn agrees_with_the_cheapest_of_all_assignments() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for round in 0..300 {
        let (nodes, count) = (2 + round % 5, 1 + round % 6);
        let from = random_places(&mut rng, count, nodes);
        let mut to = random_places(&mut rng, count, nodes);
        let found = solve(&nodes_of(&from, nodes), &nodes_of(&to, nodes));
        let exact = cheapest_assignment(&from, &mut to) as f64 / count as f64;
        assert!((found.distance.value - exact).abs() <= 1e-14 * exact, "{from:?} {to:?}");
        assert_eq!(found.rounding, 0.0);
    }
}

#[test]
fn agrees_with_augmenting_paths() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for round in 0..150 {
        let (nodes, count) = (2 + round % 6, 1 + 3 * round % 100);
        let first = nodes_of(&random_places(&mut rng, count, nodes), nodes);
        let second = nodes_of(&random_places(&mut rng, count, nodes), nodes);
        let exact = cheapest_transport(&first, &second) as f64 / count as f64;
        assert!((solve(&first, &second).distance.value - exact).abs() <= 1e-14 * exact, "{round}");
    }
}

#[test]
fn lines_agree_with_the_sorted_matching() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for round in 0..50 {
        let mut line = || -> Vec<usize> {
            let mut line: Vec<_> = (0..40).map(|_| rng.random_range(0..16)).collect();
            line.sort_unstable();
            line
        };
        let (from, to) = (line(), line());
        let squares = from.iter().zip(&to).map(|(a, b)| a.abs_diff(*b).pow(2));
        // The two lines up to three steps apart, as rows and as columns.
        let apart = round % 4;
        let exact = squares.sum::<usize>() as f64 / 40.0 + (apart * apart) as f64;
        let count = |line: &[usize], k: usize| line.iter().filter(|&&p| p == k).count() as f64;
        let row =
            |line: &[usize], at| histogram(16, |(y, x)| if y == at { count(line, x) } else { 0.0 });
        let column =
            |line: &[usize], at| histogram(16, |(y, x)| if x == at { count(line, y) } else { 0.0 });
        for found in [
            solve(&row(&from, 5), &row(&to, 5 + apart)),
            solve(&column(&from, 5), &column(&to, 5 + apart)),
        ] {
            assert!((found.distance.value - exact).abs() <= 1e-13 * exact, "{round}");
        }
    }
}

#[test]
fn a_row_becomes_a_column() {
    let row = histogram(9, |(y, _)| f64::from(y == 4));
    let column = histogram(9, |(_, x)| f64::from(x == 4));
    // Both pass through the centre, so every coupling costs the sum of their variances.
    let variance = (-4..=4).map(|k| f64::from(k * k)).sum::<f64>() / 9.0;
    assert_eq!(solve(&row, &column).distance.value, 2.0 * variance);
}

#[test]
fn a_shift_costs_its_squared_length() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mass = Array2::from_shape_fn((12, 12), |_| rng.random::<f64>());
    for (a, b) in [(0, 0), (1, 0), (0, 3), (5, 8), (12, 12)] {
        let grid = Grid::square(24, 3.5).unwrap();
        let shifted = |b: usize, a: usize| {
            let place = |(y, x): (usize, usize)| (y.checked_sub(b), x.checked_sub(a));
            let value = |p| match place(p) {
                (Some(y), Some(x)) if y < 12 && x < 12 => mass[[y, x]],
                _ => 0.0,
            };
            Histogram::from_mass(grid, Array2::from_shape_fn((24, 24), value)).unwrap()
        };
        let found = solve(&shifted(0, 0), &shifted(b, a));
        let exact = (a * a + b * b) as f64 * grid.cell_volume();
        assert!((found.distance.value - exact).abs() <= 1e-14 * exact);
        assert!((found.distance.root() - exact.sqrt()).abs() <= 1e-14 * exact.sqrt());
        assert!(found.rounding > 0.0 && found.rounding < (-40f64).exp2());
    }
}

#[test]
fn single_nodes_pay_their_squared_distance() {
    let corners = [(0, 0), (0, 7), (7, 0), (7, 7), (3, 4)];
    for a in corners {
        for b in corners {
            let found = solve(&nodes_of(&[a], 8), &nodes_of(&[b], 8));
            assert_eq!(found.distance.value, squared_distance(a, b) as f64);
        }
    }
}

#[test]
fn everything_goes_to_one_node() {
    let spread = histogram(6, |(y, x)| (1 + x + y) as f64);
    let cost = |(p, mass): (IxDyn, &f64)| {
        mass * squared_distance((p[0], p[1]), (1, 4)) as f64 / spread.total()
    };
    let exact: f64 = spread.mass().indexed_iter().map(cost).sum();
    assert!((solve(&spread, &nodes_of(&[(1, 4)], 6)).distance.value - exact).abs() < 1e-12);
    assert!((solve(&nodes_of(&[(1, 4)], 6), &spread).distance.value - exact).abs() < 1e-12);
}

#[test]
fn a_checkerboard_goes_one_step_to_its_complement() {
    for nodes in [2, 4, 8, 16] {
        let colour = |parity| histogram(nodes, |(y, x)| f64::from((x + y) % 2 == parity));
        assert_eq!(solve(&colour(0), &colour(1)).distance.value, 1.0);
    }
}

#[test]
fn nothing_moves_between_equals() {
    for nodes in [2, 3, 10] {
        let flat = histogram(nodes, |_| 1.0);
        assert_eq!(solve(&flat, &flat).distance.value, 0.0);
        let third = histogram(nodes, |_| 1.0 / 3.0);
        assert_eq!(solve(&flat, &third).distance.value, 0.0);
    }
}

#[test]
fn totals_need_not_agree() {
    let first = histogram(5, |(y, x)| ((3 * x + y) % 4) as f64);
    let second = histogram(5, |(y, x)| ((x + 2 * y) % 3) as f64);
    let scaled = |h: &Histogram, by: f64| {
        Histogram::from_mass(h.grid(), h.mass().mapv(|mass| mass * by)).unwrap()
    };
    let whole = |h: &Histogram, other: &Histogram| scaled(h, other.total());
    let exact = cheapest_transport(&whole(&first, &second), &whole(&second, &first)) as f64
        / (first.total() * second.total());
    for by in [1.0, 7.0, 0.1, 1e-310, 1e300] {
        let found = solve(&scaled(&first, by), &second);
        // Subnormal masses have lost digits before they come here.
        let tolerance = if by < 1e-300 { 1e-9 } else { 1e-13 };
        assert!((found.distance.value - exact).abs() <= tolerance, "{by}");
    }
}

#[test]
fn noise_on_a_64_by_64_grid_is_solved() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut noise = || histogram(64, |_| rng.random::<f64>());
    let (first, second) = (noise(), noise());
    let (there, back) = (solve(&first, &second), solve(&second, &first));
    assert_eq!(there.distance.value, back.distance.value);
    assert!(there.distance.value > 0.0 && there.distance.value < 2.0);
}

#[test]
fn histograms_of_different_grids_are_refused() {
    let on = |nodes, extent| {
        let grid = Grid::square(nodes, extent).unwrap();
        Histogram::from_mass(grid, Array2::ones((nodes, nodes))).unwrap()
    };
    let first = on(4, 1.0);
    for second in [on(5, 1.0), on(4, 2.0)] {
        let error = TransportError::Grids(GridMismatch(Box::new([first.grid(), second.grid()])));
        assert_eq!(squared_w2(&first, &second).unwrap_err(), error);
    }
    let large = on(LARGEST_GRID.isqrt() + 1, 1.0);
    let error = TransportError::GridTooLarge { places: 1025 * 1025 };
    assert_eq!(squared_w2(&large, &large).unwrap_err(), error);
}

/// Masses with ties and zeros on a 6 by 6 grid.
fn masses() -> impl Strategy<Value = Histogram> {
    let mass = prop_oneof![Just(0.0), Just(1.0), (0u32..9).prop_map(f64::from), 0.0..1.0f64];
    vec(mass, 36)
        .prop_filter("no mass", |masses| masses.iter().sum::<f64>() > 0.0)
        .prop_map(|masses| histogram(6, |(y, x)| masses[6 * y + x]))
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(6),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn it_is_a_distance(a in masses(), b in masses(), c in masses()) {
        let w2 = |x: &Histogram, y: &Histogram| squared_w2(x, y).map(|found| found.distance.root());
        prop_assert_eq!(w2(&a, &a), Ok(0.0));
        prop_assert_eq!(w2(&a, &b), w2(&b, &a));
        prop_assert!(w2(&a, &c).unwrap() <= w2(&a, &b).unwrap() + w2(&b, &c).unwrap() + 1e-9);
    }

    #[test]
    fn the_axes_are_equal(a in masses(), b in masses()) {
        let turned = |h: &Histogram| Histogram::from_mass(h.grid(), h.mass().t().to_owned()).unwrap();
        let (found, other) = (solve(&a, &b), solve(&turned(&a), &turned(&b)));
        prop_assert!((found.distance.value - other.distance.value).abs() <= 1e-12);
    }
}
