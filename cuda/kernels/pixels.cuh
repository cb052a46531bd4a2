// Where an image of a batch lies, and its pixels as numbers.
#pragma once

#include <cuda_runtime.h>

#include "cuda/batch.h"

namespace convlet::cuda {

// The place in its set of image n of the batch.
__device__ __forceinline__ std::int64_t place_of(const Source& source, std::int64_t n) {
  const std::int64_t position = source.cursor->position + source.first + n;
  return source.order ? source.order[position] : position;
}

// A pixel as a number: bytes times 1/255, correctly rounded as on the CPU.
__device__ __forceinline__ float pixel_at(const Source& source, std::int64_t index) {
  if (source.bytes)
    return __fdiv_rn(static_cast<float>(static_cast<const std::uint8_t*>(source.images)[index]), 255.0f);
  return static_cast<const float*>(source.images)[index];
}

}  // namespace convlet::cuda
