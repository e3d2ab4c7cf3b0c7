//! The proof that a flow and its dual prices are optimal.
//!
//! Weak duality: for any flow `f ≥ 0` that satisfies the balances and any prices `p` with
//! `c(t, h) + p(t) - p(h) ≥ 0` on all arcs,
//!
//! ```text
//! Σ f c ≥ Σ f (p(h) - p(t)) = Σ demand p - Σ supply p,
//! ```
//!
//! so a flow and prices of equal value are both optimal. Nothing here depends on how they were
//! found, and all of it is done in integers.

use std::fmt;

use thiserror::Error;

use super::{Move, Problem, Solution};

/// The three layers of nodes that mass passes on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layer {
    /// Where the mass of the first histogram is: `(y, x)`.
    Supply,
    /// After the move along x: `(y, x')`.
    Middle,
    /// Where the mass of the second histogram is: `(y', x')`.
    Demand,
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Supply => "supply",
            Self::Middle => "middle",
            Self::Demand => "demand",
        })
    }
}

/// What is wrong with a flow and prices that were claimed to be optimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Mass that moves from or to an index outside the grid, or less than none of it.
    #[error("{mass} moves from {from} to {to} of line {line} after the {layer} layer")]
    Move {
        /// The layer the move starts from.
        layer: Layer,
        /// The row or column moved along.
        line: usize,
        /// The index of departure.
        from: usize,
        /// The index of arrival.
        to: usize,
        /// The mass moved.
        mass: i64,
    },
    /// A node at which mass appears or vanishes.
    #[error("the flow leaves {excess} too much at row {row}, column {column} of the {layer} layer")]
    Balance {
        /// The layer of the node.
        layer: Layer,
        /// Its row.
        row: usize,
        /// Its column.
        column: usize,
        /// The mass that is not accounted for.
        excess: i128,
    },
    /// An arc with a negative reduced cost.
    #[error(
        "the arc to row {row}, column {column} of the {layer} layer has reduced cost {reduced}"
    )]
    ReducedCost {
        /// The layer of the arc's head.
        layer: Layer,
        /// The row of the head.
        row: usize,
        /// The column of the head.
        column: usize,
        /// The smallest reduced cost of the arcs to it.
        reduced: i64,
    },
    /// A flow and prices of different value.
    #[error("the flow costs {primal}, but the prices prove {dual} only")]
    Gap {
        /// The cost of the flow.
        primal: i128,
        /// The value of the prices.
        dual: i128,
    },
}

/// The cost of the flow, in units of mass times squared spacing, if it is proven optimal.
pub(super) fn certified_cost(
    problem: &Problem,
    solution: &Solution,
) -> Result<i128, CertificateError> {
    check_moves(problem, Layer::Supply, &solution.rows)?;
    check_moves(problem, Layer::Middle, &solution.columns)?;
    check_balances(problem, solution)?;
    check_prices(problem, solution)?;

    let cost = |m: &Move| i128::from(m.mass) * i128::from(squared_steps(m.from, m.to));
    let primal = solution.rows.iter().chain(&solution.columns).map(cost).sum();
    let [supply_prices, _, demand_prices] = &solution.prices;
    let worth = |(&mass, &price): (&i64, &i64)| i128::from(mass) * i128::from(price);
    let dual = problem.masses.demand.iter().zip(demand_prices).map(worth).sum::<i128>()
        - problem.masses.supply.iter().zip(supply_prices).map(worth).sum::<i128>();
    if primal == dual { Ok(primal) } else { Err(CertificateError::Gap { primal, dual }) }
}

fn squared_steps(from: usize, to: usize) -> i64 {
    let steps = from.abs_diff(to) as i64;
    steps * steps
}

fn check_moves(problem: &Problem, layer: Layer, moves: &[Move]) -> Result<(), CertificateError> {
    let n = problem.lattice.side();
    let good = |m: &Move| m.line < n && m.from < n && m.to < n && m.mass >= 0;
    match moves.iter().find(|m| !good(m)) {
        Some(&Move { line, from, to, mass }) => {
            Err(CertificateError::Move { layer, line, from, to, mass })
        }
        None => Ok(()),
    }
}

/// Supplies send what they have, demands get what they ask for, middle nodes keep nothing.
fn check_balances(problem: &Problem, solution: &Solution) -> Result<(), CertificateError> {
    let n = problem.lattice.side();
    let wide = |masses: &[i64]| masses.iter().map(|&m| i128::from(m)).collect::<Vec<_>>();
    let mut supply = wide(&problem.masses.supply);
    let mut middle = vec![0i128; n * n];
    let mut demand = wide(&problem.masses.demand);
    for m in &solution.rows {
        supply[m.line * n + m.from] -= i128::from(m.mass);
        middle[m.line * n + m.to] += i128::from(m.mass);
    }
    for m in &solution.columns {
        middle[m.from * n + m.line] -= i128::from(m.mass);
        demand[m.to * n + m.line] -= i128::from(m.mass);
    }
    for (layer, left) in [(Layer::Supply, supply), (Layer::Middle, middle), (Layer::Demand, demand)]
    {
        if let Some(i) = left.iter().position(|&excess| excess != 0) {
            let (row, column, excess) = (i / n, i % n, left[i]);
            return Err(CertificateError::Balance { layer, row, column, excess });
        }
    }
    Ok(())
}

/// No arc of the whole tripartite graph has a negative reduced cost.
fn check_prices(problem: &Problem, solution: &Solution) -> Result<(), CertificateError> {
    let n = problem.lattice.side();
    let [supply, middle, demand] = &solution.prices;
    for row in 0..n {
        for column in 0..n {
            // Saturation errs towards refusing.
            let along_row = (0..n)
                .map(|from| squared_steps(from, column).saturating_add(supply[[row, from]]))
                .fold(i64::MAX, i64::min)
                .saturating_sub(middle[[row, column]]);
            let along_column = (0..n)
                .map(|from| squared_steps(from, row).saturating_add(middle[[from, column]]))
                .fold(i64::MAX, i64::min)
                .saturating_sub(demand[[row, column]]);
            for (layer, reduced) in [(Layer::Middle, along_row), (Layer::Demand, along_column)] {
                if reduced < 0 {
                    return Err(CertificateError::ReducedCost { layer, row, column, reduced });
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::examples::problems;
    use crate::transport::simplex::solve;

    /// What the check says of optimal solutions that were tampered with.
    fn verdicts(tamper: impl Fn(&mut Solution)) -> Vec<Result<i128, CertificateError>> {
        let verdict = |problem: Problem| {
            let mut solution = solve::<i64>(&problem).unwrap();
            tamper(&mut solution);
            certified_cost(&problem, &solution)
        };
        problems().map(verdict).collect()
    }

    #[test]
    fn negative_and_stray_mass_is_found() {
        for verdict in verdicts(|solution| solution.rows[0].mass = -1) {
            assert!(matches!(verdict, Err(CertificateError::Move { mass: -1, .. })));
        }
        for verdict in verdicts(|solution| solution.columns[0].to = 99) {
            assert!(matches!(verdict, Err(CertificateError::Move { to: 99, .. })));
        }
    }

    #[test]
    fn lost_and_added_mass_is_found() {
        use CertificateError::Balance;
        for verdict in verdicts(|solution| solution.rows.truncate(solution.rows.len() - 1)) {
            assert!(matches!(verdict, Err(Balance { layer: Layer::Supply, excess: 1.., .. })));
        }
        for verdict in verdicts(|solution| solution.columns[0].mass += 3) {
            assert!(matches!(verdict, Err(Balance { layer: Layer::Middle, excess: -3, .. })));
        }
    }

    #[test]
    fn prices_that_prove_nothing_are_found() {
        use CertificateError::{Gap, ReducedCost};
        for verdict in verdicts(|solution| solution.prices[1] += 100_000) {
            assert!(matches!(verdict, Err(ReducedCost { layer: Layer::Middle, .. })));
        }
        for verdict in verdicts(|solution| solution.prices[2][[0, 1]] = i64::MAX) {
            assert!(matches!(verdict, Err(ReducedCost { row: 0, column: 1, .. })));
        }
        for verdict in verdicts(|solution| solution.prices[2] -= 1) {
            assert!(matches!(verdict, Err(Gap { primal, dual }) if dual < primal));
        }
    }
}
