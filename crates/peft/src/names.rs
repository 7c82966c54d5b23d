use crate::{LayerKind, MagnitudeKey};

/// What PEFT puts before the names of a wrapped model's tensors.
pub(crate) const PREFIX: &str = "base_model.model.";

/// The adapter that PEFT makes unasked. Files have its name only if a model's parameters were
/// saved past PEFT.
const DEFAULT: &str = "default";

/// Parts of a path that PEFT inserts itself.
pub(crate) const INSERTED: [&str; 3] = ["base_layer", "modules_to_save", "original_module"];

/// A tensor of a layer's adapter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    A,
    B,
    EmbeddingA,
    EmbeddingB,
    Magnitude,
}

impl Part {
    /// Its name behind the layer's, without `.weight`.
    pub fn name(self) -> &'static str {
        match self {
            Self::A => "lora_A",
            Self::B => "lora_B",
            Self::EmbeddingA => "lora_embedding_A",
            Self::EmbeddingB => "lora_embedding_B",
            Self::Magnitude => "lora_magnitude_vector",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [
            Self::A,
            Self::B,
            Self::EmbeddingA,
            Self::EmbeddingB,
            Self::Magnitude,
        ]
        .into_iter()
        .find(|part| part.name() == name)
    }

    /// Whether what follows the name in a file is one of PEFT's spellings.
    fn is_spelt(self, rest: &[&str]) -> bool {
        let rest = rest.strip_prefix(&[DEFAULT]).unwrap_or(rest);
        match self {
            // Modules with a weight.
            Self::A | Self::B => rest == ["weight"],
            // Parameters.
            Self::EmbeddingA | Self::EmbeddingB => rest.is_empty(),
            // It was the one first and is the other now.
            Self::Magnitude => rest.is_empty() || rest == ["weight"],
        }
    }

    /// A and B of a kind of layer.
    pub fn pair(kind: &LayerKind) -> [Self; 2] {
        match kind {
            LayerKind::Embedding => [Self::EmbeddingA, Self::EmbeddingB],
            LayerKind::Linear | LayerKind::Conv { .. } => [Self::A, Self::B],
        }
    }
}

/// What a tensor's name, without [`PREFIX`], says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A part of this module's adapter.
    Part(String, Part),
    /// A tensor of the adapted module itself: the module, the tensor's name in it.
    Base(String, String),
    /// A tensor of the base under its own name.
    Other(String),
}

impl Role {
    pub fn of(name: &str) -> Self {
        let parts: Vec<&str> = name.split('.').collect();
        // Behind the name of a part there are at most `.default.weight`.
        for at in (1..parts.len()).rev().take(3) {
            let module = || parts[..at].join(".");
            match Part::of(parts[at]) {
                Some(part) if part.is_spelt(&parts[at + 1..]) => return Self::Part(module(), part),
                _ if parts[at] == INSERTED[0] && at + 2 == parts.len() => {
                    return Self::Base(module(), parts[at + 1].to_owned());
                }
                _ => {}
            }
        }
        Self::Other(name.to_owned())
    }
}

/// The name in a file of a part of `module`'s adapter.
pub(crate) fn of_part(module: &str, part: Part, magnitude: MagnitudeKey) -> String {
    let weight = match part {
        Part::A | Part::B => ".weight",
        Part::EmbeddingA | Part::EmbeddingB => "",
        Part::Magnitude => match magnitude {
            MagnitudeKey::Plain => "",
            MagnitudeKey::Weight => ".weight",
        },
    };
    format!("{PREFIX}{module}.{}{weight}", part.name())
}

/// The name in a file of the tensor `name` of the base.
pub(crate) fn of_base(name: &str, module_is_adapted: bool) -> String {
    match name.rsplit_once('.') {
        Some((module, tensor)) if module_is_adapted => {
            format!("{PREFIX}{module}.{}.{tensor}", INSERTED[0])
        }
        _ => format!("{PREFIX}{name}"),
    }
}

/// Whether a tensor of this name is part of a quantised weight (bitsandbytes, GPTQ, AWQ).
pub(crate) fn is_quantised(name: &str) -> bool {
    const MARKS: [&str; 9] = [
        "SCB",
        "absmax",
        "g_idx",
        "nested_absmax",
        "nested_quant_map",
        "quant_map",
        "quant_state",
        "qweight",
        "qzeros",
    ];
    name.split('.')
        .any(|part| MARKS.contains(&part) || part.starts_with("bitsandbytes__"))
}
