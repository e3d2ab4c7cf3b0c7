use std::path::Path;

use fokker_score_net::{Checkpoint, Element, StateDict};

use crate::files::{self, refuse_same};
use crate::{Error, ron_file};

/// What [`import`] found in a state dict.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Imported {
    /// The dimension of the points.
    pub dim: usize,
    /// The widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// The number of parameters.
    pub parameters: usize,
    /// Whether the parameters are in double precision.
    pub double: bool,
}

/// Makes a checkpoint, written to `to`, of the PyTorch state dict in the safetensors file `from`, as the
/// RON file `network` describes it (see [`StateDict`]). Parameters keep their precision.
///
/// # Errors
/// If a file cannot be read, the description is not one, or the state dict does not fit it; or if `to`
/// cannot be written. It is then left as it was.
pub fn import(from: &Path, network: &Path, to: &Path) -> Result<Imported, Error> {
    let text = ron_file::load(network)?;
    let description: StateDict = ron_file::parse(network, &text)?;
    let bytes = files::read(from)?;
    files::check_writable(to)?;
    for input in [from, network] {
        refuse_same(input, to)?;
    }
    let bad = |source| Error::Checkpoint { path: from.to_owned(), source };
    let double = StateDict::is_double(&bytes).map_err(bad)?;
    if double {
        convert(&description.read::<f64>(&bytes).map_err(bad)?, double, to)
    } else {
        convert(&description.read::<f32>(&bytes).map_err(bad)?, double, to)
    }
}

fn convert<E: Element>(
    checkpoint: &Checkpoint<E>,
    double: bool,
    to: &Path,
) -> Result<Imported, Error> {
    files::write_checkpoint(to, checkpoint)?;
    let network = &checkpoint.network;
    let hidden = network.architecture().map(|architecture| architecture.hidden.clone());
    Ok(Imported {
        dim: network.head().dim,
        hidden: hidden.unwrap_or_default(),
        parameters: network.parameter_count(),
        double,
    })
}
