//! BERT (Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep Bidirectional Transformers for
//! Language Understanding", 2019) as an encoder of sentences (Reimers, Gurevych, "Sentence-BERT",
//! 2019): all-MiniLM-L6-v2 is one.

mod bert_block;
mod bert_config;
mod bert_embeddings;
mod model;
mod read_bert_config;
mod sentence_tokenizer;
mod sentences;
mod split_forward;
mod tokenizer_file;
mod uncased;
pub(crate) mod weights;

pub use bert_block::BertBlock;
pub use bert_config::BertConfig;
pub use bert_embeddings::BertEmbeddings;
pub use model::Bert;
pub use read_bert_config::read_bert_config;
pub use sentence_tokenizer::SentenceTokenizer;
pub use sentences::Sentences;
pub use weights::read_bert_weights;
