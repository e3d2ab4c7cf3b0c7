use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use crate::{BatchError, Real};

/// The map `x ↦ (x − mean)/scale`, component by component, from the units of data to those in which
/// networks learn, and its inverse.
///
/// Diffusions and their priors are made for data of mean 0 and standard deviation about 1; Karras et al.,
/// *Elucidating the design space of diffusion-based generative models* (2022), section 5 and appendix B.6.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Standardisation {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

/// How data are standardised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum StandardisationRule {
    /// By the mean and the standard deviation of each component.
    #[default]
    PerComponent,
    /// By the mean of each component and one scale for all, the root of their mean variance: shapes
    /// keep their proportions, and pixels their contrast.
    Global,
    /// Not at all.
    None,
}

/// Why there is no such standardisation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum StandardisationError {
    /// Mean and scale have different numbers of components, or none.
    #[error(
        "the mean has {mean} components and the scale {scale}; both need the same number, at least 1"
    )]
    Lengths {
        /// Components of the mean.
        mean: usize,
        /// Components of the scale.
        scale: usize,
    },
    /// A mean or a scale is not a finite number, or a scale is not positive.
    #[error("component {component}: the {what} is {value}, but must be {rule}")]
    Value {
        /// The component, from 0.
        component: usize,
        /// `mean` or `scale`.
        what: &'static str,
        /// What it is.
        value: f64,
        /// What it must be.
        rule: &'static str,
    },
    /// All points have the same value in a component, so that it has no scale.
    #[error("component {component} is {value} in all points, so that it has no scale")]
    Constant {
        /// The component, from 0.
        component: usize,
        /// The value.
        value: f64,
    },
    /// All points are the same.
    #[error("all points are the same, so that they have no scale")]
    Point,
    /// There are no points.
    #[error("there are no points to standardise")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl TryFrom<Unchecked> for Standardisation {
    type Error = StandardisationError;

    fn try_from(Unchecked { mean, scale }: Unchecked) -> Result<Self, Self::Error> {
        Self::new(mean, scale)
    }
}

impl Standardisation {
    /// The map with this mean and scale of each of `d` components, in the units of the data.
    ///
    /// # Errors
    /// If the two differ in length or are empty, a number is not finite, or a scale not positive.
    pub fn new(mean: Vec<f64>, scale: Vec<f64>) -> Result<Self, StandardisationError> {
        if mean.len() != scale.len() || mean.is_empty() {
            return Err(StandardisationError::Lengths { mean: mean.len(), scale: scale.len() });
        }
        let value = |component, what, value, rule| {
            Err(StandardisationError::Value { component, what, value, rule })
        };
        if let Some(bad) = mean.iter().position(|m| !m.is_finite()) {
            return value(bad, "mean", mean[bad], "finite");
        }
        if let Some(bad) = scale.iter().position(|s| !(s.is_normal() && *s > 0.0)) {
            return value(bad, "scale", scale[bad], "positive and finite");
        }
        Ok(Self { mean, scale })
    }

    /// The map that gives the law of points `[m, d]` mean 0 and, by [`StandardisationRule::PerComponent`],
    /// variance 1 in each component, or by [`StandardisationRule::Global`] on average over them; by
    /// [`StandardisationRule::None`] the identity.
    ///
    /// The law is that of the points with uniform noise on `[0, width)` in each component (see
    /// [`Dequantised`](crate::Dequantised)), which adds `width/2` to the means and `width²/12` to the
    /// variances; 0 for the points as they are.
    ///
    /// # Errors
    /// If there are no points, a component is the same in all of them and there is no noise (by the rule
    /// `Global`, if all are), or the moments are not finite.
    pub fn of(
        points: ArrayView2<'_, f64>,
        rule: StandardisationRule,
        width: f64,
    ) -> Result<Self, StandardisationError> {
        let dim = points.ncols();
        if points.is_empty() {
            return Err(StandardisationError::Empty);
        }
        let count = points.nrows() as f64;
        // In two passes: the second loses no digits where the mean is far larger than the spread.
        let mut mean: Vec<f64> = points.columns().into_iter().map(|c| c.sum() / count).collect();
        let spread = |(column, mean): (ndarray::ArrayView1<'_, f64>, &f64)| {
            column.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count
        };
        let noise = width * width / 12.0;
        let mut variances: Vec<f64> = points.columns().into_iter().zip(&mean).map(spread).collect();
        for (component, column) in points.columns().into_iter().enumerate() {
            // Rounding of the mean would leave a tiny spread.
            if column.iter().all(|x| *x == column[0]) {
                (mean[component], variances[component]) = (column[0], 0.0);
            }
        }
        let constant = variances.iter().position(|v| *v + noise == 0.0);
        mean.iter_mut().for_each(|m| *m += 0.5 * width);
        match (rule, constant) {
            (StandardisationRule::None, _) => Self::new(vec![0.0; dim], vec![1.0; dim]),
            (StandardisationRule::PerComponent, Some(component)) => {
                let value = points[[0, component]];
                Err(StandardisationError::Constant { component, value })
            }
            (StandardisationRule::PerComponent, None) => {
                Self::new(mean, variances.iter().map(|v| (v + noise).sqrt()).collect())
            }
            (StandardisationRule::Global, _) => {
                let average = variances.iter().sum::<f64>() / dim as f64 + noise;
                if average == 0.0 {
                    return Err(StandardisationError::Point);
                }
                Self::new(mean, vec![average.sqrt(); dim])
            }
        }
    }

    /// The number `d` of components.
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// The means, in the units of the data.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The scales, in the units of the data.
    pub fn scale(&self) -> &[f64] {
        &self.scale
    }

    /// Makes a point of `d` entries in the units of the data a standardised one.
    pub fn standardise_point(&self, point: &mut [f64]) {
        for ((x, mean), scale) in point.iter_mut().zip(&self.mean).zip(&self.scale) {
            *x = (*x - mean) / scale;
        }
    }

    /// Makes a standardised point of `d` entries one in the units of the data.
    pub fn restore_point(&self, point: &mut [f64]) {
        for ((x, mean), scale) in point.iter_mut().zip(&self.mean).zip(&self.scale) {
            *x = *x * scale + mean;
        }
    }

    /// Makes points `[n, d]` in the units of the data standardised ones; computed in double precision.
    ///
    /// # Errors
    /// If the points have another number of components.
    pub fn standardise<F: Real>(&self, points: &mut Array2<F>) -> Result<(), BatchError> {
        self.map(points, |x, mean, scale| (x - mean) / scale)
    }

    /// Makes standardised points `[n, d]` ones in the units of the data; computed in double precision.
    ///
    /// # Errors
    /// If the points have another number of components.
    pub fn restore<F: Real>(&self, points: &mut Array2<F>) -> Result<(), BatchError> {
        self.map(points, |x, mean, scale| x * scale + mean)
    }

    fn map<F: Real>(
        &self,
        points: &mut Array2<F>,
        change: impl Fn(f64, f64, f64) -> f64,
    ) -> Result<(), BatchError> {
        BatchError::check("points", &[points.nrows(), self.dim()], points.shape())?;
        for (component, mut column) in points.axis_iter_mut(Axis(1)).enumerate() {
            let (mean, scale) = (self.mean[component], self.scale[component]);
            column.mapv_inplace(|x| F::of(change(x.wide(), mean, scale)));
        }
        Ok(())
    }
}
