use std::collections::BTreeMap;
use std::path::Path;

use super::Sentences;
use super::tokenizer_file::{END, LONGEST_WORD, SPECIAL, START, UNKNOWN, WITHIN, read_vocabulary};
use super::uncased::words;
use crate::ModelsError;

/// The tokenizer of an uncased BERT: words in lower case, each cut into the longest pieces that the
/// vocabulary has (WordPiece; Wu et al., "Google's Neural Machine Translation System", 2016).
///
/// Ids are those of Hugging Face's `BertTokenizerFast`. As there, `[SEP]` and its like, written out in
/// a text, are the special tokens that they name.
#[derive(Clone, Debug)]
pub struct SentenceTokenizer {
    ids: BTreeMap<String, u32>,
    context: usize,
}

impl SentenceTokenizer {
    /// Reads a `tokenizer.json` of Hugging Face, or a `vocab.txt` of an uncased BERT, a token a line;
    /// or the one in a folder. Sentences may have `context` tokens: what a `tokenizer.json` says of
    /// truncation and padding does not count.
    ///
    /// # Errors
    /// [`ModelsError::WordPieces`] for a file that cannot be read, or that is another tokenizer's:
    /// with letter case, with other rules, with tokens added.
    pub fn read(path: &Path, context: usize) -> Result<Self, ModelsError> {
        let ids = read_vocabulary(path)?;
        Ok(Self { ids, context })
    }

    /// Number of token ids.
    pub fn vocabulary(&self) -> usize {
        self.ids.len()
    }

    /// The token ids of `texts`, each between start and end, padded to the longest. Nothing is cut
    /// off.
    ///
    /// # Errors
    /// [`ModelsError::LongText`] for a text of more tokens than the context has, and
    /// [`ModelsError::EmptyText`] for no texts.
    pub fn tokenize<T: AsRef<str>>(&self, texts: &[T]) -> Result<Sentences, ModelsError> {
        let ids = |(number, text): (usize, &T)| {
            let text = text.as_ref();
            let ids = self.encode(text);
            if ids.len() > self.context {
                return Err(ModelsError::LongText {
                    text: text.to_owned(),
                    number,
                    tokens: ids.len(),
                    context: self.context,
                });
            }
            Ok(ids)
        };
        let ids = texts.iter().enumerate().map(ids);
        Sentences::new(ids.collect::<Result<_, _>>()?)
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = vec![self.ids[START]];
        let mut rest = text;
        loop {
            let found = SPECIAL
                .iter()
                .filter_map(|token| Some((rest.find(token)?, token)));
            let Some((at, token)) = found.min() else {
                break;
            };
            self.encode_plain(&rest[..at], &mut ids);
            ids.push(self.ids[*token]);
            rest = &rest[at + token.len()..];
        }
        self.encode_plain(rest, &mut ids);
        ids.push(self.ids[END]);
        ids
    }

    fn encode_plain(&self, text: &str, ids: &mut Vec<u32>) {
        for word in words(text) {
            match self.pieces(&word) {
                Some(pieces) => ids.extend(pieces),
                None => ids.push(self.ids[UNKNOWN]),
            }
        }
    }

    /// The longest pieces of a word from its start on; `None` if it has others, too.
    fn pieces(&self, word: &str) -> Option<Vec<u32>> {
        if word.chars().count() > LONGEST_WORD {
            return None;
        }
        let mut pieces = Vec::new();
        let mut piece = String::new();
        let mut at = 0;
        while at < word.len() {
            piece.clear();
            if at > 0 {
                piece.push_str(WITHIN);
            }
            let prefix = piece.len();
            piece.push_str(&word[at..]);
            let id = loop {
                match self.ids.get(&piece) {
                    Some(id) => break *id,
                    None => piece.pop(),
                };
                if piece.len() == prefix {
                    return None;
                }
            };
            pieces.push(id);
            at += piece.len() - prefix;
        }
        Some(pieces)
    }
}
