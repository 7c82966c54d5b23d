use std::error::Error;

use crate::{Event, Info, StopReason};

/// The outside world of a run: the clock, the terminal, signals. The library itself
/// touches none of them.
///
/// `()` watches nothing, and a closure is told of every event:
///
/// ```
/// # use dacapo_trainer::{Event, Observer};
/// let mut losses = Vec::new();
/// let mut observer = |event: &Event| {
///     if let Event::Step(report) = event {
///         losses.push(report.loss);
///     }
///     Ok(())
/// };
/// # fn assert_observer(_: &mut impl Observer) {}
/// # assert_observer(&mut observer);
/// # assert_observer(&mut ());
/// ```
pub trait Observer {
    /// Called after everything that happens.
    ///
    /// # Errors
    /// A failure to take note of it, such as a full disk; it ends the run, whose last
    /// checkpoint stays.
    fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>>;

    /// What the next record says about time and place; nothing, if this is not implemented.
    fn info(&mut self) -> Info {
        Info::default()
    }

    /// Asked once for every step, after it at the latest: should the run stop there? It goes on if this is
    /// not implemented.
    ///
    /// Within an epoch it is asked when the step is [queued](crate::run()), before its event. A wish that
    /// comes from an event so may stop the run one step later than that.
    fn stop(&mut self) -> Option<StopReason> {
        None
    }
}

impl Observer for () {
    fn event(&mut self, _: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

impl<F> Observer for F
where
    F: FnMut(&Event) -> Result<(), Box<dyn Error + Send + Sync>>,
{
    fn event(&mut self, event: &Event) -> Result<(), Box<dyn Error + Send + Sync>> {
        self(event)
    }
}
