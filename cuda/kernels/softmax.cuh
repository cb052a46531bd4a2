// What softmax and cross_entropy share: the maximum and the sum of exponentials of a row of classes, by one thread or
// by a warp. Additions are in the order of the classes either way, cut every kChain of them, as on the CPU: so the bits
// are the CPU's. A warp computes 32 exponentials side by side and adds them out of shared memory, every lane the same
// sum.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "convlet/tile.h"
#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/device.cuh"
#include "cuda/kernels/reduce.cuh"

namespace convlet::cuda {

constexpr int kRowThreads = 128;       // of a block, for rows of either kind
constexpr std::int64_t kLongRow = 32;  // classes above which a row takes a warp, where its classes are neighbours

// Class k of a row lies at first + k * step.
struct ClassRow {
  const float* first;
  std::int64_t classes, step;
  __device__ float operator[](std::int64_t k) const { return first[k * step]; }
};

struct Largest {
  float value;
  std::int64_t at;
};

// The later of two NaN wins, and the first of two equal values.
__device__ __forceinline__ Largest larger(const Largest& a, const Largest& b) {
  const bool in_order = a.at < b.at;
  const float first = in_order ? a.value : b.value, second = in_order ? b.value : a.value;
  return {greater_or_nan(second, first) ? second : first, (greater_or_nan(second, first) == in_order) ? b.at : a.at};
}

struct Scaled {
  Largest largest;
  float sum;  // of e^(x - largest)
};

// One thread walks the row.
struct ThreadWalk {
  static constexpr int kLanes = 1;
  static constexpr std::size_t kShared = 0;  // bytes of a walk
  __device__ static std::int64_t row_of_grid() { return thread_of_grid(); }
  __device__ ThreadWalk() {}
  __device__ int lane() const { return 0; }

  __device__ Largest largest(const ClassRow& x) const {
    Largest best{x[0], 0};
    for (std::int64_t k = 1; k < x.classes; ++k) {
      const float value = x[k];
      if (greater_or_nan(value, best.value)) best = {value, k};
    }
    return best;
  }

  // sum = add(sum, value(k)) for k from first to last - 1.
  template <class T, class Value, class Add>
  __device__ T in_order(std::int64_t first, std::int64_t last, T sum, Value&& value, Add&& add) const {
    for (std::int64_t k = first; k < last; ++k) sum = add(sum, value(k));
    return sum;
  }
};

// A warp walks the row, and all its lanes get the same results.
struct WarpWalk {
  static constexpr int kLanes = kWarp;
  static constexpr std::size_t kShared = kWarp * sizeof(double);
  __device__ static std::int64_t row_of_grid() { return thread_of_grid() / kWarp; }
  __device__ WarpWalk() : own_(shared_memory<double>() + threadIdx.x / kWarp * kWarp) {}
  __device__ int lane() const { return static_cast<int>(threadIdx.x % kWarp); }

  __device__ Largest largest(const ClassRow& x) const {
    Largest best{x[lane()], lane()};
    for (std::int64_t k = lane() + kWarp; k < x.classes; k += kWarp) best = larger(best, {x[k], k});
    for (int step = kWarp / 2; step > 0; step /= 2) {
      best = larger(best, {__shfl_xor_sync(kAllLanes, best.value, step), __shfl_xor_sync(kAllLanes, best.at, step)});
    }
    return best;
  }

  template <class T, class Value, class Add>
  __device__ T in_order(std::int64_t first, std::int64_t last, T sum, Value&& value, Add&& add) const {
    using Item = decltype(value(first));
    static_assert(sizeof(Item) <= sizeof(double), "a lane has room for so much");
    auto* items = reinterpret_cast<Item*>(own_);
    for (std::int64_t k = first; k < last; k += kWarp) {
      if (k + lane() < last) items[lane()] = value(k + lane());
      __syncwarp();
      if (last - k >= kWarp) {
#pragma unroll
        for (int i = 0; i < kWarp; ++i) sum = add(sum, items[i]);
      } else {
        for (int i = 0; i < last - k; ++i) sum = add(sum, items[i]);
      }
      __syncwarp();
    }
    return sum;
  }

 private:
  double* own_;
};

template <class Walk>
__device__ Scaled exponential_sum(const Walk& walk, const ClassRow& x) {
  const Largest largest = walk.largest(x);
  float sum = 0.0f;
  for (std::int64_t cut = 0; cut < x.classes; cut += kChain) {
    const std::int64_t end = x.classes - cut < kChain ? x.classes : cut + kChain;
    sum += walk.in_order(
        cut, end, 0.0f, [&](std::int64_t k) { return exp_negative(x[k] - largest.value); },
        [](float a, float b) { return a + b; });
  }
  return {largest, sum};
}

}  // namespace convlet::cuda
