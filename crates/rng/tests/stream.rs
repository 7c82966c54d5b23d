//! Streams: positions, ranges and independence.

use dacapo_rng::{Stream, epoch_permutation};
use proptest::prelude::*;
use rand_core::Rng;

#[test]
fn resumed_stream_repeats_a_draw() {
    let mut whole = Stream::named(3, "init");
    let values: Vec<u64> = (0..50).map(|_| whole.next_u64()).collect();
    for stop in 0..50 {
        let mut resumed = Stream::named(3, "init");
        resumed.seek(stop);
        assert_eq!(resumed.next_u64(), values[stop as usize], "at {stop}");
        assert_eq!(resumed.position(), stop + 1);
    }
}

#[test]
fn seek_cannot_go_back() {
    let mut stream = Stream::named(3, "init");
    let first = stream.next_u64();
    stream.seek(1 << 50);
    stream.seek(0);
    assert_eq!(stream.next_u64(), first);
}

#[test]
fn a_method_miscounts_its_draws() {
    let mut stream = Stream::named(1, "init");
    let mut expected = 0;
    let mut check = |stream: &Stream, draws: u64| {
        expected += draws;
        assert_eq!(stream.position(), expected);
        let mut replayed = Stream::named(1, "init");
        replayed.seek(expected);
        assert_eq!(&replayed, stream);
    };
    stream.uniform_f64();
    check(&stream, 1);
    stream.uniform_f32();
    check(&stream, 1);
    stream.normal_f64();
    check(&stream, 2);
    stream.next_u32();
    check(&stream, 1);
    Rng::next_u64(&mut stream);
    check(&stream, 1);
    stream.fill_bytes(&mut [0; 17]);
    check(&stream, 3);
    // n is a power of two: no product is rejected.
    stream.below(8);
    check(&stream, 1);
}

#[test]
fn rejected_draws_are_not_counted() {
    // Half of all draws are rejected for the worst n, 2^63 + 1.
    let mut stream = Stream::named(1, "init");
    for _ in 0..64 {
        stream.below((1 << 63) + 1);
    }
    assert!(stream.position() > 80, "position {}", stream.position());
    let mut replayed = Stream::named(1, "init");
    replayed.seek(stream.position());
    assert_eq!(replayed.next_u64(), stream.next_u64());
}

#[test]
fn two_keys_give_one_stream() {
    let mut firsts = vec![
        Stream::named(0, "a").next_u64(),
        Stream::named(1, "a").next_u64(),
        Stream::named(0, "b").next_u64(),
        Stream::named(0, "").next_u64(),
        Stream::named(0, "a\0").next_u64(),
        Stream::keyed(0, "a", 0).next_u64(),
        Stream::keyed(0, "a", 1).next_u64(),
        Stream::keyed(0, "a", u64::MAX).next_u64(),
    ];
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), 8);
}

#[test]
fn below_is_biased() {
    // 7 cells of 70,000 draws: 10,000 each, standard deviation 93.
    let mut stream = Stream::named(5, "init");
    let mut counts = [0_i64; 7];
    for _ in 0..70_000 {
        counts[stream.below(7) as usize] += 1;
    }
    assert!(
        counts.iter().all(|c| (c - 10_000).abs() < 465),
        "{counts:?}"
    );
}

#[test]
#[should_panic(expected = "expected n >= 1")]
fn below_zero_returns_a_number() {
    Stream::named(0, "init").below(0);
}

#[test]
fn normals_have_the_wrong_moments() {
    let mut stream = Stream::named(9, "init");
    let draws: Vec<f64> = (0..100_000).map(|_| stream.normal_f64()).collect();
    let count = draws.len() as f64;
    let moment = |power: i32| draws.iter().map(|x| x.powi(power)).sum::<f64>() / count;
    // Five standard errors of the mean of x, x^2, x^3 and x^4.
    let error = 5.0 / count.sqrt();
    assert!(moment(1).abs() < error, "{}", moment(1));
    assert!(
        (moment(2) - 1.0).abs() < 2_f64.sqrt() * error,
        "{}",
        moment(2)
    );
    assert!(moment(3).abs() < 15_f64.sqrt() * error, "{}", moment(3));
    assert!(
        (moment(4) - 3.0).abs() < 96_f64.sqrt() * error,
        "{}",
        moment(4)
    );
}

#[test]
fn uniforms_leave_bits_unused() {
    let mut stream = Stream::named(11, "init");
    let (mut doubles, mut singles) = (0_u64, 0_u32);
    for _ in 0..200 {
        doubles |= (stream.uniform_f64() * 2_f64.powi(53)) as u64;
        singles |= (stream.uniform_f32() * 2_f32.powi(24)) as u32;
    }
    assert_eq!(doubles, (1 << 53) - 1);
    assert_eq!(singles, (1 << 24) - 1);
}

#[test]
fn orders_of_two_epochs_are_equal() {
    let first = epoch_permutation(1, "shuffle", 0, 100);
    assert_ne!(first, epoch_permutation(1, "shuffle", 1, 100));
    assert_ne!(first, epoch_permutation(2, "shuffle", 0, 100));
    assert_ne!(first, epoch_permutation(1, "other", 0, 100));
    assert_eq!(first, epoch_permutation(1, "shuffle", 0, 100));
}

#[test]
fn an_order_is_likelier_than_another() {
    // The 24 orders of 4 elements over 24,000 epochs: 1,000 each, deviation 31.
    let mut counts = std::collections::BTreeMap::new();
    for epoch in 0..24_000 {
        *counts
            .entry(epoch_permutation(1, "shuffle", epoch, 4))
            .or_insert(0_i64) += 1;
    }
    assert_eq!(counts.len(), 24);
    assert!(
        counts.values().all(|c| (c - 1_000).abs() < 155),
        "{counts:?}"
    );
}

proptest! {
    #[test]
    fn seek_is_not_replay(seed: u64, name in ".{0,12}", position in 0_u64..500) {
        let mut replayed = Stream::named(seed, &name);
        for _ in 0..position {
            replayed.next_u64();
        }
        let mut sought = Stream::named(seed, &name);
        sought.seek(position);
        prop_assert_eq!(sought, replayed);
    }

    #[test]
    fn a_draw_leaves_its_range(seed: u64, n in 1_u64..) {
        let mut stream = Stream::named(seed, "init");
        prop_assert!(stream.below(n) < n);
        prop_assert!((0.0..1.0).contains(&stream.uniform_f64()));
        prop_assert!((0.0..1.0).contains(&stream.uniform_f32()));
        prop_assert!(stream.normal_f64().is_finite());
    }

    #[test]
    fn an_epoch_skips_or_repeats_an_example(seed: u64, epoch: u64, len in 0_usize..300) {
        let mut order = epoch_permutation(seed, "shuffle", epoch, len);
        order.sort_unstable();
        prop_assert_eq!(order, (0..len).collect::<Vec<_>>());
    }
}
