// One image, augmented, in NumPy's layout (C, H, W).
#pragma once

#include "convlet/augment.h"
#include "convlet/shapes.h"

namespace convlet {

// For transforms that copy pixels: no rotation.
template <class Pixel>
void augment_image(const Transform& t, const Image& shape, const Pixel* x, Pixel* y);
// For all.
void turn_image(const Transform& t, const Image& shape, const float* x, float* y);

}  // namespace convlet
