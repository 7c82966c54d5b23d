// Loops over constants are unrolled while the kernel is built; they know no iterators.
#![allow(clippy::needless_range_loop)]

use cubecl::prelude::*;

use super::reference::{CHUNK_END, CHUNK_START, IV, MIXES, PARENT, ROOT, SCHEDULE};

/// Units of a cube, and chunks that it reduces to one node.
pub(super) const CHUNKS: u32 = 128;
/// Levels of that reduction.
const LEVELS: u32 = CHUNKS.ilog2();
/// Units of a cube of [`hash_parents`].
pub(super) const PARENTS: u32 = 256;

/// The key words, and the flags of every compression.
#[derive(CubeType, CubeLaunch)]
pub(super) struct KeyArgs {
    pub k0: u32,
    pub k1: u32,
    pub k2: u32,
    pub k3: u32,
    pub k4: u32,
    pub k5: u32,
    pub k6: u32,
    pub k7: u32,
    pub flags: u32,
}

#[derive(CubeType, CubeLaunch)]
pub(super) struct BufferArgs {
    /// The first cube that works on this buffer.
    pub first_cube: u32,
    /// Where its nodes begin in the output.
    pub first_node: u32,
    /// Chunks in it, the last one's bytes.
    pub chunks: u32,
    pub last_bytes: u32,
}

#[cube]
fn set_key(node: &mut Array<u32>, key: &KeyArgs) {
    node[0] = key.k0;
    node[1] = key.k1;
    node[2] = key.k2;
    node[3] = key.k3;
    node[4] = key.k4;
    node[5] = key.k5;
    node[6] = key.k6;
    node[7] = key.k7;
}

#[cube]
fn rotate(x: u32, #[comptime] by: u32) -> u32 {
    (x >> by) | (x << comptime!(32 - by))
}

/// The compression function: `node` becomes the first 8 words of the result.
/// No counter here needs more than 32 bits.
#[cube]
fn compress(node: &mut Array<u32>, block: &Array<u32>, counter: u32, len: u32, flags: u32) {
    let mut v = Array::<u32>::new(16usize);
    #[unroll]
    for i in 0..8usize {
        v[i] = node[i];
    }
    #[unroll]
    for i in 0..4usize {
        v[i + 8] = comptime!(IV[i]);
    }
    v[12] = counter;
    v[13] = 0u32;
    v[14] = len;
    v[15] = flags;
    #[unroll]
    for round in 0..7usize {
        #[unroll]
        for mix in 0..8usize {
            let a = comptime!(MIXES[mix][0]);
            let b = comptime!(MIXES[mix][1]);
            let c = comptime!(MIXES[mix][2]);
            let d = comptime!(MIXES[mix][3]);
            let x = block[comptime!(SCHEDULE[round][2 * mix])];
            let y = block[comptime!(SCHEDULE[round][2 * mix + 1])];
            v[a] = v[a] + v[b] + x;
            v[d] = rotate(v[d] ^ v[a], 16u32);
            v[c] = v[c] + v[d];
            v[b] = rotate(v[b] ^ v[c], 12u32);
            v[a] = v[a] + v[b] + y;
            v[d] = rotate(v[d] ^ v[a], 8u32);
            v[c] = v[c] + v[d];
            v[b] = rotate(v[b] ^ v[c], 7u32);
        }
    }
    #[unroll]
    for i in 0..8usize {
        node[i] = v[i] ^ v[i + 8];
    }
}

#[cube]
fn load_fours(fours: &Array<Vector<u32, Const<4>>>, block: &mut Array<u32>, first: u32) {
    #[unroll]
    for j in 0..4usize {
        let four = fours[first as usize + j];
        #[unroll]
        for k in 0..4usize {
            block[4 * j + k] = four[k];
        }
    }
}

/// Block `i` of a chunk of `bytes` bytes, filled up with zeros.
#[cube]
fn load_words(words: &Array<u32>, block: &mut Array<u32>, chunk: u32, i: u32, bytes: u32) {
    let first = (chunk * 256u32 + i * 16u32) as usize;
    #[unroll]
    for j in 0..16usize {
        let at = i * 64u32 + comptime!(4 * j as u32);
        let mut word = 0u32;
        if at < bytes {
            word = words[first + j];
            if bytes - at < 4u32 {
                // What lies behind the last byte is not its.
                word &= (1u32 << ((bytes - at) * 8u32)) - 1u32;
            }
        }
        block[j] = word;
    }
}

/// One unit a chunk, one cube a run of [`CHUNKS`] chunks of one buffer, whose
/// node goes to `nodes[8 * node..]`. Each buffer comes as words and,
/// if `vectors`, again as vectors of four, for all but a shorter last chunk.
#[cube(launch_unchecked)]
pub(super) fn hash_chunks(
    words: &Sequence<Array<u32>>,
    fours: &Sequence<Array<Vector<u32, Const<4>>>>,
    nodes: &mut Array<u32>,
    buffers: &Sequence<BufferArgs>,
    key: KeyArgs,
    #[comptime] count: usize,
    #[comptime] vectors: bool,
) {
    let cube = CUBE_POS as u32;
    let mut buffer = 0u32;
    let mut first_cube = 0u32;
    let mut first_node = 0u32;
    let mut chunks = 0u32;
    let mut last_bytes = 0u32;
    #[unroll]
    for t in 0..count {
        let args = buffers.index(t);
        if cube >= args.first_cube {
            buffer = comptime!(t as u32);
            first_cube = args.first_cube;
            first_node = args.first_node;
            chunks = args.chunks;
            last_bytes = args.last_bytes;
        }
    }
    // Cubes that fill the grid up, and slots without a buffer, have no chunk.
    let run = cube - first_cube;
    let chunk = run * CHUNKS + UNIT_POS;
    let mut bytes = 0u32;
    let mut blocks = 0u32;
    if chunk < chunks {
        bytes = select(chunk + 1u32 == chunks, last_bytes, 1024u32);
        blocks = bytes.div_ceil(64u32);
    }

    let mut node = Array::<u32>::new(8usize);
    set_key(&mut node, &key);
    let mut block = Array::<u32>::new(16usize);
    for i in 0..blocks {
        // Only the loads are written out for every buffer.
        #[unroll]
        for t in 0..count {
            if buffer == comptime!(t as u32) {
                if comptime!(vectors) {
                    if bytes == 1024u32 {
                        load_fours(fours.index(t), &mut block, chunk * 64u32 + i * 4u32);
                    } else {
                        load_words(words.index(t), &mut block, chunk, i, bytes);
                    }
                } else {
                    load_words(words.index(t), &mut block, chunk, i, bytes);
                }
            }
        }
        let mut flags = key.flags;
        if i == 0u32 {
            flags |= CHUNK_START;
        }
        if i + 1u32 == blocks {
            flags |= CHUNK_END;
            if chunks == 1u32 {
                flags |= ROOT;
            }
        }
        let rest = bytes - i * 64u32;
        let len = select(rest < 64u32, rest, 64u32);
        compress(&mut node, &block, chunk, len, flags);
    }

    // Words of one index lie side by side, so that no two units share a bank.
    let mut tree = SharedMemory::<u32>::new(comptime!(8 * CHUNKS as usize));
    let stride = comptime!(CHUNKS as usize);
    let unit = UNIT_POS as usize;
    #[unroll]
    for i in 0..8usize {
        tree[i * stride + unit] = node[i];
    }
    let mut left = 0u32;
    if run * CHUNKS < chunks {
        let rest = chunks - run * CHUNKS;
        left = select(rest < CHUNKS, rest, CHUNKS.runtime());
    }
    for _ in 0..LEVELS {
        sync_cube();
        let pairs = left / 2u32;
        let single = left % 2u32;
        if UNIT_POS < pairs {
            #[unroll]
            for i in 0..8usize {
                block[i] = tree[i * stride + 2 * unit];
                block[i + 8] = tree[i * stride + 2 * unit + 1];
            }
            set_key(&mut node, &key);
            let mut flags = key.flags | PARENT;
            if left == 2u32 && chunks <= CHUNKS {
                flags |= ROOT;
            }
            compress(&mut node, &block, 0u32, 64u32, flags);
        } else if UNIT_POS == pairs && single == 1u32 {
            #[unroll]
            for i in 0..8usize {
                node[i] = tree[i * stride + 2 * unit];
            }
        }
        sync_cube();
        if UNIT_POS < pairs + single {
            #[unroll]
            for i in 0..8usize {
                tree[i * stride + unit] = node[i];
            }
        }
        left = pairs + single;
    }
    sync_cube();
    if left == 1u32 && UNIT_POS < 8u32 {
        nodes[(first_node + run) as usize * 8 + unit] = tree[unit * stride];
    }
}

/// One cube a buffer: its nodes, `spans[2 * buffer + 1]` of them from
/// `spans[2 * buffer]` on, become its root. Levels alternate between `nodes` and
/// `spare`, which are equally long.
#[cube(launch_unchecked)]
pub(super) fn hash_parents(
    spans: &Array<u32>,
    nodes: &mut Array<u32>,
    spare: &mut Array<u32>,
    roots: &mut Array<u32>,
    key: KeyArgs,
    buffers: u32,
    levels: u32,
) {
    let buffer = CUBE_POS as u32;
    let mut first = 0u32;
    let mut left = 0u32;
    if buffer < buffers {
        first = spans[2 * buffer as usize];
        left = spans[2 * buffer as usize + 1];
    }
    let mut node = Array::<u32>::new(8usize);
    let mut block = Array::<u32>::new(16usize);
    for level in 0..levels {
        let even = level & 1u32 == 0u32;
        let pairs = left / 2u32;
        let single = left % 2u32;
        let mut at = UNIT_POS;
        while at < pairs + single {
            let from = (first + 2u32 * at) as usize * 8;
            let to = (first + at) as usize * 8;
            if at < pairs {
                #[unroll]
                for i in 0..16usize {
                    block[i] = if even {
                        nodes[from + i]
                    } else {
                        spare[from + i]
                    };
                }
                set_key(&mut node, &key);
                let mut flags = key.flags | PARENT;
                if left == 2u32 {
                    flags |= ROOT;
                }
                compress(&mut node, &block, 0u32, 64u32, flags);
            } else {
                #[unroll]
                for i in 0..8usize {
                    node[i] = if even {
                        nodes[from + i]
                    } else {
                        spare[from + i]
                    };
                }
            }
            #[unroll]
            for i in 0..8usize {
                if even {
                    spare[to + i] = node[i];
                } else {
                    nodes[to + i] = node[i];
                }
            }
            at += comptime!(PARENTS);
        }
        left = pairs + single;
        sync_storage();
    }
    if left == 1u32 && UNIT_POS < 8u32 {
        let from = first as usize * 8 + UNIT_POS as usize;
        let word = if levels & 1u32 == 0u32 {
            nodes[from]
        } else {
            spare[from]
        };
        roots[buffer as usize * 8 + UNIT_POS as usize] = word;
    }
}
