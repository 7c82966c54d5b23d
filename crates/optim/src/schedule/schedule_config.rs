//! The schedule as a user writes it.

use serde::{Deserialize, Serialize};

use crate::{OptimError, Schedule};

/// A [`Schedule`] whose length may be left to the trainer. It has no factor: the
/// trainer, which knows the run's length, turns it into a [`Schedule`] by
/// [`ScheduleConfig::resolved`].
///
/// In a file: `schedule = { kind = "warmup_cosine", warmup = 100 }`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleConfig {
    /// [`Schedule::Constant`].
    Constant {},
    /// [`Schedule::LinearWarmup`].
    LinearWarmup {
        /// Ticks before the full rate.
        warmup: u64,
    },
    /// [`Schedule::Cosine`].
    Cosine {
        /// Ticks until `min_factor`; by default the run's length.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// The last factor, in [0, 1]; by default 0.
        #[serde(default)]
        min_factor: f64,
    },
    /// [`Schedule::WarmupCosine`].
    WarmupCosine {
        /// Ticks of warm-up, less than `total`.
        warmup: u64,
        /// Ticks until `min_factor`, warm-up included; by default the run's
        /// length.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
        /// The last factor, in [0, 1]; by default 0.
        #[serde(default)]
        min_factor: f64,
    },
    /// [`Schedule::Step`].
    Step {
        /// Ticks between two multiplications.
        every: u64,
        /// The multiplier.
        gamma: f64,
    },
    /// [`Schedule::Exponential`].
    Exponential {
        /// The multiplier.
        gamma: f64,
    },
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self::Constant {}
    }
}

impl ScheduleConfig {
    /// Checks every value that is known before the run's length is.
    ///
    /// # Errors
    /// As [`Schedule::validate`].
    pub fn validate(&self) -> Result<(), OptimError> {
        // An absent total is longer than any warm-up until it is resolved.
        self.with_total(u64::MAX).validate()
    }

    /// The schedule of a run of `total_ticks` ticks, which stands in for an
    /// absent `total`.
    ///
    /// # Errors
    /// As [`Schedule::validate`]: in particular a warm-up as long as the run.
    pub fn resolved(&self, total_ticks: u64) -> Result<Schedule, OptimError> {
        let schedule = self.with_total(total_ticks);
        schedule.validate()?;
        Ok(schedule)
    }

    fn with_total(&self, total_ticks: u64) -> Schedule {
        match *self {
            Self::Constant {} => Schedule::Constant {},
            Self::LinearWarmup { warmup } => Schedule::LinearWarmup { warmup },
            Self::Cosine { total, min_factor } => Schedule::Cosine {
                total: total.unwrap_or(total_ticks),
                min_factor,
            },
            Self::WarmupCosine {
                warmup,
                total,
                min_factor,
            } => Schedule::WarmupCosine {
                warmup,
                total: total.unwrap_or(total_ticks),
                min_factor,
            },
            Self::Step { every, gamma } => Schedule::Step { every, gamma },
            Self::Exponential { gamma } => Schedule::Exponential { gamma },
        }
    }
}

impl From<Schedule> for ScheduleConfig {
    /// The configuration that resolves to `schedule`, whatever the run's length.
    fn from(schedule: Schedule) -> Self {
        match schedule {
            Schedule::Constant {} => Self::Constant {},
            Schedule::LinearWarmup { warmup } => Self::LinearWarmup { warmup },
            Schedule::Cosine { total, min_factor } => Self::Cosine {
                total: Some(total),
                min_factor,
            },
            Schedule::WarmupCosine {
                warmup,
                total,
                min_factor,
            } => Self::WarmupCosine {
                warmup,
                total: Some(total),
                min_factor,
            },
            Schedule::Step { every, gamma } => Self::Step { every, gamma },
            Schedule::Exponential { gamma } => Self::Exponential { gamma },
        }
    }
}
