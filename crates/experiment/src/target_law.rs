//! Targets made ready: the law that a network learns, and what stands for the truth.

use std::sync::Arc;

use fokker_sde_core::{
    Dequantised, Empirical, Purpose, Standardisation, StandardisationError, StandardisationRule,
    Standardised, Streams, Target,
};
use ndarray::{Array2, Axis};
use rand::RngExt;

use crate::points_file::{FileMark, OpenFile, PointsFile};
use crate::points_spec::PointsSpec;
use crate::{Error, TargetSpec};

/// A target in the units of the network.
pub(crate) struct TargetLaw {
    /// What training draws from.
    pub(crate) training: Arc<dyn Target>,
    /// What samples are compared with.
    pub(crate) truth: Arc<dyn Target>,
    /// The points that `truth` stands for, `[m, d]`, each with noise once if it has any; `None` of a law
    /// that is known and is drawn from instead.
    pub(crate) points: Option<Array2<f64>>,
    /// The map from the user's units.
    pub(crate) standardisation: Option<Standardisation>,
    /// Whether `truth` is of points that training does not see.
    pub(crate) held_out: bool,
    /// The file behind it.
    pub(crate) mark: Option<FileMark>,
}

/// Why a target cannot be made ready, and the field of its description that says so.
#[derive(Debug)]
pub(crate) struct LawError {
    /// The field; empty for the target as a whole.
    pub(crate) field: &'static str,
    pub(crate) error: Box<Error>,
}

impl TargetLaw {
    /// The target that a configuration names; `seed` says which points are held out.
    pub(crate) fn new(spec: &TargetSpec, seed: u64) -> Result<Self, LawError> {
        match spec {
            TargetSpec::Points(points) => Self::of_points(points, seed),
            _ => match spec.law() {
                Ok(Some(law)) => Ok(Self::known(law)),
                Ok(None) => Err(at("", Error::Internal(format!("no law of {spec}")))),
                Err(reason) => {
                    let error = Error::Target { label: spec.label().to_owned(), reason };
                    Err(at("", error))
                }
            },
        }
    }

    /// A law that is known.
    pub(crate) fn known(law: Box<dyn Target>) -> Self {
        let law: Arc<dyn Target> = law.into();
        Self {
            training: law.clone(),
            truth: law,
            points: None,
            standardisation: None,
            held_out: false,
            mark: None,
        }
    }

    /// A law, or points, in the units of a network that was trained on standardised ones.
    pub(crate) fn standardised(self, map: &Standardisation) -> Result<Self, Error> {
        let truth: Arc<dyn Target> = Arc::new(Standardised::new(self.truth, map.clone())?);
        let mut points = self.points;
        if let Some(points) = &mut points {
            map.standardise(points)?;
        }
        let standardisation = Some(map.clone());
        Ok(Self { training: truth.clone(), truth, points, standardisation, ..self })
    }

    fn of_points(spec: &PointsSpec, seed: u64) -> Result<Self, LawError> {
        let file = OpenFile::new(&spec.path).map_err(|error| at("path", error))?;
        let chosen = if spec.columns.is_empty() { "path" } else { "columns" };
        let file = file.select(&spec.columns).map_err(|error| at(chosen, error))?;
        let content =
            |field, reason: String| at(field, Error::Content { path: spec.path.clone(), reason });
        let dim = file.points.ncols();
        if file.points.nrows() < 2 {
            return Err(content("path", "holds one point, which has no spread".to_owned()));
        }
        if let Some(size) = spec.images
            && size.width.checked_mul(size.height) != Some(dim)
        {
            let reason = format!("{} × {} images have not {dim} pixels", size.width, size.height);
            return Err(content("images", reason));
        }
        let split = Split::new(file.points.nrows(), spec.held_out, seed)
            .map_err(|reason| content("held_out", reason))?;
        let training = file.points.select(Axis(0), &split.training);
        // What is held out is not looked at, its moments included.
        let map = match spec.standardise {
            StandardisationRule::None => None,
            rule => Some(
                Standardisation::of(training.view(), rule, spec.dequantise)
                    .map_err(|error| content("standardise", constant(&error, &file)))?,
            ),
        };
        let law = |points: Array2<f64>| -> Result<Arc<dyn Target>, LawError> {
            let law = Empirical::new(points).map_err(|error| content("path", error.to_string()))?;
            let law: Arc<dyn Target> = Arc::new(Dequantised { law, width: spec.dequantise });
            match &map {
                None => Ok(law),
                Some(map) => {
                    let law = Standardised::new(law, map.clone());
                    Ok(Arc::new(law.map_err(|error| at("", error.into()))?))
                }
            }
        };
        let training = law(training)?;
        let mut points = file.points.select(Axis(0), &split.truth);
        let truth = if spec.held_out > 0.0 { law(points.clone())? } else { training.clone() };
        if spec.dequantise > 0.0 {
            let mut rng = Streams::new(seed).rng(Purpose::Truth, 0, 0);
            points.mapv_inplace(|x| x + spec.dequantise * rng.random::<f64>());
        }
        if let Some(map) = &map {
            map.standardise(&mut points).map_err(|error| at("", error.into()))?;
        }
        Ok(Self {
            training,
            truth,
            points: Some(points),
            standardisation: map,
            held_out: spec.held_out > 0.0,
            mark: Some(file.mark),
        })
    }
}

fn at(field: &'static str, error: Error) -> LawError {
    LawError { field, error: Box::new(error) }
}

/// Why points cannot be standardised, with the column by its name and what to do about it.
fn constant(error: &StandardisationError, file: &PointsFile) -> String {
    match error {
        StandardisationError::Constant { component, value } => format!(
            "{} is {value} in all points, so that it has no scale: leave it out of `columns`, or give \
             `dequantise` or `standardise: Global`",
            file.column(*component)
        ),
        other => other.to_string(),
    }
}

/// Which points are trained on and which stand for the truth.
struct Split {
    training: Vec<usize>,
    truth: Vec<usize>,
}

impl Split {
    /// Holds out a share of `count` points, drawn without replacement, at least two; with a share of 0 all
    /// points are both.
    fn new(count: usize, share: f64, seed: u64) -> Result<Self, String> {
        let all: Vec<usize> = (0..count).collect();
        if share == 0.0 {
            return Ok(Self { training: all.clone(), truth: all });
        }
        let kept = ((share * count as f64).round() as usize).max(2);
        if kept >= count {
            return Err(format!("a share of {share} of {count} points leaves none to train on"));
        }
        let mut rng = Streams::new(seed).rng(Purpose::Split, 0, 0);
        let mut shuffled = all;
        // The first steps of the shuffle of Fisher and Yates.
        for k in 0..kept {
            shuffled.swap(k, rng.random_range(k..count));
        }
        let mut training = shuffled.split_off(kept);
        training.sort_unstable();
        shuffled.sort_unstable();
        Ok(Self { training, truth: shuffled })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_held_out_by_the_seed() {
        let split = Split::new(1000, 0.2, 1).unwrap();
        assert_eq!((split.truth.len(), split.training.len()), (200, 800));
        let mut all = [split.truth.clone(), split.training.clone()].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..1000));
        // Spread over all of the file: 100 of 500 expected in either half, standard deviation 6.3.
        let first = split.truth.iter().filter(|row| **row < 500).count();
        assert!((70..=130).contains(&first), "{first}");
        assert_eq!(Split::new(1000, 0.2, 1).unwrap().truth, split.truth);
        assert_ne!(Split::new(1000, 0.2, 2).unwrap().truth, split.truth);
        assert_eq!(Split::new(4, 0.01, 1).unwrap().truth.len(), 2);
        assert!(Split::new(1, 0.5, 1).is_err());
        let both = Split::new(7, 0.0, 1).unwrap();
        assert_eq!(both.truth, both.training);
    }
}
