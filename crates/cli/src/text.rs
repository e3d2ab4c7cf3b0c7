//! Results for people.

use std::fmt::Write;

use fokker_experiment::{Cell, Distance, Input, Protocol, ResidualMeans, ResidualReport};

/// The result of `fokker w2`.
pub(crate) fn distance(found: &Distance) -> String {
    let Distance { w2sq, w2, extent, nodes, mass, outside, .. } = found;
    let mut text = format!(
        "W2² = {w2sq:.10}\nW2  = {w2:.10}\nexact, on {nodes} × {nodes} nodes over ±{extent}\n"
    );
    if found.input == Input::Points {
        let _ = writeln!(
            text,
            "points inside the box: {} and {}; outside, and in no distance: {} and {}",
            mass[0], mass[1], outside[0], outside[1]
        );
    }
    text
}

/// The result of `fokker gap`.
pub(crate) fn gap(cells: &[Cell], protocol: &Protocol) -> String {
    let measurement = &protocol.measurement;
    let mut text = format!(
        "W2² between histograms on {nodes} × {nodes} nodes over ±{}, N = {}, {} steps, seed {}\n",
        measurement.extent,
        protocol.sampling.particles,
        protocol.sampling.grid.steps(),
        protocol.seed,
        nodes = measurement.nodes,
    );
    for cell in cells {
        let d = &cell.distances;
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "\n{}, target {} ({} points)\n             W2²        95 % interval        floor",
            cell.model, cell.target, d.n_truth
        );
        for (name, value, [low, high], floor) in [
            ("ODE–truth", d.w2sq_ode_truth, d.w2sq_ode_truth_ci, d.floor),
            ("SDE–truth", d.w2sq_sde_truth, d.w2sq_sde_truth_ci, d.floor),
            ("ODE–SDE", d.w2sq_ode_sde, d.w2sq_ode_sde_ci, d.floor_ode_sde),
        ] {
            let _ = writeln!(text, "{name:<10}  {value:.6}  {low:.6} – {high:.6}  {floor:.6}");
        }
        let percent = |share: f64| 100.0 * share;
        let _ = writeln!(
            text,
            "outside the box, and in no distance: {:.3} % of the ODE's points, {:.3} % of the SDE's",
            percent(d.outside_ode),
            percent(d.outside_sde)
        );
        let _ = writeln!(text, "DSM loss    {:.5} ± {:.5}", cell.dsm, cell.dsm_se);
        means(&mut text, &cell.residual);
    }
    text.push_str(
        "\nW2² is of the points; chance raises it, by about the floor where two laws are close. The floor is what \
         it is between two independent draws of one law: of the truth, and of the SDE's points. The interval \
         is for W2² between the laws, with chance taken out. ± is one standard error.\n",
    );
    text
}

/// The result of `fokker residual`.
pub(crate) fn residual(report: &ResidualReport, protocol: &Protocol) -> String {
    let mut text = format!(
        "{}: residual over x in ±{}, seed {}\n",
        report.model, protocol.collocation.extent, protocol.seed
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
    let along = if means.marginal_residual_sq.is_some() { "along p_t" } else { "" };
    let heads = format!("mean ε²               {:<22}{along}", "over the box");
    let _ = writeln!(text, "{}", heads.trim_end());
    let mut row = |name: String, inside: String, along: String| {
        let _ = writeln!(text, "{}", format!("{name:<20}  {inside:<22}{along}").trim_end());
    };
    row(
        "all times".to_owned(),
        pair(means.mean_residual_sq, means.mean_residual_sq_se),
        known(means.marginal_residual_sq, means.marginal_residual_sq_se),
    );
    for band in &means.residual_bands {
        row(
            format!("t in {} – {}", band.from, band.to),
            pair(band.collocation, band.box_se),
            known(band.marginal, band.marginal_se),
        );
    }
}
