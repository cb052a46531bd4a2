// Bytes of images as floats: x[i] = pixels[i] / 255, correctly rounded.
//
// With 1/255 in two parts, of which the product with the first is exact, all 256 results are those of a division: the
// CPU's formula, and a quarter of a division's instructions.
#include "cuda/kernels/pack.cuh"

#include "cuda/ops.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

__device__ __forceinline__ float unit_interval(std::uint8_t byte) {
  const auto pixel = static_cast<float>(byte);
  return fmaf(pixel, 0x1.010102p-24f, pixel * 0x1.01p-8f);
}

template <int Width>
__global__ void scale_bytes_kernel(const std::uint8_t* pixels, std::int64_t count, float* x) {
  const std::int64_t first = thread_of_grid() * Width;
  if (first + Width <= count) {
    const auto bytes = *reinterpret_cast<const Pack<std::uint8_t, Width>*>(pixels + first);
    float value[Width];
#pragma unroll
    for (int i = 0; i < Width; ++i) value[i] = unit_interval(bytes.at[i]);
    store_pack<Width>(x + first, value);
    return;
  }
  for (std::int64_t i = first; i < count; ++i) x[i] = unit_interval(pixels[i]);
}

}  // namespace

void scale_bytes(Stream stream, const std::uint8_t* pixels, std::int64_t count, float* x) {
  if (reinterpret_cast<std::uintptr_t>(pixels) % 4 == 0 && aligned(x)) {
    launch("scale_bytes", scale_bytes_kernel<4>, line((count + 3) / 4), stream, pixels, count, x);
  } else {
    launch("scale_bytes", scale_bytes_kernel<1>, line(count), stream, pixels, count, x);
  }
}

}  // namespace convlet::cuda
