//! How far a ripple `δ cos kx` on an exact score takes the laws of SDE and ODE from the data, and the variational bound.
//!
//!     cargo run --release -p fokker-benches --example variational -- OUT
//!
//! Two Gaussians on the line, all laws on a grid, without sampling noise. The folder OUT gets `variational.csv`, where `right_side`
//! bounds `kl_sde` and not `kl_ode`, all in nats, and `variational.png`.

#[path = "../../crates/experiment/tests/ripple/mod.rs"]
mod ripple;

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

use fokker_experiment::figures::{ScatterFigure, ScatterPoint, ScatterSeries, ScatterStyle};
use fokker_samplers::ReverseProcess;
use ripple::Ripple;

fn main() -> Result<(), Box<dyn Error>> {
    let out = std::env::args_os().nth(1).map(PathBuf::from).ok_or("usage: variational OUT")?;
    std::fs::create_dir_all(&out)?;
    let mut table = "delta,k,right_side,kl_sde,kl_ode\n".to_owned();
    let mut series = Vec::new();
    for delta in [0.003, 0.03] {
        let mut curves = [Vec::new(), Vec::new(), Vec::new()];
        for k in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0] {
            let ripple = Ripple::new(delta, k)?;
            let found = [
                ripple.right_side()?,
                ripple.divergence(ReverseProcess::SDE)?,
                ripple.divergence(ReverseProcess::ODE)?,
            ];
            let [right, sde, ode] = found;
            writeln!(table, "{delta},{k},{right:e},{sde:e},{ode:e}")?;
            for (curve, y) in curves.iter_mut().zip(found) {
                curve.push(ScatterPoint { x: k, y, label: String::new() });
            }
        }
        for (name, points) in ["the bound", "KL(data‖SDE)", "KL(data‖ODE)"].iter().zip(curves) {
            let (label, style) = (format!("{name}, δ = {delta}"), ScatterStyle::Joined);
            series.push(ScatterSeries { label, points, style });
        }
    }
    let figure = ScatterFigure {
        x_label: "frequency k of the error δ cos kx of the score".to_owned(),
        y_label: "nats".to_owned(),
        note: String::new(),
        series,
    };
    std::fs::write(out.join("variational.png"), figure.draw_png()?)?;
    std::fs::write(out.join("variational.csv"), table)?;
    Ok(())
}
