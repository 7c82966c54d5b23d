use std::sync::Arc;

use super::global::Global;
use crate::storage::Storage;
use crate::{Dtype, NumpyArray, Value};

/// What lies on the stack. A clone is cheap.
#[derive(Clone)]
pub(super) enum Item {
    /// Without inner values.
    Value(Value),
    /// What can still change, or has inner values: its place on the heap.
    Heap(usize),
    Storage(StoredAs),
    Global(Global, Arc<str>),
}

/// A storage as a persistent id names it.
#[derive(Clone)]
pub(super) struct StoredAs {
    pub(super) storage: Arc<Storage>,
    /// Nothing for an untyped one.
    pub(super) dtype: Option<Dtype>,
    /// Its declared length in bytes.
    pub(super) len: usize,
}

/// What lies on the heap.
pub(super) enum Cell {
    List(Vec<Item>),
    Tuple(Vec<Item>),
    Dict(DictKind, Vec<(Item, Item)>),
    /// Nothing until its state was set.
    Array(Option<NumpyArray>),
    Dtype(NumpyDtype),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DictKind {
    Plain,
    Ordered,
    /// The attributes of a TorchScript object.
    Script,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct NumpyDtype {
    pub(super) dtype: Dtype,
    pub(super) big_endian: bool,
}
