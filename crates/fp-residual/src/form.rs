use fokker_score_net::Element;
use fokker_sde_core::{Jet, Sde, StreamRng};
use ndarray::{Array3, ArrayView1, ArrayView2, ArrayViewMut2, Axis};
use rand::RngExt;
use rand_distr::{Distribution, StandardNormal};
use serde::{Deserialize, Serialize};

/// What of the residual `ε` is squared. Every form is the mean, over collocation points, of a quantity that vanishes for the
/// exact law.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum ResidualForm {
    /// `ε²`, the residual of the log-density (Deveney et al. 2025).
    #[default]
    LogDensity,
    /// `(e^φ ε)²`, the residual `∂_t p + ∇·(f p) − ½g² Δp` of the density `p = e^φ`. Of a potential, which should be near the
    /// log-density itself: one that is off by a constant `c` has `e^{2c}` times the residual.
    Density,
    /// `|∇ε|²/d`, the residual of the score: `∂_t s − ∇[½g²(∇·s + |s|²) − f·s − ∇·f]` (Lai et al., *FP-Diffusion*, ICML 2023).
    ///
    /// Of a vector score exactly, with `½d(d + 1)` second derivatives. Of a potential by `((ε(x + he) − ε(x − he))/2h)²` along a
    /// random direction `e`, uniform on the sphere, with `h = 10⁻² √(α² + σ²)`: unbiased up to terms of order `h²`.
    Score,
    /// The variance of `ε` over points with the same time: what is left of the mean of `ε²` without the part that is a
    /// function of time alone, which does not drive the gap between the two samplers.
    ///
    /// Points come in groups of eight with a common time, whose unbiased variances are averaged.
    Centred,
    /// `(E ε(x + v))²` with `v` normal of standard deviation `smoothing · σ_t`, by first derivatives alone.
    ///
    /// In the mean over `v` the Laplacian is `E Δφ(x + v) = E v·∇φ(x + v)/s²` (integration by parts, Stein's identity). Each mean is estimated
    /// from a pair `±v`, and the square by the product of two independent pairs, which is unbiased; a single estimate may be
    /// negative. Source: Plainer, Wu, Klein, Günnemann and Noé, *Consistent sampling and simulation: molecular dynamics with
    /// energy-based diffusion models* (2025).
    Weak {
        /// The standard deviation of `v` relative to `σ_t`.
        #[serde(deserialize_with = "crate::checked::positive")]
        smoothing: f64,
    },
}

/// How the Laplacian in the residual is found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum LaplacianRule {
    /// Exactly, with `d` channels through the network.
    #[default]
    Exact,
    /// By probes with entries ±1, each with probability ½. Each collocation point is taken twice, with independent
    /// probes, and the product of the two residuals stands for the square: unbiased.
    Rademacher {
        /// Probes at a point, 1 to 64.
        #[serde(deserialize_with = "probes")]
        probes: usize,
    },
    /// By standard normal probes, likewise.
    Gaussian {
        /// Probes at a point, 1 to 64.
        #[serde(deserialize_with = "probes")]
        probes: usize,
    },
}

fn probes<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let value = usize::deserialize(deserializer)?;
    if (1..=64).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom("must be between 1 and 64"))
    }
}

/// The weight of the squared residual at a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub enum ResidualWeight {
    /// 1.
    #[default]
    One,
    /// `g`.
    G,
    /// `g²`, as the residual enters the energy identity.
    G2,
    /// `σ^k`.
    Sigma {
        /// `k`, between −8 and 8.
        #[serde(deserialize_with = "power")]
        power: f64,
    },
}

fn power<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (-8.0..=8.0).contains(&value) {
        Ok(value)
    } else {
        Err(serde::de::Error::custom("must be between -8 and 8"))
    }
}

impl ResidualWeight {
    /// The weight at `t`.
    pub fn at(&self, sde: &dyn Sde, t: f64) -> f64 {
        match *self {
            Self::One => 1.0,
            Self::G => sde.diffusion(t),
            Self::G2 => sde.diffusion(t).powi(2),
            Self::Sigma { power } => sde.marginal(t).sigma.powf(power),
        }
    }
}

impl LaplacianRule {
    /// Probes at each of `n` points of `d` dimensions, `[p, n, d]`; none if the Laplacian is exact.
    pub fn draw<E: Element>(&self, n: usize, d: usize, rng: &mut StreamRng) -> Option<Array3<E>> {
        match *self {
            Self::Exact => None,
            Self::Rademacher { probes } => {
                let mut sign = || if rng.random() { E::one() } else { -E::one() };
                Some(Array3::from_shape_simple_fn((probes, n, d), &mut sign))
            }
            Self::Gaussian { probes } => {
                let mut normal = || {
                    let z: f64 = StandardNormal.sample(rng);
                    E::of(z)
                };
                Some(Array3::from_shape_simple_fn((probes, n, d), &mut normal))
            }
        }
    }
}

impl ResidualForm {
    /// How many rows stand for one collocation point, or with [`ResidualForm::Centred`] share a time.
    pub(crate) fn rows(&self, laplacian: LaplacianRule) -> usize {
        match (self, laplacian) {
            (Self::Centred, _) => 8,
            (Self::Weak { .. }, _) => 4,
            (Self::Score, _) => 2,
            (_, LaplacianRule::Exact) => 1,
            _ => 2,
        }
    }

    /// How many rows are drawn with the same time.
    pub(crate) fn drawn_together(&self) -> usize {
        if *self == Self::Centred { 8 } else { 1 }
    }

    /// Moves the rows of each group, which all hold its first point, to where the form looks; `moves` keeps by how much.
    pub(crate) fn spread<E: Element>(
        &self,
        sde: &dyn Sde,
        t: ArrayView1<'_, E>,
        mut x: ArrayViewMut2<'_, E>,
        mut moves: ArrayViewMut2<'_, E>,
        rng: &mut StreamRng,
    ) {
        let (rows, length) = match *self {
            Self::Weak { smoothing } => (4, smoothing),
            Self::Score => (2, 1e-2),
            _ => return,
        };
        let dim = x.ncols();
        for from in (0..x.nrows()).step_by(2) {
            let law = sde.marginal(t[from].wide());
            let mut v: Vec<f64> = (0..dim).map(|_| StandardNormal.sample(rng)).collect();
            let scale = if rows == 4 {
                length * law.sigma
            } else {
                let size = v.iter().map(|v| v * v).sum::<f64>().sqrt();
                length * law.alpha.hypot(law.sigma) / size
            };
            v.iter_mut().for_each(|v| *v *= scale);
            for (row, sign) in [(from, 1.0), (from + 1, -1.0)] {
                for ((x, slot), v) in x.row_mut(row).iter_mut().zip(moves.row_mut(row)).zip(&v) {
                    let place = E::of(x.wide() + sign * v);
                    // What single precision makes of the sum is what the point has moved by.
                    *slot = E::of(place.wide() - x.wide());
                    *x = place;
                }
            }
        }
    }

    /// The sum over the rows of a jet of the form's loss, so that its mean over rows is the form's mean, and the sum over groups of
    /// the squared mean of a group; the jet becomes `factor` times the partial derivatives of the first.
    pub(crate) fn loss<E: Element>(
        &self,
        points: &Points<'_, E>,
        rows: usize,
        factor: f64,
        jet: &mut Jet<E>,
    ) -> (f64, f64) {
        let n = points.t.len();
        let epsilons: Vec<f64> = (0..n).map(|row| self.epsilon(points, jet, row)).collect();
        let (mut sum, mut squares, mut slopes) = (0.0, 0.0, vec![0.0; n]);
        for from in (0..n).step_by(rows) {
            let group = from..(from + rows).min(n);
            let weight = points.weight.at(points.sde, points.t[from].wide());
            let (part, own) = self.combine(points, jet, &epsilons[group.clone()], from);
            sum += weight * part;
            squares += (weight * part / rows as f64).powi(2);
            slopes[group].iter_mut().zip(own).for_each(|(slot, s)| *slot = factor * weight * s);
        }
        for (row, slope) in slopes.into_iter().enumerate() {
            let p = match self {
                // (e^φ ε)² has the derivative 2 (e^φ ε)² in φ: ε times that in ε.
                Self::Density => slope * epsilons[row],
                _ => 0.0,
            };
            self.pull(points, jet, row, slope);
            jet.value[row] = E::of(p);
        }
        (sum, squares)
    }

    /// `ε` at a row, or what stands for it.
    fn epsilon<E: Element>(&self, points: &Points<'_, E>, jet: &Jet<E>, row: usize) -> f64 {
        let t = points.t[row].wide();
        let (a, g) = (points.sde.drift_rate(t), points.sde.diffusion(t));
        let (x, s) = (points.x.index_axis(Axis(0), row), jet.gradient.row(row));
        let (mut transport, mut squares) = (x.len() as f64, 0.0);
        for (x, s) in x.iter().zip(s) {
            transport += x.wide() * s.wide();
            squares += s.wide() * s.wide();
        }
        let laplacian = match self.stein(points, row) {
            None => jet.laplacian[row].wide(),
            Some((v, precision)) => {
                let terms = v.iter().zip(s).map(|(v, s)| v.wide() * s.wide());
                precision * terms.sum::<f64>()
            }
        };
        jet.time_derivative[row].wide() + a * transport - 0.5 * g * g * (laplacian + squares)
    }

    /// `v` and `1/s²` of a row of the weak form.
    fn stein<'a, E: Element>(
        &self,
        points: &'a Points<'_, E>,
        row: usize,
    ) -> Option<(ArrayView1<'a, E>, f64)> {
        let Self::Weak { smoothing } = *self else { return None };
        let s = smoothing * points.sde.marginal(points.t[row].wide()).sigma;
        Some((points.moves.index_axis(Axis(0), row), 1.0 / (s * s)))
    }

    /// The loss of a group, and its derivative in each `ε`.
    fn combine<E: Element>(
        &self,
        points: &Points<'_, E>,
        jet: &Jet<E>,
        epsilons: &[f64],
        from: usize,
    ) -> (f64, Vec<f64>) {
        match (self, epsilons) {
            (Self::Density, _) => {
                let mut sum = 0.0;
                let slope = |(row, epsilon): (usize, &f64)| {
                    let p = jet.value[from + row].wide().exp();
                    sum += (p * epsilon).powi(2);
                    2.0 * p * p * epsilon
                };
                let slopes = epsilons.iter().enumerate().map(slope).collect();
                (sum, slopes)
            }
            (Self::Score, &[ahead, behind]) => {
                let steps = points.moves.index_axis(Axis(0), from);
                let h = steps.iter().map(|v| v.wide() * v.wide()).sum::<f64>().sqrt();
                // d times the mean over directions is the square of the gradient, whose mean over components this is.
                let slope = (ahead - behind) / (2.0 * h);
                (2.0 * slope * slope, vec![2.0 * slope / h, -2.0 * slope / h])
            }
            (Self::Weak { .. }, &[a, b, c, d]) => {
                let (first, second) = (0.5 * (a + b), 0.5 * (c + d));
                (4.0 * first * second, vec![2.0 * second, 2.0 * second, 2.0 * first, 2.0 * first])
            }
            (Self::Centred, _) if epsilons.len() > 1 => {
                let n = epsilons.len() as f64;
                let mean = epsilons.iter().sum::<f64>() / n;
                let scale = n / (n - 1.0);
                let squares = epsilons.iter().map(|e| (e - mean).powi(2)).sum::<f64>();
                let slopes = epsilons.iter().map(|e| 2.0 * scale * (e - mean)).collect();
                (scale * squares, slopes)
            }
            (Self::LogDensity, &[first, second]) => {
                (2.0 * first * second, vec![2.0 * second, 2.0 * first])
            }
            (Self::LogDensity, &[epsilon]) => (epsilon * epsilon, vec![2.0 * epsilon]),
            // What is left of a group that is not whole: no estimate.
            _ => (0.0, vec![0.0; epsilons.len()]),
        }
    }

    /// Replaces a row of the jet by `slope` times the partial derivatives of `ε`: 1 in `∂_t φ`, `a x − g² s` in `s = ∇φ` and
    /// `−½ g²` in `Δφ`, or by `−½ g² v/s²` more in `s` where that stands for the Laplacian.
    fn pull<E: Element>(&self, points: &Points<'_, E>, jet: &mut Jet<E>, row: usize, slope: f64) {
        let t = points.t[row].wide();
        let (a, g) = (points.sde.drift_rate(t), points.sde.diffusion(t));
        let diffusion = 0.5 * g * g;
        let x = points.x.index_axis(Axis(0), row);
        for (x, s) in x.iter().zip(jet.gradient.row_mut(row)) {
            *s = E::of(slope * (a * x.wide() - 2.0 * diffusion * s.wide()));
        }
        jet.laplacian[row] = match self.stein(points, row) {
            None => E::of(-diffusion * slope),
            Some((v, precision)) => {
                for (s, v) in jet.gradient.row_mut(row).iter_mut().zip(v) {
                    *s = E::of(s.wide() - slope * diffusion * precision * v.wide());
                }
                E::zero()
            }
        };
        jet.time_derivative[row] = E::of(slope);
    }
}

/// Some of the points of the residual's term.
pub(crate) struct Points<'a, E> {
    pub(crate) sde: &'a dyn Sde,
    pub(crate) weight: ResidualWeight,
    pub(crate) t: ArrayView1<'a, E>,
    pub(crate) x: ArrayView2<'a, E>,
    /// By how much each point was moved, for the forms that look around it.
    pub(crate) moves: ArrayView2<'a, E>,
}
