use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize};

use super::chebyshev::Antiderivative;
use super::{Formula, checked_serde};
use crate::{Marginal, Prior, Sde, SdeError};

/// The coefficients of the linear diffusion `dX = −μ_t X dt + √2 w_t dW`, in the convention of Coste, *Flow
/// models I: Diffusion models* (2023). [`LinearSde`] finds its transitions.
pub trait LinearCoefficients: Send + Sync {
    /// The horizon `T`.
    fn horizon(&self) -> f64;

    /// `μ_t`, of any sign.
    fn mu(&self, t: f64) -> f64;

    /// `w_t ≥ 0`.
    fn w(&self, t: f64) -> f64;
}

/// The general linear diffusion `dX = −μ_t X dt + √2 w_t dW`: `a = −μ`, `g = √2 w`, and
///
/// `α_t = exp(−∫_0^t μ)`, `σ_t² = ∫_0^t 2 w_s² exp(−2∫_s^t μ) ds`
///
/// by quadrature. The prior is `N(0, σ_T² I)`.
///
/// Both integrals are piecewise Chebyshev series of degree 24, found once. A piece is halved until the series of `μ` and
/// of `2 w² e^{2∫μ}` have converged to 1e-13: for coefficients that are smooth but for some jumps and kinks the
/// transitions are exact to a relative 1e-10.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct LinearSde<C> {
    coefficients: C,
    #[serde(skip)]
    pieces: Arc<[Piece]>,
}

/// What is known on `[from, to]`.
#[derive(Debug)]
struct Piece {
    from: f64,
    /// `∫_0^from μ` and `σ²` at `from`.
    rate_before: f64,
    variance_before: f64,
    /// `R(t) = ∫_from^t μ`.
    rate: Antiderivative,
    /// `∫_from^t 2 w² e^{2R}`.
    noise: Antiderivative,
}

impl Piece {
    /// `∫_0^t μ` and `σ_t²`.
    fn at(&self, t: f64) -> (f64, f64) {
        let rate = self.rate.at(t);
        let variance = (-2.0 * rate).exp() * (self.variance_before + self.noise.at(t));
        (self.rate_before + rate, variance)
    }
}

/// How far the series of a piece may be from its function, relative to the function or in the integral.
const TOLERANCE: f64 = 1e-13;

/// How often the horizon is halved at most, which leaves a piece across a jump no part in any integral.
const HALVINGS: u32 = 40;

/// The part that a piece may have which has not converged after all halvings, in `∫μ` and of `σ_T²`: a jump has one of
/// about 1e-12, what is not integrable the same one in every piece on the way there.
const NEGLIGIBLE: f64 = 1e-9;

/// Pieces at most.
const MOST_PIECES: usize = 20_000;

impl<C: LinearCoefficients> LinearSde<C> {
    /// The diffusion with these coefficients.
    ///
    /// # Errors
    /// If a coefficient is not finite or `w` negative somewhere that was looked, the ends of time included, `w` is 0
    /// throughout, an integral does not converge, or no series does in 20 000 pieces.
    pub fn new(coefficients: C) -> Result<Self, SdeError> {
        let horizon = coefficients.horizon();
        SdeError::check("horizon T", 1e-6..=1e6, "between 1e-6 and 1e6", horizon)?;
        for t in [0.0, horizon] {
            check(t, coefficients.mu(t), coefficients.w(t))?;
        }
        let mut pieces: Vec<Piece> = Vec::new();
        // Those that have not converged after all halvings, and how far their integrals may be off.
        let mut rough: Vec<(usize, [f64; 2])> = Vec::new();
        // Intervals to do, the next one last, with how often they may yet be halved.
        let mut left = vec![(0.0, horizon, HALVINGS)];
        while let Some((from, to, halvings)) = left.pop() {
            let before = pieces.last().map_or((0.0, 0.0), |piece| piece.at(from));
            let (piece, off, converged) = integrate(&coefficients, from, to, before)?;
            if converged || halvings == 0 {
                if !converged {
                    rough.push((pieces.len(), off));
                }
                pieces.push(piece);
                continue;
            }
            if pieces.len() + left.len() >= MOST_PIECES {
                let (what, rule) = ("μ or w", "smooth but for some jumps and kinks");
                return Err(SdeError::Coefficient { what, t: from, value: f64::NAN, rule });
            }
            let middle = 0.5 * (from + to);
            left.extend([(middle, to, halvings - 1), (from, middle, halvings - 1)]);
        }
        let sde = Self { coefficients, pieces: pieces.into() };
        let (whole, variance) = sde.integrals(horizon);
        for (index, [rate, noise]) in rough {
            let Piece { from: t, rate_before, .. } = sde.pieces[index];
            // What is left of the noise at the horizon.
            let noise = noise * (2.0 * (rate_before - whole)).exp();
            let terms = [("μ", rate, 1.0), ("2w² exp(−2∫μ)", noise, variance)];
            for (what, off, scale) in terms {
                if off.is_nan() || off > NEGLIGIBLE * scale {
                    return Err(SdeError::Integral { what, t });
                }
            }
        }
        let sigma = sde.marginal(horizon).sigma;
        if sigma > 0.0 && sigma.is_finite() {
            Ok(sde)
        } else {
            let (what, rule) = ("σ", "positive and finite");
            Err(SdeError::Coefficient { what, t: horizon, value: sigma, rule })
        }
    }

    /// The coefficients.
    pub fn coefficients(&self) -> &C {
        &self.coefficients
    }

    /// `∫_0^t μ` and `σ_t²`.
    fn integrals(&self, t: f64) -> (f64, f64) {
        let index = self.pieces.partition_point(|piece| piece.from <= t);
        self.pieces[index.saturating_sub(1)].at(t)
    }
}

/// Refuses coefficients that no diffusion has.
fn check(t: f64, mu: f64, w: f64) -> Result<(), SdeError> {
    if !mu.is_finite() {
        return Err(SdeError::Coefficient { what: "μ", t, value: mu, rule: "finite" });
    }
    if !(w >= 0.0 && w.is_finite()) {
        let rule = "finite and not negative";
        return Err(SdeError::Coefficient { what: "w", t, value: w, rule });
    }
    let square = 2.0 * w * w;
    if !square.is_finite() {
        return Err(SdeError::Coefficient { what: "2w²", t, value: square, rule: "finite" });
    }
    Ok(())
}

/// The piece on `[from, to]`, how far its two integrals may be off, and whether it is fine enough.
fn integrate(
    coefficients: &impl LinearCoefficients,
    from: f64,
    to: f64,
    (rate_before, variance_before): (f64, f64),
) -> Result<(Piece, [f64; 2], bool), SdeError> {
    let points = Antiderivative::points(from, to);
    let mu = points.map(|t| coefficients.mu(t));
    let w = points.map(|t| coefficients.w(t));
    for ((&t, mu), w) in points.iter().zip(mu).zip(w) {
        check(t, mu, w)?;
    }
    if !variance_before.is_finite() {
        let (what, rule) = ("σ²", "finite");
        return Err(SdeError::Coefficient { what, t: from, value: variance_before, rule });
    }
    let (rate, rate_tails) = Antiderivative::new(from, to, &mu);
    let mut noise = w.map(|w| 2.0 * w * w);
    noise.iter_mut().zip(points).for_each(|(noise, t)| *noise *= (2.0 * rate.at(t)).exp());
    // Where the noise sets in slowly, pieces that shrink towards 0 keep its integral's relative error small.
    let largest = noise.iter().fold(0.0_f64, |largest, &noise| largest.max(noise));
    let slow = from == 0.0 && 2.0 * coefficients.w(0.0).powi(2) < 0.01 * largest;
    let (noise, noise_tails) = Antiderivative::new(from, to, &noise);
    let piece = Piece { from, rate_before, variance_before, rate, noise };
    // An error of ∫μ is a relative one of α.
    let fine = |[tail, relative]: [f64; 2], scale: f64| {
        relative <= TOLERANCE || tail * (to - from) <= TOLERANCE * scale
    };
    let off = [rate_tails, noise_tails].map(|[tail, _]| tail * (to - from));
    Ok((piece, off, fine(rate_tails, 1.0) && fine(noise_tails, variance_before) && !slow))
}

impl<C: PartialEq> PartialEq for LinearSde<C> {
    fn eq(&self, other: &Self) -> bool {
        self.coefficients == other.coefficients
    }
}

impl<'de, C: LinearCoefficients + Deserialize<'de>> Deserialize<'de> for LinearSde<C> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(C::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl<C: LinearCoefficients> Sde for LinearSde<C> {
    fn horizon(&self) -> f64 {
        self.coefficients.horizon()
    }

    fn drift_rate(&self, t: f64) -> f64 {
        -self.coefficients.mu(t)
    }

    fn diffusion(&self, t: f64) -> f64 {
        std::f64::consts::SQRT_2 * self.coefficients.w(t)
    }

    fn marginal(&self, t: f64) -> Marginal {
        let (rate, variance) = self.integrals(t);
        Marginal { alpha: (-rate).exp(), sigma: variance.max(0.0).sqrt() }
    }

    fn prior(&self) -> Prior {
        Prior { std: self.marginal(self.horizon()).sigma }
    }
}

/// Coefficients given by formulas for `μ_t` and `w_t`, such as `1 + sin(t)/2` and `sqrt(1 + t)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", rename = "Linear", deny_unknown_fields)]
pub struct LinearFormulas {
    mu: Formula,
    w: Formula,
    horizon: f64,
}

checked_serde!(LinearFormulas);

impl LinearFormulas {
    /// The coefficients on `[0, horizon]`.
    ///
    /// # Errors
    /// If the horizon is not between 1e-6 and 1e6.
    pub fn new(mu: Formula, w: Formula, horizon: f64) -> Result<Self, SdeError> {
        Self { mu, w, horizon }.check()
    }

    fn check(self) -> Result<Self, SdeError> {
        SdeError::check("horizon T", 1e-6..=1e6, "between 1e-6 and 1e6", self.horizon)?;
        Ok(self)
    }
}

impl LinearCoefficients for LinearFormulas {
    fn horizon(&self) -> f64 {
        self.horizon
    }

    fn mu(&self, t: f64) -> f64 {
        self.mu.at(t)
    }

    fn w(&self, t: f64) -> f64 {
        self.w.at(t)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Diffusion, Hyperbolic, OrnsteinUhlenbeck};

    /// The coefficients of another diffusion: `μ = −a`, `w = g/√2`.
    struct Of<'a>(&'a dyn Sde);

    impl LinearCoefficients for Of<'_> {
        fn horizon(&self) -> f64 {
            self.0.horizon()
        }
        fn mu(&self, t: f64) -> f64 {
            -self.0.drift_rate(t)
        }
        fn w(&self, t: f64) -> f64 {
            self.0.diffusion(t) / std::f64::consts::SQRT_2
        }
    }

    #[test]
    fn quadrature_finds_the_transitions_of_every_diffusion() {
        for known in Diffusion::examples() {
            let found = LinearSde::new(Of(&known)).unwrap();
            for k in 0..=200 {
                // From 1e-8 T to T.
                let t = known.horizon() * 10_f64.powf(-8.0 + f64::from(k) / 25.0);
                let [a, b] = [found.marginal(t), known.marginal(t)];
                let errors = [a.alpha / b.alpha - 1.0, a.sigma / b.sigma - 1.0];
                assert!(errors.iter().all(|e| e.abs() < 1e-10), "{known:?}, {t}: {errors:?}");
            }
        }
    }

    #[test]
    fn jumps_and_kinks_are_found() {
        struct Jump;
        impl LinearCoefficients for Jump {
            fn horizon(&self) -> f64 {
                2.0
            }
            fn mu(&self, t: f64) -> f64 {
                (t - 0.7).abs()
            }
            fn w(&self, t: f64) -> f64 {
                if t < 1.1 { 0.0 } else { 1.0 }
            }
        }
        let sde = LinearSde::new(Jump).unwrap();
        let rate =
            |t: f64| if t < 0.7 { t * (1.4 - t) / 2.0 } else { 0.245 + (t - 0.7).powi(2) / 2.0 };
        for t in [0.1, 0.69, 0.71, 1.3, 2.0] {
            assert!((sde.marginal(t).alpha / (-rate(t)).exp() - 1.0).abs() < 1e-10);
        }
        assert_eq!(sde.marginal(1.0).sigma, 0.0);
        // ∫ 2 e^{−2(R(t) − R(s))} ds from the jump on, by a fine midpoint rule.
        let t = 1.9;
        let n = 400_000;
        let h = (t - 1.1) / f64::from(n);
        let sum: f64 = (0..n)
            .map(|k| 2.0 * (2.0 * (rate(1.1 + h * (f64::from(k) + 0.5)) - rate(t))).exp())
            .sum();
        assert!((sde.marginal(t).sigma.powi(2) / (sum * h) - 1.0).abs() < 1e-10);
    }

    #[test]
    fn costes_convention_converts_exactly() {
        let formula = |text: &str| text.parse::<Formula>().unwrap();
        let mine = LinearFormulas::new(formula("0"), formula("1/(1 - t)"), 0.999).unwrap();
        let (mine, known) = (LinearSde::new(mine).unwrap(), Hyperbolic::default());
        for t in [1e-9, 1e-3, 0.4, 0.999] {
            assert!((mine.marginal(t).sigma / known.marginal(t).sigma - 1.0).abs() < 1e-11);
            assert!((mine.diffusion(t) / known.diffusion(t) - 1.0).abs() < 1e-15);
        }
        // μ = 1 and w = 1/√2 are the process of the paper.
        let paper = LinearFormulas::new(formula("1"), formula("sqrt(1/2)"), 10.0).unwrap();
        let (mine, known) = (LinearSde::new(paper).unwrap(), OrnsteinUhlenbeck::PAPER);
        assert!((mine.marginal(2.0).sigma / known.marginal(2.0).sigma - 1.0).abs() < 1e-12);
    }

    #[test]
    fn coefficients_without_a_diffusion_are_refused() {
        let sde = |mu: &str, w: &str, horizon| {
            LinearSde::new(LinearFormulas::new(mu.parse()?, w.parse()?, horizon)?)
        };
        for (mu, w, reason) in [
            ("1/(t - 0.5)^2 - 1/(t - t)", "1", "μ is"),
            ("1", "t - 0.5", "w is -"),
            ("1", "0", "σ is 0"),
            ("1", "1e200", "2w² is inf at t = 0"),
            ("0 - 1e4", "1", "σ² is inf"),
            ("1/t", "1", "μ is inf at t = 0"),
            ("1", "1/(1 - t)", "w is inf at t = 1"),
            ("1/abs(t - 0.3)", "1", "μ or w is NaN at t = 0.29999"),
            ("0.01/abs(t - 0.3)", "1", "the integral of μ does not converge at t = 0.29999"),
            (
                "1",
                "1/sqrt(abs(t - 0.3))",
                "the integral of 2w² exp(−2∫μ) does not converge at t = 0.29999",
            ),
        ] {
            let error = sde(mu, w, 1.0).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{mu}, {w}: {error}");
        }
        assert!(sde("1", "1", -1.0).is_err());
    }
}
