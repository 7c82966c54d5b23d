// Operands as a precision has them. ROUND 0: f32; 1: TF32, to the nearest, ties away from zero; 2: bf16,
// to the nearest, ties to even.
__device__ __forceinline__ float rounded(float x) {
#if ROUND == 1
    unsigned y;
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return __uint_as_float(y);
#elif ROUND == 2
    unsigned short y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y) : "f"(x));
    return __uint_as_float((unsigned)y << 16);
#else
    return x;
#endif
}

__device__ __forceinline__ float4 rounded(float4 x) {
    return make_float4(rounded(x.x), rounded(x.y), rounded(x.z), rounded(x.w));
}

__device__ __forceinline__ void add(float4 &sum, float factor, const float4 &x) {
    sum.x = fmaf(factor, x.x, sum.x);
    sum.y = fmaf(factor, x.y, sum.y);
    sum.z = fmaf(factor, x.z, sum.z);
    sum.w = fmaf(factor, x.w, sum.w);
}

