#include <vector>

#include "isa/dispatch.h"
#include "ops/cross_entropy_tile.h"
#include "ops/ops.h"
#include "ops/tiles.h"

namespace convlet::ops {
namespace {

// Both passes: losses (rows) and dlogits (rows, classes) may be null. Returns the sum of the losses.
double walk(const CrossEntropyLoss& loss, double divisor, std::int64_t rows, const float* logits,
            const std::int64_t* labels, float* losses, float* dlogits) {
  const Kernels& k = kernels();
  std::vector<double> sums(static_cast<std::size_t>(tiles_of(rows)));
  for_each_tile(rows, loss.classes * 16, [&](std::int64_t t) {
    float* x = scratch(Scratch::X, loss.classes * kTile);
    float* dx = dlogits ? scratch(Scratch::Dx, loss.classes * kTile) : nullptr;
    const std::int64_t first = t * kTile;
    const int images = static_cast<int>(std::min<std::int64_t>(kTile, rows - first));
    float lanes[kTile];
    pack_tile(k, logits, rows, loss.classes, t, x);
    const auto label_at = [&](int n) { return labels[first + n]; };
    sums[static_cast<std::size_t>(t)] = cross_entropy_tile(k, loss, divisor, x, images, label_at, lanes, dx).sum;
    if (losses) std::copy(lanes, lanes + images, losses + first);
    if (dlogits) unpack_tile(k, dx, rows, loss.classes, t, dlogits);
  });
  double total = 0.0;
  for (const double sum : sums) total += sum;
  return total;
}

double divisor_of(const CrossEntropyLoss& loss, std::int64_t rows, const std::int64_t* labels) {
  return loss.divisor(rows, [&](std::int64_t n) { return labels[n]; });
}

}  // namespace

void cross_entropy(const CrossEntropyLoss& loss, std::int64_t rows, const float* logits, const std::int64_t* labels,
                   float* losses) {
  const bool each = loss.reduction == Reduction::None;
  const double sum = walk(loss, 1.0, rows, logits, labels, each ? losses : nullptr, nullptr);
  if (!each) *losses = static_cast<float>(sum / divisor_of(loss, rows, labels));
}

void cross_entropy_backward(const CrossEntropyLoss& loss, std::int64_t rows, const float* logits,
                            const std::int64_t* labels, float* dlogits) {
  walk(loss, divisor_of(loss, rows, labels), rows, logits, labels, nullptr, dlogits);
}

}  // namespace convlet::ops
