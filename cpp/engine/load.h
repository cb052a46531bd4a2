// The way of images into a tile: found by their index, augmented where asked, transposed.
#pragma once

#include <array>

#include "convlet/augment.h"
#include "convlet/run.h"
#include "convlet/shapes.h"
#include "convlet/tile.h"
#include "kernels/table.h"

namespace convlet {

// Which image of the set each lane holds.
using LaneImages = std::array<std::int64_t, kTile>;

// Of a tile of `count` images: lanes beyond it repeat the first, so that no value appears that the batch does not have.
template <class ImageAt>
LaneImages lane_images(int count, ImageAt&& image_at) {
  LaneImages lanes;
  for (int n = 0; n < kTile; ++n) lanes[static_cast<std::size_t>(n)] = image_at(n < count ? n : 0);
  return lanes;
}

void load_tile(const Kernels& k, const Images& images, const LaneImages& lanes, float* tile);

// Floats of scratch memory that augmentation needs.
std::int64_t augmentation_scratch(const Image& shape);
// The first `count` lanes are of different images; the others repeat the first.
void load_augmented(const Kernels& k, const Images& images, const Image& shape, const Augment& augment, Draw draw,
                    const LaneImages& lanes, int count, float* scratch, float* tile);

}  // namespace convlet
