//! A layer of one's own, and a network of such layers, trained with the residual.
//!
//!     cargo run --release -p fokker-fp-residual --example own_network

use std::error::Error;
use std::sync::Arc;

use fokker_fp_residual::{Conditions, Denoising, Objective, Residual};
use fokker_score_net::{
    Activation, Adam, Element, Head, Layer, LayerJet, Matrix, NetworkError, Parameter,
    ScoreNetwork, Stack,
};
use fokker_sde_core::{GaussianMixture, OrnsteinUhlenbeck, Streams};

/// `h ↦ tanh(W h + b) ∘ (V h + c)`, as wide as it is told.
#[derive(Debug)]
struct Gated(usize);

impl<E: Element> Layer<E> for Gated {
    fn parameters(&self, inputs: usize) -> Vec<Parameter> {
        ["gate", "value"].iter().flat_map(|name| Parameter::affine(name, inputs, self.0)).collect()
    }

    fn outputs(&self, _: usize) -> usize {
        self.0
    }

    fn apply(&self, p: &[Matrix<E>], input: LayerJet<E>) -> Result<LayerJet<E>, NetworkError> {
        let (gate, value) = input.twice();
        let gate = gate.dense(&p[0], Some(&p[1]), Some(Activation::Tanh))?;
        gate.times(value.dense(&p[2], Some(&p[3]), None)?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (sde, streams) = (OrnsteinUhlenbeck::PAPER, Streams::new(0));
    let layers = [32, 32, 1].map(|width| Arc::new(Gated(width)) as Arc<dyn Layer<f32>>);
    let (layers, head) = (Arc::new(Stack(layers.to_vec())), Head::potential(2));
    let mut network = ScoreNetwork::of_layers(layers, head, Arc::new(sde), streams)?;
    let target = GaussianMixture::nine_components();
    let objective = Objective {
        target: &target,
        sde: &sde,
        denoising: Denoising { points: 512, ..Denoising::default() },
        residual: Residual { points: 128, ..Residual::default() },
        residual_weight: 0.1,
        conditions: Conditions::default(),
        importance: None,
    };
    let mut adam = Adam::default();
    for step in 0..300 {
        let (losses, gradient) = objective.gradient(&network, streams, step)?;
        adam.update(&mut network, &gradient, 3e-3)?;
        if step % 50 == 0 {
            println!("step {step}: {losses:?}");
        }
    }
    Ok(())
}
