//! What must hold when dacapo reads a file that somebody else made, whatever is in it.
//!
//! # Contract
//! Each function of [`TARGETS`] gives bytes to readers as the content of a file and panics only
//! on a defect: a panic of a reader, more memory than a multiple of the file's length (the
//! multiples are constants of the modules, listed in fuzz/README.md), a message that does not
//! name the file, or a file that was accepted and does not come back equal when what was read
//! from it is written. [`seeds`] gives small files that the readers accept, and some that they refuse.
//!
//! libFuzzer calls the functions with what it makes up (`fuzz/`), `tests/tests/fuzz_corpus.rs`
//! with what it has found.
//!
//! # What this crate does not do
//! It does not fuzz: it makes up no input. Whoever links it has a counting allocator, which counts
//! for the whole process: nothing else may run beside a target.

mod bert;
mod checkpoint;
mod config;
mod csv;
mod file;
mod mat;
mod memory;
mod pair;
mod peft;
mod pth;
mod safetensors;
mod seeds;
mod tokenizer;
mod zip;

pub use bert::bert;
pub use checkpoint::checkpoint;
pub use config::config;
pub use csv::csv;
pub use mat::mat;
pub use peft::peft;
pub use pth::pth;
pub use safetensors::safetensors;
pub use seeds::seeds;
pub use tokenizer::tokenizer;

/// What is done with the bytes of a file.
pub type Target = fn(&[u8]);

/// Every target, by the name that it has in `fuzz/`.
pub const TARGETS: [(&str, Target); 9] = [
    ("checkpoint", checkpoint),
    ("safetensors", safetensors),
    ("pth", pth),
    ("config", config),
    ("csv", csv),
    ("mat", mat),
    ("peft", peft),
    ("tokenizer", tokenizer),
    ("bert", bert),
];
