//! Reads and writes a module's tensors by stable path.
//!
//! Burn identifies parameters by random ids; paths are the same in every process.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

use burn::{
    module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{
        Bool, DType, Int, Tensor, TensorData,
        backend::{AutodiffBackend, Backend},
    },
};

use dacapo_ops::queue_read;
use dacapo_optim::{OptimError, ParamSpec};

use crate::TrainerError;

/// Where the walk through a module stands. Every step walks through it, and most parameters are passed by:
/// so the path is there without being made anew.
#[derive(Default)]
struct Path {
    joined: String,
    /// Of the joined path before each of the names.
    lengths: Vec<usize>,
}

impl Path {
    fn enter(&mut self, name: &str) {
        self.lengths.push(self.joined.len());
        if self.lengths.len() > 1 {
            self.joined.push('.');
        }
        self.joined.push_str(name);
    }

    fn exit(&mut self) {
        self.joined.truncate(self.lengths.pop().unwrap_or(0));
    }

    fn joined(&self) -> &str {
        &self.joined
    }
}

struct Collect<F> {
    path: Path,
    select: F,
    out: BTreeMap<String, TensorData>,
}

impl<F: Fn(&str) -> bool> Collect<F> {
    fn keep(&mut self, data: impl FnOnce() -> TensorData) {
        let path = self.path.joined();
        if (self.select)(path) {
            self.out.insert(path.to_owned(), data());
        }
    }
}

impl<B: Backend, F: Fn(&str) -> bool> ModuleVisitor<B> for Collect<F> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.keep(|| param.val().into_data());
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<B, D, Int>>) {
        self.keep(|| param.val().into_data());
    }

    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<B, D, Bool>>) {
        self.keep(|| param.val().into_data());
    }
}

/// The tensors at the selected paths, with their own dtype and bits.
///
/// Takes the inner module, since making one brings running statistics up to date.
pub(crate) fn tensors<B: Backend, M: Module<B>>(
    module: &M,
    select: impl Fn(&str) -> bool,
) -> BTreeMap<String, TensorData> {
    let mut collect = Collect {
        path: Path::default(),
        select,
        out: BTreeMap::new(),
    };
    module.visit(&mut collect);
    collect.out
}

/// Whether the module has a tensor at a selected path; none is read.
pub(crate) fn has<B: Backend, M: Module<B>>(module: &M, select: impl Fn(&str) -> bool) -> bool {
    let found = Cell::new(false);
    tensors(module, |path| {
        found.set(found.get() || select(path));
        false
    });
    found.get()
}

/// Every tensor of a module by stable path, with its own dtype and bits.
pub fn module_tensors<B: Backend, M: Module<B>>(module: &M) -> BTreeMap<String, TensorData> {
    tensors(module, |_| true)
}

/// Puts `values` into a freshly built module.
///
/// # Errors
/// A tensor that is missing, unexpected or of another shape or dtype; `source` names
/// where the values come from.
pub fn load_tensors<B: Backend, M: Module<B>>(
    module: M,
    source: &str,
    values: &BTreeMap<String, TensorData>,
) -> Result<M, TrainerError> {
    let expected = float_paths::<B, M>(&module);
    check_tensors(
        source,
        &expected,
        values,
        "Use weights that were made for this model",
    )?;
    Ok(set_data(module, values))
}

/// Refuses `found` unless it holds exactly the `expected` tensors.
pub(crate) fn check_tensors(
    section: &str,
    expected: &BTreeMap<String, ParamSpec>,
    found: &BTreeMap<String, TensorData>,
    next: &str,
) -> Result<(), TrainerError> {
    let describe = |shape: &[usize], dtype: DType| format!("{dtype:?} {shape:?}");
    for (path, ParamSpec { shape, dtype }) in expected {
        let full = format!("{section}.{path}");
        let wanted = describe(shape, *dtype);
        match found.get(path) {
            None => return Err(TrainerError::state(full, wanted, "nothing", next)),
            Some(data) if data.shape.as_slice() != shape.as_slice() || data.dtype != *dtype => {
                let found = describe(data.shape.as_slice(), data.dtype);
                return Err(TrainerError::state(full, wanted, found, next));
            }
            Some(_) => {}
        }
    }
    match found.iter().find(|(path, _)| !expected.contains_key(*path)) {
        Some((path, data)) => Err(TrainerError::state(
            format!("{section}.{path}"),
            "nothing: this model has no such tensor",
            describe(data.shape.as_slice(), data.dtype),
            next,
        )),
        None => Ok(()),
    }
}

struct FloatPaths {
    path: Path,
    out: BTreeMap<String, ParamSpec>,
}

impl<B: Backend> ModuleVisitor<B> for FloatPaths {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        self.out.insert(
            self.path.joined().to_owned(),
            ParamSpec::new(tensor.dims().to_vec(), tensor.dtype()),
        );
    }
}

/// Shape and dtype of every float tensor.
pub(crate) fn float_paths<B: Backend, M: Module<B>>(module: &M) -> BTreeMap<String, ParamSpec> {
    let mut paths = FloatPaths {
        path: Path::default(),
        out: BTreeMap::new(),
    };
    module.visit(&mut paths);
    paths.out
}

struct Flat<'a, B: AutodiffBackend> {
    path: Path,
    trainable: &'a BTreeSet<String>,
    grads: Option<&'a B::Gradients>,
    out: BTreeMap<String, Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Flat<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let path = self.path.joined();
        if !self.trainable.contains(path) {
            return;
        }
        let tensor = match self.grads {
            Some(grads) => param.val().grad(grads),
            None => Some(param.val().inner()),
        };
        if let Some(tensor) = tensor {
            let len = tensor.shape().num_elements();
            self.out.insert(path.to_owned(), tensor.reshape([len]));
        }
    }
}

/// The trainable tensors, flattened; or their gradients, where there are any.
pub(crate) fn flat<B: AutodiffBackend, M: AutodiffModule<B>>(
    module: &M,
    trainable: &BTreeSet<String>,
    grads: Option<&B::Gradients>,
) -> BTreeMap<String, Tensor<B::InnerBackend, 1>> {
    let mut flat = Flat::<B> {
        path: Path::default(),
        trainable,
        grads,
        out: BTreeMap::new(),
    };
    module.visit(&mut flat);
    flat.out
}

/// The data of all these tensors, in one transfer; `operation` names it where the device fails.
pub(crate) fn read_all<B: Backend>(
    tensors: Vec<Tensor<B, 1>>,
    operation: &'static str,
) -> Result<Vec<TensorData>, TrainerError> {
    Ok(queue_read(tensors)
        .wait()
        .map_err(|error| OptimError::Device {
            operation,
            message: error.to_string(),
        })?)
}

struct SetFlat<B: AutodiffBackend> {
    path: Path,
    values: BTreeMap<String, Tensor<B::InnerBackend, 1>>,
}

impl<B: AutodiffBackend> ModuleMapper<B> for SetFlat<B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        match self.values.remove(self.path.joined()) {
            Some(value) => param
                .map(|old| Tensor::from_inner(value.reshape::<D, _>(old.shape())).require_grad()),
            None => param,
        }
    }
}

/// Puts flattened values back at their paths.
pub(crate) fn set_flat<B: AutodiffBackend, M: Module<B>>(
    module: M,
    values: BTreeMap<String, Tensor<B::InnerBackend, 1>>,
) -> M {
    module.map(&mut SetFlat::<B> {
        path: Path::default(),
        values,
    })
}

struct SetData<'a> {
    path: Path,
    values: &'a BTreeMap<String, TensorData>,
}

impl<B: Backend> ModuleMapper<B> for SetData<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        match self.values.get(self.path.joined()) {
            Some(data) => param.map(|old| {
                let (device, dtype) = (old.device(), data.dtype);
                let required = old.is_require_grad();
                Tensor::from_data(data.clone(), (&device, dtype)).set_require_grad(required)
            }),
            None => param,
        }
    }
}

/// Puts saved tensors back at their paths; the caller has checked paths, shapes and dtypes.
pub(crate) fn set_data<B: Backend, M: Module<B>>(
    module: M,
    values: &BTreeMap<String, TensorData>,
) -> M {
    module.map(&mut SetData {
        path: Path::default(),
        values,
    })
}

struct RequireGrad<'a> {
    path: Path,
    trainable: &'a BTreeSet<String>,
    leave: &'a dyn Fn(&str) -> bool,
}

impl<B: Backend> ModuleMapper<B> for RequireGrad<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let path = self.path.joined();
        match (self.leave)(path) {
            true => param,
            false => param.set_require_grad(self.trainable.contains(path)),
        }
    }
}

/// Makes exactly these paths require gradients; `leave` names the buffers, which are left alone.
pub(crate) fn set_trainable<B: Backend, M: Module<B>>(
    module: M,
    trainable: &BTreeSet<String>,
    leave: &dyn Fn(&str) -> bool,
) -> M {
    module.map(&mut RequireGrad {
        path: Path::default(),
        trainable,
        leave,
    })
}
