//! Kernels to measure with, on a device.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::client;
use dacapo_kernels::probe;

/// Four cubes' worth and a tail.
const VECTORS: usize = 3 * 256 + 7;

#[test]
fn words_are_left_out_or_written_past_the_end() {
    let client = client();
    let before = [7_u32; 4 * VECTORS + 4];
    let source: Vec<u32> = (0..before.len() as u32).collect();
    let source = client.create_from_slice(bytemuck::cast_slice(&source));

    let target = client.create_from_slice(bytemuck::cast_slice(&before));
    probe::fill(&client, &target, VECTORS, 3);
    let found = client.read_one_unchecked(target.clone());
    let found: Vec<u32> = bytemuck::pod_collect_to_vec(&found);
    assert!(found[..4 * VECTORS].iter().all(|&word| word == 3));
    assert_eq!(found[4 * VECTORS..], [7; 4]);

    probe::copy(&client, &source, &target, VECTORS);
    let found = client.read_one_unchecked(target);
    let found: Vec<u32> = bytemuck::pod_collect_to_vec(&found);
    for (index, &word) in found[..4 * VECTORS].iter().enumerate() {
        assert_eq!(word, index as u32);
    }
    assert_eq!(found[4 * VECTORS..], [7; 4]);
}

#[test]
fn waiting_does_not_depend_on_its_rounds() {
    let client = client();
    let scratch = client.empty(4);
    // x becomes x/2 + 1, from 1/2: 2 - 1.5 / 2^rounds.
    for rounds in [0, 1, 5] {
        probe::wait(&client, &scratch, rounds);
        let found = client.read_one_unchecked(scratch.clone());
        let found = f32::from_le_bytes(found[..4].try_into().unwrap());
        assert_eq!(found, 2.0 - 1.5 / (1_u32 << rounds) as f32);
    }
}

#[test]
#[should_panic(expected = "at least 32 bytes, found 16")]
fn a_buffer_too_short_is_written() {
    let client = client();
    probe::fill(&client, &client.empty(16), 2, 0);
}
