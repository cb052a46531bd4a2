// A batch as tiles of 16 images: which images a tile holds, and the way in and out.
#pragma once

#include <algorithm>
#include <cstdint>

#include "convlet/shapes.h"
#include "convlet/tile.h"
#include "kernels/table.h"
#include "ops/buffer.h"
#include "threads/pool.h"

namespace convlet {

inline std::int64_t tiles_of(std::int64_t images) { return ceil_div(images, kTile); }

// Of a batch in tile t.
inline int images_of(std::int64_t t, std::int64_t images) {
  return static_cast<int>(std::min<std::int64_t>(kTile, images - t * kTile));
}

// Images of tile t of a contiguous batch (N, size) <-> [size][16]. Lanes without an image read as zeros.
inline void pack_tile(const Kernels& k, const float* batch, std::int64_t images, std::int64_t size, std::int64_t t,
                      float* tile) {
  const float* lanes[kTile] = {};
  for (std::int64_t n = 0; n < std::min<std::int64_t>(kTile, images - t * kTile); ++n) {
    lanes[n] = batch + (t * kTile + n) * size;
  }
  k.pack_floats(lanes, size, tile);
}

inline void unpack_tile(const Kernels& k, const float* tile, std::int64_t images, std::int64_t size, std::int64_t t,
                        float* batch) {
  float* lanes[kTile] = {};
  for (std::int64_t n = 0; n < std::min<std::int64_t>(kTile, images - t * kTile); ++n) {
    lanes[n] = batch + (t * kTile + n) * size;
  }
  k.unpack(tile, size, lanes);
}

// Threads of the pool for work of so many multiply-adds; small work stays on the calling thread.
inline int threads_for(std::int64_t cost) {
  constexpr std::int64_t kWorthAThread = 2000000;  // some 20 us: waking a thread takes up to 50
  return static_cast<int>(std::clamp<std::int64_t>(cost / kWorthAThread, 1, Pool::shared().size()));
}

// f(piece) for pieces of work of so many multiply-adds together, on the pool's threads.
template <class F>
void for_each_piece(std::int64_t pieces, std::int64_t cost, F&& f) {
  parallel_for(threads_for(cost), pieces, [&](std::int64_t piece, int) {
    f(piece);
    trim_scratch();
  });
}

// f(tile) for every tile of a batch.
template <class F>
void for_each_tile(std::int64_t images, std::int64_t cost_per_image, F&& f) {
  for_each_piece(tiles_of(images), images * cost_per_image, f);
}

// sums[i] = slots[0][i] + slots[1][i] + ..., in this order, so that the bits do not depend on the threads.
inline void sum_slots(const Kernels& k, const float* slots, std::int64_t count, std::int64_t stride, std::int64_t size,
                      float* sums) {
  std::fill(sums, sums + size, 0.0f);
  for (std::int64_t s = 0; s < count; ++s) k.add(slots + s * stride, size, sums);
}

}  // namespace convlet
