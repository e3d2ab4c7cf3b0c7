//! The growth along the flow of an ODE, as the bounds take it, against the flow itself.

use fokker_fp_residual::{growth_exponents, one_sided_lipschitz, score_jacobian};
use fokker_samplers::{Flow, Solver};
use fokker_sde_core::{GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck};
use ndarray::{Array1, Array2};

#[test]
fn on_the_line_the_exponents_are_the_logarithms_of_the_flow_s_derivative() {
    let sde = OrnsteinUhlenbeck::PAPER;
    let data = GaussianMixture::new(vec![(0.4, vec![-1.0], 0.1), (0.6, vec![0.8], 0.2)]).unwrap();
    let law = MixtureMarginals::new(data, sde);
    let times: Vec<f64> = (0..=400).map(|k| 1.0 - f64::from(k) / 400.0).collect();
    let flow = Flow { solver: Solver::DormandPrince, tolerance: None };
    let x = Array2::from_shape_fn((21, 1), |(i, _)| 0.2 * (i as f64 - 10.0));
    let ends = |shift: f64| {
        let x = x.mapv(|x| x + shift);
        flow.carry::<f64>(&law, &sde, x.view(), &times).unwrap().end().to_owned()
    };
    let h = 1e-4;
    let expected = (ends(h) - ends(-h)).mapv(|difference| (difference / (2.0 * h)).ln());
    let way = flow.carry::<f64>(&law, &sde, x.view(), &times).unwrap();
    let mut numbers = Array2::zeros((times.len(), x.nrows()));
    for (&t, mut row) in times.iter().zip(numbers.rows_mut()) {
        let jacobian = score_jacobian::<f64>(&law, t, way.at(t).unwrap().view(), 1.0).unwrap();
        row.assign(&one_sided_lipschitz(jacobian.view(), &sde, t).unwrap());
    }
    let exponents = growth_exponents(&times, numbers.view()).unwrap();
    let off: Array1<f64> = &exponents.row(0) - &expected.column(0);
    // The trapezoidal rule with steps of 0.0025: h²/12 = 5e-7 times the change of the slope of λ, which is 40 in the
    // components, ½ v'/v² at v = 0.1 and v' = 0.8, and some 100 between them.
    assert!(off.iter().all(|off| off.abs() < 1e-4), "{off}");
    // Between the components points part, and elsewhere they come together.
    let part = |e: &&f64| **e > 0.1;
    assert!(exponents.row(0).iter().filter(part).count() > 1);
    assert!(exponents.row(0).iter().any(|e| *e < -0.1));
}
