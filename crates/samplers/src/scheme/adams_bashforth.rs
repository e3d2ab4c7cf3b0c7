use std::collections::VecDeque;

use fokker_sde_core::Real;
use ndarray::Array2;

use super::{Block, RungeKutta, Scheme, Tableau};
use crate::SamplingError;
use crate::dynamics::{VectorField, add_scaled};

/// The explicit multistep methods of orders 2 to 4, for steps of any lengths: `x ← x + ∫ P`, where `P` is the polynomial
/// through the last velocities. The first steps are those of the classical Runge–Kutta method. Sources: Bashforth and
/// Adams (1883); Hairer, Nørsett and Wanner, *Solving ordinary differential equations I*, §III.5, for steps that differ.
pub(super) struct AdamsBashforth<F> {
    order: usize,
    /// The last times and their velocities, the newest first.
    past: VecDeque<(f64, Array2<F>)>,
    start: RungeKutta<F>,
}

impl<F: Real> AdamsBashforth<F> {
    pub(super) fn new(order: usize, shape: (usize, usize)) -> Self {
        let start = RungeKutta::new(&Tableau::RUNGE_KUTTA_4, shape);
        Self { order, past: VecDeque::with_capacity(order + 1), start }
    }
}

impl<F: Real> Scheme<F> for AdamsBashforth<F> {
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let mut velocity = match self.past.len() == self.order {
            true => self.past.pop_back().map(|(_, room)| room).unwrap_or_default(),
            false => Array2::zeros(block.x.raw_dim()),
        };
        if self.past.len() + 1 < self.order {
            self.start.step(block, from, to)?;
            velocity.assign(self.start.first_stage());
            self.start.accept();
            self.past.push_front((from, velocity));
            return Ok(());
        }
        block.dynamics.velocity(from, block.x.view(), velocity.view_mut())?;
        self.past.push_front((from, velocity));
        let times: Vec<f64> = self.past.iter().map(|(t, _)| *t).collect();
        for (weight, (_, velocity)) in weights(&times, from, to).into_iter().zip(&self.past) {
            add_scaled(block.x.view_mut(), weight, velocity.view());
        }
        Ok(())
    }
}

/// The integrals from `from` to `to` of the Lagrange polynomials of these at most 4 times, by Gauss–Legendre with two
/// nodes, which is exact for cubic polynomials.
fn weights(times: &[f64], from: f64, to: f64) -> Vec<f64> {
    let (middle, half) = (0.5 * (from + to), 0.5 * (to - from));
    let node = half / 3.0_f64.sqrt();
    let polynomial = |k: usize, t: f64| -> f64 {
        let others = times.iter().enumerate().filter(|(j, _)| *j != k);
        others.map(|(_, other)| (t - other) / (times[k] - other)).product()
    };
    (0..times.len())
        .map(|k| half * (polynomial(k, middle - node) + polynomial(k, middle + node)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::weights;

    #[test]
    fn equal_steps_have_the_weights_of_the_tables() {
        let h = 0.25;
        let tables: [(&[f64], f64); 3] =
            [(&[3.0, -1.0], 2.0), (&[23.0, -16.0, 5.0], 12.0), (&[55.0, -59.0, 37.0, -9.0], 24.0)];
        for (table, divisor) in tables {
            let times: Vec<f64> = (0..table.len()).map(|k| 1.0 + h * k as f64).collect();
            for (found, exact) in weights(&times, 1.0, 1.0 - h).iter().zip(table) {
                assert!((found + h * exact / divisor).abs() < 1e-14);
            }
        }
    }
}
