// What becomes of a product's sum. FINISH 0: nothing; 1: beside[at] is added; 2: f of it, and beside[at]
// keeps it; 3: it is multiplied by the slope of f at beside[at]. BIAS 1: bias[column] is added before, in
// FINISH 3 to beside[at]. KIND: of f, 0 GELU, 1 quick GELU, in the words of activation/kernel.rs. HALF 1:
// the result is bf16.

#if HALF
typedef unsigned short Out;
#else
typedef float Out;
#endif

#if FINISH >= 2
__device__ __forceinline__ float sigmoid(float x) { return 1.0f / (1.0f + exp(x * -1.702f)); }
__device__ __forceinline__ float cumulative(float x) { return (erf(x * 0.707106769f) + 1.0f) * 0.5f; }
#endif

__device__ __forceinline__ float finish(float sum, float bias, float beside) {
#if FINISH == 0 || FINISH == 1
    if (BIAS) sum = sum + bias;
    return FINISH ? sum + beside : sum;
#elif FINISH == 2
    const float from = BIAS ? sum + bias : sum;
    return from * (KIND ? sigmoid(from) : cumulative(from));
#else
    const float from = BIAS ? beside + bias : beside;
    if (KIND) {
        const float s = sigmoid(from);
        const float slope = from * 1.702f * s * (1.0f - s);
        return sum * (s + slope);
    }
    const float density = exp(from * from * -0.5f) * 0.3989423f;
    return sum * (cumulative(from) + from * density);
#endif
}

// Two beside each other, at an even place.
__device__ __forceinline__ void write(Out *to, float2 x) {
#if HALF
    unsigned both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(x.y), "f"(x.x));
    *(unsigned *)to = both;
#else
    *(float2 *)to = x;
#endif
}

