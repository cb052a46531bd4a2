// The emulated device itself: planted faults of each kind are found, and right programs give none, in every order.
// Exit status 0 if all is right, else 1 and the name of what is not.
#include <vector>

#include "check.h"
#include "cuda/kernels/device.cuh"
#include "cuda/runtime.h"

namespace emulated = convlet::emulated;
using namespace check;
using convlet::cuda::Geometry;
using convlet::cuda::launch;
using convlet::cuda::shared_memory;
using convlet::cuda::thread_of_grid;

namespace {

template <class T>
struct Array {  // of the device
  explicit Array(std::size_t size) : count(size) { expect_error(cudaMalloc(&data, size * sizeof(T)), cudaSuccess); }
  explicit Array(const std::vector<T>& values) : Array(values.size()) {
    expect_error(cudaMemcpy(data, values.data(), count * sizeof(T), cudaMemcpyHostToDevice), cudaSuccess);
  }
  ~Array() { cudaFree(data); }
  Array(const Array&) = delete;
  std::vector<T> host() const {
    std::vector<T> values(count);
    cudaMemcpy(values.data(), data, count * sizeof(T), cudaMemcpyDeviceToHost);
    return values;
  }
  T* data = nullptr;
  std::size_t count;
};

std::vector<int> counting(int count) {
  std::vector<int> values(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) values[static_cast<std::size_t>(i)] = i;
  return values;
}

Geometry blocks(unsigned grid, unsigned block, std::size_t shared_bytes = 0) {
  return {dim3(grid), dim3(block), shared_bytes};
}

enum class Barriers { All, None };

template <Barriers barriers>
__global__ void reverse(const int* x, int* y) {
  int* shared = shared_memory<int>();
  shared[threadIdx.x] = x[thread_of_grid()];
  if (barriers == Barriers::All) __syncthreads();
  y[thread_of_grid()] = shared[blockDim.x - 1 - threadIdx.x];
}

// Sums of a block: halves through shared memory, then a warp with or without its own barrier.
template <Barriers in_warp>
__global__ void sum(const int* x, int* y) {
  int* shared = shared_memory<int>();
  const unsigned i = threadIdx.x;
  shared[i] = x[thread_of_grid()];
  __syncthreads();
  for (unsigned half = blockDim.x / 2; half > 0; half /= 2) {
    if (half >= 32) {
      if (i < half) shared[i] += shared[i + half];
      __syncthreads();
    } else if (i < 32) {
      const int other = i < half ? shared[i + half] : 0;
      if (in_warp == Barriers::All) __syncwarp();
      if (i < half) shared[i] += other;
      if (in_warp == Barriers::All) __syncwarp();
    }
  }
  if (i == 0) y[blockIdx.x] = shared[0];
}

__global__ void copy_plus(const int* x, int* y, int count, int shift) {
  const std::int64_t i = thread_of_grid();
  if (i < count) y[i] = x[i + shift];
}

__global__ void store(int* y, int index, int value) { y[index] = value; }
__global__ void load_shared(int* y) { *y = shared_memory<int>()[threadIdx.x]; }
__global__ void store_shared(int index) { shared_memory<int>()[index] = 1; }
__global__ void rotate(const int* x, int* y) {
  int* shared = shared_memory<int>();
  shared[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = shared[(threadIdx.x + 64) % 128];
  shared[threadIdx.x] = 0;
}
__global__ void load_vector(const int* x, int4* y) { *y = *reinterpret_cast<const int4*>(x); }
__global__ void store_per_block(int* y) { *y = static_cast<int>(blockIdx.x); }
__global__ void store_bytes(unsigned char* y) { y[thread_of_grid()] = static_cast<unsigned char>(threadIdx.x); }
__global__ void pass_on(int* y) { y[blockIdx.x + 1] = y[blockIdx.x]; }

__global__ void diverge(int threads) {
  if (static_cast<int>(threadIdx.x) < threads) __syncthreads();
}
__global__ void two_barriers() {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncthreads_or(1);
  }
}
__global__ void lonely_shuffle(int* y) {
  if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0xffffffff, static_cast<int>(threadIdx.x), 0);
}

enum class Fence { Present, Missing };

// The last block to finish adds up what the others left.
template <Fence fence>
__global__ void last_block_sums(const int* x, int* parts, unsigned* finished, int* y) {
  parts[blockIdx.x] = x[blockIdx.x];
  if (fence == Fence::Present) __threadfence();
  if (atomicAdd(finished, 1u) != gridDim.x - 1) return;
  int total = 0;
  for (unsigned i = 0; i < gridDim.x; ++i) total += parts[i];
  *y = total;
}

__global__ void warp_words(int* y) {
  const int lane = static_cast<int>(threadIdx.x);
  int total = lane;
  for (int bits = 16; bits > 0; bits /= 2) total += __shfl_xor_sync(0xffffffff, total, bits);
  const double down = __shfl_down_sync(0xffffffff, 0.5 * lane, 4, 8), up = __shfl_up_sync(0xffffffff, 0.5 * lane, 1);
  const bool right = total == 496 && __ballot_sync(0xffffffff, lane % 2) == 0xaaaaaaaa &&
                     __any_sync(0xffffffff, lane == 7) && !__all_sync(0xffffffff, lane == 7) &&
                     down == 0.5 * (lane % 8 < 4 ? lane + 4 : lane) && up == 0.5 * (lane > 0 ? lane - 1 : 0) &&
                     __syncthreads_count(lane < 5) == 5 && __syncthreads_or(lane == 3) && !__syncthreads_and(lane == 3);
  y[lane] = right && __popc(0xf0u) == 4 && __clz(1) == 31 && __ffs(8) == 4 && __int_as_float(0x3f800000) == 1.0f;
}

__global__ void atomics(int* counter, unsigned long long* most) {
  atomicAdd(counter, 2);
  atomicMax(most, static_cast<unsigned long long>(thread_of_grid()));
}

void right_kernels() {
  const auto values = counting(512);
  in_every_order("right kernels", "", [&] {
    const Array<int> x(values), y(512), sums(4), words(32), counter(std::vector<int>{0}), parts(4), total(1);
    const Array<unsigned> finished(std::vector<unsigned>{0});
    const Array<unsigned long long> most(std::vector<unsigned long long>{0});
    const Array<unsigned char> bytes(5 * 33);
    launch("reverse", reverse<Barriers::All>, blocks(4, 128, 512), nullptr, x.data, y.data);
    launch("sum", sum<Barriers::All>, blocks(4, 128, 512), nullptr, x.data, sums.data);
    launch("warp_words", warp_words, blocks(1, 32), nullptr, words.data);
    launch("atomics", atomics, blocks(3, 50), nullptr, counter.data, most.data);
    launch("store_bytes", store_bytes, blocks(5, 33), nullptr, bytes.data);
    launch("last_block_sums", last_block_sums<Fence::Present>, blocks(4, 1), nullptr, x.data, parts.data, finished.data,
           total.data);
    expect(y.host()[0] == 127 && y.host()[511] == 384, "every block reversed");
    expect(sums.host() == std::vector<int>{8128, 24512, 40896, 57280}, "the sums of the blocks");
    expect(words.host() == std::vector<int>(32, 1), "the operations of a warp");
    expect(counter.host()[0] == 300 && most.host()[0] == 149, "the atomics");
    expect(total.host()[0] == 6, "the last block's sum");
    expect(bytes.host()[4 * 33 + 7] == 7, "the bytes");
  });
}

void faults_in_blocks() {
  const auto values = counting(128);
  in_every_order("missing barrier", "of shared memory, which no thread of the block has written", [&] {
    const Array<int> x(values), y(128);
    launch("reverse", reverse<Barriers::None>, blocks(1, 128, 512), nullptr, x.data, y.data);
    cudaDeviceSynchronize();
    expect_error(cudaGetLastError(), cudaErrorLaunchFailure);
  });
  in_every_order("two threads write one word", "a race in shared memory: a write of byte 0, which thread",
                 [] { launch("store_shared", store_shared, blocks(1, 2, 64), nullptr, 0); });
  in_every_order("a write after a read", " with no barrier since", [&] {
    const Array<int> x(values), y(128);
    launch("rotate", rotate, blocks(1, 128, 512), nullptr, x.data, y.data);
  });
  in_every_order("missing warp barrier", "a race in shared memory", [&] {
    const Array<int> x(values), y(1);
    launch("sum", sum<Barriers::None>, blocks(1, 128, 512), nullptr, x.data, y.data);
  });
  in_every_order("divergent barrier", "waits at __syncthreads, but thread",
                 [] { launch("diverge", diverge, blocks(1, 64), nullptr, 10); });
  in_every_order("two kinds of barriers", "waits at __syncthreads",
                 [] { launch("two_barriers", two_barriers, blocks(1, 64), nullptr); });
  in_every_order("shuffle without its lanes", "a shuffle", [] {
    const Array<int> y(32);
    launch("lonely_shuffle", lonely_shuffle, blocks(1, 32), nullptr, y.data);
  });
  in_every_order("unwritten shared memory", "which no thread of the block has written", [] {
    const Array<int> y(1);
    launch("load_shared", load_shared, blocks(1, 1, 64), nullptr, y.data);
  });
  in_every_order("behind the shared memory", "a write of 4 bytes at byte 64 of 64 bytes of shared memory",
                 [] { launch("store_shared", store_shared, blocks(1, 1, 64), nullptr, 16); });
}

void faults_in_memory() {
  const auto values = counting(128);
  in_every_order("read past the end", "a read of 4 bytes at byte 0 behind an allocation of 512 bytes, in thread (127",
                 [&] {
                   const Array<int> x(values), y(128);
                   launch("copy_plus", copy_plus, blocks(1, 128), nullptr, x.data, y.data, 128, 1);
                   cudaDeviceSynchronize();
                   expect_error(cudaGetLastError(), cudaErrorIllegalAddress);
                   expect_error(cudaStreamSynchronize(nullptr), cudaErrorIllegalAddress);  // stays
                 });
  in_every_order("write past the end", "a write of 4 bytes at byte 0 behind an allocation of 12 bytes", [] {
    const Array<int> y(3);
    launch("store", store, blocks(1, 1), nullptr, y.data, 3, 1);
  });
  in_every_order("write before the begin", "a write of 4 bytes at", [] {
    const Array<int> y(3);
    launch("store", store, blocks(1, 1), nullptr, y.data, -1, 1);
  });
  in_every_order("unwritten read", "which nobody has written", [] {
    const Array<int> x(128), y(128);
    launch("copy_plus", copy_plus, blocks(1, 128), nullptr, x.data, y.data, 128, 0);
  });
  in_every_order("unwritten copy to the host", "reads what nobody wrote, byte 4 of an allocation of 8 bytes", [] {
    const Array<int> y(2);
    launch("store", store, blocks(1, 1), nullptr, y.data, 0, 1);
    y.host();
  });
  in_every_order("use after free", "of a freed allocation of 64 bytes", [] {
    int* freed;
    {
      const Array<int> y(16);
      freed = y.data;
    }
    launch("store", store, blocks(1, 1), nullptr, freed, 3, 1);
  });
  in_every_order("misaligned vector", "off its alignment", [&] {
    const Array<int> x(values);
    const Array<int4> y(1);
    launch("load_vector", load_vector, blocks(1, 1), nullptr, x.data + 1, y.data);
  });
  in_every_order("null pointer", "at a null pointer",
                 [] { launch("store", store, blocks(1, 1), nullptr, static_cast<int*>(nullptr), 0, 1); });
  in_every_order("memory of the host", "memory of the host", [] {
    std::vector<int> host(4);
    launch("store", store, blocks(1, 1), nullptr, host.data(), 0, 1);
    cudaDeviceSynchronize();
  });
  in_every_order("two blocks write one word", "a race between blocks", [] {
    const Array<int> y(1);
    launch("store_per_block", store_per_block, blocks(2, 1), nullptr, y.data);
  });
  in_every_order("a block reads what another writes", "a race between blocks", [&] {
    const Array<int> y(values);
    launch("pass_on", pass_on, blocks(9, 1), nullptr, y.data);
  });
  in_every_order("no fence before the last block", "a race between blocks", [&] {
    const Array<int> x(values), parts(4), y(1);
    const Array<unsigned> finished(std::vector<unsigned>{0});
    launch("last_block_sums", last_block_sums<Fence::Missing>, blocks(4, 1), nullptr, x.data, parts.data, finished.data,
           y.data);
  });
}

void limits() {
  current = "limits of a launch";
  const auto refused = [](const Geometry& geometry) {
    const Array<int> y(1);
    return emulated::launch("store", store, geometry.grid, geometry.block, geometry.shared_bytes, nullptr, y.data, 0,
                            0);
  };
  expect_error(refused(blocks(1, 1025)), cudaErrorInvalidConfiguration);
  expect_error(refused({dim3(1, 65536), dim3(1), 0}), cudaErrorInvalidConfiguration);
  expect_error(refused({dim3(1), dim3(32, 1, 65), 0}), cudaErrorInvalidConfiguration);
  expect_error(refused(blocks(1, 1, 48 * 1024 + 1)), cudaErrorInvalidValue);
  expect_error(refused(blocks(1, 1, 48 * 1024)), cudaSuccess);
  emulated::set_profile(emulated::Profile::Turing);
  expect_error(cudaFuncSetAttribute(store, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024 + 1),
               cudaErrorInvalidValue);
  expect_error(cudaFuncSetAttribute(store, cudaFuncAttributeMaxDynamicSharedMemorySize, 64 * 1024), cudaSuccess);
  expect_error(refused(blocks(1, 1, 64 * 1024)), cudaSuccess);
  expect_error(refused(blocks(1, 1, 64 * 1024 + 1)), cudaErrorInvalidValue);
  emulated::set_profile(emulated::Profile::Hopper);
  emulated::set_log(true);
  refused({dim3(3, 2), dim3(5), 16});
  cudaDeviceSynchronize();
  const auto& log = emulated::launch_log();
  expect(log.size() == 1 && log[0].name == "store" && log[0].grid.y == 2 && log[0].block.x == 5 &&
             log[0].shared_bytes == 16,
         "one launch in the log");
  emulated::reset();
}

}  // namespace

// With an argument only what needs no checks of memory, for a build that a real sanitizer watches.
int main(int arguments, char**) {
  right_kernels();
  if (arguments > 1) return 0;
  faults_in_blocks();
  faults_in_memory();
  limits();
}
