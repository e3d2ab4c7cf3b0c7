use fokker_sde_core::{Purpose, Real, StreamRng, Streams};
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use crate::brownian::{BrownianPath, PathPoint};
use crate::sampler::BLOCK;

/// Where the noise of a process comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Noise {
    /// Each step draws its own: fast, and without meaning across grids.
    #[default]
    Steps,
    /// Each particle has one Brownian path, of which every grid sees its own times: with more steps the same path is
    /// seen more finely. Adaptive steps always use it.
    Path,
}

/// The increments of the Brownian motion of a block, in units of their standard deviation.
pub(crate) enum Increments {
    Steps(StreamRng),
    Path(Followed),
    /// For tests of schemes: those of one step after the other.
    #[cfg(test)]
    Given(std::vec::IntoIter<[Array2<f64>; 2]>, Array2<f64>),
}

/// A path with its last two points.
pub(crate) struct Followed {
    path: BrownianPath,
    from: (f64, PathPoint),
    to: (f64, PathPoint),
}

impl Increments {
    /// Those of block `block` in `dim` dimensions on `[0, horizon]`.
    pub(crate) fn new(
        noise: Noise,
        streams: Streams,
        block: u64,
        horizon: f64,
        dim: usize,
    ) -> Self {
        match noise {
            Noise::Steps => Self::Steps(streams.rng(Purpose::Path, 0, block)),
            Noise::Path => {
                let mut path = BrownianPath::new(streams, block, horizon, BLOCK * dim);
                let start = (horizon, path.at(horizon));
                Self::Path(Followed { path, from: start.clone(), to: start })
            }
        }
    }

    /// `ξ = ΔW̄/√h` over the step from `from` down to `to`, `h = from − to`: standard normal.
    pub(crate) fn increment<F: Real>(&mut self, from: f64, to: f64, xi: &mut Array2<F>)
    where
        StandardNormal: Distribution<F>,
    {
        match self {
            Self::Steps(rng) => draw(rng, xi),
            #[cfg(test)]
            Self::Given(steps, kept) => {
                let [given, area] = steps.next().unwrap_or_default();
                *kept = area;
                xi.zip_mut_with(&given, |xi, &given| *xi = F::of(given));
            }
            Self::Path(followed) => {
                followed.move_to(from, to);
                let scale = (from - to).sqrt().recip();
                let ends = followed.from.1.value.iter().zip(&followed.to.1.value);
                xi.iter_mut().zip(ends).for_each(|(xi, (a, b))| *xi = F::of(scale * (b - a)));
            }
        }
    }

    /// `ξ` and the standard normal `ζ`, independent of it, with
    /// `∫ (W̄ − W̄_from) dr = h^{3/2} (½ ξ + ζ/√12)` over the step.
    pub(crate) fn increment_and_area<F: Real>(
        &mut self,
        from: f64,
        to: f64,
        xi: &mut Array2<F>,
        zeta: &mut Array2<F>,
    ) where
        StandardNormal: Distribution<F>,
    {
        self.increment(from, to, xi);
        match self {
            Self::Steps(rng) => draw(rng, zeta),
            #[cfg(test)]
            Self::Given(_, area) => zeta.zip_mut_with(area, |zeta, &given| *zeta = F::of(given)),
            Self::Path(Followed { from: (_, start), to: (_, end), .. }) => {
                let h = from - to;
                let scale = 12.0_f64.sqrt() / (h * h.sqrt());
                for (i, zeta) in zeta.iter_mut().enumerate() {
                    let (w, increment) = (start.value[i], end.value[i] - start.value[i]);
                    let integral = end.integral[i] - start.integral[i] - h * w;
                    *zeta = F::of(scale * (integral - 0.5 * h * increment));
                }
            }
        }
    }
}

impl Followed {
    /// Finds the points at the ends of a step.
    fn move_to(&mut self, from: f64, to: f64) {
        if self.to.0 == from {
            std::mem::swap(&mut self.from, &mut self.to);
        }
        for (kept, t) in [(&mut self.from, from), (&mut self.to, to)] {
            if kept.0 != t {
                *kept = (t, self.path.at(t));
            }
        }
    }
}

/// Fills an array with standard normal numbers. That of a block that is not full uses up the numbers of a full one,
/// so that more particles would change nothing for these.
pub(crate) fn draw<F: Real>(rng: &mut StreamRng, out: &mut Array2<F>)
where
    StandardNormal: Distribution<F>,
{
    out.iter_mut().for_each(|z| *z = StandardNormal.sample(rng));
    for _ in out.len()..BLOCK * out.ncols() {
        let _: F = StandardNormal.sample(rng);
    }
}
