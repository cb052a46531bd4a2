// What bf16 products could buy: multiply-adds a second of vdpbf16ps (two bf16 products an accumulator lane) and of AMX
// (tdpbf16ps: 16 x 16 sums of 32 products) against those of float32, in registers, and with the operands loaded and the
// activations converted on the way as training would.
//
//   c++ -std=c++17 -O2 -march=sapphirerapids -mprefer-vector-width=512 benchmarks/lab/bf16_rate.cpp -o bf16_rate
#include <immintrin.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <functional>

namespace {

double seconds_of(const std::function<void()>& work) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
  };
  const double begin = now();
  work();
  return now() - begin;
}

constexpr int kSums = 24, kRounds = 20000;
alignas(64) float pixels[1 << 12];
volatile float kept;

void keep(__m512 (&sum)[kSums]) {
  for (int i = 1; i < kSums; ++i) sum[0] = _mm512_add_ps(sum[0], sum[i]);
  kept = _mm512_reduce_add_ps(sum[0]);
}

void float_registers() {
  __m512 sum[kSums], a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(1.0f);
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_fmadd_ps(sum[i], a, b);
  }
  keep(sum);
}

void bf16_registers() {
  __m512 sum[kSums];
  __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.5f), _mm512_set1_ps(0.5f));
  for (int i = 0; i < kSums; ++i) sum[i] = _mm512_set1_ps(static_cast<float>(i));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_dpbf16_ps(sum[i], a, a);
  }
  keep(sum);
}

// 6 output channels x 4 positions, one tap (float32) or two (bf16) a round.
void float_block() {
  __m512 sum[kSums] = {};
  for (int round = 0; round < kRounds; ++round) {
    const float* x = pixels + round % 32 * 64;
    __m512 p[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) p[i] = _mm512_load_ps(x + 16 * i);
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) sum[i] = _mm512_fmadd_ps(_mm512_set1_ps(pixels[2048 + i / 4]), p[i % 4], sum[i]);
  }
  keep(sum);
}

void bf16_block() {
  __m512 sum[kSums] = {};
  for (int round = 0; round < kRounds; ++round) {
    const float* x = pixels + round % 32 * 64;
    __m512 p[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) p[i] = _mm512_load_ps(x + 16 * i);
#pragma GCC unroll 24
    for (int i = 0; i < kSums; ++i) {
      sum[i] = _mm512_dpbf16_ps(sum[i], reinterpret_cast<__m512bh>(_mm512_set1_ps(pixels[2048 + i / 4])),
                                reinterpret_cast<__m512bh>(p[i % 4]));
    }
  }
  keep(sum);
}

// Two vectors of float32 activations to one of bf16, as every layer's output would have to become.
void conversion() {
  for (int round = 0; round < kRounds; ++round) {
    float* x = pixels + round % 32 * 64;
    const __m512bh two = _mm512_cvtne2ps_pbh(_mm512_load_ps(x), _mm512_load_ps(x + 16));
    _mm512_store_si512(x, reinterpret_cast<__m512i>(two));
  }
}

// Four tiles of 16 x 16 sums, of 2 x 16 output channels and 2 x 16 images.
void tile_products() {
  _tile_dpbf16ps(0, 4, 6);
  _tile_dpbf16ps(1, 4, 7);
  _tile_dpbf16ps(2, 5, 6);
  _tile_dpbf16ps(3, 5, 7);
}

void load_tiles(int round) {
  const float* from = pixels + round % 4 * 1024;
  _tile_loadd(4, from, 64);
  _tile_loadd(5, from + 256, 64);
  _tile_loadd(6, from + 512, 64);
  _tile_loadd(7, from + 768, 64);
}

void amx_registers() {
  load_tiles(0);
  for (int round = 0; round < kRounds; ++round) tile_products();
}

void amx_block() {
  for (int round = 0; round < kRounds; ++round) {
    load_tiles(round);
    tile_products();
  }
}

// All of full size. A constant, since GCC 12 does not see that the instruction reads it.
constexpr struct alignas(64) {
  std::uint8_t palette = 1, start = 0, reserved[14] = {};
  std::uint16_t bytes_of_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
} kTileShapes;

// Linux gives a process the registers of AMX when it asks for them.
bool amx_is_there() {
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  if (syscall(SYS_arch_prctl, kRequestPermission, kTileData) != 0) return false;
  _tile_loadconfig(&kTileShapes);
  return true;
}

}  // namespace

int main() {
  const bool amx = amx_is_there();
  const std::function<void()> works[] = {float_registers, bf16_registers, float_block, bf16_block,
                                         conversion,      amx_registers,  amx_block};
  const int count = amx ? 7 : 5;
  double best[7];
  std::fill(best, best + 7, 1e9);
  for (int turn = 0; turn < 50; ++turn) {
    for (int i = 0; i < count; ++i) best[i] = std::min(best[i], seconds_of(works[i]));
  }
  const double lanes = 16.0 * kSums * kRounds;
  std::printf("float32 in registers     %7.1f G multiply-adds/s\n", 1e-9 * lanes / best[0]);
  std::printf("bf16 in registers        %7.1f, %.2f times as many\n", 2e-9 * lanes / best[1], 2 * best[0] / best[1]);
  std::printf("float32 block of 6 x 4   %7.1f\n", 1e-9 * lanes / best[2]);
  std::printf("bf16 block of 6 x 4      %7.1f, %.2f times as many\n", 2e-9 * lanes / best[3], 2 * best[2] / best[3]);
  std::printf("conversion               %7.2f ns for 32 values\n", 1e9 * best[4] / kRounds);
  if (!amx) return 0;
  const double products = 4.0 * 16 * 16 * 32 * kRounds, floats = lanes / best[0];
  std::printf("AMX in registers         %7.1f, %.1f times as many\n", 1e-9 * products / best[5],
              products / best[5] / floats);
  std::printf("AMX with its loads       %7.1f, %.1f times as many\n", 1e-9 * products / best[6],
              products / best[6] / floats);
}
