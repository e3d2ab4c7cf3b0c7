//! The uniform law on polygons: areas, samples, the density, refusals.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::f64::consts::PI;

use fokker_sde_core::{PolygonError, Polygons, Purpose, Streams, Target, sample_target};
use ndarray::Array2;
use rand::RngExt;

const L: [[f64; 2]; 6] =
    [[-3.0, -3.0], [1.0, -3.0], [1.0, -1.0], [-1.0, -1.0], [-1.0, 1.0], [-3.0, 1.0]];
const TRIANGLE: [[f64; 2]; 3] = [[0.0, 3.0], [3.0, 0.0], [3.0, 3.0]];

fn law(polygons: &[&[[f64; 2]]]) -> Polygons {
    Polygons::new(polygons.iter().map(|polygon| polygon.to_vec()).collect()).unwrap()
}

fn refusal(polygons: &[&[[f64; 2]]]) -> PolygonError {
    Polygons::new(polygons.iter().map(|polygon| polygon.to_vec()).collect()).unwrap_err()
}

/// χ² of 100 000 points over cells of given areas against a threshold of mean + 8 standard deviations,
/// with a false-alarm rate below 1e-6 for ten cells and more; every point must lie where the density is
/// positive.
fn check_cells(law: &Polygons, areas: &[f64], cell: impl Fn(&[f64]) -> usize) {
    let n = 100_000;
    assert!((areas.iter().sum::<f64>() / law.area() - 1.0).abs() < 1e-12, "{}", law.area());
    let x: Array2<f64> = sample_target(law, n, Streams::new(21), Purpose::Truth, 0);
    let mut counts = vec![0.0; areas.len()];
    for x in x.rows() {
        let x = x.as_slice().unwrap();
        assert_eq!(law.density(x), Some(1.0 / law.area()), "{x:?}");
        counts[cell(x)] += 1.0;
    }
    let term = |(count, area): (&f64, &f64)| {
        let mean = n as f64 * area / law.area();
        (count - mean).powi(2) / mean
    };
    let chi_squared: f64 = counts.iter().zip(areas).map(term).sum();
    let cells = areas.len() as f64;
    assert!(chi_squared < cells + 8.0 * (2.0 * cells).sqrt(), "χ² = {chi_squared} over {cells}");
}

#[test]
fn an_l_and_a_triangle_are_filled_evenly() {
    // Unit squares: 12 of the L, and of the triangle 3 whole ones and 3 halves.
    let mut cells: Vec<([i32; 2], f64)> = Vec::new();
    for i in -3..3 {
        for j in -3..3 {
            let in_l = (i < 1 && j < -1) || (i < -1 && j < 1);
            let area = match i + j {
                _ if in_l => 1.0,
                2 if i >= 0 && j >= 0 => 0.5,
                3.. if i >= 0 && j >= 0 => 1.0,
                _ => continue,
            };
            cells.push(([i, j], area));
        }
    }
    assert_eq!(cells.len(), 18);
    let areas: Vec<f64> = cells.iter().map(|cell| cell.1).collect();
    let cell = |x: &[f64]| {
        let at = [x[0].floor() as i32, x[1].floor() as i32];
        cells.iter().position(|cell| cell.0 == at).unwrap()
    };
    check_cells(&law(&[&L, &TRIANGLE]), &areas, cell);
    check_cells(&Polygons::default(), &areas, cell);
    // The direction in which vertices are listed says nothing.
    let mut reversed = L;
    reversed.reverse();
    check_cells(&law(&[&reversed, &TRIANGLE]), &areas, cell);
}

#[test]
fn a_jagged_star_is_filled_evenly() {
    // Star-shaped about the origin, with 60 vertices at random radii; the cells are its sectors.
    let mut rng = Streams::new(22).rng(Purpose::Evaluation, 0, 0);
    let vertices: Vec<[f64; 2]> = (0..60)
        .map(|i| {
            let (sin, cos) = (PI * f64::from(i) / 30.0).sin_cos();
            let radius = 0.5 + 2.5 * rng.random::<f64>();
            [radius * cos, radius * sin]
        })
        .collect();
    let area = |i: usize| {
        let ([a, b], [c, d]) = (vertices[i], vertices[(i + 1) % 60]);
        0.5 * (a * d - b * c)
    };
    let areas: Vec<f64> = (0..60).map(area).collect();
    let sector = |x: &[f64]| (x[1].atan2(x[0]).rem_euclid(2.0 * PI) / PI * 30.0) as usize;
    check_cells(&law(&[&vertices]), &areas, sector);
}

#[test]
fn a_comb_with_flat_vertices_is_filled_evenly() {
    // Ten teeth of width 1 and height 2 on a bar of height 1; a flat vertex at each unit of the bar.
    let mut vertices: Vec<[f64; 2]> = (0..=19).map(|i| [f64::from(i), 0.0]).collect();
    for i in (0..=18).rev().step_by(2) {
        let x = f64::from(i);
        vertices.extend([[x + 1.0, 3.0], [x, 3.0], [x, 1.0]]);
        if i > 0 {
            vertices.push([x - 1.0, 1.0]);
        }
    }
    vertices.pop();
    let areas: Vec<f64> = (0..19).map(|i| if i % 2 == 0 { 3.0 } else { 1.0 }).collect();
    check_cells(&law(&[&vertices]), &areas, |x| x[0] as usize);
}

#[test]
fn the_density_is_that_of_the_inside() {
    let law = law(&[&L, &TRIANGLE]);
    assert!((law.area() - 16.5).abs() < 1e-12);
    for (x, inside) in [
        ([-2.0, -2.0], true),
        ([0.5, -2.9], true),
        ([-0.5, -0.5], false),
        ([-3.1, -2.0], false),
        ([-4.0, -1.0], false),
        ([2.0, 2.0], true),
        ([1.0, 1.0], false),
        ([f64::NAN, 0.0], false),
    ] {
        assert_eq!(law.density(&x), Some(if inside { 1.0 / 16.5 } else { 0.0 }), "{x:?}");
    }
    // Half-open boundaries: the squares of a tiling have every point of it once.
    let tile = |x: f64| vec![[x, 0.0], [x + 1.0, 0.0], [x + 1.0, 1.0], [x, 1.0]];
    let tiling = Polygons::new((0..4).map(|i| tile(f64::from(i))).collect()).unwrap();
    for i in 0..8 {
        assert_eq!(tiling.density(&[f64::from(i) * 0.5, 0.0]), Some(0.25));
    }
    assert_eq!(tiling.density(&[4.0, 0.0]), Some(0.0));
}

#[test]
fn polygons_that_are_not_simple_are_refused() {
    assert_eq!(refusal(&[]), PolygonError::Empty);
    assert_eq!(refusal(&[&L, &L[..2]]), PolygonError::TooFew { polygon: 1, vertices: 2 });
    let at = [f64::INFINITY, 0.0];
    assert_eq!(
        refusal(&[&[[0.0, 0.0], [1.0, 0.0], at]]),
        PolygonError::Vertex { polygon: 0, vertex: 2, at }
    );
    assert!(matches!(
        refusal(&[&[[0.0, 0.0], [f64::NAN, 0.0], [1.0, 1.0]]]),
        PolygonError::Vertex { polygon: 0, vertex: 1, .. }
    ));
    assert_eq!(
        refusal(&[&[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]),
        PolygonError::Repeated { polygon: 0, vertex: 3 }
    );
    for line in [
        [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]],
        [[0.0, 0.0], [1.0, 0.0], [0.5, 1e-13]],
        [[1e-300, 0.0], [0.0, 1e-300], [0.0, 0.0]],
    ] {
        assert_eq!(refusal(&[&TRIANGLE, &line]), PolygonError::Degenerate { polygon: 1 });
    }
    let crossing = |first, second| PolygonError::SelfIntersecting { polygon: 0, first, second };
    // A figure of eight, whose signed area is 0.
    assert_eq!(refusal(&[&[[0.0, 0.0], [1.0, 1.0], [1.0, 0.0], [0.0, 1.0]]]), crossing(0, 2));
    // A vertex on an edge.
    assert_eq!(
        refusal(&[&[[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [1.0, 0.0], [0.0, 2.0]]]),
        crossing(0, 2)
    );
    // A spike, in the middle and at the first vertex.
    assert_eq!(refusal(&[&[[0.0, 0.0], [2.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]), crossing(0, 1));
    assert_eq!(refusal(&[&[[2.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 0.0]]]), crossing(0, 3));
    // Edges on one line that overlap.
    let folded = [[0.0, 0.0], [3.0, 0.0], [3.0, 1.0], [2.0, 0.0], [1.0, 0.0], [0.0, 1.0]];
    assert_eq!(refusal(&[&folded]), crossing(0, 2));
}

#[test]
fn polygons_that_overlap_are_refused() {
    let square = |x: f64, y: f64| [[x, y], [x + 1.0, y], [x + 1.0, y + 1.0], [x, y + 1.0]];
    let overlap = |a: &[[f64; 2]], b: &[[f64; 2]]| match refusal(&[&TRIANGLE, a, b]) {
        PolygonError::Overlap { first: 1, second: 2, area } => area,
        other => panic!("{other}"),
    };
    let at_origin = square(0.0, 0.0);
    assert!((overlap(&at_origin, &square(-0.75, 0.5)) - 0.125).abs() < 1e-15);
    assert!((overlap(&at_origin, &at_origin) - 1.0).abs() < 1e-15);
    // One within the other, without a crossing of edges; and the notch of the L is free.
    let small = [[0.2, 0.2], [0.4, 0.2], [0.3, 0.4]];
    assert!((overlap(&at_origin, &small) - 0.02).abs() < 1e-15);
    assert!((law(&[&L, &square(-1.0, -1.0)]).area() - 13.0).abs() < 1e-12);
    assert!((law(&[&square(0.1, 0.3), &square(1.1, 0.3)]).area() - 2.0).abs() < 1e-12);
}
