// Products by the matrix instructions of groups of four warps (wgmma), which compute capability 9.0
// has: D[m, n] = A[m, k] B[n, k]. A has k together in memory; B comes in tiles, as pack.cu writes it.
//
// TF32 1: f32 operands. B is rounded to TF32 before (pack.cu), A on its way to registers, to the
// nearest, ties away from zero. TF32 0: operands of bf16.
// COLUMNS: of a tile of the result, 128 or 256; it has 128 rows.

// How the tensor memory accelerator finds A: 3 dimensions, tiles of ROWS rows of 128 bytes of k, with the
// swizzle of pack.cu, zeros outside.
struct alignas(64) Map {
    char opaque[128];
};

struct Sizes {
    unsigned m, n;
    // Tiles along k, and whether all products have one B.
    unsigned steps, shared_rhs;
};

// Two groups of four warps, each for 64 rows, and one of which one unit fetches.
constexpr unsigned GROUPS = 2, ROWS = 64 * GROUPS, WARPS = 4 * GROUPS, UNITS = 128 * (GROUPS + 1);
// Bytes of k in a tile, and of a number.
constexpr unsigned DEPTH = 128, SIZE = TF32 ? 4 : 2;
constexpr unsigned LEFT = ROWS * DEPTH, RIGHT = COLUMNS * DEPTH, STAGES = COLUMNS == 256 ? 4 : 6;
// Neighbours along m that read the same B: each fetches a part for all.
constexpr unsigned CLUSTER = 2;

// One step of 32 bytes along k: its kind, and that sums are added to, no operand is negated, and B is as
// it lies.
#if TF32
#define STEP "k8.f32.tf32.tf32"
#define FLAGS "1, 1, 1;"
#else
#define STEP "k16.f32.bf16.bf16"
#define FLAGS "1, 1, 1, 0;"
#endif
#if COLUMNS == 256
__device__ __forceinline__ void multiply(float (&d)[128], const unsigned (&a)[4], unsigned long long b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n256" STEP " {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15,"
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31,"
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47,"
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63,"
                 "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79,"
                 "%80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95,"
                 "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111,"
                 "%112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127}, "
                 "{%128, %129, %130, %131}, %132, " FLAGS
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
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b));
}
#else
__device__ __forceinline__ void multiply(float (&d)[64], const unsigned (&a)[4], unsigned long long b) {
    asm volatile("wgmma.mma_async.sync.aligned.m64n128" STEP " {"
                 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15,"
                 "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31,"
                 "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47,"
                 "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63}, "
                 "{%64, %65, %66, %67}, %68, " FLAGS
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
#endif

__device__ __forceinline__ unsigned rounded(unsigned x) {
#if TF32
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(x) : "f"(__uint_as_float(x)));
#endif
    return x;
}

// Four tiles of 8 x 16 bytes, one row's address a lane, as the instruction wants A.
__device__ __forceinline__ void load(unsigned (&a)[4], unsigned address) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
                 : "r"(address)
                 : "memory");
}

// Of a tile with k together and the 128-byte swizzle; 1,024 bytes from eight rows to the next.
__device__ __forceinline__ unsigned long long tile(unsigned address) {
    return (unsigned long long)((address & 0x3ffff) >> 4) | 1ull << 16 | 64ull << 32 | 1ull << 62;
}

__device__ __forceinline__ void start(unsigned barrier, unsigned arrivals) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(barrier), "r"(arrivals) : "memory");
}

__device__ __forceinline__ void expect(unsigned barrier, unsigned bytes) {
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(barrier), "r"(bytes) : "memory");
}

// At the barrier of this place in the cube of this rank of the cluster.
__device__ __forceinline__ void arrive(unsigned barrier, unsigned rank) {
    asm volatile("{ .reg .b32 there; mapa.shared::cluster.u32 there, %0, %1;"
                 "mbarrier.arrive.shared::cluster.b64 _, [there]; }" ::"r"(barrier), "r"(rank)
                 : "memory");
}

__device__ __forceinline__ void wait(unsigned barrier, unsigned parity) {
    asm volatile("{ .reg .pred done; again:"
                 "mbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;"
                 "@!done bra again; }" ::"r"(barrier), "r"(parity)
                 : "memory");
}

__device__ __forceinline__ void meet() {
    asm volatile("barrier.cluster.arrive.relaxed.aligned; barrier.cluster.wait.acquire.aligned;" ::: "memory");
}

__device__ __forceinline__ void copy_left(unsigned to, const Map &map, unsigned k, unsigned row, unsigned batch, unsigned barrier) {
    asm volatile("cp.async.bulk.tensor.3d.shared::cluster.global.tile.mbarrier::complete_tx::bytes"
                 " [%0], [%1, {%2, %3, %4}], [%5];" ::"r"(to),
                 "l"(&map), "r"(k), "r"(row), "r"(batch), "r"(barrier)
                 : "memory");
}

// To the same place, and barrier, in all cubes of the cluster.
__device__ __forceinline__ void copy_to_all(unsigned to, const void *from, unsigned bytes, unsigned barrier) {
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster"
                 " [%0], [%1], %2, [%3], %4;" ::"r"(to),
                 "l"(from), "r"(bytes), "r"(barrier), "h"((unsigned short)((1 << CLUSTER) - 1))
                 : "memory");
}

extern "C" __global__ void __cluster_dims__(1, CLUSTER, 1) __launch_bounds__(UNITS, 1)
    tensor_core_product(const __grid_constant__ Map lhs, const void *, const char *__restrict__ rhs,
                        Out *__restrict__ out, const float *__restrict__ bias, float *__restrict__ beside,
                        const __grid_constant__ Sizes sizes) {
    extern __shared__ char room[];
    const unsigned given = (unsigned)__cvta_generic_to_shared(room), right = (given + 1023) & ~1023u;
    const unsigned left = right + STAGES * RIGHT;
    // Of each stage: that it is filled, and that it may be filled again.
    const unsigned full = left + STAGES * LEFT, empty = full + 8 * STAGES;
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned first_row = blockIdx.y * ROWS;
    if (threadIdx.x == 0) {
        for (unsigned stage = 0; stage < STAGES; stage++) {
            start(full + 8 * stage, 1);
            start(empty + 8 * stage, CLUSTER * WARPS);
        }
        asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
    }
    meet();

    if (warp >= WARPS) {
        asm volatile("setmaxnreg.dec.sync.aligned.u32 40;");
        if (threadIdx.x == 32 * WARPS) {
            const unsigned part = RIGHT / CLUSTER * (blockIdx.y % CLUSTER);
            const unsigned long long tile = (sizes.shared_rhs ? 0 : blockIdx.z) * (unsigned long long)gridDim.x + blockIdx.x;
            rhs += tile * sizes.steps * RIGHT + part;
            for (unsigned step = 0; step < sizes.steps; step++) {
                const unsigned stage = step % STAGES, round = step / STAGES, barrier = full + 8 * stage;
                if (round) wait(empty + 8 * stage, (round - 1) % 2);
                expect(barrier, LEFT + RIGHT);
                copy_left(left + stage * LEFT, lhs, step * (DEPTH / SIZE), first_row, blockIdx.z, barrier);
                copy_to_all(right + stage * RIGHT + part, rhs + step * (unsigned long long)RIGHT, RIGHT / CLUSTER, barrier);
            }
        }
    } else {
        asm volatile("setmaxnreg.inc.sync.aligned.u32 232;");
        float sums[COLUMNS / 2];
#pragma unroll
        for (unsigned i = 0; i < COLUMNS / 2; i++) sums[i] = 0.0f;
        // Of this step and the last, which the matrix units may still read.
        unsigned a[2][4][4];
        const unsigned line = left + (warp * 16 + lane % 16) * DEPTH, part = (lane / 16 ^ lane % 8) << 4;
        auto advance = [&](unsigned step, int parity) {
            const unsigned stage = step % STAGES;
            wait(full + 8 * stage, step / STAGES % 2);
#pragma unroll
            for (unsigned i = 0; i < 4; i++) {
                load(a[parity][i], line + stage * LEFT + (32 * i ^ part));
#pragma unroll
                for (unsigned j = 0; j < 4; j++) a[parity][i][j] = rounded(a[parity][i][j]);
            }
            asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#pragma unroll
            for (unsigned i = 0; i < 4; i++) multiply(sums, a[parity][i], tile(right + stage * RIGHT + 32 * i));
            asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
            asm volatile("wgmma.wait_group.sync.aligned 1;" ::: "memory");
            // Nobody here reads the stage of the last step any more.
            if (step && lane < CLUSTER) arrive(empty + 8 * ((step - 1) % STAGES), lane);
        };
        unsigned step = 0;
        for (; step + 1 < sizes.steps; step += 2) {
            advance(step, 0);
            advance(step + 1, 1);
        }
        if (step < sizes.steps) advance(step, 0);
        asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory");

        // Through shared memory, which nobody here reads any more, to whole rows.
        asm volatile("bar.sync 1, %0;" ::"n"(32 * WARPS) : "memory");
        constexpr unsigned WIDTH = COLUMNS + 8;
        float *own = (float *)(room + (right - given)) + warp * 16 * WIDTH;
#pragma unroll
        for (unsigned i = 0; i < COLUMNS / 8; i++) {
            float *to = own + lane / 4 * WIDTH + 8 * i + lane % 4 * 2;
            *(float2 *)to = make_float2(sums[4 * i], sums[4 * i + 1]);
            *(float2 *)(to + 8 * WIDTH) = make_float2(sums[4 * i + 2], sums[4 * i + 3]);
        }
        __syncwarp();
        constexpr unsigned PAIRS = COLUMNS / 64, TOGETHER = 4;
        const unsigned row = first_row + warp * 16, column = blockIdx.x * COLUMNS + 2 * lane;
        const unsigned long long first = (blockIdx.z * (unsigned long long)sizes.m + row) * sizes.n + column;
        float2 shift[PAIRS];
#pragma unroll
        for (unsigned j = 0; j < PAIRS; j++) {
            shift[j] = make_float2(0.0f, 0.0f);
            if (BIAS && column + 64 * j < sizes.n) shift[j] = *(const float2 *)(bias + column + 64 * j);
        }
        for (unsigned begin = 0; begin < 16; begin += TOGETHER) {
            // n is even: both or none.
            auto inside = [&](unsigned i, unsigned j) { return row + i < sizes.m && column + 64 * j < sizes.n; };
            auto at = [&](unsigned i, unsigned j) { return first + i * (unsigned long long)sizes.n + 64 * j; };
            float2 other[TOGETHER][PAIRS];
#pragma unroll
            for (unsigned i = 0; i < TOGETHER; i++)
#pragma unroll
                for (unsigned j = 0; j < PAIRS; j++) {
                    other[i][j] = make_float2(0.0f, 0.0f);
                    if (FINISH % 2 && inside(begin + i, j)) other[i][j] = *(const float2 *)(beside + at(begin + i, j));
                }
#pragma unroll
            for (unsigned i = 0; i < TOGETHER; i++)
#pragma unroll
                for (unsigned j = 0; j < PAIRS; j++) {
                    if (!inside(begin + i, j)) continue;
                    const float2 sum = *(const float2 *)(own + (begin + i) * WIDTH + 64 * j + 2 * lane);
                    if (FINISH == 2) *(float2 *)(beside + at(begin + i, j)) = sum;
                    write(out + at(begin + i, j), make_float2(finish(sum.x, shift[j].x, other[i][j].x),
                                                              finish(sum.y, shift[j].y, other[i][j].y)));
                }
        }
    }
    meet();
}
