// What the checks of the device share: arrays on it, numbers, comparisons that end the program with a sentence.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cuda/device.h"

namespace check {

using Floats = std::vector<float>;
using Ints = std::vector<std::int64_t>;

// An array on the device. `shift` elements from the start of its memory, so that it need not be aligned for vectors.
template <class T>
class Array {
 public:
  explicit Array(std::size_t count, std::size_t shift = 0)
      : memory_(convlet::cuda::allocate((count + shift) * sizeof(T))), shift_(shift), count_(count) {}
  explicit Array(const std::vector<T>& values, std::size_t shift = 0) : Array(values.size(), shift) {
    if (count_ != 0) convlet::cuda::upload(data(), values.data(), count_ * sizeof(T));
  }

  T* data() const { return static_cast<T*>(memory_.get()) + shift_; }
  operator T*() const { return data(); }

  std::vector<T> host() const {
    std::vector<T> values(count_);
    if (count_ != 0) convlet::cuda::download(values.data(), data(), count_ * sizeof(T));
    return values;
  }

 private:
  std::shared_ptr<void> memory_;
  std::size_t shift_, count_;
};

using DeviceFloats = Array<float>;
using DeviceInts = Array<std::int64_t>;

[[noreturn]] inline void fail(const std::string& what, const std::string& how) {
  std::printf("wrong: %s: %s\n", what.c_str(), how.c_str());
  std::exit(1);
}

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

// Bit by bit; every NaN is like every other.
inline void expect_bits(const std::string& what, const Floats& got, const Floats& expected) {
  if (got.size() != expected.size()) fail(what, "wrong size");
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (bits_of(got[i]) == bits_of(expected[i]) || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
    char text[96];
    std::snprintf(text, sizeof text, "element %zu is %.9g, expected %.9g", i, static_cast<double>(got[i]),
                  static_cast<double>(expected[i]));
    fail(what, text);
  }
}

// Within `tolerance` times `scale`, element by element: the sum of the magnitudes that were added.
inline void expect_close(const std::string& what, const Floats& got, const Floats& expected, const Floats& scale,
                         double tolerance) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double off = std::fabs(static_cast<double>(got[i]) - static_cast<double>(expected[i]));
    if (off <= tolerance * static_cast<double>(scale[i])) continue;
    char text[96];
    std::snprintf(text, sizeof text, "element %zu is %.9g, expected %.9g", i, static_cast<double>(got[i]),
                  static_cast<double>(expected[i]));
    fail(what, text);
  }
}

inline std::uint64_t random_bits() {
  static std::uint64_t state = 1;
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 33;
}

// Numbers in -reach..reach, the same on every machine: whole ones, or multiples of 1 / 4096.
enum class Numbers { Whole, Real };
inline Floats numbers(std::int64_t count, Numbers kind, float reach) {
  Floats values(static_cast<std::size_t>(count));
  const float step = kind == Numbers::Whole ? 1.0f : 1.0f / 4096.0f;
  const auto steps = static_cast<std::uint64_t>(2 * reach / step) + 1;
  for (float& value : values) value = static_cast<float>(random_bits() % steps) * step - reach;
  return values;
}

inline Floats magnitudes(Floats values) {
  for (float& value : values) value = std::fabs(value);
  return values;
}

// The checks of one noun, by its name on the command line.
void conv2d();
void linear();
void pool2d();
void activation();
void augment();
void pack();
void optimizer();
void softmax();
void cross_entropy();
void lenet();
void tile_shape();

}  // namespace check
