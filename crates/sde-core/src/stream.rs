use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

/// The generator behind every random number of the workspace: ChaCha with 8 rounds, a
/// counter-based generator whose streams under different keys are independent.
pub type StreamRng = ChaCha8Rng;

/// What random numbers are drawn for. Each purpose has streams of its own, so that a change in how
/// many numbers one consumer draws leaves all others as they were.
///
/// The numbers are part of the format: they fix which bits a seed gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u64)]
pub enum Purpose {
    /// Initial weights of a network.
    Weights = 0,
    /// Times, data points and noise of denoising score matching.
    Denoising = 1,
    /// Points at which the residual is taken in training.
    Collocation = 2,
    /// Points of the prior from which reverse processes start.
    Prior = 3,
    /// Noise along the paths of a reverse SDE.
    Path = 4,
    /// Points of the target that samples are compared with.
    Truth = 5,
    /// Points of the target for the noise floor.
    Floor = 6,
    /// Points at which a finished model is evaluated.
    Evaluation = 7,
    /// Resampling of what was measured.
    Bootstrap = 8,
    /// Directions that points are projected on.
    Projection = 9,
    /// Which points of a data set are held out.
    Split = 10,
    /// Noise along the model's own trajectories in training.
    Trajectory = 11,
    /// Probes of derivatives, and points around others.
    Probe = 12,
    /// Points of initial, boundary and terminal conditions.
    Condition = 13,
    /// The halving of Brownian paths.
    BrownianBridge = 14,
    /// Paths of the forward diffusion over which densities are means.
    Density = 15,
}

/// All the random numbers that one master seed stands for: a stream for each
/// `(purpose, index, sub-index)`.
///
/// Same seed, same bits, on every platform, however the work is spread over threads: the key of
/// stream `(p, i, j)` is the four little-endian 64-bit words `seed, p, i, j`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    seed: u64,
}

impl Streams {
    /// The streams of a master seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The generator at the start of stream `(purpose, index, sub)`; for instance the training step
    /// and the block of points within it.
    pub fn rng(&self, purpose: Purpose, index: u64, sub: u64) -> StreamRng {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([self.seed, purpose as u64, index, sub]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        StreamRng::from_seed(key)
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::*;

    #[test]
    fn first_words_never_change() {
        let streams = Streams::new(7);
        let first: Vec<u64> = [(Purpose::Weights, 0, 0), (Purpose::Path, 3, 1)]
            .map(|(purpose, i, j)| streams.rng(purpose, i, j).next_u64())
            .to_vec();
        assert_eq!(first, [14_095_323_943_061_994_099, 1_487_527_058_322_568_920]);
    }

    #[test]
    fn every_part_of_the_key_matters() {
        let word = |seed, purpose, i, j| Streams::new(seed).rng(purpose, i, j).next_u64();
        let base = word(1, Purpose::Prior, 2, 3);
        assert_ne!(base, word(2, Purpose::Prior, 2, 3));
        assert_ne!(base, word(1, Purpose::Truth, 2, 3));
        assert_ne!(base, word(1, Purpose::Prior, 1, 3));
        assert_ne!(base, word(1, Purpose::Prior, 2, 2));
    }
}
