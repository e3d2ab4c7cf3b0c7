//! How samples are compared: by the distance that their dimension allows.

use fokker_metrics::{
    Grid, Histogram, bootstrap, bootstrap_interval, noise_floor, sliced_wasserstein, squared_w2,
    wasserstein_line,
};
use fokker_sde_core::{Purpose, Real, StreamRng, Streams};
use ndarray::{Array2, ArrayView2, Axis};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{Error, Progress, Protocol};

/// Draws that a noise floor is averaged over.
pub(crate) const FLOOR_DRAWS: u64 = 10;

/// The level of the bootstrap intervals.
pub(crate) const LEVEL: f64 = 0.95;

/// Directions of a sliced distance, the same ones for all distances of a seed.
pub(crate) const DIRECTIONS: u64 = 200;

/// Which distance a cell holds, by the dimension of its points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DistanceKind {
    /// In the plane: exact `W2²` between histograms on a square grid.
    #[default]
    W2sqGrid,
    /// On the line: exact `W2²` between the points.
    W2sqLine,
    /// Elsewhere: sliced `W2²` between the points, the mean of `W2²` along 200 random directions. It is at
    /// most `W2²/d`.
    SlicedW2sq,
}

impl DistanceKind {
    /// What the distance is called in tables and figures.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::W2sqGrid | Self::W2sqLine => "W2²",
            Self::SlicedW2sq => "sliced W2²",
        }
    }

    /// How it is found, with the settings of a protocol.
    pub(crate) fn words(self, protocol: &Protocol) -> String {
        let (n, measurement) = (protocol.sampling.particles, &protocol.measurement);
        match self {
            Self::W2sqGrid => format!(
                "W2² between histograms of N = {n} points on {nodes} × {nodes} nodes over ±{}",
                measurement.extent,
                nodes = measurement.nodes,
            ),
            Self::W2sqLine => format!("W2² between N = {n} points on the line"),
            Self::SlicedW2sq => {
                format!("sliced W2² between N = {n} points, over {DIRECTIONS} directions")
            }
        }
    }
}

/// The points of one side as their distance takes them.
pub(crate) enum Side {
    Grid(Histogram),
    Line(Vec<f64>),
    Cloud(Array2<f32>),
}

pub(crate) fn square_grid(protocol: &Protocol) -> Result<Grid, Error> {
    let measurement = &protocol.measurement;
    Grid::square(measurement.nodes, measurement.extent)
        .map_err(|error| Error::Internal(error.to_string()))
}

impl Side {
    /// Points `[n, d]`, in the units of the network.
    ///
    /// # Errors
    /// If all points of the plane lie outside the box.
    pub(crate) fn new<F: Real + Into<f64>>(
        protocol: &Protocol,
        points: ArrayView2<'_, F>,
    ) -> Result<Self, Error> {
        Ok(match points.ncols() {
            2 => Self::Grid(Histogram::from_points(square_grid(protocol)?, points)?),
            1 => Self::Line(points.iter().map(|x| x.wide()).collect()),
            _ => Self::Cloud(points.mapv(|x| x.wide() as f32)),
        })
    }

    pub(crate) fn kind(&self) -> DistanceKind {
        match self {
            Self::Grid(_) => DistanceKind::W2sqGrid,
            Self::Line(_) => DistanceKind::W2sqLine,
            Self::Cloud(_) => DistanceKind::SlicedW2sq,
        }
    }

    /// The number of points, inside the box and outside.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Grid(histogram) => histogram.points().unwrap_or(0) as usize,
            Self::Line(points) => points.len(),
            Self::Cloud(points) => points.nrows(),
        }
    }

    /// The share of the points that no distance sees.
    pub(crate) fn dropped(&self) -> f64 {
        match self {
            Self::Grid(histogram) => histogram.dropped(),
            Self::Line(_) | Self::Cloud(_) => 0.0,
        }
    }

    /// The squared distance to another side of the same dimension, in the units of the points squared.
    pub(crate) fn distance(&self, other: &Self, protocol: &Protocol) -> Result<f64, Error> {
        match (self, other) {
            (Self::Grid(a), Self::Grid(b)) => w2sq(a, b),
            (Self::Line(a), Self::Line(b)) => Ok(wasserstein_line(a, b, None, 2.0)?.distance.value),
            (Self::Cloud(a), Self::Cloud(b)) => {
                let streams = Streams::new(protocol.seed);
                let rng = |k| streams.rng(Purpose::Projection, 0, k);
                Ok(sliced_wasserstein(a.view(), b.view(), 2.0, DIRECTIONS, rng)?.value)
            }
            _ => Err(Error::Internal("points of different dimensions are compared".to_owned())),
        }
    }

    /// The mean of the distance between draws of so many points from this side as a law.
    pub(crate) fn floor(
        &self,
        protocol: &Protocol,
        index: u64,
        counts: [usize; 2],
    ) -> Result<f64, Error> {
        let rng = |draw| Streams::new(protocol.seed).rng(Purpose::Bootstrap, index, draw);
        if let Self::Grid(law) = self {
            let counts = counts.map(|n| n as u64);
            return Ok(noise_floor(law, counts, FLOOR_DRAWS, rng, w2sq)?.mean);
        }
        let mut floor = 0.0;
        for draw in 0..FLOOR_DRAWS {
            let mut rng = rng(draw);
            let [first, second] = counts.map(|n| self.resample(n, &mut rng));
            floor += first?.distance(&second?, protocol)? / FLOOR_DRAWS as f64;
        }
        Ok(floor)
    }

    /// The distance to another side, with its bootstrap interval.
    pub(crate) fn interval(
        &self,
        other: &Self,
        protocol: &Protocol,
        index: u64,
        progress: &dyn Progress,
    ) -> Result<(f64, [f64; 2]), Error> {
        let rng = |replicate| Streams::new(protocol.seed).rng(Purpose::Bootstrap, index, replicate);
        let replicates = protocol.measurement.bootstrap as u64;
        if let (Self::Grid(first), Self::Grid(second)) = (self, other) {
            let metric = |first: &Histogram, second: &Histogram| {
                if progress.cancelled() { Err(Error::Cancelled) } else { w2sq(first, second) }
            };
            let found = bootstrap(first, second, replicates, LEVEL, rng, metric)?;
            return Ok((w2sq(first, second)?, found));
        }
        let estimate = self.distance(other, protocol)?;
        // One after the other: each works on all threads, and holds a copy of both sides.
        let mut values = Vec::new();
        for replicate in 0..replicates {
            if progress.cancelled() {
                return Err(Error::Cancelled);
            }
            let mut rng = rng(replicate);
            let [first, second] = [self, other].map(|side| side.resample(side.count(), &mut rng));
            values.push(first?.distance(&second?, protocol)?);
        }
        Ok((estimate, bootstrap_interval(estimate, &values, LEVEL)))
    }

    /// So many points drawn from these with replacement.
    fn resample(&self, n: usize, rng: &mut StreamRng) -> Result<Self, Error> {
        let mut rows =
            |count: usize| -> Vec<usize> { (0..n).map(|_| rng.random_range(0..count)).collect() };
        Ok(match self {
            Self::Grid(histogram) => Self::Grid(histogram.resample(n as u64, rng)?),
            Self::Line(points) => {
                Self::Line(rows(points.len()).into_iter().map(|row| points[row]).collect())
            }
            Self::Cloud(points) => Self::Cloud(points.select(Axis(0), &rows(points.nrows()))),
        })
    }
}

fn w2sq(first: &Histogram, second: &Histogram) -> Result<f64, Error> {
    Ok(squared_w2(first, second)?.distance.value)
}
