//! Properties of trees over arbitrary payloads.

#[path = "common/value.rs"]
mod value;

use std::path::Path;

use dacapo_record::Tree;
use proptest::prelude::*;
use rmpv::Value;
use value::{tensor, tree};

fn value_strategy() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u32>().prop_map(|bits| Value::F32(f32::from_bits(bits))),
        any::<u64>().prop_map(|bits| Value::F64(f64::from_bits(bits))),
        ".{0,5}".prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..6).prop_map(Value::Binary),
        (0_u64..3, 0_u64..3).prop_map(|(rows, columns)| {
            tensor(
                "I16",
                &[rows, columns],
                vec![7; (2 * rows * columns) as usize],
            )
        }),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let map = prop::collection::btree_map("[a-z]{1,3}", inner.clone(), 0..4);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(Value::Array),
            map.prop_map(|entries| {
                Value::Map(
                    entries
                        .into_iter()
                        .map(|(key, value)| (key.into(), value))
                        .collect(),
                )
            }),
        ]
    })
}

fn count_leaves(value: &Value) -> usize {
    match value {
        Value::Array(values) if !values.is_empty() => values.iter().map(count_leaves).sum(),
        Value::Map(entries) if !entries.is_empty() => {
            let tensor =
                entries.len() == 3 && entries.iter().any(|(key, _)| key.as_str() == Some("dtype"));
            if tensor {
                1
            } else {
                entries.iter().map(|(_, value)| count_leaves(value)).sum()
            }
        }
        _ => 1,
    }
}

proptest! {
    #[test]
    fn a_leaf_goes_missing(value in value_strategy()) {
        prop_assert_eq!(tree(&value).leaves().len(), count_leaves(&value));
    }

    #[test]
    fn parsing_twice_differs(value in value_strategy()) {
        let (left, right) = (tree(&value), tree(&value));
        let diff = left.diff(&right, &[]);
        prop_assert!(diff.is_equal());
        prop_assert_eq!(diff.equal, left.leaves().len());
        prop_assert_eq!(left.state_hash(&[]), right.state_hash(&[]));
        prop_assert_eq!(left, right);
    }

    #[test]
    fn diff_and_hash_disagree(left in value_strategy(), right in value_strategy()) {
        let (left, right) = (tree(&left), tree(&right));
        let equal = left.diff(&right, &[]).is_equal();
        prop_assert_eq!(equal, left == right);
        prop_assert_eq!(equal, left.state_hash(&[]) == right.state_hash(&[]));
    }

    #[test]
    fn random_payload_panics(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = Tree::parse(Path::new("a.mpk"), &payload);
    }
}
