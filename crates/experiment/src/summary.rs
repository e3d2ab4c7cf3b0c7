use std::fmt::Write;

use serde::{Deserialize, Serialize};

use crate::report::remarks;
use crate::text_table::TextTable;
use crate::{Cell, DistanceKind, Error, Experiment};

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
            "truth outside",
            "train",
            "sample",
        ];
        let mut table = TextTable::new(&heads);
        for cell in &self.cells {
            let distances = &cell.distances;
            let dash = || "–".to_owned();
            let outside = |share: f64| match distances.distance {
                DistanceKind::W2sqGrid => format!("{:.2} %", 100.0 * share),
                _ => dash(),
            };
            let seconds = |seconds: f64| format!("{seconds:.1} s");
            table.row(vec![
                cell.target.clone(),
                cell.w_r.map_or_else(String::new, |w_r| w_r.to_string()),
                format!("{:.5}", distances.w2sq_ode_truth),
                format!("{:.5}", distances.w2sq_sde_truth),
                format!("{:.5}", distances.w2sq_ode_sde),
                format!("{:.5}", distances.floor),
                cell.residual.mean_residual_sq.map_or_else(dash, |mean| format!("{mean:.2e}")),
                outside(distances.outside_ode),
                outside(distances.outside_sde),
                outside(distances.outside_truth),
                cell.train_seconds.map_or_else(String::new, seconds),
                seconds(cell.sample_seconds),
            ]);
        }
        let mut text = self.heading(experiment);
        let _ = write!(text, "\n{table}\nThe floor is what {} is between ", self.symbol());
        let same = self.cells.iter().all(|cell| cell.distances.n == cell.distances.n_truth);
        text.push_str(match same {
            true => "two draws of N points of the truth.",
            false => "draws of as many points of the truth as the two sides have.",
        });
        if self.cells.iter().any(|cell| cell.distances.distance == DistanceKind::W2sqGrid) {
            text.push_str(
                " Points outside the box are in no distance: where there are many, the distances flatter.",
            );
        }
        text.push('\n');
        text
    }

    /// What the distances are: in one line if they are all found in the same way, else in one for each
    /// target.
    fn heading(&self, experiment: &Experiment) -> String {
        let words = |cell: &Cell| {
            let how = cell.distances.distance.words(&experiment.protocol());
            format!("{how}, seed {}{}", experiment.seed, remarks(cell))
        };
        let mut lines: Vec<(&str, String)> = Vec::new();
        for cell in &self.cells {
            if lines.iter().all(|(target, _)| *target != cell.target) {
                lines.push((&cell.target, words(cell)));
            }
        }
        match &lines[..] {
            [(_, first), rest @ ..] if rest.iter().all(|(_, line)| line == first) => {
                format!("{first}\n")
            }
            _ => lines.iter().map(|(target, line)| format!("{target}: {line}\n")).collect(),
        }
    }

    /// What all distances are called.
    fn symbol(&self) -> &'static str {
        let mut symbols = self.cells.iter().map(|cell| cell.distances.distance.symbol());
        match symbols.next() {
            Some(first) if symbols.all(|symbol| symbol == first) => first,
            _ => "the distance",
        }
    }
}
