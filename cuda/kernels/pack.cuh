// Neighbouring floats that are read and written together: 4 of them are one instruction of 16 bytes.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/kernels/device.cuh"

namespace convlet::cuda {

template <class T, int Width>
struct alignas(sizeof(T) * Width) Pack {
  T at[Width];
};

// Whether a pack of so many floats may start there.
inline __host__ __device__ bool aligned(const void* p, int width = 4) {
  return reinterpret_cast<std::uintptr_t>(p) % (sizeof(float) * static_cast<unsigned>(width)) == 0;
}

template <int Width>
__device__ __forceinline__ void load_pack(const float* from, float* values) {
  const auto pack = *reinterpret_cast<const Pack<float, Width>*>(from);
#pragma unroll
  for (int i = 0; i < Width; ++i) values[i] = pack.at[i];
}

template <int Width>
__device__ __forceinline__ void store_pack(float* to, const float* values) {
  Pack<float, Width> pack;
#pragma unroll
  for (int i = 0; i < Width; ++i) pack.at[i] = values[i];
  *reinterpret_cast<Pack<float, Width>*>(to) = pack;
}

}  // namespace convlet::cuda
