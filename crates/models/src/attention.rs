use burn::module::Module;
use burn::tensor::{Tensor, TensorData, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear, KeyedDropout};
use dacapo_ops::{Precision, matmul, scaled_softmax, single_query_attention, swap_heads};
use dacapo_rng::DropoutKey;

use crate::block_config::BlockConfig;
use crate::initial::Initial;
use crate::readout::Asking;

/// Multi-head self-attention (Vaswani et al., "Attention Is All You Need",
/// 2017) whose four projections can each carry an adapter.
#[derive(Module, Debug)]
pub struct Attention<B: Backend> {
    /// Queries, `[d_model, d_model]`.
    pub query: DoraLinear<B>,
    /// Keys, `[d_model, d_model]`.
    pub key: DoraLinear<B>,
    /// Values, `[d_model, d_model]`.
    pub value: DoraLinear<B>,
    /// What the heads' concatenated outputs go through, `[d_model, d_model]`.
    pub out_proj: DoraLinear<B>,
    heads: usize,
    causal: bool,
    #[module(skip)]
    pub(crate) dropout: KeyedDropout,
    #[module(skip)]
    precision: Precision,
}

impl<B: Backend> Attention<B> {
    /// Draws query, key, value, out_proj in that order. `path` is this
    /// module's stable path.
    pub(crate) fn init(config: &BlockConfig, path: &str, initial: &mut impl Initial<B>) -> Self {
        let d = config.d_model;
        let mut linear = || initial.linear(d, d, true);
        Self {
            query: linear(),
            key: linear(),
            value: linear(),
            out_proj: linear(),
            heads: config.heads,
            causal: config.causal,
            dropout: KeyedDropout::new(config.dropout, format!("{path}.dropout")),
            precision: Precision::F32,
        }
    }

    /// Of the products of queries, keys and values; those of the projections
    /// are their own.
    pub(crate) fn set_precision(&mut self, precision: Precision) {
        self.precision = precision;
    }

    /// `[n, tokens, d_model]` to the same shape.
    pub fn forward(&self, x: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let joined = self.joined(x, None, dropout);
        self.project(joined, dropout)
    }

    /// The heads' outputs side by side, which `out_proj` gets: of all tokens of `x`
    /// `[n, tokens, d_model]`, or of those that are `asking`.
    pub(crate) fn joined(
        &self,
        x: Tensor<B, 3>,
        asking: Option<Asking<'_, B>>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let asking = match asking {
            Some(asking) if self.key.adapter.is_none() && self.value.adapter.is_none() => {
                return self.joined_of_one(x, asking, dropout);
            }
            asking => asking,
        };
        let only = asking.as_ref().map(|asking| asking.readout);
        let asking = match &asking {
            Some(asking) => asking.tokens.clone(),
            None => x.clone(),
        };
        let mask = self.causal.then(|| {
            let [n, tokens, _] = x.dims();
            let mask = match only {
                Some(only) => only.causal_mask(n, tokens),
                None => TensorData::new(causal_mask(tokens), [1, 1, tokens, tokens]),
            };
            Tensor::from_data(mask, (&x.device(), x.dtype()))
        });
        self.attend(asking, x, mask, dropout)
    }

    /// [`joined`](Self::joined) of all tokens, with `padding` `[n, 1, 1, tokens]` added to the scores:
    /// minus infinity for tokens that nobody is to attend to.
    pub(crate) fn joined_beside_padding(
        &self,
        x: Tensor<B, 3>,
        padding: Tensor<B, 4>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        self.attend(x.clone(), x, Some(padding), dropout)
    }

    /// The heads' outputs of `asking`, which attends to `x`; `mask` is added to the scores
    /// `[n, heads, asking, x]`.
    fn attend(
        &self,
        asking: Tensor<B, 3>,
        x: Tensor<B, 3>,
        mask: Option<Tensor<B, 4>>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let [n, queries, d_model] = asking.dims();
        let d_head = d_model / self.heads;
        let split = |y: Tensor<B, 3>| {
            let [n, tokens, _] = y.dims();
            swap_heads(y.reshape([n, tokens, self.heads, d_head]))
        };
        let query = split(self.query.forward(asking, dropout));
        let key = split(self.key.forward(x.clone(), dropout));
        let value = split(self.value.forward(x, dropout));

        let mut scores = matmul(query, key.swap_dims(2, 3), self.precision);
        if let Some(mask) = mask {
            scores = scores + mask;
        }
        let shares = scaled_softmax(scores, (d_head as f64).sqrt().recip());
        let heads = matmul(shares, value, self.precision);
        swap_heads(heads).reshape([n, queries, d_model])
    }

    /// [`joined`](Self::joined) of one token of each sequence, without keys and values of all tokens:
    /// for a head, q · (W_k^T h + b_k) = (W_k q) · h + q · b_k, and the shares' sum of W_v^T h + b_v is
    /// W_v^T applied to that of h, and b_v. So for each sequence `heads` rows of `d_model` are
    /// multiplied by all tokens, and not two matrices of `d_model` rows.
    fn joined_of_one(
        &self,
        x: Tensor<B, 3>,
        asking: Asking<'_, B>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        let only = asking.readout;
        let [n, tokens, d_model] = x.dims();
        let (heads, d_head) = (self.heads, d_model / self.heads);
        // `[heads, d_model, d_head]`
        let by_head = |layer: &DoraLinear<B>| {
            let weight = layer.weight.val().reshape([d_model, heads, d_head]);
            weight.swap_dims(0, 1)
        };
        let query = self.query.forward(asking.tokens, dropout);
        let query = query.reshape([n, heads, d_head]);
        let asking = matmul(
            query.clone().swap_dims(0, 1),
            by_head(&self.key).swap_dims(1, 2),
            self.precision,
        );
        let asking = asking.swap_dims(0, 1);
        let scale = (d_head as f64).sqrt().recip();
        // The same for all tokens, which the softmax does not see; but a bias that is trained has
        // a gradient, if only of zeros.
        let bias = self.key.bias.as_ref().filter(|bias| bias.is_require_grad());
        let mixed = match (bias, self.causal) {
            (None, false) => single_query_attention(asking, x, scale, self.precision),
            _ => {
                // `x` on the left, so that its gradient lies as it does, `[n, tokens, d_model]`.
                let scores = matmul(x.clone(), asking.swap_dims(1, 2), self.precision);
                let mut scores = scores.swap_dims(1, 2);
                if let Some(bias) = bias {
                    let bias = bias.val().reshape([1, heads, d_head]);
                    scores = scores + (query * bias).sum_dim(2);
                }
                if self.causal {
                    let mask = only.causal_mask(n, tokens);
                    let mask = Tensor::<B, 4>::from_data(mask, (&scores.device(), scores.dtype()));
                    scores = scores + mask.reshape([n, 1, tokens]);
                }
                matmul(scaled_softmax(scores, scale), x, self.precision)
            }
        };
        let mixed = mixed.swap_dims(0, 1);
        let joined = matmul(mixed, by_head(&self.value), self.precision);
        let joined = joined.swap_dims(0, 1).reshape([n, 1, d_model]);
        match &self.value.bias {
            Some(bias) => joined + bias.val().unsqueeze(),
            None => joined,
        }
    }

    /// What comes after [`joined`](Self::joined).
    fn project(&self, joined: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 3> {
        let y = self.out_proj.forward(joined, dropout);
        self.dropout.apply(y, dropout)
    }

    /// The same, added to `beside`.
    pub(crate) fn project_onto(
        &self,
        beside: Tensor<B, 3>,
        joined: Tensor<B, 3>,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 3> {
        match self.dropout.is_active(dropout) {
            true => beside + self.project(joined, dropout),
            false => self.out_proj.forward_onto(beside, joined, dropout),
        }
    }

    pub(crate) fn map_linears<F>(self, path: &str, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            query: f(&format!("{path}.query"), self.query)?,
            key: f(&format!("{path}.key"), self.key)?,
            value: f(&format!("{path}.value"), self.value)?,
            out_proj: f(&format!("{path}.out_proj"), self.out_proj)?,
            ..self
        })
    }
}

/// `[tokens, tokens]`, to be added to the scores: 0 up to the diagonal, and minus
/// infinity after it.
fn causal_mask(tokens: usize) -> Vec<f32> {
    (0..tokens * tokens)
        .map(|at| {
            let after = at % tokens > at / tokens;
            if after { f32::NEG_INFINITY } else { 0.0 }
        })
        .collect()
}
