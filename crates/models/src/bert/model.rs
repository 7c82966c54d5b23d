use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear, DoraTargets, set_precision};
use dacapo_ops::{Precision, l2_normalise};
use dacapo_prefix::SplitForward;
use dacapo_rng::{DropoutKey, Stream};

use super::{BertBlock, BertConfig, BertEmbeddings, Sentences};
use crate::initial::{Drawn, Initial, Zeros};
use crate::{Cut, ModelsError};

/// BERT as an encoder of sentences: embeddings, post-norm blocks, and the mean over a sentence's
/// tokens.
///
/// Stable paths: `embed.{tokens,positions,token_type,norm}`, `blocks.<i>.{norm1,norm2}`,
/// `blocks.<i>.attn.{query,key,value,out_proj}`, `blocks.<i>.mlp.{fc1,fc2}`.
///
/// As transformers' `BertModel` without its pooler, whose output sentence encoders do not read.
/// Attention probabilities are never dropped.
#[derive(Module, Debug)]
pub struct Bert<B: Backend> {
    /// Of token ids.
    pub embed: BertEmbeddings<B>,
    /// The transformer blocks, first to last.
    pub blocks: Vec<BertBlock<B>>,
    #[module(skip)]
    config: BertConfig,
}

impl<B: Backend> Bert<B> {
    /// Of what a forward pass computes, and in which order: grows with every change of its bits.
    pub const VERSION: u32 = 1;

    /// A new model in the device's default float type. Draws the embeddings' tokens, positions and
    /// token type (normal, deviation 0.02), then block by block query, key, value, out_proj, fc1
    /// and fc2 (as [`DoraLinear::init`]). Norms start at one and zero.
    ///
    /// # Errors
    /// Those of [`BertConfig::validate`]; nothing is drawn then.
    pub fn init(
        config: &BertConfig,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, ModelsError> {
        Self::with_initial(config, &mut Drawn { stream, device })
    }

    /// A model of zeros, for weights to be loaded over.
    ///
    /// # Errors
    /// Those of [`BertConfig::validate`].
    pub fn zeros(config: &BertConfig, device: &B::Device) -> Result<Self, ModelsError> {
        Self::with_initial(config, &mut Zeros { device })
    }

    fn with_initial(
        config: &BertConfig,
        initial: &mut impl Initial<B>,
    ) -> Result<Self, ModelsError> {
        config.validate()?;
        Ok(Self {
            embed: BertEmbeddings::init(config, "embed", initial),
            blocks: (0..config.blocks)
                .map(|i| BertBlock::init(config, &format!("blocks.{i}"), initial))
                .collect(),
            config: config.clone(),
        })
    }

    /// The same model with all its matrix products in `precision`, those of adapters
    /// attached now or later included; F32 before. Not part of the record.
    ///
    /// # Panics
    /// Never: setting the precision of a layer cannot fail.
    pub fn with_precision(self, precision: Precision) -> Self {
        let mut model = set_precision(self, precision).expect("setting cannot fail");
        for block in &mut model.blocks {
            block.attn.set_precision(precision);
        }
        model
    }

    /// The sizes this model was made with.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The last hidden states `[n, tokens, d_model]`; those of padding mean nothing.
    ///
    /// # Panics
    /// If a sentence is longer than the context or a token id outside the vocabulary.
    pub fn forward(&self, sentences: &Sentences, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        self.hidden(self.input(sentences), dropout)
    }

    /// Embeddings `[n, d_model]`: the mean of each sentence's last hidden states, start and end
    /// included, as sentence-transformers takes it.
    ///
    /// A sentence's bits depend on how long the batch is padded and how many are in it, not on
    /// which ones.
    ///
    /// # Panics
    /// If a sentence is longer than the context or a token id outside the vocabulary.
    pub fn embed(&self, sentences: &Sentences, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        self.forward_whole(self.input(sentences), dropout)
    }

    /// [`embed`](Self::embed), each row over its norm: what all-MiniLM-L6-v2 gives.
    ///
    /// # Panics
    /// If a sentence is longer than the context or a token id outside the vocabulary.
    pub fn embed_normalised(
        &self,
        sentences: &Sentences,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 2> {
        l2_normalise(self.embed(sentences, dropout))
    }

    fn input(&self, sentences: &Sentences) -> Tensor<B, 2> {
        let input = sentences.tensor(&self.config, &self.embed.tokens.val().device());
        input.unwrap_or_else(|error| panic!("Bert: {error}"))
    }

    /// Before which the stream is the last hidden states.
    pub(super) fn end(&self) -> Cut {
        Cut::block(self.blocks.len())
    }
}

impl<B: Backend> DoraTargets<B> for Bert<B> {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        let blocks = self.blocks.into_iter().enumerate();
        let blocks = blocks.map(|(i, block)| block.map_linears(&format!("blocks.{i}"), f));
        Ok(Self {
            blocks: blocks.collect::<Result<_, _>>()?,
            ..self
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use burn_flex::{Flex, FlexDevice};

    use super::*;

    #[test]
    fn two_places_share_a_dropout_mask() {
        let config = BertConfig {
            vocabulary: 7,
            d_model: 12,
            d_mlp: 8,
            ..BertConfig::minilm_l6()
        };
        let model = Bert::<Flex>::zeros(&config, &FlexDevice).unwrap();
        let mut paths = BTreeSet::from([model.embed.dropout.path.clone()]);
        for block in &model.blocks {
            paths.insert(block.attn.dropout.path.clone());
            paths.insert(block.mlp.dropout.path.clone());
        }
        assert_eq!(paths.len(), 1 + 2 * model.blocks.len());
        // Adapters key their masks by the layer's path.
        let keep = |path: &str, linear| {
            assert!(!paths.contains(path), "{path}");
            Ok(linear)
        };
        model.map_linears(&mut { keep }).unwrap();
    }
}
