use dfdx::prelude::{
    Axis, Backward, NoneTape, OwnedTape, ReshapeTo, SumTo, Tape, Tensor, TensorFromVec, TryAdd,
    TryMul, TrySub,
};
use fokker_score_net::{Derivatives, Element, Gradient, Mlp, NetworkError, TensorJet};
use fokker_sde_core::{Purpose, Sde, Streams, Target};
use ndarray::{ArrayView1, ArrayView2};
use rayon::prelude::*;

use crate::{CollocationBox, DenoisingBatch, TimeLaw};

/// The training objective of Deveney et al. (2025),
///
/// `L = L_DSM + w_R · mean ε²`,
///
/// with `L_DSM` the mean over points *and components* of `(s − ∇ log p(x_t | x_0))²`, unweighted in
/// time, at times from a [`TimeLaw`], and `mean ε²` the mean of the squared Fokker–Planck residual
/// over a [`CollocationBox`].
#[derive(Clone, Copy)]
pub struct Objective<'a> {
    /// The law of the data.
    pub target: &'a dyn Target,
    /// The forward process.
    pub sde: &'a dyn Sde,
    /// The number of points of `L_DSM` in each step.
    pub denoising_points: usize,
    /// The number of points of `mean ε²` in each step.
    pub residual_points: usize,
    /// The weight `w_R ≥ 0` of the residual; at 0 no residual is computed in training.
    pub residual_weight: f64,
    /// The times of `L_DSM`.
    pub times: TimeLaw,
    /// The points of `mean ε²`.
    pub collocation: CollocationBox,
}

/// The parts of the objective at one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Losses {
    /// `L_DSM + w_R · mean ε²`.
    pub total: f64,
    /// `L_DSM`.
    pub denoising: f64,
    /// `mean ε²`; `None` where it was not computed because its weight is 0.
    pub residual: Option<f64>,
}

/// Why the objective has no value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ObjectiveError {
    /// A part of the objective is not finite.
    #[error("the {part} is {value} at training step {step}")]
    NotFinite {
        /// `denoising loss`, `mean squared residual` or `gradient`.
        part: &'static str,
        /// The value found.
        value: f64,
        /// The training step, from 0.
        step: u64,
    },
    /// The network could not be evaluated.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// Points per block: a block is one task, has a random stream of its own, and fits the cache. Part of
/// what a seed means.
const BLOCK: usize = 64;

/// The two terms of the objective.
#[derive(Clone, Copy)]
enum Term {
    Denoising,
    Residual,
}

/// One block of work: some of the points of a term.
#[derive(Clone, Copy)]
struct Block {
    term: Term,
    index: usize,
    points: usize,
}

/// A constant on the way through a tape.
type Constant<E> = Tensor<(usize,), E, <E as Element>::Device>;

/// A part of the loss.
type Scalar<E, T> = Tensor<(), E, <E as Element>::Device, T>;

impl Objective<'_> {
    /// The losses and the parameter gradient of `L` for the points of training step `step`.
    ///
    /// Points are drawn and evaluated in blocks of 64, over all threads of the current pool, and
    /// summed in a fixed order: same streams and step, same bits, for any number of threads.
    ///
    /// # Errors
    /// If a loss or the gradient is not finite, or the network cannot be evaluated.
    pub fn gradient<E: Element>(
        &self,
        network: &Mlp<E>,
        streams: Streams,
        step: u64,
    ) -> Result<(Losses, Gradient<E>), ObjectiveError> {
        let mut blocks = cut(Term::Denoising, self.denoising_points);
        if self.residual_weight > 0.0 {
            blocks.extend(cut(Term::Residual, self.residual_points));
        }
        let parts: Vec<(f64, Gradient<E>)> = blocks
            .par_iter()
            .map(|&block| {
                let (sum, loss) =
                    self.block_loss(network, streams, step, block, OwnedTape::default())?;
                let gradients = loss.try_backward().map_err(backend)?;
                Ok((sum, network.collect_gradient(gradients)?))
            })
            .collect::<Result<_, NetworkError>>()?;
        let mut gradient = Gradient::zeros(network);
        let (mut denoising, mut residual) = (0.0, 0.0);
        for (block, (sum, part)) in blocks.iter().zip(&parts) {
            gradient.add(part);
            match block.term {
                Term::Denoising => denoising += sum,
                Term::Residual => residual += sum,
            }
        }
        denoising /= (self.denoising_points * self.target.dim()) as f64;
        if self.residual_weight > 0.0 {
            residual /= self.residual_points as f64;
        }
        let finite = |part, value: f64| {
            if value.is_finite() {
                Ok(value)
            } else {
                Err(ObjectiveError::NotFinite { part, value, step })
            }
        };
        finite("denoising loss", denoising)?;
        finite("mean squared residual", residual)?;
        finite("gradient", gradient.0.iter().map(|g| g.wide().abs()).sum())?;
        let total = denoising + self.residual_weight * residual;
        let residual = (self.residual_weight > 0.0).then_some(residual);
        Ok((Losses { total, denoising, residual }, gradient))
    }

    /// `mean ε²` over the collocation points of training step `step`, without a gradient: how the
    /// residual of a network is followed whose objective does not contain it.
    ///
    /// # Errors
    /// If it is not finite, or the network cannot be evaluated.
    pub fn mean_squared_residual<E: Element>(
        &self,
        network: &Mlp<E>,
        streams: Streams,
        step: u64,
    ) -> Result<f64, ObjectiveError> {
        let sums: Vec<f64> = cut(Term::Residual, self.residual_points)
            .into_par_iter()
            .map(|block| Ok(self.block_loss(network, streams, step, block, NoneTape)?.0))
            .collect::<Result<_, NetworkError>>()?;
        let value = sums.iter().sum::<f64>() / self.residual_points as f64;
        if value.is_finite() {
            Ok(value)
        } else {
            Err(ObjectiveError::NotFinite { part: "mean squared residual", value, step })
        }
    }

    /// The sum of squares of one block, and that sum times its factor in the objective as a tensor.
    fn block_loss<E: Element, T: Tape<E, E::Device>>(
        &self,
        network: &Mlp<E>,
        streams: Streams,
        step: u64,
        block: Block,
        tape: T,
    ) -> Result<(f64, Scalar<E, T>), NetworkError> {
        let rng = |purpose| streams.rng(purpose, step, block.index as u64);
        let dim = self.target.dim();
        let (errors, factor) = match block.term {
            Term::Denoising => {
                let batch = DenoisingBatch::<E>::draw(
                    block.points,
                    self.target,
                    self.sde,
                    self.times,
                    &mut rng(Purpose::Denoising),
                );
                let (t, x) = (batch.t.view(), batch.x.view());
                let jet = network.tensor_jet(t, x, Derivatives::Gradient, tape)?;
                let matched = constant(transposed(batch.score.view()))?;
                let errors = jet.gradient.try_sub(matched).map_err(backend)?;
                (errors, 1.0 / (self.denoising_points * dim) as f64)
            }
            Term::Residual => {
                let horizon = self.sde.horizon();
                let mut rng = rng(Purpose::Collocation);
                let (t, x) = self.collocation.draw(block.points, dim, horizon, &mut rng);
                let jet = network.tensor_jet(t.view(), x.view(), Derivatives::All, tape)?;
                let epsilon = residual_tensor(jet, self.sde, t.view(), x.view())?;
                (epsilon, self.residual_weight / self.residual_points as f64)
            }
        };
        let loss = errors.try_square().map_err(backend)?.try_sum().map_err(backend)?;
        let sum = loss.as_vec().iter().map(|sum: &E| sum.wide()).sum();
        Ok((sum, loss.try_mul(E::of(factor)).map_err(backend)?))
    }
}

/// `ε = ∂_t φ + ∇·f + Σ_k s_k (f_k − ½ g² s_k) − ½ g² Δφ` on the tape of a jet.
fn residual_tensor<E: Element, T: Tape<E, E::Device>>(
    jet: TensorJet<E, T>,
    sde: &dyn Sde,
    t: ArrayView1<'_, E>,
    x: ArrayView2<'_, E>,
) -> Result<Tensor<(usize,), E, E::Device, T>, NetworkError> {
    let (n, dim) = (x.nrows(), x.ncols());
    let Some(second) = jet.second else {
        return Err(NetworkError::Backend("the residual needs all derivatives".into()));
    };
    let rates: Vec<E> = t.iter().map(|t| E::of(sde.drift_rate(t.wide()))).collect();
    let half_squares: Vec<E> =
        t.iter().map(|t| E::of(0.5 * sde.diffusion(t.wide()).powi(2))).collect();
    let divergence = constant(rates.iter().map(|&a| a * E::of(dim as f64)).collect())?;
    let drift = transposed(x).into_iter().zip(rates.iter().cycle()).map(|(x, &a)| a * x).collect();
    let repeated = half_squares.iter().copied().cycle().take(dim * n).collect();
    let quadratic = jet.gradient.retaped::<T>().try_mul(constant(repeated)?).map_err(backend)?;
    let inner = (-quadratic).try_add(constant(drift)?).map_err(backend)?;
    let transport = inner
        .try_mul(jet.gradient)
        .and_then(|products| products.try_reshape_like(&(dim, n)))
        .and_then(|products| products.try_sum::<(usize,), Axis<0>>())
        .map_err(backend)?;
    let diffusion = second.laplacian.try_mul(constant(half_squares)?).map_err(backend)?;
    second
        .time_derivative
        .try_add(divergence)
        .and_then(|sum| sum.try_add(transport))
        .and_then(|sum| sum.try_sub(diffusion))
        .map_err(backend)
}

fn cut(term: Term, points: usize) -> Vec<Block> {
    (0..points.div_ceil(BLOCK))
        .map(|index| Block { term, index, points: BLOCK.min(points - index * BLOCK) })
        .collect()
}

/// The entries of `[n, d]` column by column, as a [`TensorJet`] lays out gradients.
fn transposed<E: Element>(x: ArrayView2<'_, E>) -> Vec<E> {
    x.t().iter().copied().collect()
}

fn constant<E: Element>(entries: Vec<E>) -> Result<Constant<E>, NetworkError> {
    let shape = (entries.len(),);
    E::Device::default().try_tensor_from_vec(entries, shape).map_err(backend)
}

fn backend(error: impl std::fmt::Display) -> NetworkError {
    NetworkError::Backend(error.to_string())
}
