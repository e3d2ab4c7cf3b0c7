//! Recipes beside each other: the three distances of each of their networks, and which are not beaten in all of them.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::figures::{ScatterFigure, ScatterPoint, ScatterSeries, ScatterStyle};
use crate::pareto::front;
use crate::run_folder::RunReader;
use crate::target_spec::clean_label;
use crate::text_table::TextTable;
use crate::{Error, files};

/// A network of a recipe, with its squared distances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    /// The target.
    pub target: String,
    /// What it was made by: the name of the run's folder, without its seed at the end, or what a table says.
    pub recipe: String,
    /// The seed, if that is known.
    #[serde(default)]
    pub seed: Option<u64>,
    /// The weight of the residual, if that is known.
    pub w_r: Option<f64>,
    /// `W2²` between the ODE's samples and the truth.
    pub ode_truth: f64,
    /// `W2²` between the SDE's samples and the truth.
    pub sde_truth: f64,
    /// `W2²` between the ODE's and the SDE's samples.
    pub ode_sde: f64,
    /// The noise floor of the first two, if that is known.
    pub floor: Option<f64>,
    /// How the distances are measured, if that is known.
    #[serde(default, skip_deserializing)]
    pub how: Option<String>,
    /// Whether no other network of the target has all three distances at least as small and one smaller: whether it is on the Pareto front.
    #[serde(default, skip_deserializing)]
    pub front: bool,
}

impl Compared {
    fn distances(&self) -> [f64; 3] {
        [self.ode_truth, self.sde_truth, self.ode_sde]
    }
}

/// The networks of run folders, finished or not, and of CSV files with the columns `target`, `recipe`, `w_r`, `ode_truth`, `sde_truth`,
/// `ode_sde` and `floor`, and `seed` if they like, target by target in the order that they come in. If `figures` is given, two figures of each target are written to that folder: `TARGET-gap.png`, the gap
/// against SDE–truth, and `TARGET-ode.png`, ODE–truth against it.
///
/// # Errors
/// If a file cannot be read or written, or holds no finished network.
pub fn compare(inputs: &[PathBuf], figures: Option<&Path>) -> Result<Vec<Compared>, Error> {
    let mut all = Vec::new();
    for (index, input) in inputs.iter().enumerate() {
        let place = |path: &Path| path.canonicalize().ok();
        if place(input).is_some()
            && inputs[..index].iter().any(|other| place(other) == place(input))
        {
            let reason = "is given twice".to_owned();
            return Err(Error::Content { path: input.clone(), reason });
        }
        // Folders of one name are told apart by those that they lie in.
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let alone = inputs.iter().filter(|other| name(other) == name(input)).count() < 2;
        let parent = input.parent().and_then(name).filter(|_| !alone);
        let recipe = parent.into_iter().chain(name(input)).collect::<Vec<_>>().join("/");
        let found = if input.is_dir() { of_run(input, &recipe)? } else { of_table(input)? };
        if found.is_empty() {
            return Err(Error::NothingFinished(input.clone()));
        }
        all.extend(found);
    }
    let mut targets: Vec<String> = Vec::new();
    for network in &all {
        if !targets.contains(&network.target) {
            targets.push(network.target.clone());
        }
    }
    let place = |target: &str| targets.iter().position(|known| known == target);
    all.sort_by_key(|network| place(&network.target));
    for own in all.chunk_by_mut(|a, b| a.target == b.target) {
        let rows: Vec<[f64; 3]> = own.iter().map(Compared::distances).collect();
        own.iter_mut().zip(front(&rows)).for_each(|(network, front)| network.front = front);
    }
    if let Some(folder) = figures {
        files::create_folder(folder)?;
        for (index, target) in targets.iter().enumerate() {
            let networks: Vec<&Compared> =
                all.iter().filter(|network| network.target == *target).collect();
            let stem = clean_label(target);
            let same = targets[..index].iter().filter(|other| clean_label(other) == stem).count();
            let stem = if same == 0 { stem } else { format!("{stem}-{}", same + 1) };
            for (name, y_label, y) in [
                ("gap", "W2² ODE–SDE", (|network| network.ode_sde) as fn(&Compared) -> f64),
                ("ode", "W2² ODE–truth", |network| network.ode_truth),
            ] {
                let figure = figure(&networks, y_label, y);
                files::write(&folder.join(format!("{stem}-{name}.png")), &figure.draw_png()?)?;
            }
        }
    }
    Ok(all)
}

/// The comparison as a table for people; networks on the front have a star.
pub fn comparison_table(networks: &[Compared]) -> String {
    let heads =
        ["target", "recipe", "seed", "w_R", "ODE–truth", "SDE–truth", "ODE–SDE", "floor", "front"];
    let mut table = TextTable::new(&heads);
    for network in networks {
        let number = |value: Option<f64>| match value {
            Some(value) if value < 1e5 => format!("{value:.5}"),
            Some(value) => format!("{value:.5e}"),
            None => "–".to_owned(),
        };
        table.row(vec![
            network.target.clone(),
            network.recipe.clone(),
            network.seed.map_or_else(|| "–".to_owned(), |seed| seed.to_string()),
            network.w_r.map_or_else(|| "–".to_owned(), |w_r| w_r.to_string()),
            number(Some(network.ode_truth)),
            number(Some(network.sde_truth)),
            number(Some(network.ode_sde)),
            number(network.floor),
            if network.front { "*".to_owned() } else { String::new() },
        ]);
    }
    let mut text = format!("{table}\n*: no other network of the target is as good in all three.\n");
    let mut known: Vec<(&str, &str)> = Vec::new();
    for network in networks {
        let how = (network.target.as_str(), network.how.as_deref().unwrap_or("as its table says"));
        if !known.contains(&how) {
            known.push(how);
        }
    }
    for (target, how) in &known {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{target}: {how}.");
    }
    let targets: BTreeSet<&str> = known.iter().map(|(target, _)| *target).collect();
    if targets.len() < known.len() {
        text.push_str(
            "Distances that are not found alike, or between other numbers of points, have other floors.\n",
        );
    }
    text
}

/// Writes the distances to a CSV file that [`compare`] reads.
///
/// # Errors
/// If it cannot be written.
pub fn write_comparison(path: &Path, networks: &[Compared]) -> Result<(), Error> {
    /// The columns of the file.
    #[derive(Serialize)]
    struct Row<'a> {
        target: &'a str,
        recipe: &'a str,
        seed: Option<u64>,
        w_r: Option<f64>,
        ode_truth: f64,
        sde_truth: f64,
        ode_sde: f64,
        floor: Option<f64>,
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    for network in networks {
        let &Compared { seed, w_r, ode_truth, sde_truth, ode_sde, floor, .. } = network;
        let (target, recipe) = (network.target.as_str(), network.recipe.as_str());
        let row = Row { target, recipe, seed, w_r, ode_truth, sde_truth, ode_sde, floor };
        writer.serialize(row).map_err(|error| Error::Internal(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| Error::Internal(error.to_string()))?;
    files::write(path, &bytes)
}

fn of_run(path: &Path, name: &str) -> Result<Vec<Compared>, Error> {
    let (folder, experiment) = RunReader::open(path)?;
    let recipe = name.strip_suffix(&format!("-{}", experiment.seed)).unwrap_or(name);
    let protocol = experiment.protocol();
    let mut found = Vec::new();
    for id in experiment.cells() {
        if let Some(cell) = folder.cell(&id)? {
            found.push(Compared {
                target: id.target,
                recipe: recipe.to_owned(),
                seed: Some(experiment.seed),
                w_r: Some(id.w_r),
                ode_truth: cell.distances.w2sq_ode_truth,
                sde_truth: cell.distances.w2sq_sde_truth,
                ode_sde: cell.distances.w2sq_ode_sde,
                floor: Some(cell.distances.floor),
                how: Some(cell.distances.distance.words(&protocol)),
                front: false,
            });
        }
    }
    Ok(found)
}

fn of_table(path: &Path) -> Result<Vec<Compared>, Error> {
    let bytes = files::read(path)?;
    let mut reader =
        csv::ReaderBuilder::new().comment(Some(b'#')).trim(csv::Trim::All).from_reader(&bytes[..]);
    let content = |reason: String| Error::Content { path: path.to_owned(), reason };
    let heads = reader.headers().map_err(|error| content(error.to_string()))?.clone();
    let mut found = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|error| content(error.to_string()))?;
        let line = row.position().map_or(0, csv::Position::line);
        let network: Compared = row.deserialize(Some(&heads)).map_err(|error| {
            let reason = match error.kind() {
                csv::ErrorKind::Deserialize { err, .. } => {
                    let column = err.field().and_then(|field| heads.get(field as usize));
                    let column =
                        column.map(|name| format!("column `{name}`: ")).unwrap_or_default();
                    format!("{column}{}", err.kind())
                }
                _ => error.to_string(),
            };
            content(format!("line {line}: {reason}"))
        })?;
        network.check().map_err(|reason| content(format!("line {line}: {reason}")))?;
        found.push(network);
    }
    if found.is_empty() {
        return Err(content("has no rows".to_owned()));
    }
    Ok(found)
}

/// The longest name of a target or a recipe, in letters.
const LONGEST: usize = 100;

impl Compared {
    /// Refuses what no run can have found.
    fn check(&self) -> Result<(), String> {
        let distances = self.distances().map(Some);
        for (name, value) in ["ode_truth", "sde_truth", "ode_sde", "w_r", "floor"]
            .into_iter()
            .zip(distances.into_iter().chain([self.w_r, self.floor]))
        {
            if let Some(value) = value.filter(|value| !(0.0..1e30).contains(value)) {
                return Err(format!("column `{name}`: {value} is not between 0 and 1e30"));
            }
        }
        for (name, text) in [("target", &self.target), ("recipe", &self.recipe)] {
            let length = text.chars().count();
            if length == 0 || length > LONGEST || text.chars().any(char::is_control) {
                return Err(format!(
                    "column `{name}`: must have 1 to {LONGEST} letters, none of them a control character"
                ));
            }
        }
        Ok(())
    }
}

/// The most recipes that a figure has colours and names for.
const MOST_RECIPES: usize = 7;

/// The networks of a target, a series for each recipe. Of many recipes only those with a network on the front, and those of tables, which
/// tell no seed, stand out. Points are labelled with their weights where those of a recipe differ.
fn figure(networks: &[&Compared], y_label: &str, y: fn(&Compared) -> f64) -> ScatterFigure {
    let mut recipes: Vec<(&str, Vec<&Compared>)> = Vec::new();
    for &network in networks {
        match recipes.iter_mut().find(|(recipe, _)| *recipe == network.recipe) {
            Some((_, own)) => own.push(network),
            None => recipes.push((&network.recipe, vec![network])),
        }
    }
    let many = recipes.len() > MOST_RECIPES;
    let (front, behind): (Vec<_>, Vec<_>) = recipes.into_iter().partition(|(_, own)| {
        !many || own.iter().any(|network| network.front || network.seed.is_none())
    });
    let points = |own: &[&Compared]| -> Vec<ScatterPoint> {
        let differ = own.iter().any(|network| network.w_r != own[0].w_r);
        let label = |w_r: Option<f64>| {
            w_r.filter(|_| differ).map_or_else(String::new, |w_r| w_r.to_string())
        };
        let point =
            |one: &&Compared| ScatterPoint { x: one.sde_truth, y: y(one), label: label(one.w_r) };
        own.iter().map(point).collect()
    };
    let mut series = vec![ScatterSeries {
        label: format!("{} other recipes", behind.len()),
        points: behind.iter().flat_map(|(_, own)| points(own)).collect(),
        style: ScatterStyle::Behind,
    }];
    for (recipe, own) in front {
        let one_seed = own.iter().all(|network| network.seed == own[0].seed);
        let style = if one_seed { ScatterStyle::Joined } else { ScatterStyle::Alone };
        series.push(ScatterSeries { label: recipe.to_owned(), points: points(&own), style });
    }
    series.retain(|series| !series.points.is_empty());
    let labelled = series
        .iter()
        .filter(|series| series.style != ScatterStyle::Behind)
        .any(|series| series.points.iter().any(|point| !point.label.is_empty()));
    let note = if labelled { "labels: the weight of the residual" } else { "" };
    ScatterFigure {
        x_label: "W2² SDE–truth".to_owned(),
        y_label: y_label.to_owned(),
        note: note.to_owned(),
        series,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(recipe: &str, seed: u64, w_r: f64) -> Compared {
        Compared {
            target: "ring".to_owned(),
            recipe: recipe.to_owned(),
            seed: Some(seed),
            w_r: Some(w_r),
            ode_truth: 0.02,
            sde_truth: 0.01,
            ode_sde: 0.01,
            floor: None,
            how: None,
            front: false,
        }
    }

    #[test]
    fn weights_label_points_where_those_of_a_recipe_differ() {
        let [seeds, weights] = [
            [network("seeds", 0, 1.0), network("seeds", 1, 1.0)],
            [network("weights", 0, 0.0), network("weights", 0, 0.1)],
        ];
        let both: Vec<&Compared> = seeds.iter().chain(&weights).collect();
        let drawn = figure(&both, "W2² ODE–SDE", |network| network.ode_sde);
        let labels: Vec<&str> = drawn
            .series
            .iter()
            .flat_map(|series| series.points.iter().map(|point| point.label.as_str()))
            .collect();
        assert_eq!(labels, ["", "", "0", "0.1"]);
        assert!(!drawn.note.is_empty());
        let alone: Vec<&Compared> = seeds.iter().collect();
        assert!(figure(&alone, "W2² ODE–SDE", |network| network.ode_sde).note.is_empty());
        // Of what stays in grey no label is seen.
        let many: Vec<Compared> = (0..=MOST_RECIPES)
            .flat_map(|k| [0.0, 0.1].map(|w_r| network(&format!("recipe {k}"), 0, w_r)))
            .collect();
        let many: Vec<&Compared> = many.iter().collect();
        assert!(figure(&many, "W2² ODE–SDE", |network| network.ode_sde).note.is_empty());
    }
}
