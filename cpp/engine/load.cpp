#include "engine/load.h"

#include "ops/augment.h"

namespace convlet {
namespace {

template <class Pixel>
const Pixel* pixels_of(const Images& images, std::int64_t n) {
  return static_cast<const Pixel*>(images.data) + n * images.size;
}

std::int64_t room_of(const Image& shape) { return round_up(shape.size(), kTile); }

}  // namespace

void load_tile(const Kernels& k, const Images& images, const LaneImages& lanes, float* tile) {
  const std::uint8_t* bytes[kTile];
  const float* floats[kTile];
  for (std::size_t n = 0; n < kTile; ++n) {
    if (images.bytes) {
      bytes[n] = pixels_of<std::uint8_t>(images, lanes[n]);
    } else {
      floats[n] = pixels_of<float>(images, lanes[n]);
    }
  }
  if (images.bytes) {
    k.pack_bytes(bytes, images.size, tile);
  } else {
    k.pack_floats(floats, images.size, tile);
  }
}

std::int64_t augmentation_scratch(const Image& shape) { return (kTile + 1) * room_of(shape) + turn_scratch(shape); }

// Bytes stay bytes as long as pixels are only copied, which moves a quarter of the memory.
void load_augmented(const Kernels& k, const Images& images, const Image& shape, const Augment& augment, Draw draw,
                    const LaneImages& lanes, int count, float* scratch, float* tile) {
  const std::int64_t room = room_of(shape);
  const bool bytes = images.bytes && augment.rotation == Rotation::None;
  float* scaled = scratch + kTile * room;
  const std::uint8_t* byte_lanes[kTile];
  const float* float_lanes[kTile];
  for (int n = 0; n < kTile; ++n) {
    float* own = scratch + (n < count ? n : 0) * room;
    float_lanes[n] = own;
    byte_lanes[n] = reinterpret_cast<const std::uint8_t*>(own);
    if (n >= count) continue;
    const std::int64_t image = lanes[static_cast<std::size_t>(n)];
    const Transform t = transform_of(augment, draw, image, static_cast<std::int32_t>(shape.height),
                                     static_cast<std::int32_t>(shape.width));
    if (bytes) {
      augment_image(t, shape, pixels_of<std::uint8_t>(images, image), reinterpret_cast<std::uint8_t*>(own));
      continue;
    }
    const float* x = images.bytes ? scaled : pixels_of<float>(images, image);
    if (images.bytes) k.scale_bytes(pixels_of<std::uint8_t>(images, image), images.size, scaled);
    if (t.turned) {
      turn_image(k, t, shape, x, scaled + room, own);
    } else {
      augment_image(t, shape, x, own);
    }
  }
  if (bytes) {
    k.pack_bytes(byte_lanes, images.size, tile);
  } else {
    k.pack_floats(float_lanes, images.size, tile);
  }
}

}  // namespace convlet
