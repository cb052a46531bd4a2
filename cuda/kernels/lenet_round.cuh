// One round of the LeNet family in shared memory: convolution, activation, pooling by 2 x 2.
#pragma once

#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/pixels.cuh"
#include "cuda/lenet.h"

namespace convlet::cuda::lenet {

// (C, H, W) from global memory into the middle of zeroed planes, (top, left) away from their corner.
template <class Pixel>
__device__ __forceinline__ void load_planes(float* shared, const Planes& to, const Round& r, Pixel&& pixel) {
  for (int i = threadIdx.x; i < to.size(); i += blockDim.x) {
    const int c = i / to.plane, row = i % to.plane / to.row - r.top, column = i % to.row - r.left;
    const bool inside = row >= 0 && row < r.height_in && column >= 0 && column < r.width_in;
    shared[to.at + i] = inside ? pixel((c * r.height_in + row) * r.width_in + column) : 0.0f;
  }
}

// Image n of the batch.
__device__ __forceinline__ void load_image(const Source& source, std::int64_t n, float* shared, const Planes& to,
                                           const Round& r) {
  const std::int64_t at = place_of(source, n) * source.size;
  load_planes(shared, to, r, [&](int i) { return pixel_at(source, at + i); });
}

// (O, C, K, K) in global memory as (C, K, K, O rounded up), zeros for the channels that are none.
template <int K, int Channels>
__device__ __forceinline__ void load_weights(float* shared, const Round& r, const float* weights) {
  const int taps = r.channels_in * K * K, outputs = round_to(r.channels, Channels);
  for (int i = threadIdx.x; i < taps * outputs; i += blockDim.x) {
    const int o = i / taps, tap = i % taps;
    shared[tap * outputs + o] = o < r.channels ? weights[o * taps + tap] : 0.0f;
  }
}

template <int Count>
__device__ __forceinline__ void load_vector(const float* from, float (&to)[Count]) {
  static_assert(Count == 2 || Count == 4, "one load of 8 or 16 bytes");
  if constexpr (Count == 4) {
    const float4 v = *reinterpret_cast<const float4*>(from);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
  } else {
    const float2 v = *reinterpret_cast<const float2*>(from);
    to[0] = v.x, to[1] = v.y;
  }
}

// The pooling's inputs of one window: rows 2 i, 2 i + 1 and columns 2 j, 2 j + 1 of the convolution.
struct Window {
  float at[2][2];
};

struct Maximum {
  float value;
  int tap;
};

// The first of the largest, where a NaN is larger than all before it.
__device__ __forceinline__ Maximum maximum(const Window& w) {
  Maximum best{w.at[0][0], 0};
#pragma unroll
  for (int tap = 1; tap < 4; ++tap) {
    const float value = w.at[tap / 2][tap % 2];
    if (greater_or_nan(value, best.value)) best = {value, tap};
  }
  return best;
}

// In the CPU's order: row by row from zero, times the exact 1/4; or the maximum.
__device__ __forceinline__ float pool(Pooling kind, const Window& w) {
  if (kind == Pooling::Average) return (0.0f + w.at[0][0] + w.at[0][1] + w.at[1][0] + w.at[1][1]) * 0.25f;
  return maximum(w).value;
}

// The gradient of the window from that of its pooled value.
__device__ __forceinline__ Window pool_backward(Pooling kind, const Window& w, float dy) {
  if (kind == Pooling::Average) return {{{dy * 0.25f, dy * 0.25f}, {dy * 0.25f, dy * 0.25f}}};
  const int winner = maximum(w).tap;
  Window slope;
#pragma unroll
  for (int tap = 0; tap < 4; ++tap) slope.at[tap / 2][tap % 2] = tap == winner ? dy : 0.0f;
  return slope;
}

// sum[m][a][b] += sum over c, kh, kw of w[c][kh][kw][m] x[c][a + kh][b + kw]: for `Channels` output channels, two rows
// and 2 `Windows` columns, every output one chain in that order. x points at the corner of the first output's kernel.
//
// A row of x is read once for both rows of outputs: with K = 5 and the second round's 4 channels and one window, 36
// reads of x and 25 of 16 bytes of w, the same for all threads of a warp that differ in position alone, serve 400
// multiply-adds.
template <int K, int Windows, int Channels>
__device__ __forceinline__ void correlate(const float* x, const Planes& planes, const float* w, int outputs,
                                          float (&sum)[Channels][2][2 * Windows]) {
  constexpr int kColumns = 2 * Windows;
  for (int c = 0; c < planes.channels; ++c, x += planes.plane, w += K * K * outputs) {
#pragma unroll
    for (int row = 0; row < K + 1; ++row) {
      float line[kColumns + K - 1];
#pragma unroll
      for (int i = 0; i < kColumns + K - 1; ++i) line[i] = x[row * planes.row + i];
#pragma unroll
      for (int a = 0; a < 2; ++a) {
        const int kh = row - a;
        if (kh < 0 || kh >= K) continue;
#pragma unroll
        for (int kw = 0; kw < K; ++kw) {
          float tap[Channels];
          load_vector(w + (kh * K + kw) * outputs, tap);
#pragma unroll
          for (int m = 0; m < Channels; ++m) {
#pragma unroll
            for (int b = 0; b < kColumns; ++b) sum[m][a][b] = fmaf(tap[m], line[b + kw], sum[m][a][b]);
          }
        }
      }
    }
  }
}

// One round from shared memory: store(channel, row, column, pooled) takes the results, and `saved` (O, 2 H, 2 W),
// unless null, the activations that the pooling has read.
template <int K, int Windows, int Channels, class Store>
__device__ __forceinline__ void forward_round(const Round& r, const float* shared, const Planes& planes,
                                              const float* weights, const float* bias, float* saved, Store&& store) {
  const int outputs = round_to(r.channels, Channels), steps = round_to(r.width, Windows) / Windows;
  for (int task = threadIdx.x; task < steps * r.height * outputs / Channels; task += blockDim.x) {
    const int j = task % steps * Windows, i = task / steps % r.height, o = task / (steps * r.height) * Channels;
    float sum[Channels][2][2 * Windows];
#pragma unroll
    for (int m = 0; m < Channels; ++m) {
#pragma unroll
      for (int b = 0; b < 4 * Windows; ++b) {
        sum[m][b / (2 * Windows)][b % (2 * Windows)] = o + m < r.channels ? bias[o + m] : 0.0f;
      }
    }
    correlate<K, Windows, Channels>(shared + planes.at + 2 * i * planes.row + 2 * j, planes, weights + o, outputs, sum);
#pragma unroll
    for (int m = 0; m < Channels; ++m) {
#pragma unroll
      for (int k = 0; k < Windows; ++k) {
        if (o + m >= r.channels || j + k >= r.width) continue;
        Window window;
#pragma unroll
        for (int tap = 0; tap < 4; ++tap) {
          const int a = tap / 2, b = tap % 2;
          window.at[a][b] = activate(r.activation, sum[m][a][2 * k + b]);
          if (saved) {
            saved[((o + m) * r.conv_rows() + 2 * i + a) * r.conv_columns() + 2 * (j + k) + b] = window.at[a][b];
          }
        }
        store(o + m, i, j + k, pool(r.pooling, window));
      }
    }
  }
}

}  // namespace convlet::cuda::lenet
