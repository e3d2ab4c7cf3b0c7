use std::cell::Cell;

use fokker_sde_core::{Real, Score, Sde};
use ndarray::{ArrayView2, ArrayViewMut2, Zip};

use crate::{ReverseProcess, SamplingError};

/// A velocity field `v(x, t)` for batches of points, in forward time: `dx/dt = v`.
pub(crate) trait VectorField<F> {
    /// Writes `v(x_i, t)` into row `i` of `out`, both `[n, d]`.
    fn velocity(
        &self,
        t: f64,
        x: ArrayView2<'_, F>,
        out: ArrayViewMut2<'_, F>,
    ) -> Result<(), SamplingError>;

    /// How often it was evaluated.
    fn evaluations(&self) -> u64;
}

/// What a solver knows of a block of particles' process: the score, the diffusion and the weight of the noise.
pub(crate) struct Dynamics<'a, F> {
    score: &'a dyn Score<F>,
    pub(crate) sde: &'a dyn Sde,
    process: &'a ReverseProcess,
    evaluations: Cell<u64>,
}

impl<'a, F: Real> Dynamics<'a, F> {
    pub(crate) fn new(
        score: &'a dyn Score<F>,
        sde: &'a dyn Sde,
        process: &'a ReverseProcess,
    ) -> Self {
        Self { score, sde, process, evaluations: Cell::new(0) }
    }

    pub(crate) fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, F>,
        out: ArrayViewMut2<'_, F>,
    ) -> Result<(), SamplingError> {
        self.evaluations.set(self.evaluations.get() + 1);
        Ok(self.score.score(F::of(t), x, out)?)
    }

    /// `λ(t)`.
    pub(crate) fn lambda(&self, t: f64) -> Result<f64, SamplingError> {
        let lambda = self.process.lambda(t);
        if ReverseProcess::allows(lambda) {
            Ok(lambda)
        } else {
            Err(SamplingError::Lambda { t, lambda })
        }
    }

    /// `λ(t) g(t)`.
    pub(crate) fn noise_level(&self, t: f64) -> Result<f64, SamplingError> {
        Ok(self.lambda(t)? * self.sde.diffusion(t))
    }

    /// The estimate of the data, `D(x, t) = E[X_0 | X_t = x] = (x + σ² s)/α` (Tweedie's formula).
    pub(crate) fn denoised(
        &self,
        t: f64,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), SamplingError> {
        self.score(t, x, out.view_mut())?;
        let law = self.sde.marginal(t);
        let (variance, shrink) = (F::of(law.sigma * law.sigma), F::of(1.0 / law.alpha));
        out.zip_mut_with(&x, |d, &x| *d = (x + variance * *d) * shrink);
        Ok(())
    }

    /// The estimate of the noise, `ε(x, t) = E[Z | X_t = x] = −σ s`.
    pub(crate) fn noise_estimate(
        &self,
        t: f64,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), SamplingError> {
        self.score(t, x, out.view_mut())?;
        let sigma = F::of(self.sde.marginal(t).sigma);
        out.mapv_inplace(|s| -(sigma * s));
        Ok(())
    }
}

impl<F: Real> VectorField<F> for Dynamics<'_, F> {
    /// The drift `f − ½(1 + λ²) g² s`.
    fn velocity(
        &self,
        t: f64,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), SamplingError> {
        self.score(t, x, out.view_mut())?;
        let lambda = self.lambda(t)?;
        let g = self.sde.diffusion(t);
        let (rate, push) =
            (F::of(self.sde.drift_rate(t)), F::of(0.5 * (1.0 + lambda * lambda) * g * g));
        out.zip_mut_with(&x, |v, &x| *v = rate * x - push * *v);
        Ok(())
    }

    fn evaluations(&self) -> u64 {
        self.evaluations.get()
    }
}

/// `x ← x + h v`.
pub(crate) fn add_scaled<F: Real>(mut x: ArrayViewMut2<'_, F>, h: f64, v: ArrayView2<'_, F>) {
    let h = F::of(h);
    Zip::from(&mut x).and(&v).for_each(|x, &v| *x += h * v);
}
