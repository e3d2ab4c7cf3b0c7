//! How far a vector score is from a gradient.

use fokker_fp_residual::{Estimate, Rotation, score_jacobian};
use fokker_sde_core::{MixtureMarginals, Score, Sde};
use ndarray::{Array2, Axis};
use serde::Serialize;

use super::Study;
use crate::{Error, Method};

/// Trajectories of the SDE on which the Jacobian is taken.
const TRAJECTORIES: usize = 1024;

/// Times at which it is, at most.
const TIMES: usize = 12;

/// The rotation of a score over the SDE's law at one time; see [`Rotation`]. With `A = ½(∇s − ∇sᵀ)`, in the plane and in space `|∇×s|² = 2|A|²`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RotationAt {
    /// The time.
    pub t: f64,
    /// The mean of `|A|²`.
    pub squared: f64,
    /// Its standard error.
    pub squared_se: f64,
    /// `E|A|²/E|∇s|²`.
    pub share: f64,
    /// Its standard error.
    pub share_se: f64,
    /// `E|A|²/E|∇(s − ∇log p_t)|²`, the share of the error's Jacobian, where the exact score is known.
    pub share_of_error: Option<f64>,
    /// Its standard error.
    pub share_of_error_se: Option<f64>,
}

/// The rotation at some times down to the last one.
pub(super) fn rotation(study: &Study<'_>) -> Result<Vec<RotationAt>, Error> {
    let paths = study.trajectories(Method::Sde, TRAJECTORIES)?;
    let exact = study.exact.as_ref();
    let exact = exact.map(|law| MixtureMarginals::new(law.clone(), study.sde.clone()));
    let last = study.times.len() - 1;
    let count = TIMES.min(last);
    let at = |k: usize| {
        let index = k * last / count;
        let (t, x) = (study.times[index], paths.index_axis(Axis(0), index));
        let length = study.sde.marginal(t).sigma;
        let jacobian = score_jacobian::<f32>(study.network, t, x, length)?;
        let own = Rotation::of(jacobian.view())?;
        let share_of_error = match &exact {
            None => None,
            Some(exact) => {
                let x: Array2<f64> = x.mapv(f64::from);
                let exact: &dyn Score<f64> = exact;
                let error = jacobian - score_jacobian(exact, t, x.view(), length)?;
                Some(Rotation::of(error.view())?.share)
            }
        };
        Ok(RotationAt {
            t,
            squared: own.squared.mean,
            squared_se: own.squared.standard_error,
            share: own.share.mean,
            share_se: own.share.standard_error,
            share_of_error: share_of_error.map(|share: Estimate| share.mean),
            share_of_error_se: share_of_error.map(|share| share.standard_error),
        })
    };
    (1..=count).map(at).collect()
}
