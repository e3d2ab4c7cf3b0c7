use fokker_sde_core::GaussianMixture;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// The components of a Gaussian mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MixtureSpec {
    /// The components, all in one dimension.
    pub components: Vec<ComponentSpec>,
    /// The label; `mixture` if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A component of a Gaussian mixture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentSpec {
    /// The weight; weights need not add up to 1.
    pub weight: f64,
    /// The mean, `[d]`.
    pub mean: Vec<f64>,
    /// The covariance, `[d, d]`; this or the variance.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covariance: Vec<Vec<f64>>,
    /// The variance in every direction; this or the covariance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variance: Option<f64>,
}

impl MixtureSpec {
    /// The law.
    ///
    /// # Errors
    /// The reason why there is none.
    pub fn law(&self) -> Result<GaussianMixture, String> {
        let spread =
            |component: &ComponentSpec| match (&component.covariance[..], component.variance) {
                ([], Some(variance)) => Ok(Some(variance)),
                ([_, ..], None) => Ok(None),
                ([], None) => Err("needs a `covariance` or a `variance`"),
                _ => Err("has both a `covariance` and a `variance`, but needs one of them"),
            };
        let mut variances = Vec::new();
        for (k, component) in self.components.iter().enumerate() {
            let found = spread(component).map_err(|rule| format!("component {k} {rule}"))?;
            variances.push(found);
        }
        // One that is isotropic is evaluated in less time, and draws other bits than its matrix would.
        let mixture = match variances.iter().copied().collect::<Option<Vec<f64>>>() {
            Some(variances) => {
                let parts = self.components.iter().zip(variances);
                let parts = parts.map(|(part, v)| (part.weight, part.mean.clone(), v));
                GaussianMixture::new(parts.collect())
            }
            None => {
                let mut parts = Vec::new();
                for (k, (part, variance)) in self.components.iter().zip(variances).enumerate() {
                    let matrix = match variance {
                        Some(v) => Array2::from_diag_elem(part.mean.len(), v),
                        None => matrix(&part.covariance).ok_or_else(|| {
                            format!("component {k}: the rows of its covariance differ in length")
                        })?,
                    };
                    parts.push((part.weight, part.mean.clone(), matrix));
                }
                GaussianMixture::with_covariances(parts)
            }
        };
        mixture.map_err(|error| error.to_string())
    }
}

/// A matrix from its rows.
fn matrix(rows: &[Vec<f64>]) -> Option<Array2<f64>> {
    let columns = rows.first().map_or(0, Vec::len);
    rows.iter()
        .all(|row| row.len() == columns)
        .then(|| Array2::from_shape_fn((rows.len(), columns), |(row, column)| rows[row][column]))
}
