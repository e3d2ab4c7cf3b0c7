use ndarray::{ArrayView1, ArrayView2, ArrayViewMut2};

use crate::{BatchError, GaussianMixture, Jet, Potential, Real, Score, Sde, Target};

/// The exact laws `p_t` of a diffusion started from a Gaussian mixture, as a potential:
/// `φ(x, t) = log p_t(x)`, `s = ∇ log p_t`, normalised at every `t`.
///
/// With `g_k = −(x − m_k)/v_k`, responsibilities `r_k` and `E` the mean over components with weights
/// `r_k`, the derivatives are
///
/// - `∇φ = E[g_k]`,
/// - `Δφ = E[|g_k|² − d/v_k] − |∇φ|²`,
/// - `∂_t φ = E[½ v̇_k (|g_k|² − d/v_k) − g_k·ṁ_k]`, with `ṁ_k = a m_k`, `v̇_k = 2a v_k + g²`.
///
/// They satisfy the Fokker–Planck equation exactly. Evaluated in `f64` whatever `F` is.
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureMarginals<S> {
    data: GaussianMixture,
    sde: S,
}

struct Point {
    value: f64,
    time_derivative: f64,
    laplacian: f64,
}

impl<S: Sde> MixtureMarginals<S> {
    /// The laws of `sde` started from `data`.
    pub fn new(data: GaussianMixture, sde: S) -> Self {
        Self { data, sde }
    }

    /// Everything at one point; the gradient goes into `gradient`.
    fn point(&self, law: &GaussianMixture, t: f64, x: &[f64], gradient: &mut [f64]) -> Point {
        let (a, g) = (self.sde.drift_rate(t), self.sde.diffusion(t));
        let dim = x.len() as f64;
        let (value, responsibilities) = law.posterior(x);
        gradient.fill(0.0);
        let (mut time_derivative, mut curvature) = (0.0, 0.0);
        for (component, r) in law.components().iter().zip(responsibilities) {
            let variance = component.variance;
            let (mut squares, mut drift) = (0.0, 0.0);
            for ((x, m), total) in x.iter().zip(&component.mean).zip(gradient.iter_mut()) {
                let g_k = (m - x) / variance;
                squares += g_k * g_k;
                drift += g_k * a * m;
                *total += r * g_k;
            }
            let spread = squares - dim / variance;
            curvature += r * spread;
            time_derivative += r * (0.5 * (2.0 * a * variance + g * g) * spread - drift);
        }
        let squared_gradient: f64 = gradient.iter().map(|g| g * g).sum();
        Point { value, time_derivative, laplacian: curvature - squared_gradient }
    }
}

impl<F: Real, S: Sde> Score<F> for MixtureMarginals<S> {
    fn dim(&self) -> usize {
        self.data.dim()
    }

    fn score(
        &self,
        t: F,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), BatchError> {
        BatchError::check("x", &[x.nrows(), self.data.dim()], x.shape())?;
        BatchError::check("out", x.shape(), out.shape())?;
        let law = self.data.diffused(self.sde.marginal(t.wide()));
        let mut point = vec![0.0; self.data.dim()];
        let mut gradient = point.clone();
        for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
            point.iter_mut().zip(x).for_each(|(p, x)| *p = x.wide());
            self.point(&law, t.wide(), &point, &mut gradient);
            out.iter_mut().zip(&gradient).for_each(|(out, &g)| *out = F::of(g));
        }
        Ok(())
    }
}

impl<F: Real, S: Sde> Potential<F> for MixtureMarginals<S> {
    fn jet(
        &self,
        t: ArrayView1<'_, F>,
        x: ArrayView2<'_, F>,
        jet: &mut Jet<F>,
    ) -> Result<(), BatchError> {
        jet.check(self.data.dim(), &t, &x)?;
        let mut point = vec![0.0; self.data.dim()];
        let mut gradient = point.clone();
        for (i, (x, t)) in x.rows().into_iter().zip(t).enumerate() {
            let t = t.wide();
            let law = self.data.diffused(self.sde.marginal(t));
            point.iter_mut().zip(x).for_each(|(p, x)| *p = x.wide());
            let at = self.point(&law, t, &point, &mut gradient);
            jet.value[i] = F::of(at.value);
            jet.time_derivative[i] = F::of(at.time_derivative);
            jet.laplacian[i] = F::of(at.laplacian);
            jet.gradient.row_mut(i).iter_mut().zip(&gradient).for_each(|(o, &g)| *o = F::of(g));
        }
        Ok(())
    }
}
