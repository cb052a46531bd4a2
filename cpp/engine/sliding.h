// The run of a net that slides over a picture.
//
// A piece of the picture, of some rows and columns of windows, is carried through all layers while it stays in L2,
// plane by plane: a plane is computed as soon as the planes that it reads are there, and its memory is given to another
// of its layer when nothing is left to read it. That order, the memory and all offsets are worked out beforehand, once
// for a picture.
#pragma once

#include <cstdint>
#include <vector>

#include "convlet/run.h"
#include "convlet/sliding.h"
#include "kernels/table.h"
#include "ops/buffer.h"

namespace convlet {

class Sliding {
 public:
  // For pictures with so many rows and columns of windows.
  Sliding(const SlidingNet& net, const Kernels& kernels, std::int64_t rows, std::int64_t columns);

  std::int64_t outputs() const { return stages_.back().channels; }
  // scores (K, rows, columns). Returns false if the watch abandoned it.
  bool run(const Picture& picture, float* scores, const Watch& watch) const;

 private:
  // What is computed plane by plane: the picture, a convolution or a pooling, and what changes its outputs in place.
  struct Stage {
    const SlidingLayer* layer = nullptr;  // null: the picture
    const Stage* before = nullptr;
    std::vector<const SlidingLayer*> then;
    const Lines *rows = nullptr, *columns = nullptr;
    std::int64_t channels = 1;
    std::vector<std::int32_t> jobs;           // of each plane, or -1 where nothing reads it
    std::size_t first_job = 0, last_job = 0;  // between which its memory is in use
    std::int64_t slots = 0;                   // planes that are kept at once
    std::int64_t pitch = 0, plane = 0;        // floats from row to row, from channel to channel
    std::int64_t memory = 0, size = 0;        // floats of the arena: where they begin, how many
    std::int64_t w_channel = 0, w_block = 0, w_group = 0;
    std::int32_t block = 1;
    Buffer weights;
  };
  struct Job {  // a plane
    std::int32_t stage, row, column, slot;
    std::int64_t taps, tap_count;  // in taps_
  };
  struct Piece {
    std::int64_t top, left, rows, columns;  // in windows
  };
  class Worker;

  void add_stages();
  void schedule(std::size_t stage, std::size_t row, std::size_t column);
  void share_memory();
  double cost(std::int64_t rows, std::int64_t columns) const;
  void choose_piece();
  std::int64_t place(std::int64_t rows, std::int64_t columns);
  void pack(Stage& stage) const;
  void list_taps(const Job& job);
  // f(row tap, column tap, job of the plane that it lies on)
  template <class F>
  void for_each_tap(const Job& job, F&& f) const;

  const SlidingNet* net_;
  const Kernels* kernels_;
  std::int64_t rows_, columns_;                      // of windows
  std::int64_t piece_rows_ = 1, piece_columns_ = 1;  // at most, of a piece
  std::int64_t arena_ = 0;                           // floats
  std::vector<Stage> stages_;
  std::vector<Job> jobs_;
  std::vector<Tap> taps_;
};

}  // namespace convlet
