//! Hashes made on a device against those of the `blake3` crate.
#![cfg(any(feature = "cuda", feature = "wgpu"))]

mod common;

use common::client;
use dacapo_kernels::KernelError;
use dacapo_kernels::dropout_mask::reference::philox4x32;
use dacapo_kernels::state_hash::{HashMode, MAX_BYTES, capacity, tensor_hashes};

fn bytes(stream: u32, len: usize) -> Vec<u8> {
    (0..len.div_ceil(16) as u32)
        .flat_map(|i| philox4x32([stream, 5], [i, 0, 0, 0]))
        .flat_map(u32::to_le_bytes)
        .take(len)
        .collect()
}

/// Every edge of a word, block, chunk, run of chunks and level of the tree.
fn lengths() -> Vec<usize> {
    let mut lengths = vec![0, 1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 127, 128, 129];
    for chunks in [
        1, 2, 3, 4, 5, 7, 8, 9, 127, 128, 129, 255, 256, 257, 383, 385,
    ] {
        lengths.extend([1024 * chunks - 1, 1024 * chunks, 1024 * chunks + 1]);
    }
    lengths.extend([100_003, (1 << 20) + 3, 2 << 20, (3 << 20) + 1021]);
    lengths
}

fn check(mode: &HashMode, lengths: &[usize], expected: impl Fn(&[u8]) -> [u8; 32]) {
    let client = client();
    let inputs: Vec<Vec<u8>> = (0..)
        .zip(lengths)
        .map(|(stream, &len)| bytes(stream, len))
        .collect();
    let buffers: Vec<_> = inputs
        .iter()
        .map(|bytes| (client.create_from_slice(bytes), bytes.len() as u64))
        .collect();
    let found = tensor_hashes(&client, mode, &buffers).unwrap();
    assert_eq!(found.len(), inputs.len());
    for (bytes, found) in inputs.iter().zip(found) {
        assert_eq!(found, expected(bytes), "{} bytes, {mode:?}", bytes.len());
    }
}

#[test]
fn a_buffer_hashes_otherwise_than_blake3() {
    for len in lengths() {
        check(&HashMode::Plain, &[len], |bytes| {
            *blake3::hash(bytes).as_bytes()
        });
    }
}

#[test]
fn buffers_of_one_call_are_mixed_up() {
    check(&HashMode::Plain, &lengths(), |bytes| {
        *blake3::hash(bytes).as_bytes()
    });
    // More buffers than a launch takes, none with a second level.
    let short: Vec<usize> = (0..80).map(|i| i * 101).collect();
    assert!(short.len() > capacity(&client()));
    check(&HashMode::Plain, &short, |bytes| {
        *blake3::hash(bytes).as_bytes()
    });
    check(&HashMode::Plain, &[], |_| unreachable!());
}

#[test]
fn a_key_goes_unused() {
    let key = *blake3::hash(b"key").as_bytes();
    check(&HashMode::Keyed(key), &lengths(), |bytes| {
        *blake3::keyed_hash(&key, bytes).as_bytes()
    });
    let context = "dacapo test of derived hashes";
    check(
        &HashMode::DeriveKey(context.to_owned()),
        &lengths(),
        |bytes| blake3::derive_key(context, bytes),
    );
}

#[test]
fn bytes_behind_the_end_count() {
    let client = client();
    for len in [1, 3, 61, 1022, 1024, 5001] {
        let mut long = bytes(3, len + 40);
        let expected = *blake3::hash(&long[..len]).as_bytes();
        for fill in [0, 0xff] {
            long[len..].fill(fill);
            let handle = client.create_from_slice(&long);
            let found = tensor_hashes(&client, &HashMode::Plain, &[(handle, len as u64)]).unwrap();
            assert_eq!(found[0], expected, "{len}");
        }
    }
}

#[test]
fn a_view_is_hashed_from_its_buffers_start() {
    let client = client();
    // A device that cannot bind at 4 bytes is given the offset that it can.
    let offset = if cfg!(feature = "cuda") {
        4
    } else {
        client.properties().memory.alignment as usize
    };
    let long = bytes(9, offset + 5000);
    let handle = client.create_from_slice(&long).offset_start(offset as u64);
    let whole = client.create_from_slice(&long);
    let found = tensor_hashes(
        &client,
        &HashMode::Plain,
        &[(handle, 5000), (whole, long.len() as u64)],
    )
    .unwrap();
    assert_eq!(found[0], *blake3::hash(&long[offset..]).as_bytes());
    assert_eq!(found[1], *blake3::hash(&long).as_bytes());
}

#[test]
fn a_flipped_bit_goes_unseen() {
    let client = client();
    let mut bytes = bytes(11, 300_000);
    let hash = |bytes: &[u8]| {
        let handle = client.create_from_slice(bytes);
        tensor_hashes(&client, &HashMode::Plain, &[(handle, bytes.len() as u64)]).unwrap()
    };
    let before = hash(&bytes);
    for at in [0, 131_071, 131_072, 299_999] {
        bytes[at] ^= 1;
        assert_ne!(hash(&bytes), before, "{at}");
        bytes[at] ^= 1;
    }
    assert_eq!(hash(&bytes), before);
}

#[test]
fn a_short_buffer_is_read_past_its_end() {
    let client = client();
    let handle = client.create_from_slice(&[0; 64]);
    let hash = |handle, len| tensor_hashes(&client, &HashMode::Plain, &[(handle, len)]);
    assert!(matches!(
        hash(handle.clone(), 65),
        Err(KernelError::TooShort { .. })
    ));
    assert!(matches!(
        hash(handle.clone(), MAX_BYTES + 1),
        Err(KernelError::TooLong { .. })
    ));
    assert!(matches!(
        hash(handle.offset_start(2), 8),
        Err(KernelError::Misaligned { .. })
    ));
}
