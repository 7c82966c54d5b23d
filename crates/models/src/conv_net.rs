use std::collections::BTreeMap;

use burn::module::{Module, RunningState};
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Tensor, activation::relu, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear, DoraTargets, KeyedDropout};
use dacapo_ops::Precision;
use dacapo_rng::{DropoutKey, Stream};

use crate::init::uniform;
use crate::{ConvNetConfig, ModelsError};

const KERNEL: usize = 3;

/// A small convolutional net with batch normalisation (Ioffe and Szegedy,
/// 2015): 3x3 convolution, norm, ReLU, twice, the second with stride 2; then
/// a linear head on all features. It is here because its running statistics
/// are state that no optimizer knows of.
///
/// Stable paths: `conv1`, `norm1`, `conv2`, `norm2`, `head`; the buffers are
/// `norm1.running_mean`, `norm1.running_var`, `norm2.running_mean`,
/// `norm2.running_var`.
///
/// # The running statistics
///
/// As in Burn, the *backend* chooses the mode: on an autodiff backend batches
/// are normalised by their own statistics and the running ones move; on a
/// plain backend (`model.valid()`) the running ones are used and stay. Burn
/// updates them with the biased batch variance (PyTorch: the unbiased one).
///
/// They live behind a lock that [`Clone`] shares: training a clone moves the
/// statistics of the original too, and `Module::map` over a clone writes them
/// into both. [`with_buffers`](Self::with_buffers) gives a model statistics
/// of its own.
///
/// Burn also keeps the latest update aside, so that `Module::visit` sees
/// statistics that are one step old. [`forward`](Self::forward) settles them
/// at once: visitors and [`buffers`](Self::buffers) see what a record holds.
/// Forward passes of one model in several threads at once would be averaged
/// in no fixed order; do not do that.
#[derive(Module, Debug)]
pub struct ConvNet<B: Backend> {
    /// `[channels[0], 1, 3, 3]`, stride 1, padding 1.
    pub conv1: Conv2d<B>,
    /// Over `channels[0]`.
    pub norm1: BatchNorm<B>,
    /// `[channels[1], channels[0], 3, 3]`, stride 2, padding 1.
    pub conv2: Conv2d<B>,
    /// Over `channels[1]`.
    pub norm2: BatchNorm<B>,
    /// `[features, classes]`; features are channel by channel, row by row.
    pub head: DoraLinear<B>,
    #[module(skip)]
    dropout: KeyedDropout,
    #[module(skip)]
    config: ConvNetConfig,
}

impl<B: Backend> ConvNet<B> {
    /// A new model in the device's default float type. Draws, in this order:
    /// weight and bias of `conv1`, of `conv2` (uniform within
    /// `1/sqrt(fan_in)`), and of `head` (as [`DoraLinear::init`]). Norms start
    /// at one and zero.
    ///
    /// # Errors
    /// Those of [`ConvNetConfig::validate`]; nothing is drawn then.
    pub fn init(
        config: &ConvNetConfig,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, ModelsError> {
        config.validate()?;
        let [first, second] = config.channels;
        // Ones and zeros: no draws.
        let norm = |channels| BatchNormConfig::new(channels).init(device);
        Ok(Self {
            conv1: conv([1, first], 1, stream, device),
            norm1: norm(first),
            conv2: conv([first, second], 2, stream, device),
            norm2: norm(second),
            head: DoraLinear::init(config.features(), config.classes, true, stream, device),
            dropout: KeyedDropout::new(config.dropout, "dropout"),
            config: config.clone(),
        })
    }

    /// The same model with the matrix products of its head in `precision`; F32
    /// before. The convolutions are Burn's, as the backend computes them. Not
    /// part of the record.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self {
            head: self.head.with_precision(precision),
            ..self
        }
    }

    /// The sizes this model was made with.
    pub fn config(&self) -> &ConvNetConfig {
        &self.config
    }

    /// Logits `[n, classes]` of `images` `[n, image_size, image_size]` in
    /// `[0, 1]`. Without a `dropout` key nothing is dropped; it has no say in
    /// the normalisation (see [the running statistics](Self)).
    ///
    /// # Panics
    /// If the images are not of the configured size.
    pub fn forward(&self, images: Tensor<B, 3>, dropout: Option<&DropoutKey>) -> Tensor<B, 2> {
        let [n, height, width] = images.dims();
        let side = self.config.image_size;
        assert!(
            height == side && width == side,
            "ConvNet::forward: expected images of {side}x{side}, found {height}x{width}; resize \
             them or set the model's image_size"
        );
        let x = self.conv1.forward(images.reshape([n, 1, side, side]));
        let x = relu(normalise(&self.norm1, x));
        let x = relu(normalise(&self.norm2, self.conv2.forward(x)));
        let x = x.reshape([n, self.config.features()]);
        self.head.forward(self.dropout.apply(x, dropout), dropout)
    }

    /// The running statistics by stable path, each `[channels]`.
    pub fn buffers(&self) -> BTreeMap<String, Tensor<B, 1>> {
        let state = |state: &RunningState<Tensor<B, 1>>| state.value_sync();
        BTreeMap::from([
            (
                "norm1.running_mean".to_owned(),
                state(&self.norm1.running_mean),
            ),
            (
                "norm1.running_var".to_owned(),
                state(&self.norm1.running_var),
            ),
            (
                "norm2.running_mean".to_owned(),
                state(&self.norm2.running_mean),
            ),
            (
                "norm2.running_var".to_owned(),
                state(&self.norm2.running_var),
            ),
        ])
    }

    /// This model with the statistics `buffers`, shared with no other model.
    /// `model.clone().with_buffers(model.buffers())` is a copy that can be
    /// trained on its own.
    ///
    /// # Errors
    /// [`ModelsError::Buffer`] if one is missing, is not of this model, or has
    /// another shape or float type.
    pub fn with_buffers(
        mut self,
        mut buffers: BTreeMap<String, Tensor<B, 1>>,
    ) -> Result<Self, ModelsError> {
        let slots = [
            ("norm1.running_mean", &mut self.norm1.running_mean),
            ("norm1.running_var", &mut self.norm1.running_var),
            ("norm2.running_mean", &mut self.norm2.running_mean),
            ("norm2.running_var", &mut self.norm2.running_var),
        ];
        for (path, slot) in slots {
            let describe = |t: &Tensor<B, 1>| format!("{:?} of {:?}", t.dtype(), t.dims());
            let refuse = |expected, found| ModelsError::Buffer {
                path: path.to_owned(),
                expected,
                found,
            };
            let expected = describe(&slot.value_sync());
            let Some(value) = buffers.remove(path) else {
                return Err(refuse(expected, "nothing".to_owned()));
            };
            let found = describe(&value);
            if found != expected {
                return Err(refuse(expected, found));
            }
            *slot = RunningState::new(value);
        }
        match buffers.pop_first() {
            None => Ok(self),
            Some((path, _)) => Err(ModelsError::Buffer {
                path,
                expected: "no such buffer".to_owned(),
                found: "one".to_owned(),
            }),
        }
    }
}

impl<B: Backend> DoraTargets<B> for ConvNet<B> {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            head: f("head", self.head)?,
            ..self
        })
    }
}

fn conv<B: Backend>(
    [inputs, outputs]: [usize; 2],
    stride: usize,
    stream: &mut Stream,
    device: &B::Device,
) -> Conv2d<B> {
    let bound = 1.0 / ((inputs * KERNEL * KERNEL) as f64).sqrt();
    Conv2d {
        weight: uniform([outputs, inputs, KERNEL, KERNEL], bound, stream, device),
        bias: Some(uniform([outputs], bound, stream, device)),
        stride: [stride; 2],
        kernel_size: [KERNEL; 2],
        dilation: [1; 2],
        groups: 1,
        padding: PaddingConfig2d::Explicit(1, 1, 1, 1),
    }
}

fn normalise<B: Backend>(norm: &BatchNorm<B>, x: Tensor<B, 4>) -> Tensor<B, 4> {
    let y = norm.forward(x);
    // Folds the update that `forward` has put aside into the value that
    // `Module::visit` reads. With one thread's update this changes no bit.
    norm.running_mean.value_sync();
    norm.running_var.value_sync();
    y
}
