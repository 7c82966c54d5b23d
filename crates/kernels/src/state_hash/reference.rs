//! BLAKE3 in plain host code, after the reference implementation in its paper.

use super::HashMode;

pub(super) const IV: [u32; 8] = [
    0x6A09_E667,
    0xBB67_AE85,
    0x3C6E_F372,
    0xA54F_F53A,
    0x510E_527F,
    0x9B05_688C,
    0x1F83_D9AB,
    0x5BE0_CD19,
];

pub(super) const CHUNK_START: u32 = 1;
pub(super) const CHUNK_END: u32 = 1 << 1;
pub(super) const PARENT: u32 = 1 << 2;
pub(super) const ROOT: u32 = 1 << 3;
pub(super) const KEYED_HASH: u32 = 1 << 4;
pub(super) const DERIVE_KEY_CONTEXT: u32 = 1 << 5;
pub(super) const DERIVE_KEY_MATERIAL: u32 = 1 << 6;

/// Bytes of a chunk and of a block.
pub(super) const CHUNK: usize = 1024;
pub(super) const BLOCK: usize = 64;

/// The message word that each position of each round reads: the identity, then
/// the paper's permutation applied once more a round.
pub(super) const SCHEDULE: [[usize; 16]; 7] = schedule();

const fn schedule() -> [[usize; 16]; 7] {
    const PERMUTATION: [usize; 16] = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut rounds = [[0; 16]; 7];
    let mut i = 0;
    while i < 16 {
        rounds[0][i] = i;
        i += 1;
    }
    let mut round = 1;
    while round < 7 {
        let mut i = 0;
        while i < 16 {
            rounds[round][i] = rounds[round - 1][PERMUTATION[i]];
            i += 1;
        }
        round += 1;
    }
    rounds
}

/// The four state words that each of a round's eight mixing steps works on:
/// the columns, then the diagonals.
pub(super) const MIXES: [[usize; 4]; 8] = [
    [0, 4, 8, 12],
    [1, 5, 9, 13],
    [2, 6, 10, 14],
    [3, 7, 11, 15],
    [0, 5, 10, 15],
    [1, 6, 11, 12],
    [2, 7, 8, 13],
    [3, 4, 9, 14],
];

/// The hash of `bytes`.
pub fn hash(mode: &HashMode, bytes: &[u8]) -> [u8; 32] {
    let (key, flags) = mode.key();
    tree_hash(&key, flags, bytes)
}

pub(super) fn tree_hash(key: &[u32; 8], flags: u32, bytes: &[u8]) -> [u8; 32] {
    let chunks = bytes.len().div_ceil(CHUNK).max(1);
    let root = |nodes: usize| if nodes == 1 { ROOT } else { 0 };
    let mut nodes: Vec<[u32; 8]> = (0..chunks)
        .map(|i| {
            let chunk = &bytes[i * CHUNK..bytes.len().min((i + 1) * CHUNK)];
            chunk_node(key, flags, root(chunks), i as u64, chunk)
        })
        .collect();
    // The tree whose left subtrees are complete is the one that pairs from the
    // left on every level and moves a last single node up.
    while nodes.len() > 1 {
        let root = root(nodes.len().div_ceil(2));
        nodes = nodes
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => {
                    let mut block = [0; 16];
                    block[..8].copy_from_slice(left);
                    block[8..].copy_from_slice(right);
                    compress(key, &block, 0, BLOCK as u32, flags | PARENT | root)
                }
                single => single[0],
            })
            .collect();
    }
    let mut hash = [0; 32];
    for (bytes, word) in hash.chunks_exact_mut(4).zip(nodes[0]) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    hash
}

fn chunk_node(key: &[u32; 8], flags: u32, root: u32, counter: u64, chunk: &[u8]) -> [u32; 8] {
    let blocks = chunk.len().div_ceil(BLOCK).max(1);
    let mut node = *key;
    for i in 0..blocks {
        let bytes = &chunk[i * BLOCK..chunk.len().min((i + 1) * BLOCK)];
        let mut block = [0; BLOCK];
        block[..bytes.len()].copy_from_slice(bytes);
        let mut flags = flags;
        if i == 0 {
            flags |= CHUNK_START;
        }
        if i == blocks - 1 {
            flags |= CHUNK_END | root;
        }
        node = compress(&node, &words(&block), counter, bytes.len() as u32, flags);
    }
    node
}

/// The compression function, cut to the first 8 words.
fn compress(node: &[u32; 8], block: &[u32; 16], counter: u64, len: u32, flags: u32) -> [u32; 8] {
    let mut v = [0; 16];
    v[..8].copy_from_slice(node);
    v[8..12].copy_from_slice(&IV[..4]);
    v[12..].copy_from_slice(&[counter as u32, (counter >> 32) as u32, len, flags]);
    for schedule in SCHEDULE {
        for (i, [a, b, c, d]) in MIXES.into_iter().enumerate() {
            let (x, y) = (block[schedule[2 * i]], block[schedule[2 * i + 1]]);
            v[a] = v[a].wrapping_add(v[b]).wrapping_add(x);
            v[d] = (v[d] ^ v[a]).rotate_right(16);
            v[c] = v[c].wrapping_add(v[d]);
            v[b] = (v[b] ^ v[c]).rotate_right(12);
            v[a] = v[a].wrapping_add(v[b]).wrapping_add(y);
            v[d] = (v[d] ^ v[a]).rotate_right(8);
            v[c] = v[c].wrapping_add(v[d]);
            v[b] = (v[b] ^ v[c]).rotate_right(7);
        }
    }
    std::array::from_fn(|i| v[i] ^ v[i + 8])
}

/// Little-endian words.
pub(super) fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    std::array::from_fn(|i| {
        u32::from_le_bytes([
            bytes[4 * i],
            bytes[4 * i + 1],
            bytes[4 * i + 2],
            bytes[4 * i + 3],
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_hashes_otherwise_than_blake3() {
        let bytes: Vec<u8> = (0..40_000_u32).map(|i| (i % 251) as u8).collect();
        let key = *blake3::hash(b"key").as_bytes();
        for len in (0..200)
            .chain([
                1023, 1024, 1025, 2047, 2048, 2049, 3072, 3073, 4096, 5120, 7169,
            ])
            .chain([8192, 8193, 16_384, 31_744, 40_000])
        {
            let bytes = &bytes[..len];
            assert_eq!(
                hash(&HashMode::Plain, bytes),
                *blake3::hash(bytes).as_bytes(),
                "{len}"
            );
            assert_eq!(
                hash(&HashMode::Keyed(key), bytes),
                *blake3::keyed_hash(&key, bytes).as_bytes(),
                "{len}, keyed"
            );
            assert_eq!(
                hash(&HashMode::DeriveKey("a test's context".into()), bytes),
                blake3::derive_key("a test's context", bytes),
                "{len}, derived"
            );
        }
    }
}
