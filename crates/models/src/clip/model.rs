use burn::module::{Module, Param};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use dacapo_dora::{DoraError, DoraLinear, DoraTargets, set_precision};
use dacapo_ops::{Precision, l2_normalise, matmul};
use dacapo_rng::{DropoutKey, Stream};

use super::{ClipConfig, TextTower, TokenBatch, VisionTower};
use crate::ModelsError;
use crate::initial::{Drawn, Initial, Zeros};

/// CLIP: an image and a text transformer that share a space of features.
///
/// Stable paths: `logit_scale`; `visual.{patch_embed,class_token,positions,norm_pre,
/// norm_post,projection}`, `visual.blocks.<i>.{norm1,norm2}`,
/// `visual.blocks.<i>.attn.{query,key,value,out_proj}`,
/// `visual.blocks.<i>.mlp.{fc1,fc2}`; `text.{token_embed,positions,norm,projection}`
/// and `text.blocks.<i>` alike.
#[derive(Module, Debug)]
pub struct Clip<B: Backend> {
    /// The image transformer.
    pub visual: VisionTower<B>,
    /// The text transformer.
    pub text: TextTower<B>,
    /// `[1]`, the logarithm of what cosines are multiplied by.
    pub logit_scale: Param<Tensor<B, 1>>,
    #[module(skip)]
    precision: Precision,
    #[module(skip)]
    config: ClipConfig,
}

impl<B: Backend> Clip<B> {
    /// Of what a forward pass computes, and in which order: grows with every change of its bits.
    pub const VERSION: u32 = 4;

    /// A new model in the device's default float type. Draws the image transformer, then
    /// the text transformer, each in the order of its fields, tokens and positions
    /// normal with deviation 0.02, linear layers as [`DoraLinear::init`]. Norms start at
    /// one and zero, the logit scale at ln(1/0.07).
    ///
    /// # Errors
    /// Those of [`ClipConfig::validate`]; nothing is drawn then.
    pub fn init(
        config: &ClipConfig,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, ModelsError> {
        Self::with_initial(config, &mut Drawn { stream, device })
    }

    /// A model of zeros, for weights to be loaded over.
    ///
    /// # Errors
    /// Those of [`ClipConfig::validate`].
    pub fn zeros(config: &ClipConfig, device: &B::Device) -> Result<Self, ModelsError> {
        Self::with_initial(config, &mut Zeros { device })
    }

    fn with_initial(
        config: &ClipConfig,
        initial: &mut impl Initial<B>,
    ) -> Result<Self, ModelsError> {
        config.validate()?;
        let visual = VisionTower::init(config, initial);
        let text = TextTower::init(config, initial);
        let scale = TensorData::new(vec![LOGIT_SCALE], [1]);
        let scale = Tensor::from_data(scale, initial.device());
        Ok(Self {
            visual,
            text,
            logit_scale: Param::from_tensor(scale),
            precision: Precision::F32,
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
        let blocks = model.visual.blocks.iter_mut();
        for block in blocks.chain(&mut model.text.blocks) {
            block.attn.set_precision(precision);
        }
        Self { precision, ..model }
    }

    /// The sizes this model was made with.
    pub fn config(&self) -> &ClipConfig {
        &self.config
    }

    /// Logits `[images, texts]`: exp(logit_scale) times the cosine of each image's and
    /// each text's features. Images are normalised, `[n, 3, image_size, image_size]`.
    ///
    /// # Panics
    /// If images or texts do not fit the configuration.
    pub fn forward(
        &self,
        images: Tensor<B, 4>,
        texts: &TokenBatch,
        dropout: Option<&DropoutKey>,
    ) -> Tensor<B, 2> {
        let images = self.visual.forward(images, dropout);
        let texts = self.text.forward(texts, dropout);
        self.logits(images, texts)
    }

    /// Logits `[images, texts]` of features `[.., d_embed]`.
    pub fn logits(&self, images: Tensor<B, 2>, texts: Tensor<B, 2>) -> Tensor<B, 2> {
        let cosines = matmul(
            l2_normalise(images),
            l2_normalise(texts).transpose(),
            self.precision,
        );
        cosines * self.logit_scale.val().exp().unsqueeze()
    }
}

/// ln(1/0.07), written out: the C library's logarithm may have another last bit.
const LOGIT_SCALE: f64 = 2.659_260_036_932_778;

impl<B: Backend> DoraTargets<B> for Clip<B> {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            visual: self.visual.map_linears(f)?,
            text: self.text.map_linears(f)?,
            ..self
        })
    }
}
