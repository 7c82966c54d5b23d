use burn::tensor::{DType, Tensor, TensorData, backend::Backend};

use super::BertConfig;
use crate::ModelsError;

/// Tokenized sentences: of each its token ids, start and end included, and the one length that all
/// are padded to.
///
/// That length is part of what is computed: sums over a sentence's tokens may be rounded otherwise
/// beside more padding. So all sentences of a set are padded to the same, and
/// [`select`](Self::select) takes a batch of them without changing it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentences {
    ids: Vec<Vec<u32>>,
    tokens: usize,
}

impl Sentences {
    /// The sentences with these token ids, padded to the longest of them.
    ///
    /// # Errors
    /// [`ModelsError::EmptyText`] for no sentences, or one without tokens.
    pub fn new(ids: Vec<Vec<u32>>) -> Result<Self, ModelsError> {
        let empty = ids.iter().position(Vec::is_empty);
        if let Some(text) = empty.or(ids.is_empty().then_some(0)) {
            return Err(ModelsError::EmptyText {
                text,
                texts: ids.len(),
            });
        }
        let tokens = ids.iter().map(Vec::len).max().unwrap_or(0);
        Ok(Self { ids, tokens })
    }

    /// The same sentences padded to so many tokens: for sets whose sentences are to have equal bits
    /// in either.
    ///
    /// # Errors
    /// [`ModelsError::LongSentence`] if one has more.
    pub fn padded_to(self, tokens: usize) -> Result<Self, ModelsError> {
        let long = self.ids.iter().position(|ids| ids.len() > tokens);
        match long {
            Some(number) => Err(ModelsError::LongSentence {
                number,
                tokens: self.ids[number].len(),
                most: tokens,
            }),
            None => Ok(Self { tokens, ..self }),
        }
    }

    /// These of the sentences, in this order, padded as before.
    ///
    /// # Errors
    /// [`ModelsError::NoSuchExample`], or [`ModelsError::EmptyText`] for no indices.
    pub fn select(&self, indices: &[usize]) -> Result<Self, ModelsError> {
        let ids = indices.iter().map(|index| {
            let ids = self.ids.get(*index).cloned();
            ids.ok_or(ModelsError::NoSuchExample {
                index: *index,
                len: self.len(),
            })
        });
        Self::new(ids.collect::<Result<_, _>>()?)?.padded_to(self.tokens)
    }

    /// Number of sentences.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Never: there is at least one sentence.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// What every sentence is padded to.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The ids of each sentence, without padding.
    pub fn ids(&self) -> &[Vec<u32>] {
        &self.ids
    }

    /// What a [`Bert`](super::Bert) of this configuration gets as a
    /// [`SplitForward`](dacapo_prefix::SplitForward) model: ids `[n, tokens]` and -1 for padding, in
    /// f32, which holds all of them exactly, whatever the model's float type.
    ///
    /// # Errors
    /// [`ModelsError::LongSentence`] for a length above the context, and
    /// [`ModelsError::TokenRange`] for an id that the model does not have.
    pub fn tensor<B: Backend>(
        &self,
        config: &BertConfig,
        device: &B::Device,
    ) -> Result<Tensor<B, 2>, ModelsError> {
        if self.tokens > config.context {
            let longest = (0..self.len()).max_by_key(|number| self.ids[*number].len());
            return Err(ModelsError::LongSentence {
                number: longest.unwrap_or(0),
                tokens: self.tokens,
                most: config.context,
            });
        }
        let mut values = Vec::with_capacity(self.len() * self.tokens);
        for (text, ids) in self.ids.iter().enumerate() {
            let outside = ids.iter().find(|id| **id as usize >= config.vocabulary);
            if let Some(token) = outside {
                return Err(ModelsError::TokenRange {
                    text,
                    token: *token,
                    vocabulary: config.vocabulary,
                });
            }
            let padding = std::iter::repeat_n(PADDING, self.tokens - ids.len());
            values.extend(ids.iter().map(|id| *id as f32).chain(padding));
        }
        let data = TensorData::new(values, [self.len(), self.tokens]);
        Ok(Tensor::from_data(data, (device, DType::F32)))
    }
}

const PADDING: f32 = -1.0;
