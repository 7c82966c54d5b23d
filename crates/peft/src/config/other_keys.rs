use serde_json::Value;

use super::read::TYPED;
use crate::PeftError;
use crate::shown::shown;

/// Keys that say nothing about what an adapter computes, whatever their value: remarks, settings
/// of another setting that must be unset, and how A and B began (`init_lora_weights` tells
/// whether the base was changed by that).
const REMARKS: [&str; 8] = [
    "auto_mapping",
    "corda_config",
    "eva_config",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "qalora_group_size",
    "runtime_config",
];

const MERGE: &str = "merge the adapter into its base with PEFT's merge_and_unload, and adapt that";
const RETRAIN: &str = "train the adapter without it";

/// Keys that change what is computed, and what to do.
const REFUSED: [(&str, &str); 15] = [
    ("alora_invocation_tokens", RETRAIN),
    (
        "arrow_config",
        "save one of the adapters that it chooses from",
    ),
    (
        "bias",
        "train the adapter with bias = \"none\", or list the modules in `modules_to_save`",
    ),
    ("ensure_weight_tying", MERGE),
    (
        "fan_in_fan_out",
        "it is set for layers whose weight is [in, out], as GPT-2's; for a base without such \
         layers set it to false, and merge the adapter with PEFT's merge_and_unload otherwise",
    ),
    ("kasa_config", RETRAIN),
    ("layer_replication", MERGE),
    ("lora_bias", MERGE),
    ("megatron_config", RETRAIN),
    ("monteclora_config", RETRAIN),
    (
        "target_parameters",
        "train the adapter on modules (`target_modules`)",
    ),
    (
        "trainable_token_indices",
        "train the whole embedding (`modules_to_save`), or merge the adapter with PEFT's \
         merge_and_unload",
    ),
    ("use_bdlora", RETRAIN),
    ("use_qalora", RETRAIN),
    ("velora_config", RETRAIN),
];

const UNKNOWN: &str = "dacapo does not know whether it changes what is computed: set it to null if \
                       it does not, or train the adapter without it";

/// Refuses a key that changes what is computed.
pub(super) fn check_other(key: &str, value: &Value) -> Result<(), PeftError> {
    if TYPED.contains(&key) {
        return Err(PeftError::Key {
            key: "other",
            expected: "only keys without a field of their own",
            found: format!("`{key}`"),
        });
    }
    if REMARKS.contains(&key) || is_unset(value) || (key == "bias" && value == "none") {
        return Ok(());
    }
    let found = shown(&value.to_string());
    if ["quantization", "load_in_4bit", "load_in_8bit", "bnb_"]
        .iter()
        .any(|hint| key.contains(hint))
    {
        return Err(PeftError::QuantisedBase {
            found: format!("`{}` = {found}", shown(key)),
            advice: "take that key out of adapter_config.json",
        });
    }
    let known = REFUSED.iter().find(|(refused, _)| *refused == key);
    Err(PeftError::Unsupported {
        key: shown(key),
        found,
        advice: known.map_or(UNKNOWN, |(_, advice)| advice),
    })
}

/// Null, false or empty, which in PEFT turns a thing off.
fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(_) => false,
        Value::String(value) => value.is_empty(),
        Value::Array(value) => value.is_empty(),
        Value::Object(value) => value.is_empty(),
    }
}

/// Parts of the names that quantised models are published under.
const QUANTISED: [&str; 12] = [
    "2bit", "3bit", "4bit", "8bit", "aqlm", "awq", "bnb", "gguf", "gptq", "hqq", "int4", "int8",
];

/// Refuses a base whose name tells that it is quantised, as in `unsloth/llama-3-8b-bnb-4bit`.
pub(super) fn check_base_name(base: &str) -> Result<(), PeftError> {
    let name = base.trim_end_matches(['/', '\\']);
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    let mut parts = name.split(|char: char| !char.is_alphanumeric());
    if parts.any(|part| QUANTISED.contains(&part.to_lowercase().as_str())) {
        return Err(PeftError::QuantisedBase {
            found: format!("`base_model_name_or_path` = \"{}\"", shown(base)),
            advice: "set base_model_name_or_path to that one's name",
        });
    }
    Ok(())
}
