// Products of few rows: [m, k] [k, n], where reading the operands is the work. A cube sums a tile of ROWS
// by COLUMNS over its part of k, a cluster of PARTS cubes all of k; then each of them adds the parts' sums
// of some rows, in the order of the parts.
//
// TF32 1: operands are f32 and rounded to TF32, ties away from zero; else they are rounded to bf16, ties to
// even, and ..._BF16 1 says that one is bf16 already. ..._K_LAST: neighbours along k lie together. ..._WIDTH:
// so many neighbours that lie together begin at a multiple of their size, 4, 2 or 1. EVEN 0: n is odd, and
// there is nothing to finish.

#define COLUMNS 64
#define DEPTH 64
#define UNITS 256
#define TILES (ROWS / 16)

#if TF32
typedef unsigned Number;
#define LHS_BF16 0
#define RHS_BF16 0
#else
typedef unsigned short Number;
#endif

struct Sizes {
    unsigned m, n, k;
    // Of a row of k, or of a row of m or n, and of a matrix.
    unsigned lhs_stride, rhs_stride, out_stride;
    unsigned lhs_batch, rhs_batch, out_batch;
    // Of a group of so many.
    unsigned per_group, lhs_group, rhs_group, out_group;
};

// Rows in shared memory, such that a warp's reads meet in no bank.
__device__ constexpr unsigned row_of(bool k_last, unsigned outer) {
    return TF32 ? (k_last ? DEPTH + 4 : outer + 8) : (k_last ? DEPTH : outer) + 8;
}

template <bool BF16> __device__ __forceinline__ float number(const void *from, unsigned at) {
    if (BF16) return __uint_as_float((unsigned)((const unsigned short *)from)[at] << 16);
    return ((const float *)from)[at];
}

// Four neighbours, of which the first `there` are; zeros for the others.
template <bool BF16, int WIDTH> __device__ __forceinline__ float4 four(const void *from, unsigned at, int there) {
    float4 x = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (WIDTH == 4 && there >= 4) {
        if (BF16) {
            const uint2 both = *(const uint2 *)((const unsigned short *)from + at);
            x.x = __uint_as_float(both.x << 16);
            x.y = __uint_as_float(both.x & 0xffff0000u);
            x.z = __uint_as_float(both.y << 16);
            x.w = __uint_as_float(both.y & 0xffff0000u);
        } else {
            x = *(const float4 *)((const float *)from + at);
        }
    } else if (WIDTH == 2 && !BF16) {
        // Their number is even.
        const float2 *pairs = (const float2 *)((const float *)from + at);
        if (there > 0) { const float2 y = pairs[0]; x.x = y.x; x.y = y.y; }
        if (there > 2) { const float2 y = pairs[1]; x.z = y.x; x.w = y.y; }
    } else {
        if (there > 0) x.x = number<BF16>(from, at);
        if (there > 1) x.y = number<BF16>(from, at + 1);
        if (there > 2) x.z = number<BF16>(from, at + 2);
        if (there > 3) x.w = number<BF16>(from, at + 3);
    }
    return x;
}

__device__ __forceinline__ unsigned pair(float low, float high) {
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

__device__ __forceinline__ unsigned tf32(float x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}

__device__ __forceinline__ void store(Number *to, float4 x) {
#if TF32
    *(uint4 *)to = make_uint4(tf32(x.x), tf32(x.y), tf32(x.z), tf32(x.w));
#else
    *(uint2 *)to = make_uint2(pair(x.x, x.y), pair(x.z, x.w));
#endif
}

// A tile of OUTER by DEPTH, from memory to registers and from there to shared memory.
template <bool K_LAST, bool BF16, int WIDTH, unsigned OUTER> struct Tile {
    static constexpr unsigned EACH = OUTER * DEPTH / 4 / UNITS, ACROSS = (K_LAST ? DEPTH : OUTER) / 4;
    static constexpr unsigned ROW = row_of(K_LAST, OUTER), SIZE = ROW * (K_LAST ? OUTER : DEPTH);
    float4 held[EACH];

    __device__ __forceinline__ void fetch(const void *from, unsigned stride, unsigned first, unsigned outer, unsigned k_first, unsigned k) {
#pragma unroll
        for (unsigned i = 0; i < EACH; i++) {
            const unsigned piece = threadIdx.x + i * UNITS, row = piece / ACROSS, column = piece % ACROSS * 4;
            const unsigned line = K_LAST ? first + row : k_first + row, place = K_LAST ? k_first + column : first + column;
            const unsigned lines = K_LAST ? outer : k, places = K_LAST ? k : outer;
            held[i] = four<BF16, WIDTH>(from, line * stride + place, line < lines ? (int)places - (int)place : 0);
        }
    }

    __device__ __forceinline__ void put(Number *to) {
#pragma unroll
        for (unsigned i = 0; i < EACH; i++) {
            const unsigned piece = threadIdx.x + i * UNITS;
            store(to + piece / ACROSS * ROW + piece % ACROSS * 4, held[i]);
        }
    }
};

typedef Tile<LHS_K_LAST, LHS_BF16, LHS_WIDTH, ROWS> Left;
typedef Tile<RHS_K_LAST, RHS_BF16, RHS_WIDTH, COLUMNS> Right;

#if TF32
__device__ __forceinline__ void multiply(float *sums, const unsigned *a, const unsigned *b) {
    asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

__device__ __forceinline__ unsigned at(const Number *tile, bool k_last, unsigned row, unsigned outer, unsigned k) {
    return tile[k_last ? outer * row + k : k * row + outer];
}
#else
__device__ __forceinline__ void multiply(float *sums, const unsigned *a, const unsigned *b) {
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four matrices of 8 by 8, whose rows begin where the lanes say; across, if `turned`.
template <bool TURNED> __device__ __forceinline__ void load(unsigned *to, const Number *from) {
    const unsigned place = (unsigned)__cvta_generic_to_shared(from);
    if (TURNED)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(place) : "memory");
    else
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                     : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3]) : "r"(place) : "memory");
}
#endif

// Adds to a warp's sums, ROWS by 8, what these tiles give.
__device__ __forceinline__ void advance(float sums[TILES][4], const Number *left, const Number *right, unsigned warp, unsigned lane) {
#if TF32
    const unsigned outer = lane / 4, inner = lane % 4;
#pragma unroll
    for (unsigned k = 0; k < DEPTH; k += 8) {
        unsigned b[2];
#pragma unroll
        for (unsigned i = 0; i < 2; i++) b[i] = at(right, RHS_K_LAST, Right::ROW, 8 * warp + outer, k + inner + 4 * i);
#pragma unroll
        for (unsigned tile = 0; tile < TILES; tile++) {
            unsigned a[4];
#pragma unroll
            for (unsigned i = 0; i < 4; i++)
                a[i] = at(left, LHS_K_LAST, Left::ROW, 16 * tile + outer + i % 2 * 8, k + inner + i / 2 * 4);
            multiply(sums[tile], a, b);
        }
    }
#else
#pragma unroll
    for (unsigned k = 0; k < DEPTH; k += 32) {
        unsigned b[4];
        load<!RHS_K_LAST>(b, right + (RHS_K_LAST ? (8 * warp + lane % 8) * Right::ROW + k + lane / 8 * 8
                                                 : (k + lane) * Right::ROW + 8 * warp));
#pragma unroll
        for (unsigned half = 0; half < 2; half++)
#pragma unroll
            for (unsigned tile = 0; tile < TILES; tile++) {
                unsigned a[4];
                const unsigned depth = k + 16 * half;
                load<!LHS_K_LAST>(a, left + (LHS_K_LAST ? (16 * tile + lane % 16) * Left::ROW + depth + lane / 16 * 8
                                                        : (depth + lane / 16 * 8 + lane % 8) * Left::ROW + 16 * tile + lane / 8 % 2 * 8));
                multiply(sums[tile], a, b + 2 * half);
            }
    }
#endif
}

// What another cube of the cluster has at the place of `own`.
__device__ __forceinline__ float2 of_part(const float *own, unsigned part) {
#if PARTS == 1
    return *(const float2 *)own;
#else
    unsigned place;
    float2 x;
    asm("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(place) : "r"((unsigned)__cvta_generic_to_shared(own)), "r"(part));
    asm volatile("ld.shared::cluster.v2.f32 {%0, %1}, [%2];" : "=f"(x.x), "=f"(x.y) : "r"(place) : "memory");
    return x;
#endif
}

__device__ __forceinline__ void meet() {
#if PARTS == 1
    __syncthreads();
#else
    asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;" ::: "memory");
#endif
}

extern "C" __global__ void
#if PARTS > 1
__cluster_dims__(PARTS, 1, 1)
#endif
__launch_bounds__(UNITS) small_product(const void *__restrict__ lhs, const void *__restrict__ rhs, Out *__restrict__ out,
                                       const float *__restrict__ bias, float *__restrict__ beside,
                                       const __grid_constant__ Sizes sizes) {
    extern __shared__ __align__(16) char room[];
    Number *left = (Number *)room, *right = left + Left::SIZE;
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned part = blockIdx.x % PARTS, first_column = blockIdx.x / PARTS * COLUMNS, first_row = blockIdx.y * ROWS;
    const unsigned group = blockIdx.z / sizes.per_group, inner = blockIdx.z % sizes.per_group;
    auto begin = [&](unsigned of_group, unsigned of_batch) {
        return group * (unsigned long long)of_group + inner * (unsigned long long)of_batch;
    };
    const void *a = (const char *)lhs + (LHS_BF16 ? 2 : 4) * begin(sizes.lhs_group, sizes.lhs_batch);
    const void *b = (const char *)rhs + (RHS_BF16 ? 2 : 4) * begin(sizes.rhs_group, sizes.rhs_batch);
    const unsigned steps = (sizes.k + DEPTH - 1) / DEPTH;
    unsigned step = steps * part / PARTS;
    const unsigned end = steps * (part + 1) / PARTS;

    float sums[TILES][4];
#pragma unroll
    for (unsigned i = 0; i < TILES; i++) sums[i][0] = sums[i][1] = sums[i][2] = sums[i][3] = 0.0f;
    Left next_left;
    Right next_right;
    auto fetch = [&](unsigned step) {
        next_left.fetch(a, sizes.lhs_stride, first_row, sizes.m, step * DEPTH, sizes.k);
        next_right.fetch(b, sizes.rhs_stride, first_column, sizes.n, step * DEPTH, sizes.k);
    };
    if (step < end) fetch(step);
    while (step < end) {
        next_left.put(left);
        next_right.put(right);
        __syncthreads();
        step++;
        if (step < end) fetch(step);
        advance(sums, left, right, warp, lane);
        __syncthreads();
    }

    constexpr unsigned WIDTH = COLUMNS + 8, SHARE = ROWS / PARTS, PAIRS = COLUMNS / 2;
    float *tile = (float *)room;
#pragma unroll
    for (unsigned i = 0; i < TILES; i++) {
        float *to = tile + (16 * i + lane / 4) * WIDTH + 8 * warp + lane % 4 * 2;
        *(float2 *)to = make_float2(sums[i][0], sums[i][1]);
        *(float2 *)(to + 8 * WIDTH) = make_float2(sums[i][2], sums[i][3]);
    }
    meet();
    const unsigned column = first_column + 2 * (threadIdx.x % PAIRS);
    if (column < sizes.n) {
#if EVEN
        const float2 shift = BIAS ? *(const float2 *)(bias + column) : make_float2(0.0f, 0.0f);
#endif
        for (unsigned i = threadIdx.x / PAIRS; i < SHARE; i += UNITS / PAIRS) {
            const unsigned own = part * SHARE + i, row = first_row + own;
            if (row >= sizes.m) break;
            const float *from = tile + own * WIDTH + 2 * (threadIdx.x % PAIRS);
            float2 all[PARTS];
#pragma unroll
            for (unsigned j = 0; j < PARTS; j++) all[j] = of_part(from, j);
            float2 sum = all[0];
#pragma unroll
            for (unsigned j = 1; j < PARTS; j++) sum = make_float2(sum.x + all[j].x, sum.y + all[j].y);
            const unsigned long long place = begin(sizes.out_group, sizes.out_batch) + row * (unsigned long long)sizes.out_stride + column;
#if EVEN
            // Both or none.
            const float2 other = FINISH % 2 ? *(const float2 *)(beside + place) : make_float2(0.0f, 0.0f);
            if (FINISH == 2) *(float2 *)(beside + place) = sum;
            write(out + place, make_float2(finish(sum.x, shift.x, other.x), finish(sum.y, shift.y, other.y)));
#else
            out[place] = sum.x;
            if (column + 1 < sizes.n) out[place + 1] = sum.y;
#endif
        }
    }
    // Until everyone has read this cube's sums.
    if (PARTS > 1) meet();
}
