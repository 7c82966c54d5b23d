//! Files that are refused, and with which words.

#[track_caller]
pub fn assert_says(message: &str, parts: &[&str]) {
    for part in parts.iter().chain(&["expected", "found", "; give "]) {
        assert!(message.contains(part), "no {part:?} in: {message}");
    }
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(message.len() < 2000, "{} bytes", message.len());
}

/// A file of this header and these bytes of tensors.
pub fn safetensors(header: &str, bytes: usize) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), &vec![0; bytes]].concat()
}
