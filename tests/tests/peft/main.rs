//! Adapters to Hugging Face PEFT and back, and merged weights for transformers, through the
//! program.
//!
//! Those of these tests that compare with the real packages need a Python with torch, peft,
//! transformers and safetensors: `DACAPO_PYTHON`, or `python3`.

mod bad_adapters;
mod export;
mod import;
mod merge;
mod models;
mod outputs;
