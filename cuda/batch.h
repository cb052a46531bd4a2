// A batch on the device: which images it takes from a resident set, and the bookkeeping of a step, all read and written
// by kernels, so that a recorded step can be launched again and again without the host.
#pragma once

#include <cstdint>

#include "convlet/augment.h"
#include "convlet/cross_entropy.h"
#include "convlet/shapes.h"
#include "cuda/device.h"
#include "cuda/ops.h"

namespace convlet::cuda {

struct Cursor {               // where a run stands
  std::int64_t position = 0;  // of the batch's first image in the order
  std::int64_t step = 0;
};

struct Source {                  // pointers to device memory
  const void* images = nullptr;  // (all, size)
  bool bytes = false;            // scaled by 1/255
  std::int64_t size = 0;         // values of an image
  const std::int64_t* labels = nullptr;
  const std::int64_t* order = nullptr;  // of the images; null: as they lie
  const Cursor* cursor = nullptr;
  const Draw* draw = nullptr;     // in training: of the run's first step,
  const Cursor* clock = nullptr;  // from which this one counts
  std::int64_t first = 0;         // images of the batch that come before those that are taken,
  std::int64_t drawn_first = 0;   // and the number that dropout knows the first of them by
};

// What a step leaves for the host, summed on the device: Totals of convlet/run.h.
struct DeviceTotals {
  double steps = 0, images = 0, loss_sum = 0, correct = 0;
};

// x (count, size) and targets (count); either may be null.
void gather(Stream, const Source& source, std::int64_t count, float* x, std::int64_t* targets);

// x (count, size) and labels (count), augmented; `augment` lies on the device.
void augment(Stream, const Source& source, std::int64_t count, const Image& shape, const Augment* augment, float* x,
             std::int64_t* labels);

// Dropout of a batch in training, with the mask of the step that the source stands at.
void dropout_of_step(Stream, const Dropout& op, const Source& source, std::int64_t images, std::int64_t size,
                     const float* x, float* y);

// now = rates[step]
void begin_step(Stream, const Cursor* cursor, const StepRates* rates, StepRates* now);

// divisor: what the loss of the batch divides by.
void batch_divisor(Stream, const Source& source, std::int64_t count, const CrossEntropyLoss& loss, double* divisor);

// sums (2): of the losses, and of the right answers (hits: 0 or 1 each), in the order of the images.
void sum_losses(Stream, const float* losses, const float* hits, std::int64_t count, double* sums);

// totals += this step, and the cursor moves on. The loss is the sum over the images or, where a mean is weighted, mean
// times images.
void finish_step(Stream, Cursor* cursor, std::int64_t count, Reduction reduction, const double* divisor,
                 const double* sums, DeviceTotals* totals);

// What goes behind the gradients to other processes (convlet/team.h), and what comes back: the loss and the right
// answers.
void pack_figures(Stream, const double* sums, const float* wish, float* figures);
void unpack_figures(Stream, const float* figures, double* sums);

// gradients[i] = sum over the slots, in order, of slots[slot][i]
void sum_slots(Stream, const float* slots, std::int64_t count, std::int64_t stride, std::int64_t values,
               float* gradients);

}  // namespace convlet::cuda
