//! The distance between what two files hold.

use std::path::{Path, PathBuf};

use fokker_metrics::{
    Axis, Distance, Epsilon, ExactTransport, Floor, Grid, GroundCost, Histogram, PlanEntry,
    Sinkhorn, SinkhornDivergence, SinkhornError, UncertaintyError, bootstrap, line_plan,
    noise_floor, sliced_wasserstein, transport_grid, transport_points, wasserstein_line,
};
use fokker_sde_core::{Purpose, Streams};
use ndarray::{Array2, ArrayD, Axis as Direction, Ix2};
use serde::Serialize;

use crate::points_file::{PointsFile, is_table};
use crate::side::{FLOOR_DRAWS, LEVEL};
use crate::{Error, files};

/// How a distance is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DistanceMethod {
    /// The optimum of transport, proven.
    Exact,
    /// The debiased Sinkhorn divergence.
    Sinkhorn,
    /// The mean over random directions of the distance along them.
    Sliced,
    /// The distance between points on the line.
    #[serde(rename = "1d")]
    Line,
}

/// What two files are compared by.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// How the distance is found.
    pub method: DistanceMethod,
    /// What it costs to move mass.
    pub cost: GroundCost,
    /// Whether points are taken as they are, and not counted on a grid. Those of a sliced distance and on
    /// the line always are.
    pub pointwise: bool,
    /// Half the side `L` of the box.
    pub extent: f64,
    /// Nodes along each axis on which points are counted; 64 by default, in space 16.
    pub nodes: Option<usize>,
    /// For Sinkhorn's divergence, `ε` as a share of the cost across the box.
    pub epsilon: f64,
    /// Directions of a sliced distance.
    pub projections: u64,
    /// Replicates of the bootstrap of points on a grid; 0 for no interval.
    pub bootstrap: u64,
    /// The master seed of all that is drawn.
    pub seed: u64,
    /// A `.npy` file to write the plan to.
    pub plan: Option<PathBuf>,
}

/// What two files were compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Histograms `[n]`, `[n, n]` or `[n, n, n]`; in the plane also flattened.
    Histograms,
    /// Points `[m, d]`.
    Points,
}

/// The distance between what two files hold, with how it was found.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DistanceReport {
    /// How the distance was found.
    pub method: DistanceMethod,
    /// What it costs to move mass.
    pub cost: &'static str,
    /// The squared Wasserstein-2 distance, for the squared cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w2sq: Option<f64>,
    /// Its root, for the squared cost; nothing for a divergence that came out negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w2: Option<f64>,
    /// The Wasserstein-1 distance, for the other costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w1: Option<f64>,
    /// The standard error over the directions of a sliced distance.
    pub standard_error: Option<f64>,
    /// What the value is on average by chance alone, between as many points of the second file's law.
    pub floor: Option<f64>,
    /// The standard error of the floor.
    pub floor_se: Option<f64>,
    /// A 95 % basic bootstrap interval of the value.
    pub interval: Option<[f64; 2]>,
    /// The numbers of points.
    pub n: [Option<u64>; 2],
    /// What the files hold.
    pub input: Input,
    /// Half the side `L` of the box, if there is one.
    pub extent: Option<f64>,
    /// Nodes along each axis, if there is a grid.
    pub nodes: Option<usize>,
    /// The mass of each histogram, or the number of points compared, before both are normalised to 1.
    pub mass: [f64; 2],
    /// The number of points outside the box, which the distance does not see.
    pub outside: [u64; 2],
    /// A bound on the share of the mass that was moved by rounding it to integers.
    pub rounding: Option<f64>,
    /// `ε` of Sinkhorn's divergence, in units of the cost.
    pub epsilon: Option<f64>,
    /// Bounds of the optimum of transport that Sinkhorn's potentials prove.
    pub bracket: Option<[f64; 2]>,
    /// Directions of a sliced distance.
    pub projections: Option<u64>,
}

/// The distance between two files, `.npy`, `.csv` or `.csv.gz`.
///
/// An array `[n, n]`, `n²` numbers flat, or `[n, n, n]` is a histogram over the nodes
/// `linspace(−extent, extent, n)` along each axis, with the last axis of the array along `x`. Any other
/// `[m, d]` is points; with [`Comparison::pointwise`] and for a sliced distance every `[m, d]` is, and on
/// the line every `[m]` and `[m, 1]`. Points of up to three coordinates are counted on
/// [`Comparison::nodes`] such nodes along each axis, unless they are taken as they are; points outside
/// the box are then dropped and reported. Both sides are normalised to mass 1.
///
/// # Errors
/// If a file cannot be read, has another shape, or holds a number that it should not; if the two
/// cannot be compared; or if the plan cannot be written.
pub fn distance(a: &Path, b: &Path, how: &Comparison) -> Result<DistanceReport, Error> {
    if let Some(plan) = &how.plan {
        files::check_writable(plan)?;
        [a, b].into_iter().try_for_each(|input| files::refuse_same(input, plan))?;
    }
    let data = [read(a, how)?, read(b, how)?];
    match (how.method, data) {
        (DistanceMethod::Line, [Data::Points(x), Data::Points(y)]) => on_line(x, y, how),
        (DistanceMethod::Sliced, [Data::Points(x), Data::Points(y)]) => sliced(&x, &y, how),
        (_, [Data::Points(x), Data::Points(y)]) if how.pointwise => between_points(&x, &y, how),
        (_, [Data::Points(x), Data::Points(y)]) => {
            let counted = [counted(a, &x, how)?, counted(b, &y, how)?];
            between_histograms(b, counted, Input::Points, how)
        }
        (_, [Data::Histogram(x), Data::Histogram(y)]) => {
            let given = [given(a, x, how)?, given(b, y, how)?];
            between_histograms(b, given, Input::Histograms, how)
        }
        _ => {
            let reason = "one file holds a histogram, the other points".to_owned();
            Err(Error::Content { path: b.to_owned(), reason })
        }
    }
}

enum Data {
    Histogram(ArrayD<f64>),
    Points(Array2<f64>),
}

fn read(path: &Path, how: &Comparison) -> Result<Data, Error> {
    let array = if is_table(path) {
        PointsFile::read(path)?.points.into_dyn()
    } else {
        files::read_npy(path)?
    };
    let shape = array.shape().to_vec();
    let line = how.method == DistanceMethod::Line;
    let points = how.pointwise || how.method == DistanceMethod::Sliced || line;
    let wrong = |expected: &str| {
        let reason = format!("has shape {shape:?}, expected {expected}");
        Error::Content { path: path.to_owned(), reason }
    };
    let table = |array: ArrayD<f64>| array.into_dimensionality::<Ix2>();
    match shape[..] {
        [_] if line => table(array.insert_axis(Direction(1))).map(Data::Points),
        [_, 1] if line => table(array).map(Data::Points),
        _ if line => return Err(wrong("points on a line, [m] or [m, 1]")),
        [_, _] if points => table(array).map(Data::Points),
        _ if points => return Err(wrong("points [m, d]")),
        [n, m] if n == m => return Ok(Data::Histogram(array)),
        [n, m, k] if n == m && m == k => return Ok(Data::Histogram(array)),
        [length] if length.isqrt().pow(2) == length => {
            let flat: Vec<f64> = array.into_iter().collect();
            let square = ArrayD::from_shape_vec(vec![length.isqrt(); 2], flat);
            return square.map(Data::Histogram).map_err(|_| wrong("n² numbers"));
        }
        [_, 1..=3] => table(array).map(Data::Points),
        [_, d] => {
            let reason = format!(
                "points of {d} coordinates are too many for a grid; they can be compared as they are"
            );
            return Err(Error::Content { path: path.to_owned(), reason });
        }
        _ => return Err(wrong("a histogram [n, n] (or [n²] or [n, n, n]) or points [m, d]")),
    }
    .map_err(|_| wrong("points [m, d]"))
}

fn grid(nodes: usize, dim: usize, extent: f64) -> Result<Grid, String> {
    let axis = Axis::nodes(-extent, extent, nodes).map_err(|error| error.to_string())?;
    Grid::new(&vec![axis; dim]).map_err(|error| error.to_string())
}

/// A histogram as it stands in a file.
fn given(path: &Path, mass: ArrayD<f64>, how: &Comparison) -> Result<Histogram, Error> {
    let content = |reason: String| Error::Content { path: path.to_owned(), reason };
    let grid = grid(mass.shape()[0], mass.ndim(), how.extent).map_err(content)?;
    Histogram::from_mass(grid, mass).map_err(|error| content(error.to_string()))
}

/// The points of a file, counted.
fn counted(path: &Path, points: &Array2<f64>, how: &Comparison) -> Result<Histogram, Error> {
    let content = |reason: String| Error::Content { path: path.to_owned(), reason };
    let (dim, default) = (points.ncols(), if points.ncols() > 2 { 16 } else { 64 });
    let grid = grid(how.nodes.unwrap_or(default), dim, how.extent).map_err(content)?;
    Histogram::from_points(grid, points.view()).map_err(|error| content(error.to_string()))
}

fn between_histograms(
    second: &Path,
    sides: [Histogram; 2],
    input: Input,
    how: &Comparison,
) -> Result<DistanceReport, Error> {
    let [a, b] = &sides;
    if a.grid() != b.grid() {
        let [a, b] = sides.each_ref().map(|side| side.grid().shape());
        let reason = format!("a histogram of {b:?} nodes, but the first has {a:?}");
        return Err(Error::Content { path: second.to_owned(), reason });
    }
    let mass = sides.each_ref().map(Histogram::total);
    let outside = sides.each_ref().map(Histogram::outside);
    let report = if how.method == DistanceMethod::Sinkhorn {
        sinkhorn(how, |sinkhorn| sinkhorn.histograms(a, b, how.cost))?
    } else {
        let found = transport_grid(a, b, how.cost)?;
        let interval = uncertain(a, b, how)?;
        exact(found, interval, how)?
    };
    let (extent, nodes) = (Some(how.extent), a.grid().axes().first().map(Axis::len));
    Ok(DistanceReport { input, mass, outside, extent, nodes, ..report })
}

/// The noise floor and the interval of points counted on a grid.
fn uncertain(
    a: &Histogram,
    b: &Histogram,
    how: &Comparison,
) -> Result<(Option<Floor>, Option<[f64; 2]>), Error> {
    let (Some(n), Some(m)) = (a.points(), b.points()) else {
        return Ok((None, None));
    };
    let streams = Streams::new(how.seed);
    let rng = |index| move |draw| streams.rng(Purpose::Bootstrap, index, draw);
    let value = |a: &Histogram, b: &Histogram| -> Result<f64, Error> {
        Ok(transport_grid(a, b, how.cost)?.distance.value)
    };
    let floor = match noise_floor(b, [n, m], FLOOR_DRAWS, rng(0), value) {
        // A handful of points may all be drawn outside the box.
        Err(Error::Uncertainty(UncertaintyError::Histogram(_))) => None,
        floor => Some(floor?),
    };
    let interval = match how.bootstrap {
        0 => None,
        replicates => Some(bootstrap(a, b, replicates, LEVEL, rng(1), value)?),
    };
    Ok((floor, interval))
}

fn between_points(
    x: &Array2<f64>,
    y: &Array2<f64>,
    how: &Comparison,
) -> Result<DistanceReport, Error> {
    if how.method == DistanceMethod::Sinkhorn {
        return sinkhorn(how, |sinkhorn| sinkhorn.points(x.view(), y.view(), None, how.cost));
    }
    let found = transport_points(x.view(), y.view(), None, how.cost)?;
    exact(found, (None, None), how)
}

/// The report of an optimum, once the plan is written.
fn exact(
    found: ExactTransport,
    (floor, interval): (Option<Floor>, Option<[f64; 2]>),
    how: &Comparison,
) -> Result<DistanceReport, Error> {
    if how.plan.is_some() {
        write_plan(&found.plan(), how)?;
    }
    let rounding = Some(found.rounding);
    let distance = Distance { floor, interval, ..found.distance };
    Ok(DistanceReport { rounding, ..report(distance, how) })
}

fn sinkhorn(
    how: &Comparison,
    solve: impl Fn(Sinkhorn) -> Result<SinkhornDivergence, SinkhornError>,
) -> Result<DistanceReport, Error> {
    let found = solve(Sinkhorn { epsilon: Epsilon::Relative(how.epsilon), ..Sinkhorn::default() })?;
    let (epsilon, bracket) = (Some(found.epsilon), Some(found.bracket));
    Ok(DistanceReport { epsilon, bracket, ..report(found.distance, how) })
}

fn sliced(x: &Array2<f64>, y: &Array2<f64>, how: &Comparison) -> Result<DistanceReport, Error> {
    let streams = Streams::new(how.seed);
    let rng = |k| streams.rng(Purpose::Projection, 0, k);
    let found = sliced_wasserstein(x.view(), y.view(), order(how), how.projections, rng)?;
    Ok(DistanceReport { projections: Some(how.projections), ..report(found, how) })
}

fn on_line(x: Array2<f64>, y: Array2<f64>, how: &Comparison) -> Result<DistanceReport, Error> {
    let [x, y] = [x, y].map(|points| points.into_iter().collect::<Vec<f64>>());
    let found = wasserstein_line(&x, &y, None, order(how))?;
    if how.plan.is_some() {
        write_plan(&line_plan(&x, &y, None)?, how)?;
    }
    Ok(DistanceReport { rounding: Some(found.rounding), ..report(found.distance, how) })
}

/// The order `p` of the distance.
fn order(how: &Comparison) -> f64 {
    if how.cost.is_squared() { 2.0 } else { 1.0 }
}

/// The name of a cost.
fn name(cost: GroundCost) -> &'static str {
    match cost {
        GroundCost::SquaredEuclidean => "squared",
        GroundCost::Euclidean => "euclidean",
        GroundCost::Manhattan => "manhattan",
    }
}

/// A report between points as they are.
fn report(distance: Distance, how: &Comparison) -> DistanceReport {
    let squared = how.cost.is_squared();
    let count = |n: Option<u64>| n.unwrap_or(0) as f64;
    DistanceReport {
        method: how.method,
        cost: name(how.cost),
        w2sq: squared.then_some(distance.value),
        w2: squared.then(|| distance.root()).filter(|root| root.is_finite()),
        w1: (!squared).then_some(distance.value),
        standard_error: distance.standard_error,
        floor: distance.floor.map(|floor| floor.mean),
        floor_se: distance.floor.map(|floor| floor.standard_error),
        interval: distance.interval,
        n: distance.n,
        input: Input::Points,
        extent: None,
        nodes: None,
        mass: distance.n.map(count),
        outside: [0; 2],
        rounding: None,
        epsilon: None,
        bracket: None,
        projections: None,
    }
}

/// Writes a plan as rows `from, to, mass`.
fn write_plan(plan: &[PlanEntry], how: &Comparison) -> Result<(), Error> {
    let Some(path) = &how.plan else { return Ok(()) };
    let row = |(i, k): (usize, usize)| match (plan[i], k) {
        (PlanEntry { from, .. }, 0) => from as f64,
        (PlanEntry { to, .. }, 1) => to as f64,
        (PlanEntry { mass, .. }, _) => mass,
    };
    files::write_npy(path, Array2::from_shape_fn((plan.len(), 3), row).view())
}
