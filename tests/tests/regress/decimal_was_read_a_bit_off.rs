//! Decimals in JSON were read a bit off, some of them: the eps of a BERT, and the alpha of an adapter
//! of PEFT's. What Python writes is exact, and what was written here did not come back equal.

use std::fs;

use dacapo::{models::read_bert_config, peft::PeftConfig};
use dacapo_tests::sandbox;

/// The first was read a bit too small before.
const DECIMALS: [&str; 5] = [
    "1.0000000000000001e-24",
    "8.41e21",
    "9007199254740993.0",
    "1e-12",
    "0.30000000000000004",
];

#[test]
fn decimal_was_read_a_bit_off() {
    let sandbox = sandbox!();
    let path = sandbox.path("config.json");
    for text in DECIMALS {
        let exact: f64 = text.parse().expect("a number");
        let adapter =
            format!(r#"{{"peft_type":"LORA","r":1,"lora_alpha":{text},"target_modules":["q"]}}"#);
        let adapter = PeftConfig::from_json(adapter.as_bytes()).expect("a configuration");
        assert_eq!(adapter.settings().lora_alpha, exact, "{text}");
        if exact > 1.0 {
            continue;
        }
        let config = format!(
            r#"{{"model_type":"bert","hidden_act":"gelu","vocab_size":1,"type_vocab_size":2,
            "max_position_embeddings":1,"hidden_size":1,"num_hidden_layers":1,
            "num_attention_heads":1,"intermediate_size":1,"layer_norm_eps":{text}}}"#
        );
        fs::write(&path, config).expect("the folder can be written to");
        let config = read_bert_config(&path).expect("a configuration");
        assert_eq!(config.eps, exact, "{text}");
    }
}
