//! Resampling: the moments of the counts, and intervals that cover what they should.

use fokker_metrics::{Grid, Histogram, bootstrap_interval, squared_w2};
use ndarray::{Array2, array};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

#[test]
fn counts_are_multinomial() {
    let grid = Grid::square(2, 1.0).unwrap();
    // Two points of ten lie outside.
    let points = [[1.0, 1.0]; 5].into_iter().chain([[-1.0, 1.0]; 3]).chain([[7.0, 0.0]; 2]);
    let points: Vec<[f64; 2]> = points.collect();
    let law = Histogram::from_points(grid, ndarray::aview2(&points)).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (n, draws) = (1000, 2000);
    let shares = [0.5, 0.3, 0.2];
    let (mut sums, mut products) = ([0.0; 3], [[0.0; 3]; 3]);
    for _ in 0..draws {
        let found = law.resample(n, &mut rng).unwrap();
        let counts = [found.mass()[[1, 1]], found.mass()[[1, 0]], found.outside() as f64];
        assert_eq!(counts.iter().sum::<f64>(), n as f64);
        let deviations = [0, 1, 2].map(|k| counts[k] - n as f64 * shares[k]);
        for k in 0..3 {
            sums[k] += deviations[k];
            for j in 0..3 {
                products[k][j] += deviations[k] * deviations[j] / draws as f64;
            }
        }
    }
    // 12 statistics, each within 5 standard deviations: a false alarm once in a hundred thousand.
    for k in 0..3 {
        let variance = n as f64 * shares[k] * (1.0 - shares[k]);
        assert!((sums[k] / draws as f64).abs() < 5.0 * (variance / draws as f64).sqrt());
        for j in 0..3 {
            let expected = n as f64 * shares[k] * (f64::from(u8::from(j == k)) - shares[j]);
            // Var of a product of two nearly normal deviations is at most 2 n² · the variances.
            let spread = (2.0 / draws as f64).sqrt() * 0.25 * n as f64;
            assert!((products[k][j] - expected).abs() < 5.0 * spread, "{k} {j}");
        }
    }
}

#[test]
fn every_point_lands_however_the_masses_are_rounded() {
    let grid = Grid::square(16, 1.0).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for k in 1..40 {
        let mass = Array2::from_shape_fn((16, 16), |(i, j)| match (i + 3 * j) % 5 {
            0 => 0.0,
            m => (m as f64 * k as f64).sqrt() * 1e-3_f64.powi(k % 4),
        });
        let law = Histogram::from_mass(grid, mass.clone()).unwrap();
        let found = law.resample(10_000, &mut rng).unwrap();
        assert_eq!((found.total(), found.outside()), (10_000.0, 0));
        let both = found.mass().iter().zip(&mass).all(|(count, mass)| *mass > 0.0 || *count == 0.0);
        assert!(both, "a point where there is no mass");
    }
    assert!(
        Histogram::from_mass(grid, Array2::ones((16, 16))).unwrap().resample(0, &mut rng).is_err()
    );
}

/// The 95 % interval of `W2²` between two laws at distance 0.64 covers it about as often as it says.
#[test]
fn bootstrap_intervals_cover() {
    let grid = Grid::square(6, 1.0).unwrap();
    let law = |shift: usize| {
        let mass = Array2::from_shape_fn((6, 6), |(j, i)| match (j, i.checked_sub(shift)) {
            (1..=3, Some(i @ 0..=2)) => (1 + i + j) as f64,
            _ => 0.0,
        });
        Histogram::from_mass(grid, mass).unwrap()
    };
    let laws = [law(0), law(2)];
    let w2sq = |a: &Histogram, b: &Histogram| squared_w2(a, b).unwrap().distance.value;
    let truth = w2sq(&laws[0], &laws[1]);
    assert!((truth - 0.64).abs() < 1e-12);
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (experiments, n) = (200, 400);
    let mut covered = 0;
    for _ in 0..experiments {
        let [a, b] = laws.each_ref().map(|law| law.resample(n, &mut rng).unwrap());
        let replicates: Vec<f64> = (0..60)
            .map(|_| {
                let [a, b] = [&a, &b].map(|found| found.resample(n, &mut rng).unwrap());
                w2sq(&a, &b)
            })
            .collect();
        let [low, high] = bootstrap_interval(w2sq(&a, &b), &replicates, 0.95);
        covered += usize::from((low..=high).contains(&truth));
    }
    // With 60 replicates the extreme quantiles are short: 93 %. 86 % of 200 is four standard deviations
    // below, a false alarm once in thirty thousand; 100 % would be an interval that says nothing.
    assert!((172..200).contains(&covered), "{covered} of {experiments}");
}

#[test]
fn intervals_are_those_of_the_quantiles() {
    let replicates: Vec<f64> = (0..=100).rev().map(|k| 2.0 + f64::from(k) / 100.0).collect();
    let [low, high] = bootstrap_interval(2.4, &replicates, 0.9);
    assert!((low - 1.85).abs() < 1e-12 && (high - 2.75).abs() < 1e-12, "{low} {high}");
    assert_eq!(bootstrap_interval(0.5, &array![1.0, 3.0].to_vec(), 1.0), [0.0, 0.0]);
    assert_eq!(bootstrap_interval(0.5, &[], 0.95), [0.5, 0.5]);
}
