use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use serde_json::Value;

use super::{InitLoraWeights, ModuleSelection, PeftSettings, TargetModules};

/// The bytes of `adapter_config.json`, laid out as PEFT does.
pub(super) fn json(settings: &PeftSettings) -> Vec<u8> {
    let text = |text: &'_ Option<String>| text.clone().map(Entry::Text).unwrap_or(Entry::Null);
    let list = |list: &'_ [String]| match list {
        [] => Entry::Null,
        list => Entry::Texts(list.to_vec()),
    };
    let mut entries: BTreeMap<&str, Entry> = settings
        .other
        .iter()
        .map(|(key, value)| (key.as_str(), Entry::Other(value.clone())))
        .collect();
    entries.extend([
        (
            "alpha_pattern",
            numbers(&settings.alpha_pattern, |alpha| number(*alpha)),
        ),
        (
            "base_model_name_or_path",
            text(&settings.base_model_name_or_path),
        ),
        (
            "exclude_modules",
            settings
                .exclude_modules
                .as_ref()
                .map_or(Entry::Null, selection),
        ),
        ("inference_mode", Entry::Flag(settings.inference_mode)),
        (
            "init_lora_weights",
            Entry::Init(settings.init_lora_weights.clone()),
        ),
        ("layers_pattern", list(&settings.layers_pattern)),
        (
            "layers_to_transform",
            match settings.layers_to_transform.as_slice() {
                [] => Entry::Null,
                layers => Entry::Indices(layers.to_vec()),
            },
        ),
        ("lora_alpha", number(settings.lora_alpha)),
        ("lora_dropout", Entry::Float(settings.lora_dropout)),
        ("modules_to_save", list(&settings.modules_to_save)),
        ("peft_type", Entry::Text("LORA".to_owned())),
        ("peft_version", text(&settings.peft_version)),
        ("r", Entry::Count(settings.r)),
        (
            "rank_pattern",
            numbers(&settings.rank_pattern, |rank| Entry::Count(*rank)),
        ),
        ("revision", text(&settings.revision)),
        (
            "target_modules",
            match &settings.target_modules {
                TargetModules::AllLinear => Entry::Text("all-linear".to_owned()),
                TargetModules::Selected(targets) => selection(targets),
            },
        ),
        ("task_type", text(&settings.task_type)),
        ("use_dora", Entry::Flag(settings.use_dora)),
        ("use_rslora", Entry::Flag(settings.use_rslora)),
    ]);
    serde_json::to_vec_pretty(&entries).expect("texts, numbers and lists are JSON")
}

/// A value of the file.
#[derive(Serialize)]
#[serde(untagged)]
enum Entry {
    Null,
    Flag(bool),
    Count(usize),
    Whole(i64),
    Float(f64),
    Text(String),
    Texts(Vec<String>),
    Indices(Vec<usize>),
    #[serde(serialize_with = "in_order")]
    Table(Vec<(String, Entry)>),
    Init(InitLoraWeights),
    Other(Value),
}

fn selection(selection: &ModuleSelection) -> Entry {
    match selection {
        ModuleSelection::Names(names) => Entry::Texts(names.clone()),
        ModuleSelection::Pattern(pattern) => Entry::Text(pattern.clone()),
    }
}

fn numbers<V>(table: &[(String, V)], entry: impl Fn(&V) -> Entry) -> Entry {
    let entries = table.iter();
    Entry::Table(
        entries
            .map(|(key, value)| (key.clone(), entry(value)))
            .collect(),
    )
}

/// PEFT's alphas are integers where they can be.
fn number(value: f64) -> Entry {
    match value as i64 {
        whole if whole as f64 == value && whole.unsigned_abs() < 1 << f64::MANTISSA_DIGITS => {
            Entry::Whole(whole)
        }
        _ => Entry::Float(value),
    }
}

fn in_order<S: Serializer>(table: &[(String, Entry)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(table.iter().map(|(key, value)| (key, value)))
}
