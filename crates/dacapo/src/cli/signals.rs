use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use dacapo_trainer::StopReason;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::CliError;

/// Notes Ctrl-C and SIGTERM, so that a run can end between two steps.
pub(crate) struct Signals(Arc<AtomicUsize>);

impl Signals {
    pub(crate) fn listen() -> Result<Self, CliError> {
        let seen = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_usize(signal, Arc::clone(&seen), signal as usize).map_err(
                |error| {
                    CliError::input(
                        format!("cannot listen to signal {signal}: {error}"),
                        "Run on a system that delivers signals to programs",
                    )
                },
            )?;
        }
        Ok(Self(seen))
    }

    pub(crate) fn stop(&self) -> Option<StopReason> {
        match self.0.load(Ordering::Relaxed) as i32 {
            SIGINT => Some(StopReason::Interrupt),
            SIGTERM => Some(StopReason::Terminate),
            _ => None,
        }
    }
}
