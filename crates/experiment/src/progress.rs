use fokker_fp_residual::Losses;

use crate::{Cell, CellId, Method};

/// What happens in a run, as it happens.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// What a time is spent on next.
    Planned {
        /// `search` or `best`.
        what: &'a str,
        /// The weights of the networks to train.
        weights: &'a [f64],
        /// Training steps of each.
        steps: usize,
        /// Particles of each sampler.
        particles: usize,
    },
    /// A training step is done.
    Trained {
        /// The cell.
        cell: &'a CellId,
        /// Steps done so far, of all stages.
        step: usize,
        /// Steps to do in all.
        steps: usize,
        /// The losses of this step; the residual is the last one computed.
        losses: &'a Losses,
    },
    /// More particles have been sampled.
    Sampled {
        /// The sampler.
        method: Method,
        /// Particles that have arrived so far.
        done: usize,
        /// Particles in all.
        particles: usize,
    },
    /// More of what explains a model has been estimated.
    Estimating {
        /// What.
        what: &'a str,
        /// Batches done so far.
        done: usize,
        /// Batches in all.
        all: usize,
    },
    /// Sampling is done and a model is being measured.
    Measuring {
        /// The model.
        name: &'a str,
    },
    /// A model is done.
    Finished {
        /// The model.
        name: &'a str,
        /// Its results.
        cell: &'a Cell,
    },
}

/// Follows a run, from any of its threads.
pub trait Progress: Sync {
    /// Called for each event.
    fn on(&self, event: Event<'_>);

    /// Asked often; `true` ends the run with [`Error::Cancelled`](crate::Error::Cancelled).
    fn cancelled(&self) -> bool {
        false
    }
}

/// Looks at nothing and never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn on(&self, _event: Event<'_>) {}
}
