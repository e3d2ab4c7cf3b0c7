//! What of points is drawn: all of them in the plane, else the plane of their two principal axes.

use fokker_metrics::{Grid, Histogram, HistogramError};
use nalgebra::{DMatrix, SymmetricEigen};
use ndarray::{Array1, Array2, Axis};

use crate::side::square_grid;
use crate::{Error, Protocol};

/// The square on which densities of points of one target are drawn.
pub(crate) struct View {
    /// Half its side, in the units of the network.
    pub(crate) extent: f64,
    /// What its axes are called.
    pub(crate) names: [String; 2],
    grid: Grid,
    plane: Option<Plane>,
}

/// A plane in more dimensions.
struct Plane {
    centre: Array1<f64>,
    /// Two unit vectors, `[d, 2]`.
    axes: Array2<f64>,
}

/// The share of the truth along each axis that the square of a view holds.
const SHOWN: f64 = 0.99;

impl View {
    /// The view of points of the same target as the points `[n, d]` of the truth.
    ///
    /// In the plane it is the square of the histograms; in more dimensions the plane through the mean along
    /// the two principal axes of the truth, that is the eigenvectors of the largest eigenvalues of its
    /// covariance. On the line there is none.
    pub(crate) fn of(
        protocol: &Protocol,
        truth: &Array2<f32>,
        standardised: bool,
    ) -> Result<Option<Self>, Error> {
        let names = |x: &str, y: &str| {
            let unit = if standardised { ", standardised" } else { "" };
            [x, y].map(|axis| format!("{axis}{unit}"))
        };
        match truth.ncols() {
            0 | 1 => Ok(None),
            2 => {
                let (extent, grid) = (protocol.measurement.extent, square_grid(protocol)?);
                Ok(Some(Self { extent, names: names("x", "y"), grid, plane: None }))
            }
            _ => {
                let plane = Plane::principal(truth)?;
                let places = plane.project(truth);
                let mut lengths: Vec<f64> =
                    places.rows().into_iter().map(|p| p[0].abs().max(p[1].abs())).collect();
                lengths.sort_unstable_by(f64::total_cmp);
                let last = (SHOWN * (lengths.len() - 1) as f64) as usize;
                // Points that are all the same still need a square around them.
                let extent = if lengths[last] > 0.0 { 1.3 * lengths[last] } else { 1.0 };
                let grid = Grid::square(protocol.measurement.nodes, extent)
                    .map_err(|error| Error::Internal(error.to_string()))?;
                let names = ["principal axis 1", "principal axis 2"].map(str::to_owned);
                Ok(Some(Self { extent, names, grid, plane: Some(plane) }))
            }
        }
    }

    /// The density of points `[n, d]` over the view, `[y, x]`; zero if none lies there.
    pub(crate) fn density(&self, points: &Array2<f32>) -> Result<Array2<f64>, Error> {
        let counted = match &self.plane {
            None => Histogram::from_points(self.grid, points.view()),
            Some(plane) => Histogram::from_points(self.grid, plane.project(points).view()),
        };
        match counted {
            Ok(histogram) => histogram
                .density()
                .into_dimensionality()
                .map_err(|error| Error::Internal(error.to_string())),
            Err(HistogramError::Empty { .. }) => {
                let nodes = self.grid.axes().first().map_or(0, |axis| axis.len());
                Ok(Array2::zeros((nodes, nodes)))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Plane {
    /// Through the mean of points, along their two principal axes.
    fn principal(points: &Array2<f32>) -> Result<Self, Error> {
        let (count, dim) = points.dim();
        let wide = points.mapv(f64::from);
        let centre = wide.sum_axis(Axis(0)) / count as f64;
        let offsets = wide - &centre;
        let covariance = offsets.t().dot(&offsets) / count as f64;
        let matrix = DMatrix::from_fn(dim, dim, |i, j| covariance[[i, j]]);
        let eigen = SymmetricEigen::try_new(matrix, f64::EPSILON, 100 * dim)
            .ok_or_else(|| Error::Internal("the covariance of the truth has no axes".to_owned()))?;
        let mut order: Vec<usize> = (0..dim).collect();
        order.sort_by(|&i, &j| eigen.eigenvalues[j].total_cmp(&eigen.eigenvalues[i]));
        let mut axes = Array2::from_shape_fn((dim, 2), |(i, k)| eigen.eigenvectors[(i, order[k])]);
        for mut axis in axes.columns_mut() {
            // Of the two directions the one that points to where most coordinates grow.
            if axis.sum() < 0.0 {
                axis.mapv_inplace(|x| -x);
            }
        }
        Ok(Self { centre, axes })
    }

    /// The coordinates of points in the plane, `[n, 2]`.
    fn project(&self, points: &Array2<f32>) -> Array2<f64> {
        (points.mapv(f64::from) - &self.centre).dot(&self.axes)
    }
}
