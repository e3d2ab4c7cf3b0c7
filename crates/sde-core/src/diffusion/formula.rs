use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use exmex::prelude::*;
use exmex::{MatchLiteral, literal_matcher_from_pattern};
use serde::{Deserialize, Serialize};

use super::dual::{Dual, DualOperators, WITHOUT_DERIVATIVE};
use crate::SdeError;

literal_matcher_from_pattern!(NumberMatcher, r"^([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?");

type Expression = FlatEx<Dual, DualOperators, NumberMatcher>;

/// Characters of a formula at most.
const LONGEST: usize = 2000;

/// A function of time given by a formula in `t`, such as `1 + sin(t)/2` or `exp(-t^2)`.
///
/// It may hold numbers, `PI`, `E`, `+ − * / ^`, brackets and the functions `sqrt`, `exp`, `ln`, `log10`, `sin`,
/// `cos`, `tan`, `sinh`, `cosh`, `tanh`, `asin`, `acos`, `atan`, `abs` and others of the crate `exmex`, which
/// evaluates it. A minus sign binds less than `*` and `^`, as in mathematics: `-t^2` is `−(t²)`. A sign after an
/// operator and a power of a power need brackets: `2^(-t)`, `(t^2)^3`. It has at most 2000 characters.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Formula {
    text: String,
    expression: Arc<Expression>,
}

impl Formula {
    /// Its value at `t`; NaN or infinite where it has none.
    pub fn at(&self, t: f64) -> f64 {
        self.dual(t).value
    }

    /// Its value and its derivative at `t`; NaN or infinite where it has none, as the derivative of a formula is that
    /// [`Formula::check_derivative`] refuses.
    pub fn at_with_rate(&self, t: f64) -> (f64, f64) {
        let dual = self.dual(t);
        (dual.value, dual.rate())
    }

    fn dual(&self, t: f64) -> Dual {
        // What was read has no variable but t.
        let variables = &[Dual::time(t)][..self.expression.var_names().len()];
        self.expression.eval(variables).unwrap_or(Dual::nan())
    }

    /// Whether it has a derivative wherever it is smooth.
    ///
    /// # Errors
    /// If it holds a function whose derivative is not known, such as `abs`.
    pub fn check_derivative(&self) -> Result<(), SdeError> {
        let used = self.expression.operator_reprs();
        match WITHOUT_DERIVATIVE.iter().find(|name| used.iter().any(|used| used == *name)) {
            Some(name) if !self.expression.var_names().is_empty() => {
                let reason = format!("no derivative of `{name}` is known, which a path needs");
                Err(SdeError::Formula { text: self.text.clone(), reason })
            }
            _ => Ok(()),
        }
    }
}

impl FromStr for Formula {
    type Err = SdeError;

    fn from_str(text: &str) -> Result<Self, SdeError> {
        let refuse = |reason: String| SdeError::Formula { text: text.to_owned(), reason };
        let length = text.chars().count();
        if length > LONGEST {
            let text = text.chars().take(40).chain(['…']).collect();
            let reason = format!("it has {length} characters, at most {LONGEST} are possible");
            return Err(SdeError::Formula { text, reason });
        }
        let parsed = with_weak_signs(text).map_err(refuse)?;
        let expression = Expression::parse(&parsed).map_err(|error| refuse(error.to_string()))?;
        match expression.var_names().iter().find(|name| *name != "t") {
            Some(name) => Err(refuse(format!("`{name}` is not known"))),
            None => Ok(Self { text: text.to_owned(), expression: expression.into() }),
        }
    }
}

/// The formula with `0-` for every leading minus sign: `exmex` lets a sign bind more than a power.
fn with_weak_signs(text: &str) -> Result<String, String> {
    let (mut out, mut rest) = (String::new(), text);
    // The last character that is not a space, and whether a power is the last operator.
    let (mut before, mut power) = ('(', false);
    while let Some(c) = rest.chars().next() {
        let piece = match NumberMatcher::is_literal(rest) {
            Some(number) => number,
            None if c.is_alphabetic() => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
                let (name, after) = rest.split_at(end.unwrap_or(rest.len()));
                if after.trim_start().starts_with(|c: char| c.is_alphanumeric() || c == '.') {
                    return Err(format!("what follows `{name}` needs brackets or an operator"));
                }
                name
            }
            None => &rest[..c.len_utf8()],
        };
        rest = &rest[piece.len()..];
        if c.is_whitespace() {
            continue;
        }
        if c == '-' || c == '+' {
            match before {
                '(' | ',' if c == '-' => out.push('0'),
                '(' | ',' => continue,
                '+' | '-' | '*' | '/' | '^' => {
                    return Err(format!("a sign after `{before}` needs brackets"));
                }
                _ => {}
            }
        }
        match c {
            '^' if power => return Err("a power of a power needs brackets".to_owned()),
            '^' => power = true,
            '+' | '-' | '*' | '/' | '(' | ')' | ',' => power = false,
            _ => {}
        }
        before = c;
        out.push_str(piece);
    }
    Ok(out)
}

impl TryFrom<String> for Formula {
    type Error = SdeError;

    fn try_from(text: String) -> Result<Self, SdeError> {
        text.parse()
    }
}

impl From<Formula> for String {
    fn from(formula: Formula) -> Self {
        formula.text
    }
}

impl PartialEq for Formula {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Formula({:?})", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_mean_what_mathematics_says() {
        let t = 0.3_f64;
        for (text, value, slope) in [
            ("-t^2", -t * t, -2.0 * t),
            ("exp(-t^2)", (-t * t).exp(), -2.0 * t * (-t * t).exp()),
            ("1 - t^2*3", 1.0 - 3.0 * t * t, -6.0 * t),
            ("+2*t", 2.0 * t, 2.0),
            ("1e-3 + 2.5E2*t", 1e-3 + 250.0 * t, 250.0),
            ("1/(1-t)^2", 1.0 / (1.0 - t).powi(2), 2.0 / (1.0 - t).powi(3)),
            ("2^(-t)", (-t * 2_f64.ln()).exp(), -2_f64.ln() * (-t * 2_f64.ln()).exp()),
            ("8/4/2*t", t, 1.0),
            ("5 - 3 - 1 + t", 1.0 + t, 1.0),
            ("cos(PI*t/2)", (1.5_f64 * 0.1 * std::f64::consts::PI).cos(), f64::NAN),
            ("7", 7.0, 0.0),
            ("sqrt(t) - -0".trim_end_matches("- -0"), t.sqrt(), 0.5 / t.sqrt()),
            ("t^2*t^3", t.powi(5), 5.0 * t.powi(4)),
        ] {
            let formula: Formula = text.parse().unwrap();
            assert!((formula.at(t) - value).abs() < 1e-14 * (1.0 + value.abs()), "{text}");
            if !slope.is_nan() {
                formula.check_derivative().unwrap();
                let (_, found) = formula.at_with_rate(t);
                assert!((found - slope).abs() < 1e-13 * (1.0 + slope.abs()), "{text}: {found}");
            }
            let json = serde_json::to_string(&formula).unwrap();
            assert_eq!(serde_json::from_str::<Formula>(&json).unwrap(), formula);
        }
        assert!("1/t".parse::<Formula>().unwrap().at(0.0).is_infinite());
    }

    #[test]
    fn what_is_no_formula_in_t_is_refused() {
        for (text, reason) in [
            ("", ""),
            ("1 +", ""),
            ("(1", "parenthes"),
            ("x + t", "`x` is not known"),
            ("2*-t^2", "a sign after `*`"),
            ("t^2^3", "a power of a power"),
            ("sin t^2", "what follows `sin`"),
            ("2t", ""),
            ("t > 0.5", ""),
            ("foo(t)", ""),
        ] {
            let error = text.parse::<Formula>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is no formula in t")), "{error}");
            assert!(error.contains(reason), "{text}: {error}");
        }
        let error = "2 + abs(t)".parse::<Formula>().unwrap().check_derivative().unwrap_err();
        assert!(error.to_string().contains("no derivative of `abs`"), "{error}");
        let error = "t+".repeat(1000) + "t";
        let error = error.parse::<Formula>().unwrap_err().to_string();
        assert!(error.contains("2001 characters, at most 2000"), "{error}");
        assert!(error.len() < 200, "{error}");
    }

    #[test]
    fn long_and_deep_formulas_have_values_and_derivatives() {
        let (t, h) = (0.4, 1e-6);
        for text in [
            // 60 factors, 100 functions in each other, 500 terms.
            ["(1 + t/9)"; 60].join("*"),
            format!("{}t{}", "sin(".repeat(100), ")".repeat(100)),
            ["t"; 500].join("+"),
            ["t"; 500].join("-"),
            format!("{}t{}", "(".repeat(900), ")".repeat(900)),
        ] {
            let formula: Formula = text.parse().unwrap();
            let differences = (formula.at(t + h) - formula.at(t - h)) / (2.0 * h);
            let (value, rate) = formula.at_with_rate(t);
            assert_eq!(value, formula.at(t));
            assert!((rate - differences).abs() < 1e-8 * (1.0 + rate.abs()), "{text}: {rate}");
        }
    }
}
