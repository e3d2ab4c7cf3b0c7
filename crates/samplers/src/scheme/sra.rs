use fokker_sde_core::Real;
use ndarray::{Array2, Zip};
use rand_distr::{Distribution, StandardNormal};

use super::{Block, Scheme};
use crate::SamplingError;
use crate::dynamics::{VectorField, add_scaled};

/// A Runge–Kutta scheme of strong order 1.5 and weak order 2 for additive noise, SRA1. With the drift `a` and noise `b = λg` of the reverse-time
/// process, its time running forward by `h`, `I = ΔW` and `J = ∫ (W − W_0) dr`,
///
/// `H = X + ¾ h a(X, t) + (3/2) b(t + h) J/h`,
/// `X ← X + h [⅓ a(X, t) + ⅔ a(H, t + ¾h)] + b(t + h) I + [b(t) − b(t + h)] J/h`.
///
/// Without noise it is Ralston's method, of order 2. Source: Rößler, *Runge–Kutta methods for the strong approximation of
/// solutions of stochastic differential equations*, SIAM J. Numer. Anal. 48 (2010), table 6.1.
pub(super) struct Sra1<F> {
    drifts: [Array2<F>; 2],
    stage: Array2<F>,
    xi: Array2<F>,
    zeta: Array2<F>,
}

impl<F: Real> Sra1<F> {
    pub(super) fn new(shape: (usize, usize)) -> Self {
        let zeros = || Array2::zeros(shape);
        Self { drifts: [zeros(), zeros()], stage: zeros(), xi: zeros(), zeta: zeros() }
    }
}

impl<F: Real> Scheme<F> for Sra1<F>
where
    StandardNormal: Distribution<F>,
{
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError> {
        let dynamics = block.dynamics;
        // Signed, for drifts in forward time.
        let h = to - from;
        let [first, second] = &mut self.drifts;
        dynamics.velocity(from, block.x.view(), first.view_mut())?;
        let (start, end) = (dynamics.noise_level(from)?, dynamics.noise_level(to)?);
        self.stage.assign(&block.x);
        add_scaled(self.stage.view_mut(), 0.75 * h, first.view());
        let noisy = start > 0.0 || end > 0.0;
        let root = h.abs().sqrt();
        // J/h = √h (½ ξ + ζ/√12).
        let (half, rest) = (F::of(0.5 * root), F::of(root / 12.0_f64.sqrt()));
        if noisy {
            block.noise.increment_and_area(from, to, &mut self.xi, &mut self.zeta);
            let weight = F::of(1.5 * end);
            Zip::from(&mut self.stage)
                .and(&self.xi)
                .and(&self.zeta)
                .for_each(|x, &xi, &zeta| *x += weight * (half * xi + rest * zeta));
        }
        dynamics.velocity(from + 0.75 * h, self.stage.view(), second.view_mut())?;
        add_scaled(block.x.view_mut(), h / 3.0, first.view());
        add_scaled(block.x.view_mut(), h * 2.0 / 3.0, second.view());
        if noisy {
            let (whole, change) = (F::of(end * root), F::of(start - end));
            Zip::from(&mut block.x).and(&self.xi).and(&self.zeta).for_each(|x, &xi, &zeta| {
                *x += whole * xi + change * (half * xi + rest * zeta);
            });
        }
        Ok(())
    }
}
