//! `#[derive(DoraTargets)]`, against implementations by hand and burn's own paths.

mod common;

use burn::module::{Module, Param};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Tensor, backend::Backend};
use common::*;
use dacapo_dora::{
    ConvGeometry, DoraConv2d, DoraEmbedding, DoraError, DoraFusedLinear, DoraLinear, DoraTargets,
    Flavour, attach_matching,
};

/// A small transformer, with or without the derive.
macro_rules! transformer {
    ($(#[$derive:meta])*) => {
        use super::*;

        #[derive(Module, Debug)]
        $(#[$derive])*
        pub struct Attention<B: Backend> {
            pub query: DoraLinear<B>,
            pub key: DoraLinear<B>,
            pub value: DoraLinear<B>,
            pub out_proj: DoraLinear<B>,
            pub heads: usize,
        }

        #[derive(Module, Debug)]
        $(#[$derive])*
        pub struct Block<B: Backend> {
            pub norm: LayerNorm<B>,
            pub attn: Attention<B>,
            pub fc1: DoraLinear<B>,
            pub fc2: DoraLinear<B>,
        }

        #[derive(Module, Debug)]
        $(#[$derive])*
        pub struct Vit<B: Backend> {
            pub patch_embed: DoraLinear<B>,
            pub class_token: Param<Tensor<B, 3>>,
            pub blocks: Vec<Block<B>>,
            pub norm: LayerNorm<B>,
            pub head: DoraLinear<B>,
            #[module(skip)]
            pub name: String,
        }

        pub fn vit() -> Vit<Plain> {
            let (device, mut stream) = (device(), stream("model"));
            let mut linear = |d_in, d_out| DoraLinear::init(d_in, d_out, true, &mut stream, &device);
            let norm = || LayerNormConfig::new(8).init(&device);
            Vit {
                patch_embed: linear(6, 8),
                class_token: Param::from_tensor(Tensor::zeros([1, 1, 8], &device)),
                blocks: (0..2)
                    .map(|_| Block {
                        norm: norm(),
                        attn: Attention {
                            query: linear(8, 8),
                            key: linear(8, 8),
                            value: linear(8, 8),
                            out_proj: linear(8, 8),
                            heads: 2,
                        },
                        fc1: linear(8, 16),
                        fc2: linear(16, 8),
                    })
                    .collect(),
                norm: norm(),
                head: linear(8, 3),
                name: "small".to_owned(),
            }
        }
    };
}

mod by_derive {
    transformer!(#[derive(DoraTargets)]);
}

mod by_hand {
    transformer!();

    impl<B: Backend> DoraTargets<B> for Vit<B> {
        fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
        where
            F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
        {
            let patch_embed = f("patch_embed", self.patch_embed)?;
            let mut blocks = vec![];
            for (i, block) in self.blocks.into_iter().enumerate() {
                let attn = format!("blocks.{i}.attn");
                let attn = Attention {
                    query: f(&format!("{attn}.query"), block.attn.query)?,
                    key: f(&format!("{attn}.key"), block.attn.key)?,
                    value: f(&format!("{attn}.value"), block.attn.value)?,
                    out_proj: f(&format!("{attn}.out_proj"), block.attn.out_proj)?,
                    heads: block.attn.heads,
                };
                blocks.push(Block {
                    attn,
                    fc1: f(&format!("blocks.{i}.fc1"), block.fc1)?,
                    fc2: f(&format!("blocks.{i}.fc2"), block.fc2)?,
                    norm: block.norm,
                });
            }
            Ok(Self {
                patch_embed,
                blocks,
                head: f("head", self.head)?,
                class_token: self.class_token,
                norm: self.norm,
                name: self.name,
            })
        }
    }
}

#[test]
fn derived_model_is_adapted_otherwise_than_by_hand() {
    let config = config(Flavour::ClipHba, 2, 0.1);
    for patterns in [vec!["*"], vec!["*.out_proj", "head"], vec!["blocks.1.*"]] {
        let patterns: Vec<String> = patterns.into_iter().map(str::to_owned).collect();
        let (mut mine, mut other) = (stream("init"), stream("init"));
        let (derived, found) =
            attach_matching(by_derive::vit(), &patterns, &config, &mut mine).unwrap();
        let (by_hand, expected) =
            attach_matching(by_hand::vit(), &patterns, &config, &mut other).unwrap();
        assert_eq!(found, expected);
        assert_eq!(mine.position(), other.position());
        assert_eq!(tensors(&derived), tensors(&by_hand));
        assert_eq!((derived.name.as_str(), derived.blocks.len()), ("small", 2));
        assert_eq!(derived.blocks[1].attn.heads, 2);
    }
}

/// A target by hand, of two layers.
#[derive(Module, Debug)]
struct Pair<B: Backend> {
    a: DoraLinear<B>,
    b: DoraLinear<B>,
}

impl<B: Backend> DoraTargets<B> for Pair<B> {
    fn map_linears<F>(self, f: &mut F) -> Result<Self, DoraError>
    where
        F: FnMut(&str, DoraLinear<B>) -> Result<DoraLinear<B>, DoraError>,
    {
        Ok(Self {
            a: f("a", self.a)?,
            b: f("b", self.b)?,
        })
    }
}

/// Of the name of a type that the derive's code names.
#[derive(Module, Debug, DoraTargets)]
struct Field<B: Backend> {
    inside: Option<DoraLinear<B>>,
}

mod elsewhere {
    pub use dacapo_dora as dora;
}

#[derive(Module, Debug, DoraTargets)]
#[dora(crate = "elsewhere::dora")]
struct Everything<B: Backend, M: Module<B>, N: Module<B>> {
    fused: DoraFusedLinear<B>,
    conv: DoraConv2d<B>,
    convs: Vec<DoraConv2d<B>>,
    tokens: DoraEmbedding<B>,
    linear: DoraLinear<B>,
    maybe: Option<DoraLinear<B>>,
    never: Option<DoraLinear<B>>,
    list: Vec<DoraLinear<B>>,
    array: [DoraEmbedding<B>; 2],
    deep: Vec<Option<[DoraLinear<B>; 2]>>,
    #[dora(nested)]
    pair: Pair<B>,
    pairs: Vec<Pair<B>>,
    generic: M,
    r#type: Field<B>,
    norm: LayerNorm<B>,
    #[dora(skip)]
    skipped: DoraLinear<B>,
    #[dora(skip)]
    skipped_pair: Pair<B>,
    #[dora(skip)]
    skipped_generic: N,
    #[module(skip)]
    name: String,
}

fn linear() -> DoraLinear<Plain> {
    DoraLinear::init(4, 4, false, &mut stream("w"), &device())
}

fn embedding() -> DoraEmbedding<Plain> {
    DoraEmbedding::init(5, 4, &mut stream("w"), &device())
}

fn conv() -> DoraConv2d<Plain> {
    let geometry = ConvGeometry::default();
    DoraConv2d::init([4, 4], [3, 3], false, geometry, &mut stream("w"), &device())
}

fn pair() -> Pair<Plain> {
    Pair {
        a: linear(),
        b: linear(),
    }
}

fn everything() -> Everything<Plain, Vec<Field<Plain>>, LayerNorm<Plain>> {
    let parts = [("q", 4), ("kv", 4)];
    Everything {
        fused: DoraFusedLinear::init(4, &parts, false, &mut stream("w"), &device()).unwrap(),
        conv: conv(),
        convs: vec![conv(), conv()],
        tokens: embedding(),
        linear: linear(),
        maybe: Some(linear()),
        never: None,
        list: vec![linear(), linear()],
        array: [embedding(), embedding()],
        deep: vec![None, Some([linear(), linear()])],
        pair: pair(),
        pairs: vec![pair()],
        generic: vec![Field {
            inside: Some(linear()),
        }],
        r#type: Field {
            inside: Some(linear()),
        },
        norm: LayerNormConfig::new(4).init(&device()),
        skipped: linear(),
        skipped_pair: pair(),
        skipped_generic: LayerNormConfig::new(4).init(&device()),
        name: "all".to_owned(),
    }
}

const LINEARS: [&str; 12] = [
    "linear",
    "maybe",
    "list.0",
    "list.1",
    "deep.1.0",
    "deep.1.1",
    "pair.a",
    "pair.b",
    "pairs.0.a",
    "pairs.0.b",
    "generic.0.inside",
    "r#type.inside",
];

#[test]
fn field_is_left_out_or_has_another_path_than_its_parameters() {
    let config = config(Flavour::Peft, 2, 0.0);
    let all = ["*".to_owned()];
    let (model, attached) =
        attach_matching(everything(), &all, &config, &mut stream("init")).unwrap();
    let others = ["tokens", "array.0", "array.1", "conv", "convs.0", "convs.1"];
    let parts = ["fused.q", "fused.kv"];
    let expected: Vec<&str> = LINEARS.into_iter().chain(others).chain(parts).collect();
    assert_eq!(attached, expected);

    // What burn calls the adapters' parameters.
    let paths = paths(&model);
    let mut found: Vec<&str> = paths
        .iter()
        .filter_map(|path| path.strip_suffix(".adapter.magnitude"))
        .collect();
    let mut expected = expected;
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
    assert!(model.skipped.adapter.is_none() && model.skipped_pair.a.adapter.is_none());
    assert!(model.never.is_none() && model.deep[0].is_none());
    assert_eq!(model.name, "all");
}

#[test]
fn error_of_a_layer_is_swallowed() {
    for refused in LINEARS {
        let error = everything().map_linears(&mut |path, layer| match path == refused {
            true => Err(DoraError::DuplicatePath {
                path: path.to_owned(),
            }),
            false => Ok(layer),
        });
        let error = error.unwrap_err();
        assert!(matches!(error, DoraError::DuplicatePath { path } if path == refused));
    }
}

/// A module within itself: no type may grow with its depth.
#[derive(Debug, DoraTargets)]
struct Tree<B: Backend> {
    node: DoraLinear<B>,
    branches: Vec<Tree<B>>,
}

#[test]
fn recursive_module_is_mapped_in_another_order() {
    let leaf = || Tree::<Plain> {
        node: linear(),
        branches: vec![],
    };
    let inner = Tree {
        branches: vec![leaf(), leaf()],
        ..leaf()
    };
    let tree = Tree {
        branches: vec![leaf(), inner],
        ..leaf()
    };
    let mut found = vec![];
    let tree = tree.map_linears(&mut |path, layer| {
        found.push(path.to_owned());
        Ok(layer)
    });
    assert_eq!(tree.unwrap().branches[1].branches.len(), 2);
    let expected = [
        "node",
        "branches.0.node",
        "branches.1.node",
        "branches.1.branches.0.node",
        "branches.1.branches.1.node",
    ];
    assert_eq!(found, expected);
}

#[test]
fn bare_layer_or_list_is_no_model() {
    let config = config(Flavour::Peft, 2, 0.0);
    let all = ["*".to_owned()];
    let list = vec![linear(), linear()];
    let (_, attached) = attach_matching(list, &all, &config, &mut stream("init")).unwrap();
    assert_eq!(attached, ["0", "1"]);
    let (layer, attached) = attach_matching(linear(), &all, &config, &mut stream("init")).unwrap();
    assert_eq!(attached, [""]);
    assert!(layer.adapter.is_some());
    let parts = [("q", 4), ("kv", 4)];
    let fused = DoraFusedLinear::<Plain>::init(4, &parts, false, &mut stream("w"), &device());
    let fused = fused.unwrap();
    let (_, attached) = attach_matching(fused, &all, &config, &mut stream("init")).unwrap();
    assert_eq!(attached, ["q", "kv"]);
}
