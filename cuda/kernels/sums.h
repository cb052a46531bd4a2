// Sums over slots, and gradients of biases, in an order that depends on the shapes alone.
#pragma once

#include <cstdint>

#include "cuda/device.h"

namespace convlet::cuda {

// sums[i] = slots[0][i] + slots[1][i] + ..., in this order; slots (count, size).
void sum_slots(const char* name, Stream stream, const float* slots, std::int64_t count, std::int64_t size, float* sums);

// db[c] = sum over images and positions of dy (images, channels, plane).
void bias_gradient(const char* name, Stream stream, std::int64_t images, std::int64_t channels, std::int64_t plane,
                   const float* dy, float* scratch, float* db);
// Floats of scratch memory that it needs.
std::int64_t bias_scratch(std::int64_t images, std::int64_t channels, std::int64_t plane);

}  // namespace convlet::cuda
