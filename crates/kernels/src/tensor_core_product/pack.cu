// The right operand with k together in memory: [batch][n][row] of [batch][k][n], or of
// [batch][n][k] if K_LAST. TF32 1: f32, rounded to TF32; else two bytes each, as they are.

struct Sizes {
    unsigned n, k;
    // In elements.
    unsigned stride, batch, row;
};

#if TF32
typedef float Element;
__device__ __forceinline__ Element rounded(Element x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return __uint_as_float(y);
}
#else
typedef unsigned short Element;
__device__ __forceinline__ Element rounded(Element x) { return x; }
#endif

constexpr unsigned SIDE = 32, LINES = 8;

extern "C" __global__ void __launch_bounds__(SIDE * LINES)
    pack(const Element *__restrict__ in, Element *__restrict__ out, const __grid_constant__ Sizes sizes) {
    const unsigned x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    const unsigned first_n = blockIdx.y * SIDE, first_k = blockIdx.x * SIDE;
    in += blockIdx.z * (unsigned long long)sizes.batch;
    out += blockIdx.z * (unsigned long long)sizes.n * sizes.row;
#if K_LAST
#pragma unroll
    for (unsigned i = y; i < SIDE; i += LINES) {
        const unsigned n = first_n + i, k = first_k + x;
        if (n < sizes.n && k < sizes.k)
            out[n * (unsigned long long)sizes.row + k] = rounded(in[n * (unsigned long long)sizes.stride + k]);
    }
#else
    __shared__ Element tile[SIDE][SIDE + 1];
#pragma unroll
    for (unsigned i = y; i < SIDE; i += LINES) {
        const unsigned k = first_k + i, n = first_n + x;
        if (k < sizes.k && n < sizes.n) tile[i][x] = in[k * (unsigned long long)sizes.stride + n];
    }
    __syncthreads();
#pragma unroll
    for (unsigned i = y; i < SIDE; i += LINES) {
        const unsigned n = first_n + i, k = first_k + x;
        if (n < sizes.n && k < sizes.k) out[n * (unsigned long long)sizes.row + k] = rounded(tile[x][i]);
    }
#endif
}
