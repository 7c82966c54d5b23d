/// Why a report could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The text of an ablation is not what it should be.
    #[error("{origin}: {place}: expected {expected}, found {found}. {advice}")]
    Ablation {
        /// Where the text comes from.
        origin: String,
        /// The path of the value in it.
        place: String,
        /// What should be there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do next.
        advice: &'static str,
    },

    /// A plot could not be drawn, a table or picture not be put together.
    #[error("{what}: expected to draw or write it, found: {found}. Report this with the data")]
    Output {
        /// The plot or file.
        what: String,
        /// The cause.
        found: String,
    },
}

impl ReportError {
    pub(crate) fn output(what: &str, found: impl std::fmt::Display) -> Self {
        Self::Output {
            what: what.to_owned(),
            found: found.to_string(),
        }
    }
}
