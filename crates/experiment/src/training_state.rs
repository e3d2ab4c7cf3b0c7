use std::path::Path;

use fokker_score_net::{Adam, ScoreNetwork};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::Error;

/// Where the training of a cell goes on: everything that the steps to come depend on.
///
/// The file is in safetensors format, with the `F32` tensors `parameters`, `first_moment` and
/// `second_moment` and the metadata entry `fokker_training`, a JSON array of the steps and seconds done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrainingState {
    /// Steps done, of all stages.
    pub(crate) step: usize,
    /// Seconds of training so far.
    pub(crate) seconds: f64,
    parameters: Vec<f32>,
    /// Adam's; empty at the start.
    moments: [Vec<f32>; 2],
}

const METADATA_KEY: &str = "fokker_training";
const NAMES: [&str; 3] = ["parameters", "first_moment", "second_moment"];

impl TrainingState {
    pub(crate) fn new(
        step: usize,
        seconds: f64,
        network: &ScoreNetwork<f32>,
        adam: &Adam<f32>,
    ) -> Self {
        Self { step, seconds, parameters: network.parameters(), moments: adam.moments().clone() }
    }

    /// Puts the parameters into the network, and returns Adam after so many steps of the stage.
    pub(crate) fn restore(
        self,
        network: &mut ScoreNetwork<f32>,
        steps_of_stage: usize,
    ) -> Result<Adam<f32>, Error> {
        network.set_parameters(&self.parameters)?;
        match u32::try_from(steps_of_stage) {
            Ok(0) => Ok(Adam::default()),
            Ok(steps) => Ok(Adam::resume(steps, self.moments)),
            Err(error) => Err(Error::Internal(error.to_string())),
        }
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let [first, second] = &self.moments;
        let bytes = [&self.parameters, first, second]
            .map(|values| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>());
        let internal = |error: String| Error::Internal(error);
        let views = NAMES.iter().zip(&bytes).map(|(name, bytes)| {
            TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).map(|view| (*name, view))
        });
        let views = views.collect::<Result<Vec<_>, _>>().map_err(|e| internal(e.to_string()))?;
        let done = serde_json::to_string(&(self.step, self.seconds));
        let done = done.map_err(|error| internal(error.to_string()))?;
        let metadata = [(METADATA_KEY.to_owned(), done)].into();
        safetensors::serialize(views, Some(metadata)).map_err(|error| internal(error.to_string()))
    }

    pub(crate) fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let content = |reason: String| Error::Content { path: path.to_owned(), reason };
        let broken = |error: safetensors::SafeTensorError| content(error.to_string());
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
        let done = metadata.metadata().as_ref().and_then(|entries| entries.get(METADATA_KEY));
        let done = done.ok_or_else(|| content(format!("no metadata entry `{METADATA_KEY}`")))?;
        let (step, seconds) =
            serde_json::from_str(done).map_err(|error| content(error.to_string()))?;
        let file = SafeTensors::deserialize(bytes).map_err(broken)?;
        let tensor = |name: &str| {
            let tensor = file.tensor(name).map_err(broken)?;
            if tensor.dtype() != Dtype::F32 {
                return Err(content(format!("tensor `{name}` holds {:?}", tensor.dtype())));
            }
            let (words, _) = tensor.data().as_chunks::<4>();
            Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect::<Vec<f32>>())
        };
        let [parameters, first, second] = NAMES;
        let moments = [tensor(first)?, tensor(second)?];
        Ok(Self { step, seconds, parameters: tensor(parameters)?, moments })
    }
}
