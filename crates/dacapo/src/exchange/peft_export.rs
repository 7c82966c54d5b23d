use std::{collections::BTreeMap, path::Path};

use burn::tensor::TensorData;
use dacapo_dora::{AdapterInit, Flavour};
use dacapo_peft::{
    InitLoraWeights, LayerKind, Matrix, PeftAdapter, PeftConfig, PeftError, PeftLayer,
    PeftSettings, TargetModules,
};

use super::{TrainedLayer, TrainedModel};
use crate::{
    CliError,
    config::{AdaptConfig, AdaptMode},
};

const MERGE: &str = "Write the whole model with `dacapo merge`";

/// The adapters of a run as PEFT's, for the base model that is called `base`.
///
/// # Errors
/// What PEFT has no place for or computes otherwise: another flavour, a base that was changed by
/// what the adapters began with, a layer that is none there, tensors that were trained besides.
pub(crate) fn peft_adapter(
    trained: &TrainedModel,
    adapt: &AdaptConfig,
    base: String,
) -> Result<PeftAdapter, CliError> {
    check(trained, adapt)?;
    let mut layers = BTreeMap::new();
    let (mut ranks, mut alphas) = (Vec::new(), Vec::new());
    for (path, layer) in &trained.layers {
        let architecture = trained.model.architecture();
        let (module, kind) = match architecture.hugging_face_convolution(path) {
            Some((module, kernel)) => (Some(module), LayerKind::Conv { kernel }),
            None => (architecture.hugging_face_module(path), LayerKind::Linear),
        };
        let module = module.ok_or_else(|| {
            refuse(format!(
                "{path} has an adapter, and is no layer of its own in transformers"
            ))
        })?;
        if layer.config.rank != adapt.rank {
            ranks.push((module.clone(), layer.config.rank));
        }
        if layer.config.alpha != adapt.alpha {
            alphas.push((module.clone(), layer.config.alpha));
        }
        layers.insert(module, peft_layer(path, layer, kind)?);
    }
    let settings = PeftSettings {
        lora_dropout: adapt.dropout,
        use_dora: adapt.flavour == Flavour::Peft,
        use_rslora: adapt.rslora,
        rank_pattern: ranks,
        alpha_pattern: alphas,
        init_lora_weights: match adapt.init {
            AdapterInit::Gaussian => InitLoraWeights::Named("gaussian".to_owned()),
            _ => InitLoraWeights::Default(true),
        },
        base_model_name_or_path: Some(base),
        ..PeftSettings::new(
            adapt.rank,
            adapt.alpha,
            TargetModules::names(layers.keys().cloned()),
        )
    };
    let config = PeftConfig::new(settings)?;
    Ok(PeftAdapter::new(config, layers, BTreeMap::new())?)
}

/// What published weights are called: the name of their folder.
pub(crate) fn base_name(weights: &Path) -> Result<String, CliError> {
    let folder = match weights.is_dir() {
        true => Some(weights),
        false => weights.parent(),
    };
    let name = folder
        .and_then(Path::file_name)
        .and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| {
        CliError::input(
            format!("{} is in no folder with a name", weights.display()),
            "Say what the base model is called with --base-model",
        )
    })
}

fn refuse(what: String) -> CliError {
    CliError::input(format!("the run cannot be exported as peft: {what}"), MERGE)
}

fn check(trained: &TrainedModel, adapt: &AdaptConfig) -> Result<(), CliError> {
    if adapt.mode == AdaptMode::Full {
        return Err(refuse(
            "it has no adapters, as adapt.mode is \"full\"".to_owned(),
        ));
    }
    match adapt.flavour {
        Flavour::Peft | Flavour::Lora => {}
        _ => {
            return Err(refuse(
                "adapt.flavour is \"clip-hba\", which computes another function of the same \
                 tensors than PEFT's DoRA"
                    .to_owned(),
            ));
        }
    }
    if adapt.init.takes_from_base() {
        return Err(refuse(format!(
            "adapt.init is {:?}: what the adapters began with was taken out of the base, so that \
             they belong to other weights than the published ones",
            adapt.init.name()
        )));
    }
    match trained.others.keys().next() {
        None => Ok(()),
        Some(path) => Err(refuse(format!(
            "{path} was trained besides the adapters (adapt.also_train)"
        ))),
    }
}

fn peft_layer(path: &str, layer: &TrainedLayer, kind: LayerKind) -> Result<PeftLayer, CliError> {
    let values = |data: &TensorData| {
        data.to_vec::<f32>()
            .map_err(|_| refuse(format!("the adapter of {path} is in {:?}", data.dtype)))
    };
    let matrix = |data: &TensorData| match data.shape.as_slice() {
        &[rows, columns] => {
            let matrix = Matrix::new(rows, columns, values(data)?);
            matrix.map_err(|error| at(path, error))
        }
        shape => Err(refuse(format!("a factor of {path} has shape {shape:?}"))),
    };
    let magnitude = layer.magnitude.as_ref().map(values).transpose()?;
    PeftLayer::new(
        kind,
        matrix(&layer.lora_a)?,
        matrix(&layer.lora_b)?,
        magnitude,
    )
    .map_err(|error| at(path, error))
}

/// The error with the path of its layer.
fn at(path: &str, error: PeftError) -> CliError {
    PeftError::In {
        place: path.to_owned(),
        source: Box::new(error),
    }
    .into()
}
