use std::collections::{BTreeMap, BTreeSet};

use crate::config::endings;
use crate::names::{INSERTED, PREFIX, Role, is_quantised};
use crate::shown::shown;
use crate::{
    LayerKind, ModuleSelection, PeftConfig, PeftError, PeftLayer, PeftSettings, TargetModules,
    Tensor,
};

/// Whether configuration and tensors agree, and all can be written under names that are read as
/// the same.
pub(crate) fn check_adapter(
    config: &PeftConfig,
    layers: &BTreeMap<String, PeftLayer>,
    saved: &BTreeMap<String, Tensor>,
) -> Result<(), PeftError> {
    if layers.is_empty() {
        return Err(PeftError::Empty);
    }
    for (module, layer) in layers {
        check_path(module)?;
        check_layer(config, module, layer)
            .map_err(|error| error.at(format!("layer `{}`", shown(module))))?;
    }
    check_targets(config.settings(), layers)?;
    for name in saved.keys() {
        check_saved(config.settings(), layers, name)?;
    }
    check_saved_modules(config.settings(), saved)
}

/// Whether a path, of a module or a tensor, is one of the base's own.
fn check_path(path: &str) -> Result<(), PeftError> {
    let refuse = |why| {
        Err(PeftError::ModuleName {
            found: shown(path),
            why,
        })
    };
    if path.starts_with(PREFIX) {
        return refuse(", which has PEFT's prefix; leave it out");
    }
    for part in path.split('.') {
        if part.is_empty() || part.contains(char::is_control) {
            return refuse(", which has an empty part or one that is no text; rename it");
        }
        if INSERTED.contains(&part) {
            return refuse(
                ", which has a part that PEFT inserts: an adapter of an adapter, of attention \
                 in one module (torch.nn.MultiheadAttention) or of single parameters; merge it \
                 with PEFT's merge_and_unload",
            );
        }
    }
    Ok(())
}

fn check_layer(config: &PeftConfig, module: &str, layer: &PeftLayer) -> Result<(), PeftError> {
    let settings = config.settings();
    if let Some(why) = config.refusal(module) {
        return Err(PeftError::LayerWithoutTarget { why });
    }
    let all_linear = settings.target_modules == TargetModules::AllLinear;
    if all_linear && *layer.kind() != LayerKind::Linear {
        let why = "that is not linear, and `target_modules` is \"all-linear\"";
        return Err(PeftError::LayerWithoutTarget { why });
    }
    let expected = config.rank_of(module);
    if layer.rank() != expected {
        return Err(PeftError::WrongRank {
            expected,
            found: layer.rank(),
        });
    }
    match (settings.use_dora, layer.magnitude().is_some()) {
        (true, false) => Err(PeftError::MissingMagnitude),
        (false, true) => Err(PeftError::UnexpectedMagnitude),
        _ => Ok(()),
    }
}

/// Whether every name in `target_modules` is that of a layer.
fn check_targets(
    settings: &PeftSettings,
    layers: &BTreeMap<String, PeftLayer>,
) -> Result<(), PeftError> {
    let TargetModules::Selected(ModuleSelection::Names(names)) = &settings.target_modules else {
        return Ok(());
    };
    let endings: BTreeSet<&str> = layers.keys().flat_map(|module| endings(module)).collect();
    match names.iter().find(|name| !endings.contains(name.as_str())) {
        None => Ok(()),
        Some(name) => Err(PeftError::TargetWithoutLayer {
            target: shown(name),
        }),
    }
}

fn check_saved(
    settings: &PeftSettings,
    layers: &BTreeMap<String, PeftLayer>,
    name: &str,
) -> Result<(), PeftError> {
    let refuse = |why| {
        Err(PeftError::UnknownTensor {
            tensor: shown(name),
            why,
        })
    };
    if is_quantised(name) {
        return Err(PeftError::QuantisedBase {
            found: format!("tensor `{}`", shown(name)),
            advice: "save it without the base's weights",
        });
    }
    check_path(name)?;
    if Role::of(name) != Role::Other(name.to_owned()) {
        return refuse(", which is read as a part of an adapter");
    }
    let module = name.rsplit_once('.').map(|(module, _)| module);
    let of_layer = module.is_some_and(|module| layers.contains_key(module));
    let mut listed = settings.modules_to_save.iter();
    if of_layer || listed.any(|wanted| is_within(name, wanted)) {
        return Ok(());
    }
    refuse("")
}

/// Whether a tensor lies in a module whose path ends with `wanted`: PEFT's rule, in which it need
/// not begin at a dot.
fn is_within(name: &str, wanted: &str) -> bool {
    let mut modules = name.match_indices('.').map(|(dot, _)| &name[..dot]);
    modules.any(|module| module.ends_with(wanted))
}

/// Whether every name in `modules_to_save` has tensors, but for those that PEFT adds for a task
/// whether there is such a module or not.
fn check_saved_modules(
    settings: &PeftSettings,
    saved: &BTreeMap<String, Tensor>,
) -> Result<(), PeftError> {
    let added: &[&str] = match settings.task_type.as_deref() {
        Some("SEQ_CLS" | "TOKEN_CLS") => &["classifier", "score"],
        Some("QUESTION_ANS") => &["qa_outputs"],
        _ => &[],
    };
    let missing = settings.modules_to_save.iter().find(|module| {
        !added.contains(&module.as_str()) && !saved.keys().any(|name| is_within(name, module))
    });
    match missing {
        None => Ok(()),
        Some(module) => Err(PeftError::SavedWithoutTensor {
            module: shown(module),
        }),
    }
}
