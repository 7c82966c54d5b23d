use crate::ModelsError;

/// Tokenized texts: of each its token ids, start and end included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBatch {
    texts: Vec<Vec<u32>>,
}

impl TokenBatch {
    /// The texts with these token ids. A text ends at its largest id, where that first
    /// occurs, as OpenAI's CLIP has it: the end token's id is the vocabulary's largest.
    /// What follows is padding.
    ///
    /// # Errors
    /// [`ModelsError::EmptyText`] for no texts, or a text without tokens.
    pub fn new(texts: Vec<Vec<u32>>) -> Result<Self, ModelsError> {
        let empty = texts.iter().position(Vec::is_empty);
        if let Some(text) = empty.or(texts.is_empty().then_some(0)) {
            return Err(ModelsError::EmptyText {
                text,
                texts: texts.len(),
            });
        }
        let mut texts = texts;
        for text in &mut texts {
            let largest = text.iter().max().copied();
            let end = text.iter().position(|id| Some(*id) == largest);
            text.truncate(end.map_or(0, |end| end + 1));
        }
        Ok(Self { texts })
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Never: a batch holds at least one text.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// The ids of each text up to its end token.
    pub fn texts(&self) -> &[Vec<u32>] {
        &self.texts
    }

    /// Tokens of the longest text.
    pub fn longest(&self) -> usize {
        self.texts.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Where each text's end token is.
    pub(super) fn ends(&self) -> Vec<usize> {
        self.texts.iter().map(|text| text.len() - 1).collect()
    }

    /// `[texts, len]`, row-major, padded with 0.
    pub(super) fn padded(&self, len: usize) -> Vec<u32> {
        let zeros = |text: &Vec<u32>| len - text.len();
        let padded = |text: &Vec<u32>| {
            let padding = std::iter::repeat_n(0, zeros(text));
            text.iter().copied().chain(padding).collect::<Vec<_>>()
        };
        self.texts.iter().flat_map(padded).collect()
    }
}
