//! Values that must never change: published vectors, and `golden/streams.json`
//! from independent implementations (`golden/streams.py`).

use dacapo_rng::{DropoutKey, Philox4x32, Stream, epoch_permutation};
use rand_core::Rng;
use rand_pcg::Pcg64;
use serde_json::Value;

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/streams.json")).expect("valid JSON")
}

fn word(value: &Value) -> u64 {
    value
        .as_str()
        .expect("a string")
        .parse()
        .expect("a decimal u64")
}

fn indices(value: &Value) -> Vec<usize> {
    serde_json::from_value(value.clone()).expect("a list of indices")
}

// Random123, tests/kat_vectors, the three `philox4x32 10` lines.
#[test]
fn philox_disagrees_with_random123() {
    let vectors = [
        (
            [0; 4],
            [0; 2],
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8],
        ),
        (
            [u32::MAX; 4],
            [u32::MAX; 2],
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd],
        ),
        (
            [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
            [0xa409_3822, 0x299f_31d0],
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
        ),
    ];
    for (counter, key, expected) in vectors {
        assert_eq!(Philox4x32::new(key).block(counter), expected);
    }
}

// The PCG C library's `check-pcg64` output, as rand_pcg's own tests quote it:
// holds the dependency to the published generator.
#[test]
fn rand_pcg_changed_its_values() {
    let mut generator = Pcg64::new(42, 54);
    let drawn: [u64; 3] = std::array::from_fn(|_| generator.next_u64());
    assert_eq!(
        drawn,
        [
            0x86b1_da1d_7206_2b68,
            0x1304_aa46_c985_3d39,
            0xa367_0e9e_0dd5_0358,
        ]
    );
}

#[test]
fn stream_values_changed_between_versions() {
    let golden = golden();
    let mut stream = Stream::named(42, "init");
    assert_eq!(stream.key_hex(), golden["init_42_key"]);
    for expected in golden["init_42"].as_array().expect("a list") {
        assert_eq!(stream.next_u64(), word(expected));
    }
    stream.seek(1 << 40);
    assert_eq!(stream.next_u64(), word(&golden["init_42_at_2_pow_40"]));
    let indexed = Stream::keyed(42, "init", 0).next_u64();
    assert_eq!(indexed, word(&golden["init_42_index_0"]));
    let of_micro_batch = Stream::of_micro_batch(42, "init", 3, 1).next_u64();
    assert_eq!(of_micro_batch, word(&golden["init_42_step_3_micro_1"]));
}

#[test]
fn normals_are_not_box_muller_of_the_stream() {
    let golden = golden();
    let mut stream = Stream::named(42, "init");
    for expected in golden["init_42_normals"].as_array().expect("a list") {
        let (expected, found) = (expected.as_f64().expect("a float"), stream.normal_f64());
        // The C library's log and cos may differ from libm's in the last place.
        assert!(
            (found - expected).abs() <= 4.0 * f64::EPSILON * expected.abs().max(1.0),
            "expected {expected}, found {found}"
        );
    }
}

// Bits of libm's own log, sqrt and cos, which golden/streams.py cannot give.
#[test]
fn normals_changed_their_last_bit() {
    let mut stream = Stream::named(42, "init");
    let bits: [u64; 4] = std::array::from_fn(|_| stream.normal_f64().to_bits());
    assert_eq!(bits, NORMAL_BITS);
}

const NORMAL_BITS: [u64; 4] = [
    4_607_886_279_345_140_902,
    4_604_814_427_271_337_385,
    4_610_601_685_091_924_615,
    13_836_053_690_054_964_242,
];

#[test]
fn epoch_order_changed_between_versions() {
    assert_eq!(
        epoch_permutation(7, "shuffle", 3, 20),
        indices(&golden()["shuffle_7_epoch_3_of_20"])
    );
}

#[test]
fn mask_changed_between_versions() {
    let mask = DropoutKey::new(7, "dropout", 5, 1)
        .layer("blocks.0.attn.out_proj")
        .mask(0.25, 64);
    let dropped: Vec<usize> = (0..64).filter(|&i| mask[i] == 0.0).collect();
    assert_eq!(
        dropped,
        indices(&golden()["dropped_7_step_5_micro_1_blocks_0"])
    );
    let kept = mask.iter().filter(|&&x| x != 0.0);
    assert!(kept.clone().all(|&x| x == (1.0_f64 / 0.75) as f32));
}
