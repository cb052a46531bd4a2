// A vector of 16 floats for AVX-512 (F, BW, DQ, VL).
#pragma once

// GCC 12 takes the deliberately undefined operand inside its own intrinsics for a mistake of the caller.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#define CONVLET_INLINE static inline __attribute__((always_inline))

namespace convlet::avx512 {
namespace {

struct Vec {
  static constexpr int lanes = 16;
  __m512 v;
};
struct Mask {
  __mmask16 m;
};

CONVLET_INLINE __mmask16 first(std::ptrdiff_t n) { return static_cast<__mmask16>((1u << n) - 1); }

CONVLET_INLINE Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
CONVLET_INLINE Vec load_first(const float* p, std::ptrdiff_t n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
CONVLET_INLINE Vec load_bytes(const std::uint8_t* p) {
  return {_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))))};
}
CONVLET_INLINE void store(float* p, Vec a) { _mm512_storeu_ps(p, a.v); }
CONVLET_INLINE void store_first(float* p, Vec a, std::ptrdiff_t n) { _mm512_mask_storeu_ps(p, first(n), a.v); }
// Holds a in a register: compilers would rather load it again for each of its uses.
CONVLET_INLINE void keep(Vec& a) { asm("" : "+v"(a.v)); }
CONVLET_INLINE Vec set(float x) { return {_mm512_set1_ps(x)}; }

CONVLET_INLINE Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
CONVLET_INLINE Vec operator+(Vec a, Vec b) { return {_mm512_add_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator-(Vec a, Vec b) { return {_mm512_sub_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator*(Vec a, Vec b) { return {_mm512_mul_ps(a.v, b.v)}; }
CONVLET_INLINE Vec operator/(Vec a, Vec b) { return {_mm512_div_ps(a.v, b.v)}; }
CONVLET_INLINE Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.v)}; }
CONVLET_INLINE Vec max(Vec a, Vec b) { return {_mm512_max_ps(a.v, b.v)}; }  // b where either is NaN
CONVLET_INLINE Vec min(Vec a, Vec b) { return {_mm512_min_ps(a.v, b.v)}; }
CONVLET_INLINE Vec minus_magnitude(Vec a) { return {_mm512_or_ps(_mm512_set1_ps(-0.0f), a.v)}; }
CONVLET_INLINE Vec magnitude(Vec a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
CONVLET_INLINE Vec with_sign(Vec a, Vec s) {  // a >= 0
  return {_mm512_or_ps(a.v, _mm512_and_ps(_mm512_set1_ps(-0.0f), s.v))};
}
// The float whose sign and exponent are the nine lowest bits of a, and whose fraction is 1.
CONVLET_INLINE Vec exponent_of_low_bits(Vec a) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_castps_si512(a.v), 23))};
}

// By lane: bit i of `bits` stands for lane i. What is masked out is neither read nor written.
CONVLET_INLINE Mask mask_of(int bits) { return {static_cast<__mmask16>(bits)}; }
CONVLET_INLINE Vec load_where(Mask m, const float* p) { return {_mm512_maskz_loadu_ps(m.m, p)}; }
CONVLET_INLINE void store_where(Mask m, float* p, Vec a) { _mm512_mask_storeu_ps(p, m.m, a.v); }
CONVLET_INLINE Vec fma_where(Mask m, Vec a, Vec b, Vec c) { return {_mm512_mask3_fmadd_ps(a.v, b.v, c.v, m.m)}; }

CONVLET_INLINE Mask less(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
CONVLET_INLINE Mask equal(Vec a, Vec b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ)}; }
CONVLET_INLINE Mask greater_or_nan(Vec a, Vec b) {  // a > b, or a is NaN
  return {
      static_cast<__mmask16>(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ) | _mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q))};
}
CONVLET_INLINE Vec select(Mask m, Vec yes, Vec no) { return {_mm512_mask_blend_ps(m.m, no.v, yes.v)}; }

CONVLET_INLINE void transpose(Vec (&r)[16]) {
  __m512 t[16];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // 4x4 blocks within 128-bit lanes
    const __m512 a = _mm512_unpacklo_ps(r[4 * i].v, r[4 * i + 1].v), b = _mm512_unpackhi_ps(r[4 * i].v, r[4 * i + 1].v);
    const __m512 c = _mm512_unpacklo_ps(r[4 * i + 2].v, r[4 * i + 3].v);
    const __m512 d = _mm512_unpackhi_ps(r[4 * i + 2].v, r[4 * i + 3].v);
    t[4 * i] = _mm512_shuffle_ps(a, c, 0x44);
    t[4 * i + 1] = _mm512_shuffle_ps(a, c, 0xee);
    t[4 * i + 2] = _mm512_shuffle_ps(b, d, 0x44);
    t[4 * i + 3] = _mm512_shuffle_ps(b, d, 0xee);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // then the 128-bit lanes
    const __m512 a = _mm512_shuffle_f32x4(t[i], t[4 + i], 0x88), b = _mm512_shuffle_f32x4(t[i], t[4 + i], 0xdd);
    const __m512 c = _mm512_shuffle_f32x4(t[8 + i], t[12 + i], 0x88);
    const __m512 d = _mm512_shuffle_f32x4(t[8 + i], t[12 + i], 0xdd);
    r[i].v = _mm512_shuffle_f32x4(a, c, 0x88);
    r[4 + i].v = _mm512_shuffle_f32x4(b, d, 0x88);
    r[8 + i].v = _mm512_shuffle_f32x4(a, c, 0xdd);
    r[12 + i].v = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
}

// Of 32 values, those with even and with odd index.
CONVLET_INLINE void split_pairs(Vec low, Vec high, Vec& even, Vec& odd) {
  const __m512i first = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
  even.v = _mm512_permutex2var_ps(low.v, first, high.v);
  odd.v = _mm512_permutex2var_ps(low.v, _mm512_add_epi32(first, _mm512_set1_epi32(1)), high.v);
}

// Lane i of the result is the sum of the lanes of r[i], as a tree: lane n and lane n + 8, then 4, 2, 1. Pairs of
// vectors share a register after each addition, so 30 shuffles do what a transposition needs 64 for.
CONVLET_INLINE Vec add_lanes(const Vec (&r)[16]) {
  __m512 a[8], b[4], c[2];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {  // 8 lanes of r[i], then 8 of r[i + 8]
    a[i] =
        _mm512_add_ps(_mm512_shuffle_f32x4(r[i].v, r[i + 8].v, 0x44), _mm512_shuffle_f32x4(r[i].v, r[i + 8].v, 0xee));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // 4 lanes each of r[i], r[i + 8], r[i + 4], r[i + 12]
    b[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a[i], a[i + 4], 0x88), _mm512_shuffle_f32x4(a[i], a[i + 4], 0xdd));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {  // within 128 bits: 2 lanes of b[i], 2 of b[i + 2]
    c[i] = _mm512_add_ps(_mm512_shuffle_ps(b[i], b[i + 2], 0x44), _mm512_shuffle_ps(b[i], b[i + 2], 0xee));
  }
  const __m512 d = _mm512_add_ps(_mm512_shuffle_ps(c[0], c[1], 0x88), _mm512_shuffle_ps(c[0], c[1], 0xdd));
  // Now lane 4 p + q holds the sum of r[k] with k = 8 (p % 2) + 4 (p / 2) + 2 (q % 2) + q / 2.
  return {_mm512_permutexvar_ps(_mm512_setr_epi32(0, 2, 1, 3, 8, 10, 9, 11, 4, 6, 5, 7, 12, 14, 13, 15), d)};
}

// r[k] is value k of each of 16 rows, k = 0..3. The loads gather 128-bit pieces, which leaves half of the shuffles of a
// transposition of registers, all of which go through one port.
CONVLET_INLINE void load_columns(const float* first, std::ptrdiff_t row, Vec (&r)[4]) {
  __m512 v[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {  // piece p of vector i is of row 4 p + i
    const float* p = first + i * row;
    v[i] = _mm512_castps128_ps512(_mm_loadu_ps(p));
    v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(p + 4 * row), 1);
    v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(p + 8 * row), 2);
    v[i] = _mm512_insertf32x4(v[i], _mm_loadu_ps(p + 12 * row), 3);
  }
  const __m512 a = _mm512_unpacklo_ps(v[0], v[1]), b = _mm512_unpackhi_ps(v[0], v[1]);
  const __m512 c = _mm512_unpacklo_ps(v[2], v[3]), d = _mm512_unpackhi_ps(v[2], v[3]);
  r[0].v = _mm512_shuffle_ps(a, c, 0x44);
  r[1].v = _mm512_shuffle_ps(a, c, 0xee);
  r[2].v = _mm512_shuffle_ps(b, d, 0x44);
  r[3].v = _mm512_shuffle_ps(b, d, 0xee);
}

}  // namespace
}  // namespace convlet::avx512
