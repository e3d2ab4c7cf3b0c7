use std::fmt;
use std::str::FromStr;

use fearless_simd::{Fallback, Level};

use crate::NetworkError;

/// The vector instructions that the fused kernels use: all levels run the same generic source.
///
/// The best level of the machine is found at run time; the environment variable
/// [`InstructionSet::VARIABLE`] selects another one. Results agree between levels to rounding, and are
/// the same bits on the same level.
#[derive(Debug, Clone, Copy)]
pub struct InstructionSet(pub(super) Token);

/// What each level is called with: proof that the machine has it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Token {
    #[cfg(target_arch = "x86_64")]
    Avx512(fearless_simd::x86::Avx512),
    #[cfg(target_arch = "x86_64")]
    Avx2(fearless_simd::x86::Avx2),
    #[cfg(target_arch = "aarch64")]
    Neon(fearless_simd::aarch64::Neon),
    Plain(Fallback),
}

/// Calls a function with the token of an instruction set; the function is compiled once for each.
macro_rules! dispatch {
    ($set:expr, $simd:ident => $call:expr) => {
        match $set.0 {
            #[cfg(target_arch = "x86_64")]
            $crate::kernel::instruction_set::Token::Avx512($simd) => $call,
            #[cfg(target_arch = "x86_64")]
            $crate::kernel::instruction_set::Token::Avx2($simd) => $call,
            #[cfg(target_arch = "aarch64")]
            $crate::kernel::instruction_set::Token::Neon($simd) => $call,
            $crate::kernel::instruction_set::Token::Plain($simd) => $call,
        }
    };
}
pub(super) use dispatch;

impl InstructionSet {
    /// The environment variable that selects the level for networks made without one: `avx512`, `avx2`,
    /// `neon` or `plain`.
    pub const VARIABLE: &'static str = "FOKKER_INSTRUCTION_SET";

    /// The levels of this machine, the best first, `plain` last.
    pub fn available() -> Vec<Self> {
        let level = Level::new();
        let mut all = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            all.extend(level.as_avx512().map(|token| Self(Token::Avx512(token))));
            all.extend(level.as_avx2().map(|token| Self(Token::Avx2(token))));
        }
        #[cfg(target_arch = "aarch64")]
        all.extend(level.as_neon().map(|token| Self(Token::Neon(token))));
        let _ = level;
        all.push(Self(Token::Plain(Fallback::new())));
        all
    }

    /// The level that [`InstructionSet::VARIABLE`] names, or else the best of this machine.
    ///
    /// # Errors
    /// If the variable names no level of this machine.
    pub fn selected() -> Result<Self, NetworkError> {
        match std::env::var_os(Self::VARIABLE) {
            Some(name) => name.to_string_lossy().parse(),
            None => Ok(Self::available()[0]),
        }
    }

    /// The name: `avx512`, `avx2`, `neon` or `plain`.
    pub fn name(self) -> &'static str {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(_) => "avx512",
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(_) => "avx2",
            #[cfg(target_arch = "aarch64")]
            Token::Neon(_) => "neon",
            Token::Plain(_) => "plain",
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for InstructionSet {
    type Err = NetworkError;

    fn from_str(name: &str) -> Result<Self, NetworkError> {
        let available = Self::available();
        available.iter().find(|set| set.name() == name).copied().ok_or_else(|| {
            let available = available.iter().map(|set| set.name()).collect();
            NetworkError::InstructionSet { name: name.to_owned(), available }
        })
    }
}
