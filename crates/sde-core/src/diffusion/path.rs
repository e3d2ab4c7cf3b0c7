use std::f64::consts::FRAC_PI_2;

use serde::{Deserialize, Deserializer, Serialize};

use super::unit_horizon::UnitHorizon;
use super::{Formula, checked_serde};
use crate::{Marginal, Prior, Sde, SdeError};

/// A path of Gaussian transitions `X_t = α_t X_0 + σ_t Z`, given by `α_t` and `σ_t²` instead of a drift and a
/// diffusion coefficient. [`Path`] makes a diffusion of it.
pub trait GaussianPath: Send + Sync {
    /// The horizon `T`.
    fn horizon(&self) -> f64;

    /// `α_t`, `σ_t²` and their derivatives at `t`, with `α_0 = 1` and `σ_0 = 0`.
    fn at(&self, t: f64) -> PathPoint;
}

/// A path and its speed at some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PathPoint {
    /// `α_t`.
    pub alpha: f64,
    /// `α_t'`.
    pub alpha_rate: f64,
    /// `σ_t²`.
    pub variance: f64,
    /// `(σ_t²)'`.
    pub variance_rate: f64,
}

impl PathPoint {
    /// `a = α'/α`.
    fn drift_rate(&self) -> f64 {
        self.alpha_rate / self.alpha
    }

    /// `g² = (σ²)' − 2 a σ²`.
    fn squared_diffusion(&self) -> f64 {
        self.variance_rate - 2.0 * self.drift_rate() * self.variance
    }
}

/// The diffusion `dX = a X dt + g dW` whose transitions are those of a path:
///
/// `a = α'/α` and `g² = (σ²)' − 2 a σ²`,
///
/// from `α' = a α` and `(σ²)' = 2 a σ² + g²`. There is one where the signal-to-noise ratio `α²/σ²` does not rise.
/// The prior is `N(0, σ_T² I)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Path<P>(P);

/// Points at which a path is looked at.
const CHECKS: usize = 1000;

impl<P: GaussianPath> Path<P> {
    /// The diffusion along `path`.
    ///
    /// # Errors
    /// If the path does not start from the data, or at one of a thousand times in `[0, T]` has no finite
    /// positive `α`, no finite `σ²` or a signal-to-noise ratio that rises.
    pub fn new(path: P) -> Result<Self, SdeError> {
        let refuse = |what, t, value, rule| Err(SdeError::Coefficient { what, t, value, rule });
        let start = path.at(0.0);
        if (start.alpha - 1.0).abs() > 1e-12 {
            return refuse("α", 0.0, start.alpha, "1, since time 0 is the data");
        }
        if start.variance.abs() > 1e-12 {
            return refuse("σ²", 0.0, start.variance, "0, since time 0 is the data");
        }
        for k in 0..=CHECKS {
            let t = path.horizon() * k as f64 / CHECKS as f64;
            let point = path.at(t);
            if !(point.alpha > 0.0 && point.alpha.is_finite()) {
                return refuse("α", t, point.alpha, "positive and finite");
            }
            if !(point.variance.is_finite() && (point.variance > 0.0 || k == 0)) {
                return refuse("σ²", t, point.variance, "positive and finite");
            }
            // To the rounding of its two terms.
            let (square, scale) = (point.squared_diffusion(), point.variance_rate.abs());
            if !(square >= -1e-12 * scale && square.is_finite()) {
                return refuse("g² = (σ²)' − 2(α'/α)σ²", t, square, "finite and not negative");
            }
        }
        Ok(Self(path))
    }

    /// The path.
    pub fn path(&self) -> &P {
        &self.0
    }
}

impl<'de, P: GaussianPath + Deserialize<'de>> Deserialize<'de> for Path<P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(P::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<P: GaussianPath> Sde for Path<P> {
    fn horizon(&self) -> f64 {
        self.0.horizon()
    }

    fn drift_rate(&self, t: f64) -> f64 {
        self.0.at(t).drift_rate()
    }

    fn diffusion(&self, t: f64) -> f64 {
        self.0.at(t).squared_diffusion().max(0.0).sqrt()
    }

    fn marginal(&self, t: f64) -> Marginal {
        let point = self.0.at(t);
        Marginal { alpha: point.alpha, sigma: point.variance.sqrt() }
    }

    fn prior(&self) -> Prior {
        Prior { std: self.marginal(self.horizon()).sigma }
    }
}

/// The straight path `X_t = (1 − t) X_0 + t Z`: `α = 1 − t`, `σ = t`, with the drift `−x/(1 − t)`, infinite at
/// `t = 1`: the horizon `T` is below it. Default `T = 0.999`. Sources: Liu et al., *Flow straight and fast:
/// learning to generate and transfer data with rectified flow*, and Lipman et al., *Flow matching for generative
/// modeling*, both ICLR 2023; there time may run the other way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rectified(UnitHorizon);

impl Rectified {
    /// The path on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 0.999999.
    pub fn new(horizon: f64) -> Result<Self, SdeError> {
        UnitHorizon::new(horizon).map(Self)
    }
}

impl Default for Path<Rectified> {
    fn default() -> Self {
        Self(Rectified::default())
    }
}

impl GaussianPath for Rectified {
    fn horizon(&self) -> f64 {
        self.0.horizon
    }

    fn at(&self, t: f64) -> PathPoint {
        PathPoint { alpha: 1.0 - t, alpha_rate: -1.0, variance: t * t, variance_rate: 2.0 * t }
    }
}

/// The path with `α = cos(πt/2)` and `σ² = sin(πt/2)`, whose drift `−(π/2) tan(πt/2) x` is infinite at `t = 1`: the
/// horizon `T` is below it. Default `T = 0.999`. Source: Coste, *Flow models I: Diffusion models* (2023).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CosineSine(UnitHorizon);

impl CosineSine {
    /// The path on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 0.999999.
    pub fn new(horizon: f64) -> Result<Self, SdeError> {
        UnitHorizon::new(horizon).map(Self)
    }
}

impl Default for Path<CosineSine> {
    fn default() -> Self {
        Self(CosineSine::default())
    }
}

impl GaussianPath for CosineSine {
    fn horizon(&self) -> f64 {
        self.0.horizon
    }

    fn at(&self, t: f64) -> PathPoint {
        let (sin, cos) = (FRAC_PI_2 * t).sin_cos();
        PathPoint {
            alpha: cos,
            alpha_rate: -FRAC_PI_2 * sin,
            variance: sin,
            variance_rate: FRAC_PI_2 * cos,
        }
    }
}

/// A path given by formulas for `α_t` and `σ_t²`, such as `cos(PI*t/2)` and `sin(PI*t/2)^2`; their derivatives
/// are found with them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename = "Path", deny_unknown_fields)]
pub struct PathFormulas {
    alpha: Formula,
    variance: Formula,
    horizon: f64,
}

checked_serde!(PathFormulas);

impl PathFormulas {
    /// The path on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 1e6, or a formula holds a function without a known derivative.
    pub fn new(alpha: Formula, variance: Formula, horizon: f64) -> Result<Self, SdeError> {
        Self { alpha, variance, horizon }.check()
    }

    fn check(self) -> Result<Self, SdeError> {
        SdeError::check("horizon T", 1e-6..=1e6, "between 1e-6 and 1e6", self.horizon)?;
        self.alpha.check_derivative()?;
        self.variance.check_derivative()?;
        Ok(self)
    }
}

impl GaussianPath for PathFormulas {
    fn horizon(&self) -> f64 {
        self.horizon
    }

    fn at(&self, t: f64) -> PathPoint {
        let (alpha, alpha_rate) = self.alpha.at_with_rate(t);
        let (variance, variance_rate) = self.variance.at_with_rate(t);
        PathPoint { alpha, alpha_rate, variance, variance_rate }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drift_and_the_diffusion_are_those_in_the_table() {
        for t in [0.0, 0.1, 0.5, 0.99] {
            let path = Path::<Rectified>::default();
            assert!((path.drift_rate(t) + 1.0 / (1.0 - t)).abs() < 1e-12 / (1.0 - t));
            assert!((path.diffusion(t).powi(2) - 2.0 * t / (1.0 - t)).abs() < 1e-12 / (1.0 - t));
            let path = Path::<CosineSine>::default();
            let slope = FRAC_PI_2 * (FRAC_PI_2 * t).tan();
            assert!((path.drift_rate(t) + slope).abs() < 1e-12 * (1.0 + slope));
        }
    }

    #[test]
    fn paths_that_are_no_diffusions_are_refused() {
        let path = |alpha: &str, variance: &str| {
            let (alpha, variance) = (alpha.parse()?, variance.parse()?);
            Path::new(PathFormulas::new(alpha, variance, 0.9)?)
        };
        assert!(path("1 - t", "t^2").is_ok());
        for (alpha, variance, what) in [
            ("2 - t", "t", "α is 2"),
            ("1 - t", "t + 1", "σ² is 1"),
            ("1 - 2*t", "t", "α is -"),
            ("1", "t*(1 - 2*t)", "g²"),
            // The noise shrinks faster than the data.
            ("1", "t*(2 - 3*t)", "g²"),
            ("1/(1 - 2*t)", "t", "g²"),
        ] {
            let error = path(alpha, variance).unwrap_err().to_string();
            assert!(error.starts_with(what), "{alpha}, {variance}: {error}");
        }
        assert!(path("abs(1 - t)", "t").unwrap_err().to_string().contains("no derivative"));
    }
}
