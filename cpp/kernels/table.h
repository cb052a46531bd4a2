// The kernels of one instruction set: a table of functions on tiles, with their block sizes.
//
// A tile holds 16 images as [channel][row][column][16 images]. Plain structs and pointers only: this header
// is compiled for every instruction set, so nothing here may become code that the linker could merge.
#pragma once

#include <cstddef>
#include <cstdint>

#include "convlet/augment.h"
#include "convlet/dropout.h"
#include "convlet/modes.h"
#include "convlet/tile.h"

namespace convlet {

// y[o][p][n] = bias[o] + sum over c, kh, kw of w[o][c][kh][kw] x[c][p + (kh, kw)][n]
// With images in the lanes x is (C, H, W, 16), with channels (C, H, W), and out_channels counts vectors of 16 of them.
// Serves conv2d forward and its input gradient (the spans differ), linear forward and its input gradient
// (1x1 images). Strides are in floats.
struct Correlation {
  std::int32_t groups, in_channels, out_channels;  // channels of one group
  std::int32_t kernel_height, kernel_width;
  std::ptrdiff_t x_channel, x_row, x_column, y_channel, y_row;  // a column of y is as wide as one of x
  const Span *rows, *columns;
  std::int32_t row_spans, column_spans;
  std::int32_t row_per_out, row_per_tap, column_per_out, column_per_tap;  // steps of the input
  std::int32_t column_origin;  // with columns in the lanes: input column of output 0 at tap 0
  std::int32_t block;          // output channels computed together
  std::int32_t chain_channels, chain_rows, chain_columns;  // taps between two cuts of the chain
  std::int32_t chunk_taps;          // after which a block's chain rests in y: the weights stay in the L1 cache
  std::int32_t band_rows;           // output rows computed for all output channels before the next rows
  std::int32_t images;              // with channels in the lanes: that share each piece of the weights,
  std::ptrdiff_t x_image, y_image;  // so far apart
  std::int32_t row_begin, row_end;  // the output rows to compute; y begins at the first of them
  std::ptrdiff_t w_group;           // floats between the weights of two groups,
  std::ptrdiff_t w_block;           // of two blocks of output channels,
  std::ptrdiff_t w_channel, w_tap;  // of two input channels, of two taps,
  std::ptrdiff_t w_vector;          // of two vectors of 16 output channels
  Activation after;                 // of every output, while it is still in the L1 cache
};

struct Tap {
  std::ptrdiff_t a, b;  // offsets from a block's first operands: of what is broadcast, and of the vector
};

// y[o][i][j] = bias[o] + sum over c and taps t of w[o][c][t] x[c][offset of t + i, j], i in rows and j in vectors of 16
// columns; or a pooling of the same taps, channel by channel. Strides are in floats.
struct SlidingPlane {
  const Tap* taps;  // of a channel: offsets of the weight and of the input
  std::int32_t tap_count, in_channels, out_channels;
  std::int32_t block;  // output channels computed together
  std::int32_t rows, vectors;
  std::ptrdiff_t x_channel, x_row, y_channel, y_row;
  std::ptrdiff_t w_channel, w_block;  // of two input channels, of two blocks of output channels
  Activation after;                   // of every output, while it is still in the L1 cache
};

// One axis of a convolution whose outputs are seen from a kernel's tap.
struct TapAxis {
  std::int32_t in, out, taps, stride, dilation, padding;  // padding before the first
};

// dw[o][c][kh][kw] = sum over lanes n and positions p of dy[o][p][n] x[c][p + (kh, kw)][n],  db[o] = sum of dy[o]
struct WeightGradient {
  std::int32_t groups, in_channels, out_channels;
  std::ptrdiff_t x_channel, x_row, dy_channel, dy_row;
  TapAxis rows, columns;
  std::int32_t together;  // input channels at a time
  std::int32_t images;    // of the tile: what other lanes hold is not in any sum
};

struct Pooling {
  std::int32_t channels, height, width, out_height, out_width;
  std::int32_t kernel_height, kernel_width, stride_height, stride_width;
  std::int32_t top, bottom, left, right, dilation_height, dilation_width;
  std::int32_t divisor;  // of an average; 0: as `count` says
  AverageDivisor count;
};

struct CrossEntropy {
  std::int32_t classes;
  const float* weight;  // of the classes, or null
  float label_smoothing;
  float scale;  // of the gradients: 1 / (sum of the weights of the batch's targets) for a mean
};

struct SgdStep {
  float lr, momentum, fresh, weight_decay;  // fresh: 1 - dampening
  Momentum mode;
  BufferState buffer;
};

struct AdamStep {
  float fresh1, beta2, fresh2, eps, weight_decay;  // fresh: 1 - beta
  float lr, correction_root, keep;                 // lr / (1 - beta1^t), sqrt(1 - beta2^t), 1 - lr * weight_decay
  WeightDecay decay;
};

// The widest block of m rows that so many registers hold: m x p sums, the fewer of its operands, and one through which
// the others pass.
constexpr int block_width(int registers, int m) {
  int p = 1;
  while (m * (p + 1) + (m < p + 1 ? m : p + 1) + 1 <= registers) ++p;
  return p;
}

struct Kernels {
  const char* name;
  std::int32_t lanes, registers;
  std::int32_t accumulators;              // of the peak's round
  std::int32_t max_block, max_positions;  // output channels, positions of a block

  void (*correlate)(const Correlation&, const float* x, const float* w, const float* bias, float* y);
  // Of windows that slide over a picture, with windows in the lanes; bias may be null.
  void (*slide)(const SlidingPlane&, Chain, const float* x, const float* w, const float* bias, float* y);
  void (*slide_max)(const SlidingPlane&, const float* x, float* y);
  void (*slide_average)(const SlidingPlane&, float divisor, const float* x, float* y);
  // With channels in the lanes; bias (O / 16, 16) may be null.
  void (*correlate_channels)(const Correlation&, Chain, const float* x, const float* w, const float* bias, float* y);
  // With columns in the lanes, for chains that are not cut; y (O, OH, OW).
  void (*correlate_columns)(const Correlation&, const float* x, const float* w, const float* bias, float* y);
  // room: for Conv2d::gradient_room() tiles' pixels; db may be null.
  void (*weight_gradient)(const WeightGradient&, const float* dy, const float* x, float* room, float* dw, float* db);
  // With channels in the lanes, for one image: out_channels counts vectors of 16 output channels, x (C, H, W) and
  // dy (O / 16, OH, OW, 16) are added to sums (O / 16, C, KH, KW, 16) and (O / 16, 16).
  void (*weight_gradient_channels)(const WeightGradient&, const float* dy, const float* x, float* sums);
  void (*bias_gradient_channels)(const WeightGradient&, const float* dy, std::ptrdiff_t positions, float* sums);
  // sums[i] = the lanes of x[i] as a tree: lane n + lane n + 8, then 4, 2, 1; lanes from `images` on count as zeros.
  void (*sum_lanes)(const float* x, std::ptrdiff_t count, std::int32_t images, float* sums);

  // y[o] = bias[o] + sum over i of w[o][i] x[i] for one row and at least 16 outputs; bias may be null.
  void (*linear_row)(const float* x, const float* w, const float* bias, std::ptrdiff_t inputs, std::ptrdiff_t outputs,
                     float* y);
  // dw[o][i] (+)= sum over images n in order of dy[n / 16][o][n % 16] x[n][i]
  void (*outer_product)(const float* dy, std::ptrdiff_t dy_tile, const float* x, std::ptrdiff_t x_image,
                        std::ptrdiff_t images, std::ptrdiff_t outputs, std::ptrdiff_t inputs, Store store, float* dw);

  void (*max_pool)(const Pooling&, const float* x, float* y, float* winners);  // winners: kh * KW + kw, or null
  // The backward passes go on through the activation `before` the pooling, whose output is x (None: x is not read).
  void (*max_pool_backward)(const Pooling&, Activation before, const float* dy, const float* winners, const float* x,
                            float* dx);
  void (*average_pool)(const Pooling&, const float* x, float* y);
  void (*max_pool_image)(const Pooling&, const float* x, float* y);  // of one image (C, H, W)
  void (*average_pool_image)(const Pooling&, const float* x, float* y);
  void (*average_pool_backward)(const Pooling&, Activation before, const float* dy, const float* x, float* dx);

  void (*activate)(Activation, const float* x, std::ptrdiff_t count, float* y);
  void (*activate_backward)(Activation, const float* dy, const float* y, std::ptrdiff_t count, float* dx);

  void (*normalize)(const float* x, std::ptrdiff_t count, float mean, float std, float* y);  // (x - mean) / std
  // Of a tile whose first lane is so many images behind the first of its batch; y may be x.
  void (*dropout)(const Dropout&, const Draw&, std::uint32_t first, const float* x, std::ptrdiff_t size, float* y);

  // Softmax over the channels of a tile: x[k * stride] for k in 0..classes-1, each a vector of 16 lanes.
  void (*softmax)(const float* x, std::ptrdiff_t classes, std::ptrdiff_t stride, float* y);
  void (*log_softmax)(const float* x, std::ptrdiff_t classes, std::ptrdiff_t stride, float* y);
  void (*softmax_backward)(const float* dy, const float* y, std::ptrdiff_t classes, std::ptrdiff_t stride, float* dx);
  void (*log_softmax_backward)(const float* dy, const float* y, std::ptrdiff_t classes, std::ptrdiff_t stride,
                               float* dx);
  // labels: -1 for a lane without target. losses: of each lane. dlogits may be null. Returns the correct ones.
  std::int32_t (*cross_entropy)(const CrossEntropy&, const float* logits, const std::int32_t* labels, float* losses,
                                float* dlogits);

  // Between images [n][size] (found through 16 pointers; null is an image of zeros) and a tile [size][16].
  void (*pack_bytes)(const std::uint8_t* const* images, std::ptrdiff_t size, float* tile);  // times 1/255, exactly
  void (*scale_bytes)(const std::uint8_t* image, std::ptrdiff_t size, float* scaled);       // times 1/255, exactly
  void (*pack_floats)(const float* const* images, std::ptrdiff_t size, float* tile);
  // 16 rows of a matrix, `row` floats apart, as the lanes of a tile whose own rows are `tile_row` floats apart.
  void (*pack_rows)(const float* first, std::ptrdiff_t row, std::ptrdiff_t size, std::ptrdiff_t tile_row, float* tile);
  void (*unpack)(const float* tile, std::ptrdiff_t size, float* const* images);
  // One channel, turned and shifted, from (height + 4, width + 4) with two zeros around it.
  void (*turn)(const Transform&, std::int32_t height, std::int32_t width, const float* padded, float* y);

  void (*add)(const float* x, std::ptrdiff_t count, float* sum);  // sum += x
  void (*sgd)(const SgdStep&, const float* gradient, std::ptrdiff_t count, float* parameter, float* buffer);
  void (*adam)(const AdamStep&, const float* gradient, std::ptrdiff_t count, float* parameter, float* m, float* v);

  // Multiply-adds in registers, `accumulators` vectors a round.
  float (*peak)(std::int64_t rounds);
};

// How planes (C, H, W, 16) of float32 become cells of bf16. A cell holds two sources of one position, 16 images each,
// image by image; a source is a channel, or one of the `folded` rows that a kernel sees of it. Cells lie as (row,
// column, pair of sources), those beyond the image are zero, and so is the partner of a last source without one.
struct CellPlan {
  std::int32_t channels, height, width;  // of the planes
  std::int32_t folded, fold_step;        // rows of a channel side by side, and their distance
  std::int32_t rows, columns, row_step;  // of cells; row_step input rows lie between two of them
  std::int32_t top, left;                // where the image begins
};

// y[o][p][n] = bias[o] + sum over runs r and cells k of w[o][r][k] x[p + r + k][n], a product being that of two sources
struct CellCorrelation {
  std::int32_t out_channels, chunk;  // output channels of one matrix tile
  std::int32_t runs, run_cells;      // cells that lie side by side
  std::int32_t out_rows, out_columns;
  std::ptrdiff_t x_run, x_row, x_column;  // in cells
  std::ptrdiff_t y_channel, y_row;        // in floats
  Activation after;
};

// As WeightGradient, of steps of 1 along both axes and between the columns of the kernel, without groups.
struct CellWeightGradient {
  std::int32_t in_channels, out_channels, kernel_height, kernel_width, row_dilation;
  std::int32_t height, width, out_height, out_width;
  std::int32_t top, left;
  std::int32_t images;
};

// Kernels with bf16 products and float32 sums, of a matrix unit. bf16 is passed as uint16_t.
struct MatrixKernels {
  const char* name;
  void (*round)(const float* x, std::ptrdiff_t count, std::uint16_t* y);  // to the nearest, ties to even
  void (*to_cells)(const CellPlan&, const float* x, std::uint16_t* cells);
  // w: for every chunk of output channels, run and 16 cells of it: (chunk, 16 cells, 2); bias may be null.
  void (*correlate)(const CellCorrelation&, const std::uint16_t* x, const std::uint16_t* w, const float* bias,
                    float* y);
  // room: for so many values as weight_gradient_room says; dw and db (O, or null) are overwritten.
  std::ptrdiff_t (*weight_gradient_room)(const CellWeightGradient&);
  void (*weight_gradient)(const CellWeightGradient&, const float* dy, const float* x, std::uint16_t* room, float* dw,
                          float* db);
};

}  // namespace convlet
