// A vector of 4 floats for AArch64 (NEON), with fused multiply-add.
#pragma once

#include <arm_neon.h>

#include <cstddef>
#include <cstdint>

#define CONVLET_INLINE static inline __attribute__((always_inline))

namespace convlet::neon {
namespace {

struct Vec {
  static constexpr int lanes = 4;
  float32x4_t v;
};
struct Mask {
  uint32x4_t m;
};

CONVLET_INLINE Vec load(const float* p) { return {vld1q_f32(p)}; }
CONVLET_INLINE Vec load_first(const float* p, std::ptrdiff_t n) {
  const float all[4] = {n > 0 ? p[0] : 0, n > 1 ? p[1] : 0, n > 2 ? p[2] : 0, n > 3 ? p[3] : 0};
  return {vld1q_f32(all)};
}
CONVLET_INLINE Vec load_bytes(const std::uint8_t* p) {
  const std::uint32_t all[4] = {p[0], p[1], p[2], p[3]};
  return {vcvtq_f32_u32(vld1q_u32(all))};
}
CONVLET_INLINE void store(float* p, Vec a) { vst1q_f32(p, a.v); }
CONVLET_INLINE void store_first(float* p, Vec a, std::ptrdiff_t n) {
  float all[4];
  vst1q_f32(all, a.v);
  for (int i = 0; i < 4; ++i) {
    if (i < n) p[i] = all[i];
  }
}
// Holds a in a register: compilers would rather load it again for each of its uses.
CONVLET_INLINE void keep(Vec& a) { asm("" : "+w"(a.v)); }
CONVLET_INLINE Vec set(float x) { return {vdupq_n_f32(x)}; }

CONVLET_INLINE Vec fma(Vec a, Vec b, Vec c) { return {vfmaq_f32(c.v, a.v, b.v)}; }
CONVLET_INLINE Vec operator+(Vec a, Vec b) { return {vaddq_f32(a.v, b.v)}; }
CONVLET_INLINE Vec operator-(Vec a, Vec b) { return {vsubq_f32(a.v, b.v)}; }
CONVLET_INLINE Vec operator*(Vec a, Vec b) { return {vmulq_f32(a.v, b.v)}; }
CONVLET_INLINE Vec operator/(Vec a, Vec b) { return {vdivq_f32(a.v, b.v)}; }
CONVLET_INLINE Vec sqrt(Vec a) { return {vsqrtq_f32(a.v)}; }
CONVLET_INLINE Vec minus_magnitude(Vec a) { return {vnegq_f32(vabsq_f32(a.v))}; }
CONVLET_INLINE Vec magnitude(Vec a) { return {vabsq_f32(a.v)}; }
CONVLET_INLINE Vec with_sign(Vec a, Vec s) {  // a >= 0
  return {vbslq_f32(vdupq_n_u32(0x80000000u), s.v, a.v)};
}
// The float whose sign and exponent are the nine lowest bits of a, and whose fraction is 1.
CONVLET_INLINE Vec exponent_of_low_bits(Vec a) {
  return {vreinterpretq_f32_u32(vshlq_n_u32(vreinterpretq_u32_f32(a.v), 23))};
}

CONVLET_INLINE Mask less(Vec a, Vec b) { return {vcltq_f32(a.v, b.v)}; }
CONVLET_INLINE Mask equal(Vec a, Vec b) { return {vceqq_f32(a.v, b.v)}; }
CONVLET_INLINE Mask greater_or_nan(Vec a, Vec b) {  // a > b, or a is NaN
  return {vorrq_u32(vcgtq_f32(a.v, b.v), vmvnq_u32(vceqq_f32(a.v, a.v)))};
}
CONVLET_INLINE Vec select(Mask m, Vec yes, Vec no) { return {vbslq_f32(m.m, yes.v, no.v)}; }

// By lane: bit i of `bits` stands for lane i. What is masked out is neither read nor written.
CONVLET_INLINE Mask mask_of(int bits) {
  const std::uint32_t all[4] = {1, 2, 4, 8};
  return {vtstq_u32(vdupq_n_u32(static_cast<std::uint32_t>(bits)), vld1q_u32(all))};
}
CONVLET_INLINE Vec load_where(Mask m, const float* p) {
  std::uint32_t bits[4];
  vst1q_u32(bits, m.m);
  const float all[4] = {bits[0] ? p[0] : 0, bits[1] ? p[1] : 0, bits[2] ? p[2] : 0, bits[3] ? p[3] : 0};
  return {vld1q_f32(all)};
}
CONVLET_INLINE void store_where(Mask m, float* p, Vec a) {
  std::uint32_t bits[4];
  float all[4];
  vst1q_u32(bits, m.m);
  vst1q_f32(all, a.v);
  for (int i = 0; i < 4; ++i) {
    if (bits[i]) p[i] = all[i];
  }
}
CONVLET_INLINE Vec fma_where(Mask m, Vec a, Vec b, Vec c) { return select(m, fma(a, b, c), c); }

CONVLET_INLINE Vec max(Vec a, Vec b) { return select({vcgtq_f32(a.v, b.v)}, a, b); }  // b where either is NaN
CONVLET_INLINE Vec min(Vec a, Vec b) { return select({vcltq_f32(a.v, b.v)}, a, b); }

CONVLET_INLINE void transpose(Vec (&r)[4]) {
  const float32x4x2_t a = vtrnq_f32(r[0].v, r[1].v), b = vtrnq_f32(r[2].v, r[3].v);
  r[0].v = vcombine_f32(vget_low_f32(a.val[0]), vget_low_f32(b.val[0]));
  r[1].v = vcombine_f32(vget_low_f32(a.val[1]), vget_low_f32(b.val[1]));
  r[2].v = vcombine_f32(vget_high_f32(a.val[0]), vget_high_f32(b.val[0]));
  r[3].v = vcombine_f32(vget_high_f32(a.val[1]), vget_high_f32(b.val[1]));
}

// Of 8 values, those with even and with odd index.
CONVLET_INLINE void split_pairs(Vec low, Vec high, Vec& even, Vec& odd) {
  even.v = vuzp1q_f32(low.v, high.v);
  odd.v = vuzp2q_f32(low.v, high.v);
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
}  // namespace convlet::neon
