//! Histograms counted from points and taken from masses.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use fokker_metrics::{Axis, Grid, Histogram, HistogramError};
use ndarray::{Array1, Array2, ArrayD, array};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn grid(nodes: usize, extent: f64) -> Grid {
    Grid::square(nodes, extent).unwrap()
}

fn table(points: &[(f64, f64)]) -> Array2<f64> {
    Array2::from_shape_fn(
        (points.len(), 2),
        |(i, k)| if k == 0 { points[i].0 } else { points[i].1 },
    )
}

#[test]
fn rows_are_y_and_columns_are_x() {
    let points = array![[1.0f32, -1.0], [0.9, -0.6], [0.0, 1.0]];
    let histogram = Histogram::from_points(grid(3, 1.0), points.view()).unwrap();
    assert_eq!(
        histogram.mass(),
        array![[0.0, 0.0, 2.0], [0.0, 0.0, 0.0], [0.0, 1.0, 0.0]].into_dyn()
    );
    assert_eq!((histogram.total(), histogram.outside()), (3.0, 0));
}

#[test]
fn three_axes_of_nodes_and_cells() {
    let axes = [Axis::nodes(0.0, 1.0, 2), Axis::cells(0.0, 3.0, 3), Axis::nodes(-1.0, 1.0, 3)];
    let grid = Grid::new(&axes.map(Result::unwrap)).unwrap();
    let points = array![[0.9, 2.5, -0.9], [0.1, 0.2, 0.1], [0.1, 0.9, 0.4], [0.5, 3.1, 0.0]];
    let histogram = Histogram::from_points(grid, points.view()).unwrap();
    let mut mass = ArrayD::zeros(vec![3, 3, 2]);
    mass[[0, 2, 1]] = 1.0;
    mass[[1, 0, 0]] = 2.0;
    assert_eq!((histogram.mass(), histogram.outside()), (mass.view(), 1));
    // A transposed array is taken by its indices, not by its memory.
    let turned = mass.view().reversed_axes().as_standard_layout().into_owned().reversed_axes();
    assert_eq!(Histogram::from_mass(grid, turned).unwrap().mass(), mass);
}

#[test]
fn points_outside_are_counted_and_not_clipped() {
    let edge = 1.0f64.next_up();
    let points = array![[1.0, 1.0], [edge, 0.0], [0.0, -edge], [-7.0, 7.0], [-1.0, 0.0]];
    let histogram = Histogram::from_points(grid(3, 1.0), points.view()).unwrap();
    assert_eq!(
        histogram.mass(),
        array![[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]].into_dyn()
    );
    assert_eq!((histogram.outside(), histogram.points()), (3, Some(5)));
    assert_eq!(histogram.dropped(), 0.6);
}

#[test]
fn single_precision_counts_as_its_exact_value() {
    // 0.1f32 is above 0.1: on a box of that half-width it is outside.
    let points = array![[0.1f32, 0.0], [0.0, 0.0]];
    let histogram = Histogram::from_points(grid(3, 0.1), points.view()).unwrap();
    assert_eq!((histogram.total(), histogram.outside()), (1.0, 1));
}

#[test]
fn the_density_integrates_to_one() {
    let mass = Array2::from_shape_fn((5, 5), |(j, i)| (i + 2 * j) as f64);
    let histogram = Histogram::from_mass(grid(5, 2.0), mass.clone()).unwrap();
    let (density, cell) = (histogram.density(), histogram.grid().cell_volume());
    assert!((density.sum() * cell - 1.0).abs() < 1e-15);
    assert!((density[[1, 2]] * cell * mass.sum() - mass[[1, 2]]).abs() < 1e-15);
}

#[test]
fn unusable_points_are_refused() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for points in [array![[0.0, 0.0], [9.0, bad]], array![[0.0, 0.0], [bad, 0.0]]] {
            let error = Histogram::from_points(grid(3, 1.0), points.view()).unwrap_err();
            assert!(matches!(error, HistogramError::Point { row: 1, .. }), "{error}");
        }
    }
    let wide = Array2::<f64>::zeros((4, 3));
    assert_eq!(
        Histogram::from_points(grid(3, 1.0), wide.view()),
        Err(HistogramError::Columns { columns: 3, dim: 2 })
    );
    assert_eq!(
        Histogram::from_points(grid(3, 1.0), array![[2.0, 0.0], [0.0, 3.0]].view()),
        Err(HistogramError::Empty { outside: 2 })
    );
    assert_eq!(
        Histogram::from_points(grid(3, 1.0), Array2::<f32>::zeros((0, 2)).view()),
        Err(HistogramError::Empty { outside: 0 })
    );
}

#[test]
fn unusable_masses_are_refused() {
    let with = |value: f64| {
        let mut mass = Array2::ones((3, 3));
        mass[[1, 2]] = value;
        Histogram::from_mass(grid(3, 1.0), mass)
    };
    for bad in [-1e-300, f64::NEG_INFINITY, f64::INFINITY] {
        assert_eq!(with(bad), Err(HistogramError::Mass { index: vec![1, 2], value: bad }));
    }
    assert!(matches!(with(f64::NAN), Err(HistogramError::Mass { index, .. }) if index == [1, 2]));
    assert_eq!(
        Histogram::from_mass(grid(3, 1.0), Array2::zeros((3, 3))),
        Err(HistogramError::Empty { outside: 0 })
    );
    assert_eq!(
        Histogram::from_mass(grid(3, 1.0), Array2::from_elem((3, 3), f64::MAX)),
        Err(HistogramError::Total)
    );
    assert_eq!(
        Histogram::from_mass(grid(3, 1.0), Array2::ones((3, 4))),
        Err(HistogramError::Shape { expected: vec![3, 3], found: vec![3, 4] })
    );
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(20),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn every_point_is_inside_or_outside(
        points in vec((-1.5f64..1.5, -1.5f64..1.5), 1..200),
        nodes in 2usize..20,
    ) {
        let grid = grid(nodes, 1.0);
        match Histogram::from_points(grid, table(&points).view()) {
            Ok(histogram) => prop_assert_eq!(
                histogram.total() as u64 + histogram.outside(),
                points.len() as u64
            ),
            Err(error) => {
                prop_assert_eq!(error, HistogramError::Empty { outside: points.len() as u64 })
            }
        }
    }

    #[test]
    fn the_order_of_points_is_immaterial(
        (points, shuffled) in vec((-1.5f64..1.5, -1.5f64..1.5), 1..100)
            .prop_flat_map(|points| (Just(points.clone()), Just(points).prop_shuffle())),
    ) {
        let grid = grid(9, 1.0);
        prop_assert_eq!(
            Histogram::from_points(grid, table(&points).view()),
            Histogram::from_points(grid, table(&shuffled).view())
        );
    }

    #[test]
    fn the_nearest_place_is_nearest(x in -1.0f64..=1.0, len in 2usize..40) {
        for axis in [Axis::nodes(-1.0, 1.0, len), Axis::cells(-1.0, 1.0, len)] {
            let axis = axis.unwrap();
            let distances: Array1<f64> = (0..len).map(|i| (axis.place(i) - x).abs()).collect();
            let nearest = axis.nearest(x).unwrap();
            prop_assert!(distances.iter().all(|&d| distances[nearest] <= d + 1e-15));
        }
    }
}
