use std::{
    path::{Path, PathBuf},
    sync::LazyLock,
};

use dacapo::models::{ClipTokenizer, SentenceTokenizer};

use crate::{
    file::{accepted, with_file},
    memory::bounded,
};

/// A merge takes four bytes and becomes two texts, their token and the places of both.
const PER_BYTE: usize = 64;

/// The most that deflate packs into a byte.
const PACKED: usize = 1032;

/// What is taken of a text: the time that one takes grows faster than its length.
const LONGEST_TEXT: usize = 1024;

/// More tokens than any text has.
const CONTEXT: usize = 1 << 30;

/// Tokenizers: `bytes` as `vocab.txt`, or as `tokenizer.json` if they begin with a `{`, of a BERT; as
/// CLIP's merges; and the first of them as a text, which these and those of the golden files take apart.
pub fn tokenizer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(LONGEST_TEXT)]);
    let name = match bytes.first() {
        Some(b'{') => "hostile.json",
        _ => "hostile.txt",
    };
    let sentences = with_file(name, bytes, |path| {
        bounded(PER_BYTE, bytes.len(), || {
            accepted(path, SentenceTokenizer::read(path, CONTEXT))
        })
    });
    for tokenizer in sentences.iter().chain([&GOLDEN.0]) {
        read_sentence(tokenizer, &text);
    }
    let packed = if bytes.starts_with(&[0x1f, 0x8b]) {
        PACKED
    } else {
        1
    };
    let clip = with_file("hostile.txt", bytes, |path| {
        bounded(PER_BYTE * packed, bytes.len(), || {
            accepted(path, ClipTokenizer::read(path, CONTEXT))
        })
    });
    for tokenizer in clip.iter().chain([&GOLDEN.1]) {
        read_prompt(tokenizer, &text);
    }
}

static GOLDEN: LazyLock<(SentenceTokenizer, ClipTokenizer)> = LazyLock::new(|| {
    let golden = |name: &str| -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../crates/models/tests/golden");
        folder.join(name)
    };
    let sentences = SentenceTokenizer::read(&golden("bert_vocab.txt"), CONTEXT);
    let clip = ClipTokenizer::read(&golden("clip_merges.txt"), CONTEXT);
    (sentences.expect("golden"), clip.expect("golden"))
});

/// A sentence beside another, which must not change it.
fn read_sentence(tokenizer: &SentenceTokenizer, text: &str) {
    let both = bounded(PER_BYTE, text.len(), || tokenizer.tokenize(&[text, ""]));
    let both = both.expect("texts of fewer tokens than the context");
    let [ids, none] = both.ids() else {
        panic!("{} sentences of two", both.len());
    };
    assert_eq!(none.len(), 2, "start and end of an empty text");
    assert_eq!([ids.first(), ids.last()], [none.first(), none.last()]);
    let within = |id: &u32| (*id as usize) < tokenizer.vocabulary();
    assert!(ids.iter().all(within), "{ids:?}");
}

fn read_prompt(tokenizer: &ClipTokenizer, text: &str) {
    let both = bounded(PER_BYTE, text.len(), || tokenizer.tokenize(&[text, ""]));
    let both = both.expect("texts of fewer tokens than the context");
    let [ids, none] = both.texts() else {
        panic!("{} texts of two", both.len());
    };
    assert_eq!(none.len(), 2, "start and end of an empty text");
    assert_eq!([ids.first(), ids.last()], [none.first(), none.last()]);
    let within = |id: &u32| (*id as usize) < tokenizer.vocabulary();
    assert!(ids.iter().all(within), "{ids:?}");
}
