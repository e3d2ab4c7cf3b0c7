//! The shares of modes, and how sharp their edges are: what a distance between laws hides.

use fokker_sde_core::{Mode, Real, Target};
use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use crate::text_table::TextTable;
use crate::{Cell, Distances};

/// How far outside of its mode a point is counted as outside, in units of the data.
pub const EDGE: f64 = 0.05;

/// How many points of one side belong to each mode of a target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModeShares {
    /// The share of each mode, of 1.
    pub shares: Vec<f64>,
    /// The share of points that are outside of their mode by more than [`EDGE`]; 0 where modes have no edge.
    pub outside: f64,
}

/// The modes of a target in the points of both samplers and of the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Modes {
    /// Of the ODE.
    pub ode: ModeShares,
    /// Of the SDE.
    pub sde: ModeShares,
    /// Of the truth: by chance its shares are not those of its law either.
    pub truth: ModeShares,
}

impl ModeShares {
    /// Of points `[n, d]`; `None` if the target has no modes.
    fn of<F: Real>(target: &dyn Target, points: ArrayView2<'_, F>) -> Option<Self> {
        let (mut counts, mut outside) = (Vec::new(), 0_u64);
        let mut wide = vec![0.0; points.ncols()];
        for point in points.rows() {
            wide.iter_mut().zip(point).for_each(|(wide, x)| *wide = x.wide());
            let Mode { index, count, distance } = target.mode(&wide)?;
            counts.resize(count, 0_u64);
            counts[index] += 1;
            outside += u64::from(distance > EDGE);
        }
        let share = |count: u64| count as f64 / points.nrows() as f64;
        Some(Self { shares: counts.into_iter().map(share).collect(), outside: share(outside) })
    }

    /// By how much the share of a mode is off at most, as a part of that in the truth; of modes that the truth has no point in nothing is
    /// known.
    pub fn deviation(&self, truth: &Self) -> f64 {
        let pairs = self.shares.iter().zip(&truth.shares).filter(|(_, truth)| **truth > 0.0);
        pairs.map(|(own, truth)| (own / truth - 1.0).abs()).fold(0.0, f64::max)
    }
}

impl Modes {
    /// Of the ODE's, the SDE's and the truth's points; `None` if the target has no modes.
    pub(crate) fn of<F: Real>(target: &dyn Target, points: [ArrayView2<'_, F>; 3]) -> Option<Self> {
        let [ode, sde, truth] = points.map(|points| ModeShares::of(target, points));
        Some(Self { ode: ode?, sde: sde?, truth: truth? })
    }
}

impl Modes {
    /// What the share of the smallest mode in `n` points is off by chance alone, as a part of that in `n_truth` others: one standard
    /// deviation.
    pub fn chance(&self, n: usize, n_truth: usize) -> f64 {
        let shares = self.truth.shares.iter().copied().filter(|share| *share > 0.0);
        let least = shares.fold(1.0, f64::min);
        ((1.0 - least) / least * (1.0 / n as f64 + 1.0 / n_truth as f64)).sqrt()
    }
}

/// The modes of some cells as a table for people, each row under its label; empty if none has any.
pub fn modes_table<'a>(rows: impl IntoIterator<Item = (String, &'a Cell)>) -> String {
    let heads =
        ["", "modes", "ODE off by", "SDE off by", "chance", "ODE beyond edges", "SDE beyond edges"];
    let mut table = TextTable::new(&heads);
    let mut any = false;
    for (label, cell) in rows {
        let Some(modes) = &cell.modes else { continue };
        let percent = |share: f64| format!("{:.2} %", 100.0 * share);
        let Distances { n, n_truth, .. } = cell.distances;
        table.row(vec![
            label,
            modes.truth.shares.len().to_string(),
            percent(modes.ode.deviation(&modes.truth)),
            percent(modes.sde.deviation(&modes.truth)),
            percent(modes.chance(n, n_truth)),
            percent(modes.ode.outside),
            percent(modes.sde.outside),
        ]);
        any = true;
    }
    if !any {
        return String::new();
    }
    format!(
        "Shares of the modes, off by up to a part of the truth's, beside one standard deviation by chance alone; and points further \
         than {EDGE} from all of them, where they have edges\n\n{table}\n"
    )
}

#[cfg(test)]
mod tests {
    use fokker_sde_core::{
        Checkerboard, GaussianMixture, Purpose, Rings, Streams, SwissRoll, sample_target,
    };
    use ndarray::array;

    use super::*;

    #[test]
    fn shares_are_those_of_the_law() {
        // 40 000 points: the share of one of eight squares has a standard deviation of 0.0017; 5 of them are allowed.
        let draw = |target: &dyn Target| {
            sample_target::<f32>(target, 40_000, Streams::new(1), Purpose::Truth, 0)
        };
        for (target, count) in [
            (&Checkerboard as &dyn Target, 8),
            (&Rings::circles(), 2),
            (&GaussianMixture::nine_components(), 9),
        ] {
            let found = ModeShares::of(target, draw(target).view()).unwrap();
            assert_eq!((found.shares.len(), found.outside), (count, 0.0));
            let share = 1.0 / count as f64;
            for own in &found.shares {
                assert!((own - share).abs() < 5.0 * (share * (1.0 - share) / 4e4).sqrt(), "{own}");
            }
        }
        let roll = SwissRoll::default();
        assert_eq!(ModeShares::of(&roll, draw(&roll).view()), None);
    }

    #[test]
    fn edges_are_counted_from_the_squares() {
        // In a square, 0.04 and 0.06 beside one, and 0.06 away from the corner of one across the corner.
        let points = array![[-2.0, -2.0], [-3.04, -2.0], [-3.06, -2.0], [-3.05, -3.04]];
        let found = ModeShares::of(&Checkerboard, points.view()).unwrap();
        assert_eq!(found.outside, 0.5);
        assert_eq!(found.shares[0], 1.0);
        let other = ModeShares { shares: vec![0.9, 0.1], outside: 0.0 };
        let truth = ModeShares { shares: vec![0.8, 0.2], outside: 0.0 };
        assert!((other.deviation(&truth) - 0.5).abs() < 1e-12);
        // Of 100 points 20 are in the second mode, with a variance of 16.
        let modes = Modes { ode: other.clone(), sde: other, truth };
        assert!((modes.chance(100, 100) - (2.0_f64 * 16.0).sqrt() / 20.0).abs() < 1e-12);
    }
}
