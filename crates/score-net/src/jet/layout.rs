use std::ops::Range;
use std::sync::Arc;

/// Which derivatives a jet carries, and where each stands in the rows of its matrix.
///
/// A jet of `n` points is a matrix of blocks of `n` rows: first the value, then the first derivatives along each of
/// some *directions*, then the *second-order* parts, each a sum of second derivatives along pairs of these
/// directions. The Laplacian is the sum over the pairs `(i, i)` of unit vectors; an entry of the Hessian is one
/// pair. One matrix product then takes all parts through an affine map at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    points: usize,
    directions: usize,
    second: Arc<[Vec<[usize; 2]>]>,
}

impl Layout {
    /// That of `points` points with derivatives along `directions` directions, and for each list of pairs of
    /// directions the sum of the second derivatives along them.
    ///
    /// # Panics
    /// If a pair names a direction that is not there.
    pub(crate) fn new(points: usize, directions: usize, second: Vec<Vec<[usize; 2]>>) -> Self {
        debug_assert!(second.iter().flatten().flatten().all(|&k| k < directions));
        Self { points, directions, second: second.into() }
    }

    /// The number of points `n`.
    pub fn points(&self) -> usize {
        self.points
    }

    /// The number of directions.
    pub fn directions(&self) -> usize {
        self.directions
    }

    /// The pairs of directions of each second-order part.
    pub fn second(&self) -> &[Vec<[usize; 2]>] {
        &self.second
    }

    /// The number of blocks.
    pub fn blocks(&self) -> usize {
        1 + self.directions + self.second.len()
    }

    /// The number of rows of the matrix.
    pub fn rows(&self) -> usize {
        self.blocks() * self.points
    }

    /// The rows of the block of the derivative along a direction.
    pub(crate) fn direction(&self, k: usize) -> Range<usize> {
        self.block(1 + k)
    }

    /// The rows of the block of a second-order part.
    pub(crate) fn second_order(&self, part: usize) -> Range<usize> {
        self.block(1 + self.directions + part)
    }

    pub(crate) fn block(&self, block: usize) -> Range<usize> {
        block * self.points..(block + 1) * self.points
    }
}
