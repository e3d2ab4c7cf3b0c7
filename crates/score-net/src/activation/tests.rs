//! What holds for every activation.

use super::*;

/// `z/√(1 + z²)`.
#[derive(Debug)]
struct Squash;

impl ActivationFunction for Squash {
    fn name(&self) -> &str {
        "squash"
    }

    fn derivatives(&self, z: f64) -> [f64; 4] {
        let d = 1.0 / (1.0 + z * z);
        let f1 = d.powf(1.5);
        [z * d.sqrt(), f1, -3.0 * z * d * f1, (12.0 * z * z - 3.0) * d * d * f1]
    }
}

/// All, with the size of `f` near 0 and the scale of `z` on which it changes.
fn all() -> Vec<(Activation, f64, f64)> {
    vec![
        (Activation::Softplus(Softplus::new(3.0).unwrap()), 1.0 / 3.0, 1.0 / 3.0),
        (Activation::Silu, 1.0, 1.0),
        (Activation::Tanh, 1.0, 1.0),
        (Activation::Sin(Sin::default()), 1.0, 1.0),
        (Activation::Sin(Sin::new(30.0).unwrap()), 1.0, 1.0 / 30.0),
        (Activation::Sin(Sin::new(0.01).unwrap()), 1.0, 100.0),
        (Activation::Gelu, 1.0, 1.0),
        (Activation::Custom(CustomActivation::register(&Squash).unwrap()), 1.0, 1.0),
    ]
}

/// From `−limit` to `limit`, dense around 0.
fn arguments(limit: f64) -> impl Iterator<Item = f64> {
    (-20_000..=20_000).map(move |k| limit * (f64::from(k) / 20_000.0).powi(3))
}

#[test]
fn each_derivative_is_the_slope_of_the_one_before() {
    for (activation, size, scale) in all() {
        let h = 1e-5 * scale;
        for z in arguments(10.0).map(|z| z * scale) {
            let at = activation.derivatives(z);
            let (plus, minus) = (activation.derivatives(z + h), activation.derivatives(z - h));
            for order in 0..3 {
                let slope = (plus[order] - minus[order]) / (2.0 * h);
                // h² of the curvature of a slope is 1e-10, rounding over h 1e-10 for |z| up to 10.
                let error = (slope - at[order + 1]).abs() * scale.powi(order as i32 + 1) / size;
                assert!(error < 2e-9, "{activation:?}, order {order} at z = {z}: {error:e}");
            }
        }
    }
}

#[test]
fn single_precision_follows_double() {
    for (activation, size, scale) in all() {
        let large = arguments(1e30).chain([1e-30, -1e-30]);
        for z in arguments(100.0).chain(large).map(|z| (z * scale) as f32) {
            let double = activation.derivatives(f64::from(z));
            for (order, (single, double)) in
                (0..).zip(activation.derivatives(z).into_iter().zip(double))
            {
                let error = (f64::from(single) - double).abs();
                let allowed = 5e-7 * size / scale.powi(order) + 2e-7 * double.abs();
                assert!(error <= allowed, "{activation:?}, order {order} at z = {z}: {error:e}");
            }
        }
    }
}

#[test]
fn no_value_or_product_of_two_is_subnormal() {
    for (activation, _, scale) in all() {
        for z in (-40_000..=40_000).map(|k| f64::from(k) * 1e-3 * scale) {
            let values = activation.derivatives(z as f32);
            for (a, b) in values.into_iter().flat_map(|a| values.map(|b| (a, b))) {
                // The weight gradient multiplies two with a cotangent of order 1/n.
                assert!(!(a * b * 1e-9).is_subnormal(), "{activation:?} at z = {z}");
            }
        }
    }
}

#[test]
fn what_is_not_finite_stays_so_and_what_is_finite_too() {
    for (activation, ..) in all() {
        for z in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert!(activation.derivatives(z).iter().all(|value| !value.is_finite()));
            assert!(activation.derivatives(f64::from(z)).iter().all(|value| !value.is_finite()));
        }
        for z in [0.0, -0.0, 3e38, -3e38, 1e-40] {
            assert!(activation.derivatives(z as f32).iter().all(|value| value.is_finite()));
        }
        for z in [1e-310_f64, 1e152, -1e152] {
            assert!(activation.derivatives(z).iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn files_name_each_as_they_did_and_do() {
    let sin = Activation::Sin(Sin::new(30.0).unwrap());
    for (activation, text) in [
        (Activation::Softplus(Softplus::PAPER), r#"{"Softplus":{"beta":100.0}}"#),
        (Activation::Silu, r#""SiLU""#),
        (Activation::Tanh, r#""Tanh""#),
        (sin, r#"{"Sin":{"omega":30.0}}"#),
        (Activation::Gelu, r#""GELU""#),
    ] {
        assert_eq!(serde_json::to_string(&activation).unwrap(), text);
        assert_eq!(serde_json::from_str::<Activation>(text).unwrap(), activation);
        assert!(BUILT_IN.iter().any(|name| text.contains(name)));
    }
    let unknown = serde_json::from_str::<Activation>(r#""Mish""#).unwrap_err().to_string();
    assert!(BUILT_IN.iter().all(|name| unknown.contains(name)), "{unknown}");
}
