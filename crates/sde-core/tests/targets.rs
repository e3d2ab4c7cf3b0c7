//! Target samplers against their densities, and reproducibility.

use fokker_sde_core::{Purpose, Streams, TargetName, sample_target};
use ndarray::{Array2, Axis};

/// Cells per axis of the box `[−4, 4]²` used for the χ² test.
const CELLS: usize = 24;
const EXTENT: f64 = 4.0;

/// The mass of each cell by a midpoint rule of 12 × 12 points, which resolves the edges of the
/// checkerboard exactly because they fall on cell boundaries or midway between midpoints. Where the
/// density varies over 0.1, as it does at least, the rule errs by half a percent of a cell's mass.
fn masses(density: impl Fn(&[f64]) -> f64) -> Array2<f64> {
    const FINE: usize = 12;
    let width = 2.0 * EXTENT / CELLS as f64;
    Array2::from_shape_fn((CELLS, CELLS), |(row, column)| {
        let mut sum = 0.0;
        for i in 0..FINE {
            for j in 0..FINE {
                let at = |cell: usize, k: usize| {
                    -EXTENT + width * (cell as f64 + (k as f64 + 0.5) / FINE as f64)
                };
                sum += density(&[at(column, j), at(row, i)]);
            }
        }
        sum * (width / FINE as f64).powi(2)
    })
}

#[test]
fn samples_follow_the_density() {
    let n = 200_000;
    for name in TargetName::ALL {
        let target = name.target();
        let expected = masses(|x| target.density(x).unwrap());
        // The tails of a Student-t go on beyond the box.
        let outside = if name == TargetName::StudentT { 0.05 } else { 1e-3 };
        assert!((expected.sum() - 1.0).abs() < outside, "{name}: mass {}", expected.sum());
        let points: Array2<f64> =
            sample_target(target.as_ref(), n, Streams::new(3), Purpose::Truth, 0);
        let near = points.rows().into_iter().filter(|x| x.iter().all(|x| x.abs() < 3.5)).count();
        assert!(near as f64 > 0.95 * n as f64, "{name}: {near} of {n} points in [−3.5, 3.5]²");
        let mut counts = Array2::<f64>::zeros((CELLS, CELLS));
        for point in points.rows() {
            let cell = |x: f64| ((x + EXTENT) / (2.0 * EXTENT) * CELLS as f64).floor() as usize;
            if point.iter().all(|x| x.abs() < EXTENT) {
                counts[[cell(point[1]), cell(point[0])]] += 1.0;
            }
        }
        // χ² over the cells that expect at least 20 points and one more for all the rest; a
        // threshold of mean + 5.5 standard deviations has a false-alarm rate below 1e-6.
        let term = |count: f64, mean: f64| (count - mean).powi(2) / mean;
        let (mut chi_squared, mut cells, mut rest) = (0.0, 1.0_f64, (n as f64, n as f64));
        for (&count, &mass) in counts.iter().zip(&expected) {
            let mean = n as f64 * mass;
            if mean >= 20.0 {
                chi_squared += term(count, mean);
                cells += 1.0;
                rest = (rest.0 - count, rest.1 - mean);
            }
        }
        // The checkerboard leaves nothing for the rest but the error of the quadrature.
        if rest.1 >= 20.0 {
            chi_squared += term(rest.0, rest.1);
        } else {
            assert!(rest.0 < 60.0, "{name}: {} points where {} are expected", rest.0, rest.1);
        }
        let threshold = cells + 5.5 * (2.0 * cells).sqrt();
        assert!(chi_squared < threshold, "{name}: χ² = {chi_squared} over {cells} cells");
    }
}

#[test]
fn samples_do_not_depend_on_the_number_of_threads_and_extend() {
    for name in TargetName::ALL {
        let target = name.target();
        let draw = |threads, n, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                sample_target::<f32>(target.as_ref(), n, Streams::new(seed), Purpose::Truth, 0)
            })
        };
        let one = draw(1, 10_000, 5);
        assert_eq!(one, draw(3, 10_000, 5), "{name}");
        let longer = draw(2, 20_000, 5);
        assert_eq!(one, longer.view().split_at(Axis(0), 10_000).0, "{name}");
        assert_ne!(one, draw(1, 10_000, 6), "{name}");
    }
}

#[test]
fn published_seeds_keep_their_bits() {
    for (name, third) in [
        (TargetName::Checkerboard, [2.801685647934095, -0.2969146426353424]),
        (TargetName::Circles, [0.46313962567989436, -1.3651100339333404]),
        (TargetName::Ring, [0.6880371787629376, -2.0279984790108356]),
        (TargetName::Mixture, [1.387859954748118, 1.516380960404078]),
    ] {
        let points: Array2<f64> =
            sample_target(name.target().as_ref(), 3, Streams::new(3), Purpose::Truth, 0);
        assert_eq!(points.row(2).as_slice(), Some(third.as_slice()), "{name}");
    }
}

#[test]
fn names_are_written_as_they_are_read() {
    for name in TargetName::ALL {
        assert_eq!(serde_json::to_string(&name).unwrap(), format!("\"{name}\""));
    }
}
