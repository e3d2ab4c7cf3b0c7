//! Exact transport on grids, with whatever masses and costs: no panic, no value without proof, and the
//! same value by the layered network and by that of all pairs.
//!
//! ```text
//! cargo install cargo-fuzz
//! RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none transport -- -max_total_time=600
//! ```

#![no_main]

use fokker_metrics::{
    Axis, ExactTransport, Grid, GroundCost, Histogram, transport_costs, transport_grid,
    transport_separable,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;
use ndarray::{Array2, ArrayD};

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Number {
    Zero,
    Small(u8),
    Bits(f64),
}

impl Number {
    fn value(self) -> f64 {
        match self {
            Self::Zero => 0.0,
            Self::Small(count) => f64::from(count),
            Self::Bits(value) => value,
        }
    }
}

#[derive(Debug, Arbitrary)]
enum Cost {
    SquaredEuclidean,
    Euclidean,
    Manhattan,
    Tables(Vec<Number>),
}

#[derive(Debug, Arbitrary)]
struct Case {
    sides: Vec<u8>,
    spacings: [Number; 3],
    first: Vec<Number>,
    second: Vec<Number>,
    cost: Cost,
}

fn histogram(grid: Grid, masses: &[Number]) -> Option<Histogram> {
    let mut masses: Vec<f64> = masses.iter().map(|number| number.value()).collect();
    masses.resize(grid.len(), 0.0);
    Histogram::from_mass(grid, ArrayD::from_shape_vec(grid.shape(), masses).ok()?).ok()
}

/// Masses and cost of the plan are what they should be.
fn check(found: &ExactTransport, first: &Histogram, second: &Histogram, costs: &Array2<f64>) {
    let largest = costs.iter().fold(0.0f64, |largest, cost| largest.max(cost.abs()));
    let slack = 1e-9 * largest + 2.0 * found.cost_rounding;
    let (mut sent, mut got, mut paid) = (vec![0.0; costs.nrows()], vec![0.0; costs.ncols()], 0.0);
    for entry in found.plan() {
        sent[entry.from] += entry.mass;
        got[entry.to] += entry.mass;
        paid += entry.mass * costs[[entry.from, entry.to]];
    }
    assert!((paid - found.distance.value).abs() <= slack, "{paid} {}", found.distance.value);
    for (side, moved) in [(first, sent), (second, got)] {
        for (mass, moved) in side.mass().iter().zip(moved) {
            assert!((mass / side.total() - moved).abs() < 1e-9);
        }
    }
    let [phi, psi] = found.potentials();
    for ((a, b), cost) in costs.indexed_iter() {
        assert!(phi[a] + psi[b] <= cost + slack);
    }
}

fuzz_target!(|case: Case| {
    let axes: Vec<Axis> = case
        .sides
        .iter()
        .zip(case.spacings)
        .filter_map(|(side, spacing)| {
            let n = 2 + usize::from(side % 6);
            Axis::nodes(0.0, spacing.value().abs() * (n - 1) as f64, n).ok()
        })
        .collect();
    let Ok(grid) = Grid::new(&axes) else { return };
    let (Some(first), Some(second)) = (histogram(grid, &case.first), histogram(grid, &case.second))
    else {
        return;
    };
    let places: Vec<Vec<f64>> = (0..grid.len()).map(|place| grid.place(place)).collect();
    let steps = |a: usize, b: usize| {
        let steps = places[a].iter().zip(&places[b]).map(|(x, y)| x - y);
        steps.collect::<Vec<_>>()
    };
    let matrix = |cost: &dyn Fn(usize, usize) -> f64| {
        Array2::from_shape_fn((grid.len(), grid.len()), |(a, b)| cost(a, b))
    };
    let (found, costs) = match &case.cost {
        Cost::SquaredEuclidean => (
            transport_grid(&first, &second, GroundCost::SquaredEuclidean),
            matrix(&|a, b| steps(a, b).iter().map(|step| step * step).sum()),
        ),
        Cost::Euclidean => (
            transport_grid(&first, &second, GroundCost::Euclidean),
            matrix(&|a, b| steps(a, b).iter().map(|step| step * step).sum::<f64>().sqrt()),
        ),
        Cost::Manhattan => (
            transport_grid(&first, &second, GroundCost::Manhattan),
            matrix(&|a, b| steps(a, b).iter().map(|step| step.abs()).sum()),
        ),
        Cost::Tables(numbers) => {
            let mut numbers = numbers.iter().map(|number| number.value()).cycle();
            let mut next = || numbers.next().unwrap_or(0.0);
            let tables: Vec<Array2<f64>> = axes
                .iter()
                .map(|axis| Array2::from_shape_simple_fn((axis.len(), axis.len()), &mut next))
                .collect();
            let cost = |mut a: usize, mut b: usize| {
                let mut sum = 0.0;
                for table in &tables {
                    sum += table[[a % table.nrows(), b % table.nrows()]];
                    (a, b) = (a / table.nrows(), b / table.nrows());
                }
                sum
            };
            (transport_separable(&first, &second, &tables), matrix(&cost))
        }
    };
    let Ok(found) = found else { return };
    let nodes = 3 * grid.len() as u64 + grid.len() as u64;
    assert!(found.pivots <= 50 * nodes, "{} pivots for {nodes} nodes", found.pivots);
    check(&found, &first, &second, &costs);
    let shares = [&first, &second]
        .map(|side| side.mass().iter().map(|mass| mass / side.total()).collect::<Vec<_>>());
    let Ok(other) = transport_costs(costs.view(), Some([&shares[0], &shares[1]])) else { return };
    check(&other, &first, &second, &costs);
    let range = costs.iter().fold(0.0f64, |largest, cost| largest.max(cost.abs()));
    let slack = 1e-9 * range + found.cost_rounding + other.cost_rounding;
    assert!((found.distance.value - other.distance.value).abs() <= slack);
});
