// out[n, tokens, width]: for each token the rows of values[n, HEADS, width], each times its weight of
// weights[n, HEADS, tokens], and after them those of the second pair. A unit has four columns of 16
// tokens.

struct Sizes {
    unsigned tokens;
    // In vectors of four.
    unsigned width;
};

constexpr unsigned TILE = 16, UNITS = 256;

extern "C" __global__ void __launch_bounds__(UNITS)
    spread(const float *__restrict__ weights, const float4 *__restrict__ values, const float *__restrict__ more_weights,
           const float4 *__restrict__ more_values, float4 *__restrict__ out, const __grid_constant__ Sizes sizes) {
    __shared__ float factors[2 * HEADS][TILE];
    const unsigned first = blockIdx.x * TILE;
    for (unsigned i = threadIdx.x; i < 2 * HEADS * TILE; i += UNITS) {
        const unsigned row = i / TILE, token = min(first + i % TILE, sizes.tokens - 1);
        const float *from = row < HEADS ? weights : more_weights;
        from += (blockIdx.y * (unsigned long long)HEADS + row % HEADS) * sizes.tokens;
        factors[row][i % TILE] = rounded(from[token]);
    }
    __syncthreads();
    const unsigned long long rows = blockIdx.y * (unsigned long long)HEADS * sizes.width;
    values += rows;
    more_values += rows;
    out += blockIdx.y * (unsigned long long)sizes.tokens * sizes.width;
    for (unsigned column = threadIdx.x; column < sizes.width; column += UNITS) {
        float4 sums[TILE];
#pragma unroll
        for (unsigned t = 0; t < TILE; t++) sums[t] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 4
        for (unsigned row = 0; row < 2 * HEADS; row++) {
            const float4 *from = row < HEADS ? values : more_values;
            const float4 value = rounded(from[row % HEADS * sizes.width + column]);
#pragma unroll
            for (unsigned t = 0; t < TILE; t++) add(sums[t], factors[row][t], value);
        }
#pragma unroll
        for (unsigned t = 0; t < TILE; t++)
            if (first + t < sizes.tokens) out[(first + t) * (unsigned long long)sizes.width + column] = sums[t];
    }
}
