use serde::{Deserialize, Serialize};

use super::checked_serde;
use crate::SdeError;

/// The horizon of a diffusion whose drift or noise is infinite at `t = 1`: below 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct UnitHorizon {
    pub(super) horizon: f64,
}

checked_serde!(UnitHorizon);

impl Default for UnitHorizon {
    fn default() -> Self {
        Self { horizon: 0.999 }
    }
}

impl UnitHorizon {
    pub(super) fn new(horizon: f64) -> Result<Self, SdeError> {
        Self { horizon }.check()
    }

    fn check(self) -> Result<Self, SdeError> {
        let rule = "between 1e-6 and 0.999999: its drift or noise is infinite at 1";
        SdeError::check("horizon T", 1e-6..=0.999_999, rule, self.horizon)?;
        Ok(self)
    }
}
