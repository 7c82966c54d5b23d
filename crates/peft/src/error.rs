use std::path::Path;

use dacapo_pth::PthError;

/// Why an adapter, or a part of one, was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PeftError {
    /// Where another error is: a file, a layer or a tensor.
    #[error("{place}: {source}")]
    In {
        /// The file's path, or the layer's or the tensor's name.
        place: String,
        /// What is wrong there.
        source: Box<PeftError>,
    },

    /// The operating system refused something.
    #[error("could not read it: {0}; check the path and that the file may be read")]
    Io(#[from] std::io::Error),

    /// A folder without weights.
    #[error(
        "expected adapter_model.safetensors or adapter_model.bin beside adapter_config.json, found \
         neither; give the folder that PEFT's save_pretrained wrote"
    )]
    NoWeights,

    /// `adapter_config.json` is no JSON object with every key once.
    #[error(
        "expected a JSON object that has every key once, found {found}; save the adapter again"
    )]
    Json {
        /// What the parser found.
        found: String,
    },

    /// A key of the configuration that has no default is missing.
    #[error("expected a value of `{key}`, found none; save the adapter again with PEFT")]
    MissingKey {
        /// The key.
        key: &'static str,
    },

    /// A key of the configuration has a value of another kind, or one out of its range.
    #[error("`{key}`: expected {expected}, found {found}; correct it")]
    Key {
        /// The key.
        key: &'static str,
        /// Its kind and range.
        expected: &'static str,
        /// What is there.
        found: String,
    },

    /// The adapter is of another method than LoRA.
    #[error(
        "`peft_type`: expected \"LORA\" (LoRA, DoRA and rsLoRA), found {found}; adapters of other \
         methods cannot be read"
    )]
    PeftType {
        /// The value.
        found: String,
    },

    /// A key of the configuration changes what is computed in a way that dacapo does not know.
    #[error("`{key}`: expected it to be unset, found {found}; {advice}")]
    Unsupported {
        /// The key.
        key: String,
        /// Its value.
        found: String,
        /// What to do.
        advice: &'static str,
    },

    /// The adapter was trained on quantised weights, which dacapo does not have.
    #[error(
        "expected an adapter of a base in floats, found {found}, which tells of a quantised one: the \
         same adapter on other weights computes something else; train it on the base in floats, or, \
         if it is meant for that one, {advice}"
    )]
    QuantisedBase {
        /// The key or the tensor that tells of it.
        found: String,
        /// What to change.
        advice: &'static str,
    },

    /// A pattern over the names of modules cannot be used.
    #[error(
        "`{key}`: expected a regular expression without look-around and back-references, found \
         \"{pattern}\": {found}; list the modules' names instead"
    )]
    Pattern {
        /// The key that has it.
        key: &'static str,
        /// The pattern.
        pattern: String,
        /// Why it cannot be used.
        found: String,
    },

    /// The file of the weights is damaged, cut short, or made to deceive.
    #[error("expected {expected}, found {found}; copy the file again, or save it again with PEFT")]
    Damaged {
        /// What the format asks for.
        expected: String,
        /// What is there.
        found: String,
    },

    /// `adapter_model.bin` cannot be read. The message names the file itself.
    #[error(transparent)]
    Pth(#[from] PthError),

    /// A tensor that belongs to nothing that is known.
    #[error(
        "expected a tensor of LoRA or of a module in `modules_to_save`, found `{tensor}`{why}; save \
         the adapter without it, or list its module in `modules_to_save` if it replaces the base's"
    )]
    UnknownTensor {
        /// Its name.
        tensor: String,
        /// Why it is none of these, if there is more to say.
        why: &'static str,
    },

    /// Two tensors of the file are for the same place.
    #[error("expected one tensor for it, found two: `{tensor}` and `{other}`; remove one")]
    DuplicateTensor {
        /// The name of one.
        tensor: String,
        /// The name of the other.
        other: String,
    },

    /// Some names begin with `base_model.model.` and others do not.
    #[error(
        "expected `base_model.model.` before the name of every tensor or of none, found `{with}` \
         and `{without}`; save the adapter again with PEFT"
    )]
    MixedPrefixes {
        /// A name that has it.
        with: String,
        /// A name that has it not.
        without: String,
    },

    /// A tensor is of a type that holds no trained values.
    #[error("expected f32, f16 or bf16, found {found}; save it as one of these")]
    Dtype {
        /// Its type.
        found: String,
    },

    /// A value is infinite or no number.
    #[error("expected finite values, found {value} at {index}; the training has diverged")]
    NonFinite {
        /// Which value, counted row by row from 0.
        index: usize,
        /// The value.
        value: f32,
    },

    /// A shape is not as the place needs it.
    #[error("expected {expected}, found the shape {found:?}; save the adapter again with PEFT")]
    Shape {
        /// The shape that is due.
        expected: String,
        /// The shape that is there.
        found: Vec<usize>,
    },

    /// There are not as many values as a shape has.
    #[error("expected {expected} values for the shape {shape:?}, found {found}; give as many")]
    Count {
        /// The shape.
        shape: Vec<usize>,
        /// How many it has, or that they cannot be counted.
        expected: String,
        /// How many were given.
        found: usize,
    },

    /// A's rows and B's columns, both the rank, differ.
    #[error(
        "expected A [r, in] and B [out, r] of one rank r, found A {a:?} and B {b:?}; save the \
         adapter again with PEFT (of a convolution with groups, merge it there)"
    )]
    RankMismatch {
        /// Rows and columns of A.
        a: [usize; 2],
        /// Rows and columns of B.
        b: [usize; 2],
    },

    /// The configuration gives a layer another rank than its tensors have.
    #[error(
        "expected rank {expected} by `r` and `rank_pattern`, found {found} in its tensors; \
         configuration and weights are of two adapters, or a pattern is wrong"
    )]
    WrongRank {
        /// By the configuration.
        expected: usize,
        /// By the tensors.
        found: usize,
    },

    /// One of A and B is missing.
    #[error("expected `{lacks}` beside `{has}`, found none; save the adapter again with PEFT")]
    MissingPair {
        /// A tensor that is there.
        has: String,
        /// The name of what is missing.
        lacks: &'static str,
    },

    /// `use_dora` is set, and a layer has no magnitude.
    #[error(
        "expected a magnitude because `use_dora` is true, found none; save the adapter again with \
         PEFT, or set `use_dora` to false if it is plain LoRA"
    )]
    MissingMagnitude,

    /// `use_dora` is not set, and a layer has a magnitude.
    #[error(
        "expected no magnitude because `use_dora` is false, found one; set `use_dora` to true if \
         it is DoRA"
    )]
    UnexpectedMagnitude,

    /// A magnitude has a value for each input, not for each output.
    #[error(
        "expected one value of the magnitude for each of the {outputs} outputs, found the shape \
         {found:?} for {inputs} inputs: that is another tool's axis, and DoRA over it is another \
         function; train the adapter with PEFT, or merge it into the weights with that tool"
    )]
    MagnitudeAxis {
        /// The magnitude's shape.
        found: Vec<usize>,
        /// Inputs of the layer.
        inputs: usize,
        /// Outputs of the layer.
        outputs: usize,
    },

    /// No layer is adapted.
    #[error("expected at least one adapted layer, found none; check `target_modules`")]
    Empty,

    /// The name of a module that no model has, or that would be read as another.
    #[error("expected the path of a module, as in `encoder.layer.0.query`, found `{found}`{why}")]
    ModuleName {
        /// The name.
        found: String,
        /// What is wrong with it.
        why: &'static str,
    },

    /// `target_modules` names a module of which there are no tensors.
    #[error(
        "expected tensors of a layer for `{target}` in `target_modules`, found none; take it out \
         if the base has no such module, and save the adapter again if it has"
    )]
    TargetWithoutLayer {
        /// The name.
        target: String,
    },

    /// A layer has tensors, but the configuration does not target it.
    #[error(
        "expected only layers that the configuration targets, found one {why}; PEFT would ignore \
         its tensors: correct the configuration, or leave the layer out"
    )]
    LayerWithoutTarget {
        /// What keeps it from being a target.
        why: &'static str,
    },

    /// `modules_to_save` names a module of which there are no tensors.
    #[error(
        "expected tensors of `{module}` because `modules_to_save` names it, found none; take it \
         out if the base has no such module, and save the adapter again if it has"
    )]
    SavedWithoutTensor {
        /// The name.
        module: String,
    },

    /// The adapter is too large for a file of safetensors.
    #[error("expected an adapter that fits a file of safetensors, found that {found}; split it")]
    TooLarge {
        /// What is too large.
        found: String,
    },
}

impl PeftError {
    /// What is wrong, without the places where it is.
    pub fn cause(&self) -> &Self {
        match self {
            Self::In { source, .. } => source.cause(),
            other => other,
        }
    }

    /// With the file's path, unless the message has it.
    pub(crate) fn in_file(self, path: &Path) -> Self {
        match self {
            Self::Pth(_) => self,
            other => other.at(path.display().to_string()),
        }
    }

    pub(crate) fn at(self, place: impl Into<String>) -> Self {
        Self::In {
            place: place.into(),
            source: Box::new(self),
        }
    }
}
