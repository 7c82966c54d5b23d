//! A schedule with a position.

use crate::{OptimError, Schedule, SchedulerRecord};

/// Where a run is in its learning-rate schedule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scheduler {
    config: Schedule,
    position: u64,
}

impl Scheduler {
    /// A scheduler at position 0.
    ///
    /// # Errors
    /// Those of [`Schedule::validate`].
    pub fn new(config: Schedule) -> Result<Self, OptimError> {
        config.validate()?;
        Ok(Self {
            config,
            position: 0,
        })
    }

    /// The schedule.
    pub fn config(&self) -> &Schedule {
        &self.config
    }

    /// Ticks so far.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The factor on the base learning rate now.
    pub fn factor(&self) -> f64 {
        self.config.factor(self.position)
    }

    /// Goes on by one tick.
    pub fn tick(&mut self) {
        self.position += 1;
    }

    /// Schedule and position as data.
    pub fn to_record(&self) -> SchedulerRecord {
        SchedulerRecord {
            config: self.config,
            position: self.position,
        }
    }

    /// The scheduler a record holds, for a run with the schedule `expected`.
    ///
    /// # Errors
    /// [`OptimError::ConfigMismatch`] names the first key that differs; those of
    /// [`Schedule::validate`].
    pub fn from_record(record: &SchedulerRecord, expected: &Schedule) -> Result<Self, OptimError> {
        expected.check_same_as(&record.config)?;
        record.config.validate()?;
        Ok(Self {
            config: record.config,
            position: record.position,
        })
    }
}
