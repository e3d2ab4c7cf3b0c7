use crate::{Element, Gradient, NetworkError, ScoreNetwork};

/// Adam, with the constants of PyTorch: `β = (0.9, 0.999)`, `ε = 1e-8`, no weight decay.
///
/// With `g` the gradient of step `k = 1, 2, …`: `m ← β₁ m + (1 − β₁) g`, `v ← β₂ v + (1 − β₂) g²` and
/// `θ ← θ − η (m / (1 − β₁ᵏ)) / (√(v / (1 − β₂ᵏ)) + ε)`. Source: Kingma and Ba, *Adam: a method for
/// stochastic optimization*, ICLR 2015.
#[derive(Debug, Clone, PartialEq)]
pub struct Adam<E: Element> {
    step: i32,
    /// `m` and `v`, empty before the first step.
    moments: [Vec<E>; 2],
}

impl<E: Element> Default for Adam<E> {
    fn default() -> Self {
        Self { step: 0, moments: [Vec::new(), Vec::new()] }
    }
}

const BETAS: [f64; 2] = [0.9, 0.999];
const EPSILON: f64 = 1e-8;

impl<E: Element> Adam<E> {
    /// The names of [`Adam::arrays`].
    pub const ARRAYS: [&str; 2] = ["first_moment", "second_moment"];

    /// Adam as it was after `steps` steps, with the moments `m` and `v` of then.
    pub fn resume(steps: u32, moments: [Vec<E>; 2]) -> Self {
        Self { step: i32::try_from(steps).unwrap_or(i32::MAX), moments }
    }

    /// The moments `m` and `v`, empty before the first step.
    pub fn arrays(&self) -> &[Vec<E>; 2] {
        &self.moments
    }

    /// One step of size `learning_rate` against `gradient`.
    ///
    /// # Errors
    /// If the gradient, or that of an earlier step, is not one of this network.
    pub fn update(
        &mut self,
        network: &mut ScoreNetwork<E>,
        gradient: &Gradient<E>,
        learning_rate: f64,
    ) -> Result<(), NetworkError> {
        network.check_gradient(&gradient.0)?;
        if self.step == 0 {
            self.moments = [(); 2].map(|()| vec![E::zero(); gradient.0.len()]);
        }
        let [first, second] = &mut self.moments;
        network.check_gradient(first)?;
        network.check_gradient(second)?;
        self.step = self.step.saturating_add(1);
        let [bias_1, bias_2] = BETAS.map(|beta| 1.0 - beta.powi(self.step));
        let (step_size, root_scale) = (E::of(learning_rate / bias_1), E::of(1.0 / bias_2.sqrt()));
        let ([b1, b2], [c1, c2]) = (BETAS.map(E::of), BETAS.map(|beta| E::of(1.0 - beta)));
        let epsilon = E::of(EPSILON);
        let mut parameters = network.parameters();
        // One pass, which the compiler turns into vector code.
        for (((p, &g), m), v) in parameters.iter_mut().zip(&gradient.0).zip(first).zip(second) {
            *m = b1 * *m + c1 * g;
            *v = b2 * *v + c2 * g * g;
            *p -= step_size * *m / (v.sqrt() * root_scale + epsilon);
        }
        network.set_parameters(&parameters)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use fokker_sde_core::{OrnsteinUhlenbeck, Streams};

    use super::*;
    use crate::Architecture;

    fn network<E: Element>(architecture: &Architecture, seed: u64) -> ScoreNetwork<E> {
        let sde = Arc::new(OrnsteinUhlenbeck::PAPER);
        ScoreNetwork::new(architecture, sde, Streams::new(seed)).unwrap()
    }

    #[test]
    fn steps_follow_the_textbook_recursion() {
        let shape = Architecture { dim: 1, hidden: vec![3], ..Architecture::paper() };
        let mut network = network::<f64>(&shape, 0);
        let mut expected = network.parameters();
        let n = expected.len();
        let mut adam = Adam::default();
        let (mut m, mut v) = (vec![0.0; n], vec![0.0; n]);
        for step in 1..=50 {
            let gradient: Vec<f64> = (0..n).map(|i| ((i * step) as f64).sin()).collect();
            adam.update(&mut network, &Gradient(gradient.clone()), 1e-2).unwrap();
            for i in 0..n {
                m[i] = 0.9 * m[i] + 0.1 * gradient[i];
                v[i] = 0.999 * v[i] + 0.001 * gradient[i].powi(2);
                let m_hat = m[i] / (1.0 - 0.9_f64.powi(step as i32));
                let v_hat = v[i] / (1.0 - 0.999_f64.powi(step as i32));
                expected[i] -= 1e-2 * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
        let pairs = network.parameters().into_iter().zip(expected);
        assert!(pairs.into_iter().all(|(found, expected)| (found - expected).abs() < 1e-12));
    }

    #[test]
    fn a_gradient_of_another_network_is_refused() {
        let mut first = network::<f32>(&Architecture::paper(), 0);
        let mut adam = Adam::default();
        assert!(adam.update(&mut first, &Gradient(vec![0.0; 3]), 1e-3).is_err());
        let mut other =
            network::<f32>(&Architecture { hidden: vec![4], ..Architecture::paper() }, 0);
        let gradient = Gradient::zeros(&first);
        adam.update(&mut first, &gradient, 1e-3).unwrap();
        let gradient = Gradient::zeros(&other);
        assert!(adam.update(&mut other, &gradient, 1e-3).is_err());
    }
}
