use std::path::Path;

use dacapo::pth::{Node, PthFile, Value, to_bytes};

use crate::{file::accepted, memory::bounded, zip::archive};

/// An opcode of one byte becomes a list or a dict.
const PER_BYTE: usize = 512;

/// More than this, of tensors that share their bytes, is not written again.
const WRITTEN: usize = 1 << 20;

/// Files of PyTorch: `bytes` as a file, or, unless they begin as a zip archive does, as the
/// pickle in one whose checksums are right, of torch.save and of TorchScript.
pub fn pth(bytes: &[u8]) {
    if bytes.starts_with(b"PK") || bytes.is_empty() {
        return read(bytes);
    }
    let storage: Vec<u8> = (0..=255).collect();
    let names: Vec<String> = (0..20).map(|key| format!("a/data/{key}")).collect();
    let mut entries = vec![("a/data.pkl", bytes)];
    entries.extend(names.iter().map(|name| (name.as_str(), &storage[..])));
    read(&archive(&entries));
    entries.push(("a/constants.pkl", b""));
    read(&archive(&entries));
}

fn read(bytes: &[u8]) {
    let path = Path::new("hostile.pth");
    let file = bounded(PER_BYTE, bytes.len(), || {
        accepted(path, PthFile::from_bytes(path, bytes.to_vec()))
    });
    let Some(file) = file else { return };
    let tensors = bounded(PER_BYTE, bytes.len(), || {
        visit(&file.root(), 0);
        file.root()
            .tensors()
            .iter()
            .map(|(_, tensor)| tensor.bytes().map_or(0, |bytes| bytes.len()))
            .sum::<usize>()
    });
    if tensors > WRITTEN {
        return;
    }
    let value = file.into_value();
    // A value that cannot be written, or a tensor whose bytes are damaged.
    let Ok(written) = to_bytes(&value) else {
        return;
    };
    let again = PthFile::from_bytes(path, written).expect("what was written can be read");
    assert_same(&value, &again.into_value());
}

/// Asks every value for all that it may be.
fn visit(node: &Node<'_>, depth: usize) {
    assert!(depth <= 100, "{} is nested too deep", node.place());
    let path = node.file();
    accepted(path, node.float());
    if let Ok(text) = node.str() {
        accepted(path, node.get(text));
    }
    for (_, inner) in node.entries().into_iter().flatten() {
        visit(&inner, depth + 1);
    }
    for inner in node.items().into_iter().flatten() {
        visit(&inner, depth + 1);
    }
    if let Ok(tensor) = node.tensor()
        && let Some(bytes) = accepted(path, tensor.bytes())
    {
        assert_eq!(
            bytes.len(),
            elements(tensor.shape()) * tensor.dtype().size()
        );
    }
    if let Ok(array) = node.numpy_array() {
        let bytes = elements(array.shape()) * array.dtype().size();
        assert_eq!(array.bytes().len(), bytes);
    }
}

/// Of an empty one, the other sizes may be any.
fn elements(shape: &[usize]) -> usize {
    match shape.contains(&0) {
        true => 0,
        false => shape.iter().product(),
    }
}

/// Not `==`: a NaN is itself.
fn assert_same(left: &Value, right: &Value) {
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => assert_eq!(left.to_bits(), right.to_bits()),
        (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
            assert_eq!(left.len(), right.len());
            for (left, right) in left.iter().zip(right) {
                assert_same(left, right);
            }
        }
        (Value::Dict(left), Value::Dict(right)) => {
            assert_eq!(left.len(), right.len());
            for ((key, left), (other, right)) in left.iter().zip(right.iter()) {
                assert_eq!(key, other);
                assert_same(left, right);
            }
        }
        (Value::Tensor(left), Value::Tensor(right)) => {
            assert_eq!((left.dtype(), left.shape()), (right.dtype(), right.shape()));
            let bytes = right.bytes().expect("what was written can be read");
            assert_eq!(left.bytes().expect("it was written"), bytes);
        }
        (left, right) => assert_eq!(format!("{left:?}"), format!("{right:?}")),
    }
}
