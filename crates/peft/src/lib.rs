//! Reads and writes LoRA and DoRA adapters of Hugging Face PEFT: `adapter_config.json` with
//! `adapter_model.safetensors`, and `adapter_model.bin` to read. For dacapo.
//!
//! An adapter is trained values on the host, by the paths of the modules that they adapt; no
//! tensor library is needed, and no Python.
//!
//! # Contract
//!
//! * [`PeftConfig`]: what `adapter_config.json` says, checked, its patterns compiled: which modules
//!   are adapted, their ranks and scalings. [`PeftSettings`] is the same as plain data.
//! * [`PeftLayer`]: A, B and the magnitude of one layer.
//! * [`PeftAdapter`]: all layers, the tensors that replace the base's, and the configuration that
//!   agrees with them.
//! * [`PeftFiles`]: an adapter as the bytes of its files. The same adapter gives the same bytes,
//!   those that PEFT writes; reading them gives the same adapter to the bit.
//!
//! Whatever changes what an adapter computes and is not listed below is refused by name: a key of
//! the configuration, a tensor, a base that was quantised or changed along with the adapter. So
//! are damaged files, and files that claim more than they hold; memory is in proportion to the
//! file. Every error says what was expected, what was found and what to do, and where: the file,
//! the layer or the tensor ([`PeftError::In`]; [`PeftError::cause`] is what is wrong).
//!
//! # What is what
//!
//! `<m>` is a module's path in the base model, r the layer's rank. Names in files begin with
//! `base_model.model.`; read are also files in which none does.
//!
//! | in the files | here |
//! |---|---|
//! | `<m>.lora_A.weight` `[r, in]`, `<m>.lora_B.weight` `[out, r]` | [`PeftLayer::a`], [`PeftLayer::b`] of a [`LayerKind::Linear`] |
//! | `<m>.lora_A.weight` `[r, in, kernel..]`, `<m>.lora_B.weight` `[out, r, 1..]` | the same of a [`LayerKind::Conv`]: A is `[r, in·kernel..]` |
//! | `<m>.lora_embedding_A` `[r, entries]`, `<m>.lora_embedding_B` `[size, r]` | the same of a [`LayerKind::Embedding`]: in is entries, out is size |
//! | `<m>.lora_magnitude_vector` `[out]`, of a convolution `[1, out, 1..]` | [`PeftLayer::magnitude`] `[out]` |
//! | `<m>.lora_magnitude_vector.weight` | the same; written if asked for ([`MagnitudeKey`]) |
//! | `.default` before `.weight` or at the end of these names | the same |
//! | `<s>.<tensor>`, `<s>` within a module of `modules_to_save` | [`PeftAdapter::saved`], `<s>.<tensor>` |
//! | `<m>.base_layer.<tensor>`: PEFT saves an embedding that is adapted | [`PeftAdapter::saved`], `<m>.<tensor>` |
//! | f32, f16, bf16 | f32, which holds all of them; written as f32 |
//! | `r`, `rank_pattern` | [`PeftConfig::rank_of`] |
//! | `lora_alpha`, `alpha_pattern`, `use_rslora` | [`PeftConfig::alpha_of`], [`PeftConfig::scaling_of`]: alpha/r or alpha/√r |
//! | `target_modules`, `exclude_modules`, `layers_to_transform`, `layers_pattern`, `modules_to_save` | [`PeftConfig::is_target`], by the rules of PEFT 0.21 |
//! | `use_dora` | whether every layer has a magnitude, or none |
//! | other keys with a null, false or empty value, and remarks (`auto_mapping`, `eva_config`, ..) | kept ([`PeftSettings::other`]) |
//!
//! With s for the scaling and norms over the inputs of each output, a layer of weight W
//! `[out, in]` computes with W' = W + s·B·A (LoRA: Hu et al. 2021, arXiv:2106.09685), or with
//! W' = m·V/‖V‖ where V = W + s·B·A and m is the magnitude (DoRA: Liu et al. 2024,
//! arXiv:2402.09353). An embedding's W is `[entries, size]`, and the formulas are for Wᵀ. These
//! are the shapes and the formula of the flavour `peft` of `dacapo-dora`.
//!
//! ```
//! use std::collections::BTreeMap;
//!
//! use dacapo_peft::{
//!     LayerKind, MagnitudeKey, Matrix, PeftAdapter, PeftConfig, PeftLayer, PeftSettings,
//!     TargetModules,
//! };
//!
//! let config = PeftConfig::new(PeftSettings {
//!     use_dora: true,
//!     ..PeftSettings::new(1, 2.0, TargetModules::names(["query"]))
//! })?;
//! let layer = PeftLayer::new(
//!     LayerKind::Linear,
//!     Matrix::new(1, 3, vec![0.5, -1.0, 0.25])?, // A [r, in]
//!     Matrix::new(2, 1, vec![1.0, 0.0])?,        // B [out, r]
//!     Some(vec![1.5, 0.75]),                     // m [out]
//! )?;
//! let layers = BTreeMap::from([("encoder.layer.0.query".to_owned(), layer)]);
//! let adapter = PeftAdapter::new(config, layers, BTreeMap::new())?;
//!
//! // Bytes for adapter_config.json and adapter_model.safetensors, and back.
//! let files = adapter.to_files(MagnitudeKey::Plain)?;
//! let again = PeftAdapter::from_bytes(&files.config, &files.weights)?;
//! assert_eq!(again, adapter);
//! assert_eq!(again.config().scaling_of("encoder.layer.0.query", 1), 2.0);
//! # Ok::<(), dacapo_peft::PeftError>(())
//! ```
//!
//! # What this crate does not do
//!
//! * It writes no file and fetches none, and knows no base model: whether the base has the modules
//!   and shapes that an adapter is for is seen where it is put on.
//! * Methods other than LoRA, biases that were trained (`bias`), weights stored as `[in, out]`
//!   (`fan_in_fan_out`), convolutions with groups, attention in one module, single parameters and
//!   tokens, mixtures, and bases that are quantised or were changed by the way A and B began
//!   (`pissa`, `olora`, `corda`, `loftq`, `lora_ga`) are refused.
//! * Regular expressions are those of the crate `regex`: what Python has beyond them
//!   (look-around, back-references) is refused, and what both read differently.
//! * A magnitude over a square weight's inputs that is stored as `[n]` looks like one over its
//!   outputs. PEFT's never is.

mod adapter;
mod check_adapter;
mod config;
mod error;
mod layer;
mod layer_kind;
mod magnitude_key;
mod matrix;
mod names;
mod peft_files;
mod plain_file;
mod read;
mod shown;
mod source;
mod tensor;
mod write;

pub use adapter::PeftAdapter;
pub use config::{InitLoraWeights, ModuleSelection, PeftConfig, PeftSettings, TargetModules};
pub use error::PeftError;
pub use layer::PeftLayer;
pub use layer_kind::LayerKind;
pub use magnitude_key::MagnitudeKey;
pub use matrix::Matrix;
pub use peft_files::PeftFiles;
pub use tensor::Tensor;
