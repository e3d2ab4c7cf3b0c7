//! Checkpoints: what is written is read, and what is broken is named.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::HashMap;
use std::sync::Arc;

use fokker_score_net::{Activation, Architecture, Checkpoint, ScoreNetwork, Softplus};
use fokker_sde_core::{Diffusion, OrnsteinUhlenbeck, Standardisation, Streams};
use safetensors::tensor::{Dtype, TensorView};

fn shape() -> Architecture {
    let activation = Activation::Softplus(Softplus::new(20.0).unwrap());
    Architecture::potential(3, vec![4, 5], activation)
}

fn checkpoint() -> Checkpoint<f32> {
    Checkpoint {
        network: ScoreNetwork::new(&shape(), Arc::new(OrnsteinUhlenbeck::PAPER), Streams::new(1))
            .unwrap(),
        diffusion: Diffusion::OrnsteinUhlenbeck(OrnsteinUhlenbeck::new(7.5).unwrap()),
        standardisation: None,
    }
}

#[test]
fn a_file_alone_rebuilds_the_network() {
    let written = checkpoint();
    let bytes = written.to_bytes().unwrap();
    let read = Checkpoint::<f32>::from_bytes(&bytes).unwrap();
    assert_eq!(read.network.parameters(), written.network.parameters());
    assert_eq!(read.network.architecture(), written.network.architecture());
    assert_eq!(read.diffusion, written.diffusion);
    assert_eq!(read.to_bytes().unwrap(), bytes);
    // Single precision fits into double and comes back unchanged.
    let wide = Checkpoint::<f64>::from_bytes(&bytes).unwrap();
    let again = Checkpoint::<f32>::from_bytes(&wide.to_bytes().unwrap()).unwrap();
    assert_eq!(again.network.parameters(), written.network.parameters());
}

#[test]
fn the_units_of_the_user_are_kept() {
    let map = Standardisation::new(vec![1.0, 2.0, 0.1], vec![0.5, 1e3, 1e-7]).unwrap();
    let standardised = Checkpoint { standardisation: Some(map.clone()), ..checkpoint() };
    let bytes = standardised.to_bytes().unwrap();
    assert_eq!(Checkpoint::<f32>::from_bytes(&bytes).unwrap().standardisation, Some(map));
    // A file without one says nothing of it, as files did before there were any.
    let plain = checkpoint().to_bytes().unwrap();
    assert!(!String::from_utf8_lossy(&plain).contains("standardisation"));
    assert_eq!(Checkpoint::<f32>::from_bytes(&plain).unwrap().standardisation, None);
    let map = Standardisation::new(vec![0.0; 2], vec![1.0; 2]).unwrap();
    let misfit = Checkpoint { standardisation: Some(map), ..checkpoint() };
    let expected = "the network is of points in 3 dimensions, its standardisation in 2";
    assert_eq!(misfit.to_bytes().unwrap_err().to_string(), expected);
}

/// The tensors of the checkpoint, changed by `edit`, with its description.
fn edited(
    edit: impl FnOnce(&mut HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>, &mut String),
) -> String {
    let bytes = checkpoint().to_bytes().unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: HashMap<_, _> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| (name, (view.dtype(), view.shape().to_vec(), view.data().to_vec())))
        .collect();
    let (_, metadata) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let mut description = metadata.metadata().as_ref().unwrap()["fokker"].clone();
    edit(&mut tensors, &mut description);
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, TensorView::new(*dtype, shape.clone(), data).unwrap())
    });
    let metadata = HashMap::from([("fokker".to_owned(), description)]);
    let bytes = safetensors::serialize(views, Some(metadata)).unwrap();
    Checkpoint::<f32>::from_bytes(&bytes).unwrap_err().to_string()
}

#[test]
fn what_is_broken_is_named() {
    let message = edited(|tensors, _| {
        tensors.insert("layers.1.bias".into(), (Dtype::F32, vec![2], vec![0; 8]));
    });
    let expected = "tensor `layers.1.bias` has shape [2], but the network described needs [5]";
    assert_eq!(message, expected);
    let message = edited(|tensors, _| {
        tensors.remove("layers.0.weight");
    });
    assert!(message.contains("layers.0.weight"), "{message}");
    let message = edited(|tensors, _| {
        tensors.insert("extra".into(), (Dtype::F32, vec![1], vec![0; 4]));
    });
    assert_eq!(message, "tensor `extra` is not part of the network described");
    let message = edited(|tensors, _| {
        tensors.insert("layers.2.bias".into(), (Dtype::I32, vec![1], vec![0; 4]));
    });
    assert_eq!(message, "tensor `layers.2.bias` holds I32, expected F32 or F64");
    let message = edited(|tensors, _| {
        tensors.get_mut("layers.2.weight").unwrap().2[8..12]
            .copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert_eq!(message, "tensor `layers.2.weight` holds NaN at index 2");
    let message = edited(|_, description| *description = description.replace("7.5", "-1.0"));
    assert!(message.contains("horizon T of a diffusion must be between"), "{message}");
    let message = edited(|_, text| {
        *text = text.replacen('}', "},\"standardisation\":{\"mean\":[0.0],\"scale\":[-1.0]}", 1);
    });
    assert!(message.starts_with("metadata entry `fokker`: "), "{message}");
    let message = edited(|_, text| *text = text.replace("\"format\":1", "\"format\":9"));
    assert_eq!(message, "checkpoint format 9 is not known (this version knows format 1)");
    let message = edited(|_, description| *description = "{".into());
    assert!(message.starts_with("metadata entry `fokker`: "), "{message}");
}

#[test]
fn other_files_are_refused() {
    let message = |bytes: &[u8]| Checkpoint::<f32>::from_bytes(bytes).unwrap_err().to_string();
    assert!(message(b"not a checkpoint").starts_with("not a safetensors file"));
    assert!(message(b"").starts_with("not a safetensors file"));
    let data = [0_u8; 4];
    let view = TensorView::new(Dtype::F32, vec![1], &data).unwrap();
    let foreign = safetensors::serialize([("a", view)], None).unwrap();
    let expected = "no metadata entry `fokker`: the file was not written by fokker";
    assert_eq!(message(&foreign), expected);
    let whole = checkpoint().to_bytes().unwrap();
    assert!(message(&whole[..whole.len() - 1]).starts_with("not a safetensors file"));
}

#[test]
fn a_network_that_diverged_is_not_written() {
    let mut parameters = checkpoint().network.parameters();
    parameters[20] = f32::INFINITY;
    let broken = Checkpoint {
        network: ScoreNetwork::<f32>::from_parameters(
            &shape(),
            Arc::new(OrnsteinUhlenbeck::PAPER),
            &parameters,
        )
        .unwrap(),
        diffusion: Diffusion::default(),
        standardisation: None,
    };
    let message = broken.to_bytes().unwrap_err().to_string();
    assert_eq!(message, "tensor `layers.1.weight` holds inf at index 0");
}
