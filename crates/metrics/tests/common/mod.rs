//! What the tests of exact transport are checked against.

#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fokker_metrics::ExactTransport;
use proptest::prelude::ProptestConfig;
use proptest::test_runner::RngSeed;

/// Property tests with a fixed seed.
pub(crate) fn config(seed: u64) -> ProptestConfig {
    ProptestConfig {
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// The cheapest of all assignments of the rows of a square matrix of costs to its columns.
pub(crate) fn cheapest_assignment(costs: &[Vec<f64>]) -> f64 {
    fn best(costs: &[Vec<f64>], taken: u32) -> f64 {
        let Some((first, rest)) = costs.split_first() else { return 0.0 };
        let free = (0..first.len()).filter(|j| taken >> j & 1 == 0);
        free.map(|j| first[j] + best(rest, taken | 1 << j)).fold(f64::INFINITY, f64::min)
    }
    best(costs, 0)
}

/// Checks by the public plan and potentials alone that the value is the optimum between masses `first`
/// and `second` (of any totals) for a cost: Kantorovich duality, independent of how it was found.
pub(crate) fn verified(
    found: ExactTransport,
    first: &[f64],
    second: &[f64],
    cost: impl Fn(usize, usize) -> f64,
) -> ExactTransport {
    let value = found.distance.value;
    let (n, m) = (first.len(), second.len());
    let largest = (0..n * m).map(|k| cost(k / m, k % m).abs()).fold(0.0, f64::max);
    let slack = 1e-12 * largest + 2.0 * found.cost_rounding + found.rounding * largest;
    let shares = |masses: &[f64]| -> Vec<f64> {
        let total: f64 = masses.iter().sum();
        masses.iter().map(|mass| mass / total).collect()
    };
    let (first, second) = (shares(first), shares(second));

    let (mut sent, mut got, mut paid) = (vec![0.0; n], vec![0.0; m], 0.0);
    let plan = found.plan();
    assert!(plan.windows(2).all(|w| (w[0].from, w[0].to) < (w[1].from, w[1].to)));
    for entry in &plan {
        assert!(entry.mass > 0.0);
        sent[entry.from] += entry.mass;
        got[entry.to] += entry.mass;
        paid += entry.mass * cost(entry.from, entry.to);
    }
    assert!((paid - value).abs() <= slack, "the plan costs {paid}, the value is {value}");
    for (left, right) in sent.iter().zip(&first).chain(got.iter().zip(&second)) {
        assert!((left - right).abs() <= 1e-12, "{left} {right}");
    }

    let [phi, psi] = found.potentials();
    for (i, phi) in phi.iter().enumerate() {
        let slacks = (0..m).map(|j| cost(i, j) - phi - psi[j]);
        assert!(slacks.fold(f64::INFINITY, f64::min) >= -slack);
    }
    let worth = |p: &[f64], masses: &[f64]| p.iter().zip(masses).map(|(p, m)| p * m).sum::<f64>();
    let halves = [worth(phi, &first), worth(psi, &second)];
    for half in halves {
        assert!((half - 0.5 * value).abs() <= slack, "{halves:?} {value}");
    }
    found
}
