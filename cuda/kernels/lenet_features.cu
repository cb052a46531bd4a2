// Forward pass of the LeNet family's features: a block carries one image through both rounds in shared memory.
//
//   middle = pool(activation(conv(image)))    output = pool(activation(conv(middle)))
//
// Every convolution is one chain of fused multiply-adds from the bias in the order c, kh, kw, as the CPU's. Padded taps
// are multiplied by zero here instead of left out: the bits differ where a weight is infinite or a zero has a sign.
#include "cuda/kernels/lenet.h"
#include "cuda/kernels/lenet_round.cuh"
#include "cuda/runtime.h"

namespace convlet::cuda::lenet {
namespace {

template <int K>
__global__ void __launch_bounds__(kThreads)
    features_kernel(Source source, Features f, ForwardLayout l, const float* __restrict__ parameters, Saved saved,
                    float* __restrict__ output) {
  float* shared = shared_memory<float>();
  const std::int64_t n = blockIdx.x;
  load_weights<K, kFirstChannels>(shared + l.first_weights, f.first, parameters + f.first.weight);
  load_weights<K, kSecondChannels>(shared + l.second_weights, f.second, parameters + f.second.weight);
  load_image(source, n, shared, l.image, f.first);
  for (int i = threadIdx.x; i < l.middle.size(); i += blockDim.x) shared[l.middle.at + i] = 0.0f;
  __syncthreads();

  const int map = f.first.channels * f.first.positions();
  float* first = saved.first ? saved.first + n * map * 4 : nullptr;
  forward_round<K, kFirstWindows, kFirstChannels>(
      f.first, shared, l.image, shared + l.first_weights, parameters + f.first.bias, first,
      [&](int c, int i, int j, float value) {
        const int row = i + f.second.top, column = j + f.second.left;
        if (saved.middle) saved.middle[n * map + (c * f.first.height + i) * f.first.width + j] = value;
        if (row < l.middle.rows && column < l.middle.row) {
          shared[l.middle.at + c * l.middle.plane + row * l.middle.row + column] = value;
        }
      });
  __syncthreads();

  const int size = static_cast<int>(f.output());
  float* second = saved.second ? saved.second + n * size * 4 : nullptr;
  forward_round<K, kSecondWindows, kSecondChannels>(
      f.second, shared, l.middle, shared + l.second_weights, parameters + f.second.bias, second,
      [&](int c, int i, int j, float value) {
        output[n * size + (c * f.second.height + i) * f.second.width + j] = value;
      });
}

}  // namespace

void features(Stream stream, const Source& source, std::int64_t count, const Features& f, const float* parameters,
              const Saved& saved, float* output) {
  const ForwardLayout l = forward_layout(f);
  const Geometry geometry{dim3(static_cast<unsigned>(count)), dim3(kThreads), l.size * sizeof(float)};
  const auto kernel = f.kernel == 5 ? features_kernel<5> : features_kernel<3>;
  launch("lenet features", kernel, geometry, stream, source, f, l, parameters, saved, output);
}

}  // namespace convlet::cuda::lenet
