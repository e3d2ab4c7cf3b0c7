use std::fmt;
use std::sync::Arc;

/// One member of the family `dX = [f − ½(1 + λ²) g² s] dt + λ g dW̄` of reverse-time processes, with a weight `λ` of
/// the noise that may depend on time.
///
/// With the exact score every member has the marginals `p_t` of the forward process, since
/// `½λ² g² (Δp_t − ∇·(p_t ∇log p_t)) = 0`. Source: Song et al., *Score-based generative modeling through
/// stochastic differential equations*, ICLR 2021, appendix D.
#[derive(Clone)]
pub struct ReverseProcess {
    lambda: Lambda,
}

#[derive(Clone)]
enum Lambda {
    Constant(f64),
    Varying(Arc<dyn Fn(f64) -> f64 + Send + Sync>),
}

impl ReverseProcess {
    /// The probability-flow ODE, `λ = 0`: no noise is drawn.
    pub const ODE: Self = Self { lambda: Lambda::Constant(0.0) };

    /// The reverse-time SDE, `λ = 1`.
    pub const SDE: Self = Self { lambda: Lambda::Constant(1.0) };

    /// The largest weight of the noise: with more, nothing of a score is left in any precision.
    pub const LARGEST_LAMBDA: f64 = 1e6;

    /// The member `λ` of the family; `None` unless `λ` is between 0 and [`ReverseProcess::LARGEST_LAMBDA`].
    pub fn family(lambda: f64) -> Option<Self> {
        Self::allows(lambda).then_some(Self { lambda: Lambda::Constant(lambda) })
    }

    /// Whether a weight is one.
    pub(crate) fn allows(lambda: f64) -> bool {
        (0.0..=Self::LARGEST_LAMBDA).contains(&lambda)
    }

    /// The member with the weight `λ(t)`, which must be between 0 and [`ReverseProcess::LARGEST_LAMBDA`] wherever it is asked for; a sampler
    /// that meets another value stops with [`SamplingError::Lambda`](crate::SamplingError::Lambda).
    pub fn varying(lambda: impl Fn(f64) -> f64 + Send + Sync + 'static) -> Self {
        Self { lambda: Lambda::Varying(Arc::new(lambda)) }
    }

    /// Whether this is the ODE at all times.
    pub fn is_ode(&self) -> bool {
        matches!(self.lambda, Lambda::Constant(0.0))
    }

    /// The weight `λ(t)` of the noise.
    pub fn lambda(&self, t: f64) -> f64 {
        match &self.lambda {
            Lambda::Constant(lambda) => *lambda,
            Lambda::Varying(lambda) => lambda(t),
        }
    }

    /// `½(1 + λ(t)²)`, the factor of `g² s` in the drift.
    pub fn score_factor(&self, t: f64) -> f64 {
        let lambda = self.lambda(t);
        0.5 * (1.0 + lambda * lambda)
    }
}

impl fmt::Debug for ReverseProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.lambda {
            Lambda::Constant(lambda) => write!(f, "ReverseProcess(λ = {lambda})"),
            Lambda::Varying(_) => write!(f, "ReverseProcess(λ = λ(t))"),
        }
    }
}
