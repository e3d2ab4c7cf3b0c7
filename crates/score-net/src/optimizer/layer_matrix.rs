use std::ops::Range;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Axis, LinalgScalar};

use crate::Parameter;

/// The trained parameters of a layer that have as many rows, side by side as one matrix: of an affine map the weight
/// `[out, in]` with the bias as its last column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LayerMatrix {
    /// The entries of each part among all parameters, and its columns in the matrix.
    parts: Vec<(Range<usize>, Range<usize>)>,
    pub(super) rows: usize,
    pub(super) columns: usize,
}

impl LayerMatrix {
    /// The matrices of a network's parameters.
    pub(super) fn all(description: &[Parameter]) -> Vec<Self> {
        let mut matrices: Vec<Self> = Vec::new();
        let (mut start, mut last) = (0, None);
        for parameter in description {
            let entries = start..start + parameter.len();
            start = entries.end;
            if !parameter.trained || parameter.is_empty() {
                last = None;
                continue;
            }
            let rows = parameter.shape.first().copied().unwrap_or(1);
            let width = parameter.len() / rows;
            let name = Some((parameter.layer(), rows));
            match matrices.last_mut() {
                Some(matrix) if last == name => {
                    matrix.parts.push((entries, matrix.columns..matrix.columns + width));
                    matrix.columns += width;
                }
                _ => matrices.push(Self { parts: vec![(entries, 0..width)], rows, columns: width }),
            }
            last = name;
        }
        matrices
    }

    /// The number of entries.
    pub(super) fn len(&self) -> usize {
        self.rows * self.columns
    }

    /// The matrix of entries that are laid out as a network's parameters.
    pub(super) fn gather<E: LinalgScalar>(&self, parameters: &[E]) -> Array2<E> {
        let mut matrix = Array2::zeros((self.rows, self.columns));
        for (entries, columns) in &self.parts {
            let shape = (self.rows, columns.len());
            if let Ok(part) = ArrayView2::from_shape(shape, &parameters[entries.clone()]) {
                matrix.slice_axis_mut(Axis(1), columns.clone().into()).assign(&part);
            }
        }
        matrix
    }

    /// Takes a matrix from entries that are laid out as a network's parameters.
    pub(super) fn subtract<E: LinalgScalar>(&self, step: &Array2<E>, parameters: &mut [E]) {
        for (entries, columns) in &self.parts {
            let shape = (self.rows, columns.len());
            if let Ok(mut part) = ArrayViewMut2::from_shape(shape, &mut parameters[entries.clone()])
            {
                part.zip_mut_with(&step.slice_axis(Axis(1), columns.clone().into()), |p, &s| {
                    *p = *p - s
                });
            }
        }
    }
}
