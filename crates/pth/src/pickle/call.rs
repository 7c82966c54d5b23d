//! What stands in for the calls that a pickle asks for.

use super::cursor::{DAMAGED, RESAVE};
use super::global::Global;
use super::item::{Cell, DictKind, Item};
use super::machine::Machine;
use crate::place::shortened;
use crate::{PthError, Value};

impl Machine<'_> {
    pub(super) fn call(&mut self, callee: &Item, arguments: &Item) -> Result<Item, PthError> {
        let Item::Global(global, name) = callee else {
            return Err(self.expected("a function to call", callee));
        };
        match global {
            Global::OrderedDict => {
                self.arguments(arguments, name, 0..=0)?;
                Ok(self.allocate(Cell::Dict(DictKind::Ordered, Vec::new())))
            }
            Global::Counter => {
                let arguments = self.arguments(arguments, name, 1..=1)?;
                match self.cell(&arguments[0]) {
                    Some(Cell::Dict(..)) => Ok(arguments[0].clone()),
                    _ => Err(self.expected("a dict for a Counter", &arguments[0])),
                }
            }
            Global::Encode => {
                let arguments = self.arguments(arguments, name, 2..=2)?;
                self.encode(&arguments)
            }
            Global::Bytes => {
                self.arguments(arguments, name, 0..=0)?;
                Ok(Item::Value(Value::Bytes([].into())))
            }
            Global::RebuildTensor => {
                let arguments = self.arguments(arguments, name, 6..=7)?;
                self.rebuild_tensor(&arguments, None, arguments.get(6))
            }
            Global::RebuildTensorV3 => {
                let arguments = self.arguments(arguments, name, 7..=8)?;
                let Item::Global(Global::Dtype(dtype), _) = arguments[6] else {
                    return Err(self.expected("a dtype", &arguments[6]));
                };
                self.rebuild_tensor(&arguments, Some(dtype), arguments.get(7))
            }
            Global::RebuildParameter => {
                let arguments = self.arguments(arguments, name, 3..=3)?;
                match &arguments[0] {
                    tensor @ Item::Value(Value::Tensor(_)) => Ok(tensor.clone()),
                    other => Err(self.expected("a tensor for a parameter", other)),
                }
            }
            Global::NumpyReconstruct => {
                let arguments = self.arguments(arguments, name, 3..=3)?;
                match arguments[0] {
                    Item::Global(Global::NumpyArray, _) => Ok(self.allocate(Cell::Array(None))),
                    _ => Err(self.expected("numpy.ndarray", &arguments[0])),
                }
            }
            Global::NumpyDtype => {
                let arguments = self.arguments(arguments, name, 3..=3)?;
                self.numpy_dtype(&arguments[0])
            }
            Global::NumpyScalar => {
                let arguments = self.arguments(arguments, name, 2..=2)?;
                self.numpy_scalar(&arguments)
            }
            Global::ScriptTyped => {
                let arguments = self.arguments(arguments, name, 1..=2)?;
                Ok(arguments[0].clone())
            }
            Global::Storage(_)
            | Global::UntypedStorage
            | Global::Dtype(_)
            | Global::NumpyArray
            | Global::Script => Err(self.expected("a function to call", callee)),
        }
    }

    /// A byte string that protocol 2 wrote as a string of the characters 0 to 255.
    fn encode(&mut self, arguments: &[Item]) -> Result<Item, PthError> {
        let text = self.text(&arguments[0], "_codecs.encode")?;
        let codec = self.text(&arguments[1], "_codecs.encode's codec")?;
        if !matches!(&*codec, "latin1" | "latin-1") {
            let found = format!("{:?}", shortened(&codec));
            return Err(self.cursor.error("the codec latin1", found, RESAVE));
        }
        self.spend(text.len())?;
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        match bytes {
            Ok(bytes) => Ok(Item::Value(Value::Bytes(bytes.into()))),
            Err(_) => {
                let found = "a character above 255";
                Err(self.cursor.error("a byte string in latin1", found, DAMAGED))
            }
        }
    }

    pub(super) fn new_object(&self, class: &Item, arguments: &Item) -> Result<Cell, PthError> {
        let Item::Global(Global::Script, name) = class else {
            return Err(self.expected("a class of TorchScript", class));
        };
        self.arguments(arguments, name, 0..=0)?;
        Ok(Cell::Dict(DictKind::Script, Vec::new()))
    }

    /// Sets the state of an object.
    pub(super) fn build(&mut self, object: &Item, state: &Item) -> Result<(), PthError> {
        match self.cell(object) {
            Some(Cell::Array(_)) => self.build_array(object, state),
            Some(Cell::Dtype(_)) => self.build_dtype(object, state),
            Some(Cell::Dict(DictKind::Script, _)) => {
                let Some(Cell::Dict(DictKind::Plain, entries)) = self.cell(state) else {
                    return Err(self.expected("a dict of attributes", state));
                };
                let entries = entries.clone();
                self.spend(entries.len())?;
                if let Some(Cell::Dict(_, attributes)) = self.cell_mut(object) {
                    attributes.extend(entries);
                }
                Ok(())
            }
            Some(Cell::Dict(DictKind::Ordered, _)) => self.check_metadata(state),
            _ => Err(self.expected("an object that has a state", object)),
        }
    }

    /// The attributes of a state dict: `_metadata`, the versions of its modules, is
    /// all that may be ignored.
    fn check_metadata(&self, state: &Item) -> Result<(), PthError> {
        let Some(Cell::Dict(_, entries)) = self.cell(state) else {
            return Err(self.expected("a dict of attributes", state));
        };
        match entries.as_slice() {
            [(Item::Value(Value::Str(name)), _)] if &**name == "_metadata" => Ok(()),
            _ => {
                let expected = "no attribute of an OrderedDict but _metadata";
                let names = entries.iter().take(8).map(|(name, _)| match name {
                    Item::Value(Value::Str(name)) => format!("{:?}", shortened(name)),
                    other => self.kind(other),
                });
                let found = format!("these: {}", names.collect::<Vec<_>>().join(", "));
                Err(self.cursor.error(expected, found, RESAVE))
            }
        }
    }
}
