use std::path::Path;

use fokker_metrics::{Grid, Histogram, LARGEST_GRID, squared_w2};
use ndarray::{ArrayD, Ix2};
use serde::Serialize;

use crate::{Error, files};

/// What two files were compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Input {
    /// Histograms `[n, n]`, or the same flattened.
    Histograms,
    /// Points `[m, 2]`, counted at the nearest node.
    Points,
}

/// The exact distance between what two files hold.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distance {
    /// The squared Wasserstein-2 distance.
    pub w2sq: f64,
    /// The Wasserstein-2 distance.
    pub w2: f64,
    /// Half the side `L` of the box.
    pub extent: f64,
    /// Nodes in each direction.
    pub nodes: usize,
    /// What the files hold.
    pub input: Input,
    /// The mass of each histogram, or the number of points inside the box, before both are normalised
    /// to 1.
    pub mass: [f64; 2],
    /// The number of points outside the box, which the distance does not see.
    pub outside: [u64; 2],
}

/// The exact `W2` between two `.npy` files.
///
/// Two histograms `[n, n]`, rows along `y` and columns along `x`, are taken over the nodes
/// `linspace(−extent, extent, n)` in both directions; so is a flat array of `n²` entries. Two sets of
/// points `[m, 2]`, `m ≠ 2`, are counted on `nodes × nodes` such nodes first, and points outside the
/// box are dropped and reported. Both sides are normalised to mass 1.
///
/// # Errors
/// If a file cannot be read, has another shape, or holds a number that it should not; or if the
/// histograms differ in size.
pub fn distance(a: &Path, b: &Path, extent: f64, nodes: usize) -> Result<Distance, Error> {
    let arrays = [(a, read(a)?), (b, read(b)?)];
    let input = arrays[0].1.input;
    if arrays[1].1.input != input {
        let reason = "one file holds a histogram, the other points".to_owned();
        return Err(Error::Content { path: b.to_owned(), reason });
    }
    let mut histograms = Vec::with_capacity(2);
    for (path, Data { array, .. }) in arrays {
        let content = |reason: String| Error::Content { path: path.to_owned(), reason };
        let nodes = if input == Input::Histograms { array.nrows() } else { nodes };
        if nodes > LARGEST_GRID.isqrt() {
            let most = LARGEST_GRID.isqrt();
            let reason = format!("has {nodes} nodes a side, at most {most} are possible");
            return Err(content(reason));
        }
        let grid = Grid::square(nodes, extent).map_err(|error| content(error.to_string()))?;
        let histogram = match input {
            Input::Histograms => Histogram::from_mass(grid, array),
            Input::Points => Histogram::from_points(grid, array.view()),
        };
        histograms.push(histogram.map_err(|error| content(error.to_string()))?);
    }
    let grids = [histograms[0].grid(), histograms[1].grid()];
    if grids[0] != grids[1] {
        let [n, m] = grids.map(|grid| grid.shape()[0]);
        let reason = format!("a histogram of {m} × {m} nodes, but {} has {n} × {n}", a.display());
        return Err(Error::Content { path: b.to_owned(), reason });
    }
    let found = squared_w2(&histograms[0], &histograms[1])?.distance;
    Ok(Distance {
        w2sq: found.value,
        w2: found.root(),
        extent,
        nodes: grids[0].shape()[0],
        input,
        mass: [histograms[0].total(), histograms[1].total()],
        outside: [histograms[0].outside(), histograms[1].outside()],
    })
}

struct Data {
    input: Input,
    array: ndarray::Array2<f64>,
}

fn read(path: &Path) -> Result<Data, Error> {
    let array = files::read_npy(path)?;
    let shape = array.shape().to_vec();
    let wrong = || {
        let reason =
            format!("has shape {shape:?}, expected a histogram [n, n] (or [n²]) or points [m, 2]");
        Error::Content { path: path.to_owned(), reason }
    };
    let (input, rows, columns) = match shape[..] {
        [n, m] if n == m => (Input::Histograms, n, n),
        [m, 2] => (Input::Points, m, 2),
        [length] if length.isqrt().pow(2) == length => {
            (Input::Histograms, length.isqrt(), length.isqrt())
        }
        _ => return Err(wrong()),
    };
    let standard: Vec<f64> = array.iter().copied().collect();
    let array = ArrayD::from_shape_vec(vec![rows, columns], standard)
        .and_then(|array| array.into_dimensionality::<Ix2>())
        .map_err(|_| wrong())?;
    Ok(Data { input, array })
}
