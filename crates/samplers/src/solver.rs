use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The schemes by which a process is solved. Each file of `scheme` has the formula and the source of one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Solver {
    /// Euler's method, and Euler–Maruyama.
    #[default]
    Euler,
    /// Heun's method, and stochastic Heun; of adaptive steps, too.
    Heun,
    /// The midpoint method.
    Midpoint,
    /// The classical Runge–Kutta method.
    RungeKutta4,
    /// Bogacki and Shampine's 3(2); of adaptive steps, too.
    BogackiShampine,
    /// Dormand and Prince's 5(4); of adaptive steps, too.
    DormandPrince,
    /// The two-step Adams–Bashforth method.
    AdamsBashforth2,
    /// The three-step Adams–Bashforth method.
    AdamsBashforth3,
    /// The four-step Adams–Bashforth method.
    AdamsBashforth4,
    /// Exponential Euler: DDIM, DPM-Solver-1, and exponential Euler–Maruyama.
    ExponentialEuler,
    /// DPM-Solver-2.
    DpmSolver2,
    /// DPM-Solver-3.
    DpmSolver3,
    /// DPM-Solver++(2M), and SDE-DPM-Solver++(2M).
    DpmSolverPlusPlus2M,
    /// Ancestral sampling: DDPM, and DDIM with its `η` for `λ`.
    Ancestral,
    /// Rößler's SRA1.
    Sra1,
    /// Exponential Euler–Maruyama corrected by Langevin steps.
    PredictorCorrector,
}

/// What a [`Solver`] solves, and at what order and cost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Properties {
    /// The name on the command line.
    pub name: &'static str,
    /// The order for the probability-flow ODE; `None` if it does not converge to its law.
    pub order: Option<u32>,
    /// The weak order for processes with noise; `None` if it solves the ODE alone, or does not converge.
    pub weak_order: Option<u32>,
    /// The strong order for processes with noise; `None` as for the weak one.
    pub strong_order: Option<f64>,
    /// Evaluations of the score in a step, but for the first steps of a method with memory.
    pub evaluations: u32,
    /// Whether it can choose its steps by a tolerance.
    pub adaptive: bool,
}

impl Solver {
    /// All solvers.
    pub const ALL: [Self; 16] = [
        Self::Euler,
        Self::Heun,
        Self::Midpoint,
        Self::RungeKutta4,
        Self::BogackiShampine,
        Self::DormandPrince,
        Self::AdamsBashforth2,
        Self::AdamsBashforth3,
        Self::AdamsBashforth4,
        Self::ExponentialEuler,
        Self::DpmSolver2,
        Self::DpmSolver3,
        Self::DpmSolverPlusPlus2M,
        Self::Ancestral,
        Self::Sra1,
        Self::PredictorCorrector,
    ];

    /// What it solves, and at what order and cost.
    pub fn properties(self) -> Properties {
        let ode = |name, order, evaluations, adaptive| Properties {
            name,
            order: Some(order),
            weak_order: None,
            strong_order: None,
            evaluations,
            adaptive,
        };
        let sde = |name, order, weak, strong, evaluations, adaptive| Properties {
            name,
            order: Some(order),
            weak_order: Some(weak),
            strong_order: strong,
            evaluations,
            adaptive,
        };
        match self {
            Self::Euler => sde("euler", 1, 1, Some(1.0), 1, false),
            Self::Heun => sde("heun", 2, 2, Some(1.0), 2, true),
            Self::Midpoint => ode("midpoint", 2, 2, false),
            Self::RungeKutta4 => ode("runge-kutta-4", 4, 4, false),
            Self::BogackiShampine => ode("bogacki-shampine", 3, 3, true),
            Self::DormandPrince => ode("dormand-prince", 5, 6, true),
            Self::AdamsBashforth2 => ode("adams-bashforth-2", 2, 1, false),
            Self::AdamsBashforth3 => ode("adams-bashforth-3", 3, 1, false),
            Self::AdamsBashforth4 => ode("adams-bashforth-4", 4, 1, false),
            Self::ExponentialEuler => sde("exponential-euler", 1, 1, Some(1.0), 1, false),
            Self::DpmSolver2 => ode("dpm-solver-2", 2, 2, false),
            Self::DpmSolver3 => ode("dpm-solver-3", 3, 3, false),
            Self::DpmSolverPlusPlus2M => sde("dpm-solver-pp-2m", 2, 2, Some(1.0), 1, false),
            Self::Ancestral => sde("ancestral", 1, 1, Some(1.0), 1, false),
            Self::Sra1 => sde("sra1", 2, 2, Some(1.5), 2, false),
            // Langevin steps of a fixed size leave a bias, however small the steps in time.
            Self::PredictorCorrector => Properties {
                name: "predictor-corrector",
                order: None,
                weak_order: None,
                strong_order: None,
                evaluations: 2,
                adaptive: false,
            },
        }
    }

    /// Whether it asks for the score at the last of the times of a grid of so many steps.
    pub(crate) fn asks_at_end(self, steps: usize) -> bool {
        match self {
            Self::Heun
            | Self::RungeKutta4
            | Self::BogackiShampine
            | Self::DormandPrince
            | Self::PredictorCorrector => true,
            // They start by the Runge–Kutta method of order 4.
            Self::AdamsBashforth2 => steps < 2,
            Self::AdamsBashforth3 => steps < 3,
            Self::AdamsBashforth4 => steps < 4,
            _ => false,
        }
    }

    /// The power of the step with which its estimate of the error falls.
    pub(crate) fn error_order(self) -> f64 {
        match self {
            Self::Heun => 2.0,
            Self::BogackiShampine => 3.0,
            _ => 5.0,
        }
    }

    /// The largest weight `λ` of the noise that it knows: 0 if it solves the ODE alone.
    pub fn largest_lambda(self) -> f64 {
        match self {
            Self::Ancestral => 1.0,
            Self::PredictorCorrector => f64::INFINITY,
            _ if self.properties().weak_order.is_none() => 0.0,
            _ => f64::INFINITY,
        }
    }
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.properties().name)
    }
}

/// A name that no [`Solver`] has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no solver `{name}`; known are {}", known())]
pub struct UnknownSolver {
    /// The name.
    pub name: String,
}

fn known() -> String {
    Solver::ALL.map(|solver| solver.properties().name).join(", ")
}

impl FromStr for Solver {
    type Err = UnknownSolver;

    fn from_str(name: &str) -> Result<Self, UnknownSolver> {
        let found = Self::ALL.into_iter().find(|solver| solver.properties().name == name);
        found.ok_or_else(|| UnknownSolver { name: name.to_owned() })
    }
}
