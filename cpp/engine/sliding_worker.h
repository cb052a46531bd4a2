// One thread's memory for pieces of a picture, and its work on them.
#pragma once

#include "engine/sliding.h"
#include "engine/stop.h"

namespace convlet {

class Sliding::Worker {
 public:
  Worker(const Sliding& sliding, const Picture& picture, float* scores)
      : sliding_(&sliding), picture_(&picture), scores_(scores) {}

  // Leaves the scores of a piece in their place, unless the run is to stop, which the calling thread asks about.
  void run(const Piece& piece, Stop& stop, bool is_caller);

 private:
  // The rectangle of a plane that the windows of the piece need.
  struct Extent {
    std::int64_t rows, columns, vectors;
  };

  void compute(const Stage& stage, const Job& job, const Extent& extent, float* y);
  void load(const Stage& stage, const Job& job, const Extent& extent, float* y) const;
  void convolve(const Stage& stage, const SlidingPlane& plane, float* y);
  void apply(const SlidingLayer& layer, const Stage& stage, const Extent& extent, float* y) const;
  void save(const float* y) const;

  const Sliding* sliding_;
  const Picture* picture_;
  float* scores_;
  Piece piece_{};
  Buffer arena_, part_;
};

}  // namespace convlet
