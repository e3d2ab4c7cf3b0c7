//! Noise floors and intervals: closed forms, and the draws they are made of.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::f64::consts::{FRAC_2_PI, PI};
use std::time::Duration;

use fokker_metrics::{
    Axis, Floor, Grid, Histogram, HistogramError, Side, UncertaintyError, bootstrap,
    bootstrap_interval, noise_floor, w1_noise_floor,
};
use ndarray::{Array1, Array2};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rayon::ThreadPoolBuilder;

fn rng(draw: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(draw)
}

/// Cells on `[0, 1]` with these masses.
fn line(mass: &[f64]) -> Histogram {
    let grid = Grid::new(&[Axis::cells(0.0, 1.0, mass.len()).unwrap()]).unwrap();
    Histogram::from_mass(grid, Array1::from(mass.to_vec())).unwrap()
}

fn points(grid: Grid, points: &[f64]) -> Histogram {
    let points = Array2::from_shape_vec((points.len(), 1), points.to_vec()).unwrap();
    Histogram::from_points(grid, points.view()).unwrap()
}

/// The mean of what lies on the line.
fn centre(histogram: &Histogram) -> f64 {
    let grid = histogram.grid();
    let moments =
        histogram.mass().iter().enumerate().map(|(i, m)| m * grid.place(i)[0]).sum::<f64>();
    moments / histogram.total()
}

fn squared_difference(a: &Histogram, b: &Histogram) -> Result<f64, UncertaintyError> {
    Ok((centre(a) - centre(b)).powi(2))
}

/// `∫ |F − G| dx`.
fn w1(a: &Histogram, b: &Histogram) -> Result<f64, UncertaintyError> {
    let (mut difference, mut integral) = (0.0, 0.0);
    for (p, q) in a.mass().iter().zip(b.mass()) {
        difference += p / a.total() - q / b.total();
        integral += difference.abs();
    }
    Ok(integral * a.grid().cell_volume())
}

/// `W₂²` between equally many points on the line: the sorted ones are matched.
fn squared_w2_of_counts(a: &Histogram, b: &Histogram) -> Result<f64, UncertaintyError> {
    let sorted = |side: &Histogram| -> Vec<f64> {
        let places = side.mass().to_owned().into_iter().enumerate();
        places.flat_map(|(i, count)| vec![side.grid().place(i)[0]; count as usize]).collect()
    };
    let (a, b) = (sorted(a), sorted(b));
    Ok(a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64)
}

#[test]
fn the_floor_of_a_difference_of_means_is_its_variance() {
    let mass = [1.0, 4.0, 0.0, 2.0, 3.0];
    let law = line(&mass);
    let middle = centre(&law);
    let variance: f64 = mass
        .iter()
        .enumerate()
        .map(|(i, m)| m / 10.0 * (law.grid().place(i)[0] - middle).powi(2))
        .sum();
    let (n, draws) = ([50, 200], 20_000);
    let floor = noise_floor(&law, n, draws, rng, squared_difference).unwrap();
    let expected = variance * (1.0 / 50.0 + 1.0 / 200.0);
    // Within 5 standard errors, a false alarm once in a million; that of a squared normal number is known
    // up to √(14/draws)/2 = 1.3 %.
    assert!((floor.mean - expected).abs() < 5.0 * floor.standard_error, "{floor:?} {expected}");
    let error = expected * (2.0 / draws as f64).sqrt();
    assert!((floor.standard_error / error - 1.0).abs() < 0.07, "{floor:?} {error}");
}

/// `1/(3 (n + 1))` for two times `n` uniform points, not the `1/(3 n)` of the leading order.
#[test]
fn the_floor_of_squared_w2_between_uniform_points_is_exact() {
    let n = 4;
    let law = line(&[1.0; 200]);
    let floor = noise_floor(&law, [n, n], 10_000, rng, squared_w2_of_counts).unwrap();
    // The cells are 0.2 ‰ of it; 5 standard errors, a false alarm once in a million, are less than the
    // quarter that the leading order is off.
    let expected = 1.0 / (3.0 * (n + 1) as f64);
    let tolerance = 5.0 * floor.standard_error + 1e-3 * expected;
    assert!((floor.mean - expected).abs() < tolerance, "{floor:?} {expected}");
    assert!(tolerance < 0.1 * expected);
}

#[test]
fn the_floor_of_w1_in_closed_form_is_the_simulated_one() {
    let mass: Vec<f64> = (0..40).map(|k| f64::from(1 + k % 7 + k / 10)).collect();
    let grid = line(&mass).grid();
    // A tenth of the points outside.
    let inside = (0..40).flat_map(|k| vec![grid.place(k)[0]; mass[k] as usize * 9]);
    let mut all: Vec<f64> = inside.collect();
    all.extend(vec![2.0; all.len() / 9]);
    for law in [line(&mass), points(grid, &all)] {
        let n = [4000, 2000];
        let drawn = noise_floor(&law, n, 4000, rng, w1).unwrap();
        let closed = w1_noise_floor(&law, n).unwrap();
        // 5 standard errors for two means, a false alarm once in a million, and what the next order is;
        // that the points outside do not count is 5 %.
        let tolerance = 5.0 * drawn.standard_error + 0.002 * drawn.mean;
        assert!((drawn.mean - closed.mean).abs() < tolerance, "{drawn:?} {closed:?}");
        assert!(tolerance < 0.045 * drawn.mean);
    }
}

#[test]
fn the_floor_of_w1_between_uniform_points() {
    // ∫ √(x (1 − x)) dx = π/8 on [0, 1].
    let law = line(&[1e300; 100_000]);
    let expected = (FRAC_2_PI * (1.0 / 100.0 + 1.0 / 25.0)).sqrt() * PI / 8.0;
    let floor = w1_noise_floor(&law, [100, 25]).unwrap();
    assert!((floor.mean - expected).abs() < 1e-6 * expected && floor.standard_error == 0.0);
    // Two nodes three apart: the distance is 3 |p − q|, and F = 1/4 between them.
    let grid = Grid::new(&[Axis::nodes(-1.0, 2.0, 2).unwrap()]).unwrap();
    let law = Histogram::from_mass(grid, ndarray::array![0.1, 0.3]).unwrap();
    let found = w1_noise_floor(&law, [1, 1]).unwrap().mean;
    let expected = 3.0 * (FRAC_2_PI * 2.0 * 3.0 / 16.0).sqrt();
    assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    assert_eq!(w1_noise_floor(&line(&[0.0, 7.0]), [3, 4]).unwrap().mean, 0.0);
}

/// First the first side, then the second, from one generator for each draw.
#[test]
fn draws_are_those_of_resampling() {
    let mass: Vec<f64> = (1..30).map(f64::from).collect();
    let law = line(&mass);
    let by_hand = |first: &Histogram, second: &Histogram, n: [u64; 2], draws: u64| -> Vec<f64> {
        let value = |draw| {
            let mut rng = rng(draw);
            let a = first.resample(n[0], &mut rng).unwrap();
            let b = second.resample(n[1], &mut rng).unwrap();
            w1(&a, &b).unwrap()
        };
        (0..draws).map(value).collect()
    };
    let values = by_hand(&law, &law, [100, 300], 50);
    let mean = values.iter().sum::<f64>() / 50.0;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let floor = noise_floor(&law, [100, 300], 50, rng, w1).unwrap();
    assert_eq!(floor.mean, mean);
    assert!((floor.standard_error - (squares / (50.0 * 49.0)).sqrt()).abs() < 1e-16);

    let first = points(law.grid(), &[0.1, 0.3, 0.3, 0.9, 1.5]);
    let second = points(law.grid(), &[0.2, 0.3, 0.4]);
    let values = by_hand(&first, &second, [5, 3], 60);
    let expected = bootstrap_interval(w1(&first, &second).unwrap(), &values, 0.9);
    assert_eq!(bootstrap(&first, &second, 60, 0.9, rng, w1), Ok(expected));
    assert!(expected[0] < expected[1]);
}

#[test]
fn the_number_of_threads_is_immaterial() {
    let law = line(&[1.0, 2.0, 3.0]);
    let data = law.resample(100, &mut rng(0)).unwrap();
    // An error in two draws of a hundred, which tells of the draw that it is from.
    let refuse = |a: &Histogram, b: &Histogram| match a.mass()[0] {
        count if count >= 10.0 => Err(UncertaintyError::Level { level: count + b.mass()[0] / 1e3 }),
        _ => Ok(0.0),
    };
    // The later draws are done before the earlier ones.
    let late = |draw| {
        if draw < 200 {
            std::thread::sleep(Duration::from_micros(100));
        }
        rng(draw)
    };
    let found = [1, 2, 3, 7].map(|threads| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let floor: Result<Floor, _> = noise_floor(&law, [30, 40], 50, rng, w1);
            let interval = bootstrap(&data, &data, 50, 0.95, rng, w1);
            let refused = noise_floor(&law, [30, 40], 400, late, refuse);
            (floor.unwrap(), interval.unwrap(), refused.unwrap_err())
        })
    });
    for others in &found[1..] {
        assert_eq!(others, &found[0]);
    }
    let first = (0..400).find_map(|draw| {
        let mut rng = rng(draw);
        let [a, b] = [30, 40].map(|n| law.resample(n, &mut rng).unwrap());
        refuse(&a, &b).err()
    });
    assert_eq!(Some(&found[0].2), first.as_ref());
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let law = line(&[1.0, 2.0]);
    let data = points(law.grid(), &[0.1, 0.7, 0.8]);
    for found in [0, 1] {
        let error = UncertaintyError::Draws { found };
        assert_eq!(noise_floor(&law, [3, 3], found, rng, w1), Err(error.clone()));
        assert_eq!(bootstrap(&data, &data, found, 0.9, rng, w1), Err(error));
    }
    let none = |side| UncertaintyError::NoPoints { side };
    for (n, side) in [([0, 3], Side::First), ([3, 0], Side::Second), ([0, 0], Side::First)] {
        assert_eq!(noise_floor(&law, n, 5, rng, w1), Err(none(side)));
        assert_eq!(w1_noise_floor(&law, n), Err(none(side)));
    }
    assert_eq!(bootstrap(&law, &data, 5, 0.9, rng, w1), Err(none(Side::First)));
    assert_eq!(bootstrap(&data, &law, 5, 0.9, rng, w1), Err(none(Side::Second)));
    for level in [0.0, 1.0, -0.5, f64::INFINITY] {
        let error = UncertaintyError::Level { level };
        assert_eq!(bootstrap(&data, &data, 5, level, rng, w1), Err(error));
    }
    let error = bootstrap(&data, &data, 5, f64::NAN, rng, w1).unwrap_err();
    assert!(matches!(error, UncertaintyError::Level { .. }));
    let plane = Histogram::from_mass(Grid::square(2, 1.0).unwrap(), Array2::ones((2, 2))).unwrap();
    assert_eq!(w1_noise_floor(&plane, [1, 1]), Err(UncertaintyError::Dimension { axes: 2 }));
    // Of ten thousand points one is inside: drawing one point finds it next to never.
    let mut far = vec![3.0; 9999];
    far.push(0.5);
    let error = noise_floor(&points(law.grid(), &far), [1, 1], 5, rng, w1).unwrap_err();
    assert_eq!(error, HistogramError::Empty { outside: 1 }.into());
}
