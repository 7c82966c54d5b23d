use burn::module::{Module, Param};
use burn::nn::Embedding;
use burn::tensor::module::embedding;
use burn::tensor::{Int, Tensor, backend::Backend};
use dacapo_ops::{Precision, linear};
use dacapo_rng::Stream;

use crate::adapter::finite_norm;
use crate::init::{default_dtype, normal};
use crate::math::{constant, norm_dtype, to_dtype};
use crate::merged::MergedWeight;
use crate::start::first_norm;
use crate::{DoraAdapter, DoraConfig, DoraError};

/// An embedding that may carry a DoRA adapter, after Hugging Face PEFT's
/// `DoraEmbeddingLayer`. Only [`Flavour::Peft`](crate::Flavour::Peft) is defined
/// for it.
///
/// It is a linear layer of one-hot inputs: the vocabulary is its inputs, the
/// dimensions of a vector are its output channels. So the adapter is that of a
/// linear layer, with A `[rank, vocabulary]` (`lora_embedding_A`), B `[d, rank]`
/// (`lora_embedding_B`) and one magnitude for each *dimension*, `[d]`, whose norm
/// is over the whole vocabulary (PEFT works on the transposed weight and takes
/// the norm of its rows).
///
/// | | |
/// |---|---|
/// | V | W + s·(B·A)ᵀ, `[vocabulary, d]` |
/// | n | the norm of each column of V, a constant for the gradient |
/// | output for the id i | (m/n)·(W`[i]` + s·B·A`[:, i]`) |
/// | m at the start | the norm of each column of W |
/// | A, B at the start | 0, normal with deviation 1 |
/// | output at the start | that of the base, to the bit (but for the sign of a zero) |
///
/// A forward pass gathers first: the product is of the ids' columns of A only.
/// The norm takes the dense update, without gradient. A config's dropout has
/// no effect on embeddings, as in PEFT.
#[derive(Module, Debug)]
pub struct DoraEmbedding<B: Backend> {
    /// The base weight, `[vocabulary, d]` as Burn's [`Embedding`] stores it.
    pub weight: Param<Tensor<B, 2>>,
    /// The adapter, once attached.
    pub adapter: Option<DoraAdapter<B>>,
    merged: MergedWeight<B>,
    #[module(skip)]
    precision: Precision,
}

impl<B: Backend> DoraEmbedding<B> {
    /// An embedding without adapter in the backend's default float type, normal
    /// with mean 0 and deviation 1: two draws an element, row by row.
    ///
    /// # Panics
    /// If `vocabulary` or `d` is 0.
    pub fn init(vocabulary: usize, d: usize, stream: &mut Stream, device: &B::Device) -> Self {
        assert!(
            vocabulary > 0 && d > 0,
            "DoraEmbedding::init: expected at least one id and one dimension, found {vocabulary} \
             -> {d}"
        );
        let weight = normal([vocabulary, d], stream, default_dtype::<B>(device), device);
        Self::from_weight(Param::from_tensor(weight))
    }

    /// The same embedding without adapter; the parameter and its id are kept.
    pub fn from_embedding(embedding: Embedding<B>) -> Self {
        Self::from_weight(embedding.weight)
    }

    /// An embedding without adapter of `weight` `[vocabulary, d]`.
    pub fn from_weight(weight: Param<Tensor<B, 2>>) -> Self {
        Self {
            weight,
            adapter: None,
            merged: MergedWeight(None),
            precision: Precision::F32,
        }
    }

    /// The same embedding with the adapter's matrix products in `precision`; F32
    /// before. Unmerges. Not part of the record.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self {
            adapter: self
                .adapter
                .map(|adapter| adapter.with_precision(precision)),
            merged: MergedWeight(None),
            precision,
            ..self
        }
    }

    /// The precision of the adapter's matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Number of ids.
    pub fn vocabulary(&self) -> usize {
        self.weight.lazy_shape()[0]
    }

    /// Length of a vector.
    pub fn d_model(&self) -> usize {
        self.weight.lazy_shape()[1]
    }

    /// Adds a new adapter, with A = 0 and B drawn row by row, two draws an element,
    /// and freezes the weight. Otherwise as
    /// [`DoraLinear::attach`](crate::DoraLinear::attach).
    ///
    /// # Errors
    /// An invalid `config` or another flavour than `Peft`, an adapter that is
    /// there, a rank above min(vocabulary, d), or a dimension of the weight
    /// without a finite norm. Nothing is drawn then.
    pub fn attach(
        self,
        config: &DoraConfig,
        path: &str,
        stream: &mut Stream,
    ) -> Result<Self, DoraError> {
        self.check_attachable(config, path)?;
        let weight = constant(self.weight.val());
        let [vocabulary, d] = weight.dims();
        let (dtype, device) = (weight.dtype(), weight.device());
        let lora_a = Tensor::zeros([config.rank, vocabulary], (&device, dtype));
        let no_b = Tensor::zeros([d, config.rank], (&device, dtype));
        let norm = first_norm(&weight, &lora_a, &no_b, config);
        let magnitude = finite_norm(norm, path)?;
        let lora_b = normal([d, config.rank], stream, dtype, &device);
        let adapter =
            DoraAdapter::from_tensors([vocabulary, d], config, path, magnitude, lora_a, lora_b)?;
        self.with_adapter(adapter)
    }

    /// Adds a given adapter ([`DoraAdapter::from_tensors`] with the sizes
    /// `[vocabulary, d]`) and freezes the weight.
    ///
    /// # Errors
    /// [`DoraError::AlreadyAttached`], [`DoraError::UnsupportedFlavour`], or
    /// [`DoraError::ShapeMismatch`] if the adapter was made for another size.
    pub fn with_adapter(self, adapter: DoraAdapter<B>) -> Result<Self, DoraError> {
        let path = adapter.path().to_owned();
        self.check_attachable(adapter.config(), &path)?;
        adapter.check_shapes([self.vocabulary(), self.d_model()])?;
        Ok(Self {
            weight: self.weight.set_require_grad(false),
            adapter: Some(adapter.with_precision(self.precision)),
            merged: MergedWeight(None),
            precision: self.precision,
        })
    }

    /// The checks of [`attach`](Self::attach) that need no arithmetic.
    pub(crate) fn check_attachable(
        &self,
        config: &DoraConfig,
        path: &str,
    ) -> Result<(), DoraError> {
        if let Some(adapter) = &self.adapter {
            return Err(DoraError::AlreadyAttached {
                path: path.to_owned(),
                attached: adapter.path().to_owned(),
            });
        }
        config.check_peft(path, "embedding")?;
        config.check_for(path, self.vocabulary(), self.d_model())
    }

    /// Drops the adapter. The weight is as before it, bit for bit, and stays
    /// frozen.
    pub fn detach(self) -> Self {
        Self {
            adapter: None,
            merged: MergedWeight(None),
            ..self
        }
    }

    /// The vectors `[n, tokens, d]` of `ids` `[n, tokens]`. Gradients flow to the
    /// adapter if there is one, else to the weight; to neither if merged.
    ///
    /// What an id of `vocabulary` or more does is the backend's own: `Flex`
    /// panics.
    pub fn forward(&self, ids: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        match (&self.merged.0, &self.adapter) {
            (Some(merged), _) => embedding(merged.clone(), ids),
            (None, Some(adapter)) => self.adapted(adapter, ids),
            (None, None) => embedding(self.weight.val(), ids),
        }
    }

    fn adapted(&self, adapter: &DoraAdapter<B>, ids: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        let weight = constant(self.weight.val());
        let dtype = weight.dtype();
        let ratio = adapter.peft_ratio(adapter.peft_norm(&weight));

        let base = embedding(weight, ids.clone());
        let hidden = embedding(adapter.lora_a.val().transpose(), ids);
        let update = linear(
            hidden,
            adapter.lora_b.val().transpose(),
            None,
            self.precision,
        )
        .mul_scalar(adapter.config().scaling());
        // As `merged_weight` does with all rows, so that a half type rounds alike.
        let wide = norm_dtype(dtype);
        to_dtype(
            (base.cast(wide) + update.cast(wide)) * ratio.unsqueeze(),
            dtype,
        )
    }

    /// The one weight `[vocabulary, d]` that does the work of base and adapter; the
    /// base weight without an adapter. Differentiable in the adapter.
    pub fn merged_weight(&self) -> Tensor<B, 2> {
        match &self.adapter {
            Some(adapter) => adapter.merged_weight(self.weight.val()),
            None => self.weight.val(),
        }
    }

    /// Computes [`merged_weight`](Self::merged_weight) once for all later forward
    /// passes, with what [`DoraLinear::merge`](crate::DoraLinear::merge) says of
    /// it. Without kernels the two compute the same operations on each element,
    /// and differ by no more than the product with B does when it has more rows.
    pub fn merge(self) -> Self {
        let merged = self
            .adapter
            .is_some()
            .then(|| constant(self.merged_weight()));
        Self {
            merged: MergedWeight(merged),
            ..self
        }
    }

    /// Undoes [`merge`](Self::merge), exactly: nothing had been overwritten.
    pub fn unmerge(self) -> Self {
        Self {
            merged: MergedWeight(None),
            ..self
        }
    }

    /// Whether forward passes use a merged weight.
    pub fn is_merged(&self) -> bool {
        self.merged.0.is_some()
    }

    /// A plain Burn embedding of the merged weight; the base and the adapter are
    /// gone. Without an adapter, its own parameter.
    pub fn into_embedding(self) -> Embedding<B> {
        let weight = match &self.adapter {
            Some(_) => Param::from_tensor(constant(self.merged_weight())),
            None => self.weight,
        };
        Embedding { weight }
    }
}
