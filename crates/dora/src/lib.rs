//! Weight-decomposed low-rank adaptation (DoRA) layers for Burn.
//!
//! A [`DoraLinear`] is a linear layer that may carry a [`DoraAdapter`]. A model
//! implements [`DoraTargets`], and [`attach_matching`] puts adapters on the
//! layers whose paths match a pattern. [`DoraEmbedding`] and [`DoraConv2d`] are
//! the same for embeddings and convolutions, in the flavour `Peft`; each gives its
//! formulas. [`DoraFusedLinear`] is several linear layers in one weight, such as
//! queries, keys and values.
//!
//! # The formulas
//!
//! W`[o,i]` is the frozen weight, A`[r,i]`, B`[o,r]` and m`[o]` are trained,
//! s = alpha/r, and every norm is over the inputs of one output channel.
//! (Formulas are in the literature's `[out, in]`; the tensors of this crate are
//! `[in, out]`, as Burn's.)
//!
//! | | [`Flavour::Peft`] | [`Flavour::ClipHba`] |
//! |---|---|---|
//! | V | W + s·B·A | W/‖W‖ + drop(s·B·A) |
//! | n | ‖V‖, a constant for the gradient | ‖V‖ + 1e-8, differentiated |
//! | W' | g·V, g = m/n | m·V/n |
//! | output for x | W·x + b + (g-1)·W·x~ + g·s·B·A·x~ with x~ = drop(x) | W'·x + b |
//! | m at the start | ‖W‖ | ‖W‖ |
//! | A, B at the start | [`AdapterInit`], as a rule Kaiming-uniform and 0 | both Kaiming-uniform |
//! | output at the start | that of the base, to the bit where B is 0 | another |
//!
//! s is alpha/sqrt(r) with [`DoraConfig::rslora`]. [`Flavour::Lora`] is LoRA, without a magnitude:
//! W·x + b + s·B·A·x~.
//!
//! `Peft` is the DoRA paper (Liu et al. 2024, arXiv:2402.09353, section 4.3 for
//! the detached norm) as computed by Hugging Face PEFT's `DoraLinearLayer`.
//! `ClipHba` is the `DoRALayer` of the CLIP-HBA code, whose `delta_D_A`
//! `[r, out]` is Bᵀ and `delta_D_B` `[in, r]` is Aᵀ.
//!
//! Gradients, for G = dL/dW' and t = <G, V> of each channel: dm = t/n,
//! dB = s·dV·Aᵀ, dA = s·Bᵀ·dV, where dV is g·G (`Peft`) or
//! m·(G/n - V·t/(‖V‖·n²)) (`ClipHba`). W gets none.
//!
//! Channels of zeros occur in published checkpoints. Nothing here is ever NaN
//! because of one: where n = 0, `Peft` takes g = 1 without gradient; where
//! ‖W‖ = 0, `ClipHba` takes W/‖W‖ = 0; where ‖V‖ = 0, its gradient is 0. "= 0"
//! is meant after rounding: in f32 it includes norms below about 1e-23, whose
//! square underflows.
//!
//! # Contract
//!
//! * Tensors keep the dtype of the weight, f64 included. For a half type, norms,
//!   magnitudes and ratios are f32.
//! * Matrix products run in the layer's [`Precision`](dacapo_ops::Precision), through `dacapo-ops`;
//!   everything else, norms and ratios included, is f32 (or the dtype above). Convolutions are
//!   Burn's.
//! * Nothing is random but what a caller's `Stream` or `DropoutKey` decides.
//!   No forward pass draws: a dropout mask is a function of (key, layer path,
//!   element).
//! * Parameter paths are `<layer>.weight`, `<layer>.bias`,
//!   `<layer>.adapter.magnitude`, `.lora_a` and `.lora_b`. A part of a fused layer is a
//!   layer by path, but for weight and bias.
//! * Merging overwrites nothing, so unmerging is exact.
//!
//! ```
//! use burn::{backend::Autodiff, tensor::Tensor};
//! use burn_flex::{Flex, FlexDevice};
//! use dacapo_dora::{DoraConfig, DoraLinear};
//! use dacapo_rng::{DropoutKey, RngHub};
//!
//! type B = Autodiff<Flex>;
//! let mut hub = RngHub::new(1, &["init"]);
//! let stream = hub.stream("init")?;
//! let base = DoraLinear::<B>::init(16, 8, true, stream, &FlexDevice);
//! let config = DoraConfig { dropout: 0.1, ..DoraConfig::peft(4, 8.0) };
//! let layer = base.attach(&config, "head", stream)?;
//!
//! let x = Tensor::<B, 2>::ones([2, 16], &FlexDevice);
//! let key = DropoutKey::new(1, "dropout", 0, 0);
//! let grads = layer.forward(x, Some(&key)).sum().backward();
//! let adapter = layer.adapter.as_ref().expect("just attached");
//! assert!(adapter.lora_b.grad(&grads).is_some());
//! assert!(layer.weight.grad(&grads).is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A model's layers are found by [`DoraTargets`], which can be derived:
//!
//! ```
//! # use burn::module::Module;
//! # use burn::nn::{LayerNorm, LayerNormConfig};
//! # use burn::tensor::backend::Backend;
//! # use burn_flex::{Flex, FlexDevice};
//! # use dacapo_dora::{DoraConfig, DoraEmbedding, DoraLinear, DoraTargets, Flavour, attach_matching};
//! # use dacapo_rng::RngHub;
//! #[derive(Module, Debug, DoraTargets)]
//! struct Block<B: Backend> {
//!     norm: LayerNorm<B>,
//!     mix: DoraLinear<B>,
//! }
//!
//! #[derive(Module, Debug, DoraTargets)]
//! struct Model<B: Backend> {
//!     tokens: DoraEmbedding<B>,
//!     blocks: Vec<Block<B>>,
//!     head: DoraLinear<B>,
//! }
//!
//! # let mut hub = RngHub::new(1, &["init"]);
//! # let stream = hub.stream("init")?;
//! # let device = FlexDevice;
//! let model = Model::<Flex> {
//!     tokens: DoraEmbedding::init(100, 8, stream, &device),
//!     blocks: (0..2)
//!         .map(|_| Block {
//!             norm: LayerNormConfig::new(8).init(&device),
//!             mix: DoraLinear::init(8, 8, true, stream, &device),
//!         })
//!         .collect(),
//!     head: DoraLinear::init(8, 3, true, stream, &device),
//! };
//! let config = DoraConfig::peft(2, 4.0);
//! let patterns = ["tokens".to_owned(), "blocks.*".to_owned()];
//! let (model, attached) = attach_matching(model, &patterns, &config, stream)?;
//! assert_eq!(attached, ["blocks.0.mix", "blocks.1.mix", "tokens"]);
//! # assert!(model.head.adapter.is_none());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What this crate does not do
//!
//! * It does not save or load: its modules have Burn records, and the trainer
//!   decides about files. A record holds neither the [`DoraConfig`] nor whether
//!   a layer is merged; and Burn silently drops a record's adapter for a layer
//!   that has none, so attach first and compare paths.
//! * It does not read other tools' adapter files.
//! * It does not freeze a model beyond the layers it attaches to.
//! * It does not adapt convolutions of one or three dimensions, quantise, or add adapters up: of an
//!   [`AdapterSet`], which switches between several, one is active.
//! * It has no kernels itself. On a backend that has some (`dacapo-ops`), W' of a forward pass
//!   without dropout, its gradients and the masks come from them; elsewhere each forward pass
//!   with an adapter forms one dense `[in, out]` weight by plain tensor operations.

mod adapter;
mod adapter_init;
mod adapter_set;
mod adapters;
mod attach;
mod attach_plan;
mod composites;
mod config;
mod conv2d;
mod conv_adapter;
mod conv_geometry;
mod decompose;
#[doc(hidden)]
pub mod derived;
mod embedding;
mod error;
mod flavour;
mod fused_linear;
mod fused_module;
mod fused_part;
mod init;
mod keyed_dropout;
mod linear;
mod mask;
mod math;
mod merged;
mod start;
mod targets;

pub use adapter::DoraAdapter;
pub use adapter_init::AdapterInit;
pub use adapter_set::AdapterSet;
pub use adapters::{Adapters, put_adapters, take_adapters};
pub use attach::{attach, attach_matching, merge_all, set_precision, unmerge_all};
pub use attach_plan::AttachPlan;
pub use config::DoraConfig;
pub use conv_adapter::DoraConvAdapter;
pub use conv_geometry::ConvGeometry;
pub use conv2d::DoraConv2d;
pub use dacapo_derive::DoraTargets;
pub use embedding::DoraEmbedding;
pub use error::DoraError;
pub use flavour::Flavour;
pub use fused_linear::DoraFusedLinear;
pub use fused_part::FusedPart;
pub use keyed_dropout::KeyedDropout;
pub use linear::DoraLinear;
pub use targets::DoraTargets;
