use dacapo_optim::OptimError;
use dacapo_record::RecordError;
use dacapo_rng::RngError;

/// Why training cannot start, go on or resume.
///
/// Every message names the place, what was expected, what was found and what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainerError {
    /// A setting is out of range.
    #[error("`{key}` = {found}: {expected}. {next}.")]
    Setting {
        /// The configuration key.
        key: String,
        /// The value that was given.
        found: String,
        /// What would be accepted.
        expected: String,
        /// What to do.
        next: String,
    },
    /// A part of a saved state does not fit this program, model or data set.
    #[error("state `{path}`: expected {expected}, found {found}. {next}.")]
    State {
        /// The leaf or section of the record.
        path: String,
        /// What the program needs there.
        expected: String,
        /// What the record holds there.
        found: String,
        /// What to do.
        next: String,
    },
    /// Something that can change bits is not what it was when the run was recorded.
    #[error(
        "this checkpoint was written under another identity, so continuing would not give equal bits:{}\nContinue where these are equal, or accept the change with --allow-identity-change; it is then recorded in the run's lineage.",
        list_changes(changes)
    )]
    Identity {
        /// The differing parts.
        changes: Vec<crate::IdentityChange>,
    },
    /// A step produced a loss or metric that is not a finite number.
    #[error(
        "step {step}: `{what}` is {value}. The state before this step is in the last checkpoint; lower optimizer.lr, set optimizer.clip_norm, or look at the data of this step."
    )]
    NotFinite {
        /// The optimizer step that failed, counted from 1.
        step: u64,
        /// The loss or metric.
        what: String,
        /// Its value.
        value: f64,
    },
    /// A tensor that should be constant changed while training.
    #[error(
        "`{path}` is neither trainable nor a declared buffer, but a training step changed it, so a checkpoint would lose it. Make it trainable, or name it in the task's `is_buffer`."
    )]
    FrozenChanged {
        /// The first such leaf.
        path: String,
    },
    /// The optimizer refused its input.
    #[error("optimizer: {0}")]
    Optimizer(#[from] OptimError),
    /// The random number generators could not be set up or restored.
    #[error("rng: {0}")]
    Rng(#[from] RngError),
    /// The task could not compute a loss or its metrics.
    #[error(
        "step {step}: the task failed: {source}. The last checkpoint is whole; mend the cause, then resume."
    )]
    Task {
        /// The optimizer step.
        step: u64,
        /// The task's own error.
        source: crate::TaskError,
    },
    /// The run could not be reported on.
    #[error(
        "the run's log cannot be written: {0}. The last checkpoint is whole; free space or fix the folder's permissions, then resume."
    )]
    Observer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another process of this run has failed.
    #[error(
        "rank {rank} of {size} has failed: {message} What was committed is whole: mend the cause, then start again with as many ranks as you like."
    )]
    OtherRank {
        /// Which.
        rank: usize,
        /// How many there are.
        size: usize,
        /// What it said.
        message: String,
    },
    /// The processes of a run do not agree.
    #[error("the {} ranks differ in {what}:{}\n{next}.", values.len(), list_values(values))]
    RanksDiffer {
        /// In what.
        what: String,
        /// Each one's value, by rank.
        values: Vec<String>,
        /// What to do.
        next: String,
    },
    /// Messages of the other processes of this run do not arrive.
    #[error(
        "rank {rank} of {size}: the other ranks cannot be reached in its {what}: {source}. The last checkpoint is whole; resume with the ranks that are left."
    )]
    Communication {
        /// The message.
        what: String,
        /// This process.
        rank: usize,
        /// How many there are.
        size: usize,
        /// The communicator's own error.
        source: crate::CommunicatorError,
    },
    /// A checkpoint file could not be written or read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

fn list_changes(changes: &[crate::IdentityChange]) -> String {
    changes
        .iter()
        .map(|change| {
            format!(
                "\n  identity.{}: recorded {}, now {}",
                change.key, change.recorded, change.current
            )
        })
        .collect()
}

/// Every value with those that have it.
fn list_values(values: &[String]) -> String {
    let mut ranks: Vec<(&String, Vec<String>)> = Vec::new();
    for (rank, value) in values.iter().enumerate() {
        match ranks.iter_mut().find(|(known, _)| *known == value) {
            Some((_, of)) => of.push(rank.to_string()),
            None => ranks.push((value, vec![rank.to_string()])),
        }
    }
    let line =
        |(value, of): (&String, Vec<String>)| format!("\n  {value} (rank {})", of.join(", "));
    ranks.into_iter().map(line).collect()
}

impl TrainerError {
    pub(crate) fn setting(
        key: &str,
        found: impl ToString,
        expected: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self::Setting {
            key: key.to_owned(),
            found: found.to_string(),
            expected: expected.into(),
            next: next.into(),
        }
    }

    pub(crate) fn state(
        path: impl Into<String>,
        expected: impl ToString,
        found: impl ToString,
        next: impl Into<String>,
    ) -> Self {
        Self::State {
            path: path.into(),
            expected: expected.to_string(),
            found: found.to_string(),
            next: next.into(),
        }
    }
}
