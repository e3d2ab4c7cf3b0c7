use fokker_fp_residual::{Collocation, TimeLaw};
use fokker_sde_core::GridRule;

use crate::{Measurement, Sampling};

/// How models are sampled and measured: everything that determines the results, but the model and the
/// target.
#[derive(Debug, Clone, PartialEq)]
pub struct Protocol {
    /// The master seed.
    pub seed: u64,
    /// How models are sampled.
    pub sampling: Sampling,
    /// How samples and networks are measured.
    pub measurement: Measurement,
    /// The law of the times of the denoising score matching loss.
    pub times: TimeLaw,
    /// Half the side of the box over which the residual is taken, and the time from which it is.
    pub collocation: Collocation,
}

impl Default for Protocol {
    /// The protocol of Deveney et al. (2025), 3 million particles and 890 steps.
    fn default() -> Self {
        Self {
            seed: 0,
            sampling: Sampling::euler(3_000_000, GridRule::PAPER),
            measurement: Measurement::default(),
            times: TimeLaw::default(),
            collocation: Collocation::default(),
        }
    }
}
