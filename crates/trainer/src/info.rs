use serde::{Deserialize, Serialize};

/// What a record tells about how it came to be, and what no comparison looks at.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Info {
    /// Milliseconds since 1970-01-01 UTC at which the record was taken.
    pub saved_unix_ms: u64,
    /// Seconds of training so far, all sessions together.
    pub wall_seconds: f64,
    /// The machine's name.
    pub host: String,
    /// Threads of the CPU backend.
    pub threads: u64,
    /// How many processes have worked on this run: 1 if it was never resumed.
    pub sessions: u64,
}
