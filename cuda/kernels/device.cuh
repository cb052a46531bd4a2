// What kernels share: their place in the grid, shared memory, and loops over items.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace convlet::cuda {

// The dynamic shared memory of the block, the only kind that kernels use: its size stands in the launch, where a test
// can hold it against the limits of a device.
template <class T>
__device__ __forceinline__ T* shared_memory() {
#ifdef CONVLET_CUDA_EMULATED
  return static_cast<T*>(emulated::shared_memory());
#else
  extern __shared__ __align__(16) unsigned char convlet_shared[];
  return reinterpret_cast<T*>(convlet_shared);
#endif
}

// The index of a thread in a grid of one dimension.
__device__ __forceinline__ std::int64_t thread_of_grid() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}

}  // namespace convlet::cuda
