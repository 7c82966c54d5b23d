//! Linear layers side by side in one weight, against separate ones.

mod common;

use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::nn::Linear;
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder};
use burn::tensor::{DType, Tensor, backend::Backend};
use common::*;
use dacapo_dora::{DoraAdapter, DoraError, DoraFusedLinear, DoraLinear, Flavour};
use dacapo_ops::Precision;
use dacapo_rng::DropoutKey;

const F32: DType = DType::F32;

/// Grouped queries: keys and values are narrower.
const PARTS: [(&str, usize); 3] = [("q", 24), ("k", 8), ("v", 8)];

/// A fused layer, and the same as separate ones whose tensors lie by themselves.
fn pair<B: Backend>(
    d_in: usize,
    parts: &[(&str, usize)],
    dtype: DType,
) -> (DoraFusedLinear<B>, Vec<DoraLinear<B>>) {
    let device = B::Device::default();
    let d_out = parts.iter().map(|(_, width)| width).sum();
    let whole = layer::<B>(d_in, d_out, true, dtype, Some(1), &device);
    let data = whole.weight.val().into_data();
    let data = data.to_vec::<f32>().unwrap();
    let bias = whole.bias.as_ref().unwrap().val().into_data();
    let bias = bias.to_vec::<f32>().unwrap();
    let mut start = 0;
    let separate = parts.iter().map(|&(_, width)| {
        let columns = start..start + width;
        start += width;
        let part: Vec<f32> = (data.chunks(d_out))
            .flat_map(|row| row[columns.clone()].to_vec())
            .collect();
        let part = Tensor::<B, 1>::from_data(part.as_slice(), (&device, dtype));
        let part = Param::from_tensor(part.reshape([d_in, width]));
        let bias = Tensor::from_data(&bias[columns], (&device, dtype));
        DoraLinear::from_params(part, Some(Param::from_tensor(bias)))
    });
    let separate = separate.collect();
    let fused = DoraFusedLinear::from_params(whole.weight, whole.bias, parts);
    (fused.unwrap(), separate)
}

/// Both with adapters on the parts `at`, away from their first values.
fn adapted<B: Backend>(
    d_in: usize,
    parts: &[(&str, usize)],
    at: &[usize],
    flavour: Flavour,
) -> (DoraFusedLinear<B>, Vec<DoraLinear<B>>) {
    let (mut fused, mut separate) = pair::<B>(d_in, parts, F32);
    let config = config(flavour, 1, 0.5);
    for &at in at {
        let (name, _) = parts[at];
        let path = format!("qkv.{name}");
        let mut layer = separate[at]
            .clone()
            .attach(&config, &path, &mut stream(name))
            .unwrap();
        let adapter = layer.adapter.as_mut().unwrap();
        let (b, m) = (&mut adapter.lora_b, &mut adapter.magnitude);
        *b = Param::from_tensor(uniform(b.dims(), name, F32, &b.device()));
        *m = m
            .take()
            .map(|m| Param::from_tensor((m.val() + 0.5).detach()));
        fused = fused.with_adapter(name, adapter.clone()).unwrap();
        separate[at] = layer;
    }
    (fused, separate)
}

fn key() -> DropoutKey {
    DropoutKey::new(3, "dropout", 5, 1)
}

#[test]
fn parts_differ_from_separate_layers() {
    let wide: [(&str, usize); 3] = [("q", 257), ("k", 64), ("v", 1)];
    for (d_in, parts) in [(16, PARTS), (1, PARTS), (130, wide)] {
        for flavour in FLAVOURS {
            for precision in [Precision::F32, Precision::Bf16] {
                let (fused, separate) = adapted::<Plain>(d_in, &parts, &[0, 2], flavour);
                let fused = fused.with_precision(precision);
                let x = uniform::<Plain, 3>([3, 5, d_in], "x", F32, &device());
                for dropout in [None, Some(&key())] {
                    let found = fused.forward_parts(x.clone(), dropout);
                    let whole = fused.forward(x.clone(), dropout);
                    assert_eq!(bits(Tensor::cat(found.clone(), 2)), bits(whole));
                    for (found, separate) in found.into_iter().zip(&separate) {
                        let separate = separate.clone().with_precision(precision);
                        let expected = separate.forward(x.clone(), dropout);
                        let name = format!("{flavour:?} in {precision}, {d_in}");
                        assert_eq!(bits(found), bits(expected), "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_differ_from_those_of_separate_layers() {
    for flavour in FLAVOURS {
        let (fused, separate) = adapted::<Ad>(16, &PARTS, &[0, 2], flavour);
        let x = || uniform::<Ad, 2>([5, 16], "x", F32, &device()).require_grad();
        let key = key();
        let mine = x();
        let found = fused.forward(mine.clone(), Some(&key));
        let grads = (found.clone() * found).sum().backward();
        let mut d_x = vec![0.0; 5 * 16];
        for (part, separate) in fused.parts().iter().zip(separate) {
            let x = x();
            let y = separate.forward(x.clone(), Some(&key));
            let alone = (y.clone() * y).sum().backward();
            for (sum, part) in d_x.iter_mut().zip(values(x.grad(&alone).unwrap())) {
                *sum += part;
            }
            let (Some(mine), Some(other)) = (&part.adapter, &separate.adapter) else {
                assert_eq!(part.name(), "k");
                continue;
            };
            let name = format!("{flavour:?} {}", part.name());
            let compare = |mine: &Param<Tensor<Ad, 2>>, other: &Param<Tensor<Ad, 2>>| {
                let (mine, other) = (mine.val().grad(&grads), other.val().grad(&alone));
                assert_eq!(bits(mine.unwrap()), bits(other.unwrap()), "{name}");
            };
            compare(&mine.lora_a, &other.lora_a);
            compare(&mine.lora_b, &other.lora_b);
            let (mine, other) = (magnitude(mine), magnitude(other));
            let (mine, other) = (mine.grad(&grads), other.grad(&alone));
            assert_eq!(bits(mine.unwrap()), bits(other.unwrap()), "{name}");
        }
        assert!(relative_error(&values(mine.grad(&grads).unwrap()), &d_x) < 1e-6);
        assert!(fused.weight.val().grad(&grads).is_none());
        assert!(fused.bias.as_ref().unwrap().val().grad(&grads).is_none());
    }
}

#[test]
fn free_layer_does_not_train() {
    let (fused, separate) = pair::<Ad>(16, &PARTS, F32);
    let x = uniform::<Ad, 2>([5, 16], "x", F32, &device());
    let y = fused.forward(x.clone(), None);
    let grads = (y.clone() * y).sum().backward();
    let mut start = 0;
    for (layer, (_, width)) in separate.iter().zip(PARTS) {
        let y = layer.forward(x.clone(), None);
        let alone = (y.clone() * y).sum().backward();
        let expected = layer.weight.val().grad(&alone).unwrap();
        let found = fused.weight.val().grad(&grads).unwrap();
        let found = found.slice([0..16, start..start + width]);
        assert_eq!(bits(found), bits(expected));
        let expected = layer.bias.as_ref().unwrap().val().grad(&alone).unwrap();
        let found = fused.bias.as_ref().unwrap().val().grad(&grads).unwrap();
        #[allow(clippy::single_range_in_vec_init)]
        let found = found.slice([start..start + width]);
        assert_eq!(bits(found), bits(expected));
        start += width;
    }
}

#[test]
fn attaching_draws_other_values_than_a_separate_layer() {
    for flavour in FLAVOURS {
        let (fused, separate) = pair::<Ad>(16, &PARTS, F32);
        let config = config(flavour, 4, 0.0);
        let (mut mine, mut other) = (stream("init"), stream("init"));
        let fused = fused.attach("k", &config, "qkv.k", &mut mine).unwrap();
        let layer = separate[1].clone();
        let layer = layer.attach(&config, "qkv.k", &mut other).unwrap();
        let (found, expected) = (fused.parts()[1].adapter.as_ref(), layer.adapter);
        let (found, expected) = (found.unwrap(), expected.unwrap());
        assert_eq!(bits(found.lora_a.val()), bits(expected.lora_a.val()));
        assert_eq!(bits(found.lora_b.val()), bits(expected.lora_b.val()));
        assert_eq!(bits(magnitude(found)), bits(magnitude(&expected)));
        assert_eq!(found.path(), "qkv.k");
        assert_eq!(mine.position(), other.position());
        assert!(found.lora_a.is_require_grad() && magnitude(found).is_require_grad());
        assert!(!fused.weight.is_require_grad());
        assert!(!fused.bias.as_ref().unwrap().is_require_grad());
        assert!(fused.parts()[0].adapter.is_none() && fused.parts()[2].adapter.is_none());
    }
}

#[test]
fn adapter_of_one_part_changes_a_bit_of_another() {
    let x = uniform::<Plain, 2>([9, 16], "x", F32, &device());
    let (base, _) = pair::<Plain>(16, &PARTS, F32);
    let before = base.forward_parts(x.clone(), None);
    let before: Vec<_> = before.into_iter().map(bits).collect();
    let config = config(Flavour::Peft, 4, 0.25);
    let new = base.attach("q", &config, "qkv.q", &mut stream("init"));
    let (trained, _) = adapted::<Plain>(16, &PARTS, &[0], Flavour::ClipHba);
    for (what, layer) in [("new", new.unwrap()), ("trained", trained)] {
        let after = layer.forward_parts(x.clone(), None);
        let after: Vec<_> = after.into_iter().map(bits).collect();
        assert_eq!(before[0] == after[0], what == "new");
        assert_eq!(before[1..], after[1..], "{what}");
    }
}

#[test]
fn merged_parts_differ_from_merged_layers_or_leave_a_trace() {
    for flavour in FLAVOURS {
        let (fused, separate) = adapted::<Plain>(16, &PARTS, &[0, 2], flavour);
        let x = uniform::<Plain, 2>([9, 16], "x", F32, &device());
        let adapted = bits(fused.forward(x.clone(), None));
        let weight = bits(fused.weight.val());
        let merged = fused.merge();
        assert!(merged.is_merged());
        let found = merged.forward_parts(x.clone(), Some(&key()));
        let layers = separate.into_iter().map(DoraLinear::merge);
        for (found, layer) in found.into_iter().zip(layers) {
            assert_eq!(bits(found), bits(layer.forward(x.clone(), None)));
        }
        let linear = merged.clone().into_linear();
        let (found, expected) = (linear.forward(x.clone()), merged.forward(x.clone(), None));
        assert!(relative_error(&values(found), &values(expected)) < 1e-6);
        assert_eq!(bits(linear.weight.val()), bits(merged.merged_weight()));
        assert_eq!(bits(merged.weight.val()), weight, "base kept");
        let unmerged = merged.unmerge();
        assert!(!unmerged.is_merged());
        assert_eq!(bits(unmerged.forward(x.clone(), None)), adapted);
        let plain = unmerged.merge().detach();
        assert!(!plain.is_merged());
        let (base, _) = pair::<Plain>(16, &PARTS, F32);
        assert_eq!(
            bits(plain.forward(x.clone(), None)),
            bits(base.forward(x, None))
        );
    }
}

#[test]
fn plain_burn_layer_computes_something_else() {
    let burn = burn::nn::LinearConfig::new(6, 40).init::<Plain>(&device());
    let x = uniform::<Plain, 2>([3, 6], "x", F32, &device());
    let (id, expected) = (burn.weight.id, values(burn.forward(x.clone())));
    let layer = DoraFusedLinear::from_linear(burn, &PARTS).unwrap();
    assert_eq!(layer.weight.id, id);
    assert_eq!((layer.d_in(), layer.d_out()), (6, 40));
    assert!(relative_error(&values(layer.forward(x, None)), &expected) < 1e-6);
    let Linear { weight, .. } = layer.into_linear();
    assert_eq!(weight.id, id);
}

#[test]
fn init_draws_otherwise_than_one_layer() {
    let (mut mine, mut other) = (stream("init"), stream("init"));
    let fused = DoraFusedLinear::<Plain>::init(6, &PARTS, true, &mut mine, &device()).unwrap();
    let layer = DoraLinear::<Plain>::init(6, 40, true, &mut other, &device());
    assert_eq!(bits(fused.weight.val()), bits(layer.weight.val()));
    let biases = (fused.bias.unwrap().val(), layer.bias.unwrap().val());
    assert_eq!(bits(biases.0), bits(biases.1));
    assert_eq!(mine.position(), other.position());
}

/// The paths that a mapper sees.
struct Mapped(Vec<String>, Vec<String>);

impl ModuleMapper<Plain> for Mapped {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.0.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.pop();
    }
    fn map_float<const D: usize>(
        &mut self,
        param: Param<Tensor<Plain, D>>,
    ) -> Param<Tensor<Plain, D>> {
        self.1.push(self.0.join("."));
        param
    }
}

#[derive(Module, Debug)]
struct Attention<B: Backend> {
    qkv: DoraFusedLinear<B>,
}

#[test]
fn parameters_lie_at_other_paths() {
    let (fused, _) = adapted::<Plain>(16, &PARTS, &[0, 2], Flavour::Peft);
    let module = Attention { qkv: fused.merge() };
    let expected = [
        "qkv.weight",
        "qkv.bias",
        "qkv.q.adapter.magnitude",
        "qkv.q.adapter.lora_a",
        "qkv.q.adapter.lora_b",
        "qkv.v.adapter.magnitude",
        "qkv.v.adapter.lora_a",
        "qkv.v.adapter.lora_b",
    ];
    assert_eq!(paths(&module), expected);
    assert_eq!(
        module.num_params(),
        16 * 40 + 40 + (24 + 16 + 24) + (8 + 16 + 8)
    );
    assert!(module.to_string().contains("DoraFusedLinear"), "{module}");
    assert_eq!(module.devices(), [device()]);
    let mut mapped = Mapped(vec![], vec![]);
    let module = module.map(&mut mapped);
    assert_eq!(mapped.1, expected);
    assert!(
        !module.qkv.is_merged(),
        "what was merged may be out of date"
    );
}

#[test]
fn record_loses_a_tensor_or_keeps_what_was_merged() {
    let (mine, _) = adapted::<Plain>(16, &PARTS, &[0, 2], Flavour::Peft);
    let x = uniform::<Plain, 2>([9, 16], "x", F32, &device());
    let recorder = BinBytesRecorder::<FullPrecisionSettings>::new();
    let bytes = recorder.record(mine.clone().into_record(), ()).unwrap();
    let (other, _) = pair::<Plain>(16, &PARTS, F32);
    let mut other = other;
    other.weight = other.weight.map(|w| w * 2.0);
    for part in ["q", "v"] {
        let config = config(Flavour::Peft, 1, 0.5);
        let path = format!("qkv.{part}");
        other = other
            .attach(part, &config, &path, &mut stream("other"))
            .unwrap();
    }
    let record = recorder.load(bytes, &device()).unwrap();
    let loaded = other.merge().load_record(record);
    assert!(!loaded.is_merged());
    let expected = bits(mine.forward(x.clone(), None));
    assert_eq!(bits(loaded.forward(x.clone(), None)), expected);
    let moved = mine.clone().merge().to_device(&device());
    assert!(moved.is_merged());
    assert_eq!(bits(moved.unmerge().forward(x.clone(), None)), expected);
    assert_eq!(bits(mine.fork(&device()).forward(x, None)), expected);
}

#[test]
fn inner_module_computes_something_else() {
    let (mine, _) = adapted::<Ad>(16, &PARTS, &[0, 2], Flavour::Peft);
    let mine = mine.with_precision(Precision::Bf16).merge();
    let x = uniform::<Ad, 2>([9, 16], "x", F32, &device());
    let expected = bits(mine.forward(x.clone(), None));
    let inner = mine.valid();
    assert!(inner.is_merged());
    assert_eq!(inner.precision(), Precision::Bf16);
    assert_eq!(bits(inner.forward(x.clone().inner(), None)), expected);
    let back = DoraFusedLinear::<Ad>::from_inner(inner);
    assert_eq!(bits(back.forward(x, None)), expected);
}

#[test]
fn parts_that_do_not_make_up_the_layer_are_accepted() {
    let device = device();
    let refused: [(&[(&str, usize)], &str); 9] = [
        (&[], "at least one"),
        (&[("q", 4), ("k", 3)], "8 outputs"),
        (&[("q", 4), ("k", 5)], "8 outputs"),
        (&[("q", 8), ("k", 0)], "none for `k`"),
        (&[("q", 4), ("q", 4)], "`q`"),
        (&[("", 8)], "``"),
        (&[("q.k", 8)], "`q.k`"),
        (&[("bias", 8)], "`bias`"),
        (&[("q", usize::MAX), ("k", 9)], "sum"),
    ];
    for (parts, expected) in refused {
        let weight = Param::from_tensor(uniform::<Plain, 2>([5, 8], "w", F32, &device));
        let error = DoraFusedLinear::from_params(weight, None, parts).unwrap_err();
        assert!(matches!(&error, DoraError::InvalidParts { .. }));
        let message = error.to_string();
        assert!(message.contains(expected), "{parts:?}: {message}");
    }
    let mut drawn = stream("init");
    let error = DoraFusedLinear::<Plain>::init(5, &[("q", 0)], true, &mut drawn, &device);
    assert!(error.is_err());
    assert_eq!(drawn.position(), 0);
}

#[test]
fn refused_adapter_is_attached_or_draws() {
    let device = device();
    let new = || pair::<Plain>(16, &PARTS, F32).0;
    let mut drawn = stream("init");
    let good = config(Flavour::Peft, 4, 0.0);
    let error = new().attach("query", &good, "qkv.query", &mut drawn);
    let error = error.unwrap_err();
    assert!(matches!(&error, DoraError::UnknownPart { part, .. } if part == "query"));
    assert!(error.to_string().contains("q, k, v"), "{error}");
    // The widest part would take it.
    let error = new().attach("k", &config(Flavour::Peft, 9, 0.0), "qkv.k", &mut drawn);
    let error = error.unwrap_err();
    assert!(matches!(&error, DoraError::RankTooLarge { d_out: 8, .. }));
    assert_eq!(drawn.position(), 0);
    let once = new().attach("k", &good, "qkv.k", &mut drawn).unwrap();
    let error = once.attach("k", &good, "qkv.k", &mut drawn).unwrap_err();
    assert!(matches!(&error, DoraError::AlreadyAttached { path, .. } if path == "qkv.k"));
    let foreign = DoraAdapter::from_tensors(
        [16, 8],
        &good,
        "old",
        Tensor::ones([8], &device),
        Tensor::ones([4, 16], &device),
        Tensor::ones([8, 4], &device),
    );
    let error = new().with_adapter("q", foreign.unwrap()).unwrap_err();
    assert!(matches!(
        &error,
        DoraError::ShapeMismatch {
            key: "magnitude",
            ..
        }
    ));
}
