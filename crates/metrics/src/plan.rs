//! Transport plans.

/// One entry of a transport plan: how much of the mass, of 1, goes from where to where.
///
/// The indices are those of the points, or of the places of a grid in the order of memory. A plan is a
/// list of entries of positive mass, in ascending order of `from`, then of `to`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PlanEntry {
    /// The index on the first side.
    pub from: usize,
    /// The index on the second side.
    pub to: usize,
    /// The share of the mass.
    pub mass: f64,
}
