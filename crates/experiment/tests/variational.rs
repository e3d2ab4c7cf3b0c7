//! The score's error bounds how far the law of the SDE is from the data, but not that of the ODE.

mod ripple;

use fokker_fp_residual::VariationalBound;
use fokker_samplers::ReverseProcess;
use fokker_sde_core::{MixtureMarginals, Streams};
use ripple::{Ripple, SDE, data, times};

#[test]
fn the_ode_exceeds_the_bound_that_the_sde_keeps() {
    // What the grid makes of exact scores: below 1e-8, far below the smallest right side.
    for process in [ReverseProcess::SDE, ReverseProcess::ODE] {
        let divergence = Ripple::new(0.0, 1.0).unwrap().divergence(process).unwrap();
        println!("without a ripple: {divergence:.2e}");
        assert!(divergence.abs() < 1e-8);
    }
    println!("    δ     k  right side      KL SDE      KL ODE");
    for delta in [0.003, 0.01, 0.03] {
        for k in [1.0, 4.0, 16.0] {
            let ripple = Ripple::new(delta, k).unwrap();
            let right = ripple.right_side().unwrap();
            let [sde, ode] = [ReverseProcess::SDE, ReverseProcess::ODE]
                .map(|process| ripple.divergence(process).unwrap());
            println!("{delta:5} {k:5}  {right:10.3e}  {sde:10.3e}  {ode:10.3e}");
            assert!(sde < right, "δ = {delta}, k = {k}: {sde} {right}");
            // The divergence moves log p^ODE by δ k times the time: its square grows by k², beside a right side that does
            // not see k.
            let excess = if k < 4.0 { 1.0 } else { 2.0 * k };
            assert!(ode > excess * right, "δ = {delta}, k = {k}: {ode} {right}");
        }
    }
}

#[test]
fn the_right_side_is_that_of_the_closed_form() {
    // 500 points at each of 1001 times; 5 standard errors, false-alarm rate 6e-7 for each of two assertions.
    let (data, grid) = (data().unwrap(), times().unwrap());
    let law = MixtureMarginals::new(data.clone(), SDE);
    // The exact law has a score at 0, but noised data need a positive time.
    let grid = &grid.times()[..grid.times().len() - 1];
    for k in [1.0, 16.0] {
        let ripple = Ripple::new(0.1, k).unwrap();
        let bound =
            VariationalBound::new::<f64>(&ripple, &law, &data, &SDE, grid, 500, Streams::new(1));
        let (total, exact) = (bound.unwrap().total, ripple.right_side().unwrap());
        // The last step, of 1e-3, is left out.
        let off = (total.mean - exact).abs();
        assert!(off < 5.0 * total.standard_error + 1e-5, "{total:?} {exact}");
    }
}
