// out[n, HEADS, width]: the sum of x[n, tokens, width] over the tokens, each times its weight of
// weights[n, HEADS, tokens]. A unit has four columns; PARTS units share the tokens, whose sums are then
// added in order.

struct Sizes {
    unsigned tokens;
    // In vectors of four.
    unsigned width;
};

constexpr unsigned PARTS = 4, COLUMNS = 64, UNITS = PARTS * COLUMNS;

extern "C" __global__ void __launch_bounds__(UNITS)
    mix(const float *__restrict__ weights, const float4 *__restrict__ x, float4 *__restrict__ out,
        const __grid_constant__ Sizes sizes) {
    extern __shared__ float4 room[];
    // [PARTS - 1][HEADS][COLUMNS] vectors, and [tokens][HEADS] weights.
    float *shares = (float *)(room + (PARTS - 1) * HEADS * COLUMNS);
    const unsigned place = threadIdx.x % COLUMNS, part = threadIdx.x / COLUMNS;
    const unsigned column = blockIdx.x * COLUMNS + place;
    weights += blockIdx.y * (unsigned long long)HEADS * sizes.tokens;
    x += blockIdx.y * (unsigned long long)sizes.tokens * sizes.width;
    out += blockIdx.y * (unsigned long long)HEADS * sizes.width;
    for (unsigned i = threadIdx.x; i < HEADS * sizes.tokens; i += UNITS)
        shares[i % sizes.tokens * HEADS + i / sizes.tokens] = rounded(weights[i]);
    __syncthreads();
    const unsigned each = (sizes.tokens + PARTS - 1) / PARTS;
    const unsigned last = min((part + 1) * each, sizes.tokens), from = min(column, sizes.width - 1);
    float4 sums[HEADS];
#pragma unroll
    for (unsigned h = 0; h < HEADS; h++) sums[h] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 4
    for (unsigned t = part * each; t < last; t++) {
        const float4 value = rounded(x[t * (unsigned long long)sizes.width + from]);
#pragma unroll
        for (unsigned h = 0; h < HEADS; h++) add(sums[h], shares[t * HEADS + h], value);
    }
    if (part)
#pragma unroll
        for (unsigned h = 0; h < HEADS; h++) room[((part - 1) * HEADS + h) * COLUMNS + place] = sums[h];
    __syncthreads();
    if (part || column >= sizes.width) return;
#pragma unroll
    for (unsigned h = 0; h < HEADS; h++) {
#pragma unroll
        for (unsigned other = 0; other < PARTS - 1; other++) {
            const float4 more = room[(other * HEADS + h) * COLUMNS + place];
            sums[h].x += more.x;
            sums[h].y += more.y;
            sums[h].z += more.z;
            sums[h].w += more.w;
        }
        out[h * sizes.width + column] = sums[h];
    }
}
