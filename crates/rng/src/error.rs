/// What can go wrong with named streams and their records.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RngError {
    /// A stream was asked for that the hub does not hold.
    #[error(
        "random stream `{name}` is not registered; the hub holds {known}. \
         Register it in `RngHub::new`, or correct the name"
    )]
    UnknownStream {
        /// The name asked for.
        name: String,
        /// The registered names, for the message.
        known: String,
    },

    /// A record was written by another generator or key derivation.
    #[error(
        "rng.algorithm: expected `{expected}`, found `{found}`. \
         Resume with the dacapo version that wrote the file, or start a new run"
    )]
    Algorithm {
        /// The tag of this build, [`crate::ALGORITHM`].
        expected: &'static str,
        /// The tag in the record.
        found: String,
    },

    /// A record's key is not the one that its seed and the stream's name give.
    #[error(
        "rng.streams.{stream}.key: expected {expected} (derived from seed {seed} and the name), \
         found {found}. The seed, the name or the key was altered: restore the file from another \
         checkpoint"
    )]
    KeyMismatch {
        /// The stream's name.
        stream: String,
        /// The record's seed.
        seed: u64,
        /// The derived key, in hex.
        expected: String,
        /// The stored key.
        found: String,
    },

    /// A run needs a stream that its record lacks.
    #[error(
        "rng.streams.{stream}: expected a stream, found none; the record holds {known}. \
         The file was written by another kind of run: resume it with the same configuration and \
         dacapo version"
    )]
    MissingStream {
        /// The missing stream's name.
        stream: String,
        /// The names in the record, for the message.
        known: String,
    },

    /// A record holds a stream that the run does not know.
    #[error(
        "rng.streams.{stream}: found a stream that this run does not use; expected {expected}. \
         The file was written by another kind of run: resume it with the same configuration and \
         dacapo version"
    )]
    UnexpectedStream {
        /// The unexpected stream's name.
        stream: String,
        /// The names that the run uses, for the message.
        expected: String,
    },
}

/// Writes names for a message: `a`, `b`, or "no stream".
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    if quoted.is_empty() {
        "no stream".to_owned()
    } else {
        quoted.join(", ")
    }
}
