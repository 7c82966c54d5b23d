use std::collections::BTreeMap;
use std::sync::Arc;

use super::cursor::{Cursor, DAMAGED, RESAVE};
use super::global::Global;
use super::item::{Cell, DictKind, Item};
use crate::archive::Archive;
use crate::storage::Storage;
use crate::{PthError, Value};

/// Runs one pickle of an archive.
pub(crate) struct Machine<'a> {
    pub(super) cursor: Cursor<'a>,
    pub(super) archive: &'a Arc<Archive>,
    /// The folder of the archive's entries.
    pub(super) folder: &'a str,
    /// Whether the file is a TorchScript archive.
    script: bool,
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: BTreeMap<u32, Item>,
    pub(super) heap: Vec<Cell>,
    pub(super) storages: BTreeMap<Arc<str>, Arc<Storage>>,
    /// What may still be copied. A pickle can name a value many times with few bytes.
    budget: usize,
}

impl<'a> Machine<'a> {
    pub(crate) fn new(
        archive: &'a Arc<Archive>,
        folder: &'a str,
        entry: &'a str,
        bytes: &'a [u8],
        script: bool,
    ) -> Self {
        Self {
            cursor: Cursor::new(archive.path(), entry, bytes),
            archive,
            folder,
            script,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            heap: Vec::new(),
            storages: BTreeMap::new(),
            budget: 4 * bytes.len() + 1024,
        }
    }

    /// The value that the pickle says.
    pub(crate) fn run(mut self) -> Result<Value, PthError> {
        if self.cursor.opcode()? != 0x80 {
            return Err(self.cursor.error("a pickle", "another first byte", DAMAGED));
        }
        let version = self.cursor.array::<1>()?[0];
        if version != 2 {
            let found = format!("protocol {version}");
            return Err(self.cursor.error("a pickle of protocol 2", found, RESAVE));
        }
        loop {
            let opcode = self.cursor.opcode()?;
            if opcode == b'.' {
                let value = self.pop()?;
                return self.freeze(&value);
            }
            self.step(opcode)?;
        }
    }

    fn step(&mut self, opcode: u8) -> Result<(), PthError> {
        match opcode {
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'J' => {
                let value = i32::from_le_bytes(self.cursor.array()?);
                self.push(Value::Int(value.into()));
            }
            b'K' => {
                let value = u8::from_le_bytes(self.cursor.array()?);
                self.push(Value::Int(value.into()));
            }
            b'M' => {
                let value = u16::from_le_bytes(self.cursor.array()?);
                self.push(Value::Int(value.into()));
            }
            0x8a => self.long()?,
            b'G' => {
                let value = f64::from_be_bytes(self.cursor.array()?);
                self.push(Value::Float(value));
            }
            b'X' => {
                let len = self.cursor.len()?;
                let text = self.cursor.text(len)?;
                self.push(Value::Str(text.into()));
            }
            b']' => self.push_cell(Cell::List(Vec::new())),
            b')' => self.push_cell(Cell::Tuple(Vec::new())),
            b'}' => self.push_cell(Cell::Dict(DictKind::Plain, Vec::new())),
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let items = self.pop_to_mark()?;
                self.push_cell(Cell::Tuple(items));
            }
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push_cell(Cell::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)?;
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(items)?;
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(items)?;
            }
            b'q' => {
                let index = u8::from_le_bytes(self.cursor.array()?);
                self.remember(index.into())?;
            }
            b'r' => {
                let index = u32::from_le_bytes(self.cursor.array()?);
                self.remember(index)?;
            }
            b'h' => {
                let index = u8::from_le_bytes(self.cursor.array()?);
                self.recall(index.into())?;
            }
            b'j' => {
                let index = u32::from_le_bytes(self.cursor.array()?);
                self.recall(index)?;
            }
            b'c' => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                let full = format!("{module}.{name}");
                match Global::of(module, name, self.script) {
                    Some(global) => self.stack.push(Item::Global(global, full.into())),
                    None => return Err(self.cursor.refuse(&full)),
                }
            }
            // Both would make something of a class: which one, the message should say.
            b'i' => {
                let (module, name) = (self.cursor.line()?, self.cursor.line()?);
                return Err(self.cursor.refuse(&format!("{module}.{name}")));
            }
            0x93 => {
                return Err(match self.stack.as_slice() {
                    [
                        ..,
                        Item::Value(Value::Str(module)),
                        Item::Value(Value::Str(name)),
                    ] => self.cursor.refuse(&format!("{module}.{name}")),
                    _ => self.unknown(opcode),
                });
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(&id)?;
                self.stack.push(storage);
            }
            b'R' => {
                let arguments = self.pop()?;
                let callee = self.pop()?;
                let result = self.call(&callee, &arguments)?;
                self.stack.push(result);
            }
            0x81 => {
                let arguments = self.pop()?;
                let class = self.pop()?;
                let object = self.new_object(&class, &arguments)?;
                self.push_cell(object);
            }
            b'b' => {
                let state = self.pop()?;
                let object = self.last()?.clone();
                self.build(&object, &state)?;
            }
            _ => return Err(self.unknown(opcode)),
        }
        Ok(())
    }

    fn unknown(&self, opcode: u8) -> PthError {
        let found = format!("opcode {opcode:#04x} ('{}')", opcode.escape_ascii());
        self.cursor
            .error("an opcode that torch.save writes", found, RESAVE)
    }

    /// An integer of any length, as two's complement.
    fn long(&mut self) -> Result<(), PthError> {
        let len = usize::from(self.cursor.array::<1>()?[0]);
        let bytes = self.cursor.take(len)?;
        if len > 16 {
            let found = format!("one of {len} bytes");
            return Err(self.cursor.error("an integer of 128 bits", found, RESAVE));
        }
        let negative = bytes.last().is_some_and(|last| *last >= 0x80);
        let mut value = [if negative { 0xff } else { 0 }; 16];
        value[..len].copy_from_slice(bytes);
        self.push(Value::Int(i128::from_le_bytes(value)));
        Ok(())
    }

    fn append(&mut self, items: Vec<Item>) -> Result<(), PthError> {
        let target = self.last()?.clone();
        match self.cell_mut(&target) {
            Some(Cell::List(list)) => list.extend(items),
            _ => return Err(self.expected("a list to append to", &target)),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Item>) -> Result<(), PthError> {
        if !items.len().is_multiple_of(2) {
            let found = "a key without a value";
            return Err(self.cursor.error("keys and values", found, DAMAGED));
        }
        let target = self.last()?.clone();
        match self.cell_mut(&target) {
            Some(Cell::Dict(_, entries)) => {
                let mut items = items.into_iter();
                while let (Some(key), Some(value)) = (items.next(), items.next()) {
                    entries.push((key, value));
                }
            }
            _ => return Err(self.expected("a dict to set items of", &target)),
        }
        Ok(())
    }

    fn remember(&mut self, index: u32) -> Result<(), PthError> {
        let item = self.last()?.clone();
        self.memo.insert(index, item);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), PthError> {
        let Some(item) = self.memo.get(&index) else {
            let expected = format!("number {index} in the memo");
            return Err(self.cursor.error(expected, "nothing there", DAMAGED));
        };
        self.stack.push(item.clone());
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(Item::Value(value));
    }

    fn push_cell(&mut self, cell: Cell) {
        let item = self.allocate(cell);
        self.stack.push(item);
    }

    pub(super) fn allocate(&mut self, cell: Cell) -> Item {
        self.heap.push(cell);
        Item::Heap(self.heap.len() - 1)
    }

    /// How many items lie above the last mark, or on the stack without one.
    fn above_mark(&self) -> usize {
        self.stack.len() - self.marks.last().copied().unwrap_or(0)
    }

    fn last(&self) -> Result<&Item, PthError> {
        match self.stack.last() {
            Some(item) if self.above_mark() > 0 => Ok(item),
            _ => Err(self.empty()),
        }
    }

    fn pop(&mut self) -> Result<Item, PthError> {
        self.last()?;
        self.stack.pop().ok_or_else(|| self.empty())
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Item>, PthError> {
        if self.above_mark() < count {
            return Err(self.empty());
        }
        Ok(self.stack.split_off(self.stack.len() - count))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Item>, PthError> {
        match self.marks.pop() {
            Some(mark) => Ok(self.stack.split_off(mark)),
            None => Err(self.cursor.error("a mark on the stack", "none", DAMAGED)),
        }
    }

    fn empty(&self) -> PthError {
        self.cursor
            .error("a value on the stack", "too few", DAMAGED)
    }

    pub(super) fn cell(&self, item: &Item) -> Option<&Cell> {
        match item {
            Item::Heap(place) => self.heap.get(*place),
            _ => None,
        }
    }

    pub(super) fn cell_mut(&mut self, item: &Item) -> Option<&mut Cell> {
        match item {
            Item::Heap(place) => self.heap.get_mut(*place),
            _ => None,
        }
    }

    /// Takes `amount` values or bytes from what the pickle's length justifies.
    pub(super) fn spend(&mut self, amount: usize) -> Result<(), PthError> {
        match self.budget.checked_sub(amount) {
            Some(rest) => self.budget = rest,
            None => {
                let expected = "values in proportion to the pickle's length";
                let found = "a small pickle that repeats itself into a very large value";
                return Err(self.cursor.error(expected, found, DAMAGED));
            }
        }
        Ok(())
    }

    pub(super) fn expected(&self, expected: &str, found: &Item) -> PthError {
        self.cursor.error(expected, self.kind(found), DAMAGED)
    }

    pub(super) fn kind(&self, item: &Item) -> String {
        match item {
            Item::Value(value) => value.kind().to_owned(),
            Item::Storage(_) => "a storage".to_owned(),
            Item::Global(_, name) => format!("`{name}` itself"),
            Item::Heap(_) => match self.cell(item) {
                Some(Cell::List(_)) => "a list",
                Some(Cell::Tuple(_)) => "a tuple",
                Some(Cell::Dict(DictKind::Script, _)) => "a TorchScript object",
                Some(Cell::Dict(..)) => "a dict",
                Some(Cell::Array(_)) => "a numpy array",
                Some(Cell::Dtype(_)) => "a numpy dtype",
                None => "nothing",
            }
            .to_owned(),
        }
    }
}
