// A vector of 8 floats for AVX2 with FMA.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define CONVLET_INLINE static inline __attribute__((always_inline))

namespace convlet::avx2 {
namespace {

struct Vec {
  static constexpr int lanes = 8;
  __m256 v;
};
struct Mask {
  __m256 m;
};

CONVLET_INLINE __m256i first(std::ptrdiff_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

CONVLET_INLINE Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
CONVLET_INLINE Vec load_first(const float* p, std::ptrdiff_t n) { return {_mm256_maskload_ps(p, first(n))}; }
CONVLET_INLINE Vec load_bytes(const std::uint8_t* p) {
  return {_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))))};
}
CONVLET_INLINE void store(float* p, Vec a) { _mm256_storeu_ps(p, a.v); }
CONVLET_INLINE void store_first(float* p, Vec a, std::ptrdiff_t n) { _mm256_maskstore_ps(p, first(n), a.v); }
// Holds a in a register: compilers would rather load it again for each of its uses.
CONVLET_INLINE void keep(Vec& a) { asm("" : "+x"(a.v)); }
CONVLET_INLINE Vec set(float x) { return {_mm256_set1_ps(x)}; }

CONVLET_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
CONVLET_INLINE Vec operator+(Vec a, Vec b) { return {_mm256_add_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator-(Vec a, Vec b) { return {_mm256_sub_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator*(Vec a, Vec b) { return {_mm256_mul_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator/(Vec a, Vec b) { return {_mm256_div_ps(a.v, b.v)}; }
CONVLET_INLINE Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.v)}; }
CONVLET_INLINE Vec max(Vec a, Vec b) { return {_mm256_max_ps(a.v, b.v)}; }  // b where either is NaN
CONVLET_INLINE Vec min(Vec a, Vec b) { return {_mm256_min_ps(a.v, b.v)}; }
CONVLET_INLINE Vec minus_magnitude(Vec a) { return {_mm256_or_ps(_mm256_set1_ps(-0.0f), a.v)}; }
CONVLET_INLINE Vec magnitude(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
CONVLET_INLINE Vec with_sign(Vec a, Vec s) {  // a >= 0
  return {_mm256_or_ps(a.v, _mm256_and_ps(_mm256_set1_ps(-0.0f), s.v))};
}
// The float whose sign and exponent are the nine lowest bits of a, and whose fraction is 1.
CONVLET_INLINE Vec exponent_of_low_bits(Vec a) {
  return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_castps_si256(a.v), 23))};
}

// By lane: bit i of `bits` stands for lane i. What is masked out is neither read nor written.
CONVLET_INLINE Mask mask_of(int bits) {
  const __m256i lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  return {_mm256_castsi256_ps(_mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(bits), lanes), lanes))};
}
CONVLET_INLINE Vec load_where(Mask m, const float* p) { return {_mm256_maskload_ps(p, _mm256_castps_si256(m.m))}; }
CONVLET_INLINE void store_where(Mask m, float* p, Vec a) { _mm256_maskstore_ps(p, _mm256_castps_si256(m.m), a.v); }
CONVLET_INLINE Vec fma_where(Mask m, Vec a, Vec b, Vec c) { return {_mm256_blendv_ps(c.v, fma(a, b, c).v, m.m)}; }

CONVLET_INLINE Mask less(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
CONVLET_INLINE Mask equal(Vec a, Vec b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_EQ_OQ)}; }
CONVLET_INLINE Mask greater_or_nan(Vec a, Vec b) {  // a > b, or a is NaN
  return {_mm256_or_ps(_mm256_cmp_ps(a.v, b.v, _CMP_GT_OQ), _mm256_cmp_ps(a.v, a.v, _CMP_UNORD_Q))};
}
CONVLET_INLINE Vec select(Mask m, Vec yes, Vec no) { return {_mm256_blendv_ps(no.v, yes.v, m.m)}; }

CONVLET_INLINE void transpose(Vec (&r)[8]) {
  __m256 t[8];
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {  // 4x4 blocks within 128-bit lanes
    const __m256 a = _mm256_unpacklo_ps(r[4 * i].v, r[4 * i + 1].v), b = _mm256_unpackhi_ps(r[4 * i].v, r[4 * i + 1].v);
    const __m256 c = _mm256_unpacklo_ps(r[4 * i + 2].v, r[4 * i + 3].v);
    const __m256 d = _mm256_unpackhi_ps(r[4 * i + 2].v, r[4 * i + 3].v);
    t[4 * i] = _mm256_shuffle_ps(a, c, 0x44);
    t[4 * i + 1] = _mm256_shuffle_ps(a, c, 0xee);
    t[4 * i + 2] = _mm256_shuffle_ps(b, d, 0x44);
    t[4 * i + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // then the two lanes
    r[i].v = _mm256_permute2f128_ps(t[i], t[4 + i], 0x20);
    r[4 + i].v = _mm256_permute2f128_ps(t[i], t[4 + i], 0x31);
  }
}

// Of 16 values, those with even and with odd index.
CONVLET_INLINE void split_pairs(Vec low, Vec high, Vec& even, Vec& odd) {
  const __m256i order = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);  // undoes the shuffles' order of 128-bit halves
  even.v = _mm256_permutevar8x32_ps(_mm256_shuffle_ps(low.v, high.v, 0x88), order);
  odd.v = _mm256_permutevar8x32_ps(_mm256_shuffle_ps(low.v, high.v, 0xdd), order);
}

// Lane i of the result is the sum of the lanes of r[i], as a tree: lane n and lane n + 4, then 2, 1.
CONVLET_INLINE Vec add_lanes(Vec (&r)[8]) {
  transpose(r);
  for (int step = 4; step > 0; step /= 2) {
    for (int n = 0; n < step; ++n) r[n] = r[n] + r[n + step];
  }
  return r[0];
}

// r[k] is value k of each of 8 rows, k = 0..3.
CONVLET_INLINE void load_columns(const float* first, std::ptrdiff_t row, Vec (&r)[4]) {
  __m256 v[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // half p of vector i is of row 4 p + i
    const float* p = first + i * row;
    v[i] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * row), 1);
  }
  const __m256 a = _mm256_unpacklo_ps(v[0], v[1]), b = _mm256_unpackhi_ps(v[0], v[1]);
  const __m256 c = _mm256_unpacklo_ps(v[2], v[3]), d = _mm256_unpackhi_ps(v[2], v[3]);
  r[0].v = _mm256_shuffle_ps(a, c, 0x44);
  r[1].v = _mm256_shuffle_ps(a, c, 0xee);
  r[2].v = _mm256_shuffle_ps(b, d, 0x44);
  r[3].v = _mm256_shuffle_ps(b, d, 0xee);
}

}  // namespace
}  // namespace convlet::avx2
