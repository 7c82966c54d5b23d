/// BLAKE3, in hex, of `parts` and their lengths: for [`Task::fingerprint`](crate::Task::fingerprint),
/// which must change with the examples, their order and the split.
///
/// ```
/// let (inputs, targets) = ([0.5_f32, 1.5], [1_u8, 0]);
/// let inputs: Vec<u8> = inputs.iter().flat_map(|value| value.to_le_bytes()).collect();
/// let fingerprint = dacapo_trainer::fingerprint([&inputs[..], &targets[..]]);
/// assert_eq!(fingerprint.len(), 64);
/// ```
pub fn fingerprint<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_split_has_the_same_fingerprint() {
        let (early, late) = (
            fingerprint([&b"a"[..], b"bc"]),
            fingerprint([&b"ab"[..], b"c"]),
        );
        assert_ne!(early, late);
        assert_ne!(early, fingerprint([&b"abc"[..]]));
        assert_eq!(early, fingerprint([&b"a"[..], b"bc"]));
    }
}
