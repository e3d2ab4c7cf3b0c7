use std::any::Any;
use std::fmt::Debug;
use std::ptr;
use std::sync::{PoisonError, RwLock};

use serde::{Deserialize, Serialize};

use super::BUILT_IN;
use crate::{Element, NetworkError};

/// An activation function of your own, see [`CustomActivation`].
pub trait ActivationFunction: Any + Debug + Send + Sync {
    /// The name that stands for it in files; always the same.
    fn name(&self) -> &str;

    /// `[f(z), f′(z), f″(z), f‴(z)]`, finite for every finite `z`; it is not asked for others.
    fn derivatives(&self, z: f64) -> [f64; 4];
}

/// An [`ActivationFunction`] that was registered under its name.
///
/// Files hold the name alone, so a program that reads them registers the function first, under the same name
/// with the same meaning. Two are equal if their names are. Everything is evaluated in double precision, entry
/// by entry, also in the fused kernels: slower than the activations of this crate, which have vector forms.
///
/// ```
/// use fokker_score_net::{Activation, ActivationFunction, CustomActivation};
///
/// #[derive(Debug)]
/// struct Cubic;
///
/// impl ActivationFunction for Cubic {
///     fn name(&self) -> &str {
///         "cubic"
///     }
///
///     fn derivatives(&self, z: f64) -> [f64; 4] {
///         [z + z.powi(3), 1.0 + 3.0 * z * z, 6.0 * z, 6.0]
///     }
/// }
///
/// let cubic = Activation::Custom(CustomActivation::register(&Cubic)?);
/// assert_eq!(cubic.derivatives(2.0_f32), [10.0, 13.0, 12.0, 6.0]);
/// assert_eq!(serde_json::to_string(&cubic)?, r#"{"Custom":"cubic"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CustomActivation(&'static dyn ActivationFunction);

/// The functions that were registered, in this order.
static REGISTERED: RwLock<Vec<&'static dyn ActivationFunction>> = RwLock::new(Vec::new());

/// Whether two of one name are one function: of one type, and in one place unless the type has one value only.
/// Constants of such a type have no place of their own.
fn same(a: &'static dyn ActivationFunction, b: &'static dyn ActivationFunction) -> bool {
    let (any_a, any_b): (&dyn Any, &dyn Any) = (a, b);
    any_a.type_id() == any_b.type_id() && (size_of_val(a) == 0 || ptr::addr_eq(a, b))
}

impl CustomActivation {
    /// Makes `function` known under its name, for the rest of the program. Again with the same function it
    /// changes nothing.
    ///
    /// # Errors
    /// If the name is empty, that of an activation of this crate, or that of another registered function.
    pub fn register(function: &'static dyn ActivationFunction) -> Result<Self, NetworkError> {
        let name = function.name();
        if name.is_empty() || BUILT_IN.contains(&name) {
            return Err(NetworkError::ActivationName(name.to_owned()));
        }
        // Nothing is left half done where a thread panics, so the functions are whole after that, too.
        let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
        match registered.iter().find(|known| known.name() == name) {
            Some(known) if !same(*known, function) => {
                Err(NetworkError::ActivationName(name.to_owned()))
            }
            Some(_) => Ok(Self(function)),
            None => {
                registered.push(function);
                Ok(Self(function))
            }
        }
    }

    /// The function registered under `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn named(name: &str) -> Result<Self, NetworkError> {
        let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
        registered.iter().find(|known| known.name() == name).map(|known| Self(*known)).ok_or_else(
            || NetworkError::UnknownActivation {
                name: name.to_owned(),
                known: registered.iter().map(|known| known.name().to_owned()).collect(),
            },
        )
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// In double precision, and NaN where `z` is not finite: what is broken must not look whole.
    pub(crate) fn wide(&self, z: f64) -> [f64; 4] {
        if z.is_finite() { self.0.derivatives(z) } else { [f64::NAN; 4] }
    }

    pub(super) fn derivatives<E: Element>(&self, z: E) -> [E; 4] {
        self.wide(z.wide()).map(E::of)
    }
}

impl PartialEq for CustomActivation {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl TryFrom<String> for CustomActivation {
    type Error = NetworkError;

    fn try_from(name: String) -> Result<Self, NetworkError> {
        Self::named(&name)
    }
}

impl From<CustomActivation> for String {
    fn from(activation: CustomActivation) -> Self {
        activation.name().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Activation;

    /// `c z²` under a name.
    #[derive(Debug)]
    struct Square(&'static str, f64);

    impl ActivationFunction for Square {
        fn name(&self) -> &str {
            self.0
        }

        fn derivatives(&self, z: f64) -> [f64; 4] {
            [self.1 * z * z, 2.0 * self.1 * z, 2.0 * self.1, 0.0]
        }
    }

    #[derive(Debug)]
    struct Plain;

    impl ActivationFunction for Plain {
        fn name(&self) -> &str {
            "plain"
        }

        fn derivatives(&self, z: f64) -> [f64; 4] {
            [z, 1.0, 0.0, 0.0]
        }
    }

    #[test]
    fn a_name_stands_for_one_function() {
        static FIRST: Square = Square("square", 1.0);
        static SECOND: Square = Square("square", 2.0);
        let first = CustomActivation::register(&FIRST).unwrap();
        assert_eq!(CustomActivation::register(&FIRST).unwrap(), first);
        let message = CustomActivation::register(&SECOND).unwrap_err().to_string();
        assert_eq!(message, "`square` cannot name an activation of your own: the name is taken");
        assert_eq!(CustomActivation::named("square").unwrap().wide(3.0)[0], 9.0);
        // A type of one value is one function wherever its constants lie.
        let plain = CustomActivation::register(&Plain).unwrap();
        assert_eq!(CustomActivation::register(Box::leak(Box::new(Plain))).unwrap(), plain);
        assert_ne!(plain, first);
    }

    #[test]
    fn names_of_this_crate_are_refused() {
        for name in ["Softplus", "SiLU", "Tanh", "Sin", "GELU", "Custom", ""] {
            let square = Box::leak(Box::new(Square(name, 1.0)));
            assert!(CustomActivation::register(square).is_err(), "{name}");
        }
    }

    #[test]
    fn files_hold_the_name() {
        static KNOWN: Square = Square("known square", 1.5);
        let known = Activation::Custom(CustomActivation::register(&KNOWN).unwrap());
        let text = serde_json::to_string(&known).unwrap();
        assert_eq!(text, r#"{"Custom":"known square"}"#);
        let read: Activation = serde_json::from_str(&text).unwrap();
        assert_eq!(read, known);
        assert_eq!(read.derivatives(2.0_f64), [6.0, 6.0, 3.0, 0.0]);
        let error = serde_json::from_str::<Activation>(r#"{"Custom":"cube"}"#).unwrap_err();
        let error = error.to_string();
        assert!(error.starts_with("no activation is registered as `cube`; there is "), "{error}");
        assert!(error.contains("known square"), "{error}");
    }
}
