//! Learning-rate schedules and their position.

#[expect(clippy::module_inception, reason = "a public type's file has its name")]
mod schedule;
mod schedule_config;
mod scheduler;
mod scheduler_record;

pub use schedule::Schedule;
pub use schedule_config::ScheduleConfig;
pub use scheduler::Scheduler;
pub use scheduler_record::SchedulerRecord;
