use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Why a data set, a split, a configuration or a batch was refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelsError {
    /// The bytes of a data set asset are not what its format says.
    #[error(
        "data set asset {asset}: expected {expected}, found {found}; regenerate it with the \
         command in crates/models/assets/README.md"
    )]
    Asset {
        /// The asset's file name.
        asset: String,
        /// What its format asks for.
        expected: String,
        /// What is there.
        found: String,
    },

    /// An example was asked for that the data set does not hold.
    #[error(
        "example {index} does not exist: the data set holds {len} examples, numbered from 0; \
         take indices from a split of this data set"
    )]
    NoSuchExample {
        /// The index asked for.
        index: usize,
        /// How many examples there are.
        len: usize,
    },

    /// A setting of a model is out of its range.
    #[error("model setting `{key}`: expected {expected}, found {found}; correct it in the config")]
    Config {
        /// The key in the configuration.
        key: &'static str,
        /// The range or relation it must keep.
        expected: String,
        /// The value it has.
        found: String,
    },

    /// A fraction of a split is not usable.
    #[error(
        "split: expected `{key}` to be {expected}, found {found}; correct the fraction in the \
         config"
    )]
    Fraction {
        /// `valid_fraction`, `test_fraction` or their sum.
        key: &'static str,
        /// The range it must keep.
        expected: &'static str,
        /// The value it has.
        found: f64,
    },

    /// One part of a split holds no example though it should.
    #[error(
        "split: the `{part}` part is empty: {found}; use more data, other classes or another \
         fraction"
    )]
    EmptyPart {
        /// `train`, `valid` or `test`.
        part: &'static str,
        /// What it was to be taken from.
        found: String,
    },

    /// Classes were asked for that the labels do not hold.
    #[error(
        "split: expected classes among {present:?}, found {asked:?}; ask for classes that the \
         data set holds"
    )]
    NoSuchClass {
        /// The classes asked for that do not exist.
        asked: BTreeSet<u8>,
        /// The classes that do.
        present: BTreeSet<u8>,
    },

    /// Logits and targets are not of one batch.
    #[error(
        "targets: expected one for each of the {rows} rows of the logits, found {targets}; build \
         images and targets from the same indices"
    )]
    TargetCount {
        /// Rows of the logits.
        rows: usize,
        /// How many targets were given.
        targets: usize,
    },

    /// A target names a class that the model cannot predict.
    #[error(
        "targets: expected a class below {classes}, found {target} at position {position}; raise \
         the model's `classes` or filter the data set"
    )]
    TargetRange {
        /// Where in the batch.
        position: usize,
        /// The target found there.
        target: usize,
        /// The number of classes the logits have.
        classes: usize,
    },

    /// There is no text, or one without tokens.
    #[error(
        "text {text} of {texts} has no tokens: expected at least a start and an end token; \
         tokenize the texts before they are made a batch"
    )]
    EmptyText {
        /// Which text.
        text: usize,
        /// How many there are.
        texts: usize,
    },

    /// A text has more tokens than the model's context.
    #[error(
        "text {number}, {text:?}, has {tokens} tokens: expected at most {context}, start and end \
         included; shorten it"
    )]
    LongText {
        /// The text.
        text: String,
        /// Its place, from 0.
        number: usize,
        /// Its tokens.
        tokens: usize,
        /// The most that there may be.
        context: usize,
    },

    /// A token id is none of the model's.
    #[error(
        "text {text}: expected token ids below {vocabulary}, found {token}; use the tokenizer that \
         the model was trained with"
    )]
    TokenRange {
        /// Which text.
        text: usize,
        /// The id found there.
        token: u32,
        /// The number of ids that the model has.
        vocabulary: usize,
    },

    /// A sentence has more tokens than sentences are to have.
    #[error(
        "sentence {number} has {tokens} tokens with its padding: expected at most {most}, start and \
         end included; shorten it or the padding"
    )]
    LongSentence {
        /// Its place, from 0.
        number: usize,
        /// Its tokens and its padding.
        tokens: usize,
        /// The most that there may be.
        most: usize,
    },

    /// A file of merges cannot be read, or is none.
    #[error(
        "merges {}: expected a heading with the version and then two parts a line, found {found}; \
         give bpe_simple_vocab_16e6.txt.gz of OpenAI's code or merges.txt of a CLIP of Hugging \
         Face", path.display()
    )]
    Merges {
        /// The file.
        path: PathBuf,
        /// What is there.
        found: String,
    },

    /// A tokenizer's file cannot be read, or is another tokenizer's.
    #[error(
        "tokenizer {}: expected {expected}, found {found}; give the tokenizer.json or vocab.txt of \
         an uncased BERT", path.display()
    )]
    WordPieces {
        /// The file or folder.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What is there.
        found: String,
    },

    /// A model's configuration file cannot be read, or is another model's.
    #[error(
        "model config {}: expected {expected}, found {found}; give the config.json of a BERT \
         encoder", path.display()
    )]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What is there.
        found: String,
    },

    /// A file of weights cannot be read, or does not hold what it should.
    #[error(
        "weights {}: expected {expected}, found {found}; give the published weights of the \
         architecture in the config", path.display()
    )]
    Weights {
        /// The file or folder.
        path: PathBuf,
        /// What it should hold.
        expected: String,
        /// What is there.
        found: String,
    },

    /// A file of weights lacks tensors of the model, or holds others.
    #[error(
        "weights {}: missing {missing:?}, unexpected {unexpected:?}; give the published weights \
         of the architecture in the config", path.display()
    )]
    WeightNames {
        /// The file or folder.
        path: PathBuf,
        /// Names that the architecture has and the file lacks.
        missing: Vec<String>,
        /// Names that the file has and the architecture lacks.
        unexpected: Vec<String>,
    },

    /// What was to replace a published weight cannot.
    #[error(
        "replaced weight `{path}`: expected {expected}, found {found}; give merged weights of a \
         model with the same configuration"
    )]
    ReplacedWeight {
        /// Its path.
        path: String,
        /// What the model has there.
        expected: String,
        /// What was given.
        found: String,
    },

    /// Weights cannot be written.
    #[error(
        "merged weights: expected to write all of them, found {found}; make room or write them \
         elsewhere"
    )]
    WriteWeights {
        /// Why not.
        found: String,
    },

    /// A running statistic was given that the model does not have, or one is
    /// missing, or it has another shape.
    #[error(
        "buffer `{path}`: expected {expected}, found {found}; give the buffers of a model with \
         the same configuration"
    )]
    Buffer {
        /// The buffer's stable path.
        path: String,
        /// What the model holds under it.
        expected: String,
        /// What was given.
        found: String,
    },
}

impl ModelsError {
    pub(crate) fn weights(
        path: &Path,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::Weights {
            path: path.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
