//! Two files in one: what a fuzzer makes up is a single string of bytes.

/// The bytes before the first NUL, which no JSON text has, and those behind it.
pub(crate) fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    match bytes.iter().position(|byte| *byte == 0) {
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
        None => (bytes, &[]),
    }
}

/// Such a string for two files.
pub(crate) fn join(text: &[u8], other: &[u8]) -> Vec<u8> {
    [text, b"\0", other].concat()
}

/// What the second of them is called: a file of PyTorch's where it begins as a zip archive does, else
/// one of safetensors.
pub(crate) fn name<'a>(other: &[u8], torch: &'a str, safetensors: &'a str) -> &'a str {
    match other.starts_with(b"PK") {
        true => torch,
        false => safetensors,
    }
}
