use fokker_fp_residual::{DenoisingBatch, Estimate, mean_denoising_error, mean_squared_residual};
use fokker_score_net::{Element, NetworkError, Output, ScoreNetwork};
use fokker_sde_core::{BatchError, Purpose, Sde, StreamRng, Streams, Target};
use rand::RngExt;

use crate::{Protocol, ResidualBand, ResidualMeans};

/// Edges of the bands of time, as shares of the horizon.
const EDGES: [f64; 4] = [1e-3, 1e-2, 1e-1, 1.0];

/// The most dimensions in which a mean over a box is taken: in more the data fill hardly any of it.
pub(crate) const MOST_MEAN_DIMENSIONS: usize = 3;

/// A network whose residual is measured.
pub(crate) struct ResidualMeter<'a, E: Element> {
    pub(crate) network: &'a ScoreNetwork<E>,
    pub(crate) sde: &'a dyn Sde,
    pub(crate) target: Option<&'a dyn Target>,
    pub(crate) protocol: &'a Protocol,
}

impl<E: Element> ResidualMeter<'_, E> {
    /// `mean ε²` over the box and along the forward process, at all times and by bands of time.
    pub(crate) fn residual_means(&self) -> Result<ResidualMeans, BatchError> {
        let (t_min, horizon) = (self.protocol.collocation.t_min, self.sde.horizon());
        let whole = self.over_box(0, t_min, horizon)?;
        let marginal = self.along_marginals(1, t_min, horizon)?;
        let mut bands = Vec::new();
        let mut from = t_min;
        for (k, edge) in EDGES.into_iter().enumerate() {
            let to = edge * horizon;
            if to <= from {
                continue;
            }
            let stream = 2 * k as u64 + 2;
            let inside = self.over_box(stream, from, to)?;
            let marginal = self.along_marginals(stream + 1, from, to)?;
            bands.push(ResidualBand {
                from,
                to,
                collocation: inside.map(|inside| inside.mean),
                box_se: inside.map(|inside| inside.standard_error),
                marginal: marginal.map(|marginal| marginal.mean),
                marginal_se: marginal.map(|marginal| marginal.standard_error),
            });
            from = to;
        }
        Ok(ResidualMeans {
            mean_residual_sq: whole.map(|whole| whole.mean),
            mean_residual_sq_se: whole.map(|whole| whole.standard_error),
            marginal_residual_sq: marginal.map(|marginal| marginal.mean),
            marginal_residual_sq_se: marginal.map(|marginal| marginal.standard_error),
            residual_bands: bands,
        })
    }

    /// The denoising score matching loss, at times of the training law.
    pub(crate) fn denoising_loss(&self, target: &dyn Target) -> Result<Estimate, NetworkError> {
        let (n, mut rng) = (self.points(), self.rng(100));
        let batch = DenoisingBatch::draw(n, target, self.sde, self.protocol.times, &mut rng);
        mean_denoising_error(self.network, &batch)
    }

    fn points(&self) -> usize {
        self.protocol.measurement.residual_points
    }

    /// Each mean has points of its own.
    fn rng(&self, stream: u64) -> StreamRng {
        Streams::new(self.protocol.seed).rng(Purpose::Evaluation, stream, 0)
    }

    /// `None` of a vector score, and in more dimensions than a box says anything in.
    fn over_box(&self, stream: u64, from: f64, to: f64) -> Result<Option<Estimate>, BatchError> {
        let head = self.network.head();
        if head.output == Output::Vector || head.dim > MOST_MEAN_DIMENSIONS {
            return Ok(None);
        }
        let (n, mut rng) = (self.points(), self.rng(stream));
        let (t, x) = self.protocol.collocation.draw_inside(n, head.dim, [from, to], &mut rng);
        mean_squared_residual(self.network, self.sde, t.view(), x.view()).map(Some)
    }

    /// `None` of a vector score, and without a target.
    fn along_marginals(
        &self,
        stream: u64,
        from: f64,
        to: f64,
    ) -> Result<Option<Estimate>, BatchError> {
        let Some(target) = self.target else { return Ok(None) };
        if self.network.head().output == Output::Vector {
            return Ok(None);
        }
        let mut rng = self.rng(stream);
        let times: Vec<f64> = (0..self.points()).map(|_| rng.random_range(from..to)).collect();
        let batch = DenoisingBatch::<E>::at_times(&times, target, self.sde, &mut rng);
        mean_squared_residual(self.network, self.sde, batch.t.view(), batch.x.view()).map(Some)
    }
}
