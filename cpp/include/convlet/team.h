// Processes that train one net together. Each holds all images and the same order, takes whole tiles of every batch,
// and makes the same update of weights of its own, so that weights never travel.
//
// Sums: every process adds up the gradients of its own tiles, and the sums are added over the processes; in another
// order than one process would, so the last bits differ. One message a step, of all parameters.
// Tiles: what every tile left for the update goes to every process, which then adds it up as one process would, to
// the same bits. The message grows with the batch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "convlet/tile.h"

namespace convlet {

enum class Combine { Sums, Tiles };

// Numbers that lie behind the gradients in a message: loss, right answers, wishes to stop.
constexpr std::int64_t kFigures = 3;

// A process's tiles of a batch: first .. last - 1.
struct Share {
  std::int64_t first, last;

  // Of the batch's images.
  std::int64_t images(std::int64_t count) const {
    return std::min(last * kTile, count) - std::min(first * kTile, count);
  }
};

struct Team {
  std::int64_t rank = 0, size = 1;
  Combine combine = Combine::Sums;

  // Both are called by the calling thread, by all processes in the same order, and return false where they fail.
  // Adds `count` numbers over the processes, in place.
  std::function<bool(float* numbers, std::int64_t count)> sum;
  // Fills a buffer of which each process has filled its own part; bytes[r] is the size of process r's, in order.
  std::function<bool(void* buffer, const std::vector<std::int64_t>& bytes)> gather;

  Share share(std::int64_t process, std::int64_t tiles) const {
    return {process * tiles / size, (process + 1) * tiles / size};
  }
};

}  // namespace convlet
