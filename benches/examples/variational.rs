//! How far a ripple `δ cos kx` on an exact score takes the laws of SDE and ODE from the data, and the variational bound.
//!
//!     cargo run --release -p fokker-benches --example variational > variational.csv
//!
//! Two Gaussians on the line, all laws on a grid, without sampling noise; `right_side` bounds `kl_sde` and not `kl_ode`, all in nats.

#[path = "../../crates/experiment/tests/ripple/mod.rs"]
mod ripple;

use std::error::Error;

use fokker_samplers::ReverseProcess;
use ripple::Ripple;

fn main() -> Result<(), Box<dyn Error>> {
    println!("delta,k,right_side,kl_sde,kl_ode");
    for delta in [0.003, 0.01, 0.03] {
        for k in [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0] {
            let ripple = Ripple::new(delta, k)?;
            let right = ripple.right_side()?;
            let sde = ripple.divergence(ReverseProcess::SDE)?;
            let ode = ripple.divergence(ReverseProcess::ODE)?;
            println!("{},{},{right:e},{sde:e},{ode:e}", ripple.delta, ripple.k);
        }
    }
    Ok(())
}
