//! Laws on a grid against exact ones.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::f64::consts::FRAC_1_SQRT_2;

use fokker_samplers::{CellAxis, CellGrid, GridLaw, LawSolver, ReverseProcess, Unobserved};
use fokker_sde_core::{
    BatchError, Diffusion, GaussianMixture, GridRule, MixtureMarginals, OrnsteinUhlenbeck, Real,
    Score, Sde, TimeGrid,
};
use ndarray::{ArrayD, ArrayView2, ArrayViewMut2, Axis, IxDyn};

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;
const WEIGHTS: [f64; 3] = [0.0, 0.5, 1.0];

/// Weights, means and variances of a mixture of isotropic Gaussians.
type Components<'a> = &'a [(f64, &'a [f64], f64)];

const LINE: Components<'static> = &[(0.3, &[-0.9], 0.1), (0.7, &[0.8], 0.2)];
const PLANE: Components<'static> = &[(0.4, &[-0.8, 0.3], 0.15), (0.6, &[0.7, -0.5], 0.25)];

fn mixture(components: Components<'_>) -> MixtureMarginals<OrnsteinUhlenbeck> {
    let components = components.iter().map(|(w, m, v)| (*w, m.to_vec(), *v)).collect();
    MixtureMarginals::new(GaussianMixture::new(components).unwrap(), SDE)
}

fn times(from: f64, to: f64, steps: usize) -> TimeGrid {
    let time = |k: usize| from + (to - from) * k as f64 / steps as f64;
    TimeGrid::new((0..=steps).map(time).collect()).unwrap()
}

fn family(lambda: f64) -> ReverseProcess {
    ReverseProcess::family(lambda).unwrap()
}

/// The exact masses of the cells at time `t`.
fn exact(components: Components<'_>, sde: &dyn Sde, t: f64, grid: &CellGrid) -> ArrayD<f64> {
    let law = sde.marginal(t);
    let below = |x: f64, m: f64, v: f64| {
        let spread = (law.alpha.powi(2) * v + law.sigma.powi(2)).sqrt();
        0.5 * libm::erfc((law.alpha * m - x) / spread * FRAC_1_SQRT_2)
    };
    ArrayD::from_shape_fn(IxDyn(&grid.shape()), |at| {
        let share = |(weight, mean, variance): &(f64, &[f64], f64)| {
            let along = grid.axes().iter().enumerate().map(|(axis, cells)| {
                let i = at[grid.dim() - 1 - axis];
                below(cells.face(i + 1), mean[axis], *variance)
                    - below(cells.face(i), mean[axis], *variance)
            });
            weight * along.product::<f64>()
        };
        components.iter().map(share).sum()
    })
}

/// The total variation distance up to its factor ½: the sum of absolute differences of masses, which is
/// the L1 norm of the difference of densities.
fn distance(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    (a - b).iter().map(|difference| difference.abs()).sum()
}

/// Mean and variance along the first axis.
fn moments(law: &GridLaw) -> (f64, f64) {
    let cells = law.grid.axes()[0];
    let along = law.masses.shape().len() - 1;
    let mean_of = |power: &dyn Fn(f64) -> f64| -> f64 {
        let lanes = law.masses.lanes(Axis(along));
        let lane = |lane: ndarray::ArrayView1<'_, f64>| -> f64 {
            lane.iter().enumerate().map(|(i, mass)| mass * power(cells.centre(i))).sum()
        };
        lanes.into_iter().map(lane).sum::<f64>() / law.masses.sum()
    };
    let mean = mean_of(&|x| x);
    (mean, mean_of(&|x| (x - mean) * (x - mean)))
}

/// Orders from errors at twice the resolution each time.
fn orders(errors: &[f64]) -> Vec<f64> {
    errors.windows(2).map(|pair| (pair[0] / pair[1]).log2()).collect()
}

/// L1 errors of solutions from the exact law at `t = 1`, so that nothing but the scheme is seen, each with cells
/// and steps of half the size.
fn errors(
    components: Components<'_>,
    lambda: f64,
    levels: u32,
    to: f64,
    level: impl Fn(u32) -> (CellGrid, usize),
) -> Vec<f64> {
    let score = mixture(components);
    let error = |k: u32| {
        let (grid, steps) = level(k);
        let start = exact(components, &SDE, 1.0, &grid);
        let law = solve_from(&start, grid, &score, lambda, &times(1.0, to, steps));
        distance(&law.masses, &exact(components, &SDE, to, &grid))
    };
    (0..levels).map(error).collect()
}

fn solve_from(
    start: &ArrayD<f64>,
    grid: CellGrid,
    score: &dyn Score<f64>,
    lambda: f64,
    times: &TimeGrid,
) -> GridLaw {
    LawSolver { grid, most_at_walls: 1.0 }
        .solve_from(start.view(), score, &SDE, family(lambda), times, &mut Unobserved)
        .unwrap()
}

#[test]
fn the_order_is_two_on_the_line() {
    for lambda in WEIGHTS {
        let errors = errors(LINE, lambda, 4, 0.02, |k| {
            (CellGrid::line(-4.0, 4.0, 64 << k).unwrap(), 20 << k)
        });
        let orders = orders(&errors);
        assert!(orders.iter().all(|order| (order - 2.0).abs() < 0.2), "λ = {lambda}: {orders:?}");
        assert!(errors[3] < 8e-5, "λ = {lambda}: {errors:?}");
    }
}

#[test]
fn the_order_is_two_in_the_plane() {
    for lambda in WEIGHTS {
        let errors =
            errors(PLANE, lambda, 3, 0.05, |k| (CellGrid::square(32 << k, 3.5).unwrap(), 10 << k));
        let orders = orders(&errors);
        assert!(orders.iter().all(|order| (order - 2.0).abs() < 0.2), "λ = {lambda}: {orders:?}");
        assert!(errors[2] < 1e-3, "λ = {lambda}: {errors:?}");
    }
}

#[test]
fn in_one_long_step_a_law_moves_by_many_cells() {
    // The ODE of a Gaussian at rest, shifted by a constant score: 0.8 to the right, 51.2 cells. No cell is
    // resolved worse than by one interpolation.
    struct Constant;
    impl Score<f64> for Constant {
        fn dim(&self) -> usize {
            1
        }
        fn score(
            &self,
            _t: f64,
            x: ArrayView2<'_, f64>,
            mut out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            // v = x + ½ s.
            out.assign(&x.mapv(|x| 2.0 * (1.0 - x)));
            Ok(())
        }
    }
    let grid = CellGrid::line(-6.0, 10.0, 1024).unwrap();
    let start = exact(&[(1.0, &[0.0], 0.3)], &SDE, 0.0, &grid);
    let law = solve_from(&start, grid, &Constant, 0.0, &times(1.0, 0.2, 1));
    let moved = exact(&[(1.0, &[0.8], 0.3)], &SDE, 0.0, &grid);
    assert!((law.statistics.largest_courant - 51.2).abs() < 1e-9, "{:?}", law.statistics);
    assert!(distance(&law.masses, &moved) < 1e-6, "{}", distance(&law.masses, &moved));
}

#[test]
fn every_diffusion_takes_noise_back_to_data() {
    let components: Components<'_> = &[(0.5, &[-1.0], 0.3), (0.5, &[1.2], 0.5)];
    let mixture = components.iter().map(|(w, m, v)| (*w, m.to_vec(), *v)).collect();
    let mixture = GaussianMixture::new(mixture).unwrap();
    for sde in Diffusion::examples() {
        let score = MixtureMarginals::new(mixture.clone(), sde.clone());
        let extent = 6.0 * sde.prior().std.max(1.0);
        let grid = CellGrid::line(-extent, extent, (40.0 * extent).min(3000.0) as usize).unwrap();
        let times = GridRule::LogSnr { steps: 150, t_min: Some(1e-4 * sde.horizon()) }.grid(&sde);
        let times = times.unwrap();
        for lambda in WEIGHTS {
            let start = exact(components, &sde, sde.horizon(), &grid);
            let law = LawSolver::new(grid)
                .solve_from::<f64>(
                    start.view(),
                    &score,
                    &sde,
                    family(lambda),
                    &times,
                    &mut Unobserved,
                )
                .unwrap();
            let error = distance(&law.masses, &exact(components, &sde, 0.0, &grid));
            assert!(error < 0.02, "{sde:?}, λ = {lambda}: {error}");
        }
    }
}

#[test]
fn the_law_of_independent_coordinates_is_the_product_of_theirs() {
    let [x, y]: [Components<'_>; 2] = [&[(1.0, &[0.6], 0.1)], &[(1.0, &[-0.3], 0.4)]];
    let both = GaussianMixture::with_covariances(vec![(
        1.0,
        vec![0.6, -0.3],
        ndarray::arr2(&[[0.1, 0.0], [0.0, 0.4]]),
    )]);
    let both = MixtureMarginals::new(both.unwrap(), SDE);
    let axes = [CellAxis::new(-4.0, 4.0, 60).unwrap(), CellAxis::new(-3.5, 3.5, 41).unwrap()];
    let times = times(10.0, 0.02, 60);
    for lambda in WEIGHTS {
        let along = |score: &dyn Score<f64>, axes: &[CellAxis]| {
            LawSolver::new(CellGrid::new(axes).unwrap())
                .solve(score, &SDE, family(lambda), &times, &mut Unobserved)
                .unwrap()
                .masses
        };
        let [x, y] = [along(&mixture(x), &axes[..1]), along(&mixture(y), &axes[1..])];
        let plane = along(&both, &axes);
        assert_eq!(plane.shape(), [41, 60]);
        let product = ArrayD::from_shape_fn(IxDyn(&[41, 60]), |at| y[at[0]] * x[at[1]]);
        // To rounding but for λ = 0, where the line takes in one what the first axis takes in two.
        let error = distance(&plane, &product);
        assert!(error < 1e-3, "λ = {lambda}: {error}");
    }
}

/// The score of `N(mean, variance)` at all times.
struct Fixed {
    mean: f64,
    variance: f64,
    dim: usize,
}

impl<F: Real> Score<F> for Fixed {
    fn dim(&self) -> usize {
        self.dim
    }

    fn score(
        &self,
        _t: F,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), BatchError> {
        out.assign(&x.mapv(|x| (F::of(self.mean) - x) / F::of(self.variance)));
        Ok(())
    }
}

#[test]
fn a_wrong_score_has_two_laws_and_both_are_found() {
    // With s = (m − x)/c, v = x + k (m − x) for k = (1 + λ²)/(2c): M' = M + k (m − M) and
    // V' = 2 (1 − k) V + λ² from M = 0, V = ½.
    let (mean, variance, duration) = (0.7, 0.4, 2.0);
    for dim in [1, 2] {
        let score = Fixed { mean, variance, dim };
        let axis = CellAxis::new(-5.0, 5.0, 200).unwrap();
        let solver = LawSolver::new(CellGrid::new(&vec![axis; dim]).unwrap());
        for lambda in WEIGHTS {
            let law = solver.solve::<f32>(
                &score,
                &SDE,
                family(lambda),
                &times(duration, 0.0, 100),
                &mut Unobserved,
            );
            let (m, v) = moments(&law.unwrap());
            let push = (1.0 + lambda * lambda) / (2.0 * variance);
            let rate = 1.0 - push;
            let expected_m = push * mean * (rate * duration).exp_m1() / rate;
            let decay = (2.0 * rate * duration).exp();
            let expected_v = 0.5 * decay + lambda * lambda * (decay - 1.0) / (2.0 * rate);
            assert!((m - expected_m).abs() < 1e-3, "λ = {lambda}: {m}, not {expected_m}");
            assert!((v - expected_v).abs() < 1e-3, "λ = {lambda}: {v}, not {expected_v}");
        }
    }
}

#[test]
fn a_grid_may_end_where_the_score_is_infinite() {
    // All data at 0.3: s = −(x − 0.3 α)/σ², which is not finite at t = 0.
    struct Point;
    impl Score<f64> for Point {
        fn dim(&self) -> usize {
            1
        }
        fn score(
            &self,
            t: f64,
            x: ArrayView2<'_, f64>,
            mut out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            let law = SDE.marginal(t);
            out.assign(&x.mapv(|x| (0.3 * law.alpha - x) / law.sigma.powi(2)));
            Ok(())
        }
    }
    let grid = CellGrid::line(-4.0, 4.0, 400).unwrap();
    let times = GridRule::LogSnr { steps: 200, t_min: Some(1e-4) }.grid(&SDE).unwrap();
    for lambda in WEIGHTS {
        let law = LawSolver::new(grid)
            .solve(&Point, &SDE, family(lambda), &times, &mut Unobserved)
            .unwrap();
        let (m, v) = moments(&law);
        // Within the width of a few cells.
        assert!((m - 0.3).abs() < 0.01 && v.sqrt() < 0.04, "λ = {lambda}: {m}, {}", v.sqrt());
    }
}
