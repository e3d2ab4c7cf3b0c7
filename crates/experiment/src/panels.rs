//! What the panels of densities of a model are.

use ndarray::Array2;

use crate::figures::DensityPanel;
use crate::view::View;
use crate::{Distances, Error};

/// The headings over the panels of a model.
pub(crate) const COLUMNS: [&str; 3] = ["SDE", "ODE", "truth"];

/// What stands under the one panel of a model of points on the line.
pub(crate) fn caption(distances: &Distances) -> String {
    format!(
        "{} SDE–truth {:.3}, ODE–truth {:.3}, ODE–SDE {:.3}",
        distances.distance.symbol(),
        distances.w2sq_sde_truth,
        distances.w2sq_ode_truth,
        distances.w2sq_ode_sde,
    )
}

/// What stands under the panels of a model.
fn captions(distances: &Distances) -> [String; 3] {
    let symbol = distances.distance.symbol();
    let to_truth = |w2sq: f64| format!("{symbol} to the truth {w2sq:.4}");
    [
        to_truth(distances.w2sq_sde_truth),
        to_truth(distances.w2sq_ode_truth),
        format!("{symbol} ODE to SDE {:.4}", distances.w2sq_ode_sde),
    ]
}

/// The densities of points of the SDE, the ODE and the truth, with the distances between them.
pub(crate) fn model_panels(
    view: &View,
    distances: &Distances,
    points: [&Array2<f32>; 3],
) -> Result<Vec<DensityPanel>, Error> {
    let panels = points.into_iter().zip(captions(distances));
    panels
        .map(|(points, caption)| {
            Ok(DensityPanel { density: view.density(points)?, caption: Some(caption) })
        })
        .collect()
}
