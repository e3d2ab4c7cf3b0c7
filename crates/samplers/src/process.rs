/// One member of the family `dX = [f − ½(1 + λ²) g² s] dt + λ g dW̄` of reverse-time processes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReverseProcess {
    lambda: f64,
}

impl ReverseProcess {
    /// The probability-flow ODE, `λ = 0`: no noise is drawn.
    pub const ODE: Self = Self { lambda: 0.0 };

    /// The reverse-time SDE, `λ = 1`.
    pub const SDE: Self = Self { lambda: 1.0 };

    /// The member `λ` of the family; `None` unless `λ` is finite and at least 0.
    pub fn family(lambda: f64) -> Option<Self> {
        (lambda >= 0.0 && lambda.is_finite()).then_some(Self { lambda })
    }

    /// The weight `λ` of the noise.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// `½(1 + λ²)`, the factor of `g² s` in the drift.
    pub fn score_factor(&self) -> f64 {
        0.5 * (1.0 + self.lambda * self.lambda)
    }
}
