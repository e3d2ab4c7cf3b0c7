use fokker_sde_core::{BatchError, Real, Score, Sde, StreamRng, Target};
use ndarray::{Array1, Array2, ArrayViewMut1};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

use crate::trajectories::Trajectories;
use crate::{TimeDensity, TimeLaw};

/// Where the residual is taken: a mixture of three laws of points `(t, x)`.
///
/// - *inside a box*: `x ~ U(−L, L)^d`, independent of `t`, as Deveney et al. (2025) do with `L = 3.5`;
/// - *marginal*: `x ~ p_t`, data that the forward process has diffused;
/// - *trajectories*: `x` on a path of the model's own reverse-time SDE, from the prior to `t`: the law `p^SDE_t` itself, over
///   which the residual drives the gap.
///
/// Times are those of [`Collocation::times`] for all three, uniform on `(t_min, T)` if not given.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collocation {
    /// The smallest time, positive and below the horizon.
    #[serde(deserialize_with = "crate::checked::positive")]
    pub t_min: f64,
    /// Half the side `L` of the box, positive.
    #[serde(default = "default_extent", deserialize_with = "crate::checked::positive")]
    pub extent: f64,
    /// The shares of the three laws; all inside the box if not given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub shares: Shares,
    /// The density of the times; uniform if not given.
    #[serde(default = "uniform", skip_serializing_if = "is_uniform")]
    pub times: TimeDensity,
}

fn default_extent() -> f64 {
    3.5
}

fn is_default(shares: &Shares) -> bool {
    *shares == Shares::default()
}

fn uniform() -> TimeDensity {
    TimeDensity::Uniform
}

fn is_uniform(times: &TimeDensity) -> bool {
    *times == TimeDensity::Uniform
}

/// How many of the collocation points come from where, relative to each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shares {
    /// Inside the box.
    #[serde(deserialize_with = "crate::checked::weight")]
    pub inside_box: f64,
    /// From the law of the diffused data.
    #[serde(deserialize_with = "crate::checked::weight")]
    pub marginal: f64,
    /// From the model's own trajectories.
    #[serde(deserialize_with = "crate::checked::weight")]
    pub trajectories: f64,
}

impl Default for Shares {
    fn default() -> Self {
        Self { inside_box: 1.0, ..Self::NONE }
    }
}

impl Shares {
    const NONE: Self = Self { inside_box: 0.0, marginal: 0.0, trajectories: 0.0 };

    /// All points from the law of the diffused data.
    pub const MARGINAL: Self = Self { marginal: 1.0, ..Self::NONE };

    /// All points from the model's own trajectories.
    pub const TRAJECTORIES: Self = Self { trajectories: 1.0, ..Self::NONE };

    fn total(&self) -> f64 {
        self.inside_box + self.marginal + self.trajectories
    }
}

impl Default for Collocation {
    fn default() -> Self {
        Self { t_min: 1e-5, extent: 3.5, shares: Shares::default(), times: uniform() }
    }
}

/// What collocation points may be made from.
pub(crate) struct Sources<'a, F: Real> {
    pub(crate) target: &'a dyn Target,
    pub(crate) sde: &'a dyn Sde,
    pub(crate) score: &'a dyn Score<F>,
}

impl Collocation {
    /// Draws `n` points inside the box, their times uniform between two: times `[n]` and places `[n, dim]`.
    pub fn draw_inside<F: Real>(
        &self,
        n: usize,
        dim: usize,
        [from, to]: [f64; 2],
        rng: &mut StreamRng,
    ) -> (Array1<F>, Array2<F>) {
        let (mut t, mut x) = (Array1::zeros(n), Array2::zeros((n, dim)));
        for i in 0..n {
            t[i] = F::of(from + rng.random::<f64>() * (to - from));
            self.inside(x.row_mut(i), rng);
        }
        (t, x)
    }

    fn time(&self, sde: &dyn Sde, rng: &mut StreamRng) -> f64 {
        TimeLaw::new(self.t_min, self.times).draw(sde, rng)
    }

    fn inside<F: Real>(&self, mut x: ArrayViewMut1<'_, F>, rng: &mut StreamRng) {
        let extent = self.extent;
        let uniform = |rng: &mut StreamRng| -extent + (extent + extent) * rng.random::<f64>();
        x.iter_mut().for_each(|x| *x = F::of(uniform(rng)));
    }

    /// Fills a block of points, `group` rows at a time with the same time. Points of a group are independent given it,
    /// and all from the same law.
    ///
    /// # Errors
    /// If the score cannot be evaluated.
    pub(crate) fn fill<F: Real>(
        &self,
        group: usize,
        sources: &Sources<'_, F>,
        rng: &mut StreamRng,
        noise: &mut StreamRng,
        mut t: ArrayViewMut1<'_, F>,
        mut x: ndarray::ArrayViewMut2<'_, F>,
    ) -> Result<(), BatchError> {
        let n = t.len();
        let Sources { target, sde, score } = *sources;
        let mut data = vec![0.0; x.ncols()];
        let shares = self.shares;
        let inside_only = shares.marginal == 0.0 && shares.trajectories == 0.0;
        let mut walked = Vec::new();
        for from in (0..n).step_by(group) {
            let time = self.time(sde, rng);
            // Nothing is drawn for a choice that is none.
            let choice = if inside_only { 0.0 } else { rng.random::<f64>() * shares.total() };
            for i in from..(from + group).min(n) {
                t[i] = F::of(time);
                if choice < shares.inside_box || inside_only {
                    self.inside(x.row_mut(i), rng);
                } else if choice < shares.inside_box + shares.marginal {
                    let law = sde.marginal(time);
                    target.draw(rng, &mut data);
                    for (slot, &x_0) in x.row_mut(i).iter_mut().zip(&data) {
                        let z: f64 = StandardNormal.sample(rng);
                        *slot = F::of(law.alpha * x_0 + law.sigma * z);
                    }
                } else {
                    walked.push(i);
                }
            }
        }
        if !walked.is_empty() {
            let times: Vec<f64> = walked.iter().map(|&i| t[i].wide()).collect();
            let points = Trajectories::default().walk(score, sde, &times, noise)?;
            for (&i, point) in walked.iter().zip(points.rows()) {
                x.row_mut(i).assign(&point);
            }
        }
        Ok(())
    }
}
