//! Standardised and de-quantised laws: moments, round trips, densities, refusals.

use std::sync::Arc;

use fokker_sde_core::{
    Dequantised, Empirical, Purpose, Standardisation, StandardisationError, StandardisationRule,
    Standardised, Streams, Target, TargetName, sample_target,
};
use ndarray::{Array2, Axis, array};

/// Points far from the origin, of spreads 2 and 1e-3.
fn points() -> Array2<f64> {
    let target = TargetName::Moons.target();
    let mut points =
        sample_target::<f64>(target.as_ref(), 5000, Streams::new(1), Purpose::Truth, 0);
    points.column_mut(0).mapv_inplace(|x| 1e6 + 2.0 * x);
    points.column_mut(1).mapv_inplace(|x| 1e-3 * x - 7.0);
    points
}

fn variances(points: &Array2<f64>) -> Vec<f64> {
    points.var_axis(Axis(0), 0.0).to_vec()
}

#[test]
fn standardised_points_have_mean_0_and_variance_1() {
    let original = points();
    for rule in [StandardisationRule::PerComponent, StandardisationRule::Global] {
        let map = Standardisation::of(original.view(), rule, 0.0).unwrap();
        let mut points = original.clone();
        map.standardise(&mut points).unwrap();
        // The rounding of 1e6 in units of the scale.
        for mean in points.mean_axis(Axis(0)).unwrap() {
            assert!(mean.abs() < 1e-9, "{rule:?}: {mean}");
        }
        let variances = variances(&points);
        let expected = match rule {
            StandardisationRule::PerComponent => variances.clone(),
            _ => vec![0.5 * (variances[0] + variances[1])],
        };
        for variance in expected {
            assert!((variance - 1.0).abs() < 1e-9, "{rule:?}: {variance}");
        }
        // Global keeps the proportions.
        if rule == StandardisationRule::Global {
            assert_eq!(map.scale()[0], map.scale()[1]);
        }
    }
    let identity = Standardisation::of(original.view(), StandardisationRule::None, 0.0).unwrap();
    assert_eq!((identity.mean(), identity.scale()), (&[0.0, 0.0][..], &[1.0, 1.0][..]));
}

#[test]
fn there_and_back_is_the_identity_to_rounding() {
    let original = points();
    let map = Standardisation::of(original.view(), StandardisationRule::PerComponent, 0.0).unwrap();
    let mut there = original.clone();
    map.standardise(&mut there).unwrap();
    let mut back = there.clone();
    map.restore(&mut back).unwrap();
    for (a, b) in original.iter().zip(&back) {
        assert!((a - b).abs() <= 4.0 * f64::EPSILON * a.abs(), "{a} {b}");
    }
    // Point by point it is the same to the bit.
    let mut row = original.row(17).to_vec();
    map.standardise_point(&mut row);
    assert_eq!(row, there.row(17).to_vec());
    map.restore_point(&mut row);
    assert_eq!(row, back.row(17).to_vec());
    // Single precision goes through double: only the last step rounds.
    let mut single = there.mapv(|x| x as f32);
    map.restore(&mut single).unwrap();
    for (a, b) in original.iter().zip(&single) {
        assert!((a - f64::from(*b)).abs() <= 2.0 * f64::from(f32::EPSILON) * a.abs(), "{a} {b}");
    }
    let text = serde_json::to_string(&map).unwrap();
    assert_eq!(serde_json::from_str::<Standardisation>(&text).unwrap(), map);
}

#[test]
fn noise_counts_in_the_moments() {
    // Whole numbers, one component constant: with noise it has the variance 1/12.
    let counts = Array2::from_shape_fn((64, 2), |(i, k)| if k == 0 { (i % 4) as f64 } else { 5.0 });
    let law = Dequantised { law: Empirical::new(counts.clone()).unwrap(), width: 1.0 };
    let map = Standardisation::of(counts.view(), StandardisationRule::PerComponent, 1.0).unwrap();
    assert!(
        (map.mean()[1] - 5.5).abs() < 1e-15 && (map.scale()[1].powi(2) * 12.0 - 1.0).abs() < 1e-15
    );
    let law = Standardised::new(Arc::new(law), map).unwrap();
    let n = 100_000;
    let drawn: Array2<f64> = sample_target(&law, n, Streams::new(5), Purpose::Truth, 0);
    // Five standard errors, of means √(1/n), of variances at most √(2/n): a false alarm once in a million.
    let bound = 5.0 * (2.0 / n as f64).sqrt();
    for (mean, variance) in drawn.mean_axis(Axis(0)).unwrap().iter().zip(variances(&drawn)) {
        assert!(mean.abs() < bound && (variance - 1.0).abs() < bound, "{mean} {variance}");
    }
    assert_eq!(law.density(&[0.0, 0.0]), None);
}

#[test]
fn densities_change_by_the_volume() {
    let map = Standardisation::new(vec![1.0, -2.0], vec![0.5, 4.0]).unwrap();
    let mixture = TargetName::Mixture.target();
    let law = Standardised::new(TargetName::Mixture.target().into(), map).unwrap();
    let expected = mixture.density(&[1.5, 2.0]).unwrap() * 2.0;
    assert!((law.density(&[1.0, 1.0]).unwrap() / expected - 1.0).abs() < 1e-14);
}

#[test]
fn what_is_no_standardisation_is_refused() {
    let message = |mean: &[f64], scale: &[f64]| {
        Standardisation::new(mean.to_vec(), scale.to_vec()).unwrap_err().to_string()
    };
    assert!(message(&[0.0], &[1.0, 2.0]).contains("1 components and the scale 2"));
    assert!(message(&[], &[]).contains("at least 1"));
    assert_eq!(
        message(&[0.0, f64::NAN], &[1.0, 1.0]),
        "component 1: the mean is NaN, but must be finite"
    );
    for scale in [0.0, -1.0, f64::INFINITY, f64::NAN, 1e-310] {
        assert!(message(&[0.0], &[scale]).contains("component 0: the scale is"), "{scale}");
    }
    let text = r#"{"mean":[0.0],"scale":[0.0]}"#;
    let error = serde_json::from_str::<Standardisation>(text).unwrap_err();
    assert!(error.to_string().contains("component 0: the scale is 0"), "{error}");

    let of = |points: Array2<f64>, rule| Standardisation::of(points.view(), rule, 0.0).unwrap_err();
    let constant = array![[1.0, 0.1], [2.0, 0.1], [4.0, 0.1]];
    assert_eq!(
        of(constant, StandardisationRule::PerComponent),
        StandardisationError::Constant { component: 1, value: 0.1 }
    );
    let point = array![[0.1, 0.3], [0.1, 0.3], [0.1, 0.3]];
    assert_eq!(of(point, StandardisationRule::Global), StandardisationError::Point);
    let none = Array2::zeros((0, 3));
    assert_eq!(of(none, StandardisationRule::PerComponent), StandardisationError::Empty);
    let far = array![[1e300], [-1e300]];
    assert!(matches!(
        of(far, StandardisationRule::PerComponent),
        StandardisationError::Value { what: "scale", .. }
    ));
    let map = Standardisation::new(vec![0.0], vec![1.0]).unwrap();
    assert!(map.standardise(&mut Array2::<f32>::zeros((4, 2))).is_err());
    assert!(Standardised::new(TargetName::Ring.target().into(), map).is_err());
}
