/// Why a mixture was refused. Components, rows and columns are counted from 0.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MixtureError {
    /// There is no component, or the points have no coordinate.
    #[error("a mixture needs at least one component in at least one dimension")]
    Empty,
    /// A component's mean has another number of coordinates than the first one's.
    #[error("component {component} has a mean of {found} coordinates, the first one of {expected}")]
    Dimension {
        /// The index of the component.
        component: usize,
        /// The number of coordinates of component 0.
        expected: usize,
        /// The number of coordinates of this one.
        found: usize,
    },
    /// A weight or variance is not positive and finite, or a mean not finite.
    #[error("component {component}: {what} is {value}, but must be {rule}")]
    Value {
        /// The index of the component.
        component: usize,
        /// `weight`, `variance` or `mean`.
        what: &'static str,
        /// The offending value.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// The weights cannot be normalised.
    #[error("the weights sum to {0}, which is too much to normalise them")]
    TotalWeight(f64),
    /// A covariance is not a square matrix of the dimension of the means.
    #[error(
        "component {component}: the covariance has shape {found:?}, expected \
         [{expected}, {expected}]"
    )]
    Shape {
        /// The index of the component.
        component: usize,
        /// The number of coordinates of the means.
        expected: usize,
        /// The numbers of rows and columns.
        found: [usize; 2],
    },
    /// An entry of a covariance is NaN or infinite.
    #[error("component {component}: entry ({row}, {column}) of the covariance is {value}")]
    Entry {
        /// The index of the component.
        component: usize,
        /// The row of the entry.
        row: usize,
        /// Its column.
        column: usize,
        /// What it is.
        value: f64,
    },
    /// Two mirrored entries of a covariance differ.
    #[error(
        "component {component}: the covariance is not symmetric, entry ({row}, {column}) is {value} \
         and entry ({column}, {row}) is {mirrored}"
    )]
    Asymmetric {
        /// The index of the component.
        component: usize,
        /// The row of the entry below the diagonal.
        row: usize,
        /// Its column.
        column: usize,
        /// What it is.
        value: f64,
        /// The entry that mirrors it.
        mirrored: f64,
    },
    /// The eigenvalues of a covariance were not found.
    #[error("component {component}: the QR algorithm finds no eigenvalues of the covariance")]
    Eigenvalues {
        /// The index of the component.
        component: usize,
    },
    /// A covariance is singular to rounding, or has a negative eigenvalue.
    #[error(
        "component {component}: the covariance is not positive definite, its eigenvalues reach from \
         {smallest} to {largest}"
    )]
    NotPositive {
        /// The index of the component.
        component: usize,
        /// The smallest eigenvalue.
        smallest: f64,
        /// The largest eigenvalue.
        largest: f64,
    },
}
