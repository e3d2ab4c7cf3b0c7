/// The law of `X_t` given `X_0`: the Gaussian `N(α_t X_0, σ_t² I)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marginal {
    /// The factor `α_t` of the data.
    pub alpha: f64,
    /// The standard deviation `σ_t` of the noise.
    pub sigma: f64,
}

impl Marginal {
    /// The logarithm `log(α_t²/σ_t²)` of the signal-to-noise ratio; infinite without noise.
    pub fn log_snr(&self) -> f64 {
        2.0 * (self.alpha / self.sigma).ln()
    }
}

/// The law `π = N(0, std² I)` that the reverse processes start from at `t = T`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prior {
    /// The standard deviation of each component.
    pub std: f64,
}

impl Prior {
    /// `log π(x) = −½ |x|²/std² − ½ d log(2π std²)` with `d = x.len()`.
    pub fn log_density(&self, x: &[f64]) -> f64 {
        let variance = self.std * self.std;
        let squares: f64 = x.iter().map(|x| x * x).sum();
        -0.5 * (squares / variance + x.len() as f64 * (2.0 * std::f64::consts::PI * variance).ln())
    }
}

/// A forward diffusion `dX = a(t) X dt + g(t) dW` on `[0, T]`, from data at 0 to noise at `T`.
///
/// The drift is linear in `x`, `f(x, t) = a(t) x`, so that the transition from time 0 is Gaussian;
/// `α_t` and `σ_t` solve `α' = a α` and `(σ²)' = 2 a σ² + g²` with `α_0 = 1`, `σ_0 = 0`.
/// All quantities are in units of the data and of the diffusion's own time, and finite on all of `[0, T]`.
pub trait Sde: Send + Sync {
    /// The horizon `T`.
    fn horizon(&self) -> f64;

    /// The rate `a(t)` of the drift `f(x, t) = a(t) x`; its divergence is `∇·f = d·a(t)`.
    fn drift_rate(&self, t: f64) -> f64;

    /// The diffusion coefficient `g(t)`.
    fn diffusion(&self, t: f64) -> f64;

    /// `α_t` and `σ_t` of the transition from time 0.
    fn marginal(&self, t: f64) -> Marginal;

    /// The prior `π` at `T`.
    fn prior(&self) -> Prior;

    /// The time at which the logarithm of the signal-to-noise ratio, `log(α_t²/σ_t²)`, has this value. It
    /// falls from infinity at 0, by `g²/σ²` per unit of time.
    ///
    /// Unless a diffusion knows a closed form, by bisection to the last bit.
    ///
    /// # Errors
    /// If the value is not finite or below that of `T`.
    fn time_of_log_snr(&self, log_snr: f64) -> Result<f64, SdeError> {
        let horizon = self.horizon();
        check_log_snr(self.marginal(horizon), log_snr)?;
        // In the bits of positive numbers, whose order is that of the numbers: fine near 0, too.
        let (mut low, mut high) = (0_u64, horizon.to_bits());
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            if self.marginal(f64::from_bits(middle)).log_snr() > log_snr {
                low = middle;
            } else {
                high = middle;
            }
        }
        Ok(f64::from_bits(high))
    }
}

/// Refuses a `log_snr` that no time before the last, whose marginal is given, has.
pub(crate) fn check_log_snr(last: Marginal, log_snr: f64) -> Result<(), SdeError> {
    let lowest = last.log_snr();
    if log_snr >= lowest && log_snr.is_finite() {
        Ok(())
    } else {
        Err(SdeError::LogSnr { value: log_snr, lowest })
    }
}

/// Why a diffusion, or what was asked of it, was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SdeError {
    /// A parameter is out of its range.
    #[error("the {what} of a diffusion must be {rule}, but is {value:?}")]
    Parameter {
        /// Which parameter.
        what: &'static str,
        /// What it must be.
        rule: &'static str,
        /// What it is.
        value: f64,
    },
    /// A coefficient that a user gave has no use at some time.
    #[error("{what} is {value} at t = {t}, but must be {rule}")]
    Coefficient {
        /// Which coefficient.
        what: &'static str,
        /// The time.
        t: f64,
        /// Its value there.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// An integral over time has no value.
    #[error("the integral of {what} does not converge at t = {t}")]
    Integral {
        /// Of what.
        what: &'static str,
        /// The time.
        t: f64,
    },
    /// A formula cannot be read.
    #[error("`{text}` is no formula in t: {reason}")]
    Formula {
        /// The formula.
        text: String,
        /// Where it breaks off.
        reason: String,
    },
    /// No time has this signal-to-noise ratio.
    #[error("no time has a log-SNR of {value}: it falls from infinity to {lowest} at the horizon")]
    LogSnr {
        /// What was asked for.
        value: f64,
        /// That of the horizon.
        lowest: f64,
    },
}

impl SdeError {
    /// Refuses a parameter that is not in a range, or is not a number.
    pub(crate) fn check(
        what: &'static str,
        range: std::ops::RangeInclusive<f64>,
        rule: &'static str,
        value: f64,
    ) -> Result<(), Self> {
        if range.contains(&value) { Ok(()) } else { Err(Self::Parameter { what, rule, value }) }
    }
}
