use serde::{Deserialize, Serialize};

use crate::text_table::TextTable;
use crate::{Cell, Error, Experiment};

/// The results of a run: what `summary.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The finished cells, target by target and weight by weight, in the order of the configuration.
    pub cells: Vec<Cell>,
}

impl Summary {
    /// The summary as one line of JSON.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string(self).map_err(|error| Error::Internal(error.to_string()))
    }

    /// The results as a table for people.
    pub fn table(&self, experiment: &Experiment) -> String {
        let measurement = &experiment.measurement;
        let heads = [
            "target",
            "w_R",
            "ODE–truth",
            "SDE–truth",
            "ODE–SDE",
            "floor",
            "mean ε²",
            "ODE outside",
            "SDE outside",
            "train",
            "sample",
        ];
        let mut table = TextTable::new(&heads);
        for cell in &self.cells {
            let distances = &cell.distances;
            let seconds = |seconds: f64| format!("{seconds:.1} s");
            table.row(vec![
                cell.target.clone(),
                cell.w_r.map_or_else(String::new, |w_r| w_r.to_string()),
                format!("{:.5}", distances.w2sq_ode_truth),
                format!("{:.5}", distances.w2sq_sde_truth),
                format!("{:.5}", distances.w2sq_ode_sde),
                format!("{:.5}", distances.floor),
                format!("{:.2e}", cell.residual.mean_residual_sq),
                format!("{:.2} %", 100.0 * distances.outside_ode),
                format!("{:.2} %", 100.0 * distances.outside_sde),
                cell.train_seconds.map_or_else(String::new, seconds),
                seconds(cell.sample_seconds),
            ]);
        }
        format!(
            "W2² between histograms of N = {} points on {nodes} × {nodes} nodes over ±{}, seed {}\n\n{table}\n\
             The floor is what W2² is between two draws of N points of the truth. Points outside the box are \
             in no distance: where there are many, the distances flatter.\n",
            experiment.sampling.particles,
            measurement.extent,
            experiment.seed,
            nodes = measurement.nodes,
        )
    }
}
