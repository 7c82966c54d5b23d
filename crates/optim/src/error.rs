//! The crate's error.

use thiserror::Error;

/// Everything this crate refuses, each naming the key or path, what was
/// expected, what was found and what to do next.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum OptimError {
    /// A hyper-parameter or schedule setting is out of range.
    #[error("`{key}`: expected {expected}, found {found}; correct this key in the configuration")]
    InvalidValue {
        /// The configuration key, such as `groups[1].beta2`.
        key: String,
        /// The accepted range.
        expected: String,
        /// The value found.
        found: String,
    },
    /// A parameter group's pattern matches none of the parameters.
    #[error(
        "`groups[{index}].pattern`: expected a pattern that matches at least one parameter, \
         found `{pattern}`, which matches none of: {available}; correct the pattern or remove the group"
    )]
    UnmatchedGroup {
        /// Position of the group in the configuration, from 0.
        index: usize,
        /// The pattern.
        pattern: String,
        /// The paths there are, joined with commas.
        available: String,
    },
    /// There is nothing to optimise.
    #[error(
        "expected at least one trainable parameter, found none; \
         check that the adapters' patterns match the model's layers"
    )]
    NoParameters,
    /// A parameter has a dtype the step does not support.
    #[error(
        "parameter `{path}`: expected dtype F32 or F64, found {found}; \
         keep trainable parameters in f32 or f64"
    )]
    UnsupportedDType {
        /// The parameter's path.
        path: String,
        /// The dtype found.
        found: String,
    },
    /// A parameter has a dimension of size 0.
    #[error(
        "parameter `{path}`: expected at least one element, found shape {shape:?}; \
         remove it from the trainable parameters"
    )]
    EmptyParameter {
        /// The parameter's path.
        path: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// A parameter came without a gradient.
    #[error(
        "parameter `{path}`: expected a gradient, found none; \
         make the loss depend on it, or do not hand it to the optimizer"
    )]
    MissingGradient {
        /// The parameter's path.
        path: String,
    },
    /// A gradient came without a parameter.
    #[error(
        "gradient `{path}`: expected a parameter of that path, found only: {available}; \
         hand over gradients of trainable parameters only"
    )]
    UnexpectedGradient {
        /// The gradient's path.
        path: String,
        /// The parameters' paths, joined with commas.
        available: String,
    },
    /// A parameter has no moments in the state.
    #[error(
        "parameter `{path}`: expected its moments in the optimizer state, found none; \
         create the state with every trainable parameter"
    )]
    MissingState {
        /// The parameter's path.
        path: String,
    },
    /// The state has moments of a parameter that was not handed over.
    #[error(
        "optimizer state `{path}`: expected a parameter of that path, found none; \
         step with every parameter the state was created with"
    )]
    UnexpectedState {
        /// The path in the state.
        path: String,
    },
    /// A gradient's or moment's element count is not the parameter's.
    #[error(
        "{what} of `{path}`: expected {expected} elements, found {found}; \
         flatten parameter and gradient from tensors of the same shape"
    )]
    LengthMismatch {
        /// The parameter's path.
        path: String,
        /// Which tensor (`gradient`, `moments`).
        what: &'static str,
        /// The parameter's element count.
        expected: usize,
        /// The tensor's element count.
        found: usize,
    },
    /// A gradient's or moment's dtype is not the parameter's.
    #[error(
        "{what} of `{path}`: expected dtype {expected} as the parameter, found {found}; \
         cast it before the step"
    )]
    DTypeMismatch {
        /// The parameter's path.
        path: String,
        /// Which tensor (`gradient`, `moments`).
        what: &'static str,
        /// The parameter's dtype.
        expected: String,
        /// The tensor's dtype.
        found: String,
    },
    /// `max_exp_avg_sq` is there without amsgrad, or the other way round.
    #[error(
        "`{path}.max_exp_avg_sq`: expected {expected}, found {found}; \
         amsgrad cannot be switched while a state is in use: resume with the setting it was created with"
    )]
    AmsgradMismatch {
        /// The parameter's path (in a record: the path inside the record).
        path: String,
        /// What the configuration asks for.
        expected: &'static str,
        /// What the state holds.
        found: &'static str,
    },
    /// A momentum buffer is there without momentum or before the first step, or the other way
    /// round.
    #[error(
        "`{path}.momentum_buffer`: expected {expected} after {step} steps with momentum \
         {momentum}, found {found}; resume with the momentum the state was created with"
    )]
    BufferMismatch {
        /// The parameter's path (in a record: the path inside the record).
        path: String,
        /// Steps so far.
        step: u64,
        /// The momentum in force.
        momentum: f64,
        /// What step and momentum ask for.
        expected: &'static str,
        /// What the state holds.
        found: &'static str,
    },
    /// A record is of another optimizer than the configuration.
    #[error(
        "`kind`: expected {expected} as configured, found the state of {found}; \
         resume with the optimizer the run was started with"
    )]
    OtherOptimizer {
        /// The configured optimizer's kind.
        expected: &'static str,
        /// The record's.
        found: &'static str,
    },
    /// A gradient's norm is NaN or infinite.
    #[error(
        "gradient `{path}`: expected a finite norm, found {norm}: an element is NaN or infinite, \
         or its square overflows the dtype; lower the learning rate or look at this batch, \
         then resume from the last checkpoint"
    )]
    NonFiniteGradient {
        /// The parameter's path.
        path: String,
        /// The norm found.
        norm: f64,
    },
    /// The device failed while tensors were read back.
    #[error(
        "{operation}: expected tensor data from the device, found: {message}; resume from the last checkpoint"
    )]
    Device {
        /// What was being read.
        operation: &'static str,
        /// The backend's message.
        message: String,
    },
    /// A record lacks a parameter.
    #[error(
        "record leaf `{path}`: expected the moments of this parameter, found none; \
         the record belongs to another model or adapter configuration: resume with its own"
    )]
    RecordMissing {
        /// Path inside the record.
        path: String,
    },
    /// A record has a parameter that the model has not.
    #[error(
        "record leaf `{path}`: expected no such parameter, found its moments; \
         the record belongs to another model or adapter configuration: resume with its own"
    )]
    RecordUnexpected {
        /// Path inside the record.
        path: String,
    },
    /// A record's tensor has another shape than its parameter.
    #[error(
        "record leaf `{path}`: expected shape {expected:?}, found {found:?}; \
         the record belongs to another model or rank: resume with its own configuration"
    )]
    RecordShape {
        /// Path inside the record.
        path: String,
        /// The parameter's shape.
        expected: Vec<usize>,
        /// The shape found.
        found: Vec<usize>,
    },
    /// A record's tensor has another dtype than its parameter.
    #[error(
        "record leaf `{path}`: expected dtype {expected}, found {found}; \
         resume with the precision the record was written with"
    )]
    RecordDType {
        /// Path inside the record.
        path: String,
        /// The parameter's dtype.
        expected: String,
        /// The dtype found.
        found: String,
    },
    /// A record's tensor has too few or too many bytes for its shape.
    #[error(
        "record leaf `{path}`: expected {expected} bytes for its shape and dtype, found {found}; \
         the record is damaged: use another checkpoint"
    )]
    RecordBytes {
        /// Path inside the record.
        path: String,
        /// Bytes that shape and dtype ask for.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A record was written with another configuration.
    #[error(
        "`{key}`: expected {expected} as the record was written with, found {found} in the configuration; \
         resume with the recorded value, or start a new run or a fork with the new one"
    )]
    ConfigMismatch {
        /// The first key that differs.
        key: String,
        /// The record's value.
        expected: String,
        /// The configuration's value.
        found: String,
    },
}
