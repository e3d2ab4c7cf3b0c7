use serde::Serialize;

use crate::{Cell, Error, Experiment, run_folder};

/// The results of a run: what `summary.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The cells, target by target and weight by weight, in the order of the configuration.
    pub cells: Vec<Cell>,
}

impl Summary {
    /// The summary as one line of JSON.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, Error> {
        run_folder::json(self)
    }

    /// The results as a table for people.
    pub fn table(&self, experiment: &Experiment) -> String {
        let measurement = &experiment.measurement;
        let mut text = format!(
            "W2² between histograms of N = {} points on {nodes} × {nodes} nodes over ±{}, seed {}\n\n",
            experiment.sampling.particles,
            measurement.extent,
            experiment.seed,
            nodes = measurement.nodes,
        );
        let rule = |text: &mut String, widths: &[usize]| {
            let line: Vec<String> = widths.iter().map(|w| "─".repeat(*w)).collect();
            text.push_str(&line.join("──"));
            text.push('\n');
        };
        let widths = [12, 6, 9, 9, 9, 9, 9, 11, 11, 8, 8];
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
        let row = |text: &mut String, entries: &[String]| {
            let line: Vec<String> = entries
                .iter()
                .zip(widths)
                .enumerate()
                .map(|(column, (entry, width))| match column {
                    0 => format!("{entry:<width$}"),
                    _ => format!("{entry:>width$}"),
                })
                .collect();
            text.push_str(line.join("  ").trim_end());
            text.push('\n');
        };
        row(&mut text, &heads.map(str::to_owned));
        rule(&mut text, &widths);
        for cell in &self.cells {
            row(
                &mut text,
                &[
                    cell.id.target.to_string(),
                    cell.id.w_r.to_string(),
                    format!("{:.5}", cell.w2sq_ode_truth),
                    format!("{:.5}", cell.w2sq_sde_truth),
                    format!("{:.5}", cell.w2sq_ode_sde),
                    format!("{:.5}", cell.floor),
                    format!("{:.2e}", cell.mean_residual_sq),
                    format!("{:.2} %", 100.0 * cell.outside_ode),
                    format!("{:.2} %", 100.0 * cell.outside_sde),
                    format!("{:.1} s", cell.train_seconds),
                    format!("{:.1} s", cell.sample_seconds),
                ],
            );
        }
        text.push_str(
            "\nThe floor is what W2² is between two draws of N points of the truth. Points outside the \
             box are in no distance: where there are many, the distances flatter.\n",
        );
        text
    }
}
