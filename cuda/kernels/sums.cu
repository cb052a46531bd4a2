// Sums over slots, and gradients of biases.
//
//   db[c] = sum over images n and positions p of dy[n][c][p];  dy (N, C, P), P = 1 for dense layers
//
// A block sums one slot of one channel (or of 32 of them, where P = 1): its eight warps take stretches of the slot in
// turn. Each stretch is a chain by itself, so that no chain is longer than some hundred additions; the totals of lanes,
// warps and slots are added in order.
#include "cuda/kernels/sums.h"

#include <algorithm>

#include "convlet/shapes.h"
#include "cuda/kernels/device.cuh"
#include "cuda/kernels/reduce.cuh"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

constexpr int kWarps = 8;
constexpr std::int64_t kPositions = 4096, kRows = 256;  // of a stretch: 128 additions a lane, 256 a thread

__global__ void sum_slots_kernel(const float* slots, std::int64_t count, std::int64_t size, float* sums) {
  const std::int64_t i = thread_of_grid();
  if (i >= size) return;
  float sum = 0.0f;
#pragma unroll 4
  for (std::int64_t s = 0; s < count; ++s) sum += slots[s * size + i];
  sums[i] = sum;
}

// How a channel's positions are split.
struct BiasSplit {
  std::int64_t stretches, stretches_of_plane, stretches_of_slot, slots;
};

// A slot has at least eight stretches a warp; more than 256 slots would keep those waiting who add them.
BiasSplit split_of(std::int64_t images, std::int64_t plane) {
  BiasSplit split{};
  split.stretches_of_plane = plane == 1 ? 1 : ceil_div(plane, kPositions);
  split.stretches = plane == 1 ? ceil_div(images, kRows) : images * split.stretches_of_plane;
  split.stretches_of_slot = std::max<std::int64_t>(plane == 1 ? kWarps : 8 * kWarps, ceil_div(split.stretches, 256));
  split.slots = std::max<std::int64_t>(1, ceil_div(split.stretches, split.stretches_of_slot));
  return split;
}

__global__ void plane_sums_kernel(const float* dy, std::int64_t channels, std::int64_t plane, BiasSplit split,
                                  float* sums) {
  auto* shared = shared_memory<float>();
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t channel = blockIdx.x % channels, first = blockIdx.x / channels * split.stretches_of_slot;
  const std::int64_t last = min(first + split.stretches_of_slot, split.stretches);
  float total = 0.0f;
  for (std::int64_t s = first + warp; s < last; s += kWarps) {
    const std::int64_t image = s / split.stretches_of_plane, begin = s % split.stretches_of_plane * kPositions;
    const float* row = dy + (image * channels + channel) * plane + begin;
    const int positions = static_cast<int>(min(kPositions, plane - begin));
    float sum = 0.0f;
#pragma unroll 4
    for (int p = lane; p < positions; p += kWarp) sum += row[p];
    total += sum;
  }
  total = block_sum(total, shared);
  if (threadIdx.x == 0) sums[blockIdx.x] = total;
}

// Lanes are neighbouring channels.
__global__ void column_sums_kernel(const float* dy, std::int64_t rows, std::int64_t channels, BiasSplit split,
                                   float* sums) {
  auto* shared = shared_memory<float>();
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t across = (channels + kWarp - 1) / kWarp, slot = blockIdx.x / across;
  const std::int64_t channel = blockIdx.x % across * kWarp + lane, first = slot * split.stretches_of_slot;
  const std::int64_t last = min(first + split.stretches_of_slot, split.stretches);
  float total = 0.0f;
  for (std::int64_t s = first + warp; s < last && channel < channels; s += kWarps) {
    const std::int64_t end = min((s + 1) * kRows, rows);
    float sum = 0.0f;
#pragma unroll 4
    for (std::int64_t n = s * kRows; n < end; ++n) sum += dy[n * channels + channel];
    total += sum;
  }
  shared[threadIdx.x] = total;
  __syncthreads();
  if (warp != 0 || channel >= channels) return;
  float sum = 0.0f;
  for (int w = 0; w < kWarps; ++w) sum += shared[w * kWarp + lane];
  sums[slot * channels + channel] = sum;
}

}  // namespace

void sum_slots(const char* name, Stream stream, const float* slots, std::int64_t count, std::int64_t size,
               float* sums) {
  launch(name, sum_slots_kernel, line(size), stream, slots, count, size, sums);
}

std::int64_t bias_scratch(std::int64_t images, std::int64_t channels, std::int64_t plane) {
  const std::int64_t slots = split_of(images, plane).slots;
  return slots > 1 ? slots * channels : 0;
}

void bias_gradient(const char* name, Stream stream, std::int64_t images, std::int64_t channels, std::int64_t plane,
                   const float* dy, float* scratch, float* db) {
  const BiasSplit split = split_of(images, plane);
  float* sums = split.slots > 1 ? scratch : db;
  const std::int64_t blocks = split.slots * (plane == 1 ? ceil_div(channels, kWarp) : channels);
  const Geometry geometry{dim3(static_cast<unsigned>(blocks)), dim3(kWarps * kWarp),
                          kWarps * (plane == 1 ? kWarp : 1) * sizeof(float)};
  if (plane == 1) {
    launch(name, column_sums_kernel, geometry, stream, dy, images, channels, split, sums);
  } else {
    launch(name, plane_sums_kernel, geometry, stream, dy, channels, plane, split, sums);
  }
  if (split.slots > 1) sum_slots(name, stream, scratch, split.slots, channels, db);
}

}  // namespace convlet::cuda
