use std::collections::BTreeMap;

use regex::RegexSet;

use super::module_rules::endings;
use super::pattern::compile_set;
use crate::PeftError;

/// Patterns of the end of a module's path, of which the first that matches counts, as PEFT's
/// `(.*\.)?(pattern)$` does.
///
/// Most are names of modules, hundreds in a large adapter; those need no regular expression.
#[derive(Debug, Clone)]
pub(super) struct PatternTable {
    /// By their length in letters: a pattern's place and its letters.
    names: BTreeMap<usize, Vec<(usize, Name)>>,
    others: RegexSet,
    /// The places of the others.
    places: Vec<usize>,
}

impl PatternTable {
    pub fn new<'a>(
        key: &'static str,
        patterns: impl Iterator<Item = &'a str>,
    ) -> Result<Self, PeftError> {
        let mut names = BTreeMap::<usize, Vec<(usize, Name)>>::new();
        let (mut others, mut places) = (Vec::new(), Vec::new());
        for (place, pattern) in patterns.enumerate() {
            match Name::of(pattern) {
                Some(name) => {
                    let same = names.entry(name.letters.len()).or_default();
                    same.push((place, name));
                }
                None => {
                    others.push(pattern);
                    places.push(place);
                }
            }
        }
        let suffix = |pattern: &str| format!(r"(.*\.)?({pattern})$");
        Ok(Self {
            names,
            others: compile_set(key, others.into_iter(), suffix)?,
            places,
        })
    }

    /// The place of the first pattern that matches.
    pub fn first(&self, module: &str) -> Option<usize> {
        let other = self.others.matches(module).iter().next();
        let other = other.map(|index| self.places[index]);
        let names = endings(module).filter_map(|ending| {
            let letters: Vec<char> = ending.chars().collect();
            let whole = ending.len() == module.len();
            let mut same = self.names.get(&letters.len())?.iter();
            let found = same.find(|(_, name)| name.matches(&letters, whole));
            found.map(|(place, _)| *place)
        });
        names.chain(other).min()
    }
}

/// A pattern of nothing but letters and dots, escaped or not.
#[derive(Debug, Clone)]
struct Name {
    /// Nothing is any letter, which is what an unescaped dot means.
    letters: Vec<Option<char>>,
    /// Whether it begins with `^`: the path has nothing before it.
    whole: bool,
}

impl Name {
    fn of(pattern: &str) -> Option<Self> {
        let (whole, rest) = match pattern.strip_prefix('^') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        let mut chars = rest.chars();
        let mut letters = Vec::new();
        while let Some(char) = chars.next() {
            letters.push(match char {
                '.' => None,
                '\\' => Some(chars.next().filter(|char| ['.', '-'].contains(char))?),
                '_' | '-' => Some(char),
                _ if char.is_alphanumeric() => Some(char),
                _ => return None,
            });
        }
        Some(Self { letters, whole })
    }

    fn matches(&self, letters: &[char], whole: bool) -> bool {
        let mut pairs = self.letters.iter().zip(letters);
        (whole || !self.whole)
            && pairs.all(|(wanted, letter)| match wanted {
                Some(wanted) => wanted == letter,
                None => *letter != '\n',
            })
    }
}
