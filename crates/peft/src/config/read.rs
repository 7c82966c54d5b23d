use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{InitLoraWeights, ModuleSelection, OrderedMap, PeftSettings, TargetModules};
use crate::PeftError;
use crate::shown::shown;

/// The keys that have a field of their own.
pub(super) const TYPED: [&str; 19] = [
    "alpha_pattern",
    "base_model_name_or_path",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "modules_to_save",
    "peft_type",
    "peft_version",
    "r",
    "rank_pattern",
    "revision",
    "target_modules",
    "task_type",
    "use_dora",
    "use_rslora",
];

/// What the bytes of `adapter_config.json` say.
pub(super) fn settings(bytes: &[u8]) -> Result<PeftSettings, PeftError> {
    let OrderedMap(entries) =
        serde_json::from_slice::<OrderedMap<Box<RawValue>>>(bytes).map_err(|error| {
            PeftError::Json {
                found: shown(&error.to_string()),
            }
        })?;
    let mut keys = Keys(entries.into_iter().collect());
    keys.peft_type()?;
    let r = keys.required("r", "an integer of at least 1")?;
    let Number(lora_alpha) = keys.required("lora_alpha", "a number")?;
    let targets = keys.required("target_modules", NAMES_OR_PATTERN)?;
    let text = "a text";
    let layers = "an index or a list of indices from 0";
    Ok(PeftSettings {
        lora_dropout: match keys.optional("lora_dropout", "a number")? {
            Some(Number(dropout)) => dropout,
            None => 0.0,
        },
        use_dora: keys.flag("use_dora")?,
        use_rslora: keys.flag("use_rslora")?,
        exclude_modules: match keys
            .optional::<OneOrMany<String>>("exclude_modules", NAMES_OR_PATTERN)?
        {
            Some(OneOrMany::Many(names)) if names.is_empty() => None,
            Some(OneOrMany::One(pattern)) if pattern.is_empty() => None,
            selection => selection.map(OneOrMany::selection),
        },
        layers_to_transform: match keys.optional("layers_to_transform", layers)? {
            Some(OneOrMany::One(index)) => vec![index],
            Some(OneOrMany::Many(indices)) => indices,
            None => Vec::new(),
        },
        layers_pattern: match keys.optional::<OneOrMany<String>>("layers_pattern", LISTS)? {
            Some(OneOrMany::One(list)) if list.is_empty() => Vec::new(),
            Some(OneOrMany::One(list)) => vec![list],
            Some(OneOrMany::Many(lists)) => lists,
            None => Vec::new(),
        },
        rank_pattern: keys.table("rank_pattern", "a table of integers of at least 1")?,
        alpha_pattern: keys
            .table("alpha_pattern", "a table of numbers")?
            .into_iter()
            .map(|(pattern, Number(alpha))| (pattern, alpha))
            .collect(),
        modules_to_save: keys
            .optional("modules_to_save", "a list of names")?
            .unwrap_or_default(),
        init_lora_weights: keys
            .optional("init_lora_weights", "true, false or a name")?
            .unwrap_or(InitLoraWeights::Default(true)),
        inference_mode: keys.flag("inference_mode")?,
        task_type: keys.optional("task_type", text)?,
        base_model_name_or_path: keys.optional("base_model_name_or_path", text)?,
        revision: keys.optional("revision", text)?,
        peft_version: keys.optional("peft_version", text)?,
        other: keys.rest()?,
        ..PeftSettings::new(r, lora_alpha, target_modules(targets))
    })
}

const NAMES_OR_PATTERN: &str = "a list of names or a regular expression";
const LISTS: &str = "a regular expression or a list of them";

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl OneOrMany<String> {
    fn selection(self) -> ModuleSelection {
        match self {
            Self::One(pattern) => ModuleSelection::Pattern(pattern),
            Self::Many(names) => ModuleSelection::Names(names),
        }
    }
}

fn target_modules(targets: OneOrMany<String>) -> TargetModules {
    match targets {
        OneOrMany::One(text) if text.to_lowercase() == "all-linear" => TargetModules::AllLinear,
        targets => TargetModules::Selected(targets.selection()),
    }
}

/// A number, rounded correctly, as serde_json does not with more than 53 bits.
struct Number(f64);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <&RawValue>::deserialize(deserializer)?.get();
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// The keys that were not read yet, and their values as they stand in the file.
struct Keys(BTreeMap<String, Box<RawValue>>);

impl Keys {
    /// Nothing if it is missing or null.
    fn optional<T: for<'de> Deserialize<'de>>(
        &mut self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<Option<T>, PeftError> {
        let Some(value) = self.0.remove(key) else {
            return Ok(None);
        };
        serde_json::from_str(value.get()).map_err(|_| PeftError::Key {
            key,
            expected,
            found: shown(value.get()),
        })
    }

    fn required<T: for<'de> Deserialize<'de>>(
        &mut self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<T, PeftError> {
        let value = self.optional(key, expected)?;
        value.ok_or(PeftError::MissingKey { key })
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, PeftError> {
        Ok(self.optional(key, "true or false")?.unwrap_or(false))
    }

    fn table<V: for<'de> Deserialize<'de>>(
        &mut self,
        key: &'static str,
        expected: &'static str,
    ) -> Result<Vec<(String, V)>, PeftError> {
        let table: Option<OrderedMap<V>> = self.optional(key, expected)?;
        Ok(table.map_or(Vec::new(), |OrderedMap(entries)| entries))
    }

    fn peft_type(&mut self) -> Result<(), PeftError> {
        let value = self.0.remove("peft_type");
        match value.as_deref().map(RawValue::get) {
            Some(r#""LORA""#) => Ok(()),
            Some(found) => Err(PeftError::PeftType {
                found: shown(found),
            }),
            None => Err(PeftError::MissingKey { key: "peft_type" }),
        }
    }

    fn rest(self) -> Result<BTreeMap<String, serde_json::Value>, PeftError> {
        let parse = |(key, value): (String, Box<RawValue>)| {
            let value = serde_json::from_str(value.get()).map_err(|error| PeftError::Json {
                found: shown(&format!("`{key}`: {error}")),
            })?;
            Ok((key, value))
        };
        self.0.into_iter().map(parse).collect()
    }
}
