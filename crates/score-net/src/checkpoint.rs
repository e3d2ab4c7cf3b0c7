use std::sync::Arc;

use fokker_sde_core::{Diffusion, Standardisation};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::{Architecture, Element, Layer, NetworkError, ScoreNetwork};

/// A trained network with the diffusion whose score it learned.
///
/// The file format is safetensors with the tensors `layers.K.weight` `[out, in]` and
/// `layers.K.bias` `[out]`, K from 0, little-endian `F32` or `F64`, and one metadata entry `fokker`: a
/// JSON object with the fields `format` (1), `network` and `diffusion`, and where there is one
/// `standardisation`. A file alone is enough to rebuild the network, and equal networks give equal bytes.
#[derive(Debug, Clone)]
pub struct Checkpoint<E: Element> {
    /// The network.
    pub network: ScoreNetwork<E>,
    /// The forward process that it was trained for.
    pub diffusion: Diffusion,
    /// The map from the user's units to those of the network's points, where the two differ.
    pub standardisation: Option<Standardisation>,
}

/// Why bytes are not a checkpoint.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The bytes are not a safetensors file.
    #[error("not a safetensors file: {0}")]
    Safetensors(#[from] safetensors::SafeTensorError),
    /// The metadata has no entry `fokker`.
    #[error("no metadata entry `fokker`: the file was not written by fokker")]
    NoDescription,
    /// The description is not JSON of the expected form.
    #[error("metadata entry `fokker`: {0}")]
    Description(#[from] serde_json::Error),
    /// The format is of a version that this build does not know.
    #[error("checkpoint format {0} is not known (this version knows format {FORMAT})")]
    Format(u32),
    /// The file lacks a tensor.
    #[error("no tensor `{name}`; the file holds {}", .found.join(", "))]
    Missing {
        /// The tensor's name.
        name: String,
        /// The tensors that are there, sorted.
        found: Vec<String>,
    },
    /// A tensor has the wrong shape.
    #[error("tensor `{name}` has shape {found:?}, but the network described needs {expected:?}")]
    Shape {
        /// The tensor's name.
        name: String,
        /// The shape that the description needs.
        expected: Vec<usize>,
        /// The shape in the file.
        found: Vec<usize>,
    },
    /// A tensor has a type other than `F32` and `F64`.
    #[error("tensor `{name}` holds {found:?}, expected F32 or F64")]
    Dtype {
        /// The tensor's name.
        name: String,
        /// The type in the file.
        found: Dtype,
    },
    /// A parameter is NaN or infinite.
    #[error("tensor `{name}` holds {value} at index {index}")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// The index of the entry, row by row.
        index: usize,
        /// The value.
        value: f64,
    },
    /// The file holds a tensor that the described network does not have.
    #[error("tensor `{0}` is not part of the network described")]
    Unexpected(String),
    /// A description of a state dict names other inputs than `t` and `x1` … `xd`.
    #[error("the inputs {0}")]
    Inputs(String),
    /// The network is of the caller's own layers.
    #[error("a network of your own layers has no description that a file could hold")]
    OwnLayers,
    /// The standardisation is of points of another dimension.
    #[error(
        "the network is of points in {network} dimensions, its standardisation in {standardisation}"
    )]
    Standardisation {
        /// The dimension of the network's points.
        network: usize,
        /// That of the standardisation.
        standardisation: usize,
    },
    /// The description is of no possible network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

const FORMAT: u32 = 1;
const METADATA_KEY: &str = "fokker";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    format: u32,
    network: Architecture,
    diffusion: Diffusion,
    /// Left out where there is none, as in all files of versions that knew of none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    standardisation: Option<Standardisation>,
}

impl Description {
    /// Refuses a standardisation of points of another dimension.
    fn check(&self) -> Result<(), CheckpointError> {
        match self.standardisation.as_ref().map(Standardisation::dim) {
            Some(standardisation) if standardisation != self.network.dim => {
                Err(CheckpointError::Standardisation { network: self.network.dim, standardisation })
            }
            _ => Ok(()),
        }
    }
}

/// Name and shape of every tensor, in the order of [`ScoreNetwork::parameters`].
fn tensors(network: &Architecture) -> Result<Vec<(String, Vec<usize>)>, NetworkError> {
    network.layers()?;
    let parameters = Layer::<f64>::parameters(network, network.head().inputs());
    Ok(parameters.into_iter().map(|parameter| (parameter.name, parameter.shape)).collect())
}

impl<E: Element> Checkpoint<E> {
    /// The checkpoint as the bytes of a safetensors file, parameters as `F32` or `F64` as `E` is.
    ///
    /// # Errors
    /// If a parameter is not finite, or the library refuses.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        let architecture = self.network.architecture().ok_or(CheckpointError::OwnLayers)?;
        let names = tensors(architecture)?;
        let parameters = self.network.parameters();
        let (dtype, width) = match size_of::<E>() {
            4 => (Dtype::F32, 4),
            _ => (Dtype::F64, 8),
        };
        let mut bytes = Vec::with_capacity(parameters.len() * width);
        let mut rest = parameters.as_slice();
        for (name, shape) in &names {
            let (values, tail) = rest.split_at(shape.iter().product());
            rest = tail;
            check_finite(name, values)?;
            for value in values {
                match dtype {
                    Dtype::F32 => bytes.extend((value.wide() as f32).to_le_bytes()),
                    _ => bytes.extend(value.wide().to_le_bytes()),
                }
            }
        }
        let mut views = Vec::with_capacity(names.len());
        let mut rest = bytes.as_slice();
        for (name, shape) in names {
            let (data, tail) = rest.split_at(shape.iter().product::<usize>() * width);
            rest = tail;
            views.push((name, TensorView::new(dtype, shape, data)?));
        }
        let description = Description {
            format: FORMAT,
            network: architecture.clone(),
            diffusion: self.diffusion.clone(),
            standardisation: self.standardisation.clone(),
        };
        description.check()?;
        // One entry, because the order of several would differ from run to run.
        let metadata = [(METADATA_KEY.to_owned(), serde_json::to_string(&description)?)].into();
        Ok(safetensors::serialize(views, Some(metadata))?)
    }

    /// Reads what [`Checkpoint::to_bytes`] wrote, rounding or widening to `E`.
    ///
    /// # Errors
    /// If the bytes are not a checkpoint, or a tensor is missing, superfluous, misshapen or not
    /// finite.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let entries = metadata.metadata().as_ref();
        let description = entries
            .and_then(|entries| entries.get(METADATA_KEY))
            .ok_or(CheckpointError::NoDescription)?;
        let description: Description = serde_json::from_str(description)?;
        if description.format != FORMAT {
            return Err(CheckpointError::Format(description.format));
        }
        description.check()?;
        let file = SafeTensors::deserialize(bytes)?;
        let expected = tensors(&description.network)?;
        check_names(&file, |name| expected.iter().any(|(known, _)| known == name))?;
        let mut parameters = Vec::new();
        for (name, shape) in expected {
            parameters.extend(read_tensor::<E>(&file, &name, |_| shape)?.1);
        }
        let sde = Arc::new(description.diffusion.clone());
        let network = ScoreNetwork::from_parameters(&description.network, sde, &parameters)?;
        let Description { diffusion, standardisation, .. } = description;
        Ok(Self { network, diffusion, standardisation })
    }
}

/// Refuses a file with a tensor that is not known.
pub(crate) fn check_names(
    file: &SafeTensors<'_>,
    known: impl Fn(&str) -> bool,
) -> Result<(), CheckpointError> {
    match sorted_names(file).into_iter().find(|name| !known(name)) {
        Some(name) => Err(CheckpointError::Unexpected(name)),
        None => Ok(()),
    }
}

fn sorted_names(file: &SafeTensors<'_>) -> Vec<String> {
    let mut names: Vec<String> = file.names().into_iter().map(str::to_owned).collect();
    names.sort_unstable();
    names
}

/// The shape and the entries of a tensor, finite, rounded or widened to `E`; `expected` says for the
/// shape found which one it must be.
pub(crate) fn read_tensor<E: Element>(
    file: &SafeTensors<'_>,
    name: &str,
    expected: impl FnOnce(&[usize]) -> Vec<usize>,
) -> Result<(Vec<usize>, Vec<E>), CheckpointError> {
    let Ok(tensor) = file.tensor(name) else {
        return Err(CheckpointError::Missing { name: name.to_owned(), found: sorted_names(file) });
    };
    let (name, found) = (name.to_owned(), tensor.shape().to_vec());
    let expected = expected(&found);
    if found != expected {
        return Err(CheckpointError::Shape { name, expected, found });
    }
    let values: Vec<E> = match tensor.dtype() {
        Dtype::F32 => {
            words::<4>(tensor.data()).map(|word| E::of(f32::from_le_bytes(word).into())).collect()
        }
        Dtype::F64 => {
            words::<8>(tensor.data()).map(|word| E::of(f64::from_le_bytes(word))).collect()
        }
        found => return Err(CheckpointError::Dtype { name, found }),
    };
    check_finite(&name, &values)?;
    Ok((found, values))
}

fn check_finite<E: Element>(name: &str, values: &[E]) -> Result<(), CheckpointError> {
    match values.iter().enumerate().find(|(_, value)| !value.is_finite()) {
        None => Ok(()),
        Some((index, value)) => {
            Err(CheckpointError::NotFinite { name: name.to_owned(), index, value: value.wide() })
        }
    }
}

fn words<const N: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; N]> {
    bytes.chunks_exact(N).map(|chunk| {
        let mut word = [0; N];
        word.copy_from_slice(chunk);
        word
    })
}
