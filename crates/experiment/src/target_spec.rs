use std::fmt;

use fokker_sde_core::{Pinwheel, Spirals, StudentT, SwissRoll, Target, TargetName, TwoMoons};
use serde::de::{EnumAccess, Error, SeqAccess, VariantAccess, Visitor};
use serde::ser::SerializeTupleVariant;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::mixture_spec::MixtureSpec;
use crate::points_spec::PointsSpec;
use crate::polygons_spec::PolygonsSpec;

#[cfg(test)]
mod tests;

/// A target as a configuration names it: a law by its name alone, a law with its parameters, or points
/// from a file.
///
/// Every target has a [`label`](Self::label), by which its files, cells and rows in tables are known.
#[derive(Debug, Clone, PartialEq)]
pub enum TargetSpec {
    /// A law known by name: `checkerboard`.
    Named(TargetName),
    /// [`StudentT`]: `StudentT(dim: 5, degrees: 3.0, scale: 1.0)`.
    StudentT(StudentTSpec),
    /// [`SwissRoll`]: `SwissRoll(noise: 0.1)`.
    SwissRoll(NoiseSpec),
    /// [`TwoMoons`]: `Moons(noise: 0.1)`.
    Moons(NoiseSpec),
    /// [`Spirals`]: `Spirals(arms: 3, turns: 1.0, noise: 0.1)`.
    Spirals(SpiralsSpec),
    /// [`Pinwheel`]: `Pinwheel(blades: 7, radial_std: 0.3, tangential_std: 0.05, rate: 0.25)`.
    Pinwheel(PinwheelSpec),
    /// A Gaussian mixture: `Mixture(components: [(weight: 1.0, mean: [0.0], variance: 1.0)])`, with
    /// `covariance: [[…], …]` in place of `variance` where it is not isotropic.
    Mixture(MixtureSpec),
    /// The uniform law on polygons: `Polygons([[(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]])`, and a name after
    /// the list if it needs one.
    Polygons(PolygonsSpec),
    /// The points of a file: `Points(path: "airports.csv")`.
    Points(PointsSpec),
}

/// The parameters of a [`StudentT`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentTSpec {
    /// The dimension.
    pub dim: usize,
    /// The degrees of freedom.
    pub degrees: f64,
    /// The scale, in the units of the points.
    pub scale: f64,
    /// The label; `student_t` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The parameters of a [`SwissRoll`] or of [`TwoMoons`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoiseSpec {
    /// The standard deviation of the noise in each coordinate, in the units of the points.
    pub noise: f64,
    /// The label; `swiss_roll` or `moons` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The parameters of [`Spirals`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpiralsSpec {
    /// The number of arms.
    pub arms: usize,
    /// The turns of each arm.
    pub turns: f64,
    /// The standard deviation of the noise in each coordinate, in the units of the points.
    pub noise: f64,
    /// The label; `spirals` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The parameters of a [`Pinwheel`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PinwheelSpec {
    /// The number of blades.
    pub blades: usize,
    /// The standard deviation along a blade, in units of the radius of its centre.
    pub radial_std: f64,
    /// That across it.
    pub tangential_std: f64,
    /// The rate of the twist, in radians.
    pub rate: f64,
    /// The label; `pinwheel` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The most dimensions of a law given by its parameters.
const MOST_DIMENSIONS: usize = 4096;

impl TargetSpec {
    /// A short name that stands for the target in files and tables: the `name` given, that of the law, or
    /// that of the file without its endings.
    pub fn label(&self) -> &str {
        let (name, law) = match self {
            Self::Named(name) => return name.as_str(),
            Self::Points(spec) => return spec.label(),
            Self::StudentT(spec) => (&spec.name, "student_t"),
            Self::SwissRoll(spec) => (&spec.name, "swiss_roll"),
            Self::Moons(spec) => (&spec.name, "moons"),
            Self::Spirals(spec) => (&spec.name, "spirals"),
            Self::Pinwheel(spec) => (&spec.name, "pinwheel"),
            Self::Mixture(spec) => (&spec.name, "mixture"),
            Self::Polygons(spec) => (&spec.name, "polygons"),
        };
        name.as_deref().unwrap_or(law)
    }

    /// The law; `None` of points in a file.
    ///
    /// # Errors
    /// The reason why there is no law with these parameters.
    pub fn law(&self) -> Result<Option<Box<dyn Target>>, String> {
        fn boxed<T: Target + 'static, E: fmt::Display>(
            law: Result<T, E>,
        ) -> Result<Option<Box<dyn Target>>, String> {
            law.map(|law| Some(Box::new(law) as Box<dyn Target>)).map_err(|error| error.to_string())
        }
        match self {
            Self::Named(name) => Ok(Some(name.target())),
            Self::StudentT(StudentTSpec { dim, .. }) if !(1..=MOST_DIMENSIONS).contains(dim) => {
                Err(format!("`dim` must be between 1 and {MOST_DIMENSIONS}, but is {dim}"))
            }
            Self::StudentT(spec) => boxed(StudentT::new(spec.dim, spec.degrees, spec.scale)),
            Self::SwissRoll(spec) => boxed(SwissRoll::new(spec.noise)),
            Self::Moons(spec) => boxed(TwoMoons::new(spec.noise)),
            Self::Spirals(spec) => boxed(Spirals::new(spec.arms, spec.turns, spec.noise)),
            Self::Pinwheel(spec) => {
                boxed(Pinwheel::new(spec.blades, spec.radial_std, spec.tangential_std, spec.rate))
            }
            Self::Mixture(spec) => boxed(spec.law()),
            Self::Polygons(spec) => boxed(spec.law()),
            Self::Points(_) => Ok(None),
        }
    }

    /// The points of a file, if it is that.
    pub(crate) fn points(&self) -> Option<&PointsSpec> {
        match self {
            Self::Points(spec) => Some(spec),
            _ => None,
        }
    }

    /// Refuses a label that is no part of a file name, and parameters of no law.
    fn check(&self) -> Result<(), String> {
        let label = self.label();
        if clean_label(label) != label {
            return Err(format!(
                "`{label}` cannot stand for the target in the names of files: give it a `name` of at most \
                 40 letters, digits and _ - . (not first)"
            ));
        }
        if let Self::Points(spec) = self {
            spec.check()?;
        }
        self.law().map(|_| ())
    }
}

/// The label that a text becomes by leaving out what is no part of one; a label is left as it is.
pub(crate) fn clean_label(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "_-.".contains(c) { c } else { '_' };
    let label: String =
        text.chars().map(plain).skip_while(|c| ".-".contains(*c)).take(40).collect();
    if label.is_empty() { "points".to_owned() } else { label }
}

impl From<TargetName> for TargetSpec {
    fn from(name: TargetName) -> Self {
        Self::Named(name)
    }
}

impl fmt::Display for TargetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.label())
    }
}

/// What a target may begin with: the names of [`TargetName`], then the laws with parameters.
const VARIANTS: &[&str] = &[
    "checkerboard",
    "circles",
    "ring",
    "mixture",
    "swiss_roll",
    "moons",
    "spirals",
    "pinwheel",
    "eight_gaussians",
    "student_t",
    "StudentT",
    "SwissRoll",
    "Moons",
    "Spirals",
    "Pinwheel",
    "Mixture",
    "Polygons",
    "Points",
];

impl Serialize for TargetSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Readers go by names; the number of a variant tells the compact formats apart that nobody
        // writes targets in.
        let number = |name: &str| VARIANTS.iter().position(|v| *v == name).unwrap_or(0) as u32;
        macro_rules! variant {
            ($name:literal, $spec:expr) => {
                serializer.serialize_newtype_variant("TargetSpec", number($name), $name, $spec)
            };
        }
        match self {
            Self::Named(name) => name.serialize(serializer),
            Self::StudentT(spec) => variant!("StudentT", spec),
            Self::SwissRoll(spec) => variant!("SwissRoll", spec),
            Self::Moons(spec) => variant!("Moons", spec),
            Self::Spirals(spec) => variant!("Spirals", spec),
            Self::Pinwheel(spec) => variant!("Pinwheel", spec),
            Self::Mixture(spec) => variant!("Mixture", spec),
            Self::Points(spec) => variant!("Points", spec),
            Self::Polygons(PolygonsSpec { polygons, name }) => {
                let fields = if name.is_some() { 2 } else { 1 };
                let number = number("Polygons");
                let mut variant =
                    serializer.serialize_tuple_variant("TargetSpec", number, "Polygons", fields)?;
                variant.serialize_field(polygons)?;
                if let Some(name) = name {
                    variant.serialize_field(name)?;
                }
                variant.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for TargetSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("TargetSpec", VARIANTS, Specs)
    }
}

/// Which variant a target begins with; any other word is the name of a law.
#[derive(Deserialize)]
#[serde(field_identifier)]
enum Variant {
    StudentT,
    SwissRoll,
    Moons,
    Spirals,
    Pinwheel,
    Mixture,
    Polygons,
    Points,
    Other(String),
}

struct Specs;

impl<'de> Visitor<'de> for Specs {
    type Value = TargetSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a target, a law with its parameters, or Points")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<TargetSpec, A::Error> {
        let (variant, content) = data.variant::<Variant>()?;
        let spec = match variant {
            Variant::StudentT => TargetSpec::StudentT(content.newtype_variant()?),
            Variant::SwissRoll => TargetSpec::SwissRoll(content.newtype_variant()?),
            Variant::Moons => TargetSpec::Moons(content.newtype_variant()?),
            Variant::Spirals => TargetSpec::Spirals(content.newtype_variant()?),
            Variant::Pinwheel => TargetSpec::Pinwheel(content.newtype_variant()?),
            Variant::Mixture => TargetSpec::Mixture(content.newtype_variant()?),
            Variant::Points => TargetSpec::Points(content.newtype_variant()?),
            Variant::Polygons => TargetSpec::Polygons(content.tuple_variant(2, NamedPolygons)?),
            Variant::Other(word) => {
                let name = TargetName::ALL.into_iter().find(|name| name.as_str() == word);
                let name = name.ok_or_else(|| A::Error::unknown_variant(&word, VARIANTS))?;
                content.unit_variant()?;
                TargetSpec::Named(name)
            }
        };
        spec.check().map_err(A::Error::custom)?;
        Ok(spec)
    }
}

/// A list of polygons, and a name if it needs one.
struct NamedPolygons;

impl<'de> Visitor<'de> for NamedPolygons {
    type Value = PolygonsSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of polygons, and perhaps a name")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<PolygonsSpec, A::Error> {
        let missing = || A::Error::custom("a list of polygons is missing");
        let polygons = fields.next_element()?.ok_or_else(missing)?;
        Ok(PolygonsSpec { polygons, name: fields.next_element()? })
    }
}
