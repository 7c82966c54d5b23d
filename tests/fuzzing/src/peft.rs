use std::path::Path;

use dacapo::peft::{MagnitudeKey, PeftAdapter, PeftFiles};

use crate::{
    file::{accepted, with_files},
    memory::bounded_by,
    pair::{name, split},
};

/// A tensor's entry in the header becomes two names, a shape and, perhaps, a place in a message.
const PER_BYTE: usize = 64;

/// What settings and messages may take of any file.
const SETTINGS: usize = 2 << 20;

/// What the patterns of a configuration may, compiled, for each byte of it: of letters, and of classes
/// and what is repeated, of which a single one may be as large as a pattern is allowed to be.
const LETTER: usize = 2 << 10;
const CLASS: usize = 16 << 10;
const PATTERN: usize = 16 << 20;

/// The most that the four keys with patterns may.
const PATTERNS: usize = 128 << 20;

/// An adapter of PEFT's: `bytes` up to the first NUL as `adapter_config.json`, and behind it as
/// `adapter_model.safetensors` or, if they begin as a zip archive does, as `adapter_model.bin`.
pub fn peft(bytes: &[u8]) {
    let (config, weights) = split(bytes);
    let weights_name = name(weights, PeftFiles::OLD_WEIGHTS, PeftFiles::WEIGHTS);
    let files = [(PeftFiles::CONFIG, config), (weights_name, weights)];
    with_files(&files, |folder| read(folder, config, bytes.len()));
}

fn read(folder: &Path, config: &[u8], len: usize) {
    let classes = config.iter().any(|byte| b"\\^".contains(byte));
    let patterns = match classes {
        true => PATTERN + CLASS * config.len(),
        false => LETTER * config.len(),
    };
    let fixed = SETTINGS + patterns.min(PATTERNS);
    let adapter = bounded_by(fixed, PER_BYTE, len, || {
        accepted(folder, PeftAdapter::read(folder))
    });
    let Some(adapter) = adapter else { return };
    let config = adapter.config();
    for (module, layer) in adapter.layers() {
        assert!(config.is_target(module), "{module} is no target");
        assert_eq!(config.rank_of(module), layer.rank(), "{module}");
        let scaling = config.scaling_of(module, layer.rank());
        assert!(scaling.is_finite(), "{module} is scaled by {scaling}");
        for values in [layer.a().values(), layer.b().values()] {
            assert!(values.iter().all(|value| value.is_finite()), "{module}");
        }
    }
    for key in [MagnitudeKey::Plain, MagnitudeKey::Weight] {
        let files = adapter.to_files(key).expect("as small as what was read");
        let again = PeftAdapter::from_bytes(&files.config, &files.weights);
        let again = again.expect("what was written can be read");
        assert_eq!(again, adapter);
        assert_eq!(again.to_files(key).expect("as before"), files);
    }
}
