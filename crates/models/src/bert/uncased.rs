//! A text's words as BERT's uncased tokenizer has them (`BertNormalizer` and `BertPreTokenizer` of
//! Hugging Face's tokenizers, from `BasicTokenizer` of Google's code).
//!
//! The tables of Unicode are those that Hugging Face's code is built on, in the same versions: of
//! newer ones a character could be another word.

use unicode_categories::UnicodeCategories;
use unicode_normalization_alignments::UnicodeNormalization;

/// The words of `text`: lower-cased, without accents and control characters, and each punctuation
/// mark and each Chinese character by itself.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut spaced = String::with_capacity(text.len());
    for c in text.chars().filter(|c| !is_left_out(*c)) {
        match c {
            _ if c.is_whitespace() => spaced.push(' '),
            _ if is_chinese(c) => spaced.extend([' ', c, ' ']),
            _ => spaced.push(c),
        }
    }
    let decomposed = spaced.nfd().map(|(c, _)| c);
    let plain = decomposed.filter(|c| !c.is_mark_nonspacing());
    let lower = plain.flat_map(char::to_lowercase);

    let mut words = Vec::new();
    let mut word = String::new();
    for c in lower {
        let alone = is_punctuation(c);
        if (alone || c.is_whitespace()) && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        match alone {
            true => words.push(c.to_string()),
            false if !c.is_whitespace() => word.push(c),
            false => {}
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

/// Control characters, and what stands for text that could not be read.
fn is_left_out(c: char) -> bool {
    match c {
        '\t' | '\n' | '\r' => false,
        '\0' | '\u{fffd}' => true,
        _ => c.is_other(),
    }
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_punctuation()
}

/// In the blocks of Unicode that Google's code calls Chinese.
fn is_chinese(c: char) -> bool {
    matches!(
        u32::from(c),
        0x4e00..=0x9fff
            | 0x3400..=0x4dbf
            | 0x20000..=0x2a6df
            | 0x2a700..=0x2b73f
            | 0x2b740..=0x2b81f
            | 0x2b920..=0x2ceaf
            | 0xf900..=0xfaff
            | 0x2f800..=0x2fa1f
    )
}
