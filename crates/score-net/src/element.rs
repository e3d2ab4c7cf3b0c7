use std::fmt::{Debug, Display};
use std::ops::DerefMut;

use dfdx::prelude::{Cpu, Device, Dtype, HasErr, Storage};
use fokker_sde_core::Real;

/// The number types of networks: `f32` for speed, `f64` as the reference.
pub trait Element: Real + Dtype {
    /// The dfdx device that holds tensors of this type.
    type Device: Device<Self>
        + Storage<Self, Vec: DerefMut<Target = Vec<Self>>>
        + HasErr<Err: Debug + Display>
        + Send
        + Sync;

    /// Where `e^{−u}` is taken to be 0: above it `e^{−u}` is far below the rounding of 1, and below
    /// it products of two such numbers with a small cotangent are still normal. Without this cut
    /// networks with a steep activation spend most of their time on subnormal numbers.
    const EXP_CUTOFF: Self;
}

impl Element for f32 {
    type Device = Cpu;

    const EXP_CUTOFF: Self = 28.0;
}

impl Element for f64 {
    type Device = Cpu;

    const EXP_CUTOFF: Self = 320.0;
}
