//! Dropout masks.

use dacapo_rng::{DropoutKey, MaskKey, Philox4x32};
use proptest::prelude::*;

#[test]
fn two_layers_steps_or_micro_batches_share_a_mask() {
    let keys = [
        DropoutKey::new(1, "dropout", 0, 0).layer("a"),
        DropoutKey::new(1, "dropout", 0, 0).layer("b"),
        DropoutKey::new(1, "dropout", 0, 1).layer("a"),
        DropoutKey::new(1, "dropout", 1, 0).layer("a"),
        DropoutKey::new(1, "other", 0, 0).layer("a"),
        DropoutKey::new(2, "dropout", 0, 0).layer("a"),
    ];
    for (i, left) in keys.iter().enumerate() {
        for right in &keys[..i] {
            assert_ne!(left.mask(0.5, 256), right.mask(0.5, 256));
        }
    }
}

#[test]
fn rate_zero_changes_a_value() {
    let key = DropoutKey::new(1, "dropout", 0, 0).layer("a");
    assert_eq!(key.mask(0.0, 33), vec![1.0; 33]);
    assert_eq!(key.mask(0.0, 0), Vec::<f32>::new());
}

#[test]
fn drop_frequency_is_not_the_rate() {
    let key = DropoutKey::new(1, "dropout", 3, 0).layer("blocks.0.mlp.fc2");
    for rate in [0.01, 0.1, 0.5, 0.9] {
        let count = 100_000;
        let dropped = key.mask(rate, count).iter().filter(|&&x| x == 0.0).count();
        let expected = rate * count as f64;
        let deviation = (expected * (1.0 - rate)).sqrt();
        assert!(
            (dropped as f64 - expected).abs() < 5.0 * deviation,
            "{rate}: {dropped}"
        );
    }
}

#[test]
fn kept_value_is_not_the_inverse_of_the_keep_rate() {
    let key = DropoutKey::new(1, "dropout", 0, 0).layer("a");
    let kept = (1.0_f64 / (1.0 - 0.1)) as f32;
    let mask = key.mask(0.1, 1000);
    assert!(mask.iter().all(|&x| x == 0.0 || x == kept));
}

#[test]
#[should_panic(expected = "expected 0 <= rate < 1, found NaN")]
fn rate_nan_gives_a_mask() {
    MaskKey::threshold(f64::NAN);
}

#[test]
#[should_panic(expected = "expected 0 <= rate < 1, found 1")]
fn rate_one_divides_by_zero() {
    DropoutKey::new(1, "dropout", 0, 0).layer("a").mask(1.0, 1);
}

#[test]
fn threshold_is_off_at_its_ends() {
    assert_eq!(MaskKey::threshold(0.0), 0);
    assert_eq!(MaskKey::threshold(0.5), 1 << 31);
    assert_eq!(MaskKey::threshold(1.0 - f64::EPSILON), 1 << 32);
}

proptest! {
    #[test]
    fn an_element_depends_on_the_length(
        seed: u64, step: u64, rate in 0.0..0.99_f64, short in 0_usize..70, more in 0_usize..70,
    ) {
        let key = DropoutKey::new(seed, "dropout", step, 0).layer("a");
        let long = key.mask(rate, short + more);
        prop_assert_eq!(&long[..short], &key.mask(rate, short)[..]);
    }

    // What a GPU kernel does with the exported words.
    #[test]
    fn exported_words_do_not_rebuild_the_mask(
        seed: u64, micro_batch: u32, rate in 0.0..0.99_f64, len in 0_usize..70,
    ) {
        let key = DropoutKey::new(seed, "dropout", 9, micro_batch).layer("a");
        let ([u0, u1], threshold) = (key.upper_counter(), MaskKey::threshold(rate));
        let philox = Philox4x32::new(key.philox_key());
        for (i, value) in key.mask(rate, len).into_iter().enumerate() {
            let word = philox.block([(i / 4) as u32, 0, u0, u1])[i % 4];
            prop_assert_eq!(value == 0.0, u64::from(word) < threshold);
        }
    }
}
