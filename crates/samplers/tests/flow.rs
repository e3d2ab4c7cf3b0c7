//! The flow of the probability-flow ODE: there and back, in between, and the density it carries.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod problems;

use fokker_samplers::{Flow, SamplingError, Solver, Tolerance};
use fokker_sde_core::{
    BatchError, GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Potential, Score,
    ScoreDivergence, Sde,
};
use ndarray::{Array1, Array2, ArrayView2, ArrayViewMut1, ArrayViewMut2};
use problems::problems;

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

fn points(n: usize) -> Array2<f64> {
    Array2::from_shape_fn((n, 2), |(i, j)| 2.5 * ((i * 2 + j) as f64 * 0.7).sin())
}

fn flow(tolerance: f64) -> Flow {
    let tolerance = Some(Tolerance { absolute: tolerance, relative: tolerance });
    Flow { solver: Solver::DormandPrince, tolerance }
}

fn largest(a: &Array2<f64>, b: &Array2<f64>) -> f64 {
    (a - b).iter().fold(0.0, |largest, x| x.abs().max(largest))
}

#[test]
fn time_runs_both_ways() {
    let law = MixtureMarginals::new(GaussianMixture::nine_components(), SDE);
    let x = points(300);
    for tolerance in [1e-5, 1e-8] {
        let there = flow(tolerance).carry(&law, &SDE, x.view(), &[0.0, 0.01, 4.0]).unwrap();
        let back = flow(tolerance).carry(&law, &SDE, there.end().view(), &[4.0, 3.9, 0.0]).unwrap();
        // Errors grow on the way back by what the flow contracted.
        let error = largest(&back.end(), &x);
        assert!(error < 2000.0 * tolerance, "{error} at {tolerance}");
        assert!(back.cost.accepted > 0 && back.cost.particles == 300);
    }
}

#[test]
fn a_gaussian_is_carried_by_its_own_map() {
    // With v_t the variance of p_t, x_t − m_t scales with √v_t.
    let (mean, variance) = (0.7, 0.3);
    let data = GaussianMixture::new(vec![(1.0, vec![mean, -mean], variance)]).unwrap();
    let law = MixtureMarginals::new(data, SDE);
    let x = points(20);
    let way = flow(1e-10).carry(&law, &SDE, x.view(), &[0.0, 0.01, 3.0]).unwrap();
    for t in [0.0, 0.003, 0.5, 1.7, 3.0] {
        let at = SDE.marginal(t);
        let spread = at.alpha.powi(2) * variance + at.sigma.powi(2);
        let centre = [mean, -mean];
        let exact = Array2::from_shape_fn(x.raw_dim(), |(i, j)| {
            at.alpha * centre[j] + (x[[i, j]] - centre[j]) * (spread / variance).sqrt()
        });
        let error = largest(&way.at(t).unwrap(), &exact);
        assert!(error < 3e-8, "{error} at t = {t}");
    }
    assert!(matches!(way.at(3.1), Err(SamplingError::Outside { .. })));
    assert!(matches!(way.at(f64::NAN), Err(SamplingError::Outside { .. })));
}

#[test]
fn between_its_steps_the_way_has_the_order_of_its_polynomial() {
    let problem = &problems()[1];
    let x = Array2::from_shape_fn((40, 1), |(i, _)| -2.0 + 0.1 * i as f64);
    let exact =
        flow(1e-12).carry(&problem.score, &problem.sde, x.view(), &[0.1, 0.11, 1.3]).unwrap();
    for (solver, order) in [
        (Solver::Heun, 2.0),
        (Solver::RungeKutta4, 4.0),
        (Solver::BogackiShampine, 3.0),
        (Solver::DormandPrince, 5.0),
    ] {
        let error = |n: usize| {
            let times: Vec<f64> = (0..=n).map(|k| 0.1 + 1.2 * k as f64 / n as f64).collect();
            let flow = Flow { solver, tolerance: None };
            let way = flow.carry(&problem.score, &problem.sde, x.view(), &times).unwrap();
            // In the middle of each step.
            let middles = times.windows(2).map(|pair| 0.5 * (pair[0] + pair[1]));
            let squares = middles.map(|t| {
                let difference = way.at(t).unwrap() - exact.at(t).unwrap();
                difference.mapv(|x| x * x).mean().unwrap()
            });
            (squares.sum::<f64>() / n as f64).sqrt()
        };
        let measured = (error(30) / error(60)).log2();
        assert!((measured - order).abs() < 0.4, "{solver}: {measured}");
    }
}

#[test]
fn with_the_exact_score_the_density_is_that_of_the_data() {
    let law = MixtureMarginals::new(GaussianMixture::nine_components(), SDE);
    let x = points(50);
    for t in [0.0, 0.2] {
        let (found, cost) =
            flow(1e-9).log_density(&law, &SDE, x.view(), &[t, t + 0.01, 10.0]).unwrap();
        let mut exact = Array1::zeros(50);
        let times = Array1::from_elem(50, t);
        law.potential(times.view(), x.view(), exact.view_mut()).unwrap();
        // The prior is p_T up to e^{-2T}.
        let worst = (&found - &exact).iter().fold(0.0_f64, |worst, e| worst.max(e.abs()));
        assert!(worst < 1e-6, "{worst} at t = {t}");
        assert!(cost.evaluations > 0);
    }
}

#[test]
fn with_a_wrong_score_the_density_follows_the_flow() {
    // The score of N(0, 0.8) whatever t is: v = (−1 + ½/0.8) x, so that x_T = e^{cT} x, and p_0 is Gaussian with the variance
    // ½ e^{−2cT}.
    struct Wrong;
    impl Score<f64> for Wrong {
        fn dim(&self) -> usize {
            2
        }
        fn score(
            &self,
            _: f64,
            x: ArrayView2<'_, f64>,
            mut out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            out.assign(&x.mapv(|x| -x / 0.8));
            Ok(())
        }
    }
    impl ScoreDivergence<f64> for Wrong {
        fn score_and_divergence(
            &self,
            t: f64,
            x: ArrayView2<'_, f64>,
            score: ArrayViewMut2<'_, f64>,
            mut divergence: ArrayViewMut1<'_, f64>,
        ) -> Result<(), BatchError> {
            divergence.fill(-2.0 / 0.8);
            self.score(t, x, score)
        }
    }
    let x = points(30);
    let (found, _) = flow(1e-9).log_density(&Wrong, &SDE, x.view(), &[0.0, 0.1, 10.0]).unwrap();
    let rate = -1.0 + 0.5 / 0.8;
    let variance = SDE.prior().std.powi(2) * (-2.0 * rate * 10.0_f64).exp();
    for (row, found) in x.rows().into_iter().zip(&found) {
        let squares = row.iter().map(|x| x * x).sum::<f64>();
        let exact = -0.5 * squares / variance - (2.0 * std::f64::consts::PI * variance).ln();
        assert!((found - exact).abs() < 1e-6, "{found} instead of {exact}");
    }
}

#[test]
fn with_a_wrong_score_the_density_integrates_to_one() {
    /// The score of a mixture and of the ripple `0.3 sin(2x + t) cos(3y) e^{−t}` in its potential.
    struct Rippled(MixtureMarginals<OrnsteinUhlenbeck>);
    impl Rippled {
        fn ripple(t: f64, [x, y]: [f64; 2]) -> [f64; 3] {
            let ([sx, cx], [sy, cy]) =
                ([(2.0 * x + t).sin(), (2.0 * x + t).cos()], [(3.0 * y).sin(), (3.0 * y).cos()]);
            [2.0 * cx * cy, -3.0 * sx * sy, -13.0 * sx * cy].map(|value| 0.3 * (-t).exp() * value)
        }
    }
    impl Score<f64> for Rippled {
        fn dim(&self) -> usize {
            2
        }
        fn score(
            &self,
            t: f64,
            x: ArrayView2<'_, f64>,
            out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            let mut divergence = Array1::zeros(x.nrows());
            self.score_and_divergence(t, x, out, divergence.view_mut())
        }
    }
    impl ScoreDivergence<f64> for Rippled {
        fn score_and_divergence(
            &self,
            t: f64,
            x: ArrayView2<'_, f64>,
            mut score: ArrayViewMut2<'_, f64>,
            mut divergence: ArrayViewMut1<'_, f64>,
        ) -> Result<(), BatchError> {
            self.0.score_and_divergence(t, x, score.view_mut(), divergence.view_mut())?;
            for (i, x) in x.rows().into_iter().enumerate() {
                let [first, second, laplacian] = Self::ripple(t, [x[0], x[1]]);
                score[[i, 0]] += first;
                score[[i, 1]] += second;
                divergence[i] += laplacian;
            }
            Ok(())
        }
    }
    let data = vec![(0.4, vec![-0.8, 0.3], 0.15), (0.6, vec![0.7, -0.5], 0.25)];
    let score = Rippled(MixtureMarginals::new(GaussianMixture::new(data).unwrap(), SDE));
    let (cells, extent) = (80, 4.0);
    let width = 2.0 * extent / f64::from(cells);
    let centre = |cell: u32| -extent + width * (f64::from(cell) + 0.5);
    let places: Vec<[f64; 2]> =
        (0..cells).flat_map(|i| (0..cells).map(move |j| [centre(i), centre(j)])).collect();
    let x: Array2<f64> = places.into();
    let (log_p, _) = flow(1e-5).log_density(&score, &SDE, x.view(), &[0.1, 0.11, 10.0]).unwrap();
    let integral = log_p.mapv(f64::exp).sum() * width * width;
    assert!((integral - 1.0).abs() < 1e-3, "{integral}");
}

#[test]
fn what_is_no_flow_is_refused() {
    let law = MixtureMarginals::new(GaussianMixture::nine_components(), SDE);
    let x = points(3);
    let refuse = |flow: Flow, times: &[f64]| flow.carry(&law, &SDE, x.view(), times).unwrap_err();
    for times in [
        &[][..],
        &[1.0],
        &[1.0, 1.0],
        &[1.0, 2.0, 1.5],
        &[-0.1, 1.0],
        &[1.0, 11.0],
        &[f64::NAN, 1.0],
    ] {
        assert!(matches!(refuse(flow(1e-3), times), SamplingError::Times { .. }), "{times:?}");
    }
    let solver = Solver::DpmSolver2;
    let error = refuse(Flow { solver, tolerance: None }, &[0.0, 1.0]);
    assert_eq!(error, SamplingError::NotRungeKutta { solver });
    let midpoint = Flow { solver: Solver::Midpoint, ..flow(1e-3) };
    assert!(matches!(refuse(midpoint, &[0.0, 1.0]), SamplingError::NotAdaptive { .. }));
    let density = flow(1e-3).log_density(&law, &SDE, x.view(), &[0.0, 5.0]);
    assert!(matches!(density, Err(SamplingError::Times { .. })));
    let wide = Array2::<f64>::zeros((3, 4));
    assert!(matches!(
        flow(1e-3).carry(&law, &SDE, wide.view(), &[0.0, 1.0]),
        Err(SamplingError::Score(_))
    ));
}
