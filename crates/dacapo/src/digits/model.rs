use burn::{module::AutodiffModule, tensor::backend::AutodiffBackend};
use dacapo_dora::DoraTargets;
use dacapo_models::{ConvNet, Vit};
use dacapo_ops::Precision;
use dacapo_rng::Stream;
use serde_json::{Value, json};

use super::Classifier;
use crate::{
    CliError,
    config::{ModelConfig, ModelKind},
};

/// A model that the digits can be trained on.
pub trait DigitsModel<B: AutodiffBackend>:
    AutodiffModule<B, InnerModule: Classifier<B::InnerBackend>> + Classifier<B> + DoraTargets<B>
{
    /// A model with fresh weights from `stream`.
    ///
    /// # Errors
    /// Sizes that do not fit each other.
    fn random(
        config: &ModelConfig,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, CliError>;

    /// The same model with its matrix products in `precision`.
    fn with_precision(self, precision: Precision) -> Self;
}

impl<B: AutodiffBackend> DigitsModel<B> for Vit<B> {
    fn random(
        config: &ModelConfig,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, CliError> {
        Ok(Vit::init(&config.vit, stream, device)?)
    }

    fn with_precision(self, precision: Precision) -> Self {
        Vit::with_precision(self, precision)
    }
}

impl<B: AutodiffBackend> DigitsModel<B> for ConvNet<B> {
    fn random(
        config: &ModelConfig,
        stream: &mut Stream,
        device: &B::Device,
    ) -> Result<Self, CliError> {
        Ok(ConvNet::init(&config.conv_net, stream, device)?)
    }

    fn with_precision(self, precision: Precision) -> Self {
        ConvNet::with_precision(self, precision)
    }
}

/// What decides whether weights fit a model: kind and sizes.
pub(crate) fn architecture(config: &ModelConfig) -> Result<Value, CliError> {
    let mut value = match config.kind {
        ModelKind::Vit => json!({ "kind": config.kind, "sizes": config.vit }),
        ModelKind::ConvNet => json!({ "kind": config.kind, "sizes": config.conv_net }),
        ModelKind::Clip | ModelKind::Bert => return Err(no_classifier(config.kind)),
    };
    if let Some(sizes) = value["sizes"].as_object_mut() {
        sizes.remove("dropout");
    }
    Ok(value)
}

/// Of a kind of model that another job trains.
pub(crate) fn no_classifier(kind: ModelKind) -> CliError {
    let (kind, section) = match kind {
        ModelKind::Bert => ("bert", "sentences"),
        _ => ("clip", "clip"),
    };
    CliError::input(
        format!("model.kind = \"{kind}\" is no classifier of digits"),
        format!(
            "Train it with `dacapo train` and a [{section}] section, or use \"vit\" or \"conv-net\""
        ),
    )
}
