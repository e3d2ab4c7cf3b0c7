use std::fmt::{Debug, Display};
use std::ops::DerefMut;
use std::sync::Arc;

use dfdx::prelude::{Cpu, Device, Dtype, HasErr, Storage};
use fokker_sde_core::Real;

use crate::Architecture;
use crate::kernel::{InstructionSet, Kernel, Kernels};
use crate::parameters::Matrix;

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

    /// `e^{−u}` and `1 − e^{−u}`, both to rounding, for `0 ≤ u ≤ EXP_CUTOFF`.
    fn decay(u: Self) -> (Self, Self);

    /// `log(1 + e)` to rounding for `0 ≤ e ≤ 1`.
    fn log_1p(e: Self) -> Self;

    /// The fused kernels for a network of this type, if there are any.
    #[doc(hidden)]
    fn kernels(
        architecture: &Architecture,
        parameters: &[Matrix<Self>],
        set: InstructionSet,
    ) -> Option<Arc<dyn Kernels<Self>>>;
}

impl Element for f64 {
    type Device = Cpu;

    const EXP_CUTOFF: Self = 320.0;

    #[inline]
    fn decay(u: Self) -> (Self, Self) {
        ((-u).exp(), -(-u).exp_m1())
    }

    #[inline]
    fn log_1p(e: Self) -> Self {
        e.ln_1p()
    }

    fn kernels(
        _: &Architecture,
        _: &[Matrix<Self>],
        _: InstructionSet,
    ) -> Option<Arc<dyn Kernels<Self>>> {
        None
    }
}

/// In single precision these are polynomials without branches, which the compiler turns into vector
/// code; the tests of the activations hold them to double precision.
impl Element for f32 {
    type Device = Cpu;

    const EXP_CUTOFF: Self = 28.0;

    /// With `u = k log 2 − r`, `|r| ≤ ½ log 2`, and `e^r = 1 + q`: `e^{−u} = 2^{−k} + 2^{−k} q` and
    /// `1 − e^{−u} = (1 − 2^{−k}) − 2^{−k} q`, where nothing cancels: for `k = 0` the bracket is 0. `q`
    /// is the Taylor polynomial of degree 7, whose error is below 2e-8 of `q`.
    #[inline]
    fn decay(u: Self) -> (Self, Self) {
        // Adding 1.5·2²³ rounds to an integer, which then stands in the low bits.
        const ROUND: f32 = 12_582_912.0;
        // log 2 in two parts, the first with so few digits that k times it is exact.
        const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
        let shifted = u * std::f32::consts::LOG2_E + ROUND;
        let k = shifted - ROUND;
        let r = (k * LN_2[0] - u) + k * LN_2[1];
        let taylor = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5];
        let q = r + r * r * taylor.iter().fold(0.0, |sum, c| sum * r + c);
        let exponent = 127_u32.wrapping_sub(shifted.to_bits() & 0xff);
        let scale = f32::from_bits(exponent << 23);
        (scale + scale * q, (1.0 - scale) - scale * q)
    }

    /// `log(1 + e) = 2 artanh s = 2 (s + s³/3 + s⁵/5 + …)` with `s = e/(2 + e) ≤ 1/3`; after the term
    /// in `s¹⁵` the error is below 2e-9 of the sum.
    #[inline]
    fn log_1p(e: Self) -> Self {
        let s = e / (2.0 + e);
        let square = s * s;
        let odd = [1.0 / 15.0, 1.0 / 13.0, 1.0 / 11.0, 1.0 / 9.0, 1.0 / 7.0, 0.2, 1.0 / 3.0];
        2.0 * (s + s * square * odd.iter().fold(0.0, |sum, c| sum * square + c))
    }

    fn kernels(
        architecture: &Architecture,
        parameters: &[Matrix<Self>],
        set: InstructionSet,
    ) -> Option<Arc<dyn Kernels<Self>>> {
        Some(Arc::new(Kernel::new(architecture, parameters, set)?))
    }
}
