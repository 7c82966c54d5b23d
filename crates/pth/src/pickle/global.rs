use crate::Dtype;

/// The classes and functions that a pickle may name, and what stands in for them here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    Counter,
    /// `_codecs.encode`, the way protocol 2 writes byte strings.
    Encode,
    /// `bytes`, the way protocol 2 writes an empty one.
    Bytes,
    RebuildTensor,
    /// With a dtype of its own and an untyped storage.
    RebuildTensorV3,
    RebuildParameter,
    Storage(Dtype),
    UntypedStorage,
    Dtype(Dtype),
    NumpyReconstruct,
    NumpyArray,
    NumpyDtype,
    NumpyScalar,
    /// A class of a TorchScript archive: a container of attributes.
    Script,
    /// A function of a TorchScript archive that gives its first argument a type.
    ScriptTyped,
}

impl Global {
    /// Nothing for what is not on the list. `script`: the file is a TorchScript archive.
    pub(super) fn of(module: &str, name: &str, script: bool) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("collections", "Counter") => Self::Counter,
            ("_codecs", "encode") => Self::Encode,
            ("__builtin__" | "builtins", "bytes") => Self::Bytes,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_tensor_v3") => Self::RebuildTensorV3,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch.storage", "UntypedStorage") => Self::UntypedStorage,
            ("torch", name) => match Dtype::of_storage(name) {
                Some(dtype) => Self::Storage(dtype),
                None => Self::Dtype(Dtype::of_name(name)?),
            },
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Self::NumpyReconstruct
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Self::NumpyScalar,
            ("numpy", "ndarray") => Self::NumpyArray,
            ("numpy", "dtype") => Self::NumpyDtype,
            (
                "torch.jit._pickle",
                "build_intlist" | "build_doublelist" | "build_boollist" | "build_tensorlist"
                | "restore_type_tag",
            ) if script => Self::ScriptTyped,
            (module, _)
                if script && (module == "__torch__" || module.starts_with("__torch__.")) =>
            {
                Self::Script
            }
            _ => return None,
        })
    }
}
