use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

use crate::report::Failure;

/// Whether the user asked to stop. The first signal lets the work end in order, a second one ends the
/// process at once.
#[derive(Debug, Default)]
pub(crate) struct Interrupt {
    code: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Listens for SIGINT and SIGTERM from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let Self { code } = Self::default();
        let armed = Arc::new(AtomicBool::new(false));
        for (signal, exit) in [(SIGINT, 130), (SIGTERM, 143)] {
            // In this order: the shutdown looks at what the second registration sets.
            flag::register_conditional_shutdown(signal, exit, armed.clone())
                .and_then(|_| flag::register(signal, armed.clone()))
                .and_then(|_| flag::register_usize(signal, code.clone(), exit as usize))
                .map_err(Failure::Signals)?;
        }
        Ok(Self { code })
    }

    /// The exit code that a signal asks for, if one came.
    pub(crate) fn exit_code(&self) -> Option<u8> {
        match self.code.load(Ordering::Relaxed) {
            0 => None,
            code => u8::try_from(code).ok(),
        }
    }
}
