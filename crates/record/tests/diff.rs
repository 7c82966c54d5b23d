//! Comparing trees: bits, distances and what is shown.

#[path = "common/value.rs"]
mod value;

use dacapo_record::{DiffKind, LeafDiff, Tree, TreeDiff};
use proptest::prelude::*;
use rmpv::Value;
use value::{map, tensor, tree};

fn floats(values: &[f32]) -> Value {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    tensor("F32", &[values.len() as u64], bytes)
}

fn words(dtype: &str, values: &[u16]) -> Value {
    let bytes = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    tensor(dtype, &[values.len() as u64], bytes)
}

fn diff(left: Value, right: Value) -> TreeDiff {
    tree(&map(&[("x", left)])).diff(&tree(&map(&[("x", right)])), &[])
}

/// The one difference of two leaves at `x`.
fn leaf_diff(left: Value, right: Value) -> LeafDiff {
    let diff = diff(left, right);
    assert_eq!((diff.differing.len(), diff.equal), (1, 0), "{diff}");
    diff.differing[0].clone()
}

#[test]
fn nan_differs_from_itself() {
    let nans = [f32::NAN, -f32::NAN, f32::from_bits(0x7fc0_0001)];
    for nan in nans {
        assert!(diff(Value::F32(nan), Value::F32(nan)).is_equal());
        assert!(diff(floats(&[nan]), floats(&[nan])).is_equal());
    }
    let found = leaf_diff(floats(&nans[..1]), floats(&nans[2..]));
    assert_eq!(found.max_ulp, None);
    assert_eq!(
        (found.left.as_str(), found.right.as_str()),
        ("NaN (0x7fc00000)", "NaN (0x7fc00001)")
    );
}

#[test]
fn negative_zero_equals_zero() {
    let found = leaf_diff(Value::F64(0.0), Value::F64(-0.0));
    assert_eq!((found.kind, found.max_ulp), (DiffKind::Value, Some(0)));
    let found = leaf_diff(floats(&[1.0, 0.0]), floats(&[1.0, -0.0]));
    assert_eq!(
        (found.differing, found.first_index, found.max_ulp),
        (1, Some(1), Some(0))
    );
}

#[test]
fn tensor_difference_is_miscounted() {
    let left = [1.0, 2.0, f32::NAN, 4.0, -1.0, 6.0];
    let right = [
        1.0,
        2.0_f32.next_up(),
        3.0,
        4.0,
        (-1.0_f32).next_up().next_up(),
        6.0,
    ];
    let found = leaf_diff(floats(&left), floats(&right));
    assert_eq!(found.kind, DiffKind::Value);
    assert_eq!(
        (found.elements, found.differing, found.first_index),
        (6, 3, Some(1))
    );
    assert_eq!(found.max_ulp, Some(2));
    assert_eq!(found.left, "2.0 (0x40000000)");
    assert_eq!(found.right, "2.0000002 (0x40000001)");
    assert_eq!(
        found.to_string(),
        "x: 3 of 6 values differ, first at 1: 2.0 (0x40000000) | 2.0000002 (0x40000001), \
         2 ULP apart at most"
    );
}

#[test]
fn distance_ignores_the_dtype() {
    let max = |left, right| leaf_diff(left, right).max_ulp;
    // 1.0 and the next value, in each format.
    assert_eq!(
        max(words("F16", &[0x3c00]), words("F16", &[0x3c01])),
        Some(1)
    );
    assert_eq!(
        max(words("BF16", &[0x3f80]), words("BF16", &[0x3f81])),
        Some(1)
    );
    // The same bits as integers; signs, too, are read by dtype.
    assert_eq!(
        max(words("U16", &[1]), words("U16", &[0xffff])),
        Some(65_534)
    );
    assert_eq!(max(words("I16", &[1]), words("I16", &[0xffff])), Some(2));
    assert_eq!(max(words("F16", &[1]), words("F16", &[0x8001])), Some(2));
    assert_eq!(max(u64::MAX.into(), i64::MIN.into()), Some(u64::MAX));
    assert_eq!(
        max(Value::F64(1.0), Value::F64(1.0_f64.next_down())),
        Some(1)
    );
}

#[test]
fn dtype_or_shape_is_compared_as_value() {
    let found = leaf_diff(floats(&[1.0]), words("F16", &[0x3c00]));
    assert_eq!((found.kind, found.elements), (DiffKind::Dtype, 0));
    assert_eq!(found.to_string(), "x: dtype F32 [1] | F16 [1]");
    let found = leaf_diff(
        tensor("U8", &[2, 3], vec![0; 6]),
        tensor("U8", &[3, 2], vec![0; 6]),
    );
    assert_eq!(found.to_string(), "x: shape U8 [2, 3] | U8 [3, 2]");
    let found = leaf_diff(Value::F32(1.0), Value::F64(1.0));
    assert_eq!(found.to_string(), "x: dtype f32 | f64");
    let found = leaf_diff(Value::Nil, floats(&[]));
    assert_eq!(found.kind, DiffKind::Type);
    assert_eq!(found.to_string(), "x: nothing | F32 [0]");
    let found = leaf_diff(Value::Binary(vec![1]), Value::Binary(vec![1, 2]));
    assert_eq!(found.to_string(), "x: shape 1 bytes | 2 bytes");
}

#[test]
fn scalars_are_shown_without_their_values() {
    let show = |left, right| leaf_diff(left, right).to_string();
    assert_eq!(
        show(1.into(), (-2).into()),
        "x: 1 | -2, 3 ULP apart at most"
    );
    assert_eq!(show(true.into(), false.into()), "x: true | false");
    assert_eq!(show("a\n".into(), "b".into()), "x: \"a\\n\" | \"b\"");
    assert_eq!(
        show(Value::Binary(vec![1, 2]), Value::Binary(vec![1, 9])),
        "x: 1 of 2 values differ, first at 1: 2 | 9, 7 ULP apart at most"
    );
    let long = "é".repeat(500);
    let line = show(long.as_str().into(), "b".into());
    assert!(
        line.len() < 120 && line.contains("...") && !line.contains('\n'),
        "{line}"
    );
}

fn pair() -> (Tree, Tree) {
    let left = map(&[
        ("run", map(&[("time", 1.into()), ("id", "r".into())])),
        ("run-time", 3.into()),
        ("log", Value::Array(vec![1.into(), 2.into()])),
        ("same", 0.into()),
    ]);
    let right = map(&[
        ("run", map(&[("time", 2.into()), ("id", "r".into())])),
        ("run-time", 4.into()),
        ("log", Value::Array(vec![1.into(), 3.into(), 4.into()])),
        ("same", 0.into()),
        ("new", map(&[("a", 1.into())])),
    ]);
    (tree(&left), tree(&right))
}

#[test]
fn ignored_prefix_hides_a_namesake() {
    let (left, right) = pair();
    let diff = left.diff(&right, &["run", "log", "new"]);
    // run.time, run.id, log[0], log[1], and on the right log[2], new.a.
    assert_eq!((diff.ignored, diff.equal), (6, 1));
    let paths: Vec<_> = diff
        .differing
        .iter()
        .map(|leaf| leaf.path.as_str())
        .collect();
    assert_eq!(paths, ["run-time"]);
    assert!(diff.only_left.is_empty() && diff.only_right.is_empty());

    let ignore = ["run.time", "run-time", "log", "new"];
    assert!(left.diff(&right, &ignore).is_equal());
    assert_eq!(left.state_hash(&ignore), right.state_hash(&ignore));
    assert_ne!(
        left.state_hash(&ignore[1..]),
        right.state_hash(&ignore[1..])
    );
}

#[test]
fn missing_leaf_counts_as_equal() {
    let (left, right) = pair();
    let diff = left.diff(&right, &["run", "run-time"]);
    assert_eq!(diff.only_left, Vec::<String>::new());
    assert_eq!(diff.only_right, ["log[2]", "new.a"]);
    assert!(!diff.is_equal());
    let back = right.diff(&left, &["run", "run-time"]);
    assert_eq!(
        (back.only_left, back.only_right),
        (diff.only_right, diff.only_left)
    );
}

#[test]
fn cap_hides_that_leaves_are_missing() {
    let (left, right) = pair();
    let diff = left.diff(&right, &[]);
    let lines = [
        "3 leaves equal, 3 differing, 0 only in the left, 2 only in the right, 0 not compared",
        "log[1]: 2 | 3, 1 ULP apart at most",
        "run-time: 3 | 4, 1 ULP apart at most",
        "run.time: 1 | 2, 1 ULP apart at most",
        "log[2]: only in the right",
        "new.a: only in the right",
    ];
    assert_eq!(diff.to_string(), lines.join("\n"));
    for cap in 0..5 {
        let expected = format!("{}\n... and {} more", lines[..=cap].join("\n"), 5 - cap);
        assert_eq!(diff.display(cap).to_string(), expected);
    }
    assert_eq!(diff.display(5).to_string(), lines.join("\n"));
}

#[test]
fn json_loses_a_field() {
    let found = serde_json::to_value(diff(floats(&[1.0]), floats(&[2.0]))).expect("writes");
    let expected = serde_json::json!({
        "equal": 0,
        "ignored": 0,
        "differing": [{
            "path": "x",
            "kind": "value",
            "left": "1.0 (0x3f800000)",
            "right": "2.0 (0x40000000)",
            "elements": 1,
            "differing": 1,
            "first_index": 0,
            "max_ulp": 8_388_608,
        }],
        "only_left": [],
        "only_right": [],
    });
    assert_eq!(found, expected);
}

#[test]
fn hash_joins_neighbouring_fields() {
    let hashes = [
        map(&[("a", "bc".into())]),
        map(&[("ab", "c".into())]),
        map(&[("a", "b".into()), ("c", "".into())]),
        map(&[("a", Value::Binary(b"bc".to_vec()))]),
        map(&[("a", Value::Nil)]),
        map(&[("a", Value::Map(vec![]))]),
        map(&[("a", Value::Array(vec![]))]),
        map(&[("a", 0.into())]),
        map(&[("a", false.into())]),
        map(&[("a", Value::F32(0.0))]),
        map(&[("a", Value::F32(-0.0))]),
        map(&[("a", Value::F64(0.0))]),
        map(&[("a", tensor("U8", &[2, 3], vec![0; 6]))]),
        map(&[("a", tensor("U8", &[3, 2], vec![0; 6]))]),
        map(&[("a", tensor("I8", &[3, 2], vec![0; 6]))]),
    ];
    let mut hashes: Vec<_> = hashes
        .iter()
        .map(|value| tree(value).state_hash(&[]))
        .collect();
    let count = hashes.len();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), count);
}

#[test]
fn hash_depends_on_the_order_of_keys() {
    let forwards = tree(&map(&[("a", 1.into()), ("b", 2.into())]));
    let backwards = tree(&map(&[("b", 2.into()), ("a", 1.into())]));
    assert_eq!(forwards.state_hash(&[]), backwards.state_hash(&[]));
}

proptest! {
    #[test]
    fn a_flipped_bit_of_a_tensor_goes_unseen(
        values in prop::collection::vec(any::<u32>(), 1..40),
        bit in any::<prop::sample::Index>(),
    ) {
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let bit = bit.index(8 * bytes.len());
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let shape = [values.len() as u64];
        let found = leaf_diff(tensor("F32", &shape, bytes), tensor("F32", &shape, flipped));
        prop_assert_eq!((found.differing, found.first_index), (1, Some(bit as u64 / 32)));
    }

    #[test]
    fn steps_to_the_next_float_are_miscounted(start: f32, steps in 1_u32..100) {
        // From the last negative number `next_up` goes to -0.0, and from there to
        // the first positive one: the zeros count once, as in a rank.
        let end = (0..steps).fold(start, |value, _| value.next_up());
        prop_assume!(start.is_finite() && end.is_finite());
        let found = leaf_diff(floats(&[start]), floats(&[end]));
        prop_assert_eq!(found.max_ulp, Some(u64::from(steps)));
    }
}
