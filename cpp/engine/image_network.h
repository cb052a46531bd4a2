// A planned network on single images: what is left over of a batch when its tiles of 16 are done. The same bits.
#pragma once

#include <optional>
#include <vector>

#include "convlet/plan.h"
#include "ops/buffer.h"
#include "ops/conv2d_image.h"
#include "ops/linear_rows.h"

namespace convlet {

class ImageNetwork {
 public:
  ImageNetwork(const Plan& plan, const Kernels& kernels);

  // Packs the weights of the convolutions; dense layers read theirs as they are.
  void pack(const float* parameters);

  std::int64_t arena() const { return 2 * largest_ + scratch_; }  // floats of one image

  // x (C, H, W) of floats, perhaps at the start of the arena; returns the output, which lies in the arena. With more
  // than one thread the rows of large convolutions are shared out.
  const float* forward(const float* parameters, const float* x, float* arena, int threads) const;

 private:
  struct Operation {
    std::optional<ImagePass> conv;
    std::optional<LinearRows> linear;
    Pooling pooling{};
    Buffer weights;
  };

  void forward_conv(const Stage& stage, const Operation& operation, const float* bias, const float* x, float* scratch,
                    float* y, int threads) const;
  void forward_softmax(const Stage& stage, const float* x, float* scratch, float* y) const;

  const Plan* plan_;
  const Kernels* kernels_;
  std::vector<Operation> operations_;
  std::int64_t largest_ = 0, scratch_ = 0;  // floats of an activation; of what a stage needs besides
};

}  // namespace convlet
