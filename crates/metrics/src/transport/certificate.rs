//! The proof that a plan is optimal.
//!
//! Weak duality: for any plan `π ≥ 0` between `μ` and `ν` and any potentials with
//! `ψ(b) - u(a) ≤ c(a, b)` wherever `μ(a) > 0`,
//!
//! ```text
//! Σ π c ≥ Σ π (ψ(b) - u(a)) = Σ ν ψ - Σ μ u,
//! ```
//!
//! so a plan and potentials of equal value are both optimal. For given `u` the best `ψ` is the c-transform
//! `ψ(b) = min_a c(a, b) + u(a)`, which is computed here: what the solver is asked for is a plan and `u`
//! only. Nothing depends on how they were found, and all of it is done in integers.

use fearless_simd::{Level, dispatch};
use thiserror::Error;

use super::cost::{AxisCosts, GridCosts, PRICE_LIMIT, PairCosts, Scale};
use super::parcels::Parcel;
use crate::masses::{Masses, Side};

/// What is wrong with a plan and prices that were claimed to be optimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CertificateError {
    /// Less than nothing is moved, or to or from a place that does not exist.
    #[error("{mass} moves from {from} to {to}")]
    Move {
        /// The place of departure.
        from: usize,
        /// The place of arrival.
        to: usize,
        /// The mass moved.
        mass: i64,
    },
    /// A place where the plan takes or leaves another mass than there is.
    #[error("the plan leaves {excess} too much at place {place} of the {side} side")]
    Balance {
        /// The side of the place.
        side: Side,
        /// The place.
        place: usize,
        /// The mass that is not accounted for.
        excess: i128,
    },
    /// A place with mass that has no price, or one too large to be added to.
    #[error("place {place} has no usable price")]
    Price {
        /// The place.
        place: usize,
    },
    /// A plan and prices of different value.
    #[error("the plan costs {primal}, but the prices prove {dual} only")]
    Gap {
        /// The cost of the plan.
        primal: i128,
        /// The value of the prices.
        dual: i128,
    },
}

/// Costs with their c-transforms.
pub(super) trait Costs {
    /// How integers stand for costs.
    fn scale(&self) -> Scale;

    /// The cost of moving from one place to another.
    fn cost(&self, from: usize, to: usize) -> i64;

    /// `min_a c(a, b) + u(a)` for every `b`.
    fn forward(&self, first: Vec<i64>) -> Vec<i64>;

    /// `max_b ψ(b) - c(a, b)` for every `a`.
    fn backward(&self, second: Vec<i64>) -> Vec<i64>;
}

/// Above every price, and twice that above any of their sums with costs.
const FAR: i64 = 4 * PRICE_LIMIT;

/// A plan that is proven optimal.
pub(super) struct Proof {
    /// Its cost, in units of mass times the unit of costs.
    pub(super) cost: i128,
    /// The potentials `-u` and `ψ` at all places: `ψ(b) - u(a) ≤ c(a, b)` throughout.
    pub(super) potentials: [Vec<i64>; 2],
}

/// Checks a plan and the prices `u` of the first side's places with mass.
pub(super) fn certify(
    costs: &impl Costs,
    masses: &Masses,
    plan: &[Parcel],
    prices: &[Option<i64>],
) -> Result<Proof, CertificateError> {
    check_balances(masses, plan)?;
    let usable =
        |price: &Option<i64>| price.filter(|price| price.unsigned_abs() <= 2 * PRICE_LIMIT as u64);
    let missing = |(price, mass): (&Option<i64>, &i64)| *mass > 0 && usable(price).is_none();
    if let Some(place) = prices.iter().zip(&masses.supply).position(missing) {
        return Err(CertificateError::Price { place });
    }
    let offered: Vec<i64> = prices.iter().map(|price| usable(price).unwrap_or(FAR)).collect();
    let second = costs.forward(offered.clone());

    let paid =
        |parcel: &Parcel| i128::from(parcel.mass) * i128::from(costs.cost(parcel.from, parcel.to));
    let primal = plan.iter().map(paid).sum();
    let worth = |masses: &[i64], prices: &[i64]| {
        let with_mass = masses.iter().zip(prices).filter(|(mass, _)| **mass > 0);
        with_mass.map(|(&mass, &price)| i128::from(mass) * i128::from(price)).sum::<i128>()
    };
    let dual = worth(&masses.demand, &second) - worth(&masses.supply, &offered);
    if primal != dual {
        return Err(CertificateError::Gap { primal, dual });
    }
    let first = costs.backward(second.clone()).into_iter().map(|price| -price).collect();
    Ok(Proof { cost: primal, potentials: [first, second] })
}

/// Every place of the first side sends what it has, and every one of the second gets what it asks for.
fn check_balances(masses: &Masses, plan: &[Parcel]) -> Result<(), CertificateError> {
    let wide = |masses: &[i64]| masses.iter().map(|&mass| i128::from(mass)).collect::<Vec<_>>();
    let (mut first, mut second) = (wide(&masses.supply), wide(&masses.demand));
    for &Parcel { from, to, mass } in plan {
        if mass < 0 || from >= first.len() || to >= second.len() {
            return Err(CertificateError::Move { from, to, mass });
        }
        first[from] -= i128::from(mass);
        second[to] -= i128::from(mass);
    }
    for (side, left) in [(Side::First, first), (Side::Second, second)] {
        if let Some(place) = left.iter().position(|&excess| excess != 0) {
            return Err(CertificateError::Balance { side, place, excess: left[place] });
        }
    }
    Ok(())
}

/// `best(i) = min(best(i), values(i) + by)`.
#[inline(always)]
fn lower(best: &mut [i64], values: &[i64], by: i64) {
    for (best, value) in best.iter_mut().zip(values) {
        let value = value + by;
        *best = if value < *best { value } else { *best };
    }
}

/// `min_a Σ_k c_k(a_k, b_k) + values(a)` for every `b`, by one pass along each axis.
#[inline(always)]
fn transform(axes: &[AxisCosts], mut values: Vec<i64>) -> Vec<i64> {
    let mut stride = 1;
    for axis in axes {
        let mut best = vec![i64::MAX; values.len()];
        let lines = values.chunks(stride * axis.len).zip(best.chunks_mut(stride * axis.len));
        for (values, best) in lines {
            for (from, values) in values.chunks(stride).enumerate() {
                let costs = axis.row(from);
                if let [value] = values {
                    lower(best, costs, *value);
                } else {
                    for (best, cost) in best.chunks_mut(stride).zip(costs) {
                        lower(best, values, *cost);
                    }
                }
            }
        }
        values = best;
        stride *= axis.len;
    }
    values
}

impl Costs for GridCosts {
    fn scale(&self) -> Scale {
        self.scale
    }

    fn cost(&self, mut from: usize, mut to: usize) -> i64 {
        let mut sum = 0;
        for axis in &self.axes {
            sum += axis.row(from % axis.len)[to % axis.len];
            from /= axis.len;
            to /= axis.len;
        }
        sum
    }

    fn forward(&self, first: Vec<i64>) -> Vec<i64> {
        dispatch!(Level::new(), _simd => transform(&self.axes, first))
    }

    fn backward(&self, second: Vec<i64>) -> Vec<i64> {
        let axes: Vec<AxisCosts> = self.axes.iter().map(AxisCosts::reversed).collect();
        let negative = second.into_iter().map(|price| -price).collect();
        let least = dispatch!(Level::new(), _simd => transform(&axes, negative));
        least.into_iter().map(|price| -price).collect()
    }
}

impl Costs for PairCosts {
    fn scale(&self) -> Scale {
        self.scale
    }

    fn cost(&self, from: usize, to: usize) -> i64 {
        self.row(from)[to]
    }

    fn forward(&self, first: Vec<i64>) -> Vec<i64> {
        let mut best = vec![i64::MAX; self.columns];
        for (from, price) in first.into_iter().enumerate() {
            for (best, cost) in best.iter_mut().zip(self.row(from)) {
                *best = (*best).min(cost + price);
            }
        }
        best
    }

    fn backward(&self, second: Vec<i64>) -> Vec<i64> {
        let rows = 0..self.values.len() / self.columns;
        let best = |from| {
            let costs = self.row(from).iter();
            costs.zip(&second).map(|(cost, price)| price - cost).fold(i64::MIN, i64::max)
        };
        rows.map(best).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::examples::{Problem, problems};
    use crate::transport::parcels::follow;
    use crate::transport::simplex::solve;

    /// A plan and prices by place, from the solver.
    fn solved(problem: &Problem) -> (Vec<Parcel>, Vec<Option<i64>>) {
        let (network, lattice) = (problem.network::<i64>(), &problem.lattice);
        let optimum = solve(&network, &problem.start(&network)).unwrap();
        let supply = |node: usize| problem.masses.supply[lattice.place(node)];
        let supply: Vec<i64> = (0..lattice.places()).map(supply).collect();
        let place = |node| lattice.place(node);
        let plan = follow(&supply, &network.layers, optimum.flow.clone(), place);
        let price = |place: usize| optimum.prices[lattice.node(0, place)];
        (plan, (0..lattice.places()).map(price).collect())
    }

    /// What the check says of optimal plans and prices that were tampered with.
    fn verdicts(
        tamper: impl Fn(&mut Vec<Parcel>, &mut Vec<Option<i64>>),
    ) -> Vec<Result<i128, CertificateError>> {
        let verdict = |problem: Problem| {
            let (mut plan, mut prices) = solved(&problem);
            tamper(&mut plan, &mut prices);
            certify(&problem.costs, &problem.masses, &plan, &prices).map(|proof| proof.cost)
        };
        problems().map(verdict).collect()
    }

    #[test]
    fn optima_are_proven_and_their_potentials_feasible() {
        for problem in problems() {
            let (plan, prices) = solved(&problem);
            let proof = certify(&problem.costs, &problem.masses, &plan, &prices).unwrap();
            let [first, second] = &proof.potentials;
            for (from, u) in first.iter().enumerate() {
                let slack = |to: usize| problem.costs.cost(from, to) - u - second[to];
                assert_eq!((0..second.len()).map(slack).min(), Some(0));
            }
            for parcel in plan {
                let cost = problem.costs.cost(parcel.from, parcel.to);
                assert_eq!(first[parcel.from] + second[parcel.to], cost);
            }
        }
    }

    #[test]
    fn negative_and_stray_mass_is_found() {
        for verdict in verdicts(|plan, _| plan[0].mass = -1) {
            assert!(matches!(verdict, Err(CertificateError::Move { mass: -1, .. })));
        }
        for verdict in verdicts(|plan, _| plan[0].to = 999) {
            assert!(matches!(verdict, Err(CertificateError::Move { to: 999, .. })));
        }
    }

    #[test]
    fn lost_and_added_mass_is_found() {
        use CertificateError::Balance;
        for verdict in verdicts(|plan, _| plan.truncate(plan.len() - 1)) {
            assert!(matches!(verdict, Err(Balance { side: Side::First, excess: 1.., .. })));
        }
        for verdict in verdicts(|plan, _| plan[0].mass += 3) {
            assert!(matches!(verdict, Err(Balance { excess: -3, .. })));
        }
    }

    #[test]
    fn prices_that_prove_nothing_are_found() {
        let mut gaps = 0;
        for verdict in verdicts(|_, prices| prices.iter_mut().flatten().for_each(|p| *p = 0)) {
            match verdict {
                Err(CertificateError::Gap { primal, dual }) => {
                    assert!(dual < primal);
                    gaps += 1;
                }
                // Where nothing is better than to stay, the price of everything is the same.
                proven => assert!(proven.is_ok()),
            }
        }
        assert!(gaps > 50, "{gaps}");
        for bad in [None, Some(i64::MAX), Some(i64::MIN + 1)] {
            let spoil = |prices: &mut Vec<Option<i64>>| {
                prices.iter_mut().filter(|price| price.is_some()).for_each(|price| *price = bad);
            };
            for verdict in verdicts(|_, prices| spoil(prices)) {
                assert!(matches!(verdict, Err(CertificateError::Price { .. })));
            }
        }
    }

    #[test]
    fn a_dearer_plan_is_found() {
        // Two entries that cross: what goes to one place goes to the other's.
        let crossed = |plan: &mut Vec<Parcel>| {
            let n = plan.len() - 1;
            if n == 0 {
                return;
            }
            let mass = plan[0].mass.min(plan[n].mass);
            let [(a, b), (c, d)] = [0, n].map(|k| (plan[k].from, plan[k].to));
            plan[0].mass -= mass;
            plan[n].mass -= mass;
            plan.extend([Parcel { from: a, to: d, mass }, Parcel { from: c, to: b, mass }]);
        };
        let mut gaps = 0;
        for verdict in verdicts(|plan, _| crossed(plan)) {
            if let Err(CertificateError::Gap { primal, dual }) = verdict {
                assert!(primal > dual);
                gaps += 1;
            } else {
                assert!(verdict.is_ok());
            }
        }
        assert!(gaps > 30, "{gaps}");
    }
}
