//! Typed views of the arguments of calls.

use std::sync::Arc;

use super::cursor::DAMAGED;
use super::item::{Cell, Item};
use super::machine::Machine;
use crate::{PthError, Value};

/// No tensor has more dimensions, and no call more arguments.
const MAX_RANK: usize = 64;

impl Machine<'_> {
    /// The items of a tuple of at most 64.
    pub(super) fn tuple(&self, item: &Item, what: &str) -> Result<&[Item], PthError> {
        match self.cell(item) {
            Some(Cell::Tuple(items)) if items.len() <= MAX_RANK => Ok(items),
            Some(Cell::Tuple(items)) => {
                let expected = format!("a tuple of at most {MAX_RANK} for {what}");
                Err(self
                    .cursor
                    .error(expected, items.len().to_string(), DAMAGED))
            }
            _ => Err(self.expected(&format!("a tuple for {what}"), item)),
        }
    }

    /// The arguments of a call: as many as `count` says.
    pub(super) fn arguments(
        &self,
        item: &Item,
        what: &str,
        count: std::ops::RangeInclusive<usize>,
    ) -> Result<Vec<Item>, PthError> {
        let arguments = self.tuple(item, what)?;
        if !count.contains(&arguments.len()) {
            let expected = format!("{} to {} arguments of {what}", count.start(), count.end());
            return Err(self
                .cursor
                .error(expected, arguments.len().to_string(), DAMAGED));
        }
        Ok(arguments.to_vec())
    }

    /// A number that counts something.
    pub(super) fn count(&self, item: &Item, what: &str) -> Result<usize, PthError> {
        let Item::Value(Value::Int(value)) = item else {
            return Err(self.expected(&format!("an integer for {what}"), item));
        };
        usize::try_from(*value).map_err(|_| {
            let expected = format!("a count for {what}");
            self.cursor.error(expected, value.to_string(), DAMAGED)
        })
    }

    /// A tuple of numbers that count something.
    pub(super) fn counts(&mut self, item: &Item, what: &str) -> Result<Vec<usize>, PthError> {
        let items = self.tuple(item, what)?;
        let counts: Result<Vec<usize>, PthError> =
            items.iter().map(|item| self.count(item, what)).collect();
        let counts = counts?;
        self.spend(counts.len())?;
        Ok(counts)
    }

    pub(super) fn text(&self, item: &Item, what: &str) -> Result<Arc<str>, PthError> {
        match item {
            Item::Value(Value::Str(text)) => Ok(text.clone()),
            _ => Err(self.expected(&format!("a string for {what}"), item)),
        }
    }

    pub(super) fn byte_string(&self, item: &Item, what: &str) -> Result<Arc<[u8]>, PthError> {
        match item {
            Item::Value(Value::Bytes(bytes)) => Ok(bytes.clone()),
            _ => Err(self.expected(&format!("a byte string for {what}"), item)),
        }
    }
}
