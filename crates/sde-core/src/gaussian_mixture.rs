use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};

use crate::{Marginal, StreamRng, Target};

/// A mixture of `K` isotropic Gaussians, `p(x) = Σ_k w_k N(x; m_k, v_k I)`, in any dimension.
///
/// Its law stays a mixture under every linear diffusion ([`GaussianMixture::diffused`]), so that its
/// density, score and potential are exact at every time: the closed form that solvers and residuals
/// are tested against.
#[derive(Debug, Clone, PartialEq)]
pub struct GaussianMixture {
    components: Vec<Component>,
    dim: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Component {
    pub(crate) weight: f64,
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: f64,
}

/// Why a mixture was refused.
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
}

impl GaussianMixture {
    /// A mixture from `(weight, mean, variance)` for each component; weights are normalised to 1.
    ///
    /// # Errors
    /// If there is no component, the means differ in dimension, or a number is out of its domain.
    pub fn new(components: Vec<(f64, Vec<f64>, f64)>) -> Result<Self, MixtureError> {
        let dim = components.first().map_or(0, |(_, mean, _)| mean.len());
        if dim == 0 {
            return Err(MixtureError::Empty);
        }
        for (component, (weight, mean, variance)) in components.iter().enumerate() {
            if mean.len() != dim {
                let found = mean.len();
                return Err(MixtureError::Dimension { component, expected: dim, found });
            }
            let positive = "positive and finite";
            let rules = [("weight", *weight), ("variance", *variance)];
            if let Some((what, value)) =
                rules.into_iter().find(|(_, value)| !(*value > 0.0 && value.is_finite()))
            {
                return Err(MixtureError::Value { component, what, value, rule: positive });
            }
            if let Some(&value) = mean.iter().find(|x| !x.is_finite()) {
                return Err(MixtureError::Value { component, what: "mean", value, rule: "finite" });
            }
        }
        let total: f64 = components.iter().map(|(weight, ..)| weight).sum();
        let components = components
            .into_iter()
            .map(|(weight, mean, variance)| Component { weight: weight / total, mean, variance })
            .collect();
        Ok(Self { components, dim })
    }

    /// Nine Gaussians of equal weight in the plane, at `0.65·{(0,0), (±2,±2), (±4,0), (0,±4)}` with
    /// covariance `0.65²·0.2·I`; one of the three targets of Deveney et al. (2025).
    pub fn nine_components() -> Self {
        let centres = [
            [0.0, 0.0],
            [2.0, 2.0],
            [2.0, -2.0],
            [-2.0, 2.0],
            [-2.0, -2.0],
            [4.0, 0.0],
            [-4.0, 0.0],
            [0.0, 4.0],
            [0.0, -4.0],
        ];
        let components = centres
            .map(|centre| Component {
                weight: 1.0 / 9.0,
                mean: centre.map(|x| 0.65 * x).to_vec(),
                variance: 0.65 * 0.65 * 0.2,
            })
            .to_vec();
        Self { components, dim: 2 }
    }

    /// The law of `α X + σ Z` for `X` from this mixture and `Z` standard normal: the components move
    /// to `α m_k` and get the variance `α² v_k + σ²`.
    pub fn diffused(&self, Marginal { alpha, sigma }: Marginal) -> Self {
        let components = self
            .components
            .iter()
            .map(|component| Component {
                weight: component.weight,
                mean: component.mean.iter().map(|m| alpha * m).collect(),
                variance: alpha * alpha * component.variance + sigma * sigma,
            })
            .collect();
        Self { components, dim: self.dim }
    }

    /// `log p(x)`, for `x` of `d` entries.
    pub fn log_density(&self, x: &[f64]) -> f64 {
        self.posterior(x).0
    }

    pub(crate) fn components(&self) -> &[Component] {
        &self.components
    }

    /// `log p(x)` and the responsibilities `r_k = w_k N(x; m_k, v_k I) / p(x)`.
    pub(crate) fn posterior(&self, x: &[f64]) -> (f64, Vec<f64>) {
        let mut terms: Vec<f64> = self
            .components
            .iter()
            .map(|Component { weight, mean, variance }| {
                let squares: f64 = x.iter().zip(mean).map(|(x, m)| (x - m) * (x - m)).sum();
                let normaliser = self.dim as f64 * (2.0 * std::f64::consts::PI * variance).ln();
                weight.ln() - 0.5 * (squares / variance + normaliser)
            })
            .collect();
        // Log-sum-exp: far from all components every term underflows on its own.
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = terms.iter().map(|term| (term - largest).exp()).sum();
        let log_density = largest + sum.ln();
        for term in &mut terms {
            *term = (*term - log_density).exp();
        }
        (log_density, terms)
    }
}

impl Target for GaussianMixture {
    fn dim(&self) -> usize {
        self.dim
    }

    fn draw(&self, rng: &mut StreamRng, point: &mut [f64]) {
        let mut u: f64 = rng.random();
        let chosen = self.components.iter().find(|component| {
            u -= component.weight;
            u < 0.0
        });
        // Rounding can leave u at 0 past the last component.
        let component = chosen.unwrap_or(&self.components[self.components.len() - 1]);
        let std = component.variance.sqrt();
        for (x, mean) in point.iter_mut().zip(&component.mean) {
            let normal: f64 = StandardNormal.sample(rng);
            *x = mean + std * normal;
        }
    }

    fn density(&self, x: &[f64]) -> Option<f64> {
        Some(self.log_density(x).exp())
    }
}
