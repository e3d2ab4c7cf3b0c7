//! The forward diffusions that have names.

mod chebyshev;
mod cosine;
mod dual;
mod formula;
mod linear;
mod ornstein_uhlenbeck;
mod path;
mod unit_horizon;
mod variance_exploding;
mod variance_preserving;

use serde::{Deserialize, Serialize};

use crate::{Marginal, Prior, Sde, SdeError};

pub use cosine::Cosine;
pub use formula::Formula;
pub use linear::{LinearCoefficients, LinearFormulas, LinearSde};
pub use ornstein_uhlenbeck::OrnsteinUhlenbeck;
pub use path::{CosineSine, GaussianPath, Path, PathFormulas, PathPoint, Rectified};
pub use variance_exploding::{Edm, Hyperbolic, VarianceExploding};
pub use variance_preserving::{SubVariancePreserving, VariancePreserving};

/// Reads and writes a type by its fields, as `derive` does, but checks what was read by the type's
/// `check`, so that no file holds what the constructor refuses.
macro_rules! checked_serde {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$type>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$type>::deserialize(deserializer)?.check().map_err(serde::de::Error::custom)
            }
        }
    };
}
use checked_serde;

/// The diffusions that configuration files and checkpoints can name.
///
#[doc = include_str!("../../../../docs/diffusions.md")]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Diffusion {
    /// See [`OrnsteinUhlenbeck`].
    OrnsteinUhlenbeck(OrnsteinUhlenbeck),
    /// See [`VariancePreserving`].
    VariancePreserving(VariancePreserving),
    /// See [`Cosine`].
    Cosine(Cosine),
    /// See [`SubVariancePreserving`].
    SubVariancePreserving(SubVariancePreserving),
    /// See [`VarianceExploding`].
    VarianceExploding(VarianceExploding),
    /// See [`Hyperbolic`].
    Hyperbolic(Hyperbolic),
    /// See [`Edm`].
    Edm(Edm),
    /// See [`Rectified`].
    Rectified(Path<Rectified>),
    /// See [`CosineSine`].
    CosineSine(Path<CosineSine>),
    /// See [`PathFormulas`].
    Path(Path<PathFormulas>),
    /// See [`LinearFormulas`].
    Linear(LinearSde<LinearFormulas>),
}

impl Default for Diffusion {
    fn default() -> Self {
        Self::OrnsteinUhlenbeck(OrnsteinUhlenbeck::default())
    }
}

impl Diffusion {
    /// One of each kind, with its default parameters; those that have none are simple examples.
    pub fn examples() -> Vec<Self> {
        let mut all = vec![
            Self::OrnsteinUhlenbeck(OrnsteinUhlenbeck::default()),
            Self::VariancePreserving(VariancePreserving::default()),
            Self::Cosine(Cosine::default()),
            Self::SubVariancePreserving(SubVariancePreserving::default()),
            Self::VarianceExploding(VarianceExploding::default()),
            Self::Hyperbolic(Hyperbolic::default()),
            Self::Edm(Edm::default()),
            Self::Rectified(Path::default()),
            Self::CosineSine(Path::default()),
        ];
        let formulas =
            |first: &str, second: &str| Ok::<_, SdeError>((first.parse()?, second.parse()?));
        let path = formulas("cos(PI*t/2)", "sin(PI*t/2)^2")
            .and_then(|(alpha, variance)| Path::new(PathFormulas::new(alpha, variance, 0.99)?));
        all.extend(path.map(Self::Path));
        let linear = formulas("1 + sin(t)/2", "sqrt(1 + t)")
            .and_then(|(mu, w)| LinearSde::new(LinearFormulas::new(mu, w, 3.0)?));
        all.extend(linear.map(Self::Linear));
        all
    }

    fn as_sde(&self) -> &dyn Sde {
        match self {
            Self::OrnsteinUhlenbeck(sde) => sde,
            Self::VariancePreserving(sde) => sde,
            Self::Cosine(sde) => sde,
            Self::SubVariancePreserving(sde) => sde,
            Self::VarianceExploding(sde) => sde,
            Self::Hyperbolic(sde) => sde,
            Self::Edm(sde) => sde,
            Self::Rectified(sde) => sde,
            Self::CosineSine(sde) => sde,
            Self::Path(sde) => sde,
            Self::Linear(sde) => sde,
        }
    }
}

impl Sde for Diffusion {
    fn horizon(&self) -> f64 {
        self.as_sde().horizon()
    }

    fn drift_rate(&self, t: f64) -> f64 {
        self.as_sde().drift_rate(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.as_sde().diffusion(t)
    }

    fn marginal(&self, t: f64) -> Marginal {
        self.as_sde().marginal(t)
    }

    fn prior(&self) -> Prior {
        self.as_sde().prior()
    }

    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        self.as_sde().time_of_log_snr(log_snr)
    }
}
