use crate::{AdapterInit, Flavour};

/// What can go wrong when adapters are configured, attached or merged.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DoraError {
    /// A hyper-parameter is out of range.
    #[error(
        "DoRA setting `{key}`: expected {expected}, found {found}; correct it in the configuration"
    )]
    InvalidConfig {
        /// The setting's key.
        key: &'static str,
        /// The values it takes.
        expected: &'static str,
        /// The value given.
        found: String,
    },
    /// The rank exceeds the smaller side of the weight.
    #[error(
        "layer `{path}`: DoRA rank {rank} exceeds the smaller side of its {d_in} -> {d_out} \
         weight; use a rank of at most {most}, or leave this layer out of the patterns",
        most = d_in.min(d_out)
    )]
    RankTooLarge {
        /// The layer.
        path: String,
        /// The rank asked for.
        rank: usize,
        /// Inputs of the layer.
        d_in: usize,
        /// Outputs of the layer.
        d_out: usize,
    },
    /// The rank cannot be shared out among a convolution's groups.
    #[error(
        "layer `{path}`: expected a DoRA rank that its {groups} groups divide, found {rank}; use a \
         multiple of {groups}, or leave this layer out of the patterns"
    )]
    RankOfGroups {
        /// The layer.
        path: String,
        /// The rank asked for.
        rank: usize,
        /// The convolution's groups.
        groups: usize,
    },
    /// The parts of a fused layer do not make it up.
    #[error("parts of a fused linear layer: expected {expected}, found {found}; correct the parts")]
    InvalidParts {
        /// What the parts must be.
        expected: String,
        /// What they are.
        found: String,
    },
    /// A fused layer has no such part.
    #[error(
        "expected a part of the fused linear layer, found `{part}`; its parts are {}",
        available.join(", ")
    )]
    UnknownPart {
        /// The name asked for.
        part: String,
        /// The names of its parts.
        available: Vec<String>,
    },
    /// The flavour is not defined for this kind of layer.
    #[error(
        "layer `{path}`: expected the DoRA flavour {expected:?}, the only one defined for {kind}s, \
         found {found:?}; use that flavour, or leave this layer out of the patterns",
        expected = Flavour::Peft
    )]
    UnsupportedFlavour {
        /// The layer.
        path: String,
        /// `embedding` or `convolution`.
        kind: &'static str,
        /// The flavour asked for.
        found: Flavour,
    },
    /// The initialisation is not defined for this kind of layer.
    #[error(
        "layer `{path}`: expected adapters of this {kind} to begin with \"kaiming\", found {:?}; use \
         that, or leave this layer out of the patterns", found.name()
    )]
    UnsupportedInit {
        /// The layer.
        path: String,
        /// `embedding` or `convolution`.
        kind: &'static str,
        /// The initialisation asked for.
        found: AdapterInit,
    },
    /// The layer has an adapter already.
    #[error(
        "layer `{path}`: expected a layer without an adapter, found one attached as `{attached}`; \
         detach it first, or fold it in with `into_linear`"
    )]
    AlreadyAttached {
        /// The layer, as named by this call.
        path: String,
        /// The path under which the present adapter was attached.
        attached: String,
    },
    /// An adapter's tensor has another shape than its layer and rank ask for.
    #[error(
        "adapter tensor `{path}.{key}`: expected shape {expected:?}, found {found:?}; \
         it belongs to another layer, rank or convention and must not be reshaped"
    )]
    ShapeMismatch {
        /// The layer.
        path: String,
        /// `magnitude`, `lora_a` or `lora_b`.
        key: &'static str,
        /// The shape that fits.
        expected: Vec<usize>,
        /// The shape given.
        found: Vec<usize>,
    },
    /// A magnitude where the flavour has none, or none where it has one.
    #[error(
        "adapter of `{path}`: {}",
        match given {
            true => "its flavour is LoRA, which has no magnitude, but one is given; choose a flavour of \
                     DoRA, or leave the magnitude out",
            false => "its flavour is DoRA, which has a magnitude for each output channel, but none is \
                      given; choose the flavour lora, or give the magnitude",
        }
    )]
    Magnitude {
        /// The layer.
        path: String,
        /// Whether one was given.
        given: bool,
    },
    /// The norm of a base row is infinite or NaN, so that no magnitude exists.
    #[error(
        "layer `{path}`: expected base weights with finite row norms, found {norm} for output \
         channel {channel}; check where these weights were loaded from"
    )]
    NonFiniteNorm {
        /// The layer.
        path: String,
        /// The output channel.
        channel: usize,
        /// Its norm.
        norm: f64,
    },
    /// No pattern was given.
    #[error(
        "expected at least one layer pattern to attach DoRA to, found none; layers of this model: \
         {}",
        available.join(", ")
    )]
    NoPattern {
        /// The paths of the model's layers.
        available: Vec<String>,
    },
    /// A pattern matches no layer.
    #[error(
        "layer pattern `{pattern}` matches none of the model's layers; correct or remove it; \
         layers of this model: {}",
        available.join(", ")
    )]
    UnmatchedPattern {
        /// The pattern.
        pattern: String,
        /// The paths of the model's layers.
        available: Vec<String>,
    },
    /// Two patterns give a layer different values.
    #[error(
        "layer `{path}`: the patterns `{}` and `{}` of {key} give it different values; make one of \
         them narrower", patterns[0], patterns[1]
    )]
    AmbiguousPattern {
        /// `rank_pattern` or `alpha_pattern`.
        key: &'static str,
        /// The layer.
        path: String,
        /// The patterns.
        patterns: [String; 2],
    },
    /// A model names two layers alike.
    #[error(
        "the model gives the path `{path}` to more than one layer; its `DoraTargets` \
         implementation must name each layer once"
    )]
    DuplicatePath {
        /// The path.
        path: String,
    },
    /// Adapters are for layers that the model does not have.
    #[error(
        "expected adapters for layers of this model, found some for {}; put them on the model \
         that they were made for; layers of this model: {}",
        unknown.join(", "),
        available.join(", ")
    )]
    UnknownLayers {
        /// The paths that lead nowhere.
        unknown: Vec<String>,
        /// The paths of the model's layers.
        available: Vec<String>,
    },
    /// An adapter is for a layer of another kind.
    #[error(
        "layer `{path}`: expected an adapter of {expected}, found one of {found}; put adapters on \
         the model that they were made for"
    )]
    OtherKind {
        /// The layer.
        path: String,
        /// What it is.
        expected: &'static str,
        /// What the adapter was made for.
        found: &'static str,
    },
    /// A set has no adapter of this name.
    #[error(
        "expected the name of an adapter, found `{name}`; the set has: {}",
        available.join(", ")
    )]
    UnknownAdapter {
        /// The name asked for.
        name: String,
        /// The names there are.
        available: Vec<String>,
    },
    /// A set has an adapter of this name already.
    #[error(
        "expected a new name for an adapter, found `{name}`, which the set has; choose another"
    )]
    NameTaken {
        /// The name.
        name: String,
    },
    /// An adapter for no layer.
    #[error(
        "adapter `{name}`: expected adapters for some layer, found none; attach some to the model \
         before taking them"
    )]
    NoAdapters {
        /// The name it was to have.
        name: String,
    },
    /// A model carries other adapters than its set knows of.
    #[error(
        "expected adapters on the layers [{}] of the model ({}), found them on [{}]; switch the \
         model that the set was last used with, and change its adapters through the set only",
        expected.join(", "),
        match active {
            Some(active) => format!("`{active}` is active"),
            None => "no adapter is active".to_owned(),
        },
        found.join(", ")
    )]
    OtherLayers {
        /// The active adapter's name.
        active: Option<String>,
        /// The paths of its layers.
        expected: Vec<String>,
        /// The paths of the model's adapted layers.
        found: Vec<String>,
    },
}
