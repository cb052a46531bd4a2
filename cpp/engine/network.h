// A planned network on one tile: packed weights, forward and backward through all stages.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "convlet/plan.h"
#include "ops/buffer.h"
#include "ops/conv2d_tile.h"
#include "ops/linear_tile.h"
#include "ops/matrix_tile.h"

namespace convlet {

// What the tiles of a step leave behind for the update: partial gradients of each tile (slots), and for dense
// layers, whose weight gradient is one matrix product over the step, their inputs by image and output gradients.
class Stash {
 public:
  Stash(const Plan& plan, std::int64_t tiles);

  float* slot(std::int64_t tile) { return slots_.data() + tile * plan_->slot_size; }
  float* inputs(std::size_t stage) { return dense_[stage].inputs.data(); }
  float* slopes(std::size_t stage) { return dense_[stage].slopes.data(); }
  std::int64_t tiles() const { return tiles_; }
  // Floats from image to image of a stage's inputs: an odd number of cache lines, so that a column of them meets all
  // sets of a cache.
  static std::int64_t row(const Stage& stage) { return (ceil_div(stage.layer.linear.inputs, kTile) | 1) * kTile; }

 private:
  struct Dense {
    Buffer inputs, slopes;  // (N, I rounded up), (N / 16, O, 16)
  };
  const Plan* plan_;
  std::int64_t tiles_;
  Buffer slots_;
  std::vector<Dense> dense_;
};

// A tile in training: what its dropout layers draw by.
struct TrainingTile {
  Draw draw;
  std::int64_t first = 0;  // place in the batch of its first image
  std::int64_t slot = 0;   // of the stash, for what it leaves
};

class Network {
 public:
  // With a matrix unit the layers that suit it have bf16 products, but for the weight gradients of dense layers.
  Network(const Plan& plan, const Kernels& kernels, const MatrixKernels* matrix);

  enum class Passes { Forward, Both };

  // Packs the weights of output channels o0 .. o1 - 1 of a stage, or all weights.
  void pack(std::size_t stage, std::int64_t o0, std::int64_t o1, const float* parameters, Passes passes);
  void pack(const float* parameters, Passes passes);

  // The input tile lies at the start of the arena; the output is left at plan.output_offset(). At inference, with null,
  // nothing is dropped.
  void forward(const float* parameters, float* arena, const TrainingTile* training) const;

  // The gradient of the output lies at plan.slope, for so many images; what the update needs goes to the stash.
  void backward(float* arena, const TrainingTile& training, int images, Stash& stash) const;

 private:
  struct Operation {
    std::optional<Conv2dTile> conv;
    std::optional<LinearTile> linear;
    std::optional<MatrixTile> matrix;  // in place of either
    Pooling pooling{};
    Buffer forward, backward;  // packed weights
  };

  void make(const Conv2d& op, const MatrixKernels& matrix, Operation& operation) const;
  void forward_stage(std::size_t i, const float* parameters, float* arena, const TrainingTile* training) const;
  void backward_stage(std::size_t i, float* arena, const TrainingTile& training, int images, Stash& stash) const;
  bool wants_input_gradient(std::size_t i) const { return static_cast<int>(i) > plan_->first_trained; }
  void drop(std::size_t i, const TrainingTile& training, const float* x, float* y) const;

  const Plan* plan_;
  const Kernels* kernels_;
  std::vector<Operation> operations_;
};

}  // namespace convlet
