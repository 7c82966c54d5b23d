//! Token ids against Hugging Face's BertTokenizerFast: of awkward texts, and of every character
//! there is.

mod common;

use std::fs;

use common::bert::{ids, minilm};
use common::golden_file;
use dacapo_models::SentenceTokenizer;
use proptest::prelude::*;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/bert_tokens.json")).expect("JSON")
}

fn tokenizer(file: &str) -> SentenceTokenizer {
    SentenceTokenizer::read(&golden_file(file), 512).expect("a tokenizer")
}

#[track_caller]
fn assert_ids(tokenizer: &SentenceTokenizer, cases: &Value) {
    let cases = cases.as_array().expect("a list");
    assert!(cases.len() > 60, "{} texts", cases.len());
    for case in cases {
        let text = case["text"].as_str().expect("a text");
        let found = tokenizer.tokenize(&[text]).expect("a short text");
        assert_eq!(found.ids(), [ids(&case["ids"])], "{text:?}");
    }
}

/// `characters` of golden/bert_tokenizer.py.
#[track_caller]
fn assert_characters(tokenizer: &SentenceTokenizer, golden: &Value) {
    for (begin, check) in (0..0x11_0000)
        .step_by(4096)
        .zip(golden.as_array().expect("a list"))
    {
        let texts = (begin..begin + 4096).filter_map(char::from_u32);
        let texts: Vec<String> = texts.map(|c| format!("a{c}b")).collect();
        let found = match texts.is_empty() {
            true => Vec::new(),
            false => tokenizer
                .tokenize(&texts)
                .expect("short texts")
                .ids()
                .concat(),
        };
        let bytes: Vec<u8> = found.into_iter().flat_map(u32::to_le_bytes).collect();
        let check = check.as_u64().expect("a number");
        assert_eq!(
            u64::from(crc32fast::hash(&bytes)),
            check,
            "from {begin:#x} on"
        );
    }
}

#[test]
fn tokens_differ_from_hugging_faces() {
    let golden = golden();
    for file in ["bert_vocab.txt", "bert_tokenizer.json"] {
        let tokenizer = tokenizer(file);
        assert_eq!(tokenizer.vocabulary(), 175);
        assert_ids(&tokenizer, &golden["cases"]);
    }
}

#[test]
fn character_is_another_than_hugging_faces() {
    assert_characters(&tokenizer("bert_vocab.txt"), &golden()["characters"]);
}

#[test]
fn tokens_of_the_published_vocabulary_differ_from_hugging_faces() {
    let Some(folder) = minilm() else { return };
    let golden: Value =
        serde_json::from_str(include_str!("golden/bert_minilm.json")).expect("JSON");
    for file in [&folder, &folder.join("vocab.txt")] {
        let tokenizer = SentenceTokenizer::read(file, 512).expect("a tokenizer");
        assert_ids(&tokenizer, &golden["tokens"]);
        assert_characters(&tokenizer, &golden["characters"]);
    }
}

#[test]
fn long_text_is_cut_off() {
    let file = golden_file("bert_vocab.txt");
    let tokenizer = SentenceTokenizer::read(&file, 5).expect("a tokenizer");
    let found = tokenizer.tokenize(&["dog", "the hot dog"]).expect("short");
    assert_eq!((found.len(), found.tokens()), (2, 5));
    let error = tokenizer.tokenize(&["dog", "hot dog and cat"]);
    let error = error.expect_err("too long").to_string();
    for part in ["text 1", "\"hot dog and cat\"", "6 tokens", "at most 5"] {
        assert!(error.contains(part), "{error}");
    }
    assert!(tokenizer.tokenize::<&str>(&[]).is_err());
}

#[test]
fn other_file_of_a_folder_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let read = || SentenceTokenizer::read(folder.path(), 512);
    let message = read().expect_err("empty").to_string();
    assert!(
        message.contains("a folder with tokenizer.json, or vocab.txt"),
        "{message}"
    );
    fs::copy(
        golden_file("bert_vocab.txt"),
        folder.path().join("vocab.txt"),
    )
    .expect("copied");
    assert_eq!(read().expect("a vocabulary").vocabulary(), 175);
    // It says more than the vocabulary alone.
    fs::write(folder.path().join("tokenizer.json"), "{}").expect("written");
    assert!(
        read()
            .expect_err("no tokenizer")
            .to_string()
            .contains("tokenizer.json")
    );
}

#[test]
fn lines_that_end_otherwise_are_other_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("vocab.txt");
    let text = fs::read_to_string(golden_file("bert_vocab.txt")).expect("a vocabulary");
    for text in [text.replace('\n', "\r\n"), text.trim_end().to_owned()] {
        fs::write(&path, text).expect("written");
        let tokenizer = SentenceTokenizer::read(&path, 512).expect("a vocabulary");
        assert_ids(&tokenizer, &golden()["cases"]);
    }
}

proptest! {
    #[test]
    fn text_panics_or_has_other_ids_than_its_parts(words in prop::collection::vec(".{0,12}", 1..4)) {
        let tokenizer = tokenizer("bert_vocab.txt");
        let within = |text: &str| {
            let found = tokenizer.tokenize(&[text]).expect("a short text");
            let ids = &found.ids()[0];
            assert!(ids.iter().all(|id| *id < 175));
            ids[1..ids.len() - 1].to_vec()
        };
        let parts: Vec<u32> = words.iter().flat_map(|word| within(word)).collect();
        prop_assert_eq!(within(&words.join(" ")), parts);
    }
}
