// out[n, HEADS, tokens]: the products of each row of asking[n, HEADS, width] with each of
// x[n, tokens, width]. A warp has 4 tokens; its lanes share the width, in vectors of four.

struct Sizes {
    unsigned tokens;
    // In vectors of four.
    unsigned width;
};

constexpr unsigned EACH = 4, WARPS = 8, TILE = EACH * WARPS;

extern "C" __global__ void __launch_bounds__(32 * WARPS)
    scores(const float4 *__restrict__ asking, const float4 *__restrict__ x, float *__restrict__ out,
           const __grid_constant__ Sizes sizes) {
    extern __shared__ float4 left[];
    const unsigned lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    const unsigned first = blockIdx.x * TILE + warp * EACH;
    asking += blockIdx.y * (unsigned long long)HEADS * sizes.width;
    x += blockIdx.y * (unsigned long long)sizes.tokens * sizes.width;
    out += blockIdx.y * (unsigned long long)HEADS * sizes.tokens;
    for (unsigned i = threadIdx.x; i < HEADS * sizes.width; i += 32 * WARPS) left[i] = rounded(asking[i]);
    __syncthreads();
    // Tokens past the last repeat it: nobody reads what comes of them.
    const float4 *row[EACH];
#pragma unroll
    for (unsigned t = 0; t < EACH; t++) row[t] = x + min(first + t, sizes.tokens - 1) * (unsigned long long)sizes.width;
    float sums[HEADS][EACH];
#pragma unroll
    for (unsigned h = 0; h < HEADS; h++)
#pragma unroll
        for (unsigned t = 0; t < EACH; t++) sums[h][t] = 0.0f;
#pragma unroll 2
    for (unsigned i = lane; i < sizes.width; i += 32) {
        float4 right[EACH];
#pragma unroll
        for (unsigned t = 0; t < EACH; t++) right[t] = rounded(row[t][i]);
#pragma unroll
        for (unsigned h = 0; h < HEADS; h++) {
            const float4 a = left[h * sizes.width + i];
#pragma unroll
            for (unsigned t = 0; t < EACH; t++) {
                float sum = sums[h][t];
                sum = fmaf(a.x, right[t].x, sum);
                sum = fmaf(a.y, right[t].y, sum);
                sum = fmaf(a.z, right[t].z, sum);
                sums[h][t] = fmaf(a.w, right[t].w, sum);
            }
        }
    }
#pragma unroll
    for (unsigned h = 0; h < HEADS; h++)
#pragma unroll
        for (unsigned t = 0; t < EACH; t++) {
            float sum = sums[h][t];
#pragma unroll
            for (unsigned far = 16; far; far /= 2) sum += __shfl_xor_sync(~0u, sum, far);
            if (lane == h && first + t < sizes.tokens) out[h * sizes.tokens + first + t] = sum;
        }
}
