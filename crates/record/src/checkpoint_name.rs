use crate::RecordError;

/// The extension of checkpoint files, as burn's `NamedMpkFileRecorder` gives it.
pub(crate) const EXTENSION: &str = ".mpk";

const MAX_LEN: usize = 128;

/// Accepts a name that is one plain path component on every system.
pub(crate) fn validate(name: &str) -> Result<(), RecordError> {
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    let valid = plain
        && (1..=MAX_LEN).contains(&name.len())
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
        && !name.ends_with(EXTENSION);
    if valid {
        Ok(())
    } else {
        Err(RecordError::InvalidName {
            name: name.to_owned(),
            max: MAX_LEN,
        })
    }
}

/// The name in a checkpoint's file name, or nothing if it is not one.
pub(crate) fn of_file(file: &str) -> Option<&str> {
    file.strip_suffix(EXTENSION)
        .filter(|name| validate(name).is_ok())
}
