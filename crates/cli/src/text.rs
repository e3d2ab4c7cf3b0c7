//! Results for people.

use std::fmt::Write;

use fokker_experiment::{
    Cell, DistanceKind, DistanceMethod, DistanceReport, Energy, Input, Protocol, ResidualMeans,
    ResidualReport, Solver, modes_table,
};

/// The result of `fokker w2`.
pub(crate) fn distance(found: &DistanceReport) -> String {
    let name = match found.method {
        DistanceMethod::Exact | DistanceMethod::Line => "W",
        DistanceMethod::Sinkhorn => "S",
        DistanceMethod::Sliced => "SW",
    };
    let mut text = String::new();
    // Writing into a string does not fail.
    let value = found.w2sq.or(found.w1).unwrap_or_default();
    match (found.w2sq, found.w1) {
        (Some(w2sq), _) => {
            let _ = writeln!(text, "{name}2² = {w2sq:.10}");
            if let Some(w2) = found.w2 {
                let _ = writeln!(text, "{name}2  = {w2:.10}");
            }
        }
        (_, w1) => {
            let _ = writeln!(text, "{name}1 = {:.10}", w1.unwrap_or_default());
        }
    }
    let method = match found.method {
        DistanceMethod::Exact => "exact".to_owned(),
        DistanceMethod::Line => "exact, points on a line".to_owned(),
        DistanceMethod::Sinkhorn => {
            format!("debiased Sinkhorn divergence, ε = {:.3e}", found.epsilon.unwrap_or_default())
        }
        DistanceMethod::Sliced => format!(
            "sliced, {} directions, standard error {:.2e}",
            found.projections.unwrap_or_default(),
            found.standard_error.unwrap_or_default()
        ),
    };
    let _ = write!(text, "{method}, cost {}", found.cost);
    if let (Some(nodes), Some(extent)) = (found.nodes, found.extent) {
        let _ = write!(text, ", on {nodes} nodes a side over ±{extent}");
    }
    text.push('\n');
    if let Some([low, high]) = found.bracket {
        let _ = writeln!(text, "the optimum of transport lies in [{low:.10}, {high:.10}]");
    }
    if let Some([low, high]) = found.interval {
        let _ = writeln!(text, "95 % interval [{low:.6}, {high:.6}]");
    }
    if let (Some(floor), Some(error)) = (found.floor, found.floor_se) {
        let debiased = value - floor;
        let _ = writeln!(text, "noise floor {floor:.6} ± {error:.6}; less the floor {debiased:.6}");
    }
    if let (Input::Points, [a, b]) = (found.input, found.mass) {
        let _ = match (found.nodes, found.outside) {
            (None, _) => writeln!(text, "points: {a} and {b}"),
            (_, [c, d]) => writeln!(
                text,
                "points inside the box: {a} and {b}; outside, and in no distance: {c} and {d}"
            ),
        };
    }
    text
}

/// The result of `fokker gap`.
pub(crate) fn gap(cells: &[Cell], protocol: &Protocol) -> String {
    let measurement = &protocol.measurement;
    let kind = cells.first().map_or_else(DistanceKind::default, |cell| cell.distances.distance);
    let symbol = kind.symbol();
    let nodes = measurement.nodes;
    let how = match kind {
        DistanceKind::W2sqGrid => {
            format!("between histograms on {nodes} × {nodes} nodes over ±{}", measurement.extent)
        }
        DistanceKind::W2sqLine => "between points on the line".to_owned(),
        DistanceKind::SlicedW2sq => "between points".to_owned(),
    };
    let mut text =
        format!("{symbol} {how}, N = {}, seed {}\n", protocol.sampling.particles, protocol.seed,);
    for cell in cells {
        let d = &cell.distances;
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "\n{}, target {} ({} points){}\n             {:<9}  95 % interval        floor",
            cell.model,
            cell.target,
            d.n_truth,
            if cell.standardised { ", in standardised units" } else { "" },
            if kind == DistanceKind::SlicedW2sq { "SW2²" } else { "W2²" },
        );
        for (name, value, [low, high], floor) in [
            ("ODE–truth", d.w2sq_ode_truth, d.w2sq_ode_truth_ci, d.floor),
            ("SDE–truth", d.w2sq_sde_truth, d.w2sq_sde_truth_ci, d.floor),
            ("ODE–SDE", d.w2sq_ode_sde, d.w2sq_ode_sde_ci, d.floor_ode_sde),
        ] {
            let _ = writeln!(text, "{name:<10}  {value:.6}  {low:.6} – {high:.6}  {floor:.6}");
        }
        let [ode, sde] = cell.evaluations;
        let _ = writeln!(
            text,
            "evaluations of the score for each point: {ode:.0} by the ODE, {sde:.0} by the SDE"
        );
        let percent = |share: f64| 100.0 * share;
        if kind == DistanceKind::W2sqGrid {
            let _ = writeln!(
                text,
                "outside the box, and in no distance: {:.3} % of the ODE's points, {:.3} % of the SDE's, {:.3} % \
                 of the truth's",
                percent(d.outside_ode),
                percent(d.outside_sde),
                percent(d.outside_truth)
            );
            if let Some(words) = d.truth_outside_in_words() {
                let _ = writeln!(text, "{words}");
            }
        }
        if let Some(energy) = &d.energy {
            let pair = |pair: Energy| format!("{:.6} (floor {:.6})", pair.value, pair.floor);
            let _ = writeln!(
                text,
                "energy²     ODE–truth {}, SDE–truth {}, ODE–SDE {}",
                pair(energy.ode_truth),
                pair(energy.sde_truth),
                pair(energy.ode_sde)
            );
        }
        let _ = writeln!(text, "DSM loss    {:.5} ± {:.5}", cell.dsm, cell.dsm_se);
        means(&mut text, &cell.residual);
    }
    let modes = modes_table(cells.iter().map(|cell| (cell.model.clone(), cell)));
    let _ = write!(text, "\n{modes}{symbol} is of the points; ");
    text.push_str(
        "chance raises it, by about the floor where two laws are close. The floor is what \
         it is between two independent draws of one law: of the truth, and of the SDE's points. The interval \
         is for W2² between the laws, with chance taken out. ± is one standard error.\n",
    );
    text
}

/// The result of `fokker residual`.
pub(crate) fn residual(report: &ResidualReport, protocol: &Protocol) -> String {
    let mut text = format!(
        "{}: residual over x in ±{}, seed {}{}\n",
        report.model,
        protocol.collocation.extent,
        protocol.seed,
        if report.standardised { ", in standardised units" } else { "" },
    );
    means(&mut text, &report.means);
    text.push_str("± is one standard error.\n");
    text
}

fn means(text: &mut String, means: &ResidualMeans) {
    let pair = |mean: f64, error: f64| format!("{mean:.4e} ± {error:.1e}");
    let known = |mean: Option<f64>, error: Option<f64>| {
        mean.zip(error).map_or_else(String::new, |(mean, error)| pair(mean, error))
    };
    let inside = |mean: Option<f64>, error: Option<f64>| {
        mean.zip(error).map_or_else(|| "–".to_owned(), |(mean, error)| pair(mean, error))
    };
    let along = if means.marginal_residual_sq.is_some() { "along p_t" } else { "" };
    let heads = format!("mean ε²               {:<22}{along}", "over the box");
    let _ = writeln!(text, "{}", heads.trim_end());
    let mut row = |name: String, within: String, along: String| {
        let _ = writeln!(text, "{}", format!("{name:<20}  {within:<22}{along}").trim_end());
    };
    row(
        "all times".to_owned(),
        inside(means.mean_residual_sq, means.mean_residual_sq_se),
        known(means.marginal_residual_sq, means.marginal_residual_sq_se),
    );
    for band in &means.residual_bands {
        row(
            format!("t in {} – {}", band.from, band.to),
            inside(band.collocation, band.box_se),
            known(band.marginal, band.marginal_se),
        );
    }
}

/// The solvers with what they are good for.
pub(crate) fn solver_list() -> Vec<serde_json::Value> {
    let row = |solver: Solver| {
        let known = solver.properties();
        serde_json::json!({
            "name": known.name, "order": known.order, "weak_order": known.weak_order,
            "strong_order": known.strong_order, "evaluations": known.evaluations,
            "adaptive": known.adaptive, "largest_lambda": solver.largest_lambda(),
        })
    };
    Solver::ALL.into_iter().map(row).collect()
}

/// The table of `fokker solvers`.
pub(crate) fn solvers() -> String {
    let mut text =
        "solver               order  weak  strong  evaluations  --tol  processes\n".to_owned();
    for solver in Solver::ALL {
        let known = solver.properties();
        let or_dash = |number: Option<String>| number.unwrap_or_else(|| "–".to_owned());
        let processes = match solver.largest_lambda() {
            0.0 => "the ODE",
            1.0 => "λ from 0 to 1",
            _ => "all",
        };
        let _ = writeln!(
            text,
            "{:<19}  {:>5}  {:>4}  {:>6}  {:>11}  {:<5}  {processes}",
            known.name,
            or_dash(known.order.map(|order| order.to_string())),
            or_dash(known.weak_order.map(|order| order.to_string())),
            or_dash(known.strong_order.map(|order| order.to_string())),
            known.evaluations,
            if known.adaptive { "yes" } else { "" },
        );
    }
    text += "\nOrders are those of the ODE, and with noise in law (weak) and along a path (strong). Evaluations are for \
             each step. predictor-corrector has no order: its Langevin steps leave a bias, however many steps there are.\n";
    text
}
