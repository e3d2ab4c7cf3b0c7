//! An exact score with a ripple: how far it takes the laws of SDE and ODE from the data, solved for on a grid,
//! against the variational bound.

use std::error::Error;

use fokker_samplers::{CellGrid, LawSolver, ReverseProcess, Unobserved};
use fokker_sde_core::{
    BatchError, GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck, Score, Sde,
    TimeGrid,
};
use ndarray::{ArrayView2, ArrayViewMut2};

/// The process `dX = −X dt + dW` on `[0, 10]`.
pub(crate) const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

/// Means and variance of two components of equal weight.
const MEANS: [f64; 2] = [-1.0, 1.0];
const VARIANCE: f64 = 0.1;

/// The score `s*(x, t) + δ cos kx`.
pub(crate) struct Ripple {
    exact: MixtureMarginals<OrnsteinUhlenbeck>,
    pub(crate) delta: f64,
    pub(crate) k: f64,
}

impl Score<f64> for Ripple {
    fn dim(&self) -> usize {
        1
    }

    fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        self.exact.score(t, x, out.view_mut())?;
        out.zip_mut_with(&x, |s, &x| *s += self.delta * (self.k * x).cos());
        Ok(())
    }
}

/// The data.
pub(crate) fn data() -> Result<GaussianMixture, Box<dyn Error>> {
    Ok(GaussianMixture::new(MEANS.map(|mean| (0.5, vec![mean], VARIANCE)).to_vec())?)
}

/// The times at which laws are solved for.
pub(crate) fn times() -> Result<TimeGrid, Box<dyn Error>> {
    Ok(GridRule::LogSnr { steps: 1000, t_min: Some(1e-3) }.grid(&SDE)?)
}

impl Ripple {
    pub(crate) fn new(delta: f64, k: f64) -> Result<Self, Box<dyn Error>> {
        Ok(Self { exact: MixtureMarginals::new(data()?, SDE), delta, k })
    }

    /// `½∫ g² E_{p_t}|δ cos kX|² dt` over the times, in closed form but for the trapezoidal rule:
    /// `E cos² kX = ½ + ½ E cos 2kX`, and of `N(m, v)` the mean of `cos 2kX` is `cos(2km) e^{−2k²v}`. The divergence
    /// at the horizon, `KL(p_T ‖ π)` of 1e-8, is left out.
    pub(crate) fn right_side(&self) -> Result<f64, Box<dyn Error>> {
        let rate = |t: f64| {
            let law = SDE.marginal(t);
            let variance = law.alpha.powi(2) * VARIANCE + law.sigma.powi(2);
            let damped = (-2.0 * self.k * self.k * variance).exp();
            let mean: f64 =
                MEANS.iter().map(|m| 0.5 * (2.0 * self.k * law.alpha * m).cos() * damped).sum();
            0.5 * (SDE.diffusion(t) * self.delta).powi(2) * (0.5 + 0.5 * mean)
        };
        Ok(times()?.steps().map(|(from, to)| 0.5 * (from - to) * (rate(from) + rate(to))).sum())
    }

    /// `KL(p_0 ‖ q)` for the law `q` of a process with this score at `t = 0`, in nats, by the masses of 2048 cells. Both
    /// laws are taken on `[−2.9, 2.9]` alone, beyond which are 1e-9 of the data: what the ODE carries there started
    /// beyond the walls of the grid.
    pub(crate) fn divergence(&self, process: ReverseProcess) -> Result<f64, Box<dyn Error>> {
        let solver = LawSolver::new(CellGrid::line(-5.0, 5.0, 2048)?);
        let law = solver.solve::<f64>(self, &SDE, process, &times()?, &mut Unobserved)?;
        let (axis, data) = (solver.grid.axes()[0], data()?);
        let cells = (0..axis.cells()).filter(|&i| axis.centre(i).abs() < 2.9);
        let masses = cells.map(|i| {
            let density = data.log_density(&[axis.centre(i)]).exp();
            (density * axis.width(), law.masses[i])
        });
        let masses: Vec<(f64, f64)> = masses.collect();
        let all: f64 = masses.iter().map(|(p, _)| p).sum();
        let of_law: f64 = masses.iter().map(|(_, q)| q).sum();
        Ok(masses.iter().map(|(p, q)| p / all * (p / all / (q / of_law)).ln()).sum())
    }
}
