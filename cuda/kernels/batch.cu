// The bookkeeping of a batch: gathering its images, the divisor of its loss, its totals.
#include "cuda/batch.h"

#include <algorithm>

#include "convlet/shapes.h"
#include "cuda/kernels/pixels.cuh"
#include "cuda/kernels/reduce.cuh"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

constexpr int kThreads = 256, kValues = 1024;  // of an image, that a block gathers

// x[n][i] = pixel i of image n of the batch
__global__ void gather_kernel(Source source, int parts, float* x, std::int64_t* targets) {
  const std::int64_t n = blockIdx.x / parts, first = std::int64_t{blockIdx.x % parts} * kValues;
  const std::int64_t place = place_of(source, n), last = min(first + kValues, source.size);
  for (std::int64_t i = first + threadIdx.x; i < last; i += blockDim.x) {
    x[n * source.size + i] = pixel_at(source, place * source.size + i);
  }
  if (targets && first == 0 && threadIdx.x == 0) targets[n] = source.labels[place];
}

__global__ void begin_step_kernel(const Cursor* cursor, const StepRates* rates, StepRates* now) {
  *now = rates[cursor->step];
}

// One block: the sum of the class weights of the labels that count.
__global__ void batch_divisor_kernel(Source source, std::int64_t count, CrossEntropyLoss loss, double* divisor) {
  double sum = 0.0;
  for (std::int64_t n = threadIdx.x; n < count; n += blockDim.x) {
    const std::int64_t label = source.labels[place_of(source, n)];
    if (label != loss.ignore_index) sum += loss.weight ? static_cast<double>(loss.weight[label]) : 1.0;
  }
  sum = block_sum(sum, shared_memory<double>());
  if (threadIdx.x == 0) *divisor = loss.reduction == Reduction::Mean ? sum : 1.0;
}

// One block: thread t sums the images t, t + threads, ..., then the threads are summed in order.
__global__ void sum_losses_kernel(const float* losses, const float* hits, std::int64_t count, double* sums) {
  double loss = 0.0, hit = 0.0;
  for (std::int64_t n = threadIdx.x; n < count; n += blockDim.x) {
    loss += static_cast<double>(losses[n]);
    hit += static_cast<double>(hits[n]);
  }
  loss = block_sum(loss, shared_memory<double>());
  hit = block_sum(hit, shared_memory<double>() + kThreads / kWarp);
  if (threadIdx.x == 0) {
    sums[0] = loss;
    sums[1] = hit;
  }
}

__global__ void finish_step_kernel(Cursor* cursor, std::int64_t count, Reduction reduction, const double* divisor,
                                   const double* sums, DeviceTotals* totals) {
  const auto images = static_cast<double>(count);
  double loss = sums[0];
  if (reduction == Reduction::Mean && *divisor > 0.0 && *divisor != images) loss *= images / *divisor;
  totals->steps += 1.0;
  totals->images += images;
  totals->loss_sum += loss;
  totals->correct += sums[1];
  cursor->position += count;
  cursor->step += 1;
}

__global__ void pack_figures_kernel(const double* sums, const float* wish, float* figures) {
  figures[0] = static_cast<float>(sums[0]);
  figures[1] = static_cast<float>(sums[1]);
  figures[2] = *wish;
}

__global__ void unpack_figures_kernel(const float* figures, double* sums) {
  sums[0] = static_cast<double>(figures[0]);
  sums[1] = static_cast<double>(figures[1]);
}

// A block sums 32 neighbouring values, 8 threads to a value: thread g the slots g, g + 8, ..., then the 8 in order.
// With 256 slots of LeNet's 2,572 values that is 81 blocks, each thread 32 loads that do not wait for each other.
constexpr int kNeighbours = 32, kShares = kThreads / kNeighbours;

__global__ void sum_slots_kernel(const float* slots, std::int64_t count, std::int64_t stride, std::int64_t values,
                                 float* gradients) {
  float* shared = shared_memory<float>();
  const int share = threadIdx.x / kNeighbours, neighbour = threadIdx.x % kNeighbours;
  const std::int64_t i = std::int64_t{blockIdx.x} * kNeighbours + neighbour;
  float sum = 0.0f;
  if (i < values) {
    for (std::int64_t slot = share; slot < count; slot += kShares) sum += slots[slot * stride + i];
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  if (share > 0 || i >= values) return;
  for (int s = 1; s < kShares; ++s) sum += shared[s * kNeighbours + neighbour];
  gradients[i] = sum;
}

constexpr std::size_t kWarpSums = kThreads / kWarp * sizeof(double);

}  // namespace

void gather(Stream stream, const Source& source, std::int64_t count, float* x, std::int64_t* targets) {
  Source wanted = source;
  if (!x) wanted.size = 0;
  const std::int64_t parts = std::max<std::int64_t>(1, ceil_div(wanted.size, kValues));
  launch("gather", gather_kernel, {dim3(static_cast<unsigned>(count * parts)), dim3(kThreads)}, stream, wanted,
         static_cast<int>(parts), x, targets);
}

void begin_step(Stream stream, const Cursor* cursor, const StepRates* rates, StepRates* now) {
  launch("begin of a step", begin_step_kernel, {dim3(1), dim3(1)}, stream, cursor, rates, now);
}

void batch_divisor(Stream stream, const Source& source, std::int64_t count, const CrossEntropyLoss& loss,
                   double* divisor) {
  launch("divisor of a batch", batch_divisor_kernel, {dim3(1), dim3(kThreads), kWarpSums}, stream, source, count, loss,
         divisor);
}

void sum_losses(Stream stream, const float* losses, const float* hits, std::int64_t count, double* sums) {
  launch("sum of losses", sum_losses_kernel, {dim3(1), dim3(kThreads), 2 * kWarpSums}, stream, losses, hits, count,
         sums);
}

void finish_step(Stream stream, Cursor* cursor, std::int64_t count, Reduction reduction, const double* divisor,
                 const double* sums, DeviceTotals* totals) {
  launch("end of a step", finish_step_kernel, {dim3(1), dim3(1)}, stream, cursor, count, reduction, divisor, sums,
         totals);
}

void pack_figures(Stream stream, const double* sums, const float* wish, float* figures) {
  launch("figures of a step", pack_figures_kernel, {dim3(1), dim3(1)}, stream, sums, wish, figures);
}

void unpack_figures(Stream stream, const float* figures, double* sums) {
  launch("figures of a step", unpack_figures_kernel, {dim3(1), dim3(1)}, stream, figures, sums);
}

void sum_slots(Stream stream, const float* slots, std::int64_t count, std::int64_t stride, std::int64_t values,
               float* gradients) {
  const auto blocks = static_cast<unsigned>((values + kNeighbours - 1) / kNeighbours);
  launch("sum of slots", sum_slots_kernel, {dim3(blocks), dim3(kThreads), kThreads * sizeof(float)}, stream, slots,
         count, stride, values, gradients);
}

}  // namespace convlet::cuda
