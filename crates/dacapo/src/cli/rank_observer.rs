use std::error::Error;

use dacapo_trainer::{Event, Observer, StopReason};

use super::signals::Signals;
use crate::CliError;

/// Watches a rank that writes nothing: all that it has to tell is that it is to stop.
pub(crate) struct RankObserver(Signals);

impl RankObserver {
    pub(crate) fn listen() -> Result<Self, CliError> {
        Ok(Self(Signals::listen()?))
    }
}

impl Observer for RankObserver {
    fn event(&mut self, _: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }

    fn stop(&mut self) -> Option<StopReason> {
        self.0.stop()
    }
}
