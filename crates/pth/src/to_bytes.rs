use crate::archive::ArchiveWriter;
use crate::pickle::Encoder;
use crate::{PthError, Value};

/// `value` as a file of torch.save, which `torch.load(.., weights_only=True)` loads.
///
/// The bytes depend on the value alone. Every tensor gets a storage of its own, in the
/// order of the value, on the CPU, without gradient. Tensors that are still in a file are
/// read one by one.
///
/// # Errors
///
/// [`PthError::Unwritable`] (a numpy array, values that are nested more than 100 deep,
/// more than 4 GiB) and those of [`Tensor::bytes`](crate::Tensor::bytes).
pub fn to_bytes(value: &Value) -> Result<Vec<u8>, PthError> {
    let encoded = Encoder::default().encode(value)?;
    let mut archive = ArchiveWriter::default();
    let mut entry = |name: &str, bytes: &[u8]| {
        let written = archive.entry(&format!("archive/{name}"), bytes);
        written.ok_or_else(|| too_large(name))
    };
    entry("data.pkl", &encoded.pickle)?;
    entry("byteorder", b"little")?;
    for (number, tensor) in encoded.tensors.iter().enumerate() {
        entry(&format!("data/{number}"), &tensor.bytes()?)?;
    }
    entry("version", b"3\n")?;
    archive.finish().ok_or_else(|| too_large("the directory"))
}

fn too_large(name: &str) -> PthError {
    PthError::Unwritable {
        place: format!("the archive's entry {name}"),
        expected: "less than 4 GiB and 65535 entries in all",
        found: "more".to_owned(),
        advice: "Write the tensors into several files",
    }
}
