use std::collections::BTreeSet;

use super::other_keys::{check_base_name, check_other};
use super::{InitLoraWeights, ModuleSelection, PeftSettings, TargetModules};
use crate::PeftError;
use crate::shown::shown;

/// Refuses settings that are out of range, contradict each other or are not supported.
pub(super) fn check(settings: &PeftSettings) -> Result<(), PeftError> {
    check_numbers(settings)?;
    check_modules(settings)?;
    check_layers(settings)?;
    check_init(&settings.init_lora_weights)?;
    if let Some(base) = &settings.base_model_name_or_path {
        check_base_name(base)?;
    }
    let mut others = settings.other.iter();
    others.try_for_each(|(key, value)| check_other(key, value))
}

fn refuse(key: &'static str, expected: &'static str, found: String) -> Result<(), PeftError> {
    Err(PeftError::Key {
        key,
        expected,
        found,
    })
}

fn check_numbers(settings: &PeftSettings) -> Result<(), PeftError> {
    if settings.r == 0 {
        return refuse("r", "an integer of at least 1", "0".to_owned());
    }
    if !settings.lora_alpha.is_finite() {
        let found = settings.lora_alpha.to_string();
        return refuse("lora_alpha", "a finite number", found);
    }
    if !(0.0..1.0).contains(&settings.lora_dropout) {
        let found = settings.lora_dropout.to_string();
        return refuse("lora_dropout", "a probability from 0 and below 1", found);
    }
    check_table(
        "rank_pattern",
        &settings.rank_pattern,
        |rank| *rank > 0,
        "integers of at least 1",
    )?;
    check_table(
        "alpha_pattern",
        &settings.alpha_pattern,
        |alpha| alpha.is_finite(),
        "finite numbers",
    )
}

fn check_table<V: ToString>(
    key: &'static str,
    table: &[(String, V)],
    in_range: impl Fn(&V) -> bool,
    range: &'static str,
) -> Result<(), PeftError> {
    let mut seen = BTreeSet::new();
    for (pattern, value) in table {
        let shown = shown(pattern);
        if !in_range(value) {
            let found = format!("{} for \"{shown}\"", value.to_string());
            return refuse(key, range, found);
        }
        if !seen.insert(pattern) {
            return refuse(key, "every pattern once", format!("\"{shown}\" twice"));
        }
    }
    Ok(())
}

fn check_modules(settings: &PeftSettings) -> Result<(), PeftError> {
    match &settings.target_modules {
        TargetModules::AllLinear => {}
        // In a file it would be read as the other one.
        TargetModules::Selected(ModuleSelection::Pattern(text))
            if text.to_lowercase() == "all-linear" =>
        {
            let found = format!("the pattern \"{text}\"");
            refuse("target_modules", "TargetModules::AllLinear", found)?;
        }
        TargetModules::Selected(targets) => check_selection("target_modules", targets)?,
    }
    if let Some(excluded) = &settings.exclude_modules {
        check_selection("exclude_modules", excluded)?;
    }
    check_named("modules_to_save", &settings.modules_to_save)?;
    check_named("layers_pattern", &settings.layers_pattern)
}

fn check_selection(key: &'static str, selection: &ModuleSelection) -> Result<(), PeftError> {
    let empty = match selection {
        ModuleSelection::Names(names) => names.is_empty(),
        ModuleSelection::Pattern(pattern) => pattern.is_empty(),
    };
    match selection {
        _ if empty => refuse(key, "at least one name", "none".to_owned()),
        ModuleSelection::Names(names) => check_named(key, names),
        ModuleSelection::Pattern(_) => Ok(()),
    }
}

fn check_named(key: &'static str, names: &[String]) -> Result<(), PeftError> {
    match names.iter().any(String::is_empty) {
        true => refuse(key, "names", "an empty one".to_owned()),
        false => Ok(()),
    }
}

/// As PEFT demands.
fn check_layers(settings: &PeftSettings) -> Result<(), PeftError> {
    let (layers, lists) = (&settings.layers_to_transform, &settings.layers_pattern);
    if layers.is_empty() && !lists.is_empty() {
        return refuse(
            "layers_pattern",
            "none, as `layers_to_transform` gives no indices",
            shown(&lists.join(", ")),
        );
    }
    match &settings.target_modules {
        TargetModules::Selected(ModuleSelection::Names(_)) => Ok(()),
        _ if layers.is_empty() => Ok(()),
        _ => refuse(
            "layers_to_transform",
            "none, as `target_modules` is no list of names",
            format!("{} indices", layers.len()),
        ),
    }
}

fn check_init(init: &InitLoraWeights) -> Result<(), PeftError> {
    let name = match init {
        InitLoraWeights::Default(_) => return Ok(()),
        InitLoraWeights::Named(name) => name,
    };
    if InitLoraWeights::KEEPS_BASE.contains(&name.to_lowercase().as_str()) {
        return Ok(());
    }
    Err(PeftError::Unsupported {
        key: "init_lora_weights".to_owned(),
        found: format!("\"{}\"", shown(name)),
        advice: "it changes the base's weights, which the adapter needs: save the adapter with \
                 PEFT's path_initial_model_for_weight_conversion, which makes it one of the \
                 unchanged base",
    })
}
