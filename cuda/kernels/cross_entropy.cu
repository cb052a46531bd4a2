// Loss and gradient of class indices under softmax, over the classes of (outer, classes, inner). With p =
// softmax(logits), target t, class weights w and label smoothing s:
//
//   loss     = (1 - s) w_t (-ln p_t) + s / K sum over k of w_k (-ln p_k)
//   dlogit_k = scale ((1 - s) w_t (p_k - [k = t]) + s / K (p_k sum(w) - w_k)),   scale = 1 / (sum of w_t) for a mean
//
// Three kernels: the divisor, by one block; the rows, each by a thread or a warp as in softmax.cu; and the sum of the
// losses, by one block. The one block reads eight bytes a target, where a row reads all its classes. Right answers are
// counted by additions of whole numbers, which may come in any order.
#include "cuda/kernels/softmax.cuh"
#include "cuda/ops.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

constexpr int kSumThreads = 1024;

struct Loss {
  Classes shape;
  const float* weight;  // of the classes, or null for ones
  std::int64_t ignore_index;
  float hard, soft;  // 1 - s, s / K
  Reduction reduction;
  Divisor divide;

  __device__ float weight_of(std::int64_t k) const { return weight ? weight[k] : 1.0f; }
};

__global__ void divisor_kernel(const Loss loss, const std::int64_t* targets, double* divisor,
                               unsigned long long* correct) {
  const std::int64_t count = loss.shape.outer * loss.shape.inner;
  double sum = 0.0;
  if (loss.reduction == Reduction::Mean && loss.divide == Divisor::OfTargets) {
    for (std::int64_t n = threadIdx.x; n < count; n += kSumThreads) {
      if (targets[n] != loss.ignore_index) sum += static_cast<double>(loss.weight_of(targets[n]));
    }
  }
  sum = block_sum(sum, shared_memory<double>());
  if (threadIdx.x != 0) return;
  if (loss.divide == Divisor::OfTargets) *divisor = loss.reduction == Reduction::Mean ? sum : 1.0;
  *correct = 0;
}

// The loss of one row, in double precision, added in the order of the classes.
template <class Walk>
__device__ float loss_of(const Walk& walk, const Loss& loss, const ClassRow& x, const Scaled& s, std::int64_t target) {
  const double log_sum = log(static_cast<double>(s.sum)) + static_cast<double>(s.largest.value);
  double sum = static_cast<double>(loss.hard) * static_cast<double>(loss.weight_of(target)) *
               (log_sum - static_cast<double>(x[target]));
  if (loss.soft != 0.0f) {
    sum = walk.in_order(
        0, x.classes, sum,
        [&](std::int64_t k) {
          return static_cast<double>(loss.soft) * static_cast<double>(loss.weight_of(k)) *
                 (log_sum - static_cast<double>(x[k]));
        },
        [](double a, double b) { return a + b; });
  }
  return static_cast<float>(sum);
}

template <class Walk>
__device__ void gradient_of(const Walk& walk, const Loss& loss, const ClassRow& x, const Scaled& s, std::int64_t target,
                            float scale, float* dx) {
  const float a = scale * loss.hard * loss.weight_of(target), b = scale * loss.soft;
  // A sum of ones in single precision grows no further than 2^24.
  const float weight_sum = loss.weight ? walk.in_order(
                                             0, x.classes, 0.0f, [&](std::int64_t k) { return loss.weight[k]; },
                                             [](float sum, float w) { return sum + w; })
                                       : static_cast<float>(x.classes < (1 << 24) ? x.classes : 1 << 24);
  for (std::int64_t k = walk.lane(); k < x.classes; k += Walk::kLanes) {
    const float p = __fdiv_rn(exp_negative(x[k] - s.largest.value), s.sum);
    const float smooth = b * (p * weight_sum - loss.weight_of(k));
    dx[k * x.step] = fmaf(a, p - (k == target ? 1.0f : 0.0f), smooth);
  }
}

// Writes the loss and the gradient of a row; whether its largest logit is the target's.
template <class Walk>
__device__ bool walk_row(const Loss& loss, std::int64_t row, const float* logits, const std::int64_t* targets,
                         const double* divisor, float* losses, float* dlogits) {
  const Classes& shape = loss.shape;
  const std::int64_t first = row / shape.inner * shape.classes * shape.inner + row % shape.inner;
  const ClassRow x{logits + first, shape.classes, shape.inner};
  const std::int64_t target = targets[row];
  const Walk walk;
  if (target == loss.ignore_index) {
    if (walk.lane() == 0) losses[row] = 0.0f;
    for (std::int64_t k = walk.lane(); dlogits && k < x.classes; k += Walk::kLanes) dlogits[first + k * x.step] = 0.0f;
    return false;
  }
  const Scaled s = exponential_sum(walk, x);
  const float value = loss_of(walk, loss, x, s, target);
  if (walk.lane() == 0) losses[row] = value;
  if (dlogits) gradient_of(walk, loss, x, s, target, static_cast<float>(1.0 / *divisor), dlogits + first);
  return walk.lane() == 0 && s.largest.at == target;
}

template <class Walk>
__global__ void rows_kernel(const Loss loss, const float* logits, const std::int64_t* targets, const double* divisor,
                            float* losses, float* dlogits, unsigned long long* correct) {
  const std::int64_t row = Walk::row_of_grid();
  const bool right =
      row < loss.shape.outer * loss.shape.inner && walk_row<Walk>(loss, row, logits, targets, divisor, losses, dlogits);
  const int count = __syncthreads_count(right);
  if (threadIdx.x == 0 && count != 0) atomicAdd(correct, static_cast<unsigned long long>(count));
}

__global__ void loss_sum_kernel(const float* losses, std::int64_t count, double* sums,
                                const unsigned long long* correct) {
  double sum = 0.0;
  for (std::int64_t n = threadIdx.x; n < count; n += kSumThreads) sum += static_cast<double>(losses[n]);
  sum = block_sum(sum, shared_memory<double>());
  if (threadIdx.x != 0) return;
  sums[0] = sum;
  sums[1] = static_cast<double>(*correct);  // which was counted there
}

template <class Walk>
void walk_rows(Stream stream, const Loss& loss, const float* logits, const std::int64_t* targets,
               const LossBuffers& buffers, unsigned long long* correct) {
  Geometry geometry = line(loss.shape.outer * loss.shape.inner * Walk::kLanes, kRowThreads);
  geometry.shared_bytes = kRowThreads / Walk::kLanes * Walk::kShared;
  launch("cross_entropy", rows_kernel<Walk>, geometry, stream, loss, logits, targets, buffers.divisor, buffers.losses,
         buffers.dlogits, correct);
}

__global__ void bad_target_kernel(const std::int64_t* targets, std::int64_t count, std::int64_t classes,
                                  std::int64_t ignore_index, unsigned long long* bad) {
  const std::int64_t n = thread_of_grid();
  if (n >= count || targets[n] == ignore_index || (targets[n] >= 0 && targets[n] < classes)) return;
  atomicMin(bad, static_cast<unsigned long long>(n));
}

}  // namespace

void cross_entropy(Stream stream, const CrossEntropyLoss& op, const Classes& shape, const float* logits,
                   const std::int64_t* targets, const LossBuffers& buffers) {
  const float soft = op.label_smoothing / static_cast<float>(shape.classes);
  const Loss loss{shape, op.weight, op.ignore_index, 1.0f - op.label_smoothing, soft, op.reduction, buffers.divide};
  auto* correct = reinterpret_cast<unsigned long long*>(buffers.sums + 1);
  const Geometry one_block{dim3(1), dim3(kSumThreads), kSumThreads / kWarp * sizeof(double)};
  launch("cross_entropy", divisor_kernel, one_block, stream, loss, targets, buffers.divisor, correct);
  if (shape.inner == 1 && shape.classes > kLongRow) {
    walk_rows<WarpWalk>(stream, loss, logits, targets, buffers, correct);
  } else {
    walk_rows<ThreadWalk>(stream, loss, logits, targets, buffers, correct);
  }
  launch("cross_entropy", loss_sum_kernel, one_block, stream, buffers.losses, shape.outer * shape.inner, buffers.sums,
         correct);
}

void find_bad_target(Stream stream, const CrossEntropyLoss& loss, std::int64_t count, const std::int64_t* targets,
                     std::int64_t* bad) {
  // All bits set: -1, and the largest of the numbers that positions are compared as.
  check("cross_entropy", cudaMemsetAsync(bad, 0xff, sizeof *bad, stream));
  launch("cross_entropy", bad_target_kernel, line(count), stream, targets, count, loss.classes, loss.ignore_index,
         reinterpret_cast<unsigned long long*>(bad));
}

}  // namespace convlet::cuda
