// Every kernel, for the vector type of the instruction set that includes this file, and their table.

constexpr int smaller(int a, int b) { return a < b ? a : b; }
constexpr int larger(int a, int b) { return a > b ? a : b; }

// Holds a value in a register: compilers would turn arithmetic on it into branches and longer addresses.
template <class T>
CONVLET_INLINE void keep(T& value) {
  asm("" : "+r"(value));
}

#define CONVLET_UNROLL _Pragma("GCC unroll 32")

// clang-format off
#include "kernels/activation.inl"
#include "kernels/activate.inl"
#include "kernels/correlate_block.inl"
#include "kernels/conv2d.inl"
#include "kernels/conv2d_columns.inl"
#include "kernels/conv2d_backward.inl"
#include "kernels/conv2d_backward_channels.inl"
#include "kernels/linear.inl"
#include "kernels/pool2d.inl"
#include "kernels/sliding.inl"
#include "kernels/dropout.inl"
#include "kernels/softmax.inl"
#include "kernels/pack.inl"
#include "kernels/augment.inl"
#include "kernels/optimizer.inl"
#include "kernels/peak.inl"
// clang-format on

constexpr Kernels make_kernels(const char* name) {
  Kernels k{};
  k.name = name;
  k.lanes = Vec::lanes;
  k.registers = kRegisters;
  k.accumulators = kAccumulators;
  k.max_block = kMaxBlock;
  k.max_positions = kMaxPositions;
  k.correlate = correlate;
  k.slide = slide;
  k.slide_max = slide_max;
  k.slide_average = slide_average;
  k.correlate_channels = correlate_channels;
  k.correlate_columns = correlate_columns;
  k.weight_gradient = weight_gradient;
  k.weight_gradient_channels = weight_gradient_channels;
  k.bias_gradient_channels = bias_gradient_channels;
  k.sum_lanes = sum_lanes;
  k.linear_row = linear_row;
  k.outer_product = outer_product;
  k.max_pool = max_pool;
  k.max_pool_backward = max_pool_backward;
  k.average_pool = average_pool;
  k.max_pool_image = max_pool_image;
  k.average_pool_image = average_pool_image;
  k.average_pool_backward = average_pool_backward;
  k.activate = activate;
  k.activate_backward = activate_backward;
  k.normalize = normalize;
  k.dropout = dropout;
  k.softmax = softmax;
  k.log_softmax = log_softmax;
  k.softmax_backward = softmax_backward;
  k.log_softmax_backward = log_softmax_backward;
  k.cross_entropy = cross_entropy;
  k.pack_bytes = pack_bytes;
  k.scale_bytes = scale_bytes;
  k.pack_floats = pack_floats;
  k.pack_rows = pack_rows;
  k.unpack = unpack;
  k.turn = turn;
  k.add = add;
  k.sgd = sgd;
  k.adam = adam;
  k.peak = peak;
  return k;
}
