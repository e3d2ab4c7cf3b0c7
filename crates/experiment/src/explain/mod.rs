//! Why the two samplers of a model differ: their densities, the energy of the difference, the bound on the distance that follows from
//! it, and the times and places where it is made. The formulas stand in `docs/theory.md`.

mod along;
mod attribution;
mod densities;
mod fields;
mod gradients;
mod report;
mod rotation;

use std::path::Path;

use fokker_fp_residual::{DenoisingBatch, LogDensity, SdeDensity, VariationalBound};
use fokker_samplers::{LastStep, ReverseProcess, Sampler, Solver};
use fokker_score_net::{Checkpoint, InstructionSet, Output, ScoreNetwork};
use fokker_sde_core::{
    Diffusion, GaussianMixture, GridRule, MixtureMarginals, Potential, Purpose, Sde, Streams,
    TimeGrid,
};
use ndarray::{Array1, Array2, Array3, Axis};
use rand::Rng;

use densities::LogDensities;
pub use densities::{Divergences, Likelihoods, PointMean};
pub use report::{
    Attribution, Bounds, EnergyBound, EnergyForms, ExplainReport, SamplerGap, VariationalReport,
    WithError,
};
pub use rotation::RotationAt;

use crate::sample::Counter;
use crate::side::Side;
use crate::target_law::TargetLaw;
use crate::{Error, Event, Method, Progress, Protocol, TargetSource, files, gap};

/// How much is computed to explain a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Explanation {
    /// Points of each law at which densities are estimated.
    pub points: usize,
    /// Forward paths for each of them; a multiple of 64.
    pub paths: usize,
    /// Steps of the trajectories and of the paths.
    pub steps: usize,
    /// The time that everything goes down to; where the log-SNR is 9 if not given.
    pub last_time: Option<f64>,
}

/// Trajectories over which the residual is averaged, at least as many as points.
const TRAJECTORIES: usize = 8192;

/// Points whose densities are estimated between two looks at signals.
const BATCH: usize = 256;

impl Default for Explanation {
    fn default() -> Self {
        Self { points: 1024, paths: 256, steps: 100, last_time: None }
    }
}

/// Explains the gap between the samplers of the model in a checkpoint file. With a target the likelihood of its points is
/// reported too, and for a known mixture the variational bound. If `figures` is given, figures are written to that folder.
///
/// # Errors
/// If a file cannot be read or written, the target has another dimension, a number is out of its range, or sampling or an estimate fails.
pub fn explain(
    model: &Path,
    target: Option<&TargetSource>,
    protocol: &Protocol,
    explanation: &Explanation,
    figures: Option<&Path>,
    progress: &dyn Progress,
) -> Result<ExplainReport, Error> {
    if let Some(folder) = figures {
        files::create_folder(folder)?;
    }
    InstructionSet::selected()?;
    let checkpoint: Checkpoint<f32> = files::read_checkpoint(model)?;
    let Checkpoint { network, diffusion, standardisation } = &checkpoint;
    let law = target.map(|source| source.law(None)).transpose()?;
    let name = target.map(TargetSource::to_string).unwrap_or_default();
    let expected = law.as_ref().map(|law| (name.as_str(), law.truth.dim()));
    gap::check_model(model, &checkpoint, expected, protocol)?;
    let law = match (law, standardisation) {
        (Some(law), Some(map)) => Some(law.standardised(map)?),
        (law, _) => law,
    };
    let times = times(diffusion, explanation)?;
    let exact = match (target, standardisation) {
        (Some(TargetSource::Named(name)), None) => name.mixture(),
        _ => None,
    };
    let sde = diffusion;
    let study = Study { network, sde, exact, times: &times, protocol, explanation, progress };
    let mut report = ExplainReport {
        model: model.display().to_string(),
        target: target.map(TargetSource::to_string),
        standardised: standardisation.is_some(),
        seed: protocol.seed,
        from: times[0],
        last_time: times[times.len() - 1],
        gap: study.gap()?,
        likelihoods: None,
        divergences: None,
        energy: None,
        bounds: None,
        attribution: Vec::new(),
        variational: None,
        no_fields: None,
        rotation: Vec::new(),
    };
    match network.head().output {
        Output::Vector => report.rotation = rotation::rotation(&study)?,
        Output::Potential => study.explain_potential(law.as_ref(), figures, &mut report)?,
    }
    Ok(report)
}

/// The estimator of densities, which withholds what less than an eighth of its paths decides.
fn density(paths: usize, steps: usize) -> SdeDensity {
    SdeDensity { paths, steps, least_effective: paths as f64 / 8.0, ..SdeDensity::default() }
}

/// Falling times from the horizon, equal in the log-SNR.
fn times(sde: &dyn Sde, explanation: &Explanation) -> Result<Vec<f64>, Error> {
    let rule = GridRule::LogSnr { steps: explanation.steps + 1, t_min: explanation.last_time };
    let mut times = rule.grid(sde)?.times().to_vec();
    // Without the step to 0.
    times.pop();
    Ok(times)
}

/// What all parts need.
pub(crate) struct Study<'a> {
    network: &'a ScoreNetwork<f32>,
    sde: &'a Diffusion,
    /// The law of the data, if its diffused laws are known exactly.
    exact: Option<GaussianMixture>,
    /// Falling from the horizon.
    times: &'a [f64],
    protocol: &'a Protocol,
    explanation: &'a Explanation,
    progress: &'a dyn Progress,
}

impl Study<'_> {
    fn streams(&self) -> Streams {
        Streams::new(self.protocol.seed)
    }

    fn last_time(&self) -> f64 {
        self.times[self.times.len() - 1]
    }

    fn sampler(&self, method: Method) -> Result<(Sampler, TimeGrid), Error> {
        let process = match method {
            Method::Ode => ReverseProcess::ODE,
            Method::Sde => ReverseProcess::SDE,
        };
        let last_step = LastStep::Solver;
        let sampler = Sampler { process, solver: Solver::Sra1, last_step, ..Sampler::default() };
        Ok((sampler, GridRule::Times(self.times.to_vec()).grid(self.sde)?))
    }

    /// Where the first `n` particles of a sampler are at all times, `[k, n, d]`.
    fn trajectories(&self, method: Method, n: usize) -> Result<Array3<f32>, Error> {
        let (sampler, grid) = self.sampler(method)?;
        let counter = Counter::new(self.progress, method, n);
        let found =
            sampler.trajectories(self.network, self.sde, &grid, n, self.streams(), &counter);
        Ok(found?.0)
    }

    /// The distance between the two laws, from as many particles as the protocol says.
    fn gap(&self) -> Result<SamplerGap, Error> {
        let n = self.protocol.sampling.particles;
        // The floor is that of independent draws, and so are these.
        let other = Streams::new(self.streams().rng(Purpose::Prior, u64::MAX, 0).next_u64());
        let side = |method, streams| {
            let (sampler, grid) = self.sampler(method)?;
            let counter = Counter::new(self.progress, method, n);
            let found = sampler.sample(self.network, self.sde, &grid, n, streams, &counter);
            Side::new(self.protocol, found?.particles.view())
        };
        let (sde, ode) = (side(Method::Sde, self.streams())?, side(Method::Ode, other)?);
        Ok(SamplerGap {
            distance: sde.kind(),
            n,
            w2sq: sde.distance(&ode, self.protocol)?,
            floor: sde.floor(self.protocol, 1, [n, n])?,
            outside: [&ode, &sde].map(Side::dropped),
        })
    }

    fn explain_potential(
        &self,
        law: Option<&TargetLaw>,
        figures: Option<&Path>,
        report: &mut ExplainReport,
    ) -> Result<(), Error> {
        let points = self.explanation.points;
        let sde_paths = self.trajectories(Method::Sde, TRAJECTORIES.max(points))?;
        let ode_paths = self.trajectories(Method::Ode, points)?;
        let end = self.times.len() - 1;
        let ends = |paths: &Array3<f32>| {
            paths.index_axis(Axis(0), end).slice_axis(Axis(0), (..points).into()).to_owned()
        };
        let at_sde = self.log_densities(&ends(&sde_paths))?;
        let at_ode = self.log_densities(&ends(&ode_paths))?;
        report.divergences = Some(Divergences {
            sde_from_ode: at_sde.mean_difference()?,
            ode_from_sde: at_ode.mean_difference()?.negated(),
        });
        if let Some(law) = law {
            let x = self.diffused(law);
            let at_data = self.log_densities(&x)?;
            report.likelihoods = Some(Likelihoods {
                sde: PointMean::of("log-likelihood", &at_data.sde)?,
                ode: PointMean::of_exact("log-likelihood", &at_data.ode)?,
                held_out: law.held_out || law.points.is_none(),
            });
            report.variational = self.variational(law, &x, &at_data)?;
        }
        let found = attribution::attribute(self, &sde_paths, &ode_paths, &at_sde)?;
        (report.energy, report.bounds) = (Some(found.energy), Some(found.bounds));
        report.attribution = found.attribution;
        if let Some(folder) = figures {
            report.draw_curves(&folder.join("attribution.png"))?;
            if self.network.head().dim == 2 {
                report.no_fields = self.draw_fields(&folder.join("fields.png"))?;
            }
        }
        Ok(())
    }

    /// Draws maps; the reason if there can be none.
    fn draw_fields(&self, to: &Path) -> Result<Option<String>, Error> {
        let extent = self.protocol.measurement.extent;
        let reach = fields::reach(self.sde, extent);
        if reach > fields::MOST_REACH * extent {
            return Ok(Some(format!(
                "no fields.png: a grid for the prior, of standard deviation {:.3}, is too coarse for a box of ±{extent}",
                self.sde.prior().std
            )));
        }
        let last = self.last_time();
        let figure = fields::fields(self.network, self.sde, last, extent, self.progress)?;
        files::write(to, &figure.draw_png()?)?;
        Ok(None)
    }

    /// The variational bound and both its left sides, if the law of the data is known; `x` are points of it at the last time.
    fn variational(
        &self,
        law: &TargetLaw,
        x: &Array2<f32>,
        at_data: &LogDensities,
    ) -> Result<Option<VariationalReport>, Error> {
        let Some(exact) = &self.exact else { return Ok(None) };
        let exact = MixtureMarginals::new(exact.clone(), self.sde.clone());
        let (truth, n) = (law.truth.as_ref(), TRAJECTORIES);
        let (sde, times, streams) = (self.sde, self.times, self.streams());
        let bound =
            VariationalBound::new::<f32>(self.network, &exact, truth, sde, times, n, streams)?;
        let t = Array1::from_elem(x.nrows(), self.last_time() as f32);
        let mut log_p = Array1::zeros(x.nrows());
        exact.potential(t.view(), x.view(), log_p.view_mut())?;
        let sde = log_p
            .iter()
            .zip(&at_data.sde)
            .map(|(&p, q)| q.map(|q| LogDensity { value: f64::from(p) - q.value, ..q }));
        let ode = log_p.iter().zip(&at_data.ode).map(|(&p, q)| f64::from(p) - q);
        Ok(Some(VariationalReport {
            bound: bound.total.into(),
            sde: PointMean::of("KL divergence", &sde.collect::<Vec<_>>())?,
            ode: PointMean::of_exact("KL divergence", &ode.collect::<Vec<_>>())?,
        }))
    }

    /// Log-densities at the last time.
    fn log_densities(&self, x: &Array2<f32>) -> Result<LogDensities, Error> {
        let Explanation { paths, steps, .. } = *self.explanation;
        let density = density(paths, steps);
        let mut all = LogDensities { sde: Vec::new(), ode: Vec::new() };
        for (batch, x) in x.axis_chunks_iter(Axis(0), BATCH).enumerate() {
            self.estimating("densities", batch, self.explanation.points.div_ceil(BATCH))?;
            // Each batch has noise of its own.
            let mut seeds = self.streams().rng(Purpose::Density, u64::MAX, 1 << 32 | batch as u64);
            let streams = Streams::new(seeds.next_u64());
            let part = LogDensities::at(self.network, self.sde, self.times, x, &density, streams)?;
            all.sde.extend(part.sde);
            all.ode.extend(part.ode);
        }
        Ok(all)
    }

    /// Tells how far an estimate is, and hears whether to go on.
    fn estimating(&self, what: &str, done: usize, all: usize) -> Result<(), Error> {
        self.progress.on(Event::Estimating { what, done, all });
        if self.progress.cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Points of the truth, diffused to the last time.
    fn diffused(&self, law: &TargetLaw) -> Array2<f32> {
        let times = vec![self.last_time(); self.explanation.points];
        let mut rng = self.streams().rng(Purpose::Truth, 0, 0);
        DenoisingBatch::at_times(&times, law.truth.as_ref(), self.sde, &mut rng).x
    }
}
