//! Adapters of any shape survive the way to a file and back.

mod common;

use std::collections::BTreeMap;

use common::values;
use dacapo_peft::{LayerKind, MagnitudeKey, Matrix, PeftAdapter, PeftConfig, PeftFiles, PeftLayer};
use dacapo_peft::{PeftSettings, TargetModules, Tensor};
use proptest::prelude::*;

fn kind() -> impl Strategy<Value = LayerKind> {
    prop_oneof![
        Just(LayerKind::Linear),
        Just(LayerKind::Embedding),
        prop::collection::vec(1_usize..4, 1..4).prop_map(|kernel| LayerKind::Conv { kernel }),
    ]
}

/// Any bits of a finite value: zeros of both signs and subnormal numbers among them.
fn finite() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(|bits| match f32::from_bits(bits) {
        value if value.is_finite() => value,
        // Its sign and significand.
        _ => f32::from_bits(bits & 0x807f_ffff),
    })
}

fn layer(dora: bool) -> impl Strategy<Value = PeftLayer> {
    let sizes = (kind(), 1_usize..5, 1_usize..6, 1_usize..6);
    sizes.prop_flat_map(move |(kind, rank, inputs, outputs)| {
        let places: usize = match &kind {
            LayerKind::Conv { kernel } => kernel.iter().product(),
            _ => 1,
        };
        let columns = inputs * places;
        let a = prop::collection::vec(finite(), rank * columns);
        let b = prop::collection::vec(finite(), outputs * rank);
        let magnitude = prop::collection::vec(finite(), outputs);
        (a, b, magnitude).prop_map(move |(a, b, magnitude)| {
            let a = Matrix::new(rank, columns, a).unwrap();
            let b = Matrix::new(outputs, rank, b).unwrap();
            PeftLayer::new(kind.clone(), a, b, dora.then_some(magnitude)).unwrap()
        })
    })
}

fn adapter() -> impl Strategy<Value = PeftAdapter> {
    let path = "[a-z_0-9é]{1,6}(\\.[a-zA-Z_0-9]{1,6}){0,3}";
    let layers = any::<bool>().prop_flat_map(move |dora| {
        let layers = prop::collection::btree_map(path, layer(dora), 1..5);
        (Just(dora), layers)
    });
    let numbers = (any::<bool>(), -1e9..1e9_f64, 0.0..0.99_f64, 1_usize..9);
    (layers, numbers, prop::collection::vec(0_usize..4, 0..3)).prop_map(
        |((dora, layers), (rslora, alpha, dropout, r), shape)| {
            let whole = |module: &String| format!("^{}$", module.replace('.', r"\."));
            let ranks = layers
                .iter()
                .map(|(module, layer)| (whole(module), layer.rank()));
            let alphas = layers.keys().zip(1..);
            let mut alphas: Vec<(String, f64)> = alphas
                .map(|(module, n)| (whole(module), f64::from(n) / 3.0))
                .collect();
            // Not in the order of the alphabet.
            alphas.reverse();
            let settings = PeftSettings {
                use_dora: dora,
                use_rslora: rslora,
                lora_dropout: dropout,
                rank_pattern: ranks.collect(),
                alpha_pattern: alphas,
                modules_to_save: vec!["HEAD!".to_owned()],
                ..PeftSettings::new(r, alpha, TargetModules::names(layers.keys().cloned()))
            };
            let shape: Vec<usize> = shape.into_iter().map(|size| size + 1).collect();
            let tensor = Tensor::new(shape.clone(), values(shape.iter().product(), 1)).unwrap();
            let saved = BTreeMap::from([("a.HEAD!.w".to_owned(), tensor)]);
            PeftAdapter::new(PeftConfig::new(settings).unwrap(), layers, saved).unwrap()
        },
    )
}

/// Every value of an adapter by its bits, which tell -0 from 0.
fn bits(adapter: &PeftAdapter) -> Vec<u32> {
    let layers = adapter.layers().values().flat_map(|layer| {
        let magnitude = layer.magnitude().unwrap_or_default();
        [layer.a().values(), layer.b().values(), magnitude].concat()
    });
    let saved = adapter.saved().values();
    let saved = saved.flat_map(|tensor| tensor.values().to_vec());
    layers.chain(saved).map(f32::to_bits).collect()
}

proptest! {
    #[test]
    fn writing_and_reading_changes_a_bit(adapter in adapter(), weight: bool) {
        let key = if weight { MagnitudeKey::Weight } else { MagnitudeKey::Plain };
        let PeftFiles { config, weights } = adapter.to_files(key).unwrap();
        let again = PeftAdapter::from_bytes(&config, &weights).unwrap();
        prop_assert_eq!(&again, &adapter);
        prop_assert_eq!(bits(&again), bits(&adapter));
        prop_assert_eq!(again.to_files(key).unwrap(), PeftFiles { config, weights });
    }

    #[test]
    fn scaling_is_that_of_another_pattern(adapter in adapter()) {
        let (config, layers) = (adapter.config(), adapter.layers());
        for ((module, layer), n) in layers.iter().zip(1..) {
            let alpha = f64::from(n) / 3.0;
            prop_assert_eq!(config.alpha_of(module), alpha);
            let rank = layer.rank() as f64;
            let by = if config.settings().use_rslora { rank.sqrt() } else { rank };
            prop_assert_eq!(config.scaling_of(module, layer.rank()), alpha / by);
        }
    }

    #[test]
    fn name_and_its_meaning_part(module in "[a-z]{1,4}(\\.[a-z]{1,4}){0,2}", other in "[a-z.]{0,9}") {
        // A module of another name is no target, and one that ends with it is.
        let settings = PeftSettings::new(1, 1.0, TargetModules::names([module.clone()]));
        let config = PeftConfig::new(settings).unwrap();
        let longer = format!("{other}.{module}");
        prop_assert!(config.is_target(&module) && config.is_target(&longer));
        let joined = format!("{other}x{module}");
        prop_assert!(!config.is_target(&joined));
        let suffix = other == module || other.ends_with(&format!(".{module}"));
        prop_assert_eq!(config.is_target(&other), suffix);
    }
}
