// Random numbers without a state: Philox4x32-10 makes four words of a counter and a key, the same on every device and
// in whatever order they are asked for.
//
// Every instruction set and every device compiles this header, so its functions have no linkage that could be shared.
//
// Source: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

#ifdef __CUDACC__
#define CONVLET_ANYWHERE static __host__ __device__ __forceinline__
#else
#define CONVLET_ANYWHERE static inline __attribute__((always_inline))
#endif

namespace convlet {

struct Words {
  std::uint32_t at[4];
};

// What the random numbers of a training step hang on.
struct Draw {
  std::uint64_t seed = 0;
  std::int64_t step = 0;
};

// Who draws: dropout layers by their index, and the augmentation of images.
constexpr std::uint32_t kDropoutLayers = 1 << 15, kAugmentation = 1 << 15;

CONVLET_ANYWHERE Words philox(std::uint64_t key, Words counter) {
  auto low = static_cast<std::uint32_t>(key), high = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter.at[0], b = std::uint64_t{0xCD9E8D57} * counter.at[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter.at[1] ^ low, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter.at[3] ^ high, static_cast<std::uint32_t>(a)};
    low += 0x9E3779B9;
    high += 0xBB67AE85;
  }
  return counter;
}

// Words number 4 block .. 4 block + 3 of what `who` draws for an image in a step.
CONVLET_ANYWHERE Words draw_words(Draw draw, std::uint32_t who, std::uint32_t image, std::uint32_t block) {
  const auto step = static_cast<std::uint64_t>(draw.step);
  return philox(draw.seed,
                {block, image, static_cast<std::uint32_t>(step), who | static_cast<std::uint32_t>(step >> 32) << 16});
}

// A whole number in 0 .. n - 1 from a word.
CONVLET_ANYWHERE std::int32_t below(std::int32_t n, std::uint32_t word) {
  return static_cast<std::int32_t>((std::uint64_t{word} * static_cast<std::uint32_t>(n)) >> 32);
}

}  // namespace convlet
