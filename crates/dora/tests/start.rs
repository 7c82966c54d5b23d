//! What adapters begin with besides the flavours' own: Gaussian, PiSSA, OLoRA; rsLoRA and LoRA.

mod common;

use burn::module::Param;
use burn::tensor::{DType, Tensor};
use common::golden::{golden, tensor};
use common::*;
use dacapo_dora::{AdapterInit, DoraConfig, DoraEmbedding, DoraFusedLinear, DoraLinear, Flavour};

const TAKEN: [AdapterInit; 2] = [AdapterInit::Pissa, AdapterInit::Olora];

fn starting(flavour: Flavour, init: AdapterInit, rank: usize) -> DoraConfig {
    DoraConfig {
        init,
        ..config(flavour, rank, 0.0)
    }
}

#[test]
fn factors_taken_from_the_weight_are_not_those_of_peft() {
    for start in golden().starts {
        let dtype = DType::F32;
        let weight = tensor::<Plain, 2>(&start.w, dtype, &device()).transpose();
        let base = DoraLinear::from_params(Param::from_tensor(weight), None);
        let config = DoraConfig {
            alpha: start.alpha,
            ..starting(Flavour::Lora, start.init, start.rank)
        };
        let mut stream = stream("init");
        let layer = base.attach(&config, "fc", &mut stream).unwrap();
        assert_eq!(stream.position(), 0, "{:?} drew", start.init);
        let adapter = layer.adapter.as_ref().unwrap();
        let update = adapter.lora_b.val().matmul(adapter.lora_a.val()) * config.scaling();
        let off = relative_error(&values(update), &start.update.values);
        assert!(off < 1e-5, "{:?}: the update is off by {off:e}", start.init);
        let rest = values(layer.weight.val().transpose());
        let off = relative_error(&rest, &start.rest.values);
        assert!(off < 1e-5, "{:?}: the rest is off by {off:e}", start.init);
    }
}

#[test]
fn taking_from_the_weight_changes_the_output() {
    let device = device();
    for flavour in [Flavour::Peft, Flavour::Lora] {
        for init in TAKEN {
            for (d_in, d_out) in [(1, 1), (5, 3), (12, 30), (40, 17)] {
                let base = layer::<Plain>(d_in, d_out, true, DType::F64, None, &device);
                let x = uniform::<Plain, 2>([4, d_in], "x", DType::F64, &device);
                let before = values(base.forward(x.clone(), None));
                let rank = 1 + d_in.min(d_out) / 3;
                let layer = base
                    .attach(&starting(flavour, init, rank), "fc", &mut stream("init"))
                    .unwrap();
                let off = relative_error(&values(layer.forward(x, None)), &before);
                assert!(
                    off < 1e-12,
                    "{flavour:?} {init:?} {d_in} -> {d_out}: {off:e}"
                );
            }
        }
    }
}

#[test]
fn principal_factors_leave_a_larger_singular_value_behind() {
    let device = device();
    let base = layer::<Plain>(9, 14, false, DType::F64, None, &device);
    let weight = base.weight.val();
    let layer = base
        .attach(
            &starting(Flavour::Lora, AdapterInit::Pissa, 3),
            "fc",
            &mut stream("init"),
        )
        .unwrap();
    let adapter = layer.adapter.as_ref().unwrap();
    // Directions that were taken are gone from what is left: A·rest = 0 and rest·B = 0.
    let rest = layer.weight.val();
    let scale = values(weight)
        .iter()
        .fold(0.0_f64, |most, v| most.max(v.abs()));
    for product in [
        adapter.lora_a.val().matmul(rest.clone()),
        rest.matmul(adapter.lora_b.val()),
    ] {
        let most = values(product)
            .iter()
            .fold(0.0_f64, |most, v| most.max(v.abs()));
        assert!(most < 1e-12 * scale, "{most}");
    }
}

#[test]
fn factors_taken_from_the_weight_differ_from_call_to_call() {
    let device = device();
    for init in TAKEN {
        let attach = || {
            let base = layer::<Plain>(31, 18, false, DType::F32, None, &device);
            let mut stream = stream("init");
            let config = starting(Flavour::Peft, init, 5);
            base.attach(&config, "fc", &mut stream).unwrap()
        };
        let (one, other) = (attach(), attach());
        assert_eq!(bits(one.weight.val()), bits(other.weight.val()), "{init:?}");
        let [one, other] = [one, other].map(|layer| layer.adapter.unwrap());
        assert_eq!(bits(one.lora_a.val()), bits(other.lora_a.val()), "{init:?}");
        assert_eq!(bits(one.lora_b.val()), bits(other.lora_b.val()), "{init:?}");
    }
}

#[test]
fn gaussian_factors_have_another_deviation() {
    let device = device();
    let rank = 20;
    let base = layer::<Plain>(400, 60, false, DType::F64, None, &device);
    let mut stream = stream("init");
    let layer = base
        .attach(
            &starting(Flavour::Peft, AdapterInit::Gaussian, rank),
            "fc",
            &mut stream,
        )
        .unwrap();
    // Two draws an element.
    assert_eq!(stream.position(), 2 * 400 * rank as u64);
    let adapter = layer.adapter.unwrap();
    let a = values(adapter.lora_a.val());
    let mean = a.iter().sum::<f64>() / a.len() as f64;
    let deviation = (a.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / a.len() as f64).sqrt();
    // Eight thousand values: the standard error of either is about 1/90 of the deviation.
    let expected = 1.0 / rank as f64;
    assert!(mean.abs() < 0.05 * expected, "{mean}");
    assert!((deviation / expected - 1.0).abs() < 0.04, "{deviation}");
    assert!(values(adapter.lora_b.val()).iter().all(|v| *v == 0.0));
}

#[test]
fn attaching_lora_changes_a_bit_of_the_output() {
    let device = device();
    for dtype in [DType::F32, DType::F64, DType::BF16] {
        let base = layer::<Plain>(33, 20, true, dtype, Some(0), &device);
        let x = uniform::<Plain, 2>([9, 33], "x", dtype, &device);
        let before = bits(base.forward(x.clone(), None));
        let layer = base
            .attach(&config(Flavour::Lora, 4, 0.0), "fc", &mut stream("init"))
            .unwrap();
        assert!(layer.adapter.as_ref().unwrap().magnitude.is_none());
        assert_eq!(before, bits(layer.forward(x, None)), "{dtype:?}");
    }
}

#[test]
fn rslora_is_scaled_as_lora() {
    let config = DoraConfig {
        rslora: true,
        alpha: 6.0,
        ..config(Flavour::Lora, 9, 0.0)
    };
    assert_eq!(config.scaling(), 2.0);
}

#[test]
fn clip_hba_takes_an_initialisation_that_it_does_not_know() {
    for init in [
        AdapterInit::Gaussian,
        AdapterInit::Pissa,
        AdapterInit::Olora,
    ] {
        let message = starting(Flavour::ClipHba, init, 2)
            .validate()
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("`init`") && message.contains(init.name()),
            "{message}"
        );
    }
}

#[test]
fn magnitude_is_accepted_where_the_flavour_has_none() {
    let device = device();
    let tensors = || {
        (
            Tensor::<Plain, 1>::ones([3], &device),
            Tensor::<Plain, 2>::ones([2, 4], &device),
            Tensor::<Plain, 2>::ones([3, 2], &device),
        )
    };
    let (m, a, b) = tensors();
    let lora = config(Flavour::Lora, 2, 0.0);
    let error = dacapo_dora::DoraAdapter::from_tensors([4, 3], &lora, "fc", m, a, b);
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("`fc`") && message.contains("no magnitude"),
        "{message}"
    );
    let (_, a, b) = tensors();
    let dora = config(Flavour::Peft, 2, 0.0);
    let error = dacapo_dora::DoraAdapter::from_tensors([4, 3], &dora, "fc", None, a, b);
    let message = error.unwrap_err().to_string();
    assert!(
        message.contains("`fc`") && message.contains("none is given"),
        "{message}"
    );
}

#[test]
fn beginning_is_ignored_by_layers_without_it() {
    let device = device();
    for init in [
        AdapterInit::Gaussian,
        AdapterInit::Pissa,
        AdapterInit::Olora,
    ] {
        let config = starting(Flavour::Peft, init, 2);
        let mut stream = stream("init");
        let tokens = DoraEmbedding::<Plain>::init(6, 4, &mut common::stream("w"), &device);
        let message = tokens
            .attach(&config, "tokens", &mut stream)
            .unwrap_err()
            .to_string();
        assert!(
            message.contains("`tokens`") && message.contains(init.name()),
            "{message}"
        );
        assert_eq!(stream.position(), 0);
    }
    for init in TAKEN {
        let parts = [("q", 4), ("k", 4)];
        let fused =
            DoraFusedLinear::<Plain>::init(6, &parts, false, &mut stream("w"), &device).unwrap();
        let config = starting(Flavour::Peft, init, 2);
        let message = fused
            .attach("q", &config, "qkv.q", &mut stream("init"))
            .unwrap_err();
        assert!(message.to_string().contains(init.name()), "{message}");
    }
}
