//! Model configurations are checked, by key.

use dacapo_models::{BertConfig, ConvNetConfig, ModelsError, VitConfig};

type Break<Config> = fn(&mut Config);

fn key(result: Result<(), ModelsError>) -> &'static str {
    match result {
        Ok(()) => "",
        Err(ModelsError::Config { key, .. }) => key,
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn an_unusable_vit_is_built() {
    let good = VitConfig::default();
    assert_eq!(key(good.validate()), "");
    let broken: [(&str, Break<VitConfig>); 13] = [
        ("image_size", |c| c.image_size = 0),
        ("patch_size", |c| c.patch_size = 0),
        ("patch_size", |c| c.patch_size = 3),
        ("patch_size", |c| c.patch_size = 16),
        ("d_model", |c| c.d_model = 0),
        ("blocks", |c| c.blocks = 0),
        ("heads", |c| c.heads = 0),
        ("heads", |c| c.heads = 5),
        ("d_mlp", |c| c.d_mlp = 0),
        ("classes", |c| c.classes = 0),
        ("dropout", |c| c.dropout = 1.0),
        ("dropout", |c| c.dropout = -0.1),
        ("dropout", |c| c.dropout = f64::NAN),
    ];
    for (expected, breaks) in broken {
        let mut config = good.clone();
        breaks(&mut config);
        assert_eq!(key(config.validate()), expected);
    }
}

#[test]
fn an_unusable_conv_net_is_built() {
    let good = ConvNetConfig::default();
    assert_eq!(key(good.validate()), "");
    let broken: [(&str, Break<ConvNetConfig>); 5] = [
        ("image_size", |c| c.image_size = 0),
        ("channels[0]", |c| c.channels[0] = 0),
        ("channels[1]", |c| c.channels[1] = 0),
        ("classes", |c| c.classes = 0),
        ("dropout", |c| c.dropout = f64::INFINITY),
    ];
    for (expected, breaks) in broken {
        let mut config = good.clone();
        breaks(&mut config);
        assert_eq!(key(config.validate()), expected);
    }
}

#[test]
fn an_unusable_bert_is_built() {
    let good = BertConfig::minilm_l6();
    assert_eq!(key(good.validate()), "");
    let broken: [(&str, Break<BertConfig>); 17] = [
        ("vocabulary", |c| c.vocabulary = 0),
        ("vocabulary", |c| c.vocabulary = 1 << 32),
        ("context", |c| c.context = 0),
        ("context", |c| c.context = usize::MAX),
        ("types", |c| c.types = 0),
        ("d_model", |c| c.d_model = 0),
        ("d_model", |c| c.d_model = 1 << 32),
        ("blocks", |c| c.blocks = 0),
        ("blocks", |c| c.blocks = 1 << 20),
        ("heads", |c| c.heads = 7),
        ("d_mlp", |c| c.d_mlp = usize::MAX),
        ("eps", |c| c.eps = 0.0),
        ("eps", |c| c.eps = 1e-40),
        ("eps", |c| c.eps = f64::NAN),
        ("eps", |c| c.eps = f64::INFINITY),
        ("dropout", |c| c.dropout = 1.0),
        ("dropout", |c| c.dropout = f64::NAN),
    ];
    for (expected, breaks) in broken {
        let mut config = good.clone();
        breaks(&mut config);
        assert_eq!(key(config.validate()), expected);
    }
}

#[test]
fn setting_of_a_bert_is_misspelt_or_left_out() {
    let good = BertConfig::minilm_l6();
    let mut keys = serde_json::to_value(&good).expect("JSON");
    let read = |keys: &serde_json::Value| serde_json::from_value::<BertConfig>(keys.clone());
    assert_eq!(read(&keys).expect("what was written"), good);
    keys["block"] = 7.into();
    let error = read(&keys).expect_err("misspelt").to_string();
    assert!(error.contains("unknown field `block`"), "{error}");
    let keys = keys.as_object_mut().expect("an object");
    keys.remove("block");
    for (key, default) in [
        ("types", true),
        ("dropout", true),
        ("eps", false),
        ("blocks", false),
    ] {
        let mut less = keys.clone();
        less.remove(key);
        assert_eq!(
            read(&less.into()).is_ok_and(|config| config == good),
            default,
            "{key}"
        );
    }
}

#[test]
fn an_error_does_not_say_what_to_do() {
    let config = VitConfig {
        heads: 5,
        ..VitConfig::default()
    };
    assert_eq!(
        config.validate().unwrap_err().to_string(),
        "model setting `heads`: expected a divisor of d_model = 64, found 5; correct it in the \
         config"
    );
}

#[test]
fn an_unknown_key_is_dropped() {
    let error = serde_json::from_str::<VitConfig>(r#"{"d_modle": 32}"#).unwrap_err();
    assert!(error.to_string().contains("d_modle"), "{error}");
    let error = serde_json::from_str::<ConvNetConfig>(r#"{"depth": 3}"#).unwrap_err();
    assert!(error.to_string().contains("depth"), "{error}");
}

#[test]
fn a_setting_is_lost_in_the_record() {
    let vit: VitConfig = serde_json::from_str(r#"{"d_model": 32, "dropout": 0.1}"#).unwrap();
    let expected = VitConfig {
        d_model: 32,
        dropout: 0.1,
        ..VitConfig::default()
    };
    assert_eq!(vit, expected);
    let text = serde_json::to_string(&vit).unwrap();
    assert_eq!(vit, serde_json::from_str(&text).unwrap());

    let conv = ConvNetConfig {
        channels: [3, 4],
        ..ConvNetConfig::default()
    };
    let text = serde_json::to_string(&conv).unwrap();
    assert_eq!(conv, serde_json::from_str(&text).unwrap());
}
