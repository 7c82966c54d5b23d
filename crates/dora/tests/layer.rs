//! One layer: initial values, gradients at degenerate channels, merging.

mod common;

use burn::module::Module;
use burn::nn::LinearConfig;
use burn::tensor::{DType, Tensor, TensorData};
use common::*;
use dacapo_dora::{DoraAdapter, DoraError, DoraLinear, Flavour};
use dacapo_rng::DropoutKey;

const DTYPES: [DType; 2] = [DType::F32, DType::F64];

#[test]
fn attaching_peft_changes_a_bit_of_the_output() {
    // Sizes around the backend's vector widths and blocking, a zero channel.
    for (d_in, d_out) in [(1, 1), (3, 5), (17, 8), (64, 128), (130, 67), (257, 300)] {
        for dtype in DTYPES {
            let device = device();
            let base = layer::<Plain>(d_in, d_out, true, dtype, Some(d_out / 2), &device);
            let x = uniform::<Plain, 2>([9, d_in], "x", dtype, &device);
            let before = base.forward(x.clone(), None);
            let config = config(Flavour::Peft, 1, 0.25);
            let layer = base.attach(&config, "fc", &mut stream("init")).unwrap();
            let ad_free = layer.forward(x.clone(), None);
            assert_eq!(bits(before.clone()), bits(ad_free), "{d_in} -> {d_out}");
            let key = DropoutKey::new(1, "dropout", 2, 0);
            let dropped = layer.forward(x, Some(&key));
            assert_eq!(bits(before), bits(dropped), "{d_in} -> {d_out}, dropout");
        }
    }
}

#[test]
fn attaching_peft_to_a_transposed_weight_changes_a_bit_of_the_output() {
    let device = device();
    let weight = uniform::<Plain, 2>([33, 70], "w", DType::F32, &device).transpose();
    let base = DoraLinear::from_params(burn::module::Param::from_tensor(weight), None);
    let x = uniform::<Plain, 2>([5, 70], "x", DType::F32, &device);
    let before = bits(base.forward(x.clone(), None));
    let config = config(Flavour::Peft, 4, 0.0);
    let layer = base.attach(&config, "fc", &mut stream("init")).unwrap();
    assert_eq!(before, bits(layer.forward(x, None)));
}

#[test]
fn half_precision_weight_takes_its_magnitude_along() {
    let device = device();
    let base = layer::<Plain>(64, 48, true, DType::BF16, Some(3), &device);
    let x = uniform::<Plain, 2>([4, 64], "x", DType::BF16, &device);
    let before = base.forward(x.clone(), None);
    let layer = base
        .attach(&config(Flavour::Peft, 4, 0.0), "fc", &mut stream("init"))
        .unwrap();
    let adapter = layer.adapter.as_ref().unwrap();
    assert_eq!(
        adapter.magnitude.as_ref().unwrap().val().dtype(),
        DType::F32
    );
    assert_eq!(adapter.lora_a.val().dtype(), DType::BF16);
    let after = layer.forward(x.clone(), None);
    assert_eq!(after.dtype(), DType::BF16);
    assert_eq!(bits(before), bits(after));

    let base = common::layer::<Plain>(64, 48, true, DType::BF16, Some(3), &device);
    let layer = base
        .attach(&config(Flavour::ClipHba, 4, 0.0), "fc", &mut stream("init"))
        .unwrap();
    let y = layer.forward(x, None);
    assert_eq!(y.dtype(), DType::BF16);
    assert!(values(y).iter().all(|v| v.is_finite()));
}

#[test]
fn initial_factors_leave_their_bounds_or_do_not_fill_them() {
    let device = device();
    let (d_in, d_out, rank) = (100, 50, 16);
    for flavour in FLAVOURS {
        let base = layer::<Plain>(d_in, d_out, false, DType::F64, None, &device);
        let weight = base.weight.val();
        let layer = base
            .attach(&config(flavour, rank, 0.0), "fc", &mut stream("init"))
            .unwrap();
        let adapter = layer.adapter.unwrap();
        let (fan_a, fan_b) = match flavour {
            Flavour::Peft => (d_in, None),
            _ => (rank, Some(d_out)),
        };
        let filled = |values: Vec<f64>, fan: usize| {
            let bound = 1.0 / (fan as f64).sqrt();
            let most = values.iter().fold(0.0_f64, |most, v| most.max(v.abs()));
            let mean = values.iter().sum::<f64>() / values.len() as f64;
            let square = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
            assert!(most <= bound && most > 0.98 * bound, "{flavour:?}: {most}");
            assert!(mean.abs() < 0.1 * bound, "{flavour:?}: mean {mean}");
            let variance = bound * bound / 3.0;
            assert!(
                (square / variance - 1.0).abs() < 0.1,
                "{flavour:?}: {square}"
            );
        };
        filled(values(adapter.lora_a.val()), fan_a);
        match fan_b {
            Some(fan) => filled(values(adapter.lora_b.val()), fan),
            None => assert!(values(adapter.lora_b.val()).iter().all(|&v| v == 0.0)),
        }
        let norm = values(weight.square().sum_dim(0).sqrt());
        assert_eq!(
            values(adapter.magnitude.as_ref().unwrap().val()),
            norm,
            "{flavour:?}"
        );
    }
}

#[test]
fn precision_moves_the_init_stream() {
    let device = device();
    for flavour in FLAVOURS {
        let mut positions = vec![];
        for dtype in DTYPES {
            let mut stream = stream("init");
            let base = layer::<Plain>(6, 4, false, dtype, None, &device);
            base.attach(&config(flavour, 2, 0.0), "fc", &mut stream)
                .unwrap();
            positions.push(stream.position());
        }
        let expected = match flavour {
            Flavour::Peft => 2 * 6,
            _ => 2 * 6 + 4 * 2,
        };
        assert_eq!(positions, [expected; 2], "{flavour:?}");
    }
}

#[test]
fn init_draws_in_another_order_or_range() {
    let mut drawn = stream("init");
    let layer = DoraLinear::<Plain>::init(3, 4, true, &mut drawn, &device());
    let mut expected = stream("init");
    let bound = 1.0 / 3.0_f64.sqrt();
    let mut next = || f64::from(((2.0 * expected.uniform_f64() - 1.0) * bound) as f32);
    let weight: Vec<f64> = (0..12).map(|_| next()).collect();
    let bias: Vec<f64> = (0..4).map(|_| next()).collect();
    assert_eq!(values(layer.weight.val()), weight);
    assert_eq!(values(layer.bias.unwrap().val()), bias);
    assert_eq!(drawn.position(), 16);
    assert_eq!(layer.weight.val().dims(), [3, 4]);
}

#[test]
fn zero_or_vanishing_channel_gives_nan() {
    let device = device();
    for flavour in FLAVOURS {
        for scale in [0.0, 1e-42, 1e-30, 1e-22, 1e-19, 1e-10] {
            let mut base = layer::<Ad>(8, 5, true, DType::F32, Some(2), &device);
            base.weight = base.weight.map(|w| Tensor::from_inner(w.inner() * scale));
            let layer = base
                .attach(&config(flavour, 3, 0.25), "fc", &mut stream("init"))
                .unwrap();
            let key = DropoutKey::new(1, "dropout", 0, 0);
            let x = uniform::<Ad, 2>([4, 8], "x", DType::F32, &device).require_grad();
            for key in [None, Some(&key)] {
                let y = layer.forward(x.clone(), key);
                let grads = (y.clone() * y.clone()).sum().backward();
                let adapter = layer.adapter.as_ref().unwrap();
                let finite = |what, values: Vec<f64>| {
                    assert!(
                        values.iter().all(|v| v.is_finite()),
                        "{flavour:?}, scale {scale:e}: {what} {values:?}"
                    );
                };
                finite("y", values(y));
                finite("d_x", values(x.grad(&grads).unwrap()));
                finite(
                    "d_m",
                    values(
                        adapter
                            .magnitude
                            .as_ref()
                            .unwrap()
                            .val()
                            .grad(&grads)
                            .unwrap(),
                    ),
                );
                finite("d_a", values(adapter.lora_a.val().grad(&grads).unwrap()));
                finite("d_b", values(adapter.lora_b.val().grad(&grads).unwrap()));
            }
        }
    }
}

#[test]
fn zero_channel_never_trains() {
    let device = device();
    let base = layer::<Ad>(8, 5, true, DType::F32, Some(2), &device);
    let layer = base
        .attach(&config(Flavour::Peft, 3, 0.0), "fc", &mut stream("init"))
        .unwrap();
    let x = uniform::<Ad, 2>([4, 8], "x", DType::F32, &device);
    let grads = layer.forward(x, None).sum().backward();
    let d_b = layer.adapter.unwrap().lora_b.val().grad(&grads).unwrap();
    assert!(values(d_b.slice([2..3, 0..3])).iter().any(|&v| v != 0.0));
}

#[test]
fn gradient_reaches_the_frozen_base() {
    let device = device();
    for flavour in FLAVOURS {
        let base = layer::<Ad>(4, 3, true, DType::F32, None, &device);
        assert!(base.weight.is_require_grad());
        let layer = base
            .attach(&config(flavour, 2, 0.0), "fc", &mut stream("init"))
            .unwrap();
        assert!(!layer.weight.is_require_grad());
        assert!(!layer.bias.as_ref().unwrap().is_require_grad());
        assert!(layer.adapter.as_ref().unwrap().lora_a.is_require_grad());

        // Not even if somebody thaws it.
        let mut thawed = layer.clone();
        thawed.weight = thawed.weight.set_require_grad(true);
        let x = uniform::<Ad, 2>([2, 4], "x", DType::F32, &device);
        let grads = thawed.forward(x, None).sum().backward();
        assert!(thawed.weight.val().grad(&grads).is_none(), "{flavour:?}");
        assert!(
            thawed
                .adapter
                .unwrap()
                .magnitude
                .unwrap()
                .val()
                .grad(&grads)
                .is_some()
        );
    }
}

#[test]
fn dropout_mask_is_not_the_keyed_one() {
    let device = device();
    for flavour in FLAVOURS {
        let base = layer::<Plain>(6, 5, true, DType::F64, None, &device);
        let mut layer = base
            .attach(&config(flavour, 2, 0.5), "blocks.1.fc", &mut stream("init"))
            .unwrap();
        let adapter: &DoraAdapter<Plain> = layer.adapter.as_ref().unwrap();
        // B of a new Peft adapter is 0 and would hide the mask.
        let mut adapter = adapter.clone();
        adapter.lora_b = adapter
            .lora_b
            .map(|b| uniform(b.dims(), "b", DType::F64, &b.device()));
        layer.adapter = Some(adapter.clone());
        let x = uniform::<Plain, 3>([2, 3, 6], "x", DType::F64, &device);
        let key = DropoutKey::new(3, "dropout", 5, 1);
        let len = if flavour == Flavour::Peft { 36 } else { 30 };
        let mask = key.layer("blocks.1.fc").mask(0.5, len);
        let by_hand = adapter.forward_masked(
            x.clone(),
            layer.weight.val(),
            layer.bias.as_ref().map(|b| b.val()),
            Some(mask),
        );
        let keyed = bits(layer.forward(x.clone(), Some(&key)));
        assert_eq!(bits(by_hand), keyed);
        assert_eq!(keyed, bits(layer.forward(x.clone(), Some(&key))), "repeat");
        let other = DropoutKey::new(3, "dropout", 6, 1);
        assert_ne!(keyed, bits(layer.forward(x.clone(), Some(&other))), "step");
        assert_ne!(keyed, bits(layer.forward(x, None)), "evaluation");
    }
}

#[test]
fn unmerging_or_detaching_leaves_a_trace() {
    let device = device();
    for flavour in FLAVOURS {
        let base = layer::<Plain>(40, 24, true, DType::F32, Some(1), &device);
        let x = uniform::<Plain, 2>([7, 40], "x", DType::F32, &device);
        let plain = bits(base.forward(x.clone(), None));
        let layer = base
            .attach(&config(flavour, 5, 0.0), "fc", &mut stream("init"))
            .unwrap();
        let adapted = bits(layer.forward(x.clone(), None));
        let weight = bits(layer.weight.val());
        let merged = layer.merge();
        assert!(merged.is_merged());
        assert_eq!(bits(merged.weight.val()), weight, "base kept");
        let unmerged = merged.unmerge();
        assert_eq!(bits(unmerged.forward(x.clone(), None)), adapted);
        assert_eq!(bits(unmerged.merge().detach().forward(x, None)), plain);
    }
}

#[test]
fn stale_merged_weight_survives_new_parameters() {
    let device = device();
    let new = |seed: &str| {
        layer::<Plain>(6, 5, false, DType::F32, None, &device)
            .attach(&config(Flavour::ClipHba, 2, 0.0), "fc", &mut stream(seed))
            .unwrap()
    };
    let x = uniform::<Plain, 2>([3, 6], "x", DType::F32, &device);
    let (mine, other) = (new("mine"), new("other"));
    let expected = bits(other.forward(x.clone(), None));
    let loaded = mine.clone().merge().load_record(other.into_record());
    assert!(!loaded.is_merged());
    assert_eq!(bits(loaded.forward(x, None)), expected);
    assert!(!mine.clone().merge().no_grad().is_merged());
    assert!(mine.clone().merge().to_device(&device).is_merged());
}

#[test]
fn merged_weight_is_lost_between_training_and_validation() {
    use burn::module::AutodiffModule;
    let device = device();
    let layer = layer::<Ad>(6, 5, true, DType::F32, None, &device)
        .attach(&config(Flavour::Peft, 2, 0.0), "fc", &mut stream("init"))
        .unwrap()
        .merge();
    let valid = layer.valid();
    assert!(valid.is_merged());
    let x = uniform::<Ad, 2>([3, 6], "x", DType::F32, &device);
    let training = bits(layer.forward(x.clone(), None));
    assert_eq!(training, bits(valid.forward(x.inner(), None)));
}

#[test]
fn parameter_paths_or_record_hold_something_else() {
    let layer = layer::<Plain>(6, 5, true, DType::F32, None, &device())
        .attach(&config(Flavour::Peft, 2, 0.0), "fc", &mut stream("init"))
        .unwrap()
        .merge();
    let expected = [
        "weight",
        "bias",
        "adapter.magnitude",
        "adapter.lora_a",
        "adapter.lora_b",
    ];
    assert_eq!(paths(&layer), expected);
    assert_eq!(layer.num_params(), 30 + 5 + 5 + 12 + 10);
}

#[test]
fn plain_burn_layer_computes_something_else() {
    let device = device();
    let linear = LinearConfig::new(6, 5).init::<Plain>(&device);
    let x = uniform::<Plain, 2>([3, 6], "x", DType::F32, &device);
    let expected = bits(linear.forward(x.clone()));
    let id = linear.weight.id;
    let layer = DoraLinear::from_linear(linear);
    assert_eq!(layer.weight.id, id);
    assert_eq!(bits(layer.forward(x.clone(), None)), expected);
    let layer = layer
        .attach(&config(Flavour::ClipHba, 2, 0.0), "fc", &mut stream("init"))
        .unwrap()
        .merge();
    let merged = bits(layer.forward(x.clone(), None));
    assert_eq!(bits(layer.into_linear().forward(x)), merged);
}

#[test]
fn refused_adapter_is_attached_or_draws() {
    let new = || layer::<Plain>(6, 4, false, DType::F32, None, &device());
    let mut drawn = stream("init");
    let good = config(Flavour::Peft, 4, 0.0);

    let error = new().attach(&config(Flavour::Peft, 5, 0.0), "fc", &mut drawn);
    let error = error.unwrap_err();
    assert!(matches!(&error, DoraError::RankTooLarge { rank: 5, .. }));
    let message = error.to_string();
    assert!(
        message.contains("`fc`") && message.contains("6 -> 4"),
        "{message}"
    );
    assert!(message.contains("at most 4"), "{message}");

    for (flaw, value) in [("weight", f32::NAN), ("overflow", 1e30)] {
        let mut layer = new();
        layer.weight = layer.weight.map(|w| {
            let one = Tensor::from_data(TensorData::new(vec![value], [1, 1]), &w.device());
            w.slice_assign([2..3, 1..2], one)
        });
        let error = layer.attach(&good, "fc", &mut drawn).unwrap_err();
        let found = matches!(&error, DoraError::NonFiniteNorm { channel: 1, .. });
        assert!(found, "{flaw}: {error}");
    }
    assert_eq!(drawn.position(), 0);

    let layer = new().attach(&good, "old", &mut drawn).unwrap();
    let adapter = layer.adapter.clone().unwrap();
    let error = layer.attach(&good, "fc", &mut drawn).unwrap_err();
    let expected = DoraError::AlreadyAttached {
        path: "fc".into(),
        attached: "old".into(),
    };
    assert_eq!(error, expected);

    let wider = common::layer::<Plain>(7, 4, false, DType::F32, None, &device());
    let error = wider.with_adapter(adapter).unwrap_err().to_string();
    assert!(error.contains("`old.lora_a`"), "{error}");
    assert!(
        error.contains("[4, 7]") && error.contains("[4, 6]"),
        "{error}"
    );
}

#[test]
fn magnitude_per_input_is_taken_for_one_per_output() {
    let device = device();
    let error = DoraAdapter::<Plain>::from_tensors(
        [6, 4],
        &config(Flavour::Peft, 2, 0.0),
        "fc",
        Tensor::ones([6], &device),
        Tensor::ones([2, 6], &device),
        Tensor::ones([4, 2], &device),
    )
    .unwrap_err();
    let message = error.to_string();
    assert!(message.contains("`fc.magnitude`"), "{message}");
    assert!(
        message.contains("[4]") && message.contains("[6]"),
        "{message}"
    );
}
