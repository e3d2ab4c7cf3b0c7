use std::sync::Arc;

use fokker_sde_core::{Purpose, Standardisation, Streams, Target, sample_target};
use ndarray::Array2;

use crate::side::{FLOOR_DRAWS, Side};
use crate::target_law::TargetLaw;
use crate::{Error, Protocol, TargetSource};

/// What samples of one target are compared with, in the units of the network.
pub(crate) struct Truth {
    /// The law.
    pub(crate) target: Arc<dyn Target>,
    /// Points of it.
    pub(crate) points: Array2<f32>,
    /// The same, as their distance takes them.
    pub(crate) side: Side,
    /// What the distance of so many samples to the points is by chance alone.
    pub(crate) floor: f64,
    /// Whether training has not seen the points.
    pub(crate) held_out: bool,
    /// The map from the user's units.
    pub(crate) standardisation: Option<Standardisation>,
}

impl Truth {
    /// As many points of a known law as a model has particles, or all points of a file.
    pub(crate) fn of(protocol: &Protocol, law: &TargetLaw) -> Result<Self, Error> {
        let target = law.truth.clone();
        let (points, side, floor) = match &law.points {
            Some(known) => {
                let side = Side::new(protocol, known.view());
                let side = side.map_err(|error| match (error, &law.mark) {
                    // No point in the box is the fault of the file.
                    (Error::Histogram(error), Some(mark)) => {
                        Error::Content { path: mark.path.clone(), reason: error.to_string() }
                    }
                    (error, _) => error,
                })?;
                let floor = side.floor(protocol, 0, [protocol.sampling.particles, side.count()])?;
                (known.mapv(|x| x as f32), side, floor)
            }
            None => drawn(protocol, target.as_ref())?,
        };
        let (held_out, standardisation) = (law.held_out, law.standardisation.clone());
        Ok(Self { target, points, side, floor, held_out, standardisation })
    }

    /// A law known by name, or all points of a file, in the units of a network.
    pub(crate) fn load(
        protocol: &Protocol,
        source: &TargetSource,
        standardisation: Option<&Standardisation>,
    ) -> Result<Self, Error> {
        Self::of(protocol, &source.law(standardisation)?)
    }
}

/// Points drawn from a law, and the floor between them and others drawn from it.
fn drawn(protocol: &Protocol, target: &dyn Target) -> Result<(Array2<f32>, Side, f64), Error> {
    let streams = Streams::new(protocol.seed);
    let draw = |purpose, index| {
        let n = protocol.sampling.particles;
        sample_target::<f32>(target, n, streams, purpose, index)
    };
    let points = draw(Purpose::Truth, 0);
    let side = Side::new(protocol, points.view())?;
    let mut floor = 0.0;
    for index in 0..FLOOR_DRAWS {
        let other = Side::new(protocol, draw(Purpose::Floor, index).view())?;
        floor += side.distance(&other, protocol)? / FLOOR_DRAWS as f64;
    }
    Ok((points, side, floor))
}
