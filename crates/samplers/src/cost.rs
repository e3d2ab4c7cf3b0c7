use serde::Serialize;

/// What a solver spent, in sums over all particles. A particle that is moved along to fill up a block of adaptive steps counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Cost {
    /// The number of particles.
    pub particles: u64,
    /// Evaluations of the score.
    pub evaluations: u64,
    /// Steps that count.
    pub accepted: u64,
    /// Steps that were taken back because their error was above the tolerance.
    pub rejected: u64,
    /// Wall-clock time in seconds.
    pub seconds: f64,
}

impl Cost {
    /// The number of function evaluations (NFE) in the field's sense: evaluations of the score for each particle, in the mean.
    pub fn evaluations_per_particle(&self) -> f64 {
        self.evaluations as f64 / self.particles.max(1) as f64
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            particles: self.particles + other.particles,
            evaluations: self.evaluations + other.evaluations,
            accepted: self.accepted + other.accepted,
            rejected: self.rejected + other.rejected,
            seconds: self.seconds + other.seconds,
        }
    }
}
