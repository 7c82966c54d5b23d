// The right operand of products as product.cu reads it: [batch][n / COLUMNS][k / K] tiles of COLUMNS
// rows along n, of K elements or 128 bytes along k, with bytes 16 to 31 and so on of a row exchanged by
// the row's number (128-byte swizzle); zeros past the last n and k. Of [batch][k][n], or of
// [batch][n][k] if K_LAST. TF32 1: f32, rounded to TF32; else bf16, of f32, rounded, if F32, or of bf16.

struct Sizes {
    unsigned n, k;
    // In elements.
    unsigned stride, batch;
};

#if TF32
typedef float Source;
typedef float Element;
typedef float Word;
__device__ __forceinline__ Element element(Source x) { return x; }
__device__ __forceinline__ Word word(const Element *x) {
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x[0]));
    return __uint_as_float(y);
}
#else
typedef unsigned short Element;
typedef unsigned Word;
#if F32
typedef float Source;
__device__ __forceinline__ Element element(Source x) {
    Element y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return y;
}
#else
typedef unsigned short Source;
__device__ __forceinline__ Element element(Source x) { return x; }
#endif
__device__ __forceinline__ Word word(const Element *x) { return x[0] | (Word)x[1] << 16; }
#endif

constexpr unsigned EACH = sizeof(Word) / sizeof(Element), SIDE = 32, K = SIDE * EACH, LINES = 8;

extern "C" __global__ void __launch_bounds__(SIDE * LINES)
    pack(const Source *__restrict__ in, Word *__restrict__ out, const __grid_constant__ Sizes sizes) {
    const unsigned x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
    const unsigned first_n = blockIdx.y * SIDE, first_k = blockIdx.x * K;
    in += blockIdx.z * (unsigned long long)sizes.batch;
    const unsigned long long tile =
        (blockIdx.z * (unsigned long long)(gridDim.y * SIDE / COLUMNS) + first_n / COLUMNS) * gridDim.x + blockIdx.x;
    out += tile * COLUMNS * SIDE;
    auto read = [&](unsigned n, unsigned k) {
        const unsigned long long at = K_LAST ? n * (unsigned long long)sizes.stride + k : k * (unsigned long long)sizes.stride + n;
        return n < sizes.n && k < sizes.k ? element(in[at]) : Element(0);
    };
#if !K_LAST
    // Read along n, written along k.
    __shared__ Element turned[K][SIDE + 1];
#pragma unroll
    for (unsigned i = y; i < K; i += LINES) turned[i][x] = read(first_n + x, first_k + i);
    __syncthreads();
#endif
#pragma unroll
    for (unsigned i = y; i < SIDE; i += LINES) {
        Element elements[EACH];
#pragma unroll
        for (unsigned j = 0; j < EACH; j++) {
#if K_LAST
            elements[j] = read(first_n + i, first_k + EACH * x + j);
#else
            elements[j] = turned[EACH * x + j][i];
#endif
        }
        const unsigned row = (first_n + i) % COLUMNS;
        out[row * SIDE + (x ^ row % 8 * 4)] = word(elements);
    }
}
