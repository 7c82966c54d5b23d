/// Philox4x32 with 10 rounds: a counter-based generator, a function from
/// (64-bit key, 128-bit counter) to 128 bits.
///
/// J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel Random Numbers:
/// As Easy as 1, 2, 3", SC11 (2011); constants of the Random123 library. The
/// same function as cuRAND's and PyTorch's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Philox4x32 {
    key: [u32; 2],
}

const ROUNDS: u32 = 10;
const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
/// Key increments: the golden ratio and sqrt(3) - 1, in 0.32 fixed point.
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

impl Philox4x32 {
    /// The generator of `key`.
    pub const fn new(key: [u32; 2]) -> Self {
        Self { key }
    }

    /// The four words at `counter` (word 0 is the least significant).
    pub const fn block(&self, counter: [u32; 4]) -> [u32; 4] {
        let [mut c0, mut c1, mut c2, mut c3] = counter;
        let [mut k0, mut k1] = self.key;
        let mut round = 0;
        while round < ROUNDS {
            let p0 = MULTIPLIERS[0] as u64 * c0 as u64;
            let p1 = MULTIPLIERS[1] as u64 * c2 as u64;
            [c0, c1, c2, c3] = [
                (p1 >> 32) as u32 ^ c1 ^ k0,
                p1 as u32,
                (p0 >> 32) as u32 ^ c3 ^ k1,
                p0 as u32,
            ];
            k0 = k0.wrapping_add(WEYL[0]);
            k1 = k1.wrapping_add(WEYL[1]);
            round += 1;
        }
        [c0, c1, c2, c3]
    }
}
