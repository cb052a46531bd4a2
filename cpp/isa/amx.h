// Matrix tiles of AMX: eight registers of up to 16 rows of 64 bytes, and products of bf16 with float32 sums; beside
// them the vectors of AVX-512. The tiles are named in assembly, since a compiler's intrinsics take literal numbers
// only.
#pragma once

#include "isa/avx512.h"

namespace convlet::amx {
namespace {

using namespace convlet::avx512;

struct alignas(64) TileShapes {
  std::uint8_t palette = 1, first_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

CONVLET_INLINE void configure_tiles(const TileShapes& shapes) { asm volatile("ldtilecfg %0" ::"m"(shapes)); }
CONVLET_INLINE void release_tiles() { asm volatile("tilerelease"); }

template <int T>
CONVLET_INLINE void zero_tile() {
  asm volatile("tilezero %%tmm%c0" ::"i"(T));
}
// Rows `step` bytes apart.
template <int T>
CONVLET_INLINE void load_tile(const void* p, std::ptrdiff_t step) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" ::"r"(p), "r"(step), "i"(T) : "memory");
}
template <int T>
CONVLET_INLINE void store_tile(float* p, std::ptrdiff_t step) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" ::"r"(p), "r"(step), "i"(T) : "memory");
}
// Sum[m][n] += sum over k of A[m][2k] B[k][2n] + A[m][2k + 1] B[k][2n + 1]
template <int Sum, int A, int B>
CONVLET_INLINE void add_products() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" ::"i"(Sum), "i"(A), "i"(B));
}

// 32 values of bf16, or 16 pairs of them.
struct Halves {
  __m512i v;
};

CONVLET_INLINE void store(std::uint16_t* p, Halves a) { _mm512_storeu_si512(p, a.v); }
// Rounded, `low` first; those of lanes that are masked out, bit n for lane n of either, are zero.
CONVLET_INLINE Halves side_by_side(Vec low, Vec high, std::uint32_t lanes) {
  return {reinterpret_cast<__m512i>(_mm512_maskz_cvtne2ps_pbh(lanes, high.v, low.v))};
}
// Rounded, each of `low` before that of `high` of the same lane.
CONVLET_INLINE Halves interleaved(Vec low, Vec high) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21,
                                         5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return {_mm512_permutexvar_epi16(order, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high.v, low.v)))};
}
CONVLET_INLINE void store_half(std::uint16_t* p, Vec a, std::uint32_t lanes) {
  const __m256i rounded = reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_maskz_mov_epi16(static_cast<__mmask16>(lanes), rounded));
}
CONVLET_INLINE void store_half_first(std::uint16_t* p, Vec a, std::ptrdiff_t n) {
  _mm256_mask_storeu_epi16(p, first(n), reinterpret_cast<__m256i>(_mm512_cvtneps_pbh(a.v)));
}

// Pair k of r[i], k = 0..15, goes to p[k * step + i] in pairs.
CONVLET_INLINE void store_pairs_transposed(const Halves (&r)[4], std::uint16_t* p, std::ptrdiff_t step) {
  const __m512i a = _mm512_unpacklo_epi32(r[0].v, r[1].v), b = _mm512_unpackhi_epi32(r[0].v, r[1].v);
  const __m512i c = _mm512_unpacklo_epi32(r[2].v, r[3].v), d = _mm512_unpackhi_epi32(r[2].v, r[3].v);
  const __m512i rows[4] = {_mm512_unpacklo_epi64(a, c), _mm512_unpackhi_epi64(a, c), _mm512_unpacklo_epi64(b, d),
                           _mm512_unpackhi_epi64(b, d)};
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {  // 128 bits l of rows[k] are row 4 l + k
    auto* to = reinterpret_cast<__m128i*>(p + 2 * k * step);
    const std::ptrdiff_t four = step;  // 8 step halves are 4 rows, in units of 128 bits
    _mm_storeu_si128(to, _mm512_castsi512_si128(rows[k]));
    _mm_storeu_si128(to + four, _mm512_extracti32x4_epi32(rows[k], 1));
    _mm_storeu_si128(to + 2 * four, _mm512_extracti32x4_epi32(rows[k], 2));
    _mm_storeu_si128(to + 3 * four, _mm512_extracti32x4_epi32(rows[k], 3));
  }
}

}  // namespace
}  // namespace convlet::amx
