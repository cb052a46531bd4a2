// One image, augmented, in NumPy's layout (C, H, W).
#pragma once

#include "convlet/augment.h"
#include "convlet/shapes.h"
#include "kernels/table.h"

namespace convlet {

// For transforms that copy pixels: no rotation.
template <class Pixel>
void augment_image(const Transform& t, const Image& shape, const Pixel* x, Pixel* y);

// Floats of scratch memory that a rotation needs.
inline std::int64_t turn_scratch(const Image& shape) { return (shape.height + 4) * (shape.width + 4); }
void turn_image(const Kernels& k, const Transform& t, const Image& shape, const float* x, float* scratch, float* y);

}  // namespace convlet
