// CUDA as this room uses it: errors as exceptions, and launches through one function.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <string>

#include "cuda/device.h"

namespace convlet::cuda {

[[noreturn]] void fail(const char* what, cudaError_t error);

// Throws what `error` says of the operation `what`.
inline void check(const char* what, cudaError_t error) {
  if (error != cudaSuccess) fail(what, error);
}

struct Geometry {
  dim3 grid, block;
  std::size_t shared_bytes = 0;  // dynamic
};

// Blocks of `threads` for so many items, one a thread.
inline Geometry line(std::int64_t items, unsigned threads = 256) {
  return {dim3(static_cast<unsigned>((items + threads - 1) / threads)), dim3(threads)};
}

// Queues a kernel: launch("conv2d", kernel<5>, geometry, stream, arguments...). Arguments are converted to the kernel's
// parameters. An empty grid is no launch.
template <class... Parameters, class... Arguments>
void launch(const char* name, void (*kernel)(Parameters...), const Geometry& geometry, Stream stream,
            Arguments... arguments) {
  if (geometry.grid.x == 0 || geometry.grid.y == 0 || geometry.grid.z == 0) return;
  auto* function = reinterpret_cast<const void*>(kernel);
  if (geometry.shared_bytes > 48 * 1024) {  // more than a block has without asking
    check(name, cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                     static_cast<int>(geometry.shared_bytes)));
  }
#ifdef CONVLET_CUDA_EMULATED
  check(name, emulated::launch(name, kernel, geometry.grid, geometry.block, geometry.shared_bytes, stream,
                               static_cast<Parameters>(arguments)...));
#else
  [&](Parameters... values) {
    void* pointers[] = {&values..., nullptr};
    check(name, cudaLaunchKernel(function, geometry.grid, geometry.block, pointers, geometry.shared_bytes, stream));
  }(static_cast<Parameters>(arguments)...);
#endif
}

}  // namespace convlet::cuda
