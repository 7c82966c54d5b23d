//! Properties over shapes.

mod common;

use burn::tensor::{DType, Tensor};
use common::*;
use dacapo_dora::{DoraLinear, Flavour};
use proptest::prelude::*;

fn flavour() -> impl Strategy<Value = Flavour> {
    prop::sample::select(&ALL_FLAVOURS[..])
}

/// An adapted layer whose factors are both away from 0, in f64.
fn adapted(flavour: Flavour, d_in: usize, d_out: usize, bias: bool) -> DoraLinear<Plain> {
    let rank = 1 + (d_in * d_out) % d_in.min(d_out);
    let base = layer::<Plain>(d_in, d_out, bias, DType::F64, Some(0), &device());
    let mut layer = base
        .attach(&config(flavour, rank, 0.0), "fc", &mut stream("init"))
        .unwrap();
    let adapter = layer.adapter.as_mut().unwrap();
    adapter.lora_b = (adapter.lora_b.clone())
        .map(|b| uniform::<Plain, 2>(b.dims(), "b", DType::F64, &b.device()));
    adapter.magnitude = adapter.magnitude.take().map(|m| m.map(|m| m + 0.5));
    layer
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn merged_layer_computes_another_function(
        flavour in flavour(),
        d_in in 1_usize..24,
        d_out in 1_usize..24,
        batch in 1_usize..5,
        bias: bool,
    ) {
        let layer = adapted(flavour, d_in, d_out, bias);
        let x = uniform::<Plain, 3>([batch, 2, d_in], "x", DType::F64, &device());
        let expected = layer.forward(x.clone(), None);
        prop_assert_eq!(expected.dims(), [batch, 2, d_out]);
        let merged = layer.clone().merge();
        prop_assert!(
            relative_error(&values(merged.forward(x.clone(), None)), &values(expected.clone())) < 1e-11
        );
        let linear = layer.clone().into_linear();
        prop_assert_eq!(linear.weight.val().dims(), [d_in, d_out]);
        prop_assert_eq!(bits(linear.forward(x.clone())), bits(merged.forward(x.clone(), None)));
        prop_assert_eq!(bits(merged.unmerge().forward(x, None)), bits(expected));
    }

    #[test]
    fn merged_channel_norm_is_not_the_magnitude(
        flavour in flavour(),
        d_in in 1_usize..24,
        d_out in 1_usize..24,
    ) {
        prop_assume!(flavour.has_magnitude());
        let layer = adapted(flavour, d_in, d_out, false);
        let norm = layer.merged_weight().square().sum_dim(0).sqrt();
        let magnitude = layer.adapter.unwrap().magnitude.unwrap().val();
        // The eps of ClipHba is 1e-8 of a norm near 1 or above.
        let tolerance = if flavour == Flavour::Peft { 1e-12 } else { 1e-6 };
        prop_assert!(relative_error(&values(norm), &values(magnitude)) < tolerance);
    }

    #[test]
    fn output_depends_on_how_inputs_are_batched(
        flavour in flavour(),
        d_in in 1_usize..16,
        d_out in 1_usize..16,
        batch in 1_usize..5,
    ) {
        let layer = adapted(flavour, d_in, d_out, true);
        let x = uniform::<Plain, 3>([batch, 3, d_in], "x", DType::F64, &device());
        let whole = values(layer.forward(x.clone(), None));
        let flat: Tensor<Plain, 2> = x.clone().reshape([batch * 3, d_in]);
        prop_assert!(relative_error(&values(layer.forward(flat.clone(), None)), &whole) < 1e-12);
        let first: Tensor<Plain, 1> = flat.slice([0..1, 0..d_in]).reshape([d_in]);
        let alone = values(layer.forward(first, None));
        prop_assert!(relative_error(&alone, &whole[..d_out]) < 1e-11);
    }
}
