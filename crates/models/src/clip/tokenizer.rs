use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use regex::Regex;

use super::TokenBatch;
use crate::ModelsError;
use crate::plain_file::open_plain_file;
use crate::shown::shown;

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

/// OpenAI's file has a twentieth of it; a small packed one may hold any number.
const MOST_BYTES: u64 = 1 << 26;

/// The text of a file that may be packed, up to one byte above what is allowed.
fn read_text(mut file: File) -> std::io::Result<String> {
    let mut start = Vec::new();
    file.by_ref().take(2).read_to_end(&mut start)?;
    let packed = start == [0x1f, 0x8b];
    let whole = start.as_slice().chain(file);
    let mut text = Vec::new();
    match packed {
        true => GzDecoder::new(whole)
            .take(MOST_BYTES + 1)
            .read_to_end(&mut text)?,
        false => whole.take(MOST_BYTES + 1).read_to_end(&mut text)?,
    };
    String::from_utf8(text).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let what = format!("no text in UTF-8 from byte {at} on");
        std::io::Error::new(std::io::ErrorKind::InvalidData, what)
    })
}

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
        let file = open_plain_file(path).map_err(|error| refuse(error.to_string()))?;
        let text = read_text(file).map_err(|error| refuse(error.to_string()))?;
        if text.len() as u64 > MOST_BYTES {
            return Err(refuse(format!("more than {MOST_BYTES} bytes of text")));
        }
        let mut lines = text.lines();
        let heading = lines.next().unwrap_or_default();
        if !heading.contains("version") {
            return Err(refuse(format!("the heading \"{}\"", shown(heading))));
        }
        let mut merges = Vec::new();
        for (number, line) in lines.take(MOST_MERGES).enumerate() {
            match line.split_once(' ') {
                Some((left, right)) if !right.is_empty() && !right.contains(' ') => {
                    merges.push((left.to_owned(), right.to_owned()));
                }
                _ => {
                    let line = shown(line);
                    return Err(refuse(format!("line {}, \"{line}\"", number + 2)));
                }
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
        let before = 2 * symbols.len();
        let mut ids = BTreeMap::new();
        for (token, id) in bytes
            .chain(last_bytes)
            .chain(merged)
            .chain(special)
            .zip(0..)
        {
            // Of two ids of a token, which one counts?
            if let Some(earlier) = ids.insert(token.clone(), id) {
                let line = |id: u32| match (id as usize).checked_sub(before) {
                    Some(merge) if merge < merges.len() => format!("line {}", merge + 2),
                    Some(_) => "the program itself".to_owned(),
                    None => "a byte".to_owned(),
                };
                let (first, second) = (line(earlier), line(id));
                let token = shown(&token);
                return Err(refuse(format!(
                    "the token \"{token}\" of {first} and {second}"
                )));
            }
        }
        let words = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";
        Ok(Self {
            ids,
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
