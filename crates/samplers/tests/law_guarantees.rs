//! What laws on a grid hold to whatever the score: mass, signs, bits, and errors that say where.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use fokker_samplers::{
    CellAxis, CellGrid, CellGridError, LawError, LawObserver, LawSolver, ReverseProcess, Unobserved,
};
use fokker_sde_core::{
    BatchError, GaussianMixture, MixtureMarginals, OrnsteinUhlenbeck, Real, Score, TimeGrid,
};
use ndarray::{ArrayD, ArrayView2, ArrayViewD, ArrayViewMut2, IxDyn};
use proptest::prelude::*;

const SDE: OrnsteinUhlenbeck = OrnsteinUhlenbeck::PAPER;

fn times(from: f64, to: f64, steps: usize) -> TimeGrid {
    let time = |k: usize| from + (to - from) * k as f64 / steps as f64;
    TimeGrid::new((0..=steps).map(time).collect()).unwrap()
}

/// The score of `N(0, ½)` at all times, which is the stationary law.
struct AtRest {
    dim: usize,
}

impl<F: Real> Score<F> for AtRest {
    fn dim(&self) -> usize {
        self.dim
    }

    fn score(
        &self,
        _t: F,
        x: ArrayView2<'_, F>,
        mut out: ArrayViewMut2<'_, F>,
    ) -> Result<(), BatchError> {
        out.assign(&x.mapv(|x| F::of(-2.0) * x));
        Ok(())
    }
}

#[test]
fn same_bits_for_any_number_of_threads() {
    let data = vec![(0.4, vec![-0.8, 0.3], 0.15), (0.6, vec![0.7, -0.5], 0.25)];
    let score = MixtureMarginals::new(GaussianMixture::new(data).unwrap(), SDE);
    let grid = CellGrid::square(40, 3.5).unwrap();
    let run = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let solver = LawSolver::new(grid);
        let times = times(10.0, 0.1, 30);
        pool.install(|| {
            solver.solve::<f32>(&score, &SDE, ReverseProcess::SDE, &times, &mut Unobserved).unwrap()
        })
    };
    let one = run(1);
    for threads in [2, 3] {
        assert_eq!(one, run(threads));
    }
}

#[test]
fn the_observer_sees_every_law_and_cancels() {
    struct Look {
        seen: Vec<(usize, f64, f64)>,
        most: usize,
    }
    impl LawObserver for Look {
        fn arrived(&mut self, index: usize, t: f64, masses: ArrayViewD<'_, f64>) {
            self.seen.push((index, t, masses.sum()));
        }
        fn cancelled(&self) -> bool {
            self.seen.len() >= self.most
        }
    }
    let solver = LawSolver::new(CellGrid::line(-4.0, 4.0, 50).unwrap());
    let run = |most| {
        let mut look = Look { seen: Vec::new(), most };
        let times = times(4.0, 0.0, 4);
        let law =
            solver.solve::<f64>(&AtRest { dim: 1 }, &SDE, ReverseProcess::SDE, &times, &mut look);
        (law, look.seen)
    };
    let (law, seen) = run(usize::MAX);
    let law = law.unwrap();
    assert_eq!((law.t, law.statistics.steps, law.statistics.score_evaluations), (0.0, 4, 200));
    let times: Vec<(usize, f64)> = seen.iter().map(|(index, t, _)| (*index, *t)).collect();
    assert_eq!(times, [(0, 4.0), (1, 3.0), (2, 2.0), (3, 1.0), (4, 0.0)]);
    assert!(seen.iter().all(|(.., mass)| (mass - 1.0).abs() < 1e-14));
    assert!((law.density().sum() * law.grid.cell_volume() - 1.0).abs() < 1e-14);
    let (law, seen) = run(3);
    assert_eq!((law.unwrap_err(), seen.len()), (LawError::Cancelled, 3));
}

#[test]
fn grids_that_are_none_are_refused() {
    assert_eq!(CellAxis::new(0.0, 1.0, 1), Err(CellGridError::TooFewCells { cells: 1 }));
    for (lower, upper) in [(1.0, 1.0), (1.0, 0.0), (0.0, f64::INFINITY), (-f64::MAX, f64::MAX)] {
        let error = CellAxis::new(lower, upper, 3).unwrap_err();
        assert_eq!(error, CellGridError::Ends { lower, upper, cells: 3 });
    }
    assert!(CellAxis::new(f64::NAN, 1.0, 3).is_err());
    let axis = CellAxis::new(-1.0, 1.0, 3).unwrap();
    assert_eq!(CellGrid::new(&[]), Err(CellGridError::Dimension { axes: 0 }));
    assert_eq!(CellGrid::new(&[axis; 3]), Err(CellGridError::Dimension { axes: 3 }));
    let long = CellAxis::new(-1.0, 1.0, usize::MAX / 2).unwrap();
    assert_eq!(CellGrid::new(&[axis, long]), Err(CellGridError::TooManyCells));
    let tiny = CellAxis::new(0.0, 1e-200, 4).unwrap();
    assert!(matches!(CellGrid::new(&[tiny; 2]), Err(CellGridError::Ends { .. })));
    let faces = [0, 1, 2, 3].map(|i| axis.face(i));
    assert_eq!([faces[0], faces[1]], [-faces[3], -faces[2]]);
    assert!((faces[0], faces[3]) == (-1.0, 1.0) && (faces[2] - 1.0 / 3.0).abs() < 1e-15);
    assert_eq!(axis.centre(1), 0.0);
}

#[test]
fn what_cannot_be_solved_is_refused_with_its_place() {
    let grid = CellGrid::square(10, 4.0).unwrap();
    let times = times(10.0, 0.0, 10);
    let solve = |score: &dyn Score<f64>, start: Option<ArrayD<f64>>, most_at_walls: f64| {
        let solver = LawSolver { grid, most_at_walls };
        let start = start.unwrap_or_else(|| ArrayD::from_elem(IxDyn(&[10, 10]), 0.01));
        let sde = ReverseProcess::SDE;
        solver.solve_from(start.view(), score, &SDE, sde, &times, &mut Unobserved).unwrap_err()
    };
    assert_eq!(solve(&AtRest { dim: 1 }, None, 1.0), LawError::Dimension { score: 1, grid: 2 });
    let (expected, found) = (vec![10, 10], vec![10, 9]);
    let short = ArrayD::zeros(IxDyn(&found));
    assert_eq!(solve(&AtRest { dim: 2 }, Some(short), 1.0), LawError::Shape { expected, found });
    for (first, expected) in [(-0.1, -0.1), (f64::INFINITY, f64::INFINITY), (0.0, 0.0)] {
        let mut start = ArrayD::zeros(IxDyn(&[10, 10]));
        start[[0, 0]] = first;
        assert_eq!(solve(&AtRest { dim: 2 }, Some(start), 1.0), LawError::Mass { value: expected });
    }
    // 36 of 100 cells are at a wall.
    let error = solve(&AtRest { dim: 2 }, None, 0.3);
    let LawError::AtWalls { t: 10.0, share, most: 0.3 } = error else { panic!("{error}") };
    assert!((share - 0.36).abs() < 1e-14);

    /// Not a number for `x₁ > 2`, `x₂ > 1` and `t < 5`.
    struct Broken;
    impl Score<f64> for Broken {
        fn dim(&self) -> usize {
            2
        }
        fn score(
            &self,
            t: f64,
            x: ArrayView2<'_, f64>,
            mut out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
                let bad = t < 5.0 && x[0] > 2.0 && x[1] > 1.0;
                out.assign(&x.mapv(|x| if bad { f64::NAN } else { -2.0 * x }));
            }
            Ok(())
        }
    }
    let error = solve(&Broken, None, 1.0);
    // The cells are 0.8 wide with centres at ±0.4, ±1.2, …, and steps of length 1 have their middle at a half.
    let LawError::NotFinite { t, place, score } = &error else { panic!("{error}") };
    assert_eq!((*t, place.len()), (4.5, 2));
    assert!((place[0] - 2.8).abs() < 1e-12 && (place[1] - 1.2).abs() < 1e-12, "{place:?}");
    assert!(score.iter().all(|s| s.is_nan()));

    /// Refuses what it is asked.
    struct Refusing;
    impl Score<f64> for Refusing {
        fn dim(&self) -> usize {
            2
        }
        fn score(
            &self,
            _t: f64,
            _x: ArrayView2<'_, f64>,
            _out: ArrayViewMut2<'_, f64>,
        ) -> Result<(), BatchError> {
            Err(BatchError::Backend("no memory".into()))
        }
    }
    let expected = BatchError::Backend("no memory".into());
    assert_eq!(solve(&Refusing, None, 1.0), LawError::Score(expected));
}

#[test]
fn a_prior_outside_the_box_stays_in_the_cells_at_the_walls() {
    let grid = CellGrid::line(-0.5, 0.5, 10).unwrap();
    let score = AtRest { dim: 1 };
    let solve = |solver: LawSolver| {
        let times = times(10.0, 9.0, 10);
        solver.solve::<f64>(&score, &SDE, ReverseProcess::ODE, &times, &mut Unobserved)
    };
    // P(|X| > 0.4) for X ~ N(0, ½) is erfc(0.4).
    let error = solve(LawSolver::new(grid)).unwrap_err();
    let LawError::AtWalls { t: 10.0, share, .. } = error else { panic!("{error}") };
    assert!((share - libm::erfc(0.4)).abs() < 1e-14);
    let law = solve(LawSolver { grid, most_at_walls: 1.0 }).unwrap();
    assert!((law.masses.sum() - 1.0).abs() < 1e-14);
    assert!((law.statistics.most_at_walls - share).abs() < 1e-14);
}

/// A score with no rhyme or reason: from point to point and from time to time another number, of a size
/// that is another from point to point, too.
struct Rough {
    seed: u64,
    scale: f64,
    dim: usize,
}

impl Score<f64> for Rough {
    fn dim(&self) -> usize {
        self.dim
    }

    fn score(
        &self,
        t: f64,
        x: ArrayView2<'_, f64>,
        mut out: ArrayViewMut2<'_, f64>,
    ) -> Result<(), BatchError> {
        let mix = |a: u64, b: u64| {
            let z = (a ^ b).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            z ^ (z >> 29)
        };
        for (x, mut out) in x.rows().into_iter().zip(out.rows_mut()) {
            for axis in 0..self.dim {
                let place = x.iter().fold(self.seed + axis as u64, |z, x| mix(z, x.to_bits()));
                let bits = mix(mix(place, t.to_bits()), self.seed);
                let size = self.scale.powi((bits % 7) as i32);
                out[axis] = size * ((bits >> 11) as f64 / (1_u64 << 53) as f64 - 0.5);
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn mass_is_kept_and_never_negative_however_rough_the_score(
        seed in 0_u64..1 << 40,
        scale in 0.1_f64..100.0,
        columns in 2_usize..40,
        rows in 1_usize..20,
        lambda in prop_oneof![Just(0.0), Just(1e-9), Just(1.0), 0.0..3.0_f64],
    ) {
        let mut axes = vec![CellAxis::new(-3.0, 2.0, columns).unwrap()];
        if rows > 1 {
            axes.push(CellAxis::new(-2.0, 2.5, rows).unwrap());
        }
        let grid = CellGrid::new(&axes).unwrap();
        let score = Rough { seed, scale, dim: axes.len() };
        struct Check;
        impl LawObserver for Check {
            fn arrived(&mut self, index: usize, _t: f64, masses: ArrayViewD<'_, f64>) {
                assert!(masses.iter().all(|mass| *mass >= 0.0), "{index}: {masses:?}");
                assert!((masses.sum() - 1.0).abs() < 1e-12, "{index}: {}", masses.sum());
            }
        }
        let law = LawSolver { grid, most_at_walls: 1.0 }.solve(
            &score,
            &SDE,
            ReverseProcess::family(lambda).unwrap(),
            &times(10.0, 0.0, 50),
            &mut Check,
        );
        prop_assert!(law.is_ok());
    }
}
