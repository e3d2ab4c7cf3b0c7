use std::path::Path;

use fokker_fp_residual::residual_of_jet;
use fokker_score_net::{Checkpoint, Element, Output};
use fokker_sde_core::{Jet, Potential, Sde};
use ndarray::{Array1, Array2, Axis};
use serde::Serialize;

use crate::files::{self, refuse_same};
use crate::gap::check_model;
use crate::residual_means::{MOST_MEAN_DIMENSIONS, ResidualMeter};
use crate::table::{self, Table};
use crate::{Error, Protocol, ResidualMeans, TargetSource};

/// The residual of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResidualReport {
    /// The checkpoint.
    pub model: String,
    /// The target whose diffused law was followed: a name, or the file that holds its points.
    pub target: Option<String>,
    /// Whether the means are in standardised units.
    pub standardised: bool,
    /// The means of its square.
    #[serde(flatten)]
    pub means: ResidualMeans,
}

/// The precision of a computation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Precision {
    /// Single, by the fused kernels.
    #[default]
    Single,
    /// Double, by the reference.
    Double,
}

/// The means of the squared residual of the model in a checkpoint file, in any dimension.
///
/// # Errors
/// If a file cannot be read, the model is a vector score or cannot be evaluated, a mean is not finite, or there is
/// neither a target nor a box: in more than three dimensions.
pub fn residual_report(
    model: &Path,
    target: Option<&TargetSource>,
    protocol: &Protocol,
    precision: Precision,
) -> Result<ResidualReport, Error> {
    match precision {
        Precision::Single => report::<f32>(model, target, protocol),
        Precision::Double => report::<f64>(model, target, protocol),
    }
}

fn report<E: Element>(
    model: &Path,
    source: Option<&TargetSource>,
    protocol: &Protocol,
) -> Result<ResidualReport, Error> {
    let checkpoint = files::read_checkpoint::<E>(model)?;
    let Checkpoint { network, diffusion, standardisation } = &checkpoint;
    check_potential(model, network.head().output)?;
    let dim = network.head().dim;
    if source.is_none() && dim > MOST_MEAN_DIMENSIONS {
        let reason = format!(
            "is a model of points in {dim} dimensions, where a mean over a box says nothing; name a target"
        );
        return Err(Error::Content { path: model.to_owned(), reason });
    }
    let plain = source.map(|source| source.law(None)).transpose()?;
    let name = source.map(TargetSource::to_string).unwrap_or_default();
    let target = plain.as_ref().map(|law| (name.as_str(), law.truth.dim()));
    check_model(model, &checkpoint, target, protocol)?;
    let law = match (plain, standardisation) {
        (Some(law), Some(map)) => Some(law.standardised(map)?),
        (law, _) => law,
    };
    let target = law.as_ref().map(|law| law.truth.as_ref());
    let meter = ResidualMeter { network, sde: diffusion, target, protocol };
    let means = meter.residual_means()?;
    let found = [
        ("the mean of ε² over the box", means.mean_residual_sq),
        ("the mean of ε² along p_t", means.marginal_residual_sq),
    ];
    for (what, mean) in found {
        if let Some(value) = mean.filter(|mean| !mean.is_finite()) {
            return Err(Error::Mean { path: model.to_owned(), what, value });
        }
    }
    Ok(ResidualReport {
        model: model.display().to_string(),
        target: source.map(TargetSource::to_string),
        standardised: standardisation.is_some(),
        means,
    })
}

fn check_potential(path: &Path, output: Output) -> Result<(), Error> {
    if output == Output::Vector {
        let reason = "is a vector score, which has no potential, hence no residual ε".to_owned();
        return Err(Error::Content { path: path.to_owned(), reason });
    }
    Ok(())
}

/// Writes the potential, its derivatives and the residual of a model at given points to the CSV file `to`,
/// and gives the number of points.
///
/// The CSV file `at` has the columns `t` and `x`, `y` in two dimensions, or `x1` … `xd`; without a line of
/// names they come in this order. The result has the same and then `phi`, `phi_t`, `phi_x` and so on,
/// `laplacian` and `residual`, with 17 digits.
///
/// # Errors
/// If a file cannot be read, lacks a column or has others, or the result cannot be written.
pub fn residual_at(
    model: &Path,
    at: &Path,
    to: &Path,
    precision: Precision,
) -> Result<usize, Error> {
    match precision {
        Precision::Single => values::<f32>(model, at, to),
        Precision::Double => values::<f64>(model, at, to),
    }
}

fn values<E: Element>(model: &Path, at: &Path, to: &Path) -> Result<usize, Error> {
    let Checkpoint { network, diffusion, .. } = files::read_checkpoint::<E>(model)?;
    check_potential(model, network.head().output)?;
    let dim = network.head().dim;
    let points = read_points(at, dim, diffusion.horizon())?;
    files::check_writable(to)?;
    [model, at].into_iter().try_for_each(|input| refuse_same(input, to))?;
    let t: Array1<E> = points.column(0).mapv(E::of);
    let x: Array2<E> = points.slice_axis(Axis(1), (1..).into()).mapv(E::of);
    let mut jet = Jet::zeros(x.nrows(), dim);
    network.jet(t.view(), x.view(), &mut jet)?;
    let epsilon = residual_of_jet(&jet, &diffusion, t.view(), x.view());
    let rows: Vec<Vec<f64>> = (0..x.nrows())
        .map(|i| {
            let known = points.row(i).to_vec();
            let slopes = jet.gradient.row(i);
            let values = [jet.value[i], jet.time_derivative[i]];
            let last = [jet.laplacian[i], epsilon[i]];
            let found = values.iter().chain(slopes).chain(&last).map(|value| value.wide());
            known.into_iter().chain(found).collect()
        })
        .collect();
    let places = places(dim);
    let slopes = places.iter().map(|name| format!("phi_{name}"));
    let names = std::iter::once("t".to_owned())
        .chain(places.iter().cloned())
        .chain(["phi".to_owned(), "phi_t".to_owned()])
        .chain(slopes)
        .chain(["laplacian".to_owned(), "residual".to_owned()]);
    table::write_csv(to, &names.collect::<Vec<_>>(), &rows)?;
    Ok(rows.len())
}

/// The names of the components of a point.
fn places(dim: usize) -> Vec<String> {
    match dim {
        2 => vec!["x".to_owned(), "y".to_owned()],
        _ => (1..=dim).map(|k| format!("x{k}")).collect(),
    }
}

/// The columns `t` and the components of points, in this order.
fn read_points(path: &Path, dim: usize, horizon: f64) -> Result<Array2<f64>, Error> {
    let content = |reason: String| Error::Content { path: path.to_owned(), reason };
    let Table { names, values } = table::read_csv(path)?;
    let expected: Vec<String> = std::iter::once("t".to_owned()).chain(places(dim)).collect();
    let list = expected.join(",");
    if values.ncols() != expected.len() {
        return Err(content(format!("has {} columns, expected {list}", values.ncols())));
    }
    let columns: Vec<usize> = match names {
        None => (0..=dim).collect(),
        Some(names) => expected
            .iter()
            .map(|name| names.iter().position(|found| found == name))
            .collect::<Option<_>>()
            .ok_or_else(|| {
                content(format!("has the columns {}, expected {list}", names.join(",")))
            })?,
    };
    let points = values.select(Axis(1), &columns);
    match points.column(0).iter().position(|t| !(0.0..=horizon).contains(t)) {
        Some(row) => {
            let t = points[[row, 0]];
            Err(content(format!("point {row}: t = {t} is not between 0 and {horizon}")))
        }
        None => Ok(points),
    }
}
