//! The schemes behind [`Solver`], one per file: how a block of particles takes one step.

mod adams_bashforth;
mod ancestral;
mod dpm_solver;
mod dpm_solver_plus_plus;
mod euler;
mod exponential_euler;
mod heun;
mod log_snr;
#[cfg(test)]
mod orders;
mod predictor_corrector;
mod runge_kutta;
mod sra;
mod tableau;

use fokker_sde_core::Real;
use ndarray::Array2;
use rand_distr::{Distribution, StandardNormal};

use crate::dynamics::Dynamics;
use crate::noise::Increments;
use crate::{SamplingError, Solver};

pub(crate) use euler::noise_free_step;
pub(crate) use exponential_euler::denoise;
pub(crate) use runge_kutta::RungeKutta;
pub(crate) use tableau::Tableau;

/// The particles of a block on their way, `[n, d]`, with the process that they follow.
pub(crate) struct Block<'a, F> {
    pub(crate) dynamics: &'a Dynamics<'a, F>,
    pub(crate) noise: &'a mut Increments,
    /// Where they are; a step leaves where they arrive.
    pub(crate) x: Array2<F>,
}

/// How one solver takes a step; what it remembers belongs to one block.
pub(crate) trait Scheme<F: Real> {
    /// Moves the particles from time `from` to time `to`.
    fn step(&mut self, block: &mut Block<'_, F>, from: f64, to: f64) -> Result<(), SamplingError>;

    /// An estimate of the error of the last step for each number, if the scheme has one.
    fn error(&self) -> Option<&Array2<F>> {
        None
    }

    /// Called when the last step counts: of adaptive steps, some are taken back.
    fn accept(&mut self) {}
}

impl Solver {
    /// The tableau, if it is a Runge–Kutta method for the ODE.
    pub(crate) fn tableau(self) -> Option<&'static Tableau> {
        match self {
            Self::Euler => Some(&Tableau::EULER),
            Self::Heun => Some(&Tableau::HEUN),
            Self::Midpoint => Some(&Tableau::MIDPOINT),
            Self::RungeKutta4 => Some(&Tableau::RUNGE_KUTTA_4),
            Self::BogackiShampine => Some(&Tableau::BOGACKI_SHAMPINE),
            Self::DormandPrince => Some(&Tableau::DORMAND_PRINCE),
            _ => None,
        }
    }

    /// The scheme for a block of this shape; `corrections` is the noise of its Langevin steps.
    pub(crate) fn scheme<F: Real>(
        self,
        shape: (usize, usize),
        corrections: fokker_sde_core::StreamRng,
    ) -> Box<dyn Scheme<F>>
    where
        StandardNormal: Distribution<F>,
    {
        let runge_kutta = |tableau| Box::new(RungeKutta::new(tableau, shape)) as Box<dyn Scheme<F>>;
        match self {
            Self::Euler => Box::new(euler::EulerMaruyama::new(shape)),
            Self::Heun => Box::new(heun::Heun::new(shape)),
            Self::Midpoint => runge_kutta(&Tableau::MIDPOINT),
            Self::RungeKutta4 => runge_kutta(&Tableau::RUNGE_KUTTA_4),
            Self::BogackiShampine => runge_kutta(&Tableau::BOGACKI_SHAMPINE),
            Self::DormandPrince => runge_kutta(&Tableau::DORMAND_PRINCE),
            Self::AdamsBashforth2 => Box::new(adams_bashforth::AdamsBashforth::new(2, shape)),
            Self::AdamsBashforth3 => Box::new(adams_bashforth::AdamsBashforth::new(3, shape)),
            Self::AdamsBashforth4 => Box::new(adams_bashforth::AdamsBashforth::new(4, shape)),
            Self::ExponentialEuler => Box::new(exponential_euler::ExponentialEuler::new(shape)),
            Self::DpmSolver2 => Box::new(dpm_solver::DpmSolver2::new(shape)),
            Self::DpmSolver3 => Box::new(dpm_solver::DpmSolver3::new(shape)),
            Self::DpmSolverPlusPlus2M => {
                Box::new(dpm_solver_plus_plus::DpmSolverPlusPlus2M::new(shape))
            }
            Self::Ancestral => Box::new(ancestral::Ancestral::new(shape)),
            Self::Sra1 => Box::new(sra::Sra1::new(shape)),
            Self::PredictorCorrector => {
                Box::new(predictor_corrector::PredictorCorrector::new(shape, corrections))
            }
        }
    }
}
