// Backward pass of the LeNet family's features: a block carries one image back through both rounds in shared memory,
// and adds its weight gradients to the sums of its images, which end in the block's slot.
//
//   dconv2 = unpool(doutput) activation'          dw2[o][c][kh][kw] = sum of dconv2[o][p] middle[c][p + (kh, kw)]
//   dmiddle[c][p] = sum of w2[o][c][kh][kw] dconv2[o][p - (kh, kw)]
//   dconv1 = unpool(dmiddle) activation'          dw1 as dw2, from the image
//
// Block b takes the images b, b + blocks, ... in this order, and the number of blocks depends on the batch alone: the
// same bits on every GPU.
#include "cuda/kernels/lenet.h"
#include "cuda/kernels/lenet_round.cuh"
#include "cuda/kernels/reduce.cuh"
#include "cuda/runtime.h"

namespace convlet::cuda::lenet {
namespace {

// slope = unpool(dpooled) activation'(saved), `border` columns from the left end of its rows; what no window covers is
// left as it is.
template <class Slope>
__device__ __forceinline__ void backward_of_pooling(const Round& r, const float* saved, float* shared, const Planes& to,
                                                    int border, Slope&& dpooled) {
  for (int i = threadIdx.x; i < r.channels * r.positions(); i += blockDim.x) {
    const int c = i / r.positions(), row = i % r.positions() / r.width, column = i % r.width;
    const float* y = saved + (c * r.conv_rows() + 2 * row) * r.conv_columns() + 2 * column;
    const Window window{{{y[0], y[1]}, {y[r.conv_columns()], y[r.conv_columns() + 1]}}};
    const Window slope = pool_backward(r.pooling, window, dpooled(i));
    float* out = shared + to.at + c * to.plane + 2 * row * to.row + border + 2 * column;
#pragma unroll
    for (int tap = 0; tap < 4; ++tap) {
      out[tap / 2 * to.row + tap % 2] =
          derivative(r.activation, slope.at[tap / 2][tap % 2], window.at[tap / 2][tap % 2]);
    }
  }
}

// A share of the gradient of a convolution's input: task t computes kStrip neighbours in a row of kStripChannels
// channels, summed over one of the `parts` ranges of output channels. Rows of taps that meet no slope are skipped;
// columns beyond the slope are zeros.
template <int K>
__device__ __forceinline__ void gradient_of_middle(const Round& r, const BackwardLayout& l, float* shared, int task) {
  const int channels = round_to(r.channels_in, kStripChannels);
  const int strips = round_to(r.width_in, kStrip) / kStrip, pairs = channels / kStripChannels;
  const int j = task % strips * kStrip, c = task / strips % pairs * kStripChannels;
  const int i = task / (strips * pairs) % r.height_in, part = task / (strips * pairs * r.height_in);
  const int range = round_to(r.channels, l.parts) / l.parts, end = min(r.channels, (part + 1) * range);
  float sum[kStripChannels][kStrip] = {};
  for (int o = part * range; o < end; ++o) {
    for (int kh = 0; kh < K; ++kh) {
      const int row = i + r.top - kh;
      if (row < 0 || row >= r.conv_rows()) continue;
      const float* slope =
          shared + l.second_slope.at + o * l.second_slope.plane + row * l.second_slope.row + j + r.left;
      float line[kStrip + K - 1];
#pragma unroll
      for (int k = 0; k < kStrip + K - 1; ++k) line[k] = slope[k];
#pragma unroll
      for (int kw = 0; kw < K; ++kw) {
        float tap[kStripChannels];
        load_vector(shared + l.weights + ((o * K + kh) * K + kw) * channels + c, tap);
#pragma unroll
        for (int m = 0; m < kStripChannels; ++m) {
#pragma unroll
          for (int k = 0; k < kStrip; ++k) sum[m][k] = fmaf(tap[m], line[k + K - 1 - kw], sum[m][k]);
        }
      }
    }
  }
  float* out = shared + l.between + part * r.channels_in * r.height_in * r.width_in;
#pragma unroll
  for (int m = 0; m < kStripChannels; ++m) {
#pragma unroll
    for (int k = 0; k < kStrip; ++k) {
      if (c + m < r.channels_in && j + k < r.width_in) {
        out[((c + m) * r.height_in + i) * r.width_in + j + k] = sum[m][k];
      }
    }
  }
}

// sum[m][kw] += dw[o + m][c][kh][kw] over the rows first .. last - 1 of the slope: x and slope point at row 0 of their
// channel, the slope's channels are `plane` apart. Columns beyond the convolution are zeros in the slope.
template <int K, int Outputs>
__device__ __forceinline__ void gradient_of_weights(const float* x, int x_row, const float* slope, int slope_row,
                                                    int plane, int first, int last, int columns,
                                                    float (&sum)[Outputs][K]) {
  for (int i = first; i < last; ++i) {
    for (int j = 0; j < columns; j += kRun) {
      float line[kRun + K - 1];
#pragma unroll
      for (int k = 0; k < kRun + K - 1; ++k) line[k] = x[i * x_row + j + k];
#pragma unroll
      for (int m = 0; m < Outputs; ++m) {
#pragma unroll
        for (int k = 0; k < kRun; ++k) {
          const float dy = slope[m * plane + i * slope_row + j + k];
#pragma unroll
          for (int kw = 0; kw < K; ++kw) sum[m][kw] = fmaf(dy, line[k + kw], sum[m][kw]);
        }
      }
    }
  }
}

// sums[o] += sum of the slope's channel o, a warp a channel.
__device__ __forceinline__ void gradient_of_bias(const Round& r, const float* shared, const Planes& slope, int border,
                                                 float* sums) {
  for (int o = threadIdx.x / kWarp; o < r.channels; o += kThreads / kWarp) {
    float sum = 0.0f;
    for (int p = threadIdx.x % kWarp; p < r.conv_positions(); p += kWarp) {
      sum += shared[slope.at + o * slope.plane + p / r.conv_columns() * slope.row + border + p % r.conv_columns()];
    }
    sum = warp_sum(sum);
    if (threadIdx.x % kWarp == 0) sums[o] += sum;
  }
}

// The gradients that need the slope of the second convolution: tasks for the middle, then for the weights.
template <int K>
__device__ __forceinline__ void second_gradients(const Features& f, const BackwardLayout& l, float* shared) {
  const Round& r = f.second;
  float* dw = shared + l.sums + f.weights(f.first) + f.first.channels;
  const int strips = round_to(r.width_in, kStrip) / kStrip * r.height_in;
  const int of_middle = strips * round_to(r.channels_in, kStripChannels) / kStripChannels * l.parts;
  const int of_weights = round_to(r.channels, kSecondOutputs) / kSecondOutputs * r.channels_in * K;
  for (int task = threadIdx.x; task < of_middle + of_weights; task += blockDim.x) {
    if (task < of_middle) {
      gradient_of_middle<K>(r, l, shared, task);
      continue;
    }
    const int kh = (task - of_middle) % K, c = (task - of_middle) / K % r.channels_in;
    const int o = (task - of_middle) / (K * r.channels_in) * kSecondOutputs;
    float sum[kSecondOutputs][K] = {};
    gradient_of_weights<K>(shared + l.middle.at + c * l.middle.plane + kh * l.middle.row, l.middle.row,
                           shared + l.second_slope.at + o * l.second_slope.plane + K - 1, l.second_slope.row,
                           l.second_slope.plane, 0, r.conv_rows(), r.conv_columns(), sum);
#pragma unroll
    for (int m = 0; m < kSecondOutputs; ++m) {
#pragma unroll
      for (int kw = 0; kw < K; ++kw) {
        if (o + m < r.channels) dw[((o + m) * r.channels_in + c) * K * K + kh * K + kw] += sum[m][kw];
      }
    }
  }
  gradient_of_bias(r, shared, l.second_slope, K - 1, dw + f.weights(r));
}

// Those of the first round's weights, by ranges of rows, so that all threads have work.
template <int K>
__device__ __forceinline__ void first_gradients(const Features& f, const BackwardLayout& l, float* shared) {
  const Round& r = f.first;
  const int range = round_to(r.conv_rows(), l.groups) / l.groups, weights = static_cast<int>(f.weights(r));
  const int runs = round_to(r.channels, kFirstOutputs) / kFirstOutputs * r.channels_in * K;
  for (int task = threadIdx.x; task < runs * l.groups; task += blockDim.x) {
    const int kh = task % K, c = task / K % r.channels_in;
    const int o = task % runs / (K * r.channels_in) * kFirstOutputs, group = task / runs;
    float sum[kFirstOutputs][K] = {};
    gradient_of_weights<K>(shared + l.image.at + c * l.image.plane + kh * l.image.row, l.image.row,
                           shared + l.first_slope.at + o * l.first_slope.plane, l.first_slope.row, l.first_slope.plane,
                           group * range, min((group + 1) * range, r.conv_rows()), r.conv_columns(), sum);
#pragma unroll
    for (int m = 0; m < kFirstOutputs; ++m) {
#pragma unroll
      for (int kw = 0; kw < K; ++kw) {
        if (o + m >= r.channels) continue;
        shared[l.partial + group * weights + ((o + m) * r.channels_in + c) * K * K + kh * K + kw] = sum[m][kw];
      }
    }
  }
  gradient_of_bias(r, shared, l.first_slope, 0, shared + l.sums + weights);
  __syncthreads();
  for (int i = threadIdx.x; i < weights; i += blockDim.x) {
    float sum = 0.0f;
    for (int group = 0; group < l.groups; ++group) sum += shared[l.partial + group * weights + i];
    shared[l.sums + i] += sum;
  }
}

template <int K>
__global__ void __launch_bounds__(kThreads)
    features_backward_kernel(Source source, std::int64_t count, Features f, BackwardLayout l,
                             const float* __restrict__ parameters, Saved saved, const float* __restrict__ d_output,
                             float* __restrict__ slots) {
  float* shared = shared_memory<float>();
  const Round &first = f.first, &second = f.second;
  const int map = first.channels * first.positions(), size = static_cast<int>(f.output());
  const int channels = round_to(first.channels, kStripChannels);
  for (int i = threadIdx.x; i < second.channels * K * K * channels; i += blockDim.x) {
    const int c = i % channels, tap = i / channels % (K * K), o = i / (channels * K * K);
    const float* w = parameters + second.weight + (o * first.channels + c) * K * K + tap;
    shared[l.weights + i] = c < first.channels ? *w : 0.0f;
  }
  for (int i = threadIdx.x; i < static_cast<int>(f.slot()); i += blockDim.x) shared[l.sums + i] = 0.0f;

  for (std::int64_t n = blockIdx.x; n < count; n += gridDim.x) {
    for (int i = threadIdx.x; i < l.second_slope.size(); i += blockDim.x) shared[l.second_slope.at + i] = 0.0f;
    load_planes(shared, l.middle, second, [&](int i) { return saved.middle[n * map + i]; });
    __syncthreads();
    backward_of_pooling(second, saved.second + n * size * 4, shared, l.second_slope, K - 1,
                        [&](int i) { return d_output[n * size + i]; });
    __syncthreads();
    second_gradients<K>(f, l, shared);
    __syncthreads();
    for (int i = threadIdx.x; i < map; i += blockDim.x) {
      float sum = shared[l.between + i];
      for (int part = 1; part < l.parts; ++part) sum += shared[l.between + part * map + i];
      shared[l.between + i] = sum;
    }
    for (int i = threadIdx.x; i < l.first_slope.size(); i += blockDim.x) shared[l.first_slope.at + i] = 0.0f;
    __syncthreads();
    load_image(source, n, shared, l.image, first);
    backward_of_pooling(first, saved.first + n * map * 4, shared, l.first_slope, 0,
                        [&](int i) { return shared[l.between + i]; });
    __syncthreads();
    first_gradients<K>(f, l, shared);
  }
  for (int i = threadIdx.x; i < static_cast<int>(f.slot()); i += blockDim.x) {
    slots[blockIdx.x * f.slot() + i] = shared[l.sums + i];
  }
}

}  // namespace

std::int64_t slots_of(std::int64_t count) { return count < kMostBlocks ? count : kMostBlocks; }

void features_backward(Stream stream, const Source& source, std::int64_t count, const Features& f,
                       const float* parameters, const Saved& saved, const float* d_output, float* slots) {
  const BackwardLayout l = backward_layout(f);
  const Geometry geometry{dim3(static_cast<unsigned>(slots_of(count))), dim3(kThreads), l.size * sizeof(float)};
  const auto kernel = f.kernel == 5 ? features_backward_kernel<5> : features_backward_kernel<3>;
  launch("lenet features backward", kernel, geometry, stream, source, count, f, l, parameters, saved, d_output, slots);
}

}  // namespace convlet::cuda::lenet
