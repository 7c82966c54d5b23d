use std::error::Error;

use crate::{Event, Info, StopReason};

/// The outside world of a run: the clock, the terminal, signals. The library itself
/// touches none of them.
pub trait Observer {
    /// Called after everything that happens.
    ///
    /// # Errors
    /// A failure to take note of it, such as a full disk; it ends the run, whose last
    /// checkpoint stays.
    fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// What the next record says about time and place.
    fn info(&mut self) -> Info;

    /// Asked after every step: should the run stop here?
    fn stop(&mut self) -> Option<StopReason>;
}
