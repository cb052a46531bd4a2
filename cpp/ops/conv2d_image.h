// conv2d on one image, with 16 channels or 16 columns in the lanes of a vector: for batches that do not fill a tile of
// 16 images, and for layers of many channels. The same bits as Conv2dTile.
#pragma once

#include "convlet/axis.h"
#include "convlet/conv2d.h"
#include "convlet/modes.h"
#include "kernels/table.h"
#include "ops/weights.h"

namespace convlet {

// Share of the lanes that n values fill.
inline double filled_lanes(std::int64_t n) { return static_cast<double>(n) / static_cast<double>(round_up(n, kTile)); }

// One pass from an image (C, H, W) to bands of rows of another.
class ImagePass {
 public:
  ImagePass(const Conv2d& op, Direction direction, const Kernels& kernels);

  double clocks() const { return clocks_; }  // of an image, by the model of blocking.h
  std::int64_t weights() const { return correlation_.groups * correlation_.w_group; }  // packed, in floats
  std::int64_t scratch() const;                                                        // floats for a band of one image
  std::int64_t bands() const { return ceil_div(height_, correlation_.band_rows); }

  // Cuts the output into at least so many bands, as far as it has rows.
  void share_out(int bands);

  // From (O, C, KH, KW), all at once.
  void pack(const float* w, float* packed) const;

  // Images to run together: one, or a few.
  std::int64_t together() const { return together_; }

  // One band of the output of some images: x (N, C, H, W), w packed, bias (O) or null, y (N, O, OH, OW), `scratch` with
  // room for all of them.
  void run(std::int64_t band, std::int64_t images, const float* x, const float* w, const float* bias, float* scratch,
           float* y) const;

 private:
  std::int64_t vectors() const { return std::int64_t{correlation_.groups} * correlation_.out_channels; }
  void choose_lanes();
  double speed_of_masks() const;  // of columns in the lanes: 1 without any
  void plan_channels();
  void plan_columns();
  void run_channels(Correlation c, std::int64_t images, const float* x, const float* w, const float* bias,
                    float* scratch, float* y) const;
  void run_columns(Correlation c, const float* x, const float* w, const float* bias, float* scratch, float* y) const;

  Conv2d op_;
  Direction direction_;
  Image from_, to_;
  std::int64_t height_ = 0, width_ = 0;  // rows of the output and their width: as the pass sees them
  std::int64_t together_ = 1;
  std::int64_t gathered_rows_ = 0;  // with columns in the lanes: so many rows of all planes are copied side by side
  const Kernels* kernels_;
  Lanes lanes_ = Lanes::Channels;
  double clocks_ = 0;
  Axis rows_, columns_;
  Correlation correlation_{};
};

}  // namespace convlet
