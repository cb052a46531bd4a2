// Size arithmetic of every op, in one place. Letters: N images, C channels, H W height and width,
// O output channels, KH KW kernel, OH OW output.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace convlet {

struct Pair {
  std::int64_t height = 1, width = 1;
};

struct Padding {
  std::int64_t top = 0, bottom = 0, left = 0, right = 0;
};

struct Image {  // one activation without its batch; flat features are C x 1 x 1
  std::int64_t channels = 1, height = 1, width = 1;
  constexpr std::int64_t plane() const { return height * width; }
  constexpr std::int64_t size() const { return channels * height * width; }
};

constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }
constexpr std::int64_t round_up(std::int64_t a, std::int64_t b) { return ceil_div(a, b) * b; }

// Pixels that a dilated kernel spans.
constexpr std::int64_t extent(std::int64_t kernel, std::int64_t dilation) { return dilation * (kernel - 1) + 1; }

// floor((n + before + after - extent) / stride) + 1
constexpr std::int64_t conv_output(std::int64_t n, std::int64_t before, std::int64_t after, std::int64_t kernel,
                                   std::int64_t dilation, std::int64_t stride) {
  return (n + before + after - extent(kernel, dilation)) / stride + 1;
}

// As conv_output; in ceil mode a last, partial window counts too, unless it would start in the
// padding after the image (PyTorch's rule).
constexpr std::int64_t pool_output(std::int64_t n, std::int64_t before, std::int64_t after, std::int64_t kernel,
                                   std::int64_t dilation, std::int64_t stride, bool ceil_mode) {
  const std::int64_t room = n + before + after - extent(kernel, dilation);
  if (!ceil_mode) return room / stride + 1;
  const std::int64_t windows = ceil_div(room, stride) + 1;
  return (windows - 1) * stride >= n + before ? windows - 1 : windows;
}

// a * b for sizes >= 0, or an error that names the op instead of an overflow.
inline std::int64_t product(const char* op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_mul_overflow(a, b, &result) || result > (INT64_MAX >> 8)) {
    throw std::invalid_argument(std::string(op) + ": expected sizes whose product fits in memory, got " +
                                std::to_string(a) + " x " + std::to_string(b));
  }
  return result;
}

}  // namespace convlet
