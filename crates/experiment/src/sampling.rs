use std::fmt;
use std::str::FromStr;

use fokker_samplers::{LastStep, Noise, ReverseProcess, Sampler, Solver, Tolerance};
use fokker_sde_core::{Formula, GridRule, Score, Sde, SdeError, TimeGrid};
use serde::de::{Error as _, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Error, Method, checked};

/// How models are sampled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// The number `N` of particles for each sampler, and of points of the truth.
    #[serde(deserialize_with = "checked::several")]
    pub particles: usize,
    /// The time grid.
    pub grid: GridRule,
    /// How the processes are solved; Euler if not given.
    #[serde(default)]
    pub solver: Solver,
    /// With a tolerance the solver chooses its steps itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
    /// How the last step of the grid is taken; without noise if not given.
    #[serde(default)]
    pub last_step: LastStep,
    /// The weight `λ` of the noise of the process that is called the SDE; 1 if not given.
    #[serde(default)]
    pub lambda: NoiseWeight,
    /// How the ODE is solved, if otherwise than the SDE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ode: Option<Solving>,
}

/// How one process is solved; the fields are those of [`Sampling`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Solving {
    /// The time grid.
    pub grid: GridRule,
    /// The scheme; Euler if not given.
    #[serde(default)]
    pub solver: Solver,
    /// With a tolerance the solver chooses its steps itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance: Option<Tolerance>,
    /// How the last step of the grid is taken; without noise if not given.
    #[serde(default)]
    pub last_step: LastStep,
}

impl Sampling {
    /// `particles` particles by the scheme of Deveney et al. (2025) on a grid.
    pub fn euler(particles: usize, grid: GridRule) -> Self {
        Self {
            particles,
            grid,
            solver: Solver::default(),
            tolerance: None,
            last_step: LastStep::default(),
            lambda: NoiseWeight::default(),
            ode: None,
        }
    }

    /// How one of the two is solved.
    pub fn solving(&self, method: Method) -> Solving {
        match (&self.ode, method) {
            (Some(ode), Method::Ode) => ode.clone(),
            _ => Solving {
                grid: self.grid.clone(),
                solver: self.solver,
                tolerance: self.tolerance,
                last_step: self.last_step,
            },
        }
    }

    /// The sampler of one of the two, with its time grid.
    ///
    /// # Errors
    /// If the grid or the solver does not fit the diffusion or the process.
    pub(crate) fn sampler(
        &self,
        method: Method,
        sde: &dyn Sde,
    ) -> Result<(Sampler, TimeGrid), Error> {
        let Solving { grid, solver, tolerance, last_step } = self.solving(method);
        let process = match method {
            Method::Ode => ReverseProcess::ODE,
            Method::Sde => self.lambda.process(),
        };
        let grid = grid.grid(sde)?;
        let sampler = Sampler { process, solver, tolerance, noise: Noise::Steps, last_step };
        sampler.check(sde, &grid).map_err(|source| Error::Solver { method, source })?;
        Ok((sampler, grid))
    }

    /// Refuses what does not fit the diffusion, or the score, trained or not.
    ///
    /// # Errors
    /// As sampling does before it starts.
    pub fn check(&self, score: &dyn Score<f32>, sde: &dyn Sde) -> Result<(), Error> {
        [Method::Sde, Method::Ode].into_iter().try_for_each(|method| {
            let (sampler, grid) = self.sampler(method, sde)?;
            let checked = sampler.check_score(score, sde, &grid);
            checked.map_err(|source| Error::Solver { method, source })
        })
    }
}

/// The weight `λ` of the noise of a reverse process: a number, or a formula in `t`.
#[derive(Debug, Clone)]
pub enum NoiseWeight {
    /// The same at all times.
    Constant(f64),
    /// `λ(t)`.
    Formula(Formula),
}

impl Default for NoiseWeight {
    /// That of the reverse-time SDE.
    fn default() -> Self {
        Self::Constant(1.0)
    }
}

impl NoiseWeight {
    fn process(&self) -> ReverseProcess {
        match self {
            // What is no weight is refused where a formula's value would be.
            Self::Constant(lambda) => ReverseProcess::family(*lambda).unwrap_or_else(|| {
                let lambda = *lambda;
                ReverseProcess::varying(move |_| lambda)
            }),
            Self::Formula(formula) => {
                let formula = formula.clone();
                ReverseProcess::varying(move |t| formula.at(t))
            }
        }
    }
}

impl PartialEq for NoiseWeight {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for NoiseWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant(lambda) => write!(f, "{lambda}"),
            Self::Formula(formula) => write!(f, "{formula}"),
        }
    }
}

impl FromStr for NoiseWeight {
    type Err = SdeError;

    fn from_str(text: &str) -> Result<Self, SdeError> {
        match text.parse() {
            Ok(lambda) => Ok(Self::Constant(lambda)),
            Err(_) => text.parse().map(Self::Formula),
        }
    }
}

impl Serialize for NoiseWeight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Constant(lambda) => serializer.serialize_f64(*lambda),
            Self::Formula(formula) => formula.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for NoiseWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Weight;
        impl Visitor<'_> for Weight {
            type Value = NoiseWeight;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number, at least 0, or a formula in t in quotes")
            }

            fn visit_f64<E: serde::de::Error>(self, lambda: f64) -> Result<NoiseWeight, E> {
                match ReverseProcess::family(lambda) {
                    Some(_) => Ok(NoiseWeight::Constant(lambda)),
                    None => Err(E::custom("must be from 0 to 1e6")),
                }
            }

            fn visit_u64<E: serde::de::Error>(self, lambda: u64) -> Result<NoiseWeight, E> {
                self.visit_f64(lambda as f64)
            }

            fn visit_i64<E: serde::de::Error>(self, lambda: i64) -> Result<NoiseWeight, E> {
                self.visit_f64(lambda as f64)
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<NoiseWeight, E> {
                text.parse().map(NoiseWeight::Formula).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Weight).map_err(D::Error::custom)
    }
}
