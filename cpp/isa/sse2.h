// A vector of 4 floats for every x86-64 (SSE2). There is no fused multiply-add: the product is rounded by itself.
#pragma once

#include <emmintrin.h>

#include <cstddef>
#include <cstdint>

#define CONVLET_INLINE static inline __attribute__((always_inline))

namespace convlet::baseline {
namespace {

struct Vec {
  static constexpr int lanes = 4;
  __m128 v;
};
struct Mask {
  __m128 m;
};

CONVLET_INLINE Vec load(const float* p) { return {_mm_loadu_ps(p)}; }
CONVLET_INLINE Vec load_first(const float* p, std::ptrdiff_t n) {
  return {_mm_setr_ps(n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0)};
}
CONVLET_INLINE Vec load_bytes(const std::uint8_t* p) {
  return {_mm_cvtepi32_ps(_mm_setr_epi32(p[0], p[1], p[2], p[3]))};
}
CONVLET_INLINE void store(float* p, Vec a) { _mm_storeu_ps(p, a.v); }
CONVLET_INLINE void store_first(float* p, Vec a, std::ptrdiff_t n) {
  alignas(16) float all[4];
  _mm_store_ps(all, a.v);
  for (int i = 0; i < 4; ++i) {
    if (i < n) p[i] = all[i];
  }
}
// Holds a in a register: compilers would rather load it again for each of its uses.
CONVLET_INLINE void keep(Vec& a) { asm("" : "+x"(a.v)); }
CONVLET_INLINE Vec set(float x) { return {_mm_set1_ps(x)}; }

CONVLET_INLINE Vec operator+(Vec a, Vec b) { return {_mm_add_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator-(Vec a, Vec b) { return {_mm_sub_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator*(Vec a, Vec b) { return {_mm_mul_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator/(Vec a, Vec b) { return {_mm_div_ps(a.v, b.v)}; }
CONVLET_INLINE Vec fma(Vec a, Vec b, Vec c) { return a * b + c; }
CONVLET_INLINE Vec sqrt(Vec a) { return {_mm_sqrt_ps(a.v)}; }
CONVLET_INLINE Vec max(Vec a, Vec b) { return {_mm_max_ps(a.v, b.v)}; }  // b where either is NaN
CONVLET_INLINE Vec min(Vec a, Vec b) { return {_mm_min_ps(a.v, b.v)}; }
CONVLET_INLINE Vec minus_magnitude(Vec a) { return {_mm_or_ps(_mm_set1_ps(-0.0f), a.v)}; }
CONVLET_INLINE Vec magnitude(Vec a) { return {_mm_andnot_ps(_mm_set1_ps(-0.0f), a.v)}; }
CONVLET_INLINE Vec with_sign(Vec a, Vec s) {  // a >= 0
  return {_mm_or_ps(a.v, _mm_and_ps(_mm_set1_ps(-0.0f), s.v))};
}
// The float whose sign and exponent are the nine lowest bits of a, and whose fraction is 1.
CONVLET_INLINE Vec exponent_of_low_bits(Vec a) { return {_mm_castsi128_ps(_mm_slli_epi32(_mm_castps_si128(a.v), 23))}; }

CONVLET_INLINE Mask less(Vec a, Vec b) { return {_mm_cmplt_ps(a.v, b.v)}; }
CONVLET_INLINE Mask equal(Vec a, Vec b) { return {_mm_cmpeq_ps(a.v, b.v)}; }
CONVLET_INLINE Mask greater_or_nan(Vec a, Vec b) {  // a > b, or a is NaN
  return {_mm_or_ps(_mm_cmpgt_ps(a.v, b.v), _mm_cmpunord_ps(a.v, a.v))};
}
CONVLET_INLINE Vec select(Mask m, Vec yes, Vec no) {
  return {_mm_or_ps(_mm_and_ps(m.m, yes.v), _mm_andnot_ps(m.m, no.v))};
}

// By lane: bit i of `bits` stands for lane i. What is masked out is neither read nor written.
CONVLET_INLINE Mask mask_of(int bits) {
  const __m128i lanes = _mm_setr_epi32(1, 2, 4, 8);
  return {_mm_castsi128_ps(_mm_cmpeq_epi32(_mm_and_si128(_mm_set1_epi32(bits), lanes), lanes))};
}
CONVLET_INLINE Vec load_where(Mask m, const float* p) {
  const int bits = _mm_movemask_ps(m.m);
  if (bits == 15) return load(p);
  return {_mm_setr_ps(bits & 1 ? p[0] : 0, bits & 2 ? p[1] : 0, bits & 4 ? p[2] : 0, bits & 8 ? p[3] : 0)};
}
CONVLET_INLINE void store_where(Mask m, float* p, Vec a) {
  alignas(16) float all[4];
  _mm_store_ps(all, a.v);
  const int bits = _mm_movemask_ps(m.m);
  for (int i = 0; i < 4; ++i) {
    if (bits >> i & 1) p[i] = all[i];
  }
}
CONVLET_INLINE Vec fma_where(Mask m, Vec a, Vec b, Vec c) { return select(m, fma(a, b, c), c); }

CONVLET_INLINE void transpose(Vec (&r)[4]) { _MM_TRANSPOSE4_PS(r[0].v, r[1].v, r[2].v, r[3].v); }

// Of 8 values, those with even and with odd index.
CONVLET_INLINE void split_pairs(Vec low, Vec high, Vec& even, Vec& odd) {
  even.v = _mm_shuffle_ps(low.v, high.v, 0x88);
  odd.v = _mm_shuffle_ps(low.v, high.v, 0xdd);
}

// Lane i of the result is the sum of the lanes of r[i], as a tree: lane n and lane n + 2, then 1.
CONVLET_INLINE Vec add_lanes(Vec (&r)[4]) {
  transpose(r);
  return (r[0] + r[2]) + (r[1] + r[3]);
}

// r[k] is value k of each of 4 rows, k = 0..3.
CONVLET_INLINE void load_columns(const float* first, std::ptrdiff_t row, Vec (&r)[4]) {
  for (int i = 0; i < 4; ++i) r[i] = load(first + i * row);
  transpose(r);
}

}  // namespace
}  // namespace convlet::baseline
