use fokker_sde_core::{Sde, StreamRng};
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// The law of the times of a term of the objective.
///
/// Deveney et al. (2025) take `T·Beta(1, 2) + t_min`, denser towards the data, with `t_min = 1e-5`; that is the default.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeLaw {
    /// The smallest time, positive: the conditional score `−z/σ_t` has no value at 0.
    #[serde(deserialize_with = "crate::checked::positive")]
    pub t_min: f64,
    /// The shape of the law.
    #[serde(default, skip_serializing_if = "is_default")]
    pub law: TimeDensity,
    /// Whether the times of a block of 64 points are stratified: one in each sixty-fourth of the law's mass.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stratified: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The shape of a [`TimeLaw`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum TimeDensity {
    /// Uniform on `(t_min, T)`.
    Uniform,
    /// `T·Beta(1, b) + t_min`, or `T` if that is beyond it: the density falls as `(1 − t/T)^{b−1}`, and is uniform
    /// for `b = 1`.
    Beta {
        /// `b > 0`.
        #[serde(deserialize_with = "crate::checked::positive")]
        b: f64,
    },
    /// Uniform in `log σ_t` from `t_min` to `T`.
    LogSigma,
    /// Uniform in the log-SNR from `t_min` to `T`.
    LogSnr,
}

impl Default for TimeDensity {
    fn default() -> Self {
        Self::Beta { b: 2.0 }
    }
}

impl Default for TimeLaw {
    fn default() -> Self {
        Self { t_min: 1e-5, law: TimeDensity::default(), stratified: false }
    }
}

impl TimeLaw {
    /// The times `(t_min, T)` with this density.
    pub fn new(t_min: f64, law: TimeDensity) -> Self {
        Self { t_min, law, stratified: false }
    }

    /// One time.
    pub fn draw(&self, sde: &dyn Sde, rng: &mut StreamRng) -> f64 {
        self.quantile(sde, rng.random())
    }

    /// The time below which a share `u` of the law lies.
    ///
    /// Beta(1, b) has the distribution function `1 − (1 − s)^b`. `log σ_t` is inverted by bisection, the log-SNR as the
    /// diffusion does it.
    pub fn quantile(&self, sde: &dyn Sde, u: f64) -> f64 {
        let horizon = sde.horizon();
        let t = match self.law {
            TimeDensity::Uniform => self.t_min + u * (horizon - self.t_min),
            TimeDensity::Beta { b: 2.0 } => horizon * (1.0 - (1.0 - u).sqrt()) + self.t_min,
            TimeDensity::Beta { b } => horizon * (1.0 - (1.0 - u).powf(1.0 / b)) + self.t_min,
            TimeDensity::LogSigma => {
                let log_sigma = |t: f64| sde.marginal(t).sigma.ln();
                let [first, last] = [self.t_min, horizon].map(log_sigma);
                let level = first + u * (last - first);
                let (mut low, mut high) = (self.t_min, horizon);
                // To single precision, in the logarithm of the time: nothing depends on more.
                while high / low > 1.0 + 1e-8 {
                    let middle = (low * high).sqrt();
                    if log_sigma(middle) < level { low = middle } else { high = middle }
                }
                high
            }
            TimeDensity::LogSnr => {
                let [first, last] = [self.t_min, horizon].map(|t| sde.marginal(t).log_snr());
                sde.time_of_log_snr((first + u * (last - first)).max(last)).unwrap_or(horizon)
            }
        };
        t.min(horizon)
    }

    /// The shares of the law at which the points of a block look: independent and uniform, or one in each part of it.
    pub(crate) fn share(&self, index: usize, block: usize, u: f64) -> f64 {
        if self.stratified { (index as f64 + u) / block as f64 } else { u }
    }
}

/// Bins of a [`TimeImportance`].
const BINS: usize = 64;

/// An estimate, made in training, of how large the denoising loss is at which times, and the law of times that it makes
/// good to look at.
///
/// With `u` the share of a [`TimeLaw`] below a time, the density of `u` is proportional, in each of 64 bins, to the root of the
/// running mean of the squared loss of a point, the law for which the mean loss has least variance; a tenth of the
/// mass stays uniform. The loss of a point is divided by the density, so that its mean is that of the law. Source: Nichol and
/// Dhariwal, *Improved denoising diffusion probabilistic models*, ICML 2021.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeImportance {
    /// The running mean of the squared loss in each bin; 0 before the first point.
    moments: Vec<f64>,
    /// The mass of each bin.
    masses: Vec<f64>,
}

impl Default for TimeImportance {
    fn default() -> Self {
        Self::of(vec![0.0; BINS])
    }
}

/// The sum of the squared losses of points in each bin, and how many there were.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeMoments {
    sums: Vec<f64>,
    counts: Vec<f64>,
}

impl Default for TimeMoments {
    fn default() -> Self {
        Self { sums: vec![0.0; BINS], counts: vec![0.0; BINS] }
    }
}

fn bin(u: f64) -> usize {
    ((u * BINS as f64) as usize).min(BINS - 1)
}

impl TimeMoments {
    pub(crate) fn add(&mut self, u: f64, loss: f64) {
        self.sums[bin(u)] += loss * loss;
        self.counts[bin(u)] += 1.0;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, part)| *sum += part);
        self.counts.iter_mut().zip(&other.counts).for_each(|(sum, part)| *sum += part);
    }
}

impl TimeImportance {
    /// How fast the running means follow.
    const MEMORY: f64 = 0.99;

    /// The masses are uniform until there is an estimate for all bins.
    fn of(moments: Vec<f64>) -> Self {
        let roots: Vec<f64> = moments.iter().map(|moment| moment.sqrt()).collect();
        let total: f64 = roots.iter().sum();
        let known = moments.iter().all(|&moment| moment > 0.0) && total.is_finite();
        let mass = |root: f64| {
            let uniform = 1.0 / BINS as f64;
            if known { 0.1 * uniform + 0.9 * root / total } else { uniform }
        };
        let masses = roots.into_iter().map(mass).collect();
        Self { moments, masses }
    }

    /// Takes in what was found at the points of a step.
    pub fn update(&mut self, found: &TimeMoments) {
        for ((moment, sum), count) in self.moments.iter_mut().zip(&found.sums).zip(&found.counts) {
            if *count > 0.0 {
                let mean = sum / count;
                let memory = if *moment == 0.0 { 0.0 } else { Self::MEMORY };
                *moment = memory * *moment + (1.0 - memory) * mean;
            }
        }
        *self = Self::of(std::mem::take(&mut self.moments));
    }

    /// The running means.
    pub fn moments(&self) -> &[f64] {
        &self.moments
    }

    /// An estimate from its running means; `None` if they are not 64 numbers of at least 0.
    pub fn from_moments(moments: Vec<f64>) -> Option<Self> {
        let fit = moments.len() == BINS && moments.iter().all(|m| *m >= 0.0 && m.is_finite());
        fit.then(|| Self::of(moments))
    }

    /// The density of the share `u` at a share.
    pub(crate) fn density(&self, share: f64) -> f64 {
        self.masses[bin(share)] * BINS as f64
    }

    /// For a uniform number the share `u` of the law to look at, and one over the density there.
    pub(crate) fn share(&self, uniform: f64) -> (f64, f64) {
        let mut left = uniform;
        for (index, &mass) in self.masses.iter().enumerate() {
            if left < mass || index + 1 == BINS {
                let within = (left / mass).min(1.0);
                return ((index as f64 + within) / BINS as f64, 1.0 / (mass * BINS as f64));
            }
            left -= mass;
        }
        (uniform, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::Diffusion;

    use super::*;

    #[test]
    fn quantiles_are_those_of_the_law() {
        for sde in Diffusion::examples() {
            let horizon = sde.horizon();
            let t_min = 1e-3 * horizon;
            let laws: [(TimeDensity, &dyn Fn(f64) -> f64); 4] = [
                (TimeDensity::Uniform, &|t| (t - t_min) / (horizon - t_min)),
                (TimeDensity::Beta { b: 3.0 }, &|t| 1.0 - (1.0 - (t - t_min) / horizon).powi(3)),
                (TimeDensity::LogSigma, &|t| {
                    let log = |t: f64| sde.marginal(t).sigma.ln();
                    (log(t) - log(t_min)) / (log(horizon) - log(t_min))
                }),
                (TimeDensity::LogSnr, &|t| {
                    let log = |t: f64| sde.marginal(t).log_snr();
                    (log(t) - log(t_min)) / (log(horizon) - log(t_min))
                }),
            ];
            for (law, share) in laws {
                for u in [0.0, 0.1, 0.5, 0.93] {
                    let t = TimeLaw::new(t_min, law).quantile(&sde, u);
                    assert!((share(t) - u).abs() < 1e-6, "{sde:?}, {law:?}: {u} at {t}");
                }
            }
        }
    }

    #[test]
    fn no_time_is_beyond_the_horizon() {
        let laws = [0.5, 1.0, 2.0, 3.0].map(|b| TimeDensity::Beta { b });
        let others = [TimeDensity::Uniform, TimeDensity::LogSigma, TimeDensity::LogSnr];
        for sde in Diffusion::examples() {
            let horizon = sde.horizon();
            for law in laws.into_iter().chain(others) {
                let law = TimeLaw::new(1e-2 * horizon, law);
                for u in (0..1000).map(|k| f64::from(k) / 1000.0).chain([1.0 - f64::EPSILON]) {
                    let t = law.quantile(&sde, u);
                    assert!(t <= horizon, "{sde:?}, {law:?}: {u} at {t}");
                }
            }
        }
    }

    #[test]
    fn importance_keeps_means_and_lowers_variance() {
        // A loss e^{3u}: its mean over uniform u is (e³ − 1)/3. 20 000 points; 5 standard errors, false-alarm rate 6e-7.
        let loss = |u: f64| (3.0 * u).exp();
        let mut importance = TimeImportance::default();
        let mut found = TimeMoments::default();
        (0..6400).for_each(|k| found.add(f64::from(k) / 6400.0, loss(f64::from(k) / 6400.0)));
        importance.update(&found);
        let mut rng =
            fokker_sde_core::Streams::new(1).rng(fokker_sde_core::Purpose::Denoising, 0, 0);
        let (mut sum, mut squares, n) = (0.0, 0.0, 20_000);
        for _ in 0..n {
            let (u, weight) = importance.share(rng.random());
            sum += weight * loss(u);
            squares += (weight * loss(u)).powi(2);
        }
        let (mean, n) = (sum / f64::from(n), f64::from(n));
        let variance = squares / n - mean * mean;
        let exact = (3_f64.exp() - 1.0) / 3.0;
        assert!((mean - exact).abs() < 5.0 * (variance / n).sqrt());
        // Of uniform u it is (e⁶ − 1)/6 − exact² = 26.6.
        assert!(variance < 3.0, "{variance}");
        let again = TimeImportance::from_moments(importance.moments().to_vec());
        assert_eq!(again, Some(importance));
        assert_eq!(TimeImportance::from_moments(vec![1.0]), None);
    }
}
