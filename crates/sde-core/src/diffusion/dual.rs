//! Numbers that carry their derivative, with the functions that formulas may hold.

use std::str::FromStr;

use exmex::{BinOp, MakeOperators, Operator};

/// A value at some time with its rate of change there: `(f, f')`, by the rules `(f g)' = f' g + f g'` and so on.
///
/// A constant has no rate. That tells it from what merely stands still: the derivative of `sqrt(t^2)` has no value at 0,
/// that of `sqrt(0)` is 0.
///
/// Source: Griewank and Walther, *Evaluating derivatives* (2008), chapter 3.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Dual {
    pub(super) value: f64,
    rate: Option<f64>,
}

impl Dual {
    /// The time itself.
    pub(super) fn time(t: f64) -> Self {
        Self { value: t, rate: Some(1.0) }
    }

    /// That of no formula.
    pub(super) fn nan() -> Self {
        Self { value: f64::NAN, rate: Some(f64::NAN) }
    }

    pub(super) fn rate(self) -> f64 {
        self.rate.unwrap_or(0.0)
    }

    fn constant(value: f64) -> Self {
        Self { value, rate: None }
    }

    /// A function of this with a value and a slope.
    fn then(self, value: f64, slope: f64) -> Self {
        Self { value, rate: self.rate.map(|rate| slope * rate) }
    }

    /// A function of this and another with a value and a slope in either.
    fn with(self, other: Self, value: f64, [in_self, in_other]: [f64; 2]) -> Self {
        let rate = match (self.rate, other.rate) {
            (None, None) => None,
            (Some(rate), None) => Some(in_self * rate),
            (None, Some(rate)) => Some(in_other * rate),
            (Some(first), Some(second)) => Some(in_self * first + in_other * second),
        };
        Self { value, rate }
    }

    /// A function without a derivative.
    fn without(self, value: f64) -> Self {
        self.then(value, f64::NAN)
    }

    fn power(self, exponent: Self) -> Self {
        let (a, b) = (self.value, exponent.value);
        let value = a.powf(b);
        let in_base = if b == 0.0 { 0.0 } else { b * a.powf(b - 1.0) };
        self.with(exponent, value, [in_base, value * a.ln()])
    }

    fn atan2(self, x: Self) -> Self {
        let square = self.value * self.value + x.value * x.value;
        let slopes = [x.value / square, -self.value / square];
        self.with(x, self.value.atan2(x.value), slopes)
    }
}

impl FromStr for Dual {
    type Err = std::num::ParseFloatError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::constant)
    }
}

/// The functions that formulas may hold but that have no derivative everywhere.
pub(super) const WITHOUT_DERIVATIVE: [&str; 9] =
    ["abs", "signum", "floor", "round", "ceil", "trunc", "fract", "min", "max"];

/// The operators and functions of formulas: the names and priorities of `exmex`'s own for floating-point numbers.
#[derive(Debug, Clone)]
pub(super) struct DualOperators;

impl MakeOperators<Dual> for DualOperators {
    fn make<'a>() -> Vec<Operator<'a, Dual>> {
        use std::f64::consts::{E, LN_2, LN_10, PI, TAU};
        type Binary = fn(Dual, Dual) -> Dual;
        let binary = |apply: Binary, prio, is_commutative| BinOp { apply, prio, is_commutative };
        // A function by its value and its derivative at `x`.
        macro_rules! function {
            ($name:literal, |$x:ident| $value:expr, $slope:expr) => {
                Operator::make_unary($name, |dual: Dual| {
                    let $x = dual.value;
                    dual.then($value, $slope)
                })
            };
            ($name:literal, |$x:ident| $value:expr) => {
                Operator::make_unary($name, |dual: Dual| {
                    let $x = dual.value;
                    dual.without($value)
                })
            };
        }
        let name = |name, value| Operator::make_constant(name, Dual::constant(value));
        vec![
            Operator::make_bin("^", binary(Dual::power, 4, false)),
            Operator::make_bin(
                "*",
                binary(|a, b| a.with(b, a.value * b.value, [b.value, a.value]), 2, true),
            ),
            Operator::make_bin(
                "/",
                binary(
                    |a, b| {
                        let ratio = a.value / b.value;
                        a.with(b, ratio, [b.value.recip(), -ratio / b.value])
                    },
                    3,
                    false,
                ),
            ),
            Operator::make_bin_unary(
                "+",
                binary(|a, b| a.with(b, a.value + b.value, [1.0, 1.0]), 0, true),
                |a| a,
            ),
            Operator::make_bin_unary(
                "-",
                binary(|a, b| a.with(b, a.value - b.value, [1.0, -1.0]), 1, false),
                |a| a.then(-a.value, -1.0),
            ),
            Operator::make_bin("atan2", binary(Dual::atan2, 0, false)),
            Operator::make_bin(
                "min",
                binary(|a, b| a.with(b, a.value.min(b.value), [f64::NAN; 2]), 0, false),
            ),
            Operator::make_bin(
                "max",
                binary(|a, b| a.with(b, a.value.max(b.value), [f64::NAN; 2]), 0, false),
            ),
            function!("abs", |x| x.abs()),
            function!("signum", |x| x.signum()),
            function!("floor", |x| x.floor()),
            function!("round", |x| x.round()),
            function!("ceil", |x| x.ceil()),
            function!("trunc", |x| x.trunc()),
            function!("fract", |x| x.fract()),
            function!("sin", |x| x.sin(), x.cos()),
            function!("cos", |x| x.cos(), -x.sin()),
            function!("tan", |x| x.tan(), x.cos().powi(-2)),
            function!("asin", |x| x.asin(), (1.0 - x * x).sqrt().recip()),
            function!("acos", |x| x.acos(), -(1.0 - x * x).sqrt().recip()),
            function!("atan", |x| x.atan(), (1.0 + x * x).recip()),
            function!("sinh", |x| x.sinh(), x.cosh()),
            function!("cosh", |x| x.cosh(), x.sinh()),
            function!("tanh", |x| x.tanh(), x.cosh().powi(-2)),
            function!("asinh", |x| x.asinh(), (x * x + 1.0).sqrt().recip()),
            function!("acosh", |x| x.acosh(), (x * x - 1.0).sqrt().recip()),
            function!("atanh", |x| x.atanh(), (1.0 - x * x).recip()),
            function!("exp", |x| x.exp(), x.exp()),
            function!("sqrt", |x| x.sqrt(), 0.5 / x.sqrt()),
            function!("cbrt", |x| x.cbrt(), x.cbrt().powi(-2) / 3.0),
            function!("ln", |x| x.ln(), x.recip()),
            function!("log", |x| x.ln(), x.recip()),
            function!("log2", |x| x.log2(), (x * LN_2).recip()),
            function!("log10", |x| x.log10(), (x * LN_10).recip()),
            name("PI", PI),
            name("π", PI),
            name("E", E),
            name("e", E),
            name("TAU", TAU),
            name("τ", TAU),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Formula;

    #[test]
    fn every_function_has_the_slope_of_its_differences() {
        let (t, h) = (0.37, 1e-6);
        for operator in DualOperators::make() {
            let name = operator.repr();
            if WITHOUT_DERIVATIVE.contains(&name) || !operator.has_unary() {
                continue;
            }
            // Within the domain of each: that of acosh begins at 1.
            let argument = if name == "acosh" { "1 + t" } else { "t" };
            let formula: Formula = format!("{name}({argument})").parse().unwrap();
            let differences = (formula.at(t + h) - formula.at(t - h)) / (2.0 * h);
            let (_, rate) = formula.at_with_rate(t);
            assert!((rate - differences).abs() < 1e-8 * (1.0 + rate.abs()), "{name}: {rate}");
        }
        for text in
            ["atan2(t^2, 1 + t)", "(1 + t)^(2*t)", "3^t", "t^PI", "(t + 2)/(t - 2)", "-t*(-t)"]
        {
            let formula: Formula = text.parse().unwrap();
            let differences = (formula.at(t + h) - formula.at(t - h)) / (2.0 * h);
            let (_, rate) = formula.at_with_rate(t);
            assert!((rate - differences).abs() < 1e-8 * (1.0 + rate.abs()), "{text}: {rate}");
        }
    }

    #[test]
    fn constants_have_no_rate_and_what_has_no_derivative_has_none() {
        let rate = |text: &str, t: f64| text.parse::<Formula>().unwrap().at_with_rate(t).1;
        assert_eq!(rate("sqrt(0) + t^0", 0.0), 0.0);
        assert_eq!(rate("abs(0 - 2)*t", 0.5), 2.0);
        assert_eq!(rate("t^2", 0.0), 0.0);
        assert!(rate("sqrt(t^2)", 0.0).is_nan());
        assert!(rate("abs(t)", 0.5).is_nan());
    }
}
