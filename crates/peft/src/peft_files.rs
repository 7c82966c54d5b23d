/// An adapter as the bytes of its two files. The caller writes them: both, or neither.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeftFiles {
    /// `adapter_config.json`.
    pub config: Vec<u8>,
    /// `adapter_model.safetensors`.
    pub weights: Vec<u8>,
}

impl PeftFiles {
    /// The name of the configuration's file.
    pub const CONFIG: &str = "adapter_config.json";
    /// The name of the weights' file.
    pub const WEIGHTS: &str = "adapter_model.safetensors";
    /// The name of the weights' file of older versions of PEFT, which is read only.
    pub const OLD_WEIGHTS: &str = "adapter_model.bin";
}
