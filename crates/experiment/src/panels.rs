//! What the panels of densities of a model are.

use fokker_metrics::Histogram;

use crate::Distances;
use crate::figures::DensityPanel;

/// The headings over the panels of a model.
pub(crate) const COLUMNS: [&str; 3] = ["SDE", "ODE", "truth"];

/// The densities of the samplers and the truth, with the distances between them.
pub(crate) fn model_panels(
    distances: &Distances,
    sde: &Histogram,
    ode: &Histogram,
    truth: &Histogram,
) -> Vec<DensityPanel> {
    let panel = |histogram: &Histogram, caption: String| DensityPanel {
        // One that is not of the plane is refused as not square when it is drawn.
        density: histogram.density().into_dimensionality().unwrap_or_default(),
        caption: Some(caption),
    };
    let to_truth = |w2sq: f64| format!("W2² to the truth {w2sq:.4}");
    vec![
        panel(sde, to_truth(distances.w2sq_sde_truth)),
        panel(ode, to_truth(distances.w2sq_ode_truth)),
        panel(truth, format!("W2² ODE to SDE {:.4}", distances.w2sq_ode_sde)),
    ]
}
