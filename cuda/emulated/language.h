// CUDA's words in C++: qualifiers, vectors, the place of a thread, arithmetic, barriers, warps, atomics.
#pragma once

#include <math.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(bytes) __attribute__((aligned(bytes)))

// x, y, z, w of one type, aligned as CUDA aligns them.
#define CONVLET_VECTORS(name, type, align2, align4)                              \
  struct __align__(align2) name##2 { type x, y; };                               \
  struct name##3 { type x, y, z; };                                              \
  struct __align__(align4) name##4 { type x, y, z, w; };                         \
  constexpr name##2 make_##name##2(type x, type y) { return {x, y}; }            \
  constexpr name##3 make_##name##3(type x, type y, type z) { return {x, y, z}; } \
  constexpr name##4 make_##name##4(type x, type y, type z, type w) { return {x, y, z, w}; }

CONVLET_VECTORS(char, signed char, 2, 4)
CONVLET_VECTORS(uchar, unsigned char, 2, 4)
CONVLET_VECTORS(short, short, 4, 8)
CONVLET_VECTORS(ushort, unsigned short, 4, 8)
CONVLET_VECTORS(int, int, 8, 16)
CONVLET_VECTORS(uint, unsigned, 8, 16)
CONVLET_VECTORS(longlong, long long, 16, 16)
CONVLET_VECTORS(ulonglong, unsigned long long, 16, 16)
CONVLET_VECTORS(float, float, 8, 16)
CONVLET_VECTORS(double, double, 16, 16)
#undef CONVLET_VECTORS

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1) : x(width), y(height), z(depth) {}
};

namespace convlet::emulated {

// Constant for as long as a thread of the grid lives, so that the compiler may keep them in registers.
uint3 thread_index() noexcept __attribute__((const));
uint3 block_index() noexcept __attribute__((const));
dim3 block_size() noexcept __attribute__((const));
dim3 grid_size() noexcept __attribute__((const));

void* shared_memory() noexcept __attribute__((const));

enum class Barrier { Plain, Or, And, Count };
int wait_for_block(Barrier kind, int predicate);

// One thing that lanes of a warp do together, and what each brings to it.
enum class Collective { Sync, Shuffle, Ballot };
std::uint64_t wait_for_warp(Collective kind, unsigned lanes, std::uint64_t value, int source);

// The lane that a shuffle reads from, or its own where that lies outside of its part of `width` lanes.
int source_lane(int lane, int width);
int source_lane_up(int delta, int width);
int source_lane_down(int delta, int width);
int source_lane_xor(int bits, int width);

template <class T>
T shuffle(unsigned lanes, T value, int source) {
  static_assert(std::is_arithmetic_v<T> && sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof value);
  bits = wait_for_warp(Collective::Shuffle, lanes, bits, source);
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void fence() noexcept;

template <class To, class From>
To bits_of(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

}  // namespace convlet::emulated

#define threadIdx (::convlet::emulated::thread_index())
#define blockIdx (::convlet::emulated::block_index())
#define blockDim (::convlet::emulated::block_size())
#define gridDim (::convlet::emulated::grid_size())
constexpr int warpSize = 32;

inline void __syncthreads() { convlet::emulated::wait_for_block(convlet::emulated::Barrier::Plain, 0); }
inline int __syncthreads_or(int predicate) {
  return convlet::emulated::wait_for_block(convlet::emulated::Barrier::Or, predicate);
}
inline int __syncthreads_and(int predicate) {
  return convlet::emulated::wait_for_block(convlet::emulated::Barrier::And, predicate);
}
inline int __syncthreads_count(int predicate) {
  return convlet::emulated::wait_for_block(convlet::emulated::Barrier::Count, predicate);
}
inline void __syncwarp(unsigned lanes = 0xffffffff) {
  convlet::emulated::wait_for_warp(convlet::emulated::Collective::Sync, lanes, 0, 0);
}
inline void __threadfence() { convlet::emulated::fence(); }
inline void __threadfence_block() { convlet::emulated::fence(); }
inline void __threadfence_system() { convlet::emulated::fence(); }

template <class T>
T __shfl_sync(unsigned lanes, T value, int lane, int width = warpSize) {
  return convlet::emulated::shuffle(lanes, value, convlet::emulated::source_lane(lane, width));
}
template <class T>
T __shfl_up_sync(unsigned lanes, T value, unsigned delta, int width = warpSize) {
  return convlet::emulated::shuffle(lanes, value, convlet::emulated::source_lane_up(static_cast<int>(delta), width));
}
template <class T>
T __shfl_down_sync(unsigned lanes, T value, unsigned delta, int width = warpSize) {
  return convlet::emulated::shuffle(lanes, value, convlet::emulated::source_lane_down(static_cast<int>(delta), width));
}
template <class T>
T __shfl_xor_sync(unsigned lanes, T value, int bits, int width = warpSize) {
  return convlet::emulated::shuffle(lanes, value, convlet::emulated::source_lane_xor(bits, width));
}
inline unsigned __ballot_sync(unsigned lanes, int predicate) {
  return static_cast<unsigned>(
      convlet::emulated::wait_for_warp(convlet::emulated::Collective::Ballot, lanes, predicate != 0, 0));
}
inline int __any_sync(unsigned lanes, int predicate) { return __ballot_sync(lanes, predicate) != 0; }
inline int __all_sync(unsigned lanes, int predicate) { return __ballot_sync(lanes, predicate) == lanes; }

// int, unsigned and unsigned long long, as CUDA has them. Sums of floats depend on the order: not here.
template <class T>
T atomicAdd(T* address, std::common_type_t<T> value);
template <class T>
T atomicSub(T* address, std::common_type_t<T> value);
template <class T>
T atomicMax(T* address, std::common_type_t<T> value);
template <class T>
T atomicMin(T* address, std::common_type_t<T> value);
template <class T>
T atomicAnd(T* address, std::common_type_t<T> value);
template <class T>
T atomicOr(T* address, std::common_type_t<T> value);
template <class T>
T atomicExch(T* address, std::common_type_t<T> value);
template <class T>
T atomicCAS(T* address, std::common_type_t<T> expected, std::common_type_t<T> value);

inline float __fadd_rn(float a, float b) { return a + b; }
inline float __fsub_rn(float a, float b) { return a - b; }
inline float __fmul_rn(float a, float b) { return a * b; }
inline float __fdiv_rn(float a, float b) { return a / b; }
inline float __frcp_rn(float a) { return 1.0f / a; }
inline float __fsqrt_rn(float a) { return sqrtf(a); }
inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dsub_rn(double a, double b) { return a - b; }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __ddiv_rn(double a, double b) { return a / b; }
inline double __dsqrt_rn(double a) { return sqrt(a); }
inline double __fma_rn(double a, double b, double c) { return fma(a, b, c); }

inline int __float_as_int(float a) { return convlet::emulated::bits_of<int>(a); }
inline unsigned __float_as_uint(float a) { return convlet::emulated::bits_of<unsigned>(a); }
inline float __int_as_float(int a) { return convlet::emulated::bits_of<float>(a); }
inline float __uint_as_float(unsigned a) { return convlet::emulated::bits_of<float>(a); }
inline long long __double_as_longlong(double a) { return convlet::emulated::bits_of<long long>(a); }
inline double __longlong_as_double(long long a) { return convlet::emulated::bits_of<double>(a); }
inline int __float2int_rn(float a) { return static_cast<int>(nearbyintf(a)); }
inline int __float2int_rz(float a) { return static_cast<int>(a); }
inline float __int2float_rn(int a) { return static_cast<float>(a); }
inline float __uint2float_rn(unsigned a) { return static_cast<float>(a); }

inline int __popc(unsigned a) { return __builtin_popcount(a); }
inline int __popcll(unsigned long long a) { return __builtin_popcountll(a); }
inline int __clz(int a) { return a == 0 ? 32 : __builtin_clz(static_cast<unsigned>(a)); }
inline int __clzll(long long a) { return a == 0 ? 64 : __builtin_clzll(static_cast<unsigned long long>(a)); }
inline int __ffs(int a) { return __builtin_ffs(a); }
inline int __ffsll(long long a) { return __builtin_ffsll(a); }
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>(static_cast<std::uint64_t>(a) * b >> 32);
}

template <class T>
T __ldg(const T* address) {
  return *address;
}

// Both of one type; CUDA's own overloads convert as an operator does.
template <class T, class U>
constexpr std::common_type_t<T, U> min(T a, U b) {
  using Common = std::common_type_t<T, U>;
  return static_cast<Common>(a) < static_cast<Common>(b) ? static_cast<Common>(a) : static_cast<Common>(b);
}
template <class T, class U>
constexpr std::common_type_t<T, U> max(T a, U b) {
  using Common = std::common_type_t<T, U>;
  return static_cast<Common>(a) < static_cast<Common>(b) ? static_cast<Common>(b) : static_cast<Common>(a);
}
