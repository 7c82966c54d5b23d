use dacapo_models::Sentences;

/// Sentences that are padded to one length, and the hash that names them.
pub(super) struct SentenceSet {
    pub(super) sentences: Sentences,
    pub(super) hash: String,
}

impl SentenceSet {
    pub(super) fn new(sentences: Sentences) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&(sentences.tokens() as u64).to_le_bytes());
        for ids in sentences.ids() {
            hasher.update(&(ids.len() as u64).to_le_bytes());
            for id in ids {
                hasher.update(&id.to_le_bytes());
            }
        }
        Self {
            sentences,
            hash: hasher.finalize().to_hex().to_string(),
        }
    }

    /// Every place in it.
    pub(super) fn all(&self) -> Vec<usize> {
        (0..self.sentences.len()).collect()
    }
}
