/// A kernel's text with its hash, which tells versions of it apart where compiled kernels are kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SourceText {
    pub(super) source: &'static str,
    pub(super) hash: u64,
}

impl SourceText {
    /// For a constant, as the hash is computed here: FNV-1a of 64 bits.
    pub(crate) const fn new(source: &'static str) -> Self {
        let bytes = source.as_bytes();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        let mut at = 0;
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
            at += 1;
        }
        Self { source, hash }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_text_has_the_hash_of_the_old() {
        // The published values of FNV-1a.
        assert_eq!(SourceText::new("").hash, 0xcbf2_9ce4_8422_2325);
        assert_eq!(SourceText::new("a").hash, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(SourceText::new("foobar").hash, 0x8594_4171_f739_67e8);
    }
}
