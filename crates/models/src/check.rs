//! Checks that the model configurations share.

use crate::ModelsError;

/// At least one of something.
pub(crate) fn positive(key: &'static str, found: usize) -> Result<(), ModelsError> {
    require(found > 0, key, "at least 1", found)
}

/// A probability that leaves something over.
pub(crate) fn dropout(key: &'static str, found: f64) -> Result<(), ModelsError> {
    // A NaN is in no range.
    let usable = (0.0..1.0).contains(&found);
    require(usable, key, "at least 0 and below 1", found)
}

/// `holds`, or the error that says what was expected of `key`.
pub(crate) fn require(
    holds: bool,
    key: &'static str,
    expected: impl Into<String>,
    found: impl ToString,
) -> Result<(), ModelsError> {
    if holds {
        return Ok(());
    }
    Err(ModelsError::Config {
        key,
        expected: expected.into(),
        found: found.to_string(),
    })
}
