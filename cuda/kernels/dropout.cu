// dropout: y[n][i] = kept(word i of image n) ? x[n][i] scale : 0, and normalization: y = (x - mean) / std.
//
// A thread takes the four elements of an image that share a call of the generator, the same words as on the CPU. y may
// be x.
#include "convlet/shapes.h"
#include "cuda/batch.h"
#include "cuda/kernels/device.cuh"
#include "cuda/ops.h"
#include "cuda/runtime.h"

namespace convlet::cuda {
namespace {

// Either a draw as it stands or, so that a recorded step draws anew at each launch, one in device memory, whose steps a
// cursor counts.
struct Drawing {
  Draw draw;
  const Draw* first = nullptr;
  const Cursor* clock = nullptr;
  std::int64_t image = 0;  // the number of the first
};

__global__ void dropout_kernel(Dropout op, Drawing drawing, std::int64_t images, std::int64_t size, const float* x,
                               float* y) {
  const std::int64_t blocks = ceil_div(size, 4), n = thread_of_grid() / blocks, block = thread_of_grid() % blocks;
  if (n >= images) return;
  Draw draw = drawing.draw;
  if (drawing.first) draw = {drawing.first->seed, drawing.first->step + drawing.clock->step};
  const Words words =
      draw_words(draw, op.layer, static_cast<std::uint32_t>(drawing.image + n), static_cast<std::uint32_t>(block));
  for (std::int64_t k = 0; k < 4 && 4 * block + k < size; ++k) {
    const std::int64_t at = n * size + 4 * block + k;
    y[at] = dropped(op, words.at[k], x[at]);
  }
}

void launch_dropout(Stream stream, const Dropout& op, const Drawing& drawing, std::int64_t images, std::int64_t size,
                    const float* x, float* y) {
  if (size > 0) {
    launch("dropout", dropout_kernel, line(images * ceil_div(size, 4)), stream, op, drawing, images, size, x, y);
  }
}

// Of one channel, whose planes lie `image` floats apart.
__global__ void normalize_kernel(std::int64_t images, std::int64_t plane, std::int64_t image, float mean, float std,
                                 const float* x, float* y) {
  const std::int64_t i = thread_of_grid();
  if (i >= images * plane) return;
  const std::int64_t at = i / plane * image + i % plane;
  y[at] = __fdiv_rn(x[at] - mean, std);
}

}  // namespace

void dropout(Stream stream, const Dropout& op, Draw draw, std::int64_t images, std::int64_t size, const float* x,
             float* y) {
  launch_dropout(stream, op, {draw}, images, size, x, y);
}

void dropout_of_step(Stream stream, const Dropout& op, const Source& source, std::int64_t images, std::int64_t size,
                     const float* x, float* y) {
  launch_dropout(stream, op, {{}, source.draw, source.clock, source.drawn_first}, images, size, x, y);
}

void normalize(Stream stream, std::int64_t images, std::int64_t channels, std::int64_t plane, const float* mean,
               const float* std, const float* x, float* y) {
  for (std::int64_t c = 0; c < channels; ++c) {
    launch("normalize", normalize_kernel, line(images * plane), stream, images, plane, channels * plane, mean[c],
           std[c], x + c * plane, y + c * plane);
  }
}

}  // namespace convlet::cuda
