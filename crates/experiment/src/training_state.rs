use std::collections::BTreeMap;
use std::path::Path;

use fokker_fp_residual::TimeImportance;
use fokker_score_net::{Optimizer, ScoreNetwork, WeightAverage};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::train::Learner;
use crate::{Error, Training};

/// Where the training of a cell goes on: everything that the steps to come depend on.
///
/// The file is in safetensors format, with the `F32` tensors `parameters` and those of the optimizer, see
/// [`Optimizer::arrays`], where they are kept also `average` and, in `F64`, `time_moments`, and the metadata entry
/// `fokker_training`, a JSON array of the steps and seconds done.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TrainingState {
    /// Steps done, of all stages.
    pub(crate) step: usize,
    /// Seconds of training so far.
    pub(crate) seconds: f64,
    parameters: Vec<f32>,
    /// The arrays of the optimizer by their names.
    optimizer: BTreeMap<String, Vec<f32>>,
    /// The moving average of the parameters.
    average: Option<Vec<f32>>,
    /// How large the denoising loss is at which times.
    time_moments: Option<Vec<f64>>,
}

const METADATA_KEY: &str = "fokker_training";
const PARAMETERS: &str = "parameters";
const AVERAGE: &str = "average";
const TIME_MOMENTS: &str = "time_moments";

impl TrainingState {
    pub(crate) fn new(
        step: usize,
        seconds: f64,
        network: &ScoreNetwork<f32>,
        learner: &Learner,
    ) -> Self {
        let time_moments = learner.importance.as_ref();
        let optimizer = learner.optimizer.arrays().into_iter();
        Self {
            step,
            seconds,
            parameters: network.parameters(),
            optimizer: optimizer.map(|(name, array)| (name.to_owned(), array.to_vec())).collect(),
            average: learner.average.as_ref().map(|average| average.values().to_vec()),
            time_moments: time_moments.map(|importance| importance.moments().to_vec()),
        }
    }

    /// Puts the parameters into the network, and returns what else training keeps.
    pub(crate) fn restore(
        mut self,
        training: &Training,
        network: &mut ScoreNetwork<f32>,
    ) -> Result<Learner, Error> {
        network.set_parameters(&self.parameters)?;
        let steps = u32::try_from(training.steps_into_stage(self.step))
            .map_err(|error| Error::Internal(error.to_string()))?;
        let optimizer =
            Optimizer::resume(training.optimizer, steps, |name| self.optimizer.remove(name));
        let average = training.average.map(|decay| {
            WeightAverage::resume(decay, self.step as u64, self.average.unwrap_or_default())
        });
        let importance = training.importance.then(|| {
            let known = self.time_moments.and_then(TimeImportance::from_moments);
            known.unwrap_or_default()
        });
        Ok(Learner { optimizer, average, importance })
    }

    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let internal = |error: String| Error::Internal(error);
        let narrow = |values: &Vec<f32>| -> Vec<u8> {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        let wide = |values: &Vec<f64>| -> Vec<u8> {
            values.iter().flat_map(|value| value.to_le_bytes()).collect()
        };
        let optimizer = self.optimizer.iter().map(|(name, values)| (name.as_str(), values));
        let mut tensors: Vec<(&str, Dtype, Vec<u8>)> =
            std::iter::once((PARAMETERS, &self.parameters))
                .chain(optimizer)
                .map(|(name, values)| (name, Dtype::F32, narrow(values)))
                .collect();
        tensors.extend(self.average.iter().map(|values| (AVERAGE, Dtype::F32, narrow(values))));
        let moments = self.time_moments.iter();
        tensors.extend(moments.map(|values| (TIME_MOMENTS, Dtype::F64, wide(values))));
        let views = tensors.iter().map(|(name, dtype, bytes)| {
            let width = if *dtype == Dtype::F32 { 4 } else { 8 };
            TensorView::new(*dtype, vec![bytes.len() / width], bytes).map(|view| (*name, view))
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
        let data = |name: &str, dtype: Dtype| -> Result<&[u8], Error> {
            let tensor = file.tensor(name).map_err(broken)?;
            if tensor.dtype() != dtype {
                return Err(content(format!("tensor `{name}` holds {:?}", tensor.dtype())));
            }
            Ok(tensor.data())
        };
        let narrow = |name: &str| -> Result<Vec<f32>, Error> {
            let (words, _) = data(name, Dtype::F32)?.as_chunks::<4>();
            Ok(words.iter().map(|&word| f32::from_le_bytes(word)).collect())
        };
        let held = |name: &str| file.names().contains(&name);
        let average = held(AVERAGE).then(|| narrow(AVERAGE)).transpose()?;
        let time_moments = match held(TIME_MOMENTS) {
            true => {
                let (words, _) = data(TIME_MOMENTS, Dtype::F64)?.as_chunks::<8>();
                Some(words.iter().map(|&word| f64::from_le_bytes(word)).collect())
            }
            false => None,
        };
        let others = [PARAMETERS, AVERAGE, TIME_MOMENTS];
        let optimizer = file.names().into_iter().filter(|name| !others.contains(name));
        let optimizer = optimizer
            .map(|name| Ok((name.to_owned(), narrow(name)?)))
            .collect::<Result<_, Error>>()?;
        let parameters = narrow(PARAMETERS)?;
        Ok(Self { step, seconds, parameters, optimizer, average, time_moments })
    }
}
