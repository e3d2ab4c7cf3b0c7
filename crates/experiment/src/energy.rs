//! The energy distance beside those of transport.

use fokker_metrics::squared_energy_distance;
use fokker_sde_core::{Purpose, Streams};
use ndarray::{Array2, ArrayView2, Axis};
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::{Error, Protocol};

/// The most points of each side: the time grows with their square.
const MOST: usize = 4000;

/// Squared energy distances `2 E|X − Y| − E|X − X'| − E|Y − Y'|` between the two samplers' points and the
/// truth, in units of the points, from up to 4000 points of each.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Energies {
    /// Between the ODE's samples and the truth.
    pub ode_truth: Energy,
    /// Between the SDE's samples and the truth.
    pub sde_truth: Energy,
    /// Between the ODE's and the SDE's samples.
    pub ode_sde: Energy,
}

/// A squared energy distance.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// The value.
    pub value: f64,
    /// What it is on average between as many points of one law.
    pub floor: f64,
}

impl Energies {
    /// Between points `[n, d]`, in the units of the network.
    pub(crate) fn between(
        protocol: &Protocol,
        ode: &Array2<f32>,
        sde: &Array2<f32>,
        truth: &Array2<f32>,
    ) -> Result<Self, Error> {
        // The samplers' points are in no order; those of a file may be.
        let [ode, sde] = [ode, sde].map(|points| points.slice_axis(Axis(0), first(points).into()));
        let truth = thinned(protocol, truth);
        let truth = truth.view();
        Ok(Self {
            ode_truth: Energy::between(ode, truth)?,
            sde_truth: Energy::between(sde, truth)?,
            ode_sde: Energy::between(ode, sde)?,
        })
    }
}

impl Energy {
    fn between(a: ArrayView2<'_, f32>, b: ArrayView2<'_, f32>) -> Result<Self, Error> {
        let found = squared_energy_distance(a, b)?;
        Ok(Self { value: found.value, floor: found.floor.map_or(f64::NAN, |floor| floor.mean) })
    }
}

fn first(points: &Array2<f32>) -> std::ops::Range<usize> {
    0..points.nrows().min(MOST)
}

/// At most so many of the points, drawn without replacement.
fn thinned(protocol: &Protocol, points: &Array2<f32>) -> Array2<f32> {
    let count = points.nrows();
    if count <= MOST {
        return points.clone();
    }
    let mut rng = Streams::new(protocol.seed).rng(Purpose::Split, 1, 0);
    let mut rows: Vec<usize> = (0..count).collect();
    for k in 0..MOST {
        rows.swap(k, rng.random_range(k..count));
    }
    points.select(Axis(0), &rows[..MOST])
}
