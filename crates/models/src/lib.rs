//! The models and data sets that dacapo ships.
//!
//! # Contract
//!
//! * [`Digits`] is real data, embedded: the UCI optical handwritten digits,
//!   with a fingerprint. [`Split`] divides labelled data class by class, from
//!   a seed of its own.
//! * [`Vit`] and [`ConvNet`] draw every initial value on the host from a
//!   [`Stream`](dacapo_rng::Stream), in a documented order; their dropout is
//!   keyed ([`KeyedDropout`](dacapo_dora::KeyedDropout)). So a forward pass is
//!   a function of parameters, buffers, images and key. The parameters' stable
//!   paths are the names of the fields, joined with dots.
//! * [`Clip`] is OpenAI's CLIP with vision transformers: [`read_clip_weights`] takes the
//!   published weights by name, every tensor accounted for, and [`ClipTokenizer`] its
//!   merges.
//! * [`Bert`] is BERT as an encoder of sentences, all-MiniLM-L6-v2 for one: [`read_bert_config`]
//!   and [`read_bert_weights`] take what is published, [`SentenceTokenizer`] its vocabulary. A
//!   sentence's bits do not depend on its neighbours in a batch; all [`Sentences`] of a set are
//!   padded to one length.
//! * CLIP's towers and BERT can be cut in two at any [`Cut`]: what comes before the first trainable
//!   tensor is the same for a sample in every epoch.
//! * All of them are [`DoraTargets`](dacapo_dora::DoraTargets): every linear layer
//!   can carry an adapter. They run in the float type of their parameters; the
//!   images must have the same ([`Digits::batch_as`]).
//! * [`write_merged_weights`] writes published weights with merged ones among them, for whatever
//!   reads the original; an [`Architecture`] knows what transformers calls a layer.
//! * [`cross_entropy`] and [`count_correct`] are what they are trained and
//!   judged by.
//!
//! ```
//! use burn_flex::{Flex, FlexDevice};
//! use dacapo_models::{Digits, Split, Vit, VitConfig, count_correct, cross_entropy};
//! use dacapo_rng::RngHub;
//!
//! let digits = Digits::embedded()?;
//! let split = Split::stratified(digits.labels(), 1, 0.15, 0.2)?;
//! let mut hub = RngHub::new(7, &["init"]);
//! let model = Vit::<Flex>::init(&VitConfig::default(), hub.stream("init")?, &FlexDevice)?;
//!
//! let some = &split.test[..16];
//! let logits = model.forward(digits.batch(some, &FlexDevice)?, None);
//! let targets = digits.targets(some)?;
//! let loss = cross_entropy(logits.clone(), &targets)?;
//! println!("{} of 16, loss {loss}", count_correct(logits, &targets)?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate does not do
//!
//! * It does not train, freeze, save or set parameters: they are public, the
//!   trainer owns the rest.
//! * It downloads nothing, reads no files but those of CLIP and BERT, and creates none; its data is
//!   compiled in.
//! * It truncates no text, and reads no tokenizer but CLIP's and that of an uncased BERT.
//! * It does not augment, shuffle or batch; the order of data is the trainer's.

mod attention;
mod bert;
mod block;
mod block_config;
mod check;
mod clip;
mod conv_net;
mod conv_net_config;
mod cut;
mod digits;
mod error;
mod init;
mod initial;
mod loss;
mod mlp;
mod norm;
mod patches;
mod plain_file;
mod readout;
mod shown;
mod split;
mod stage;
mod vit;
mod vit_config;
mod weights;

pub use attention::Attention;
pub use bert::{
    Bert, BertBlock, BertConfig, BertEmbeddings, SentenceTokenizer, Sentences, read_bert_config,
    read_bert_weights,
};
pub use block::Block;
pub use clip::{
    Clip, ClipConfig, ClipTokenizer, TextTower, TokenBatch, TowerConfig, VisionTower,
    read_clip_weights,
};
pub use conv_net::ConvNet;
pub use conv_net_config::ConvNetConfig;
pub use cut::Cut;
pub use dacapo_ops::Activation;
pub use digits::Digits;
pub use error::ModelsError;
pub use loss::{count_correct, cross_entropy};
pub use mlp::Mlp;
pub use split::Split;
pub use stage::Stage;
pub use vit::Vit;
pub use vit_config::VitConfig;
pub use weights::{Architecture, write_merged_weights};
