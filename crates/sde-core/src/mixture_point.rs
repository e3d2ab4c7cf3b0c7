use crate::{GaussianMixture, Sde};

/// The law of a diffusion started from a mixture at one time, with room for what is evaluated at one
/// point of it: moving it to another time or point allocates nothing.
///
/// Row `k` of a flattened `[K, d]` array belongs to component `k`.
pub(crate) struct MixturePoint<'a, S> {
    data: &'a GaussianMixture,
    sde: &'a S,
    law: GaussianMixture,
    /// The time of `law`, with the drift rate `a` and `g²`; none at first.
    time: Option<f64>,
    drift_rate: f64,
    diffusion_squared: f64,
    /// `r_k`, `[K]`.
    responsibilities: Vec<f64>,
    /// `h_k = Q_kᵀ g_k`, `[K, d]`.
    on_axes: Vec<f64>,
    /// `g_k = ∇ log p_k`, `[K, d]`.
    gradients: Vec<f64>,
    /// `∂_t log p_k`, `[K]`.
    rates: Vec<f64>,
    /// `s = ∇ log p`, `[d]`.
    pub(crate) score: Vec<f64>,
    /// `∂_t s`, `[d]`.
    pub(crate) score_rate: Vec<f64>,
}

impl<'a, S: Sde> MixturePoint<'a, S> {
    pub(crate) fn new(data: &'a GaussianMixture, dim: usize, sde: &'a S) -> Self {
        let count = data.components().len();
        Self {
            data,
            sde,
            law: data.clone(),
            time: None,
            drift_rate: 0.0,
            diffusion_squared: 0.0,
            responsibilities: vec![0.0; count],
            on_axes: vec![0.0; count * dim],
            gradients: vec![0.0; count * dim],
            rates: vec![0.0; count],
            score: vec![0.0; dim],
            score_rate: vec![0.0; dim],
        }
    }

    /// Moves to time `t`; all points at one time share the variances, which are computed here.
    pub(crate) fn move_to(&mut self, t: f64) {
        if self.time != Some(t) {
            self.law.diffuse(self.data, self.sde.marginal(t));
            self.drift_rate = self.sde.drift_rate(t);
            self.diffusion_squared = self.sde.diffusion(t).powi(2);
            self.time = Some(t);
        }
    }

    /// Evaluates the score at `x`, `[d]`, into `self.score`; returns `log p(x)`.
    ///
    /// Everything below speaks of this point.
    pub(crate) fn evaluate(&mut self, x: &[f64]) -> f64 {
        let dim = x.len();
        let components = self.law.components();
        let mut largest = f64::NEG_INFINITY;
        let room = self.on_axes.chunks_exact_mut(dim).zip(&mut self.responsibilities);
        for (component, (on_axes, term)) in components.iter().zip(room) {
            *term = component.log_term(x, |axis, h| on_axes[axis] = h);
            largest = largest.max(*term);
        }
        // Log-sum-exp: far from all components every term underflows on its own.
        self.responsibilities.iter_mut().for_each(|term| *term = (*term - largest).exp());
        let sum: f64 = self.responsibilities.iter().sum();
        self.score.fill(0.0);
        for (k, component) in components.iter().enumerate() {
            let r = self.responsibilities[k] / sum;
            self.responsibilities[k] = r;
            let row = k * dim..(k + 1) * dim;
            let gradient = &mut self.gradients[row.clone()];
            gradient.fill(0.0);
            for (axis, &h) in self.on_axes[row].iter().enumerate() {
                component.covariance.add_along(axis, h, gradient);
            }
            self.score.iter_mut().zip(gradient).for_each(|(sum, g)| *sum += r * *g);
        }
        largest + sum.ln()
    }

    /// `∂_t log p = E[∂_t log p_k]`.
    pub(crate) fn time_derivative(&mut self) -> f64 {
        let (a, g_squared) = (self.drift_rate, self.diffusion_squared);
        let mut mean = 0.0;
        for (k, component) in self.law.components().iter().enumerate() {
            let dim = component.mean.len();
            let (mut spread, mut drift) = (0.0, 0.0);
            let variances = component.covariance.variances().iter();
            let h = &self.on_axes[k * dim..(k + 1) * dim];
            for ((variance, h), m) in variances.zip(h).zip(&component.mean_on_axes) {
                spread += (2.0 * a * variance + g_squared) * (h * h - 1.0 / variance);
                drift += h * a * m;
            }
            self.rates[k] = 0.5 * spread - drift;
            mean += self.responsibilities[k] * self.rates[k];
        }
        mean
    }

    /// `Δ log p = ∇·s = E[|g_k − s|² − tr Σ_k⁻¹]`.
    pub(crate) fn divergence(&self) -> f64 {
        let mut divergence = 0.0;
        for (k, component) in self.law.components().iter().enumerate() {
            let dim = component.mean.len();
            let precisions: f64 = component.covariance.variances().iter().map(|v| 1.0 / v).sum();
            // About s, since E|g_k|² − |s|² would cancel far from the data.
            let gradient = &self.gradients[k * dim..(k + 1) * dim];
            let squares: f64 =
                gradient.iter().zip(&self.score).map(|(g, s)| (g - s) * (g - s)).sum();
            divergence += self.responsibilities[k] * (squares - precisions);
        }
        divergence
    }

    /// Evaluates `∂_t s = E[∂_t g_k + (∂_t log p_k − ∂_t log p) g_k]` into `self.score_rate`, after
    /// [`MixturePoint::time_derivative`].
    pub(crate) fn differentiate_score(&mut self, log_rate: f64) {
        let (a, g_squared) = (self.drift_rate, self.diffusion_squared);
        self.score_rate.fill(0.0);
        for (k, component) in self.law.components().iter().enumerate() {
            let r = self.responsibilities[k];
            let dim = component.mean.len();
            let row = k * dim..(k + 1) * dim;
            // Along axis i, ∂_t h_i = (a m_i − λ̇_i h_i) / λ_i with λ̇_i = 2a λ_i + g².
            let variances = component.covariance.variances().iter().enumerate();
            let h = &self.on_axes[row.clone()];
            for (((axis, variance), h), m) in variances.zip(h).zip(&component.mean_on_axes) {
                let rate = (a * m - (2.0 * a * variance + g_squared) * h) / variance;
                component.covariance.add_along(axis, r * rate, &mut self.score_rate);
            }
            // E[∂_t log p_k − ∂_t log p] = 0, so that s may be taken off g_k; it would cancel.
            let excess = r * (self.rates[k] - log_rate);
            let gradient = self.gradients[row].iter().zip(&self.score);
            for (sum, (g, s)) in self.score_rate.iter_mut().zip(gradient) {
                *sum += excess * (g - s);
            }
        }
    }
}
