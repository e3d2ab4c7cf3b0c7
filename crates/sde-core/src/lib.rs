//! Forward diffusions, their marginals and priors, target distributions, the traits [`Score`] and
//! [`Potential`], time grids, and random streams: everything that the other `fokker` crates share.
//!
//! Time runs forward from data to noise in every function of the workspace: `t = 0` is data and
//! `t = T` is the prior. The forward process is
//!
//! `dX = f(X, t) dt + g(t) dW`, with affine drift `f(x, t) = a(t) x`,
//!
//! so that `X_t` given `X_0` has the law `N(α_t X_0, σ_t² I)` (its [`Marginal`]).
//!
//! ```
//! use fokker_sde_core::{GaussianMixture, OrnsteinUhlenbeck, Sde};
//!
//! let sde = OrnsteinUhlenbeck::default();
//! let data = GaussianMixture::nine_components();
//! // The law of X_t for data drawn from a mixture is a mixture again.
//! let law = data.diffused(sde.marginal(0.5));
//! assert!(law.log_density(&[0.1, -0.2]).is_finite());
//! ```

mod covariance;
mod diffusion;
mod gaussian_mixture;
mod mixture_error;
mod mixture_marginals;
mod mixture_point;
mod real;
mod score;
mod sde;
mod stream;
mod target;
mod time_grid;

pub use diffusion::{
    Cosine, CosineSine, Diffusion, Edm, Formula, GaussianPath, Hyperbolic, LinearCoefficients,
    LinearFormulas, LinearSde, OrnsteinUhlenbeck, Path, PathFormulas, PathPoint, Rectified,
    SubVariancePreserving, VarianceExploding, VariancePreserving,
};
pub use gaussian_mixture::GaussianMixture;
pub use mixture_error::MixtureError;
pub use mixture_marginals::MixtureMarginals;
pub use real::Real;
pub use score::{BatchError, Jet, Potential, Score, ScoreDivergence, ScoreJet, SmoothScore};
pub use sde::{Marginal, Prior, Sde, SdeError};
pub use stream::{Purpose, StreamRng, Streams};
pub use target::{
    Checkerboard, Dequantised, Empirical, EmpiricalError, Mode, Pinwheel, PolygonError, Polygons,
    Rings, Spirals, Standardisation, StandardisationError, StandardisationRule, Standardised,
    StudentT, SwissRoll, Target, TargetError, TargetName, TwoMoons, sample_target,
};
pub use time_grid::{GridRule, TimeGrid, TimeGridError};
