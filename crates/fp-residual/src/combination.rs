use fokker_score_net::Output;

use crate::{LaplacianRule, Residual, ResidualForm};

/// Why parts of an objective do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Combination {
    /// Of a vector score only the score form of the residual is known.
    #[error(
        "a vector score has no potential, which this form of the residual needs; its form is Score"
    )]
    VectorForm,
    /// The score form of vector scores in many dimensions.
    #[error(
        "the score form of a vector score takes d(d + 1)/2 second derivatives, too many beyond {} dimensions; a potential \
         takes it along random directions",
        Combination::MOST_VECTOR_DIMENSIONS
    )]
    VectorDimensions,
    /// Probes with a form that is not unbiased with them.
    #[error("probes estimate the Laplacian without bias in the form LogDensity only")]
    Probes,
    /// A box in many dimensions.
    #[error(
        "hardly a point of a box in more than {} dimensions is near the data: take collocation points from the marginals or \
         from trajectories, shares: (inside_box: 0, marginal: 1)",
        Combination::MOST_BOX_DIMENSIONS
    )]
    Box,
    /// No law of collocation points has a positive share.
    #[error("one of the shares of the collocation points must be positive")]
    NoShares,
    /// The points do not make whole groups.
    #[error(
        "the points of this form of the residual come in groups: their number must be a multiple of 8"
    )]
    Groups,
    /// A condition on a vector score that needs a potential.
    #[error("a vector score has no potential, which the initial and the boundary condition need")]
    VectorCondition,
    /// An initial condition without a density.
    #[error("the initial condition needs a target whose density is known")]
    NoDensity,
}

impl Combination {
    /// The most dimensions of a vector score in the score form.
    pub const MOST_VECTOR_DIMENSIONS: usize = 16;

    /// The most dimensions of a box of collocation points.
    pub const MOST_BOX_DIMENSIONS: usize = 6;
}

impl Combination {
    /// Refuses what does not fit together in the residual's term, for a network with this output and points of `dim`
    /// dimensions.
    ///
    /// # Errors
    /// Names the first combination that makes no sense.
    pub fn check_residual(residual: &Residual, output: Output, dim: usize) -> Result<(), Self> {
        let Residual { points, form, laplacian, collocation, .. } = *residual;
        let shares = collocation.shares;
        let broken = [
            (output == Output::Vector && form != ResidualForm::Score, Self::VectorForm),
            (
                output == Output::Vector && dim > Self::MOST_VECTOR_DIMENSIONS,
                Self::VectorDimensions,
            ),
            (laplacian != LaplacianRule::Exact && form != ResidualForm::LogDensity, Self::Probes),
            (shares.inside_box > 0.0 && dim > Self::MOST_BOX_DIMENSIONS, Self::Box),
            (shares.inside_box + shares.marginal + shares.trajectories <= 0.0, Self::NoShares),
            (points % 8 != 0 && form.rows(laplacian) > 1, Self::Groups),
        ];
        broken.into_iter().find(|(broken, _)| *broken).map_or(Ok(()), |(_, why)| Err(why))
    }
}
