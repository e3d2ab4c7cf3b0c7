/// Follows a sampler while it works, from any of its threads.
pub trait Observer: Sync {
    /// Called when another `particles` particles have arrived at the end of the grid.
    fn finished(&self, particles: usize);

    /// Asked before each step of each block; `true` ends the work with
    /// [`SamplingError::Cancelled`](crate::SamplingError::Cancelled), which holds the particles that had arrived.
    fn cancelled(&self) -> bool {
        false
    }
}

/// An observer that does not look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn finished(&self, _particles: usize) {}
}
