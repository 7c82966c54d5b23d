use super::reference::{DERIVE_KEY_CONTEXT, DERIVE_KEY_MATERIAL, IV, KEYED_HASH, tree_hash, words};

/// Which of BLAKE3's functions is computed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HashMode {
    /// `blake3::hash`.
    #[default]
    Plain,
    /// `blake3::keyed_hash` under this key.
    Keyed([u8; 32]),
    /// `blake3::derive_key` in this context, the buffer being the key material.
    DeriveKey(String),
}

impl HashMode {
    /// The key words and the flags of every compression.
    pub(super) fn key(&self) -> ([u32; 8], u32) {
        match self {
            Self::Plain => (IV, 0),
            Self::Keyed(key) => (words(key), KEYED_HASH),
            Self::DeriveKey(context) => {
                let context = tree_hash(&IV, DERIVE_KEY_CONTEXT, context.as_bytes());
                (words(&context), DERIVE_KEY_MATERIAL)
            }
        }
    }
}
