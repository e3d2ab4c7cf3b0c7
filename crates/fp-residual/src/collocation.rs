use std::ops::Range;

use fokker_sde_core::{Real, StreamRng};
use ndarray::{Array1, Array2};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// Where the residual is taken: `t ~ U(t_min, T)` and `x ~ U(−L, L)^d`, independent.
///
/// Deveney et al. (2025) take `t_min = 1e-5`, `T = 10`, `L = 3.5`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollocationBox {
    /// The smallest time, positive and below the horizon.
    #[serde(deserialize_with = "crate::positive")]
    pub t_min: f64,
    /// Half the side `L` of the box, positive.
    #[serde(deserialize_with = "crate::positive")]
    pub extent: f64,
}

impl Default for CollocationBox {
    fn default() -> Self {
        Self { t_min: 1e-5, extent: 3.5 }
    }
}

impl CollocationBox {
    /// Draws `n` points: times `[n]` and places `[n, dim]`.
    pub fn draw<F: Real>(
        &self,
        n: usize,
        dim: usize,
        horizon: f64,
        rng: &mut StreamRng,
    ) -> (Array1<F>, Array2<F>) {
        let (mut t, mut x) = (Array1::zeros(n), Array2::zeros((n, dim)));
        self.fill(0..n, horizon, rng, &mut t, &mut x);
        (t, x)
    }

    /// Draws points in place of those in `range`.
    pub(crate) fn fill<F: Real>(
        &self,
        range: Range<usize>,
        horizon: f64,
        rng: &mut StreamRng,
        t: &mut Array1<F>,
        x: &mut Array2<F>,
    ) {
        let mut uniform = |from: f64, to: f64| F::of(from + (to - from) * rng.random::<f64>());
        for i in range {
            t[i] = uniform(self.t_min, horizon);
            x.row_mut(i).iter_mut().for_each(|x| *x = uniform(-self.extent, self.extent));
        }
    }
}
