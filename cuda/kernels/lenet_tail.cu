// The dense layers after the first, the loss and the way back, for a few images a block and with all weights in shared
// memory.
//
//   x[l + 1][o] = activation(b[o] + sum over i of w[o][i] x[l][i])          one chain from the bias, as the CPU's
//   loss and dlogits as in kernels/cross_entropy.cu
//   dx[l][i] = activation'(x[l][i]) sum over o of w[o][i] dy[l][o]
//
// Values lie by image: the inputs of layer 0, 1, ... and the logits, and their gradients in the same order.
#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/lenet.h"
#include "cuda/kernels/pixels.cuh"
#include "cuda/kernels/reduce.cuh"
#include "cuda/runtime.h"

namespace convlet::cuda::lenet {
namespace {

struct Images {  // of one block
  std::int64_t first;
  int count;
};

__device__ __forceinline__ Images images_of_block(std::int64_t count) {
  const std::int64_t first = std::int64_t{blockIdx.x} * kImagesOfTail;
  return {first, static_cast<int>(min(std::int64_t{kImagesOfTail}, count - first))};
}

// Rows of `width` values by image, between shared memory (an image every `stride`) and global memory.
__device__ __forceinline__ void load_rows(const Images& images, const float* from, int width, float* to, int stride) {
  for (int i = threadIdx.x; i < images.count * width; i += blockDim.x) {
    to[i / width * stride + i % width] = from[images.first * width + i];
  }
}

__device__ __forceinline__ void store_rows(const Images& images, const float* from, int stride, int width, float* to) {
  for (int i = threadIdx.x; i < images.count * width; i += blockDim.x) {
    to[images.first * width + i] = from[i / width * stride + i % width];
  }
}

// All weights, in rows of odd length, one layer behind the other.
__device__ __forceinline__ void load_weights(const Tail& t, const float* parameters, float* weights) {
  for (int l = 0; l < t.layers; ++l) {
    const Dense& d = t.dense[l];
    for (int i = threadIdx.x; i < d.inputs * d.outputs; i += blockDim.x) {
      weights[i / d.inputs * odd(d.inputs) + i % d.inputs] = parameters[d.weight + i];
    }
    weights += d.outputs * odd(d.inputs);
  }
}

__device__ __forceinline__ void forward(const Tail& t, const Images& images, const float* parameters,
                                        const float* weights, float* values, int stride) {
  for (int l = 0; l < t.layers; ++l) {
    const Dense& d = t.dense[l];
    for (int task = threadIdx.x; task < images.count * d.outputs; task += blockDim.x) {
      const int o = task % d.outputs;
      const float* x = values + task / d.outputs * stride;
      const float* w = weights + o * odd(d.inputs);
      float sum = d.bias < 0 ? 0.0f : parameters[d.bias + o];
      for (int i = 0; i < d.inputs; ++i) sum = fmaf(w[i], x[i], sum);
      values[task / d.outputs * stride + d.inputs + o] = activate(d.activation, sum);
    }
    __syncthreads();
    weights += d.outputs * odd(d.inputs);
    values += d.inputs;
  }
}

struct Target {
  std::int64_t label;
  float weight;  // of its class; 0 if it does not count
};

__device__ __forceinline__ Target target_of(const Source& source, std::int64_t n, const CrossEntropyLoss& loss) {
  const std::int64_t label = source.labels[place_of(source, n)];
  if (label == loss.ignore_index) return {-1, 0.0f};
  return {label, loss.weight ? loss.weight[label] : 1.0f};
}

struct Best {
  float value;
  int index;
};

// The larger of two, the first of equal ones; a NaN is larger than all before it.
__device__ __forceinline__ Best better(const Best& a, const Best& b) {
  const Best &earlier = a.index < b.index ? a : b, &later = a.index < b.index ? b : a;
  return greater_or_nan(later.value, earlier.value) ? later : earlier;
}

__device__ __forceinline__ Best warp_best(Best best) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    best =
        better(best, Best{__shfl_xor_sync(kAllLanes, best.value, step), __shfl_xor_sync(kAllLanes, best.index, step)});
  }
  return best;
}

struct Outcome {
  float loss, hit;
};

// The loss of one image's logits and their gradient, by one warp.
__device__ __forceinline__ Outcome loss_of(const CrossEntropyLoss& loss, const Target& target, double divisor,
                                           const float* logits, float* dlogits) {
  const int classes = static_cast<int>(loss.classes), lane = static_cast<int>(threadIdx.x % kWarp);
  const float hard = 1.0f - loss.label_smoothing, soft = loss.label_smoothing / static_cast<float>(classes);
  Best best{-INFINITY, -1};
  for (int k = lane; k < classes; k += kWarp) best = better(best, Best{logits[k], k});
  best = warp_best(best);
  float sum = 0.0f, weights = 0.0f;
  double smooth = 0.0;  // sum over k of weight[k] logits[k]
  for (int k = lane; k < classes; k += kWarp) {
    const float weight = loss.weight ? loss.weight[k] : 1.0f;
    sum += exp_negative(logits[k] - best.value);
    weights += weight;
    smooth += static_cast<double>(weight) * static_cast<double>(logits[k]);
  }
  sum = warp_sum(sum);
  weights = warp_sum(weights);
  smooth = warp_sum(smooth);
  const float scale = static_cast<float>(1.0 / divisor);
  const float slope = scale * hard * target.weight, smooth_slope = target.label < 0 ? 0.0f : scale * soft;
  for (int k = lane; k < classes; k += kWarp) {
    const float p = exp_negative(logits[k] - best.value) / sum;
    const float share = smooth_slope * (p * weights - (loss.weight ? loss.weight[k] : 1.0f));
    dlogits[k] = target.label < 0 ? 0.0f : fmaf(slope, p - (k == target.label ? 1.0f : 0.0f), share);
  }
  if (target.label < 0) return {0.0f, 0.0f};
  const double log_sum = log(static_cast<double>(sum)) + static_cast<double>(best.value);
  double value = static_cast<double>(hard) * static_cast<double>(target.weight) *
                 (log_sum - static_cast<double>(logits[target.label]));
  if (soft != 0.0f) value += static_cast<double>(soft) * (static_cast<double>(weights) * log_sum - smooth);
  return {static_cast<float>(value), best.index == target.label ? 1.0f : 0.0f};
}

// Gradients of every layer's input from those of the logits, and each layer's slope for its weight gradient. `values`
// and `slopes` point behind the logits' places; `weights` behind those of the last layer, which is where `values`
// begins.
__device__ __forceinline__ void backward(const Tail& t, Activation before, const Images& images, const float* weights,
                                         const float* values, float* slopes, int stride, const TailValues& out) {
  int end = t.values() - t.dense[t.layers - 1].outputs;  // of the inputs of layer l
  for (int l = t.layers - 1; l >= 0; --l) {
    const Dense& d = t.dense[l];
    weights -= d.outputs * odd(d.inputs);
    const int begin = end - d.inputs;
    store_rows(images, slopes + end, stride, d.outputs, out.slopes[l]);
    if (l > 0) store_rows(images, values + begin, stride, d.inputs, out.inputs[l]);
    const Activation activation = l > 0 ? t.dense[l - 1].activation : before;
    for (int task = threadIdx.x; task < images.count * d.inputs; task += blockDim.x) {
      const int i = task % d.inputs, at = task / d.inputs * stride;
      float sum = 0.0f;
      for (int o = 0; o < d.outputs; ++o) sum = fmaf(weights[o * odd(d.inputs) + i], slopes[at + end + o], sum);
      slopes[at + begin + i] = derivative(activation, sum, values[at + begin + i]);
    }
    __syncthreads();
    end = begin;
  }
  store_rows(images, slopes, stride, t.dense[0].inputs, out.d_input);
}

__global__ void __launch_bounds__(kThreads)
    tail_kernel(std::int64_t count, const __grid_constant__ Tail t, const float* __restrict__ parameters,
                const float* __restrict__ input, float* __restrict__ logits) {
  float* weights = shared_memory<float>();
  float* values = weights + t.weights();
  const int stride = t.values(), classes = t.dense[t.layers - 1].outputs;
  const Images images = images_of_block(count);
  load_weights(t, parameters, weights);
  load_rows(images, input, t.dense[0].inputs, values, stride);
  __syncthreads();
  forward(t, images, parameters, weights, values, stride);
  store_rows(images, values + stride - classes, stride, classes, logits);
}

__global__ void __launch_bounds__(kThreads)
    tail_with_loss_kernel(Source source, std::int64_t count, const __grid_constant__ Tail t, Activation before,
                          const float* __restrict__ parameters, const float* __restrict__ input, CrossEntropyLoss loss,
                          const double* __restrict__ divisor, const __grid_constant__ TailValues out) {
  float* weights = shared_memory<float>();
  const int stride = t.values(), classes = t.dense[t.layers - 1].outputs;
  float *values = weights + t.weights(), *slopes = values + kImagesOfTail * stride;
  const Images images = images_of_block(count);
  load_weights(t, parameters, weights);
  load_rows(images, input, t.dense[0].inputs, values, stride);
  __syncthreads();
  forward(t, images, parameters, weights, values, stride);

  const int warp = static_cast<int>(threadIdx.x / kWarp);
  if (warp < images.count) {
    const std::int64_t n = images.first + warp;
    const int at = warp * stride + stride - classes;
    const Outcome outcome = loss_of(loss, target_of(source, n, loss), *divisor, values + at, slopes + at);
    if (threadIdx.x % kWarp == 0) {
      out.losses[n] = outcome.loss;
      out.hits[n] = outcome.hit;
    }
  }
  __syncthreads();
  backward(t, before, images, values, values, slopes, stride, out);
}

Geometry geometry_of(std::int64_t count, const Tail& t) {
  const std::int64_t blocks = (count + kImagesOfTail - 1) / kImagesOfTail;
  return {dim3(static_cast<unsigned>(blocks)), dim3(kThreads), t.shared_floats() * sizeof(float)};
}

}  // namespace

void tail(Stream stream, std::int64_t count, const Tail& t, const float* parameters, const float* input,
          float* logits) {
  launch("lenet tail", tail_kernel, geometry_of(count, t), stream, count, t, parameters, input, logits);
}

void tail_with_loss(Stream stream, const Source& source, std::int64_t count, const Tail& t, Activation before,
                    const float* parameters, const float* input, const CrossEntropyLoss& loss, const double* divisor,
                    const TailValues& values) {
  launch("lenet tail with loss", tail_with_loss_kernel, geometry_of(count, t), stream, source, count, t, before,
         parameters, input, loss, divisor, values);
}

}  // namespace convlet::cuda::lenet
