// cuda/device.cu on the emulated device: the reasons why there is no device, its memory, its errors.
// Exit status 0 if all is right, else 1 and the name of what is not.
#include "cuda/device.h"

#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <vector>

#include "check.h"
#include "cuda/kernels/device.cuh"
#include "cuda/runtime.h"

namespace emulated = convlet::emulated;
namespace cuda = convlet::cuda;
using namespace check;

namespace {

__global__ void store(int* y, int index) { y[index] = 1; }

template <class Error, class F>
std::string message_of(F&& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  wrong("expected an exception");
}

void reasons() {
  current = "reasons why no device can be used";
  emulated::set_driver_version(0);
  expect_text(cuda::status(), "no usable NVIDIA driver");
  expect_text(message_of<std::runtime_error>([] { cuda::allocate(4); }),
              "allocate: device 'cuda' cannot be used: no usable NVIDIA driver");
  emulated::set_driver_version(12040);
  expect_text(cuda::status(), "the NVIDIA driver is too old: it supports CUDA 12.4, convlet was built with CUDA 13.0");
  emulated::set_driver_version(13000);
  emulated::set_device_count(0);
  expect_text(cuda::status(), "no NVIDIA GPU was found");
  emulated::set_device_count(1);
  emulated::fail_call(3, cudaErrorDevicesUnavailable);
  expect_text(cuda::status(), "cudaErrorDevicesUnavailable");
  expect_text(cuda::status(), "");
}

void memory() {
  current = "memory";
  const std::vector<int> values{1, 2, 3, 4, 5, 6};
  const auto a = cuda::allocate(24), b = cuda::allocate(24);
  std::vector<int> host(6);
  cuda::upload(a.get(), values.data(), 24);
  cuda::copy(b.get(), a.get(), 24);
  cuda::download(host.data(), b.get(), 24);
  expect(host == values, "what was uploaded");
  cuda::gather_strided(b.get(), a.get(), 4, {3, 2}, {1, 3});  // columns of (2, 3)
  cuda::download(host.data(), b.get(), 24);
  expect(host == std::vector<int>{1, 4, 2, 5, 3, 6}, "the transposed array");
  expect(cuda::owns(a.get()) && !cuda::owns(host.data()), "the device to own its memory only");
  const auto nothing = cuda::allocate(0);
  const auto info = cuda::info();
  expect(info.kind == cuda::Kind::Emulated && info.major == 9 && info.shared_bytes == 227 * 1024, "the device's facts");
}

void errors() {
  current = "errors";
  emulated::set_memory_limit(1 << 20);
  expect_text(message_of<cuda::OutOfMemory>([] { cuda::allocate(1 << 21); }),
              "the GPU is out of memory: asked for 2097152 bytes, 1048576 of 1048576 are free");
  {
    auto most = cuda::allocate(1000000);
    message_of<std::bad_alloc>([] { cuda::allocate(1000000); });
    most.reset();
    cuda::allocate(1000000);
  }
  emulated::set_memory_limit(std::size_t{1} << 32);

  const auto memory = cuda::allocate(16);
  cuda::launch("store", store, cuda::line(1, 1), cuda::stream(), static_cast<int*>(memory.get()), 4);
  const std::string text = message_of<std::runtime_error>([] { cuda::synchronize(); });
  expect_text(text, "an illegal memory access was encountered (cudaErrorIllegalAddress)");
  expect_text(text, "a write of 4 bytes at byte 0 behind an allocation of 16 bytes");
  expect_text(cuda::status(), "cudaErrorIllegalAddress");
  emulated::reset();
  expect_text(cuda::status(), "");

  emulated::fail_call(2, cudaErrorMemoryAllocation);  // after the question whether the device can be used
  const auto retried = cuda::allocate(16);
  emulated::lose_device();
  expect_text(message_of<std::runtime_error>([] { cuda::synchronize(); }), "cannot be used");
  emulated::reset();
}

void leaks() {
  current = "leaks";
  std::size_t free_before = 0, free_after = 0, total = 0;
  cuda::synchronize();
  cudaMemGetInfo(&free_before, &total);
  for (int i = 1; i < 40; ++i) {  // every call fails once
    try {
      emulated::fail_call(i, cudaErrorUnknown);
      const auto a = cuda::allocate(64);
      const std::vector<int> values(16);
      cuda::upload(a.get(), values.data(), 64);
      cuda::wait_for(nullptr);
      cuda::make_wait(nullptr);
      cuda::synchronize();
    } catch (const std::runtime_error&) {
    }
    emulated::fail_call(0, cudaSuccess);
    cudaGetLastError();
  }
  cuda::synchronize();
  cudaMemGetInfo(&free_after, &total);
  expect(free_before - free_after <= 64, "no memory to be lost but what a failed free keeps");
}

void forks() {
  current = "a forked child";
  const auto memory = cuda::allocate(16);
  const pid_t child = fork();
  if (child == 0) _exit(cuda::status().find("forked") != std::string::npos ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child to be told that it was forked");
}

void choice() {
  current = "choice among several devices";
  emulated::set_device_count(3);
  expect(cuda::usable_devices() == std::vector<int>{0, 1, 2}, "all can be used");
  cuda::select_device(7);
  expect_text(cuda::status(), "cudaErrorInvalidDevice");
  cuda::select_device(2);
  expect_text(cuda::status(), "");
  emulated::set_device_count(0);
  expect(cuda::usable_devices().empty(), "none can be used");
  emulated::set_device_count(1);
  cuda::select_device(0);
  cuda::synchronize();  // the first use
  expect_text(message_of<std::runtime_error>([] { cuda::select_device(1); }),
              "expected GPU 1 to be chosen before the first use of any, got GPU 0 in use");
  cuda::select_device(0);
}

}  // namespace

int main() {
  reasons();
  choice();
  memory();
  errors();
  leaks();
  forks();
}
