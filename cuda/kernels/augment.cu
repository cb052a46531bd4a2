// augment: x[n] = image n of the batch, shifted, mirrored, turned and with a square left out (convlet/augment.h).
//
// One block takes a stretch of an image. Its first thread draws, the others read the transform from shared memory.
#include "cuda/batch.h"

#include "convlet/shapes.h"
#include "cuda/kernels/device.cuh"
#include "cuda/kernels/pixels.cuh"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

constexpr int kThreads = 256, kValues = 1024;  // of an image, that a block computes

__global__ void augment_kernel(Source source, Image shape, const Augment* augment, int parts, float* x,
                               std::int64_t* labels) {
  auto* transform = shared_memory<Transform>();
  const auto height = static_cast<std::int32_t>(shape.height), width = static_cast<std::int32_t>(shape.width);
  const std::int64_t n = blockIdx.x / parts, first = std::int64_t{blockIdx.x % parts} * kValues;
  const std::int64_t place = place_of(source, n), last = min(first + kValues, source.size);
  if (threadIdx.x == 0) {
    const Draw draw{source.draw->seed, source.draw->step + source.clock->step};
    *transform = transform_of(*augment, draw, place, height, width);
    if (first == 0) labels[n] = source.labels[place];
  }
  __syncthreads();
  const Transform t = *transform;
  for (std::int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
    const std::int64_t plane = place * source.size + i / shape.plane() * shape.plane();
    const auto within = static_cast<std::int32_t>(i % shape.plane());
    const auto pixel = [&](std::int32_t row, std::int32_t column) {
      return pixel_at(source, plane + std::int64_t{row} * width + column);
    };
    x[n * source.size + i] = augmented(t, height, width, within / width, within % width, pixel);
  }
}

}  // namespace

void augment(Stream stream, const Source& source, std::int64_t count, const Image& shape, const Augment* augment,
             float* x, std::int64_t* labels) {
  const std::int64_t parts = ceil_div(source.size, kValues);
  launch("augment", augment_kernel, {dim3(static_cast<unsigned>(count * parts)), dim3(kThreads), sizeof(Transform)},
         stream, source, shape, augment, static_cast<int>(parts), x, labels);
}

}  // namespace convlet::cuda
