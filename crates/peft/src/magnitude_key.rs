/// How the tensor of a magnitude is named in a file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MagnitudeKey {
    /// `<layer>.lora_magnitude_vector`, as every version of PEFT with DoRA writes it.
    #[default]
    Plain,
    /// `<layer>.lora_magnitude_vector.weight`, as it is called inside of PEFT; tools
    /// that save a model's parameters by their own names write it so.
    Weight,
}
