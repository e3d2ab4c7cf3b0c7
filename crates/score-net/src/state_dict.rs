use std::sync::Arc;

use fokker_sde_core::Diffusion;
use safetensors::tensor::{Dtype, SafeTensors};
use serde::{Deserialize, Deserializer, Serialize};

use crate::checkpoint::{check_names, read_tensor};
use crate::{Activation, Architecture, Checkpoint, CheckpointError, Element, ScoreNetwork};

/// What is to be known of a multilayer perceptron that was trained in PyTorch, beside its state dict in
/// a safetensors file, to make a [`Checkpoint`] of it.
///
/// The state dict has the tensors `NAME.weight` `[out, in]` and `NAME.bias` `[out]` of each layer
/// `y = W x + b`; a file keeps no order of them, hence the names here. The widths of the layers are
/// those of the tensors.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDict {
    /// What the network's inputs are, in the order of the columns of the first weight: `t` and
    /// `x1` … `xd`, each once.
    #[serde(deserialize_with = "inputs")]
    pub inputs: Vec<String>,
    /// The names of the layers, from the input to the output, which is the potential `φ`.
    pub layers: Vec<String>,
    /// The activation after every layer but the last.
    pub activation: Activation,
    /// The forward process that the network was trained for.
    pub diffusion: Diffusion,
}

fn inputs<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let inputs = Vec::<String>::deserialize(deserializer)?;
    columns(&inputs).map_err(serde::de::Error::custom)?;
    Ok(inputs)
}

/// The column of `t` and those of `x1` … `xd`.
fn columns(inputs: &[String]) -> Result<Vec<usize>, String> {
    let names = (0..inputs.len().max(2)).map(|i| match i {
        0 => "t".to_owned(),
        _ => format!("x{i}"),
    });
    let column = |name: String| match inputs.iter().position(|input| *input == name) {
        Some(column) => Ok(column),
        None => Err(format!("must hold `t` and `x1` to `xd`, each once; there is no `{name}`")),
    };
    names.map(column).collect()
}

impl StateDict {
    /// Whether a tensor of the file `bytes` is in double precision: whether `f64` is needed to hold it.
    ///
    /// # Errors
    /// If the bytes are not a safetensors file.
    pub fn is_double(bytes: &[u8]) -> Result<bool, CheckpointError> {
        let file = SafeTensors::deserialize(bytes)?;
        Ok(file.iter().any(|(_, tensor)| tensor.dtype() == Dtype::F64))
    }

    /// The network in the safetensors file `bytes`.
    ///
    /// # Errors
    /// If the bytes are not a safetensors file, or a tensor is missing, superfluous, misshapen, not finite
    /// or of a type other than `F32` and `F64`.
    pub fn read<E: Element>(&self, bytes: &[u8]) -> Result<Checkpoint<E>, CheckpointError> {
        let columns = columns(&self.inputs).map_err(CheckpointError::Inputs)?;
        let file = SafeTensors::deserialize(bytes)?;
        check_names(&file, |name| {
            let layer = name.strip_suffix(".weight").or_else(|| name.strip_suffix(".bias"));
            layer.is_some_and(|layer| self.layers.iter().any(|known| known == layer))
        })?;
        let (mut parameters, mut hidden) = (Vec::new(), Vec::new());
        let mut width = columns.len();
        for (index, layer) in self.layers.iter().enumerate() {
            let last = index + 1 == self.layers.len();
            let expected = |found: &[usize]| match found {
                &[outputs, _] if !last => vec![outputs, width],
                // What it might have been is not known where it is no matrix.
                _ if !last => vec![width, width],
                _ => vec![1, width],
            };
            let (shape, weight) = read_tensor::<E>(&file, &format!("{layer}.weight"), expected)?;
            if index == 0 {
                let rows = weight.chunks_exact(width);
                parameters.extend(rows.flat_map(|row| columns.iter().map(|&column| row[column])));
            } else {
                parameters.extend(weight);
            }
            width = shape[0];
            hidden.push(width);
            let bias = read_tensor::<E>(&file, &format!("{layer}.bias"), |_| vec![width])?.1;
            parameters.extend(bias);
        }
        hidden.pop();
        let architecture = Architecture::potential(columns.len() - 1, hidden, self.activation);
        let sde = Arc::new(self.diffusion.clone());
        let network = ScoreNetwork::from_parameters(&architecture, sde, &parameters)?;
        Ok(Checkpoint { network, diffusion: self.diffusion.clone(), standardisation: None })
    }
}
