use fokker_sde_core::Real;
use ndarray::Array2;

use super::{Block, Scheme, Tableau};
use crate::SamplingError;
use crate::dynamics::{VectorField, add_scaled};

/// An explicit Runge–Kutta method for an ODE: `k_i = v(x + h Σ_j a_ij k_j, t + c_i h)`, `x ← x + h Σ b_i k_i`.
/// Source: Hairer, Nørsett and Wanner, *Solving ordinary differential equations I*, chapter II.
pub(crate) struct RungeKutta<F> {
    tableau: &'static Tableau,
    stages: Vec<Array2<F>>,
    stage: Array2<F>,
    error: Array2<F>,
    /// The time whose velocity is known to be the first stage.
    known: Option<f64>,
    arrived: f64,
}

impl<F: Real> RungeKutta<F> {
    pub(crate) fn new(tableau: &'static Tableau, shape: (usize, usize)) -> Self {
        Self {
            tableau,
            stages: vec![Array2::zeros(shape); tableau.stages()],
            stage: Array2::zeros(shape),
            error: Array2::zeros(shape),
            known: None,
            arrived: f64::NAN,
        }
    }

    /// The velocity at the start of the last step, until it is accepted.
    pub(crate) fn first_stage(&self) -> &Array2<F> {
        &self.stages[0]
    }

    /// All stages of the last step, until it is accepted.
    pub(crate) fn stages(&self) -> &[Array2<F>] {
        &self.stages
    }

    /// The embedded method's estimate of the error of the last step.
    pub(crate) fn estimate(&self) -> Option<&Array2<F>> {
        (!self.tableau.error.is_empty()).then_some(&self.error)
    }

    /// Called when the last step counts.
    pub(crate) fn keep(&mut self) {
        let last = self.tableau.stages() - 1;
        self.known = None;
        if self.tableau.first_same_as_last {
            self.stages.swap(0, last);
            self.known = Some(self.arrived);
        }
    }

    /// Moves `x` along `field` from time `from` to time `to`.
    pub(crate) fn advance(
        &mut self,
        field: &impl VectorField<F>,
        x: &mut Array2<F>,
        from: f64,
        to: f64,
    ) -> Result<(), SamplingError> {
        let (tableau, h) = (self.tableau, to - from);
        for (i, (row, node)) in tableau.matrix.iter().zip(tableau.nodes).enumerate() {
            if i == 0 && self.known == Some(from) {
                continue;
            }
            self.stage.assign(x);
            let (before, rest) = self.stages.split_at_mut(i);
            for (&weight, stage) in row.iter().zip(&*before) {
                if weight != 0.0 {
                    add_scaled(self.stage.view_mut(), h * weight, stage.view());
                }
            }
            // A stage at the end of the step is there exactly.
            let t = if *node == 1.0 { to } else { from + node * h };
            field.velocity(t, self.stage.view(), rest[0].view_mut())?;
        }
        for (&weight, stage) in tableau.weights.iter().zip(&self.stages) {
            if weight != 0.0 {
                add_scaled(x.view_mut(), h * weight, stage.view());
            }
        }
        self.error.fill(F::zero());
        for (&weight, stage) in tableau.error.iter().zip(&self.stages) {
            if weight != 0.0 {
                add_scaled(self.error.view_mut(), h * weight, stage.view());
            }
        }
        self.known = Some(from);
        self.arrived = to;
        Ok(())
    }
}

impl<F: Real> Scheme<F> for RungeKutta<F> {
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        self.advance(block.dynamics, &mut block.x, from, to)
    }

    fn error(&self) -> Option<&Array2<F>> {
        self.estimate()
    }

    fn accept(&mut self) {
        self.keep();
    }
}
