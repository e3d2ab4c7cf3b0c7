//! The density of the reverse SDE's law at given points, and the gradient of its correction, by means over forward
//! paths.

mod common;
mod error;
mod moments;
mod paths;
mod resample;
mod schedule;

use fokker_sde_core::{BatchError, Jet, Potential, Real, Sde, Streams};
use ndarray::{Array1, ArrayView2};

use common::Common;
pub use error::{DensityError, Withheld};
use moments::Moments;
use paths::{Coupling, GROUPS, Walk};
use schedule::Schedule;

use crate::residual_of_jet;

/// The law `p^SDE_t` of the reverse-time SDE `dX = [f − g² ∇φ] dt + g dW̄` started from the prior `π`, at given points
/// in any dimension.
///
/// **Formula.** `p = p^SDE` solves `∂_t p = −∇·((f − g² ∇φ) p) − ½ g² Δp`. With `p = e^{φ+w}` this says
///
/// `∂_t w + f·∇w + ½ g² Δw + ½ g² |∇w|² + ε = 0`, `w_T = log π − φ_T`,
///
/// where `ε` is the [`residual`](crate::residual) of `φ`. For `u = e^w` it is linear (Hopf–Cole),
/// `∂_t u + f·∇u + ½ g² Δu + ε u = 0`, and by Feynman and Kac
///
/// `p^SDE_t(x) = e^{φ(x,t)} u_t(x)`, `u_t(x) = E[ e^A | X_t = x ]`, `A = ∫_t^T ε(X_r, r) dr + log π(X_T) − φ(X_T, T)`
///
/// with `X` the *forward* diffusion (Karatzas and Shreve, *Brownian motion and stochastic calculus*, theorem 5.7.6).
/// The potential may differ from a log-density by any function of `t`: its derivative is in `ε`.
///
/// **Paths** are exact at the nodes of the grid, whatever their distance: `X_s` given `X_t` is
/// `N(r X_t, σ_s² − r² σ_t²)`, `r = α_s/α_t`. The integral is the trapezoidal rule over the nodes, which makes a step
/// `e^{½hε} P_h e^{½hε}` with the exact semigroup `P_h`: Strang's splitting, of order 2 in the steps for smooth `ε`. The nodes are
/// equally spaced in the log-SNR from `t` to `T`; from `t = 0`, where `φ` and `∂_t φ` then have to be finite, as those
/// of [`GridRule::LogSnr`](fokker_sde_core::GridRule::LogSnr), whose last step goes from a log-SNR of 9 to 0.
///
/// **Errors.** Paths come in antithetic pairs of opposite noise. The mean of a pair is one of `M` independent units
/// `U_j`, and with the delta method `se² = s_U²/(M Ū²)` for `log Ū`, whose mean is `log u − se²/2` up to higher
/// orders: this bias is added back.
///
/// What `ε` has in common with all paths, a function of `t` alone, is integrated once, on a grid sixteen times finer, and the paths integrate the
/// rest: the median of `ε` over up to sixteen of the points of the call, moved as the means of their paths are.
///
/// The error of the quadrature shows in the same paths: without every other node the estimate moves by three times it where it
/// falls as the square of the step, and by as much where it falls as the step, as that of a network does whose `Δφ` is a row of
/// spikes. It is reported as [`LogDensity::quadrature`]: where it is above the standard error, more steps are needed.
///
/// Neither is of use where few paths carry all of the weight, nor would more paths
/// soon help; the *effective number of paths* is the smaller of `(Σ w_i)²/Σ w_i²` (Kong, Liu and Wong, J. Amer.
/// Statist. Assoc. 89 (1994)) and `1/(1/N + se²)`, which is the same for independent paths, and less where those of a
/// pair are alike. Below [`SdeDensity::least_effective`] the estimate is [`Withheld`]. It can only count the paths it
/// has seen: weights whose variance is infinite may pass.
///
/// **Resampling** (sequential Monte Carlo: Del Moral, *Feynman–Kac formulae*, 2004; systematic: Kitagawa, J. Comput.
/// Graph. Statist. 5 (1996)) replaces paths of little weight by copies of others, in each of 16 independent groups by
/// itself. `Ū` stays unbiased. Paths of a group then depend on each other, so that a group is the unit of the
/// variance, `M = 16`, and `se` itself is known to some 20 % only. Copies are not independent paths: of a group's
/// paths as many are effective as were at the time when fewest were, before they were copied, and `1/(1/N + se²)` from
/// the spread of the groups bounds what remains.
///
/// Purpose of the random streams is [`Purpose::Density`](fokker_sde_core::Purpose::Density); all calls with the same
/// streams use the same noise. Same bits for any number of threads.
///
/// ```
/// use fokker_fp_residual::SdeDensity;
/// use fokker_sde_core::{
///     GaussianMixture, LinearFormulas, LinearSde, MixtureMarginals, OrnsteinUhlenbeck, Streams,
/// };
///
/// // The potential of a diffusion whose noise is 1 % stronger.
/// let sde = OrnsteinUhlenbeck::PAPER;
/// let other = LinearSde::new(LinearFormulas::new("1".parse()?, "1.01/sqrt(2)".parse()?, 10.0)?)?;
/// let wrong = MixtureMarginals::new(GaussianMixture::nine_components(), other);
/// let x = ndarray::array![[0.3, -1.2], [1.3, 1.3]];
///
/// let density = SdeDensity { steps: 50, ..SdeDensity::default() };
/// for found in density.log_density(&wrong, &sde, 0.1, x.view(), Streams::new(0))? {
///     let found = found?; // or too few paths count
///     assert!(found.value.is_finite() && found.standard_error < 0.1);
/// }
/// // How far the score is from that of the law: ∇ log p^SDE − ∇φ.
/// for found in density.correction_gradient(&wrong, &sde, 0.1, x.view(), Streams::new(0))? {
///     assert_eq!(found?.gradient.len(), 2);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SdeDensity {
    /// The number `N` of paths from each point, a multiple of 32: 16 groups of pairs.
    pub paths: usize,
    /// Steps of the grid from `t` to `T`, at least 2.
    pub steps: usize,
    /// Whether the paths of all points of a call have the same noise. Then the estimate is a smooth function of the
    /// points, for maps and differences, unless there is resampling, and its errors at different points are not
    /// independent. Otherwise each point has noise of its own, for means over points.
    pub shared_noise: bool,
    /// Paths are resampled where the effective number in a group falls below this share, in `(0, 1]`. For weights that
    /// spread too much.
    pub resampling: Option<f64>,
    /// The least effective number of paths of an estimate that is not withheld, from 1 to `paths`.
    pub least_effective: f64,
}

/// 1024 paths of 100 steps, of which 32 have to count, without resampling.
impl Default for SdeDensity {
    fn default() -> Self {
        Self {
            paths: 1024,
            steps: 100,
            shared_noise: false,
            resampling: None,
            least_effective: 32.0,
        }
    }
}

/// An estimate of `log p^SDE_t(x)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogDensity {
    /// `log p^SDE_t(x)`.
    pub value: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// By how much it differs from what every other node of the same paths gives: of the size of the error of the quadrature, or
    /// larger, and no part of the standard error.
    pub quadrature: f64,
    /// The effective number of paths.
    pub effective: f64,
}

/// An estimate of `∇w = ∇ log p^SDE_t − ∇φ` at a point.
#[derive(Debug, Clone, PartialEq)]
pub struct CorrectionGradient {
    /// `∇w`, of length `d`.
    pub gradient: Vec<f64>,
    /// The standard error of each component.
    pub standard_error: Vec<f64>,
    /// What every other node of the same paths gives: where it is further away than the standard error, more steps are needed.
    pub coarser: Vec<f64>,
    /// The effective number of paths.
    pub effective: f64,
}

impl SdeDensity {
    /// `log p^SDE_t` at the points `x`, `[n, d]`, for `0 ≤ t < T`.
    ///
    /// # Errors
    /// If a parameter, `t` or the shape of `x` does not fit, the potential cannot be evaluated, or it is not finite
    /// somewhere on a path. Each point has its own error if too few of its paths count.
    pub fn log_density<F: Real>(
        &self,
        potential: &dyn Potential<F>,
        sde: &dyn Sde,
        t: f64,
        x: ArrayView2<'_, F>,
        streams: Streams,
    ) -> Result<Vec<Result<LogDensity, Withheld>>, DensityError> {
        self.check()?;
        BatchError::check("x", &[x.nrows(), potential.dim()], x.shape())?;
        let schedule = Schedule::new(sde, t, self.steps)?;
        let times = Array1::from_elem(x.nrows(), F::of(t));
        let mut jet = Jet::zeros(x.nrows(), x.ncols());
        potential.jet(times.view(), x, &mut jet)?;
        let epsilon = residual_of_jet(&jet, sde, times.view(), x);
        let coupling = Coupling::Opposite;
        let Common { start: at_start, nodes: common, integral } =
            Common::new(potential, sde, t, &schedule, x)?;
        let walk = Walk { settings: self, potential, sde, schedule, common, coupling, streams, x };
        let log_density = |(point, moments): (usize, Moments)| {
            let own = epsilon[point].wide() - at_start;
            let start = jet.value[point].wide() + integral + walk.schedule.start * own;
            if !start.is_finite() {
                let place = x.row(point).iter().map(|x| x.wide()).collect();
                return Err(DensityError::NotFinite { point, t, place });
            }
            let (log_mean, standard_error) = moments.log_mean();
            let effective = moments.effective(self.paths);
            let value = start + log_mean;
            let coarser = walk.schedule.coarser_start * own;
            let quadrature = (moments.log_coarser() + coarser).abs();
            let found = LogDensity { value, standard_error, quadrature, effective };
            Ok(self.enough(effective).map(|()| found))
        };
        walk.moments()?.into_iter().enumerate().map(log_density).collect()
    }

    /// `∇w = ∇ log p^SDE_t − ∇φ` at the points `x`, `[n, d]`, for `0 ≤ t < T`: what the score lacks to be that of the
    /// SDE's law, without any derivative of `ε`.
    ///
    /// After a short first step to `t + h`, `u_t(x) = E[v(r x + ρ Z)]` with a standard normal `Z`, `ρ² = σ_{t+h}² − r²
    /// σ_t²` and `v = e^{hε} u_{t+h}`: the integral over the step is the rule of its end, so that nothing but
    /// `X_{t+h}` depends on `x`. By parts in `Z`, and with the mean over `Z` and `−Z`,
    ///
    /// `∇u_t(x) = (r/ρ) E[v(r x + ρZ) Z] = (r/ρ) E[½ (e^{A(Z)} − e^{A(−Z)}) Z]`, `∇w = ∇u/u`:
    ///
    /// the formula of Bismut, Elworthy and Li (J. Funct. Anal. 125 (1994)) over one step. The two paths of a pair have
    /// the *same* noise after it, so that `e^{A(Z)} − e^{A(−Z)} ≈ 2ρ Z·∇e^A`, and the variance of a component stays
    /// near that of `Z Z·∇e^A` however small `ρ` is, in every dimension. The step is exact for the smoothed function,
    /// and its rule errs by `O(h²)`: `ρ = 0.1 r σ_t`, or from `t = 0` to a log-SNR of 9. The rounding of `F` is
    /// divided by `2ρ`, and shows in the standard errors. These are of the delta method for the quotient of means,
    /// whose bias of second order is taken off.
    ///
    /// # Errors
    /// As [`SdeDensity::log_density`].
    pub fn correction_gradient<F: Real>(
        &self,
        potential: &dyn Potential<F>,
        sde: &dyn Sde,
        t: f64,
        x: ArrayView2<'_, F>,
        streams: Streams,
    ) -> Result<Vec<Result<CorrectionGradient, Withheld>>, DensityError> {
        self.check()?;
        BatchError::check("x", &[x.nrows(), potential.dim()], x.shape())?;
        let schedule = Schedule::with_short_step(sde, t, self.steps)?;
        let coupling = Coupling::AfterFirst;
        // What depends on time alone cancels in the quotient.
        let common = vec![0.0; schedule.steps.len()];
        let walk = Walk { settings: self, potential, sde, schedule, common, coupling, streams, x };
        let scale = walk.schedule.steps.first().map_or(f64::NAN, |step| step.ratio / step.spread);
        let gradient = |moments: Moments| {
            let effective = moments.effective(self.paths);
            let (gradient, standard_error) = moments.quotients(scale);
            let coarser = moments.coarser_quotients(scale);
            self.enough(effective).map(|()| CorrectionGradient {
                gradient,
                standard_error,
                coarser,
                effective,
            })
        };
        Ok(walk.moments()?.into_iter().map(gradient).collect())
    }

    fn enough(&self, effective: f64) -> Result<(), Withheld> {
        let (needed, paths) = (self.least_effective, self.paths);
        if effective >= needed { Ok(()) } else { Err(Withheld { effective, needed, paths }) }
    }

    fn check(&self) -> Result<(), DensityError> {
        let check = |what, good: bool, rule, value| {
            if good { Ok(()) } else { Err(DensityError::Parameter { what, rule, value }) }
        };
        let (paths, least) = (self.paths as f64, self.least_effective);
        let whole = self.paths > 0 && self.paths.is_multiple_of(2 * GROUPS);
        check("number of paths", whole, "a positive multiple of 32", paths)?;
        check("number of steps", self.steps >= 2, "at least 2", self.steps as f64)?;
        let inside = (1.0..=paths).contains(&least);
        check("least effective number", inside, "from 1 to the number of paths", least)?;
        let share = self.resampling.unwrap_or(1.0);
        check("share for resampling", share > 0.0 && share <= 1.0, "in (0, 1]", share)
    }
}
