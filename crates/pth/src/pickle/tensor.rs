//! Storages and the tensors in them.

use std::sync::Arc;

use super::cursor::{DAMAGED, RESAVE};
use super::global::Global;
use super::item::{Cell, Item, StoredAs};
use super::machine::Machine;
use crate::layout::Layout;
use crate::place::shortened;
use crate::storage::Storage;
use crate::{Dtype, PthError, Tensor, Value};

impl Machine<'_> {
    /// The storage of a persistent id: `('storage', class, key, device, elements)`.
    pub(super) fn storage(&mut self, id: &Item) -> Result<Item, PthError> {
        let id = self.arguments(id, "a persistent id", 5..=5)?;
        let word = self.text(&id[0], "a persistent id")?;
        if &*word != "storage" {
            let found = format!("{:?}", shortened(&word));
            return Err(self
                .cursor
                .error("the persistent id of a storage", found, RESAVE));
        }
        let dtype = match id[1] {
            Item::Global(Global::Storage(dtype), _) => Some(dtype),
            Item::Global(Global::UntypedStorage, _) => None,
            _ => return Err(self.expected("the class of a storage", &id[1])),
        };
        let key = self.text(&id[2], "a storage's key")?;
        let elements = self.count(&id[4], "a storage's length")?;
        let storage = self.find_storage(key)?;
        let size = dtype.map_or(1, Dtype::size);
        let len = elements.checked_mul(size);
        // Bytes that are no whole element are left over where a storage was made of bytes.
        let rest = len.and_then(|len| storage.len().checked_sub(len as u64));
        match (len, rest) {
            (Some(len), Some(rest)) if rest < size as u64 => Ok(Item::Storage(StoredAs {
                storage,
                dtype,
                len,
            })),
            _ => {
                let entry = shortened(storage.entry());
                let expected = format!("a storage of {elements} elements in {entry:?}");
                let found = format!("an entry of {} bytes", storage.len());
                Err(self.cursor.error(expected, found, DAMAGED))
            }
        }
    }

    fn find_storage(&mut self, key: Arc<str>) -> Result<Arc<Storage>, PthError> {
        if let Some(storage) = self.storages.get(&key) {
            return Ok(storage.clone());
        }
        let entry = format!("{}/data/{key}", self.folder);
        let Some(len) = self.archive.entry_len(&entry) else {
            let expected = format!("an entry {:?} in the archive", shortened(&entry));
            return Err(self.cursor.error(expected, "none", DAMAGED));
        };
        let storage = Arc::new(Storage::new(self.archive.clone(), entry, len));
        self.storages.insert(key, storage.clone());
        Ok(storage)
    }

    /// `(storage, offset, shape, strides, requires_grad, hooks, ..)`. `dtype`: of an
    /// untyped storage's tensor.
    pub(super) fn rebuild_tensor(
        &mut self,
        arguments: &[Item],
        dtype: Option<Dtype>,
        metadata: Option<&Item>,
    ) -> Result<Item, PthError> {
        let Item::Storage(stored) = &arguments[0] else {
            return Err(self.expected("a storage", &arguments[0]));
        };
        let Some(dtype) = stored.dtype.xor(dtype) else {
            let found = "none or two";
            return Err(self.cursor.error("one dtype for a tensor", found, DAMAGED));
        };
        self.no_metadata(metadata)?;
        let layout = Layout {
            dtype,
            offset: self.count(&arguments[1], "a storage offset")?,
            shape: self.counts(&arguments[2], "a shape")?,
            strides: self.counts(&arguments[3], "strides")?,
        };
        self.check_layout(&layout, stored)?;
        let tensor = Tensor::stored(layout, stored.storage.clone());
        Ok(Item::Value(Value::Tensor(tensor)))
    }

    /// Metadata says that the bytes are not the values: conjugated or negated lazily.
    fn no_metadata(&self, metadata: Option<&Item>) -> Result<(), PthError> {
        let Some(metadata) = metadata else {
            return Ok(());
        };
        match (metadata, self.cell(metadata)) {
            (Item::Value(Value::None), _) => Ok(()),
            (_, Some(Cell::Dict(_, entries))) if entries.is_empty() => Ok(()),
            _ => {
                let found = "a conjugated or negated view, or the like";
                Err(self
                    .cursor
                    .error("a tensor whose bytes are its values", found, RESAVE))
            }
        }
    }

    fn check_layout(&self, layout: &Layout, stored: &StoredAs) -> Result<(), PthError> {
        let Layout {
            shape,
            strides,
            offset,
            ..
        } = layout;
        if shape.len() != strides.len() {
            let expected = format!("as many strides as the {} dimensions", shape.len());
            return Err(self
                .cursor
                .error(expected, strides.len().to_string(), DAMAGED));
        }
        if layout.end().is_none_or(|end| end > stored.len) {
            let expected = format!("a tensor inside its storage of {} bytes", stored.len);
            let found = format!("shape {shape:?}, strides {strides:?}, offset {offset}");
            return Err(self.cursor.error(expected, found, DAMAGED));
        }
        // An expanded tensor repeats its elements: a few bytes can be a tensor of any size.
        let len = Layout::bytes(layout.dtype, shape);
        if len.is_none_or(|len| len as u64 > self.archive.len()) {
            let expected = "a tensor that is smaller than its file";
            let found = format!("an expanded one of shape {shape:?}");
            let advice = "Load the file in Python and save the tensor's .contiguous()";
            return Err(self.cursor.error(expected, found, advice));
        }
        Ok(())
    }
}
