//! Models with layers of every kind.

mod common;

use burn::module::Module;
use burn::tensor::backend::Backend;
use common::*;
use dacapo_dora::{
    ConvGeometry, DoraConfig, DoraConv2d, DoraEmbedding, DoraError, DoraFusedLinear, DoraLinear,
    DoraTargets, Flavour, attach_matching, merge_all, set_precision, unmerge_all,
};
use dacapo_ops::Precision;

/// The kinds are declared in another order than they are attached to.
#[derive(Module, Debug)]
struct Model<B: Backend> {
    qkv: DoraFusedLinear<B>,
    stem: DoraConv2d<B>,
    tokens: DoraEmbedding<B>,
    head: DoraLinear<B>,
    #[module(skip)]
    stem_path: String,
}

impl<B: Backend> DoraTargets<B> for Model<B> {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        let head = f("head", self.head)?;
        Ok(Self { head, ..self })
    }

    fn map_embeddings<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraEmbedding<B>) -> Result<DoraEmbedding<B>, DoraError>,
    {
        let tokens = f("tokens", self.tokens)?;
        Ok(Self { tokens, ..self })
    }

    fn map_convs<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraConv2d<B>) -> Result<DoraConv2d<B>, DoraError>,
    {
        let stem = f(&self.stem_path, self.stem)?;
        Ok(Self { stem, ..self })
    }

    fn map_fused<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraFusedLinear<B>) -> Result<DoraFusedLinear<B>, DoraError>,
    {
        let qkv = f("qkv", self.qkv)?;
        Ok(Self { qkv, ..self })
    }
}

fn model() -> Model<Plain> {
    let (device, mut stream) = (device(), stream("model"));
    let parts = [("q", 8), ("k", 6), ("v", 4)];
    let geometry = ConvGeometry {
        groups: 2,
        ..ConvGeometry::default()
    };
    Model {
        qkv: DoraFusedLinear::init(8, &parts, true, &mut stream, &device).unwrap(),
        stem: DoraConv2d::init([4, 8], [3, 3], true, geometry, &mut stream, &device),
        tokens: DoraEmbedding::init(11, 8, &mut stream, &device),
        head: DoraLinear::init(8, 5, true, &mut stream, &device),
        stem_path: "stem".to_owned(),
    }
}

const ALL: [&str; 6] = ["head", "tokens", "stem", "qkv.q", "qkv.k", "qkv.v"];

type Attached = Result<(Model<Plain>, Vec<String>), DoraError>;

fn attach(model: Model<Plain>, patterns: &[&str], config: &DoraConfig) -> Attached {
    let mut drawn = stream("init");
    let patterns: Vec<String> = patterns.iter().map(|p| p.to_string()).collect();
    let attached = attach_matching(model, &patterns, config, &mut drawn);
    let refused = attached.is_err();
    assert_eq!(drawn.position() == 0, refused, "drawn, or not");
    attached
}

/// The paths at which there are adapters, and the first factor's bits.
fn adapters(model: &Model<Plain>) -> Vec<(String, Vec<u8>)> {
    let mut found = vec![];
    let mut see = |path: &str, bits| found.push((path.to_owned(), bits));
    if let Some(adapter) = &model.head.adapter {
        see(adapter.path(), bits(adapter.lora_a.val()));
    }
    if let Some(adapter) = &model.tokens.adapter {
        see(adapter.path(), bits(adapter.lora_b.val()));
    }
    if let Some(adapter) = &model.stem.adapter {
        see(adapter.path(), bits(adapter.lora_a.val()));
    }
    for part in model.qkv.parts() {
        if let Some(adapter) = &part.adapter {
            see(adapter.path(), bits(adapter.lora_a.val()));
        }
    }
    found
}

#[test]
fn kinds_are_attached_in_another_order() {
    let config = config(Flavour::Peft, 2, 0.0);
    let (model, attached) = attach(model(), &["*"], &config).unwrap();
    assert_eq!(attached, ALL);
    let found = adapters(&model);
    let paths: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ALL);

    // As by hand, one layer after the other from one stream.
    let (mut drawn, by_hand) = (stream("init"), self::model());
    let by_hand = Model {
        head: by_hand.head.attach(&config, "head", &mut drawn).unwrap(),
        tokens: (by_hand.tokens)
            .attach(&config, "tokens", &mut drawn)
            .unwrap(),
        stem: by_hand.stem.attach(&config, "stem", &mut drawn).unwrap(),
        qkv: ["q", "k", "v"].iter().fold(by_hand.qkv, |qkv, part| {
            let path = format!("qkv.{part}");
            qkv.attach(part, &config, &path, &mut drawn).unwrap()
        }),
        stem_path: String::new(),
    };
    assert_eq!(adapters(&by_hand), found);
}

#[test]
fn pattern_attaches_to_other_layers() {
    for (patterns, expected) in [
        (vec!["head"], vec!["head"]),
        (vec!["qkv.?"], vec!["qkv.q", "qkv.k", "qkv.v"]),
        (vec!["*.v", "tokens"], vec!["tokens", "qkv.v"]),
        (vec!["ste*"], vec!["stem"]),
    ] {
        let config = config(Flavour::Peft, 2, 0.0);
        let (model, attached) = attach(model(), &patterns, &config).unwrap();
        assert_eq!(attached, expected);
        let found = adapters(&model).into_iter().map(|(path, _)| path);
        assert_eq!(found.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn fused_layer_is_taken_for_a_part() {
    let error = attach(model(), &["qkv"], &config(Flavour::Peft, 2, 0.0)).unwrap_err();
    let found =
        matches!(&error, DoraError::UnmatchedPattern { available, .. } if available == &ALL);
    assert!(found, "{error}");
}

#[test]
fn refused_attachment_moves_the_stream() {
    let peft = |rank| config(Flavour::Peft, rank, 0.0);
    let refuse =
        |patterns: &[&str], config: &DoraConfig| attach(model(), patterns, config).unwrap_err();
    // Each after layers that would take it.
    let error = refuse(&["head", "qkv.*"], &peft(5));
    assert!(matches!(&error, DoraError::RankTooLarge { path, .. } if path == "qkv.v"));
    let error = refuse(&["head", "stem"], &peft(3));
    let expected = DoraError::RankOfGroups {
        path: "stem".to_owned(),
        rank: 3,
        groups: 2,
    };
    assert_eq!(error, expected);
    let clip_hba = config(Flavour::ClipHba, 2, 0.0);
    let error = refuse(&["*"], &clip_hba);
    assert!(matches!(&error, DoraError::UnsupportedFlavour { path, .. } if path == "tokens"));
    let error = refuse(&["stem", "head"], &clip_hba);
    assert!(matches!(&error, DoraError::UnsupportedFlavour { path, .. } if path == "stem"));
    attach(model(), &["head", "qkv.*"], &clip_hba).unwrap();

    let (once, _) = attach(model(), &["qkv.k"], &peft(2)).unwrap();
    let error = attach(once, &["*"], &peft(2)).unwrap_err();
    assert!(matches!(&error, DoraError::AlreadyAttached { path, .. } if path == "qkv.k"));
    let ambiguous = Model {
        stem_path: "head".to_owned(),
        ..model()
    };
    let error = attach(ambiguous, &["head"], &peft(2)).unwrap_err();
    assert!(matches!(&error, DoraError::DuplicatePath { path } if path == "head"));
}

#[test]
fn merging_or_precision_leaves_a_kind_out() {
    let (model, _) = attach(model(), &["*"], &config(Flavour::Peft, 2, 0.0)).unwrap();
    let merged = |model: &Model<Plain>| {
        [
            model.head.is_merged(),
            model.tokens.is_merged(),
            model.stem.is_merged(),
            model.qkv.is_merged(),
        ]
    };
    let model = merge_all(model).unwrap();
    assert_eq!(merged(&model), [true; 4]);
    let model = unmerge_all(model).unwrap();
    assert_eq!(merged(&model), [false; 4]);
    let model = set_precision(model, Precision::Bf16).unwrap();
    let found = [
        model.head.precision(),
        model.tokens.precision(),
        model.qkv.precision(),
    ];
    assert_eq!(found, [Precision::Bf16; 3]);
}

/// As models before there were other kinds.
struct OnlyLinears(DoraLinear<Plain>);

impl DoraTargets<Plain> for OnlyLinears {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<Plain>) -> Result<DoraLinear<Plain>, DoraError>,
    {
        Ok(Self(f("head", self.0)?))
    }
}

#[test]
fn model_of_linear_layers_must_know_the_other_kinds() {
    let config = config(Flavour::Peft, 2, 0.0);
    let all = ["*".to_owned()];
    let model = OnlyLinears(self::model().head);
    let (model, attached) = attach_matching(model, &all, &config, &mut stream("init")).unwrap();
    assert_eq!(attached, ["head"]);
    let model = merge_all(set_precision(model, Precision::F32).unwrap()).unwrap();
    assert!(model.0.is_merged());
    assert!(!unmerge_all(model).unwrap().0.is_merged());
}
