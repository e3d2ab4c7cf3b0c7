//! Divergences between histograms: closed forms, inequalities, and what chance makes of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::f64::consts::{FRAC_2_PI, LN_2};

use fokker_metrics::{
    Axis, Distance, DivergenceError, Grid, GridMismatch, Histogram, jensen_shannon,
    kullback_leibler, squared_hellinger, total_variation,
};
use ndarray::{Array1, Array2, Array3};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;

type Divergence = fn(&Histogram, &Histogram) -> Result<Distance, DivergenceError>;

const ALL: [Divergence; 4] = [kullback_leibler, jensen_shannon, total_variation, squared_hellinger];

fn line(mass: &[f64]) -> Histogram {
    let grid = Grid::new(&[Axis::cells(0.0, 1.0, mass.len()).unwrap()]).unwrap();
    Histogram::from_mass(grid, Array1::from(mass.to_vec())).unwrap()
}

/// So many points at the centre of each of the cells, and outside of all.
fn counts(places: &[usize], outside: usize) -> Histogram {
    let axis = Axis::cells(0.0, 1.0, places.len()).unwrap();
    let at = |(i, &count): (usize, &usize)| vec![axis.place(i); count];
    let mut points: Vec<f64> = places.iter().enumerate().flat_map(at).collect();
    points.extend(vec![7.0; outside]);
    let points = Array2::from_shape_vec((points.len(), 1), points).unwrap();
    Histogram::from_points(Grid::new(&[axis]).unwrap(), points.view()).unwrap()
}

fn values(first: &Histogram, second: &Histogram) -> [f64; 4] {
    ALL.map(|divergence| divergence(first, second).unwrap().value)
}

#[test]
fn two_places_in_closed_form() {
    // Shares 1/4, 3/4 and 1/2, 1/2.
    let found = values(&line(&[1.0, 3.0]), &line(&[5.0, 5.0]));
    let entropy = |p: f64| -p * p.ln() - (1.0 - p) * (1.0 - p).ln();
    let expected = [
        LN_2 - entropy(0.25),
        entropy(0.375) - 0.5 * (entropy(0.25) + LN_2),
        0.25,
        1.0 - (1.0f64 / 8.0).sqrt() - (3.0f64 / 8.0).sqrt(),
    ];
    for (found, expected) in found.into_iter().zip(expected) {
        assert!((found - expected).abs() < 1e-15, "{found} {expected}");
    }
    let squared = ALL.map(|f| f(&line(&[1.0, 3.0]), &line(&[5.0, 5.0])).unwrap().squared);
    assert_eq!(squared, [false, true, false, true]);
}

/// Between laws a distance ε apart each is a multiple of `χ² = Σ (p − q)²/p`, far below the rounding of the
/// terms of its defining sum.
#[test]
fn close_histograms_are_told_apart() {
    // Powers of two, of which all shares here are exact.
    let epsilon = (-34f64).exp2();
    let (first, second) = (line(&[1.0, 1.0]), line(&[1.0 + epsilon, 1.0 - epsilon]));
    let chi = epsilon * epsilon;
    let expected = [0.5 * chi, 0.125 * chi, 0.5 * epsilon, 0.125 * chi];
    for (found, expected) in values(&first, &second).into_iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 1e-4, "{found} {expected}");
    }
}

#[test]
fn histograms_without_a_common_place_are_as_far_apart_as_can_be() {
    let (first, second) = (line(&[0.1, 0.0, 0.2, 0.0]), line(&[0.0, 1e-9, 0.0, 0.7]));
    assert!((jensen_shannon(&first, &second).unwrap().value - LN_2).abs() < 1e-15);
    assert!((total_variation(&first, &second).unwrap().value - 1.0).abs() < 1e-15);
    assert!((squared_hellinger(&first, &second).unwrap().value - 1.0).abs() < 1e-15);
}

#[test]
fn an_infinite_divergence_is_refused_at_its_place() {
    let axis = |len| Axis::cells(0.0, 1.0, len).unwrap();
    let grid = Grid::new(&[axis(2), axis(3), axis(4)]).unwrap();
    let mut mass = Array3::<f64>::ones((4, 3, 2));
    let first = Histogram::from_mass(grid, mass.clone()).unwrap();
    mass[[2, 1, 0]] = 0.0;
    mass[[3, 0, 1]] = 0.0;
    let second = Histogram::from_mass(grid, mass).unwrap();
    let error = DivergenceError::Support { index: vec![2, 1, 0], share: 1.0 / 24.0 };
    assert_eq!(kullback_leibler(&first, &second), Err(error));
    // The other way round nothing is missing: KL = log(24/22).
    let value = kullback_leibler(&second, &first).unwrap().value;
    assert!((value - (24.0f64 / 22.0).ln()).abs() < 1e-15, "{value}");
}

#[test]
fn shares_too_small_for_a_number_count_as_none() {
    let (tiny, without) = (line(&[1.0, 1e-310]), line(&[1.0, 0.0]));
    assert_eq!(values(&tiny, &without), [0.0; 4]);
    let error = kullback_leibler(&line(&[1.0, 1.0]), &tiny).unwrap_err();
    assert_eq!(error, DivergenceError::Support { index: vec![1], share: 0.5 });
    // The smallest and the largest shares there are: KL = ½ log(½/q) + ½ log(½).
    let least = f64::MIN_POSITIVE;
    let value = kullback_leibler(&line(&[1.0, 1.0]), &line(&[least, 1.0])).unwrap().value;
    assert!((value - 0.5 * (0.25f64.ln() - least.ln())).abs() < 1e-12, "{value}");
    assert_eq!(values(&line(&[1e307; 2]), &line(&[1e-307; 2])), [0.0; 4]);
}

#[test]
fn different_grids_are_refused() {
    let first = line(&[1.0, 1.0]);
    let second = line(&[1.0, 1.0, 1.0]);
    let expected = DivergenceError::Grids(GridMismatch(Box::new([first.grid(), second.grid()])));
    for divergence in ALL {
        assert_eq!(divergence(&first, &second), Err(expected.clone()));
    }
}

#[test]
fn points_give_a_floor_and_masses_none() {
    // n = 8 and m = 4 points inside, at 3 of 4 places; r = 1/8 + 1/4; pooled 6/12, 3/12, 3/12.
    let (first, second) = (counts(&[3, 0, 2, 3], 2), counts(&[3, 0, 1, 0], 0));
    let (reversed, r) = (kullback_leibler(&second, &first).unwrap(), 0.375);
    assert_eq!(reversed.floor.unwrap().mean, 0.5 * 2.0 * r);
    assert_eq!((reversed.n, reversed.dropped), ([Some(4), Some(10)], [0.0, 0.2]));
    assert_eq!(jensen_shannon(&first, &second).unwrap().floor.unwrap().mean, 0.125 * 2.0 * r);
    assert_eq!(squared_hellinger(&first, &second).unwrap().floor.unwrap().mean, 0.125 * 2.0 * r);
    let normal = |p: f64| (FRAC_2_PI * p * (1.0 - p) * r).sqrt();
    let floor = total_variation(&first, &second).unwrap().floor.unwrap();
    assert!((floor.mean - 0.5 * (normal(0.5) + 2.0 * normal(0.25))).abs() < 1e-15);
    assert_eq!(floor.standard_error, 0.0);
    let given = line(&[1.0, 1.0, 1.0, 1.0]);
    for divergence in ALL {
        assert_eq!(divergence(&first, &given).unwrap().floor, None);
        assert_eq!(divergence(&given, &given).unwrap().floor, None);
    }
    // At a single place chance does nothing.
    let one = counts(&[5], 0);
    for divergence in ALL {
        let distance = divergence(&one, &one).unwrap();
        assert_eq!((distance.value, distance.debiased()), (0.0, Some(0.0)));
    }
}

/// The simulated mean over the floor, with its standard error.
fn mean_by_floor(divergence: Divergence, law: &Histogram, n: [u64; 2], draws: u64) -> [f64; 2] {
    let ratios = (0..draws).map(|draw| {
        let mut rng = ChaCha8Rng::seed_from_u64(draw);
        let [a, b] = n.map(|n| law.resample(n, &mut rng).unwrap());
        let distance = divergence(&a, &b).unwrap();
        distance.value / distance.floor.unwrap().mean
    });
    let ratios: Vec<f64> = ratios.collect();
    let mean = ratios.iter().sum::<f64>() / draws as f64;
    let variance = ratios.iter().map(|ratio| (ratio - mean).powi(2)).sum::<f64>();
    [mean, (variance / (draws * (draws - 1)) as f64).sqrt()]
}

#[test]
fn floors_are_the_simulated_means() {
    let mass: Vec<f64> = (0..20).map(|k| 1.0 + f64::from(k) / 10.0).collect();
    let law = line(&mass);
    // From 500 points at a place on, where the next order is below 0.2 %. Four means, each within 1 % and 5
    // standard errors, together less than one place in twenty: a false alarm once in four hundred
    // thousand.
    for divergence in ALL {
        let [mean, error] = mean_by_floor(divergence, &law, [20_000, 40_000], 4000);
        assert!(error < 0.006, "{error}");
        assert!((mean - 1.0).abs() < 5.0 * error + 0.01, "{mean} ± {error}");
    }
}

/// How far below the mean the documentation says that the floors are, for ten and for one point at each
/// place, from pairs of Poisson counts.
#[test]
fn floors_are_too_small_where_points_are_few() {
    let law = line(&vec![1.0; 1000]);
    let cases: [(Divergence, u64, f64); 6] = [
        (jensen_shannon, 10_000, 0.972),
        (jensen_shannon, 1000, 0.749),
        (total_variation, 10_000, 1.0),
        (total_variation, 1000, 0.966),
        (squared_hellinger, 10_000, 0.957),
        (squared_hellinger, 1000, 0.537),
    ];
    for (divergence, n, expected) in cases {
        let [mean, error] = mean_by_floor(divergence, &law, [n, n], 200);
        // Six means within 5 standard errors and the 0.1 % that a thousand places are from Poisson
        // counts: a false alarm once in three hundred thousand.
        let tolerance = 5.0 * error + 2e-3;
        assert!((mean * expected - 1.0).abs() < tolerance, "{} {expected} ± {error}", 1.0 / mean);
    }
}

/// Two lists of masses on one line, some of them zero.
fn pairs() -> impl Strategy<Value = (Vec<f64>, Vec<f64>)> {
    (2usize..30).prop_flat_map(|len| {
        let mass = || prop_oneof![1 => Just(0.0), 4 => 1e-6f64..1.0];
        let masses = move || {
            vec(mass(), len).prop_filter("no mass", |masses| masses.iter().any(|&mass| mass > 0.0))
        };
        (masses(), masses())
    })
}

proptest! {
    #![proptest_config(ProptestConfig {
        rng_seed: RngSeed::Fixed(31),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_inequalities_hold((first, second) in pairs()) {
        let (p, q) = (line(&first), line(&second));
        let [js, tv, h2] = [jensen_shannon, total_variation, squared_hellinger]
            .map(|divergence: Divergence| divergence(&p, &q).unwrap().value);
        let rounding = 1e-14;
        prop_assert!((0.0..=LN_2).contains(&js) && (0.0..=1.0).contains(&tv));
        prop_assert!(0.0 <= h2 && h2 <= tv + rounding && tv <= (2.0 * h2).sqrt() + rounding);
        // The quotient of the terms of JS and of TV is largest where p or q is 0, that of JS and H² least
        // there and largest, 1, where they are equal.
        prop_assert!(js <= LN_2 * tv + rounding);
        prop_assert!(LN_2 * h2 <= js + rounding && js <= h2 + rounding);
        match kullback_leibler(&p, &q) {
            Ok(kl) => prop_assert!(
                tv * tv <= 0.5 * kl.value + rounding && 2.0 * h2 <= kl.value + rounding
            ),
            Err(error) => {
                let k = first.iter().zip(&second).position(|(p, q)| *p > 0.0 && *q == 0.0);
                let index = vec![k.unwrap()];
                let share = first[index[0]] / p.total();
                prop_assert_eq!(error, DivergenceError::Support { index, share });
            }
        }
    }

    #[test]
    fn they_agree_with_their_definitions((first, second) in pairs()) {
        let share = |masses: &[f64]| -> Vec<f64> {
            let total: f64 = masses.iter().sum();
            masses.iter().map(|mass| mass / total).collect()
        };
        let (p, q) = (share(&first), share(&second));
        let m: Vec<f64> = p.iter().zip(&q).map(|(p, q)| 0.5 * (p + q)).collect();
        let kl = |p: &[f64], q: &[f64]| -> f64 {
            p.iter().zip(q).filter(|(p, _)| **p > 0.0).map(|(p, q)| p * (p / q).ln()).sum()
        };
        let (a, b) = (line(&first), line(&second));
        if let Ok(found) = kullback_leibler(&a, &b) {
            prop_assert!((found.value - kl(&p, &q)).abs() < 1e-13 * (1.0 + found.value));
        }
        let js = 0.5 * (kl(&p, &m) + kl(&q, &m));
        prop_assert!((jensen_shannon(&a, &b).unwrap().value - js).abs() < 1e-13);
        let affinity: f64 = p.iter().zip(&q).map(|(p, q)| (p * q).sqrt()).sum();
        prop_assert!((squared_hellinger(&a, &b).unwrap().value - 1.0 + affinity).abs() < 1e-13);
        // The largest difference in probability is that on the places where p is above q.
        let above: f64 = p.iter().zip(&q).map(|(p, q)| (p - q).max(0.0)).sum();
        prop_assert!((total_variation(&a, &b).unwrap().value - above).abs() < 1e-13);
    }

    #[test]
    fn equal_histograms_are_at_zero_and_order_is_immaterial(
        (first, second) in pairs(),
        power in -40i32..40,
    ) {
        let scaled: Vec<f64> = first.iter().map(|mass| mass * 2f64.powi(power)).collect();
        let (a, b) = (line(&first), line(&second));
        prop_assert_eq!(values(&a, &line(&scaled)), [0.0; 4]);
        for divergence in [jensen_shannon, total_variation, squared_hellinger] {
            prop_assert_eq!(divergence(&a, &b).unwrap().value, divergence(&b, &a).unwrap().value);
        }
    }
}
