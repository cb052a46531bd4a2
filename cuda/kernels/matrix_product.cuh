// The matrix product that convolutions and dense layers are made of:
//
//   c[m][n] = activation(start[m or n] + sum over steps k, in order, of a[m][k] b[k][n])
//
// An index n or k has three digits (outer, middle, inner), such as image, row and column, and every address is a linear
// function of the digits: so the operands of a convolution are read where they lie, without a copy in the form of a
// matrix. Operands says which product a block works on (a Piece of the launch: a group, a phase of the stride, a slot
// of a long sum) and into which parts its chains are cut.
//
// Every output is one chain of fused multiply-adds, as on the CPU: the first part starts at `start`, each other at
// zero, and the parts are added in order. A step that a bounded product sees in the padding is not in the chain: x
// there reads as kSkipped, a NaN that no x can be, because loaded NaNs are stored as the one that the arithmetic makes.
// Where a chunk ends a chain, steps are filled up with 1 * -0, which leaves every sum as it is, signs of zero and NaN
// included.
//
// A block computes a tile in chunks of 16 steps: while it multiplies one chunk out of shared memory, the next is on its
// way from global memory into registers. One barrier a chunk.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "convlet/modes.h"
#include "cuda/kernels/activation.cuh"
#include "cuda/kernels/device.cuh"
#include "cuda/kernels/pack.cuh"
#include "cuda/kernels/piece.cuh"
#include "cuda/kernels/tile_shape.h"
#include "cuda/runtime.h"

namespace convlet::cuda {

constexpr int kDepth = 16;                     // steps of a chunk
constexpr int kThreads = 128;                  // of a block
constexpr std::int64_t kMostBlocks = 1 << 14;  // of a launch; beyond, blocks take several tiles
constexpr std::uint32_t kSkipped = 0x7fc5719du, kNan = 0x7fffffffu;

// Blocks fewer on a multiprocessor, where the compiler would spill registers otherwise: for Blackwell it takes more.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ > 900
constexpr int kWider = 1;
#else
constexpr int kWider = 0;
#endif

enum class Order { Steps, Outputs };  // along which an operand lies in memory, and neighbouring threads read it
enum class Along { Rows, Columns };   // an axis of the outputs

template <int M, int N, int RowsOfThread, int ColumnsOfThread>
struct Tile {
  static constexpr int kM = M, kN = N, kRows = RowsOfThread, kColumns = ColumnsOfThread;
  static constexpr int kAcross = N / ColumnsOfThread, kDown = M / RowsOfThread;  // threads
  static constexpr int kRowVector = kRows < 4 ? kRows : 4, kColumnVector = kColumns < 4 ? kColumns : 4;
  static constexpr int kBlocks = (kRows * kColumns > 32 ? 3 : 4) - kWider;  // of a multiprocessor
  static_assert(kAcross * kDown == kThreads, "one thread for each block of outputs");

  // A thread's outputs lie in vectors of up to four, far apart: so the threads of a warp read shared memory without
  // conflicts.
  __device__ static int row_of(int i) {
    return i / kRowVector * (kDown * kRowVector) + static_cast<int>(threadIdx.x) / kAcross * kRowVector +
           i % kRowVector;
  }
  __device__ static int column_of(int j) {
    return j / kColumnVector * (kAcross * kColumnVector) + static_cast<int>(threadIdx.x) % kAcross * kColumnVector +
           j % kColumnVector;
  }
};

using Tile8 = Tile<8, 128, 8, 1>;
using Tile16 = Tile<16, 128, 8, 2>;
using Tile64 = Tile<64, 64, 8, 4>;
using Tile128 = Tile<128, 64, 8, 8>;

struct Column {
  std::int64_t b, c;
  int row, column;
};
struct alignas(16) Step {
  std::int64_t a, b;
  int row, column;
};

template <class T>
struct ProductMemory {  // shared
  struct Chunk {
    float a[kDepth][T::kM + 4], b[kDepth][T::kN + 4];
  };
  union {
    Chunk chunks[2];
    float outputs[T::kM * T::kN / 2];  // half a tile's, on their way out
  };
  Column columns[T::kN];
  Step steps[2][kDepth];
  Digits walk[kDepth], stride;  // where the steps are; how far a chunk takes them
  Piece piece;
  Part part;
};

// What a thread fetches of a chunk.
template <class T>
struct Fetched {
  static constexpr int kA = T::kM * kDepth / kThreads, kB = T::kN * kDepth / kThreads;
  float a[kA], b[kB];
  std::uint32_t skipped;  // bit r: b[r] is padding
};

// The place in a chunk of a thread's value r, of an operand with `width` outputs.
struct Place {
  int step, output;
};
template <Order O, int Width>
__device__ __forceinline__ Place place_of(int r) {
  const int t = static_cast<int>(threadIdx.x);
  if constexpr (O == Order::Steps) return {t % kDepth, t / kDepth + r * (kThreads / kDepth)};
  return {t / Width + r * (kThreads / Width), t % Width};
}

template <class T, class Operands>
class BlockProduct {
 public:
  __device__ BlockProduct(const Operands& operands, Activation after)
      : operands_(operands), after_(after), s_(*shared_memory<ProductMemory<T>>()) {}

  // Tiles of a piece are numbered along m first: neighbours then share the columns of b, which cost more to read.
  __device__ void run(std::int64_t tile, std::int64_t tiles_down, std::int64_t tiles_across) {
    __syncthreads();  // the tile before has left the shared memory
    if (threadIdx.x == 0) {
      const Piece piece = operands_.piece(tile / (tiles_down * tiles_across));
      s_.piece = piece;
    }
    m0_ = tile % tiles_down * T::kM;
    n0_ = tile / tiles_down % tiles_across * T::kN;
    __syncthreads();
    if (n0_ >= s_.piece.n) return;  // pieces of a launch may differ in width
    take_piece(s_.piece);
    list_columns();
    const std::int64_t parts = s_.piece.parts;
    for (std::int64_t p = 0; p < parts; ++p) {
      begin_sums(p == 0);
      add_part(p);
      write(p == 0, p + 1 == parts);
    }
  }

 private:
  // Into registers, because after every barrier shared memory must be read anew.
  __device__ void take_piece(const Piece& piece) {
    rows_ = static_cast<int>(piece.m - m0_ < T::kM ? piece.m - m0_ : T::kM);
    columns_ = static_cast<int>(piece.n - n0_ < T::kN ? piece.n - n0_ : T::kN);
    const int row = place_of<Operands::kA, T::kM>(0).output;
    a_ = piece.a + (m0_ + row) * piece.a_m;
    a_next_ = place_of<Operands::kA, T::kM>(1).output == row ? 0 : kThreads / kDepth * piece.a_m;
    b_ = piece.b;
    row_limit_ = static_cast<unsigned>(piece.row_limit);
    column_limit_ = static_cast<unsigned>(piece.column_limit);
  }

  __device__ void list_columns() {
    const Piece& piece = s_.piece;
    for (int n = static_cast<int>(threadIdx.x); n < T::kN; n += kThreads) {
      const Digits d = digits_of(n0_ + n, piece.n_middle, piece.n_inner);
      s_.columns[n] = {piece.b_first + offset(piece.b_n, d), piece.c_first + offset(piece.c_n, d),
                       piece.row + d.middle * piece.row_n, piece.column + d.inner * piece.column_n};
    }
  }

  __device__ void begin_sums(bool first) {
    const float* start = first ? s_.piece.start : nullptr;
    start += start ? (Operands::kStart == Along::Rows ? m0_ : n0_) : 0;
#pragma unroll
    for (int i = 0; i < T::kRows; ++i) {
#pragma unroll
      for (int j = 0; j < T::kColumns; ++j) {
        const int at = Operands::kStart == Along::Rows ? T::row_of(i) : T::column_of(j);
        sums_[i][j] = start && at < (Operands::kStart == Along::Rows ? rows_ : columns_) ? start[at] : 0.0f;
      }
    }
  }

  __device__ void add_part(std::int64_t p) {
    if (threadIdx.x == 0) {
      const Part part = operands_.part(s_.piece, p);
      s_.part = part;
    }
    __syncthreads();
    const std::int64_t count = s_.part.count;
    if (count == 0) return;
    Fetched<T> fetched;
    begin_walk();
    list_steps(0);
    __syncthreads();
    fetch(0, count, fetched);
    list_steps(1);
    bool skips = barrier(put(0, fetched));
    int buffer = 0;
    for (std::int64_t done = 0; done < count; done += kDepth, buffer ^= 1) {
      const bool more = done + kDepth < count;
      if (more) fetch(buffer ^ 1, count - done - kDepth, fetched);
      if (Operands::kBounded && skips) {
        multiply<true>(buffer);
      } else {
        multiply<false>(buffer);
      }
      bool padded = false;
      if (more) {
        padded = put(buffer ^ 1, fetched);
        list_steps(buffer);
      }
      skips = barrier(padded);
    }
  }

  // True if it is for any thread of the block; only a bounded product asks.
  __device__ static bool barrier(bool padded) {
    if constexpr (Operands::kBounded) return __syncthreads_or(padded) != 0;
    __syncthreads();
    return false;
  }

  __device__ void begin_walk() {
    const Part& part = s_.part;
    if (threadIdx.x < kDepth) s_.walk[threadIdx.x] = digits_of(part.first + threadIdx.x, part.middle, part.inner);
    if (threadIdx.x == kDepth) s_.stride = digits_of(kDepth, part.middle, part.inner);
    __syncthreads();
  }

  // Lists where the steps of the next chunk lie, and moves on by one: additions and carries, no division.
  __device__ void list_steps(int buffer) {
    if (threadIdx.x >= kDepth) return;
    const Piece& piece = s_.piece;
    const Part& part = s_.part;
    Digits d = s_.walk[threadIdx.x];
    s_.steps[buffer][threadIdx.x] = {part.a + offset(piece.a_k, d), part.b + offset(piece.b_k, d),
                                     part.row + d.middle * piece.row_k, part.column + d.inner * piece.column_k};
    d.outer += s_.stride.outer;
    d.middle += s_.stride.middle;
    d.inner += s_.stride.inner;
    if (d.inner >= part.inner) {
      d.inner -= part.inner;
      ++d.middle;
    }
    if (d.middle >= part.middle) {
      d.middle -= part.middle;
      ++d.outer;
    }
    s_.walk[threadIdx.x] = d;
  }

  // rest: steps from the chunk's first one on.
  __device__ void fetch(int buffer, std::int64_t rest, Fetched<T>& f) {
    const int steps = rest < kDepth ? static_cast<int>(rest) : kDepth;
    const float* row = a_;
#pragma unroll
    for (int r = 0; r < Fetched<T>::kA; ++r, row += a_next_) {
      const Place at = place_of<Operands::kA, T::kM>(r);
      f.a[r] = 1.0f;
      if (at.step < steps && at.output < rows_) f.a[r] = row[s_.steps[buffer][at.step].a];
    }
    f.skipped = 0;
#pragma unroll
    for (int r = 0; r < Fetched<T>::kB; ++r) {
      const Place at = place_of<Operands::kB, T::kN>(r);
      f.b[r] = -0.0f;
      if (at.step >= steps || at.output >= columns_) continue;
      const Column& column = s_.columns[at.output];
      const Step& step = s_.steps[buffer][at.step];
      if (!Operands::kBounded || inside(column, step)) {
        f.b[r] = b_[column.b + step.b];
      } else {
        f.skipped |= 1u << r;
      }
    }
  }

  // One comparison for both ends of an axis; the sums may wrap, what they mean never reaches 2^32.
  __device__ bool inside(const Column& column, const Step& step) const {
    return static_cast<unsigned>(column.row) + static_cast<unsigned>(step.row) < row_limit_ &&
           static_cast<unsigned>(column.column) + static_cast<unsigned>(step.column) < column_limit_;
  }

  // What was fetched into shared memory; whether there is padding in it.
  __device__ bool put(int buffer, const Fetched<T>& f) {
    auto& chunk = s_.chunks[buffer];
#pragma unroll
    for (int r = 0; r < Fetched<T>::kA; ++r) {
      const Place at = place_of<Operands::kA, T::kM>(r);
      chunk.a[at.step][at.output] = f.a[r];
    }
#pragma unroll
    for (int r = 0; r < Fetched<T>::kB; ++r) {
      const Place at = place_of<Operands::kB, T::kN>(r);
      float value = f.b[r];
      if constexpr (Operands::kBounded) {
        if (value != value) value = __uint_as_float(kNan);
        if (f.skipped >> r & 1u) value = __uint_as_float(kSkipped);
      }
      chunk.b[at.step][at.output] = value;
    }
    return f.skipped != 0;
  }

  template <bool Skips>
  __device__ void multiply(int buffer) {
    const auto& chunk = s_.chunks[buffer];
#pragma unroll 8
    for (int k = 0; k < kDepth; ++k) {
      float a[T::kRows], b[T::kColumns];
#pragma unroll
      for (int i = 0; i < T::kRows; i += T::kRowVector) load_pack<T::kRowVector>(&chunk.a[k][T::row_of(i)], a + i);
#pragma unroll
      for (int j = 0; j < T::kColumns; j += T::kColumnVector) {
        load_pack<T::kColumnVector>(&chunk.b[k][T::column_of(j)], b + j);
      }
#pragma unroll
      for (int j = 0; j < T::kColumns; ++j) {
        const bool counts = !Skips || __float_as_uint(b[j]) != kSkipped;
#pragma unroll
        for (int i = 0; i < T::kRows; ++i) {
          if (counts) sums_[i][j] = fmaf(a[i], b[j], sums_[i][j]);
        }
      }
    }
  }

  // Outputs leave by way of each thread's own places in shared memory: the loop that activates and stores them then
  // stands in the program once, and not for every register.
  __device__ void write(bool first, bool last) {
    constexpr int V = T::kColumnVector, half = T::kRows / 2, vectors = half * T::kColumns / V;
    float* own = s_.outputs + threadIdx.x * V;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
#pragma unroll
      for (int i = 0; i < half; ++i) {
#pragma unroll
        for (int j = 0; j < T::kColumns; j += V) {
          store_pack<V>(own + (i * (T::kColumns / V) + j / V) * (kThreads * V), &sums_[h * half + i][j]);
        }
      }
#pragma unroll 1
      for (int v = 0; v < vectors; ++v) {
        write_vector(own + v * (kThreads * V), h * half + v / (T::kColumns / V), v % (T::kColumns / V) * V, first,
                     last);
      }
    }
  }

  __device__ void write_vector(const float* own, int i, int j, bool first, bool last) {
    constexpr int V = T::kColumnVector;
    const int m = T::row_of(i), n = T::column_of(j), count = columns_ - n < V ? columns_ - n : V;
    if (m >= rows_ || count <= 0) return;
    float value[V];
    load_pack<V>(own, value);
    float* row = s_.piece.c + (m0_ + m) * s_.piece.c_m;
    const Column* columns = s_.columns + n;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      if (k >= count) break;
      if (!first) value[k] = row[columns[k].c] + value[k];
      if (last) value[k] = activate(after_, value[k]);
    }
    float* to = row + columns[0].c;
    if (V > 1 && count == V && columns[V - 1].c - columns[0].c == V - 1 && aligned(to, V)) {
      return store_pack<V>(to, value);
    }
#pragma unroll
    for (int k = 0; k < V; ++k) {
      if (k < count) row[columns[k].c] = value[k];
    }
  }

  const Operands& operands_;
  const Activation after_;
  ProductMemory<T>& s_;
  std::int64_t m0_ = 0, n0_ = 0;  // the tile's first output
  int rows_ = 0, columns_ = 0;    // its outputs that there are
  const float *a_ = nullptr, *b_ = nullptr;
  std::int64_t a_next_ = 0;  // from value to value that a thread fetches
  unsigned row_limit_ = 0, column_limit_ = 0;
  float sums_[T::kRows][T::kColumns];
};

template <class T, class Operands>
__global__ void __launch_bounds__(kThreads, T::kBlocks)
    product_kernel(const Operands operands, Activation after, std::int64_t down, std::int64_t across,
                   std::int64_t tiles) {
  BlockProduct<T, Operands> product(operands, after);
  for (std::int64_t tile = blockIdx.x; tile < tiles; tile += gridDim.x) product.run(tile, down, across);
}

template <class T, class Operands>
void launch_product(const char* name, Stream stream, const Operands& operands, Activation after, std::int64_t m,
                    std::int64_t n, std::int64_t pieces) {
  const std::int64_t down = ceil_div(m, T::kM), across = ceil_div(n, T::kN), tiles = down * across * pieces;
  const Geometry geometry{dim3(static_cast<unsigned>(std::min(tiles, kMostBlocks))), dim3(kThreads),
                          sizeof(ProductMemory<T>)};
  launch(name, product_kernel<T, Operands>, geometry, stream, operands, after, down, across, tiles);
}

// Queues `pieces` products of at most m x n.
template <class Operands>
void multiply(const char* name, Stream stream, TileShape shape, const Operands& operands, Activation after,
              std::int64_t m, std::int64_t n, std::int64_t pieces) {
  switch (shape) {
    case TileShape::Rows8:
      return launch_product<Tile8>(name, stream, operands, after, m, n, pieces);
    case TileShape::Rows16:
      return launch_product<Tile16>(name, stream, operands, after, m, n, pieces);
    case TileShape::Rows64:
      return launch_product<Tile64>(name, stream, operands, after, m, n, pieces);
    case TileShape::Rows128:
      return launch_product<Tile128>(name, stream, operands, after, m, n, pieces);
  }
}

}  // namespace convlet::cuda
