//! Two sets of points to be compared, and what may be wrong with them.

use ndarray::ArrayView2;
use num_traits::Float;
use thiserror::Error;

use crate::masses::Masses;
use crate::{MassError, Side};

/// Why two sets of points cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
pub enum PointsError {
    /// Points are the rows of two arrays with the same positive number of columns.
    #[error("points have {first} columns on the first side and {second} on the second")]
    Columns {
        /// The number of columns of the first side.
        first: usize,
        /// The number of columns of the second side.
        second: usize,
    },
    /// A coordinate that is NaN or infinite.
    #[error("row {row}, column {column} of the {side} side is {value}, which is not finite")]
    Point {
        /// Which side.
        side: Side,
        /// The row of the point.
        row: usize,
        /// The coordinate, from 0.
        column: usize,
        /// Its value.
        value: f64,
    },
    /// Every point of a weighted set has a weight.
    #[error("the {side} side has {points} points and {weights} weights")]
    Weights {
        /// Which side.
        side: Side,
        /// The number of points.
        points: usize,
        /// The number of weights.
        weights: usize,
    },
    /// A side without points, or weights that are no two sides of a transport problem.
    #[error(transparent)]
    Mass(#[from] MassError),
}

/// Refuses sets that are empty, of different dimensions or not finite.
pub(crate) fn check<F>(
    first: ArrayView2<'_, F>,
    second: ArrayView2<'_, F>,
) -> Result<(), PointsError>
where
    F: Float + Into<f64>,
{
    let columns = [first.ncols(), second.ncols()];
    if columns[0] != columns[1] || columns[0] == 0 {
        return Err(PointsError::Columns { first: columns[0], second: columns[1] });
    }
    for (side, points) in [(Side::First, first), (Side::Second, second)] {
        if points.nrows() == 0 {
            return Err(MassError::Empty { side }.into());
        }
        if let Some(((row, column), value)) = points.indexed_iter().find(|(_, x)| !x.is_finite()) {
            let value = (*value).into();
            return Err(PointsError::Point { side, row, column, value });
        }
    }
    Ok(())
}

/// The masses of `n` and `m` points: equal ones, or these weights.
pub(crate) fn masses(
    n: usize,
    m: usize,
    weights: Option<[&[f64]; 2]>,
) -> Result<Masses, PointsError> {
    let Some([first, second]) = weights else { return Ok(Masses::uniform(n, m)?) };
    expect_weights(n, m, [first, second])?;
    Ok(Masses::equal(first, second)?)
}

/// Refuses weights of which there is not one for each point.
pub(crate) fn expect_weights(
    n: usize,
    m: usize,
    [first, second]: [&[f64]; 2],
) -> Result<(), PointsError> {
    for (side, points, weights) in [(Side::First, n, first), (Side::Second, m, second)] {
        let weights = weights.len();
        if points != weights {
            return Err(PointsError::Weights { side, points, weights });
        }
    }
    Ok(())
}
