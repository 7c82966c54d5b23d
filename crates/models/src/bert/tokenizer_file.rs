//! What a tokenizer's file says, and that it is one of an uncased BERT.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::ModelsError;
use crate::plain_file::read_plain_file;
use crate::shown::shown;
use crate::weights::DistinctMap;

/// A hundred times that of a vocabulary of thirty thousand.
const MOST_BYTES: u64 = 1 << 26;

pub(super) const UNKNOWN: &str = "[UNK]";
pub(super) const START: &str = "[CLS]";
pub(super) const END: &str = "[SEP]";

/// Found in texts as they are written.
pub(super) const SPECIAL: [&str; 5] = ["[PAD]", UNKNOWN, START, END, "[MASK]"];

/// Before a piece that goes on with a word.
pub(super) const WITHIN: &str = "##";

/// A word of more characters is unknown.
pub(super) const LONGEST_WORD: usize = 100;

/// The ids of the tokens, from 0 without a gap, those of `SPECIAL` among them.
pub(super) fn read_vocabulary(path: &Path) -> Result<BTreeMap<String, u32>, ModelsError> {
    let files = ["tokenizer.json", "vocab.txt"];
    if path.is_dir() {
        let found = files.iter().map(|name| path.join(name));
        let Some(file) = found.into_iter().find(|file| file.is_file()) else {
            let expected = format!("a folder with {}", files.join(", or "));
            return Err(refusal(path, &expected, "none of them".to_owned()));
        };
        return read_vocabulary(&file);
    }
    let is_json = path.extension().is_some_and(|end| end == "json");
    let expected = match is_json {
        true => "a tokenizer.json",
        false => "a token a line",
    };
    let bytes = read_plain_file(path, MOST_BYTES);
    let bytes = bytes.map_err(|error| refusal(path, expected, error.to_string()))?;
    let ids = match is_json {
        true => of_json(path, &bytes)?,
        false => of_lines(&bytes).map_err(|found| refusal(path, expected, found))?,
    };
    if let Some(missing) = SPECIAL.iter().find(|token| !ids.contains_key(**token)) {
        let expected = format!("the token {missing}");
        return Err(refusal(path, &expected, format!("{} others", ids.len())));
    }
    // No text that is lower-cased has one.
    let cased = |token: &&String| {
        !SPECIAL.contains(&token.as_str()) && token.contains(|c: char| c.is_ascii_uppercase())
    };
    if let Some(token) = ids.keys().find(cased) {
        let found = format!("the token \"{}\"", shown(token));
        return Err(refusal(path, "a vocabulary in lower case", found));
    }
    Ok(ids)
}

/// A vocab.txt.
fn of_lines(bytes: &[u8]) -> Result<BTreeMap<String, u32>, String> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("no text in UTF-8 from byte {} on", error.valid_up_to()))?;
    let mut ids = BTreeMap::new();
    for (token, id) in text.lines().zip(0_u32..) {
        let shown = || format!("line {}, \"{}\"", id + 1, shown(token));
        if token.is_empty() || token.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(shown());
        }
        // Of two ids of a token, which one counts?
        if let Some(earlier) = ids.insert(token.to_owned(), id) {
            return Err(format!("{}, as in line {}", shown(), earlier + 1));
        }
    }
    Ok(ids)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    added_tokens: Vec<AddedToken>,
    normalizer: Value,
    pre_tokenizer: Value,
    post_processor: Value,
    model: Model,
    // Texts are never truncated, and padded elsewhere.
    #[serde(default, rename = "truncation")]
    _truncation: IgnoredAny,
    #[serde(default, rename = "padding")]
    _padding: IgnoredAny,
    // Nothing is decoded.
    #[serde(default, rename = "decoder")]
    _decoder: IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AddedToken {
    id: u32,
    content: String,
    single_word: bool,
    lstrip: bool,
    rstrip: bool,
    normalized: bool,
    special: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    #[serde(default, rename = "type")]
    kind: Option<String>,
    unk_token: String,
    continuing_subword_prefix: String,
    max_input_chars_per_word: usize,
    vocab: DistinctMap<u32>,
}

/// A tokenizer.json.
fn of_json(path: &Path, bytes: &[u8]) -> Result<BTreeMap<String, u32>, ModelsError> {
    let file: File = serde_json::from_slice(bytes)
        .map_err(|error| refusal(path, "a tokenizer.json", shown(&error.to_string())))?;
    let DistinctMap(ids) = file.model.vocab;
    let mut by_id: Vec<u32> = ids.values().copied().collect();
    by_id.sort_unstable();
    if let Some((id, _)) = (0..).zip(&by_id).find(|(id, found)| id != *found) {
        let expected = format!("one token of the id {id}, as {} have ids", ids.len());
        return Err(refusal(path, &expected, "none or several".to_owned()));
    }
    let same = |key: &str, expected: &[Value], found: &Value| match expected.contains(found) {
        true => Ok(()),
        false => {
            let expected = format!("`{key}` {}", expected[0]);
            Err(refusal(path, &expected, shown(&found.to_string())))
        }
    };
    same("version", &[json!("1.0")], &json!(file.version))?;
    let model = json!([
        file.model.kind.as_deref().unwrap_or("WordPiece"),
        file.model.unk_token,
        file.model.continuing_subword_prefix,
        file.model.max_input_chars_per_word,
    ]);
    same(
        "model",
        &[json!(["WordPiece", UNKNOWN, WITHIN, LONGEST_WORD])],
        &model,
    )?;
    let normalizer = |strip_accents: Option<bool>| {
        json!({
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": strip_accents, "lowercase": true,
        })
    };
    let normalizers = [normalizer(None), normalizer(Some(true))];
    same("normalizer", &normalizers, &file.normalizer)?;
    let pre_tokenizer = json!({"type": "BertPreTokenizer"});
    same("pre_tokenizer", &[pre_tokenizer], &file.pre_tokenizer)?;
    same_added(path, &ids, &file.added_tokens)?;
    let mut processor = file.post_processor;
    if let Some(processor) = processor.as_object_mut() {
        // What it does with two texts: there are never two.
        processor.remove("pair");
    }
    same("post_processor", &processors(&ids), &processor)?;
    Ok(ids)
}

/// What puts start and end around a text, in either of two ways to write it.
fn processors(ids: &BTreeMap<String, u32>) -> [Value; 2] {
    let [start, end] = [START, END].map(|token| ids.get(token));
    let special = |token: &str| json!({"SpecialToken": {"id": token, "type_id": 0}});
    let template = json!({
        "type": "TemplateProcessing",
        "single": [special(START), {"Sequence": {"id": "A", "type_id": 0}}, special(END)],
        "special_tokens": {
            START: {"id": START, "ids": [start], "tokens": [START]},
            END: {"id": END, "ids": [end], "tokens": [END]},
        },
    });
    let bert = json!({"type": "BertProcessing", "sep": [END, end], "cls": [START, start]});
    [template, bert]
}

/// Refuses other tokens that are found in texts as they are written than those of `SPECIAL`.
fn same_added(
    path: &Path,
    ids: &BTreeMap<String, u32>,
    added: &[AddedToken],
) -> Result<(), ModelsError> {
    let plain = |token: &&AddedToken| {
        let flags = [
            token.single_word,
            token.lstrip,
            token.rstrip,
            token.normalized,
        ];
        SPECIAL.contains(&token.content.as_str())
            && ids.get(&token.content) == Some(&token.id)
            && !flags.contains(&true)
            && token.special
    };
    let odd = added.iter().find(|token| !plain(token));
    let missing = |special: &&&str| !added.iter().any(|token| token.content == **special);
    let found = match (odd, SPECIAL.iter().find(missing)) {
        (Some(token), _) => format!("\"{}\" with the id {}", shown(&token.content), token.id),
        (None, Some(missing)) => format!("no {missing}"),
        (None, None) => return Ok(()),
    };
    let expected = format!("{} as `added_tokens`", SPECIAL.join(", "));
    Err(refusal(path, &expected, found))
}

fn refusal(path: &Path, expected: &str, found: String) -> ModelsError {
    ModelsError::WordPieces {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found,
    }
}
