mod floats;
mod pth_source;
mod safetensors_source;

pub(crate) use pth_source::PthSource;
pub(crate) use safetensors_source::SafetensorsSource;

use crate::PeftError;

/// A file of named tensors, which are read one at a time.
pub(crate) trait TensorSource {
    /// The names and shapes of all.
    fn tensors(&self) -> Vec<(String, Vec<usize>)>;

    /// The values of one of them, row by row. The file has as many bytes as they need.
    fn read(&mut self, name: &str) -> Result<Vec<f32>, PeftError>;
}
