//! What the model tests share: the golden files' numbers, and access to
//! parameters and gradients by stable path.

#![allow(dead_code, reason = "each test binary uses a part of it")]

pub mod bert;
pub mod clip;
pub mod hostile;

use std::collections::BTreeMap;
use std::path::PathBuf;

use burn::backend::Autodiff;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{DType, Tensor, TensorData};
use burn_flex::{Flex, FlexDevice};
use serde_json::Value;

pub type Train = Autodiff<Flex>;
pub type Gradients = <Train as AutodiffBackend>::Gradients;
pub const DEVICE: FlexDevice = FlexDevice;

/// `raw` of golden/formula.py.
pub fn raw(path: &str, count: usize) -> Vec<u64> {
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for byte in path.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    let mut draw = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        state >> 44
    };
    (0..count).map(|_| draw()).collect()
}

/// `tensor` of golden/formula.py.
pub fn formula(path: &str, count: usize, around: f64) -> Vec<f64> {
    let value = |v| around + (v as f64 / 1_048_576.0 - 0.5);
    raw(path, count).into_iter().map(value).collect()
}

/// `images` of golden/formula.py.
pub fn images<B: burn::tensor::backend::Backend<Device = FlexDevice>>(
    path: &str,
    count: usize,
    side: usize,
    dtype: DType,
) -> Tensor<B, 3> {
    let pixel = |v| (v % 17) as f64 / 16.0;
    let values: Vec<f64> = raw(path, count * side * side)
        .into_iter()
        .map(pixel)
        .collect();
    Tensor::from_data(
        TensorData::new(values, [count, side, side]),
        (&DEVICE, dtype),
    )
}

pub fn golden_file(name: &str) -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn joined(&self) -> String {
        self.0.join(".")
    }
}

/// Sets every parameter to the golden formula's values, in one float type.
struct Fill {
    path: Path,
    dtype: DType,
}

impl ModuleMapper<Train> for Fill {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Train, D>>,
    ) -> Param<Tensor<Train, D>> {
        let path = self.path.joined();
        let around = if path.ends_with("gamma") || path.ends_with("running_var") {
            1.0
        } else {
            0.0
        };
        let dtype = self.dtype;
        param.map(|old| {
            let values = formula(&path, old.shape().num_elements(), around);
            let data = TensorData::new(values, old.shape());
            Tensor::from_data(data, (&DEVICE, dtype)).set_require_grad(old.is_require_grad())
        })
    }
}

pub fn fill<M: Module<Train>>(model: M, dtype: DType) -> M {
    let path = Path::default();
    model.map(&mut Fill { path, dtype })
}

/// Sets the parameters that it has values for.
struct Load<'a> {
    path: Path,
    values: &'a BTreeMap<String, TensorData>,
    dtype: DType,
    loaded: usize,
}

impl ModuleMapper<Train> for Load<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Train, D>>,
    ) -> Param<Tensor<Train, D>> {
        let Some(data) = self.values.get(&self.path.joined()) else {
            return param;
        };
        self.loaded += 1;
        let dtype = self.dtype;
        param.map(|old| {
            assert_eq!(old.dims().as_slice(), data.shape.as_slice());
            Tensor::from_data(data.clone(), (&DEVICE, dtype))
                .set_require_grad(old.is_require_grad())
        })
    }
}

/// The same model with these values, every one of which must have a place.
pub fn load<M: Module<Train>>(model: M, values: &BTreeMap<String, TensorData>, dtype: DType) -> M {
    let mut load = Load {
        path: Path::default(),
        values,
        dtype,
        loaded: 0,
    };
    let model = model.map(&mut load);
    assert_eq!(load.loaded, values.len(), "every value has a place");
    model
}

/// What a visitor reads, by stable path.
struct Read<'a> {
    path: Path,
    gradients: Option<&'a Gradients>,
    found: BTreeMap<String, TensorData>,
}

impl ModuleVisitor<Train> for Read<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.0.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.0.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Train, D>>) {
        let data = match self.gradients {
            None => Some(param.val().into_data()),
            Some(gradients) => param.val().grad(gradients).map(Tensor::into_data),
        };
        if let Some(data) = data {
            self.found.insert(self.path.joined(), data);
        }
    }
}

/// Every parameter and buffer.
pub fn values<M: Module<Train>>(model: &M) -> BTreeMap<String, TensorData> {
    read(model, None)
}

/// The gradient of every parameter that has one.
pub fn gradients<M: Module<Train>>(
    model: &M,
    gradients: &Gradients,
) -> BTreeMap<String, TensorData> {
    read(model, Some(gradients))
}

fn read<M: Module<Train>>(
    model: &M,
    gradients: Option<&Gradients>,
) -> BTreeMap<String, TensorData> {
    let mut reader = Read {
        path: Path::default(),
        gradients,
        found: BTreeMap::new(),
    };
    model.visit(&mut reader);
    reader.found
}

/// One step of `lr` against the sign of each gradient: what Adam starts with.
pub struct Descend<'a> {
    pub gradients: &'a Gradients,
    pub lr: f64,
}

impl ModuleMapper<Train> for Descend<'_> {
    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Train, D>>,
    ) -> Param<Tensor<Train, D>> {
        param.map(|old| match old.grad(self.gradients) {
            None => old,
            Some(grad) => {
                Tensor::from_inner(old.inner() - grad.sign().mul_scalar(self.lr)).require_grad()
            }
        })
    }
}

pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        other => vec![other.as_f64().expect("a number")],
    }
}

pub fn size(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

pub fn sizes(value: &Value) -> Vec<usize> {
    value.as_array().expect("a list").iter().map(size).collect()
}

/// Elementwise within `tolerance` of the largest golden value (of 1, if all
/// are smaller).
#[track_caller]
pub fn assert_close(what: &str, found: &TensorData, golden: &[f64], tolerance: f64) {
    let found: Vec<f64> = found.iter::<f64>().collect();
    assert_eq!(found.len(), golden.len(), "{what}: number of elements");
    let scale = golden.iter().fold(1.0, |s: f64, g| s.max(g.abs()));
    for (i, (f, g)) in found.iter().zip(golden).enumerate() {
        // Written so that a NaN fails.
        assert!(
            (f - g).abs() <= tolerance * scale,
            "{what}[{i}]: found {f:e}, golden {g:e}, allowed {:e}",
            tolerance * scale
        );
    }
}

/// Compares norm and probe (`summary` of golden/formula.py) of every
/// gradient, and the set of paths.
#[track_caller]
pub fn assert_gradients(found: &BTreeMap<String, TensorData>, golden: &Value, tolerance: f64) {
    let golden = golden.as_object().expect("a map");
    let found_paths: Vec<_> = found.keys().collect();
    let golden_paths: Vec<_> = golden.keys().collect();
    assert_eq!(found_paths, golden_paths);
    for (path, data) in found {
        let values: Vec<f64> = data.iter::<f64>().collect();
        let probe = formula(&format!("{path}.probe"), values.len(), 0.0);
        let norm = values.iter().map(|v| v * v).sum::<f64>().sqrt();
        let inner: f64 = values.iter().zip(probe).map(|(v, p)| v * p).sum();
        let expected = numbers(&Value::Array(vec![
            golden[path]["norm"].clone(),
            golden[path]["probe"].clone(),
        ]));
        let found = TensorData::new(vec![norm, inner], [2]);
        assert_close(path, &found, &expected, tolerance);
    }
}
