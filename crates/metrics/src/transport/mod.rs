//! Exact optimal transport.

mod certificate;
mod cost;
mod grid;
mod lattice;
mod network;
mod parcels;
mod points;
mod simplex;
mod start;
mod tree;

use thiserror::Error;

use crate::masses::Masses;
use crate::{Distance, GridMismatch, PlanEntry, PointsError};
use certificate::{Costs, certify};
use parcels::Parcel;

pub use certificate::CertificateError;
pub use grid::{LARGEST_GRID, squared_w2, transport_grid, transport_separable};
pub use points::{LARGEST_COSTS, transport_costs, transport_points};

/// Why there is no optimal transport between two sides.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum TransportError {
    /// The histograms lie on different grids.
    #[error(transparent)]
    Grids(#[from] GridMismatch),
    /// The grid has more than [`LARGEST_GRID`] places.
    #[error("a grid of {places} places is too large, at most {LARGEST_GRID} are possible")]
    GridTooLarge {
        /// The number of places.
        places: usize,
    },
    /// The points have more than [`LARGEST_COSTS`] pairs.
    #[error("{first} × {second} costs are too many, at most {LARGEST_COSTS} are possible")]
    TooManyCosts {
        /// The number of points on the first side.
        first: usize,
        /// The number of points on the second side.
        second: usize,
    },
    /// There are not as many tables of costs as axes, or not of their lengths.
    #[error("tables of costs have shapes {found:?} for axes of {expected:?} places")]
    CostTables {
        /// The lengths of the axes.
        expected: Vec<usize>,
        /// The shapes found.
        found: Vec<[usize; 2]>,
    },
    /// The points or weights of the two sides cannot be used.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// A cost that is NaN or infinite.
    #[error("the cost from {from} to {to}{} is {value}, which is not finite",
        .axis.map_or(String::new(), |axis| format!(" along axis {axis}")))]
    Cost {
        /// The axis, on a grid.
        axis: Option<usize>,
        /// Where from.
        from: usize,
        /// Where to.
        to: usize,
        /// The cost.
        value: f64,
    },
    /// Costs so large or so small that they cannot be scaled to integers.
    #[error("costs that reach over {range:e} cannot be scaled to integers")]
    CostRange {
        /// The largest cost less the smallest.
        range: f64,
    },
    /// The solver took more pivots than it should ever need; an internal inconsistency.
    #[error("the simplex method was stopped after {pivots} pivots")]
    Pivots {
        /// The number of pivots taken.
        pivots: u64,
    },
    /// The solution failed the check of its optimality; an internal inconsistency.
    #[error("the solution of the transport problem is not optimal")]
    Certificate(#[from] CertificateError),
}

/// The optimum of a transport problem, of which optimality was verified.
///
/// The problem was solved in integers. What this may have cost in accuracy is bounded: the masses of the
/// two sides were moved by [`ExactTransport::rounding`] together, and costs by
/// [`ExactTransport::cost_rounding`] each, so that the value is that of the given problem up to
/// `rounding` times the range of the costs, plus `cost_rounding`, plus a relative 2⁻⁵² or two.
#[derive(Debug, Clone, PartialEq)]
pub struct ExactTransport {
    /// The least cost of moving mass 1 from the first side to the second.
    pub distance: Distance,
    /// The number of pivots the simplex method took.
    pub pivots: u64,
    /// A bound on the part of the mass, of 1, that was moved by rounding it to integers, both sides
    /// together. Zero where none was rounded, at most 2⁻⁴⁰ otherwise.
    pub rounding: f64,
    /// A bound on the difference between each cost and the integer taken for it, in units of the costs.
    /// Zero where costs are whole multiples of a unit.
    pub cost_rounding: f64,
    plan: Vec<Parcel>,
    total: i64,
    potentials: [Vec<f64>; 2],
}

impl ExactTransport {
    /// Proves an optimum, given in the numbers of the places themselves.
    fn new(
        costs: &impl Costs,
        masses: &Masses,
        plan: Vec<Parcel>,
        prices: &[Option<i64>],
        pivots: u64,
        distance: impl Fn(f64) -> Distance,
    ) -> Result<Self, TransportError> {
        let proof = certify(costs, masses, &plan, prices)?;
        let scale = costs.scale();
        let total = masses.total;
        let value = proof.cost as f64 / total as f64 * scale.unit + scale.offset;
        // Shifted against each other so that each side has half of the value.
        let half = |masses: &[i64], prices: &[i64]| {
            let worth = masses.iter().zip(prices).map(|(&m, &p)| i128::from(m) * i128::from(p));
            let (sum, total) = (worth.sum::<i128>(), i128::from(total));
            let (whole, part) = (sum.div_euclid(total) as i64, sum.rem_euclid(total) as f64);
            let part = part / total as f64;
            let shift = |&price: &i64| ((price - whole) as f64 - part) * scale.unit + 0.5 * value;
            prices.iter().map(shift).collect()
        };
        let [first, second] = &proof.potentials;
        let potentials = [half(&masses.supply, first), half(&masses.demand, second)];
        Ok(Self {
            distance: distance(value),
            pivots,
            rounding: masses.rounding,
            cost_rounding: scale.rounding,
            plan,
            total,
            potentials,
        })
    }

    /// An optimal plan: entries of positive mass that sum to 1, by origin, then goal. There are fewer
    /// of them than `d` times the places or points of both sides.
    pub fn plan(&self) -> Vec<PlanEntry> {
        let total = self.total as f64;
        let entry = |parcel: &Parcel| PlanEntry {
            from: parcel.from,
            to: parcel.to,
            mass: parcel.mass as f64 / total,
        };
        self.plan.iter().map(entry).collect()
    }

    /// Optimal potentials `φ` and `ψ` at all places of the two sides, in units of the costs:
    /// `φ(a) + ψ(b) ≤ c(a, b)`, with equality where the plan moves mass, and
    /// `Σ μ φ = Σ ν ψ =` half of the value (Kantorovich). They are c-transforms of each other.
    pub fn potentials(&self) -> [&[f64]; 2] {
        [&self.potentials[0], &self.potentials[1]]
    }
}

#[cfg(test)]
mod examples {
    use super::Masses;
    use super::cost::GridCosts;
    use super::lattice::Lattice;
    use super::network::{Network, Price};
    use super::start::{Start, corner_tree};
    use crate::{Axis, Grid};

    /// A problem on a small grid.
    pub(super) struct Problem {
        pub(super) lattice: Lattice,
        pub(super) costs: GridCosts,
        pub(super) masses: Masses,
        pub(super) used: Vec<bool>,
    }

    impl Problem {
        pub(super) fn network<P: Price>(&self) -> Network<'static, P> {
            self.lattice.network(&self.costs, &self.used)
        }

        pub(super) fn start<P: Price>(&self, network: &Network<'_, P>) -> Start {
            corner_tree(&self.lattice, network, &self.used, &self.masses)
        }
    }

    /// Problems in one, two and three dimensions, with zeros, ties and whole lines without mass.
    pub(super) fn problems() -> impl Iterator<Item = Problem> {
        (0..90usize).map(|k| {
            let sides = [2 + k % 7, 2 + k % 4, 2 + k % 3];
            let sides = &sides[..1 + k % 3];
            let axes: Vec<Axis> =
                sides.iter().map(|&n| Axis::nodes(0.0, (n - 1) as f64, n).unwrap()).collect();
            let grid = Grid::new(&axes).unwrap();
            let (places, n) = (grid.len(), sides[0]);
            let lines = |i: usize, gap: usize| !(i + k).is_multiple_of(gap + 2);
            let mut supply: Vec<i64> = (0..places)
                .map(|i| if lines(i / n, k % 3) { (i * (k + 3) % 5) as i64 } else { 0 })
                .collect();
            let mut demand: Vec<i64> = (0..places)
                .map(|i| if lines(i % n, k % 4) { (i * i * (k + 1) % 4) as i64 } else { 0 })
                .collect();
            let short = supply.iter().sum::<i64>() - demand.iter().sum::<i64>();
            supply[k % places] += 1 + (-short).max(0);
            demand[3 * k % places] += 1 + short.max(0);
            let total = supply.iter().sum();
            let lattice = Lattice::new(sides.to_vec());
            let costs = GridCosts::powers(&grid, 2, 1000).unwrap();
            let used = lattice.in_use(&supply, &demand);
            let masses = Masses { supply, demand, total, rounding: 0.0 };
            Problem { lattice, costs, masses, used }
        })
    }
}
