//! Several adapters for one model.

mod common;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType, Int, Tensor, TensorData, backend::Backend};
use common::*;
use dacapo_dora::{
    AdapterSet, Adapters, ConvGeometry, DoraConv2d, DoraEmbedding, DoraError, DoraFusedLinear,
    DoraLinear, DoraTargets, Flavour, attach_matching, merge_all, put_adapters, take_adapters,
};
use dacapo_rng::DropoutKey;

const F32: DType = DType::F32;

#[derive(Module, Debug, DoraTargets)]
struct Model<B: Backend> {
    conv: DoraConv2d<B>,
    tokens: DoraEmbedding<B>,
    qkv: DoraFusedLinear<B>,
    blocks: Vec<DoraLinear<B>>,
}

fn model<B: Backend>() -> Model<B> {
    let device = B::Device::default();
    let mut stream = stream("model");
    let stream = &mut stream;
    let parts = [("q", 8), ("k", 4), ("v", 4)];
    let geometry = ConvGeometry::default();
    Model {
        conv: DoraConv2d::init([2, 8], [3, 3], true, geometry, stream, &device),
        tokens: DoraEmbedding::init(9, 8, stream, &device),
        qkv: DoraFusedLinear::init(8, &parts, true, stream, &device).unwrap(),
        blocks: (0..2)
            .map(|_| DoraLinear::init(16, 16, true, stream, &device))
            .collect(),
    }
}

impl<B: Backend> Model<B> {
    /// Something that depends on every layer.
    fn forward(&self, key: Option<&DropoutKey>) -> Tensor<B, 2> {
        let device = B::Device::default();
        let image = uniform::<B, 4>([3, 2, 3, 3], "image", F32, &device);
        let ids = TensorData::new(vec![1_i64, 8, 1], [3, 1]);
        let ids = Tensor::<B, 2, Int>::from_data(ids, &device);
        let x = self.conv.forward(image, key).reshape([3, 8]);
        let x = x + self.tokens.forward(ids).reshape([3, 8]);
        let x = self.qkv.forward(x, key);
        self.blocks.iter().fold(x, |x, block| block.forward(x, key))
    }
}

/// Adds one to everything that a gradient reaches.
struct Train;

impl ModuleMapper<Ad> for Train {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<Ad, D>>) -> Param<Tensor<Ad, D>> {
        match param.is_require_grad() {
            true => param.map(|t| Tensor::from_inner(t.inner() + 1.0).require_grad()),
            false => param,
        }
    }
}

fn attached<B: Backend>(model: Model<B>, name: &str, patterns: &[&str]) -> Model<B> {
    let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
    let config = config(Flavour::Peft, 2, 0.5);
    let (model, _) = attach_matching(model, &patterns, &config, &mut stream(name)).unwrap();
    model
}

/// A bare model, and a set of `a` on all layers, and `b` and `c` on some.
fn set<B: Backend>() -> (AdapterSet<B>, Model<B>) {
    let mut set = AdapterSet::new();
    let mut model = self::model();
    for (name, patterns) in [
        ("b", vec!["tokens", "blocks.0", "qkv.v"]),
        ("a", vec!["*"]),
        ("c", vec!["conv"]),
    ] {
        let (bare, adapters) = take_adapters(attached(model, name, &patterns)).unwrap();
        set.insert(name, adapters).unwrap();
        model = bare;
    }
    (set, model)
}

/// What a model is: bits of its tensors by path, and of its output.
fn state(model: &Model<Ad>) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    use burn::module::AutodiffModule;
    let key = DropoutKey::new(1, "dropout", 2, 0);
    (tensors(&model.valid()), bits(model.forward(Some(&key))))
}

#[test]
fn switching_back_and_forth_changes_a_bit() {
    let (mut set, model) = set::<Ad>();
    let mut expected = vec![];
    let mut model = model;
    for (name, patterns) in [
        ("a", vec!["*"]),
        ("b", vec!["tokens", "blocks.0", "qkv.v"]),
        ("c", vec!["conv"]),
    ] {
        expected.push((name, state(&attached(self::model(), name, &patterns))));
    }
    for (name, expected) in expected
        .iter()
        .chain(&expected)
        .chain(expected.iter().rev())
    {
        model = set.activate(name, model).unwrap();
        assert_eq!(set.active(), Some(*name));
        let found = state(&model);
        assert!(found == *expected, "{name}");
    }
    let bare = set.deactivate(model).unwrap();
    assert_eq!(set.active(), None);
    assert!(state(&bare) == state(&self::model()));
}

#[test]
fn switching_copies_or_changes_the_base() {
    let (mut set, model) = set::<Ad>();
    let before = tensors(&burn::module::AutodiffModule::valid(&model));
    let ids = |model: &Model<Ad>| {
        let blocks = model.blocks.iter().map(|block| block.weight.id);
        let others = [model.conv.weight.id, model.tokens.weight.id];
        let others = others.into_iter().chain([model.qkv.weight.id]);
        others.chain(blocks).collect::<Vec<_>>()
    };
    let (expected, mut model) = (ids(&model), model);
    for name in ["a", "b", "a", "c"] {
        model = set.activate(name, model).unwrap();
        assert_eq!(ids(&model), expected);
        assert!(model.blocks.iter().all(|b| !b.weight.is_require_grad()));
        let found = tensors(&burn::module::AutodiffModule::valid(&model));
        let base = found
            .into_iter()
            .filter(|(path, _)| !path.contains("adapter"));
        assert!(base.collect::<Vec<_>>() == before, "{name}");
    }
}

#[test]
fn training_one_changes_another_or_is_lost() {
    let (mut set, model) = set::<Ad>();
    let b = set.activate("b", model).unwrap();
    let untrained_b = state(&b);
    let a = set.activate("a", b).unwrap();
    let untrained_a = state(&a);
    let a = a.map(&mut Train);
    let trained_a = state(&a);
    assert!(trained_a != untrained_a);
    let b = set.activate("b", a).unwrap();
    assert!(state(&b) == untrained_b);
    let b = b.map(&mut Train);
    let trained_b = state(&b);
    let a = set.activate("a", b).unwrap();
    assert!(state(&a) == trained_a);
    let a = set.activate("a", a).unwrap();
    assert!(state(&a) == trained_a, "activated again");
    let b = set.activate("b", a).unwrap();
    assert!(state(&b) == trained_b);
}

#[test]
fn adapter_that_comes_back_does_not_train() {
    let (mut set, model) = set::<Ad>();
    let model = set.activate("a", model).unwrap();
    let model = set.activate("c", model).unwrap();
    let model = set.activate("a", model).unwrap();
    let grads = model.forward(None).sum().backward();
    let adapter = model.blocks[0].adapter.as_ref().unwrap();
    assert!(magnitude(adapter).grad(&grads).is_some());
    let adapter = model.conv.adapter.as_ref().unwrap();
    assert!(adapter.lora_b.val().grad(&grads).is_some());
    let adapter = model.tokens.adapter.as_ref().unwrap();
    assert!(adapter.lora_a.val().grad(&grads).is_some());
    assert!(model.blocks[1].weight.val().grad(&grads).is_none());
}

#[test]
fn merged_layer_keeps_computing_the_other_adapter() {
    let (mut set, model) = set::<Ad>();
    let a = set.activate("a", model).unwrap().map(&mut Train);
    let expected = bits(a.forward(None));
    let b = set.activate("b", merge_all(a).unwrap()).unwrap();
    assert!(!b.blocks[1].is_merged() && !b.conv.is_merged() && !b.qkv.is_merged());
    let a = set.activate("a", merge_all(b).unwrap()).unwrap();
    assert_eq!(bits(a.forward(None)), expected);
}

#[test]
fn names_depend_on_the_order_of_insertion() {
    let (set, _) = set::<Plain>();
    assert_eq!(set.names().collect::<Vec<_>>(), ["a", "b", "c"]);
    let (_, adapters) = take_adapters(attached(model::<Plain>(), "a", &["*"])).unwrap();
    let paths = [
        "blocks.0", "blocks.1", "conv", "qkv.k", "qkv.q", "qkv.v", "tokens",
    ];
    assert_eq!(adapters.paths().collect::<Vec<_>>(), paths);
    assert!(!adapters.is_empty());
}

#[test]
fn name_that_is_missing_or_taken_is_accepted() {
    let (mut set, model) = set::<Plain>();
    let error = set.activate("d", model.clone()).unwrap_err();
    let expected = DoraError::UnknownAdapter {
        name: "d".to_owned(),
        available: ["a", "b", "c"].map(str::to_owned).to_vec(),
    };
    assert_eq!(error, expected);
    assert!(error.to_string().contains("a, b, c"));
    assert_eq!(set.active(), None);

    let adapters = || {
        take_adapters(attached(self::model(), "a", &["*"]))
            .unwrap()
            .1
    };
    let model = set.activate("b", model).unwrap();
    for taken in ["a", "b"] {
        let error = set.insert(taken, adapters()).unwrap_err();
        assert!(matches!(error, DoraError::NameTaken { name } if name == taken));
    }
    let (_, none) = take_adapters(self::model::<Plain>()).unwrap();
    assert!(none.is_empty());
    let error = set.insert("d", none).unwrap_err();
    assert!(matches!(error, DoraError::NoAdapters { name } if name == "d"));
    // While one is active, too.
    set.insert("d", adapters()).unwrap();
    let model = set.activate("d", model).unwrap();
    assert!(model.qkv.parts()[1].adapter.is_some());
}

/// Puts adapters of the full model on another one.
fn put<M: DoraTargets<Plain>>(model: M, patterns: &[&str]) -> DoraError {
    let adapters = attached(self::model(), "a", patterns);
    let (_, adapters): (_, Adapters<Plain>) = take_adapters(adapters).unwrap();
    put_adapters(model, &adapters).map(|_| ()).unwrap_err()
}

#[test]
fn adapters_of_other_layers_or_shapes_are_put_on_a_model() {
    let (device, mut stream) = (device(), stream("other"));
    let mut linear = |d_in, d_out| DoraLinear::init(d_in, d_out, true, &mut stream, &device);
    let shorter = Model {
        blocks: vec![linear(16, 16)],
        ..model()
    };
    let error = put(shorter, &["*"]);
    let found =
        matches!(&error, DoraError::UnknownLayers { unknown, .. } if unknown == &["blocks.1"]);
    assert!(found, "{error}");
    assert!(error.to_string().contains("qkv.q"), "{error}");

    let wider = Model {
        blocks: vec![linear(16, 16), linear(17, 16)],
        ..model()
    };
    let error = put(wider, &["*"]);
    let found = matches!(&error, DoraError::ShapeMismatch { path, key: "lora_a", .. } if path == "blocks.1");
    assert!(found, "{error}");

    let error = put(attached(model(), "b", &["qkv.k"]), &["qkv.*"]);
    let found = matches!(&error, DoraError::AlreadyAttached { path, .. } if path == "qkv.k");
    assert!(found, "{error}");

    #[derive(DoraTargets)]
    struct Swapped<B: Backend> {
        conv: DoraLinear<B>,
        tokens: DoraConv2d<B>,
    }
    let geometry = ConvGeometry::default();
    let mut swapped = || Swapped::<Plain> {
        conv: linear(16, 16),
        tokens: DoraConv2d::init(
            [2, 8],
            [3, 3],
            true,
            geometry.clone(),
            &mut self::stream("c"),
            &device,
        ),
    };
    for refused in ["conv", "tokens"] {
        let error = put(swapped(), &[refused]);
        let found = matches!(&error, DoraError::OtherKind { path, .. } if path == refused);
        assert!(found, "{error}");
    }
}

#[test]
fn refused_switch_loses_an_adapter() {
    let (mut set, model) = set::<Plain>();
    let trained = |mut model: Model<Plain>| {
        let bias = Tensor::ones([16], &device());
        model.blocks[0].adapter.as_mut().unwrap().magnitude = Some(Param::from_tensor(bias));
        model
    };
    let b = trained(set.activate("b", model).unwrap());
    let expected = tensors(&b);
    // The layers of `a` do not fit: `blocks.1` is not there.
    let mut other = b.clone();
    other.blocks.truncate(1);
    let error = set.activate("a", other).unwrap_err();
    assert!(matches!(error, DoraError::UnknownLayers { .. }));
    assert_eq!(set.active(), None);
    let b = set.activate("b", self::model()).unwrap();
    assert_eq!(tensors(&b), expected);
    set.activate("a", b).unwrap();
}

#[test]
fn another_models_adapters_are_taken_for_the_active_ones() {
    let (mut set, model) = set::<Plain>();
    // None is active.
    let error = set.activate("a", attached(model.clone(), "x", &["conv"]));
    let error = error.unwrap_err();
    let expected = DoraError::OtherLayers {
        active: None,
        expected: vec![],
        found: vec!["conv".to_owned()],
    };
    assert_eq!(error, expected);
    assert!(error.to_string().contains("no adapter is active"));

    let c = set.activate("c", model.clone()).unwrap();
    for other in [model, attached(self::model(), "x", &["conv", "qkv.k"])] {
        let error = set.activate("a", other.clone()).unwrap_err();
        assert!(matches!(&error, DoraError::OtherLayers { active: Some(a), .. } if a == "c"));
        assert!(set.deactivate(other).is_err());
        assert_eq!(set.active(), Some("c"));
    }
    // The right one is as good as before.
    let a = set.activate("a", c).unwrap();
    assert!(a.tokens.adapter.is_some());
}
