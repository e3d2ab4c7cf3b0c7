//! An activation of one's own, trained with the residual and kept in a checkpoint.
//!
//!     cargo run --release -p fokker-fp-residual --example own_activation

use std::error::Error;
use std::sync::Arc;

use fokker_fp_residual::{Conditions, Denoising, Objective, Residual};
use fokker_score_net::{
    Activation, ActivationFunction, Adam, Architecture, Checkpoint, CustomActivation, ScoreNetwork,
};
use fokker_sde_core::{Diffusion, GaussianMixture, Streams};

/// `f(z) = z/√(1 + z²)`.
#[derive(Debug)]
struct Algebraic;

impl ActivationFunction for Algebraic {
    fn name(&self) -> &str {
        "algebraic"
    }

    fn derivatives(&self, z: f64) -> [f64; 4] {
        let r = 1.0 / (1.0 + z * z).sqrt();
        [z * r, r.powi(3), -3.0 * z * r.powi(5), (12.0 * z * z - 3.0) * r.powi(7)]
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let (diffusion, streams) = (Diffusion::default(), Streams::new(0));
    let activation = Activation::Custom(CustomActivation::register(&Algebraic)?);
    let architecture = Architecture::potential(2, vec![48, 48], activation);
    let mut network =
        ScoreNetwork::<f32>::new(&architecture, Arc::new(diffusion.clone()), streams)?;
    let target = GaussianMixture::nine_components();
    let objective = Objective {
        target: &target,
        sde: &diffusion,
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
    // Whoever reads the checkpoint registers the activation first.
    let bytes = Checkpoint { network, diffusion, standardisation: None }.to_bytes()?;
    assert_eq!(Checkpoint::<f32>::from_bytes(&bytes)?.network.architecture(), Some(&architecture));
    Ok(())
}
