use fokker_sde_core::BatchError;

/// Why nothing was estimated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum EstimateError {
    /// An array has the wrong shape, or a model could not be evaluated.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// A value at a point is not finite.
    #[error("the {what} of point {point} is {value} at t = {t}")]
    NotFinite {
        /// Which quantity.
        what: &'static str,
        /// The time.
        t: f64,
        /// The index of the point, or of its trajectory.
        point: usize,
        /// Its value.
        value: f64,
    },
    /// A number is not finite.
    #[error("value {index} of the {what} is {value}")]
    Value {
        /// Which quantity.
        what: &'static str,
        /// Its index.
        index: usize,
        /// What it is.
        value: f64,
    },
    /// Too few values to say anything.
    #[error("the {what} needs at least {least} values, but has {found}")]
    TooFew {
        /// Which quantity.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are needed.
        least: usize,
    },
    /// The times of trajectories do not fall, or do not start where they should.
    #[error("time {index} is {t}: times must fall, from at most {from} to no less than 0")]
    Times {
        /// The index of the time.
        index: usize,
        /// The time.
        t: f64,
        /// The latest that it may be: the time before it, or the horizon.
        from: f64,
    },
    /// Trajectories do not start from the prior.
    #[error("the trajectories start at t = {t}, but must start at the horizon {horizon}")]
    Start {
        /// The first time.
        t: f64,
        /// The horizon.
        horizon: f64,
    },
    /// A number is out of its range.
    #[error("the {what} is {value}, but must be {rule}")]
    Range {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
}

impl EstimateError {
    /// Refuses a number that is not finite.
    pub(crate) fn check_value(what: &'static str, value: f64) -> Result<(), Self> {
        if value.is_finite() { Ok(()) } else { Err(Self::Value { what, index: 0, value }) }
    }

    /// Refuses fewer than `least` values.
    pub(crate) fn check_count(what: &'static str, found: usize, least: usize) -> Result<(), Self> {
        if found >= least { Ok(()) } else { Err(Self::TooFew { what, found, least }) }
    }

    /// Refuses times that do not fall from at most `horizon` to no less than 0, and fewer than two of them.
    pub(crate) fn check_times(times: &[f64], horizon: f64) -> Result<(), Self> {
        Self::check_count("list of times", times.len(), 2)?;
        let mut from = horizon * (1.0 + 1e-12);
        for (index, &t) in times.iter().enumerate() {
            if !(t >= 0.0 && (t < from || (index == 0 && t <= from))) {
                return Err(Self::Times { index, t, from });
            }
            from = t;
        }
        Ok(())
    }

    /// Refuses times that do not fall from the horizon.
    pub(crate) fn check_from_horizon(times: &[f64], horizon: f64) -> Result<(), Self> {
        Self::check_times(times, horizon)?;
        let starts = times[0] >= horizon * (1.0 - 1e-12);
        if starts { Ok(()) } else { Err(Self::Start { t: times[0], horizon }) }
    }

    /// Refuses values at points, of which the first has the index `from`, that are not finite.
    pub(crate) fn check_finite<'a>(
        what: &'static str,
        t: f64,
        from: usize,
        values: impl IntoIterator<Item = &'a f64>,
    ) -> Result<(), Self> {
        match values.into_iter().enumerate().find(|(_, value)| !value.is_finite()) {
            None => Ok(()),
            Some((index, &value)) => Err(Self::NotFinite { what, t, point: from + index, value }),
        }
    }
}
