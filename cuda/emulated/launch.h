// A launch: the kernel with its arguments, kept until the stream comes to it.
#pragma once

#include <cstddef>
#include <memory>
#include <tuple>
#include <utility>

#include "cuda/emulated/api.h"
#include "cuda/emulated/language.h"

namespace convlet::emulated {

struct Call {
  virtual ~Call() = default;
  virtual void run() const = 0;  // as one thread of the grid
};

// What a thread copies from here are its parameters, not memory that it reads: so it is not checked.
template <class... Parameters>
struct KernelCall final : Call {
  KernelCall(void (*function)(Parameters...), Parameters... values) : kernel(function), parameters(values...) {}
  __attribute__((no_sanitize("thread"))) void run() const override { apply(std::index_sequence_for<Parameters...>()); }

 private:
  template <std::size_t... I>
  __attribute__((no_sanitize("thread"))) void apply(std::index_sequence<I...>) const {
    kernel(std::get<I>(parameters)...);
  }
  void (*kernel)(Parameters...);
  std::tuple<Parameters...> parameters;
};

cudaError_t queue_launch(const char* name, const void* kernel, const dim3& grid, const dim3& block,
                         std::size_t shared_bytes, cudaStream_t stream, std::shared_ptr<const Call> call);

template <class... Parameters>
cudaError_t launch(const char* name, void (*kernel)(Parameters...), const dim3& grid, const dim3& block,
                   std::size_t shared_bytes, cudaStream_t stream, Parameters... values) {
  return queue_launch(name, reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, stream,
                      std::make_shared<KernelCall<Parameters...>>(kernel, values...));
}

}  // namespace convlet::emulated
