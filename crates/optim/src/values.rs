//! Checks of single settings.

use crate::OptimError;

/// The error for one key.
pub(crate) fn invalid(key: &str, expected: &str, found: impl ToString) -> OptimError {
    OptimError::InvalidValue {
        key: key.to_string(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

/// Finite and >= 0.
pub(crate) fn non_negative(key: &str, value: f64) -> Result<(), OptimError> {
    if value.is_finite() && value >= 0.0 {
        Ok(())
    } else {
        Err(invalid(key, "a finite number >= 0", value))
    }
}

/// Finite and > 0.
pub(crate) fn positive(key: &str, value: f64) -> Result<(), OptimError> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(invalid(key, "a finite number > 0", value))
    }
}

pub(crate) fn optional(
    key: &str,
    value: Option<f64>,
    check: impl Fn(&str, f64) -> Result<(), OptimError>,
) -> Result<(), OptimError> {
    value.map_or(Ok(()), |value| check(key, value))
}

pub(crate) fn pattern(index: usize, pattern: &str) -> Result<(), OptimError> {
    match pattern.is_empty() {
        false => Ok(()),
        true => Err(invalid(
            &format!("groups[{index}].pattern"),
            "a non-empty pattern",
            "\"\"",
        )),
    }
}

/// A value written so that equal text means equal bits: `{:?}` of a float is the shortest
/// text that reads back to the same bits.
pub(crate) fn text<T: std::fmt::Debug>(value: &Option<T>) -> String {
    value
        .as_ref()
        .map_or_else(|| "nothing".to_string(), |value| format!("{value:?}"))
}

/// Refuses `now` unless it equals `was`, naming the first key that differs. The number of
/// groups stands before them in both lists, so that the lists align.
pub(crate) fn same_leaves(
    was: &[(String, String)],
    now: &[(String, String)],
) -> Result<(), OptimError> {
    match was.iter().zip(now).find(|(was, now)| was != now) {
        None => Ok(()),
        Some(((key, expected), (_, found))) => Err(OptimError::ConfigMismatch {
            key: key.clone(),
            expected: expected.clone(),
            found: found.clone(),
        }),
    }
}
