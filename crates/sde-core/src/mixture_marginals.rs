use ndarray::{ArrayView1, ArrayView2, ArrayViewMut1, ArrayViewMut2};

use crate::mixture_point::MixturePoint;
use crate::{
    BatchError, GaussianMixture, Jet, Potential, Real, Score, ScoreDivergence, ScoreJet, Sde,
    SmoothScore, Target,
};

/// The exact laws `p_t` of a diffusion started from a Gaussian mixture, as a potential:
/// `φ(x, t) = log p_t(x)`, `s = ∇ log p_t`, normalised at every `t`.
///
/// With `g_k = −Σ_k⁻¹ (x − m_k)`, responsibilities `r_k = w_k N(x; m_k, Σ_k) / p_t(x)` and `E` the mean
/// over components with weights `r_k`, the derivatives are
///
/// - `s = ∇φ = E[g_k]`,
/// - `∇·s = Δφ = E[|g_k − s|² − tr Σ_k⁻¹]`,
/// - `∂_t φ = E[l_k]` with `l_k = ∂_t log p_k = ½ (g_k·Σ̇_k g_k − tr(Σ_k⁻¹ Σ̇_k)) − g_k·ṁ_k`,
/// - `∂_t s = E[∂_t g_k + (l_k − ∂_t φ) g_k]` with `∂_t g_k = Σ_k⁻¹ (ṁ_k − Σ̇_k g_k)`,
///
/// where `ṁ_k = a m_k` and `Σ̇_k = 2a Σ_k + g² I`. They satisfy the Fokker–Planck equation exactly.
/// Evaluated in `f64` whatever `F` is.
#[derive(Debug, Clone, PartialEq)]
pub struct MixtureMarginals<S> {
    data: GaussianMixture,
    sde: S,
}

impl<S: Sde> MixtureMarginals<S> {
    /// The laws of `sde` started from `data`.
    pub fn new(data: GaussianMixture, sde: S) -> Self {
        Self { data, sde }
    }

    /// Calls `visit` for each row of `x` with its index, the law at its time moved to it, and `log p`.
    fn for_each_point<F: Real>(
        &self,
        time: impl Fn(usize) -> F,
        x: ArrayView2<'_, F>,
        mut visit: impl FnMut(usize, &mut MixturePoint<'_, S>, f64),
    ) {
        let mut at = MixturePoint::new(&self.data, self.data.dim(), &self.sde);
        let mut point = vec![0.0; self.data.dim()];
        for (i, x) in x.rows().into_iter().enumerate() {
            at.move_to(time(i).wide());
            point.iter_mut().zip(x).for_each(|(p, x)| *p = x.wide());
            let log_density = at.evaluate(&point);
            visit(i, &mut at, log_density);
        }
    }
}

/// Rounds `values` into the row of an array.
fn write<F: Real>(mut row: ArrayViewMut1<'_, F>, values: &[f64]) {
    row.iter_mut().zip(values).for_each(|(entry, &value)| *entry = F::of(value));
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
        self.for_each_point(|_| t, x, |i, at, _| write(out.row_mut(i), &at.score));
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
        self.for_each_point(
            |i| t[i],
            x,
            |i, at, log_density| {
                jet.value[i] = F::of(log_density);
                jet.time_derivative[i] = F::of(at.time_derivative());
                jet.laplacian[i] = F::of(at.divergence());
                write(jet.gradient.row_mut(i), &at.score);
            },
        );
        Ok(())
    }
}

impl<F: Real, S: Sde> ScoreDivergence<F> for MixtureMarginals<S> {
    fn score_and_divergence(
        &self,
        t: F,
        x: ArrayView2<'_, F>,
        mut score: ArrayViewMut2<'_, F>,
        mut divergence: ArrayViewMut1<'_, F>,
    ) -> Result<(), BatchError> {
        BatchError::check("x", &[x.nrows(), self.data.dim()], x.shape())?;
        BatchError::check("score", x.shape(), score.shape())?;
        BatchError::check("divergence", &[x.nrows()], divergence.shape())?;
        let visit = |i: usize, at: &mut MixturePoint<'_, S>, _| {
            divergence[i] = F::of(at.divergence());
            write(score.row_mut(i), &at.score);
        };
        self.for_each_point(|_| t, x, visit);
        Ok(())
    }
}

impl<F: Real, S: Sde> SmoothScore<F> for MixtureMarginals<S> {
    fn score_jet(
        &self,
        t: ArrayView1<'_, F>,
        x: ArrayView2<'_, F>,
        jet: &mut ScoreJet<F>,
    ) -> Result<(), BatchError> {
        jet.check(self.data.dim(), &t, &x)?;
        self.for_each_point(
            |i| t[i],
            x,
            |i, at, _| {
                let log_rate = at.time_derivative();
                at.differentiate_score(log_rate);
                jet.divergence[i] = F::of(at.divergence());
                write(jet.score.row_mut(i), &at.score);
                write(jet.time_derivative.row_mut(i), &at.score_rate);
            },
        );
        Ok(())
    }
}
