// Products by the matrix instructions of groups of four warps (wgmma), which compute capability 9.0
// has: D[m, n] = A[m, k] B[n, k], both with k together in memory.
//
// TF32 1: f32 operands. B is rounded to TF32 before (pack.cu), A on its way to registers, to the
// nearest, ties away from zero. TF32 0: operands of bf16, both read from shared memory.
//
// Two groups of 64 rows each; STAGES tiles of 128 bytes of k, with bytes 16 to 31 and so on of a row
// exchanged by the row's number, as the instruction wants them (128-byte swizzle).

struct Sizes {
    unsigned m, n;
    // Bytes of a row, and in units of 16 bytes what lies between rows and matrices.
    unsigned k_bytes, lhs_stride, rhs_stride, lhs_batch, rhs_batch;
};

constexpr unsigned GROUPS = 2, ROWS = 64 * GROUPS, UNITS = 128 * GROUPS;
#if TF32
constexpr unsigned COLUMNS = 128, STAGES = 6;
#else
constexpr unsigned COLUMNS = 256, STAGES = 4;
#endif
// Bytes of k in a tile, and of the two tiles of a stage.
constexpr unsigned DEPTH = 128, LEFT = ROWS * DEPTH, STAGE = LEFT + COLUMNS * DEPTH;

#if TF32
__device__ __forceinline__ void multiply(float (&d)[64], const unsigned (&a)[4], unsigned long long b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128k8.f32.tf32.tf32 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15,"
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31,"
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47,"
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "{%64, %65, %66, %67}, %68, 1, 1, 1;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                   "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                   "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                   "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
                   "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
                   "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
                   "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
                   "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}

__device__ __forceinline__ unsigned rounded(unsigned x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(__uint_as_float(x)));
    return y;
}
#else
__device__ __forceinline__ void multiply(float (&d)[128], unsigned long long a, unsigned long long b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n256k16.f32.bf16.bf16 {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15,"
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31,"
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47,"
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63,"
                 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79,"
                 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95,"
                 "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111,"
                 "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
                 "%128, %129, 1, 1, 1, 0, 0;"
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3]), "+f"(d[4]), "+f"(d[5]), "+f"(d[6]), "+f"(d[7]),
                   "+f"(d[8]), "+f"(d[9]), "+f"(d[10]), "+f"(d[11]), "+f"(d[12]), "+f"(d[13]), "+f"(d[14]), "+f"(d[15]),
                   "+f"(d[16]), "+f"(d[17]), "+f"(d[18]), "+f"(d[19]), "+f"(d[20]), "+f"(d[21]), "+f"(d[22]), "+f"(d[23]),
                   "+f"(d[24]), "+f"(d[25]), "+f"(d[26]), "+f"(d[27]), "+f"(d[28]), "+f"(d[29]), "+f"(d[30]), "+f"(d[31]),
                   "+f"(d[32]), "+f"(d[33]), "+f"(d[34]), "+f"(d[35]), "+f"(d[36]), "+f"(d[37]), "+f"(d[38]), "+f"(d[39]),
                   "+f"(d[40]), "+f"(d[41]), "+f"(d[42]), "+f"(d[43]), "+f"(d[44]), "+f"(d[45]), "+f"(d[46]), "+f"(d[47]),
                   "+f"(d[48]), "+f"(d[49]), "+f"(d[50]), "+f"(d[51]), "+f"(d[52]), "+f"(d[53]), "+f"(d[54]), "+f"(d[55]),
                   "+f"(d[56]), "+f"(d[57]), "+f"(d[58]), "+f"(d[59]), "+f"(d[60]), "+f"(d[61]), "+f"(d[62]), "+f"(d[63]),
                   "+f"(d[64]), "+f"(d[65]), "+f"(d[66]), "+f"(d[67]), "+f"(d[68]), "+f"(d[69]), "+f"(d[70]), "+f"(d[71]),
                   "+f"(d[72]), "+f"(d[73]), "+f"(d[74]), "+f"(d[75]), "+f"(d[76]), "+f"(d[77]), "+f"(d[78]), "+f"(d[79]),
                   "+f"(d[80]), "+f"(d[81]), "+f"(d[82]), "+f"(d[83]), "+f"(d[84]), "+f"(d[85]), "+f"(d[86]), "+f"(d[87]),
                   "+f"(d[88]), "+f"(d[89]), "+f"(d[90]), "+f"(d[91]), "+f"(d[92]), "+f"(d[93]), "+f"(d[94]), "+f"(d[95]),
                   "+f"(d[96]), "+f"(d[97]), "+f"(d[98]), "+f"(d[99]), "+f"(d[100]), "+f"(d[101]), "+f"(d[102]), "+f"(d[103]),
                   "+f"(d[104]), "+f"(d[105]), "+f"(d[106]), "+f"(d[107]), "+f"(d[108]), "+f"(d[109]), "+f"(d[110]), "+f"(d[111]),
                   "+f"(d[112]), "+f"(d[113]), "+f"(d[114]), "+f"(d[115]), "+f"(d[116]), "+f"(d[117]), "+f"(d[118]), "+f"(d[119]),
                   "+f"(d[120]), "+f"(d[121]), "+f"(d[122]), "+f"(d[123]), "+f"(d[124]), "+f"(d[125]), "+f"(d[126]), "+f"(d[127])
                 : "l"(a), "l"(b));
}
#endif

// 16 bytes to shared memory, zeros where `bytes` are fewer.
__device__ __forceinline__ void copy(unsigned to, const void *from, unsigned bytes) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(from), "r"(bytes) : "memory");
}

// Of a tile with k together and the 128-byte swizzle; 1,024 bytes from eight rows to the next.
__device__ __forceinline__ unsigned long long tile(unsigned address) {
    return (unsigned long long)((address & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

extern "C" __global__ void __launch_bounds__(UNITS, 1)
    tensor_core_product(const uint4 *__restrict__ lhs, const uint4 *__restrict__ rhs, float *__restrict__ out,
                        const __grid_constant__ Sizes sizes) {
    extern __shared__ char room[];
    const unsigned given = (unsigned)__cvta_generic_to_shared(room);
    const unsigned base = (given + 1023) & ~1023u;
    const unsigned unit = threadIdx.x, lane = unit % 32, warp = unit / 32 % 4, group = unit / 128;
    const unsigned first_row = blockIdx.y * ROWS, first_column = blockIdx.x * COLUMNS;
    lhs += blockIdx.z * (unsigned long long)sizes.lhs_batch;
    rhs += blockIdx.z * (unsigned long long)sizes.rhs_batch;
    const unsigned steps = (sizes.k_bytes + DEPTH - 1) / DEPTH;

    // Rows past the last repeat it: nobody reads what comes of them. Zeros past the last k.
    auto fill = [&](const uint4 *from, unsigned to, unsigned i, unsigned first, unsigned rows, unsigned stride,
                    unsigned step) {
        const unsigned at = unit + i * UNITS, row = at / 8, part = at % 8;
        const unsigned k = step * DEPTH + part * 16;
        const unsigned left = k < sizes.k_bytes ? sizes.k_bytes - k : 0;
        const uint4 *line = from + min(first + row, rows - 1) * (unsigned long long)stride;
        copy(to + row * DEPTH + ((part ^ row % 8) << 4), line + (left ? k / 16 : 0), min(left, 16u));
    };
    auto fetch = [&](unsigned step) {
        if (step < steps) {
            const unsigned to = base + step % STAGES * STAGE;
#pragma unroll
            for (unsigned i = 0; i < ROWS * 8 / UNITS; i++)
                fill(lhs, to, i, first_row, sizes.m, sizes.lhs_stride, step);
#pragma unroll
            for (unsigned i = 0; i < COLUMNS * 8 / UNITS; i++)
                fill(rhs, to + LEFT, i, first_column, sizes.n, sizes.rhs_stride, step);
        }
        // Also if empty: they are counted.
        asm volatile("cp.async.commit_group;" ::: "memory");
    };

    float sums[COLUMNS / 2];
#pragma unroll
    for (unsigned i = 0; i < COLUMNS / 2; i++) sums[i] = 0.0f;
#if TF32
    // Of this step and the last, which the matrix units may still read.
    unsigned a[2][4][4];
#endif
    auto advance = [&](unsigned step, int parity) {
        asm volatile("cp.async.wait_group %0;" ::"n"(STAGES - 3) : "memory");
        asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
        __syncthreads();
        // Everyone has waited for the products of two steps ago, whose tiles these replace.
        fetch(step + STAGES - 2);
        const unsigned left = base + step % STAGES * STAGE, right = left + LEFT;
#if TF32
        const unsigned row = group * 64 + warp * 16 + lane / 4;
        const char *line = room + (left - given) + row * DEPTH + lane % 4 * 4;
        auto element = [&](unsigned part, unsigned below) {
            const char *from = line + below * DEPTH + ((part ^ lane / 4) << 4);
            return rounded(*(const unsigned *)from);
        };
#pragma unroll
        for (unsigned i = 0; i < 4; i++) {
            a[parity][i][0] = element(2 * i, 0);
            a[parity][i][1] = element(2 * i, 8);
            a[parity][i][2] = element(2 * i + 1, 0);
            a[parity][i][3] = element(2 * i + 1, 8);
        }
#endif
        asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
        for (unsigned i = 0; i < 4; i++) {
#if TF32
            multiply(sums, a[parity][i], tile(right + 32 * i));
#else
            multiply(sums, tile(left + group * 64 * DEPTH + 32 * i), tile(right + 32 * i));
#endif
        }
        asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
        asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
    };

#pragma unroll
    for (unsigned step = 0; step < STAGES - 2; step++) fetch(step);
    unsigned step = 0;
    for (; step + 1 < steps; step += 2) {
        advance(step, 0);
        advance(step + 1, 1);
    }
    if (step < steps) advance(step, 0);
    asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");

    const unsigned row = first_row + group * 64 + warp * 16 + lane / 4;
    out += (blockIdx.z * (unsigned long long)sizes.m + row) * sizes.n;
#pragma unroll
    for (unsigned i = 0; i < COLUMNS / 8; i++) {
        // n is even: both or none.
        const unsigned column = first_column + 8 * i + lane % 4 * 2;
        if (column >= sizes.n) continue;
        if (row < sizes.m) *(float2 *)(out + column) = make_float2(sums[4 * i], sums[4 * i + 1]);
        if (row + 8 < sizes.m)
            *(float2 *)(out + 8ull * sizes.n + column) = make_float2(sums[4 * i + 2], sums[4 * i + 3]);
    }
}
