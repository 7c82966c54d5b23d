use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use regex::Regex;

use super::TokenBatch;
use crate::ModelsError;

/// CLIP's byte pair encoding (Sennrich et al., "Neural Machine Translation of Rare Words
/// with Subword Units", 2016), from its own list of merges.
///
/// A text is lower-cased, its white space becomes single spaces, and it is cut into
/// words, numbers' digits and runs of other signs; each of these is encoded by itself.
/// OpenAI's code repairs broken text and HTML entities before (`ftfy`, `html.unescape`);
/// this does not: plain text in composed Unicode (NFC) is encoded alike.
#[derive(Clone, Debug)]
pub struct ClipTokenizer {
    /// Of what two neighbours become: the earlier the merge, the sooner.
    ranks: BTreeMap<(String, String), usize>,
    ids: BTreeMap<String, u32>,
    words: Regex,
    context: usize,
}

/// The merges that OpenAI's CLIP uses of its file, which has more.
const MOST_MERGES: usize = 49_152 - 256 - 2;

impl ClipTokenizer {
    /// Reads `bpe_simple_vocab_16e6.txt.gz` of OpenAI's code, or the `merges.txt` of a
    /// model of Hugging Face: a heading, then a merge a line. Texts may have `context`
    /// tokens.
    ///
    /// # Errors
    /// [`ModelsError::Merges`] for a file that cannot be read or is none.
    pub fn read(path: &Path, context: usize) -> Result<Self, ModelsError> {
        let refuse = |found: String| ModelsError::Merges {
            path: path.to_owned(),
            found,
        };
        let bytes = std::fs::read(path).map_err(|error| refuse(error.to_string()))?;
        let mut text = String::new();
        let read = match bytes.starts_with(&[0x1f, 0x8b]) {
            true => GzDecoder::new(bytes.as_slice()).read_to_string(&mut text),
            false => bytes.as_slice().read_to_string(&mut text),
        };
        read.map_err(|error| refuse(error.to_string()))?;
        let mut lines = text.lines();
        let heading = lines.next().unwrap_or_default();
        if !heading.contains("version") {
            return Err(refuse(format!("the heading {heading:?}")));
        }
        let mut merges = Vec::new();
        for (number, line) in lines.take(MOST_MERGES).enumerate() {
            match line.split_once(' ') {
                Some((left, right)) if !right.is_empty() && !right.contains(' ') => {
                    merges.push((left.to_owned(), right.to_owned()));
                }
                _ => return Err(refuse(format!("line {}, {line:?}", number + 2))),
            }
        }

        let symbols = byte_symbols();
        let mut order: Vec<char> = symbols.to_vec();
        // Those that stand for themselves first.
        order.sort_by_key(|symbol| (u32::from(*symbol) >= 256, *symbol));
        let bytes = order.iter().map(char::to_string);
        let last_bytes = order.iter().map(|symbol| format!("{symbol}{END}"));
        let merged = merges.iter().map(|(left, right)| format!("{left}{right}"));
        let special = [START_OF_TEXT, END_OF_TEXT].map(str::to_owned);
        let vocabulary = bytes.chain(last_bytes).chain(merged).chain(special);
        let words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
        Ok(Self {
            ids: vocabulary.zip(0..).collect(),
            ranks: merges.into_iter().zip(0..).collect(),
            words: Regex::new(words).expect("a pattern that is tested"),
            context,
        })
    }

    /// Number of token ids.
    pub fn vocabulary(&self) -> usize {
        self.ids[END_OF_TEXT] as usize + 1
    }

    /// The token ids of `texts`, each between start and end.
    ///
    /// # Errors
    /// [`ModelsError::LongText`] for a text of more tokens than the context has, and
    /// [`ModelsError::EmptyText`] for no texts.
    pub fn tokenize<T: AsRef<str>>(&self, texts: &[T]) -> Result<TokenBatch, ModelsError> {
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
        let texts = texts.iter().enumerate().map(ids);
        TokenBatch::new(texts.collect::<Result<_, _>>()?)
    }

    fn encode(&self, text: &str) -> Vec<u32> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ").to_lowercase();
        let symbols = byte_symbols();
        let mut ids = vec![self.ids[START_OF_TEXT]];
        for word in self.words.find_iter(&text) {
            let bytes = word.as_str().bytes();
            let mut parts: Vec<String> = bytes
                .map(|byte| symbols[usize::from(byte)].to_string())
                .collect();
            if let Some(last) = parts.last_mut() {
                last.push_str(END);
            }
            self.merge(&mut parts);
            ids.extend(parts.iter().map(|part| self.ids[part]));
        }
        ids.push(self.ids[END_OF_TEXT]);
        ids
    }

    /// Merges neighbours, the pair of the earliest merge first, wherever it occurs.
    fn merge(&self, parts: &mut Vec<String>) {
        loop {
            let pairs = parts.windows(2);
            let ranked = pairs.filter_map(|pair| {
                let pair = (pair[0].clone(), pair[1].clone());
                self.ranks.get(&pair).map(|rank| (*rank, pair))
            });
            let Some((_, (left, right))) = ranked.min() else {
                return;
            };
            let mut at = 0;
            while at + 1 < parts.len() {
                if parts[at] == left && parts[at + 1] == right {
                    let second = parts.remove(at + 1);
                    parts[at].push_str(&second);
                }
                at += 1;
            }
        }
    }
}

const START_OF_TEXT: &str = "<|startoftext|>";
const END_OF_TEXT: &str = "<|endoftext|>";
/// Of a word.
const END: &str = "</w>";

/// A printable character for every byte, as GPT-2 has them: itself where it is one, else
/// those from 256 on.
fn byte_symbols() -> [char; 256] {
    let mut next = 256;
    std::array::from_fn(|byte| {
        let own = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if own {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        char::from_u32(code).expect("below 512")
    })
}
