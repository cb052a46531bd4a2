// Sums over the threads of a warp and of a block, in an order that never changes: lane n and lane n + 16, then 8, 4, 2,
// 1; then the warps in order.
#pragma once

#include <cuda_runtime.h>

#include "cuda/kernels/device.cuh"

namespace convlet::cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// Every lane gets the sum. Each level adds the same two values in either lane, so all lanes hold the same bits.
template <class T>
__device__ __forceinline__ T warp_sum(T value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) value += __shfl_xor_sync(kAllLanes, value, step);
  return value;
}

// Thread 0 gets the sum of a block of whole warps; `shared` has room for a value a warp, and nobody else uses it.
template <class T>
__device__ __forceinline__ T block_sum(T value, T* shared) {
  value = warp_sum(value);
  const unsigned warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  if (threadIdx.x % kWarp == 0) shared[warp] = value;
  __syncthreads();
  T sum{};
  if (threadIdx.x == 0) {
    for (unsigned i = 0; i < warps; ++i) sum += shared[i];
  }
  return sum;
}

}  // namespace convlet::cuda
