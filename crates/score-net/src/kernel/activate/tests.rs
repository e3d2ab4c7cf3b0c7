//! The vector forms of all activations against double precision.

use super::*;
use crate::kernel::InstructionSet;
use crate::kernel::instruction_set::dispatch;
use crate::{ActivationFunction, CustomActivation, Sin};

/// `z² + 1/3`.
#[derive(Debug)]
struct Parabola;

impl ActivationFunction for Parabola {
    fn name(&self) -> &str {
        "parabola"
    }

    fn derivatives(&self, z: f64) -> [f64; 4] {
        [z * z + 1.0 / 3.0, 2.0 * z, 2.0, 0.0]
    }
}

/// The four values at every entry of `z`, whose length is a multiple of 32.
fn evaluate<S: Simd>(simd: S, activation: Activation, z: &[f32]) -> Vec<[f32; 4]> {
    let mut all = vec![[0.0; 4]; z.len()];
    let mut z = z.to_vec();
    simd.vectorize(
        #[inline(always)]
        || {
            activate_each(simd, activation, &mut z, |start, values| {
                for lane in 0..S::f32s::LEN {
                    all[start + lane] = values.map(|values| values[lane]);
                }
                values[0]
            });
        },
    );
    assert!(all.iter().zip(&z).all(|(values, z)| values[0].to_bits() == z.to_bits()));
    all
}

fn sine(omega: f64) -> Activation {
    Activation::Sin(Sin::new(omega).unwrap())
}

/// From `−limit` to `limit`, dense around 0.
fn arguments(limit: f64) -> Vec<f32> {
    (-20_000..20_000).map(|k| (limit * (f64::from(k) / 20_000.0).powi(3)) as f32).collect()
}

/// What is allowed of error in the four values at `z`, given the exact ones.
type Allowed = fn(f64, [f64; 4]) -> [f64; 4];

/// Compares on every level.
fn check(activation: Activation, z: &[f32], allowed: Allowed) {
    for set in InstructionSet::available() {
        let found = dispatch!(set, simd => evaluate(simd, activation, z));
        for (found, &z) in found.into_iter().zip(z) {
            let z = f64::from(z);
            let expected = activation.derivatives(z);
            let allowed = allowed(z, expected);
            for order in 0..4 {
                let error = (f64::from(found[order]) - expected[order]).abs();
                assert!(
                    error <= allowed[order],
                    "{set}, {activation:?}, order {order} at z = {z}: {error:e}, {:e} allowed",
                    allowed[order]
                );
            }
        }
    }
}

#[test]
fn silu_follows_double_precision_on_every_level() {
    let allowed: Allowed = |z, [f, ..]| {
        // Below the cutoff, f is taken as 0.
        let value = (3e-7 + 6e-8 * z.abs().min(28.0)) * f.abs() + 2e-11;
        [value, 3e-7, 3e-7, 3e-7]
    };
    check(Activation::Silu, &arguments(100.0), allowed);
    check(Activation::Silu, &arguments(1e38), allowed);
}

#[test]
fn tanh_follows_double_precision_on_every_level() {
    let allowed: Allowed = |z, [f, f1, f2, _]| {
        let relative = 5e-7 + 6e-8 * (2.0 * z.abs()).min(28.0);
        [3e-7 * f.abs(), relative * f1, relative * f2.abs(), 3.0 * relative * f1]
            .map(|allowed| allowed + 1.2e-11)
    };
    check(Activation::Tanh, &arguments(30.0), allowed);
    check(Activation::Tanh, &arguments(1e38), allowed);
}

#[test]
fn gelu_follows_double_precision_on_every_level() {
    let allowed: Allowed = |z, [f, ..]| {
        let value = (6e-7 + 6e-8 * (z * z / 2.0).min(28.0)) * f.abs() + 1e-12;
        [value, 4e-7, 4e-7, 4e-7]
    };
    check(Activation::Gelu, &arguments(20.0), allowed);
    check(Activation::Gelu, &arguments(1e38), allowed);
}

#[test]
fn sin_follows_double_precision_on_every_level() {
    for omega in [1e-3, 0.3, 1.0, 30.0, 1e3] {
        let z = |limit| arguments(limit / omega);
        for z in [z(10.0), z(11_900.0), z(13_000.0), z(1e20)] {
            check_sine(omega, &z);
        }
    }
}

/// As [`check`], in units of ω.
fn check_sine(omega: f64, z: &[f32]) {
    for set in InstructionSet::available() {
        let found = dispatch!(set, simd => evaluate(simd, sine(omega), z));
        for (found, &z) in found.into_iter().zip(z) {
            let expected = sine(omega).derivatives(f64::from(z));
            for (order, (found, expected)) in (0..).zip(found.into_iter().zip(expected)) {
                let error = (f64::from(found) - expected).abs() / omega.powi(order);
                assert!(error <= 3e-7, "{set}, ω {omega}, order {order} at z = {z}: {error:e}");
            }
        }
    }
}

#[test]
fn a_custom_activation_is_that_of_double_precision_rounded() {
    let custom = Activation::Custom(CustomActivation::register(&Parabola).unwrap());
    check(custom, &arguments(1e10), |_, expected| expected.map(|value| 6e-8 * value.abs()));
}

#[test]
fn no_value_or_product_of_two_is_subnormal_and_what_is_broken_stays_so() {
    let all = [Activation::Silu, Activation::Tanh, Activation::Gelu, sine(1.0)];
    let z = arguments(40.0);
    let broken = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN].repeat(8);
    let huge = [3e38, -3e38, 1e-40, 0.0].repeat(8);
    let custom = Activation::Custom(CustomActivation::register(&Parabola).unwrap());
    for set in InstructionSet::available() {
        for activation in all {
            for values in dispatch!(set, simd => evaluate(simd, activation, &z)) {
                for (a, b) in values.into_iter().flat_map(|a| values.map(|b| (a, b))) {
                    assert!(!(a * b * 1e-9).is_subnormal(), "{set}, {activation:?}");
                }
            }
            let found = dispatch!(set, simd => evaluate(simd, activation, &huge));
            let finite = found.iter().flatten().all(|value| value.is_finite());
            assert!(finite, "{set}, {activation:?}: {found:?}");
        }
        for activation in all.into_iter().chain([custom]) {
            let found = dispatch!(set, simd => evaluate(simd, activation, &broken));
            let whole = found.iter().flatten().any(|value| value.is_finite());
            assert!(!whole, "{set}, {activation:?}: {found:?}");
        }
    }
}
