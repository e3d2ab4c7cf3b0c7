//! What transport costs.

/// What it costs to move a unit of mass from `a` to `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroundCost {
    /// `|a - b|²`, in units of length²; the optimum is `W₂²`.
    SquaredEuclidean,
    /// `|a - b|`, in units of length; the optimum is `W₁`.
    Euclidean,
    /// `Σ_k |a_k - b_k|`, in units of length; the optimum is `W₁` for the Manhattan distance.
    Manhattan,
}

impl GroundCost {
    /// Whether the cost is the square of a distance.
    pub fn is_squared(self) -> bool {
        self == Self::SquaredEuclidean
    }

    /// The cost between two points, given by their coordinates.
    pub(crate) fn between(self, a: &[f64], b: &[f64]) -> f64 {
        let steps = a.iter().zip(b).map(|(a, b)| a - b);
        match self {
            Self::SquaredEuclidean => steps.map(|step| step * step).sum(),
            Self::Euclidean => steps.map(|step| step * step).sum::<f64>().sqrt(),
            Self::Manhattan => steps.map(f64::abs).sum(),
        }
    }
}
