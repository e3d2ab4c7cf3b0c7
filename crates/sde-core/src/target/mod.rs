mod blurred_curves;
mod checkerboard;
mod empirical;
mod error;
mod pinwheel;
mod polygon_error;
mod polygons;
mod rings;
mod spirals;
mod standardisation;
mod student_t;
mod swiss_roll;
mod transformed;
mod triangles;
mod two_moons;

use ndarray::{Array2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

pub use checkerboard::Checkerboard;
pub use empirical::{Empirical, EmpiricalError};
pub use error::TargetError;
pub use pinwheel::Pinwheel;
pub use polygon_error::PolygonError;
pub use polygons::Polygons;
pub use rings::Rings;
pub use spirals::Spirals;
pub use standardisation::{Standardisation, StandardisationError, StandardisationRule};
pub use student_t::StudentT;
pub use swiss_roll::SwissRoll;
pub use transformed::{Dequantised, Standardised};
pub use two_moons::TwoMoons;

use crate::{GaussianMixture, Purpose, Real, StreamRng, Streams};

/// A law of data points.
pub trait Target: Send + Sync {
    /// The dimension `d` of a point.
    fn dim(&self) -> usize;

    /// Draws one point into `point`, which has `d` entries, independently of all others.
    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]);

    /// The density `p_0(x)` at a point of `d` entries, exact or by a quadrature whose error the target
    /// states; `None` if the law has none that is known.
    fn density(&self, x: &[f64]) -> Option<f64>;

    /// The mode that a point, however far, belongs to: a square of a checkerboard, a ring, a component of a mixture; `None` if
    /// the law has no such parts, or one alone, or they are not known.
    fn mode(&self, _x: &[f64]) -> Option<Mode> {
        None
    }
}

/// A part of a law, and how far outside of it a point is that belongs to it more than to any other.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mode {
    /// Its index.
    pub index: usize,
    /// The number of modes of the law.
    pub count: usize,
    /// The distance of the point to the part, where that has an edge; 0 inside, and where it has none.
    pub distance: f64,
}

/// Points per stream of [`sample_target`]; part of what a seed means.
const BLOCK: usize = 4096;

/// Draws `n` independent points, `[n, d]`, in parallel and the same for any number of threads.
///
/// Block `b` of 4096 points comes from the stream `(purpose, index, b)`, so that fewer points are a
/// prefix of more.
pub fn sample_target<F: Real>(
    target: &dyn Target,
    n: usize,
    streams: Streams,
    purpose: Purpose,
    index: u64,
) -> Array2<F> {
    let dim = target.dim();
    let mut points = Array2::zeros((n, dim));
    points.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter().enumerate().for_each(
        |(block, mut rows)| {
            let mut rng = streams.rng(purpose, index, block as u64);
            let mut point = vec![0.0; dim];
            for mut row in rows.rows_mut() {
                target.draw(&mut rng, &mut point);
                for (entry, &value) in row.iter_mut().zip(&point) {
                    *entry = F::of(value);
                }
            }
        },
    );
    points
}

/// The targets that configuration files and the command line know by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetName {
    /// [`Checkerboard`].
    Checkerboard,
    /// [`Rings::circles`].
    Circles,
    /// [`Rings::ring`].
    Ring,
    /// [`GaussianMixture::nine_components`].
    Mixture,
    /// [`SwissRoll`] by default.
    SwissRoll,
    /// [`TwoMoons`] by default.
    Moons,
    /// [`Spirals`] by default.
    Spirals,
    /// [`Pinwheel`] by default.
    Pinwheel,
    /// [`GaussianMixture::eight_components`].
    EightGaussians,
    /// [`StudentT`] by default.
    StudentT,
}

impl TargetName {
    /// All names, in the order of the documentation.
    pub const ALL: [Self; 10] = [
        Self::Checkerboard,
        Self::Circles,
        Self::Ring,
        Self::Mixture,
        Self::SwissRoll,
        Self::Moons,
        Self::Spirals,
        Self::Pinwheel,
        Self::EightGaussians,
        Self::StudentT,
    ];

    /// The name as it is written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Checkerboard => "checkerboard",
            Self::Circles => "circles",
            Self::Ring => "ring",
            Self::Mixture => "mixture",
            Self::SwissRoll => "swiss_roll",
            Self::Moons => "moons",
            Self::Spirals => "spirals",
            Self::Pinwheel => "pinwheel",
            Self::EightGaussians => "eight_gaussians",
            Self::StudentT => "student_t",
        }
    }

    /// The law as a mixture of Gaussians, of which the diffused laws and their scores are known exactly; `None` if it is none.
    pub fn mixture(self) -> Option<GaussianMixture> {
        match self {
            Self::Mixture => Some(GaussianMixture::nine_components()),
            Self::EightGaussians => Some(GaussianMixture::eight_components()),
            _ => None,
        }
    }

    /// The law itself.
    pub fn target(self) -> Box<dyn Target> {
        match self {
            Self::Checkerboard => Box::new(Checkerboard),
            Self::Circles => Box::new(Rings::circles()),
            Self::Ring => Box::new(Rings::ring()),
            Self::Mixture => Box::new(GaussianMixture::nine_components()),
            Self::SwissRoll => Box::new(SwissRoll::default()),
            Self::Moons => Box::new(TwoMoons::default()),
            Self::Spirals => Box::new(Spirals::default()),
            Self::Pinwheel => Box::new(Pinwheel::default()),
            Self::EightGaussians => Box::new(GaussianMixture::eight_components()),
            Self::StudentT => Box::new(StudentT::default()),
        }
    }
}

impl std::fmt::Display for TargetName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
