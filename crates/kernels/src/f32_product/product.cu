// The product of f32_product/kernel.rs, with sums for 8 x 4 GROUPS elements a unit.
//
// LHS_K_LAST, RHS_K_LAST: whether neighbours along k lie together in memory.
// GROUPS: vectors of four columns that a unit sums, 1, 2 or 4; a cube computes 128 x 64 GROUPS.
// What becomes of the sums: finish.cu, which is before this.

struct Sizes {
    unsigned m, n, k;
    // In vectors of four.
    unsigned lhs_stride, rhs_stride, lhs_batch, rhs_batch;
};

constexpr unsigned ROWS = 128, COLUMNS = 64 * GROUPS, STEPS = 16, UNITS = 256;
// Vectors of a row of shared memory; odd, so that rows begin in other banks.
constexpr unsigned LEFT = ROWS / 4 + 1, RIGHT = COLUMNS / 4 + 1;

__device__ __forceinline__ float part(const float4 &v, int i) {
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

// Where unit `u` of a tile's movers finds its block of 4 x 4: its first k and first outer place.
template <bool K_LAST, unsigned OUTER>
__device__ __forceinline__ void block(unsigned u, unsigned &k, unsigned &outer) {
    k = K_LAST ? u % (STEPS / 4) * 4 : u / (OUTER / 4) * 4;
    outer = K_LAST ? u / (STEPS / 4) * 4 : u % (OUTER / 4) * 4;
}

// Four vectors along outer, one for each k; zeros past the last k. Places past the last outer repeat
// others: nobody reads what comes of them.
template <bool K_LAST, unsigned OUTER>
__device__ __forceinline__ void load(const float4 *from, float4 (&to)[4], unsigned u, unsigned first,
                                     unsigned first_k, unsigned outers, unsigned ks, unsigned stride) {
    const float4 zero = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    unsigned k, outer;
    block<K_LAST, OUTER>(u, k, outer);
    k += first_k;
    outer += first;
    if constexpr (K_LAST) {
        float4 row[4];
#pragma unroll
        for (unsigned i = 0; i < 4; i++)
            row[i] = k < ks ? from[min(outer + i, outers - 1) * stride + k / 4] : zero;
        to[0] = make_float4(row[0].x, row[1].x, row[2].x, row[3].x);
        to[1] = make_float4(row[0].y, row[1].y, row[2].y, row[3].y);
        to[2] = make_float4(row[0].z, row[1].z, row[2].z, row[3].z);
        to[3] = make_float4(row[0].w, row[1].w, row[2].w, row[3].w);
    } else {
        unsigned column = min(outer, outers - 4) / 4;
#pragma unroll
        for (unsigned j = 0; j < 4; j++)
            to[j] = k + j < ks ? from[(k + j) * stride + column] : zero;
    }
}

template <bool K_LAST, unsigned OUTER, unsigned WIDTH>
__device__ __forceinline__ void store(const float4 (&from)[4], float4 *to, unsigned u) {
    unsigned k, outer;
    block<K_LAST, OUTER>(u, k, outer);
#pragma unroll
    for (unsigned j = 0; j < 4; j++) to[(k + j) * WIDTH + outer / 4] = from[j];
}

extern "C" __global__ void __launch_bounds__(UNITS)
    f32_product(const float4 *__restrict__ lhs, const float4 *__restrict__ rhs, float4 *__restrict__ out,
                const float4 *__restrict__ bias, float4 *__restrict__ beside, const __grid_constant__ Sizes sizes) {
    __shared__ float4 left[STEPS * LEFT], right[STEPS * RIGHT];
    const unsigned unit = threadIdx.x, lane = unit % 32, warp = unit / 32;
    // A warp sums 32 rows; 8 lanes beside each other, 4 below.
    const unsigned x = lane % 8, y = lane / 8;
    const unsigned warp_row = warp / 2 * 8, warp_column = warp % 2 * (COLUMNS / 8);
    const unsigned first_row = blockIdx.y * ROWS, first_column = blockIdx.x * COLUMNS;
    lhs += blockIdx.z * sizes.lhs_batch;
    rhs += blockIdx.z * sizes.rhs_batch;
    // Half of the units move the left tile; of the other half, or of all if it is twice as wide, as
    // many as it needs the right.
    const unsigned u = GROUPS == 4 ? unit : unit - UNITS / 2;
    const bool moves_left = unit < UNITS / 2, moves_right = u < COLUMNS / 4 * (STEPS / 4);
    float4 next_left[4], next_right[4];
    auto load_next = [&](unsigned k) {
        if (moves_left)
            load<LHS_K_LAST, ROWS>(lhs, next_left, unit, first_row, k, sizes.m, sizes.k, sizes.lhs_stride);
        if (moves_right)
            load<RHS_K_LAST, COLUMNS>(rhs, next_right, u, first_column, k, sizes.n, sizes.k, sizes.rhs_stride);
    };
    float4 sums[8][GROUPS];
#pragma unroll
    for (int i = 0; i < 8; i++)
#pragma unroll
        for (int j = 0; j < GROUPS; j++) sums[i][j] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);

    load_next(0);
    for (unsigned k = 0; k < sizes.k;) {
        // Whoever read the last steps has done so.
        __syncthreads();
        if (moves_left) store<LHS_K_LAST, ROWS, LEFT>(next_left, left, unit);
        if (moves_right) store<RHS_K_LAST, COLUMNS, RIGHT>(next_right, right, u);
        __syncthreads();
        k += STEPS;
        if (k < sizes.k) load_next(k);
#pragma unroll
        for (unsigned step = 0; step < STEPS; step++) {
            float4 a[2], b[GROUPS];
#pragma unroll
            for (unsigned i = 0; i < 2; i++) a[i] = left[step * LEFT + warp_row + 4 * i + y];
#pragma unroll
            for (unsigned j = 0; j < GROUPS; j++) b[j] = right[step * RIGHT + warp_column + 8 * j + x];
#pragma unroll
            for (int i = 0; i < 8; i++) {
                const float factor = part(a[i / 4], i % 4);
#pragma unroll
                for (int j = 0; j < GROUPS; j++) {
                    sums[i][j].x = fmaf(factor, b[j].x, sums[i][j].x);
                    sums[i][j].y = fmaf(factor, b[j].y, sums[i][j].y);
                    sums[i][j].z = fmaf(factor, b[j].z, sums[i][j].z);
                    sums[i][j].w = fmaf(factor, b[j].w, sums[i][j].w);
                }
            }
        }
    }

#pragma unroll
    for (unsigned i = 0; i < 8; i++) {
        const unsigned row = first_row + 4 * (warp_row + i / 4 * 4 + y) + i % 4;
        if (row >= sizes.m) continue;
        const unsigned line = (blockIdx.z * sizes.m + row) * (sizes.n / 4);
#pragma unroll
        for (unsigned j = 0; j < GROUPS; j++) {
            const unsigned column = first_column / 4 + warp_column + 8 * j + x;
            if (column >= sizes.n / 4) continue;
            const float4 sum = sums[i][j], none = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
            const float4 shift = BIAS ? bias[column] : none;
            const float4 other = FINISH % 2 ? beside[line + column] : none;
            if (FINISH == 2) beside[line + column] = sum;
            out[line + column] =
                make_float4(finish(sum.x, shift.x, other.x), finish(sum.y, shift.y, other.y),
                            finish(sum.z, shift.z, other.z), finish(sum.w, shift.w, other.w));
        }
    }
}
