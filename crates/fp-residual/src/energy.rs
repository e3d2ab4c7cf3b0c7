use fokker_sde_core::{BatchError, Jet, Potential, Purpose, Real, Sde, Streams};
use ndarray::{
    Array1, Array2, Array3, ArrayView1, ArrayView2, ArrayView3, ArrayViewMut1, ArrayViewMut2,
    ArrayViewMut3, Axis, Zip,
};
use rayon::prelude::*;

use crate::forward_path::forward_transition;
use crate::trapezoid::trapezoid_weights;
use crate::{Estimate, EstimateError, residual_of_jet};

/// Trajectories per parallel task, each with random streams of its own: part of what a seed means.
const BLOCK: usize = 256;

/// The residual along trajectories of a model's reverse-time SDE and along the forward SDE from where they end, and
/// what follows from it for the energy `∫ ½g² E_{p^SDE_t}|∇w|² dt` of the difference between the laws of its SDE and
/// its ODE.
///
/// `w = log p^SDE − φ` solves `∂_t w + f·∇w + ½g²Δw + ½g²|∇w|² + ε = 0` with `w_T = log π − φ_T`. Along the
/// reverse-time SDE, whose drift is `f − g²∇φ` and whose generator in `τ = T − t` is `(g²∇φ − f)·∇ + ½g²Δ`, the mean
/// of `w` moves by
///
/// `d/dt E[w] = E[∂_t w + (f − g²∇φ)·∇w − ½g²Δw] = E[−ε − ½g²|∇w|² − g²(Δw + ∇φ·∇w)] = E[−ε + ½g²|∇w|²]`,
///
/// since `E[Δw] = −E[∇w·∇log p^SDE] = −E[∇w·(∇φ + ∇w)]`. Integrated from `t_0` to `T` this is the *identity*
///
/// `∫ ½g² E_{p^SDE_t}|∇w|² dt = E_π[w_T] − E_{p^SDE_{t_0}}[w_{t_0}] + ∫ E_{p^SDE_t}[ε] dt`.
///
/// By the formula of Feynman and Kac `w_{t_0}(x) = log E[exp(∫ε dr + w_T) | X_{t_0} = x]` over the forward SDE, which
/// is at least the mean of the exponent (*Jensen*): with `q_t` the law of the forward SDE started from `p^SDE_{t_0}`
/// the energy is at most
///
/// `(E_π − E_{q_T})[w_T] + ∫ (E_{p^SDE_t} − E_{q_t})[ε] dt`.
///
/// The triangle inequality makes of it what the means of squares alone give (*naive*),
///
/// `√E_π[w_T²] + √E_{q_T}[w_T²] + ∫ (√E_{p^SDE_t}[ε²] + √E_{q_t}[ε²]) dt`,
///
/// which a function of `t` alone in `φ` changes although neither law knows of it; with `ε − E_{p^SDE_t}[ε]` and
/// `w_T − E_π[w_T]` for `ε` and `w_T` it does not (*centred*).
///
/// Integrals over time are by the trapezoidal rule on the times of the trajectories; the laws are those that the
/// trajectories have, with the error of their solver. Standard errors are those over trajectories, which are
/// independent.
#[derive(Debug, Clone, PartialEq)]
pub struct Energy {
    times: Vec<f64>,
    /// `ε` along the trajectories, `[k, n]`.
    reverse: Array2<f64>,
    /// `ε` along the forward paths, `[k, n, m]` for `m` from the end of each trajectory.
    forward: Array3<f64>,
    /// `w_T` where the trajectories start, `[n]`.
    reverse_end: Array1<f64>,
    /// `w_T` where the forward paths arrive, `[n, m]`.
    forward_end: Array2<f64>,
}

/// What the residual is at one time, over the laws of the SDE and of the forward process.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ResidualMoments {
    /// The time.
    pub t: f64,
    /// `E_{p^SDE_t}[ε]`.
    pub mean: Estimate,
    /// The variance of `ε` over `p^SDE_t`.
    pub variance: Estimate,
    /// `E_{q_t}[ε]`.
    pub forward_mean: Estimate,
    /// `E_{p^SDE_t}[ε] − E_{q_t}[ε]`: what this time adds to Jensen's bound, per unit of time.
    pub difference: Estimate,
}

impl Energy {
    /// Evaluates the residual of `potential` along `trajectories`, `[k, n, d]`, of its reverse-time SDE at the `k`
    /// `times`, which fall from the horizon, and along `forward_paths` paths of the forward SDE from the end of each.
    ///
    /// The forward paths are exact. Path `j` of block `b` of 256 trajectories draws from the stream
    /// `(Evaluation, j, b)`: same streams, same bits for any number of threads.
    ///
    /// # Errors
    /// If there are fewer than two trajectories or no forward path, the times do not fall from the horizon, the
    /// shapes do not fit, the potential cannot be evaluated, or a value is not finite.
    pub fn new<F: Real>(
        potential: &dyn Potential<F>,
        sde: &dyn Sde,
        times: &[f64],
        trajectories: ArrayView3<'_, F>,
        forward_paths: usize,
        streams: Streams,
    ) -> Result<Self, EstimateError> {
        let (k, n, m) = (times.len(), trajectories.dim().1, forward_paths);
        EstimateError::check_from_horizon(times, sde.horizon())?;
        let expected = [k, n, potential.dim()];
        BatchError::check("trajectories", &expected, trajectories.shape())?;
        EstimateError::check_count("energy of trajectories", n, 2)?;
        EstimateError::check_count("list of forward paths", m, 1)?;
        let mut energy = Self {
            times: times.to_vec(),
            reverse: Array2::zeros((k, n)),
            forward: Array3::zeros((k, n, m)),
            reverse_end: Array1::zeros(n),
            forward_end: Array2::zeros((n, m)),
        };
        let along = Along { potential, sde, times, streams };
        let inputs = trajectories.axis_chunks_iter(Axis(1), BLOCK).into_par_iter();
        let outcomes: Vec<Result<(), EstimateError>> = energy
            .reverse
            .axis_chunks_iter_mut(Axis(1), BLOCK)
            .into_par_iter()
            .zip(energy.forward.axis_chunks_iter_mut(Axis(1), BLOCK).into_par_iter())
            .zip(energy.reverse_end.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter())
            .zip(energy.forward_end.axis_chunks_iter_mut(Axis(0), BLOCK).into_par_iter())
            .zip(inputs)
            .enumerate()
            .map(|(block, ((((reverse, forward), reverse_end), forward_end), x))| {
                along.reverse(block, x, reverse, reverse_end)?;
                along.forward(block, x, forward, forward_end)
            })
            .collect();
        outcomes.into_iter().collect::<Result<(), EstimateError>>()?;
        Ok(energy)
    }

    /// The energy by the identity, from estimates of `w_{t_0} = log p^SDE − φ` at the ends of the trajectories,
    /// `[n]`; exact up to their error and that of the rule for the integral.
    ///
    /// # Errors
    /// If there is not one value for each trajectory, or one is not finite.
    pub fn identity(&self, end: ArrayView1<'_, f64>) -> Result<Estimate, EstimateError> {
        BatchError::check("end", &[self.reverse_end.len()], end.shape())?;
        let mut values = &self.reverse_end - &end;
        for (epsilon, weight) in self.reverse.outer_iter().zip(trapezoid_weights(&self.times)) {
            values.scaled_add(weight, &epsilon);
        }
        Estimate::of_values("energy by the identity", &values.to_vec())
    }

    /// The bound on the energy by Jensen's inequality. What `φ` and `ε` have in common at all points of a time
    /// cancels at that time.
    ///
    /// # Errors
    /// If the sum is not finite.
    pub fn jensen(&self) -> Result<Estimate, EstimateError> {
        let mut values = &self.reverse_end - &means(self.forward_end.view());
        for (k, weight) in trapezoid_weights(&self.times).enumerate() {
            values.scaled_add(weight, &self.difference(k));
        }
        Estimate::of_values("bound by Jensen's inequality", &values.to_vec())
    }

    /// The bound by the triangle inequality, from means of squares alone. A root of a mean is a little too small, by
    /// a share of the order of one over the number of trajectories; the standard error is that of the linearisation.
    ///
    /// # Errors
    /// If the sum is not finite.
    pub fn naive(&self) -> Result<Estimate, EstimateError> {
        self.triangle("naive bound", false)
    }

    /// The same for what is left of `ε` and `w_T` without their means over the SDE's law.
    ///
    /// # Errors
    /// If the sum is not finite.
    pub fn centred(&self) -> Result<Estimate, EstimateError> {
        self.triangle("centred bound", true)
    }

    /// The residual's moments at each time, in the order of the times.
    ///
    /// # Errors
    /// If one is not finite.
    pub fn moments(&self) -> Result<Vec<ResidualMoments>, EstimateError> {
        let at = |(k, &t): (usize, &f64)| {
            let epsilon = self.reverse.index_axis(Axis(0), k);
            let n = epsilon.len() as f64;
            let centre = epsilon.sum() / n;
            let squares = epsilon.mapv(|e| (e - centre).powi(2) * n / (n - 1.0)).to_vec();
            let forward = means(self.forward.index_axis(Axis(0), k)).to_vec();
            Ok(ResidualMoments {
                t,
                mean: Estimate::of_values("residual", &epsilon.to_vec())?,
                variance: Estimate::of_values("variance of the residual", &squares)?,
                forward_mean: Estimate::of_values("residual of forward paths", &forward)?,
                difference: Estimate::of_values("residual", &self.difference(k).to_vec())?,
            })
        };
        self.times.iter().enumerate().map(at).collect()
    }

    /// `ε` along each trajectory at time `k`, less its mean over the forward paths from the trajectory's end, `[n]`.
    fn difference(&self, k: usize) -> Array1<f64> {
        &self.reverse.index_axis(Axis(0), k) - &means(self.forward.index_axis(Axis(0), k))
    }

    /// `Σ h (√E_p[(u − c)²] + √E_q[(u − c)²])` over `u = w_T` with `h = 1` and `u = ε` with the weights of the times,
    /// where `c` is 0 or, if `centred`, the mean of `u` over `p`. To first order a trajectory with the values `u_i`,
    /// and `v_ij` forward, moves it by
    /// `h [((u_i − c)² − P)/2√P + (mean_j (v_ij − c)² − Q)/2√Q − (E_q[u] − c) δc/√Q]`, with the means `P` and `Q` and
    /// `δc = u_i − c` if `centred`, else 0; where a mean of squares is 0, so are all its values.
    fn triangle(&self, what: &'static str, centred: bool) -> Result<Estimate, EstimateError> {
        let mut value = 0.0;
        let mut influence = Array1::<f64>::zeros(self.reverse_end.len());
        let ends = std::iter::once((1.0, self.reverse_end.view(), self.forward_end.view()));
        let between = trapezoid_weights(&self.times)
            .zip(self.reverse.outer_iter())
            .zip(self.forward.outer_iter());
        for (h, reverse, forward) in ends.chain(between.map(|((h, u), v)| (h, u, v))) {
            let n = reverse.len() as f64;
            let c = if centred { reverse.sum() / n } else { 0.0 };
            let moved = reverse.mapv(|u| u - c);
            let squares = moved.mapv(|u| u * u);
            let forward_squares = means(forward.mapv(|v| (v - c).powi(2)).view());
            let [p, q] = [&squares, &forward_squares].map(|squares| squares.sum() / n);
            let shift = forward.sum() / forward.len() as f64 - c;
            value += h * (p.sqrt() + q.sqrt());
            let slope = |mean: f64| if mean > 0.0 { h / mean.sqrt() } else { 0.0 };
            let follows = if centred { shift } else { 0.0 };
            Zip::from(&mut influence).and(&squares).and(&forward_squares).and(&moved).for_each(
                |sum, s, f, u| {
                    *sum += 0.5 * slope(p) * (s - p) + 0.5 * slope(q) * (f - q)
                        - slope(q) * follows * u;
                },
            );
        }
        let error = Estimate::of_values(what, &influence.to_vec())?.standard_error;
        EstimateError::check_value(what, value)?;
        Ok(Estimate { mean: value, standard_error: error })
    }
}

/// The mean of each row.
fn means(of: ArrayView2<'_, f64>) -> Array1<f64> {
    of.sum_axis(Axis(1)) / of.ncols() as f64
}

/// What all blocks share.
struct Along<'a, F> {
    potential: &'a dyn Potential<F>,
    sde: &'a dyn Sde,
    times: &'a [f64],
    streams: Streams,
}

impl<F: Real> Along<'_, F> {
    /// `ε` and `w_T` along the trajectories of a block.
    fn reverse(
        &self,
        block: usize,
        x: ArrayView3<'_, F>,
        mut epsilon: ArrayViewMut2<'_, f64>,
        end: ArrayViewMut1<'_, f64>,
    ) -> Result<(), EstimateError> {
        let mut jet = Jet::zeros(x.len_of(Axis(1)), self.potential.dim());
        for (k, (x, out)) in x.outer_iter().zip(epsilon.outer_iter_mut()).enumerate().rev() {
            self.residual(block, k, x, &mut jet, out)?;
        }
        self.terminal(block, x.index_axis(Axis(0), 0), &jet, end)
    }

    /// The same along the forward paths from their ends.
    fn forward(
        &self,
        block: usize,
        x: ArrayView3<'_, F>,
        mut epsilon: ArrayViewMut3<'_, f64>,
        mut end: ArrayViewMut2<'_, f64>,
    ) -> Result<(), EstimateError> {
        let last = self.times.len() - 1;
        let mut jet = Jet::zeros(x.len_of(Axis(1)), self.potential.dim());
        for path in 0..end.ncols() {
            let mut rng = self.streams.rng(Purpose::Evaluation, path as u64, block as u64);
            let mut place = x.index_axis(Axis(0), last).to_owned();
            for k in (0..=last).rev() {
                if k < last {
                    let (from, to) = (self.times[k + 1], self.times[k]);
                    forward_transition(&mut place, self.sde, from, to, &mut rng);
                }
                let mut at = epsilon.index_axis_mut(Axis(0), k);
                self.residual(block, k, place.view(), &mut jet, at.column_mut(path))?;
            }
            self.terminal(block, place.view(), &jet, end.column_mut(path))?;
        }
        Ok(())
    }

    /// `ε` at time `k`, and the jet that it is of.
    fn residual(
        &self,
        block: usize,
        k: usize,
        x: ArrayView2<'_, F>,
        jet: &mut Jet<F>,
        mut out: ArrayViewMut1<'_, f64>,
    ) -> Result<(), EstimateError> {
        let times = Array1::from_elem(x.nrows(), F::of(self.times[k]));
        self.potential.jet(times.view(), x, jet)?;
        let epsilon = residual_of_jet(jet, self.sde, times.view(), x);
        Zip::from(&mut out).and(&epsilon).for_each(|out, e| *out = e.wide());
        EstimateError::check_finite("residual", self.times[k], block * BLOCK, out.iter())
    }

    /// `w_T = log π − φ_T` of the jet at the horizon.
    fn terminal(
        &self,
        block: usize,
        x: ArrayView2<'_, F>,
        jet: &Jet<F>,
        mut out: ArrayViewMut1<'_, f64>,
    ) -> Result<(), EstimateError> {
        let prior = self.sde.prior();
        for ((out, x), value) in out.iter_mut().zip(x.rows()).zip(&jet.value) {
            let place: Vec<f64> = x.iter().map(|x| x.wide()).collect();
            *out = prior.log_density(&place) - value.wide();
        }
        EstimateError::check_finite("log π − φ", self.times[0], block * BLOCK, out.iter())
    }
}
