// Dense layers: one row of the forward pass, and the weight gradient over all the images of a step.
//
// The forward pass of a tile, and its input gradient, are correlations of 1x1 images (conv2d.inl).

// y[o] = bias[o] + sum over inputs i, in order, of w[o][i] x[i], for B vectors of outputs; w (O, I).
//
// Lanes run over outputs, whose weights lie a row apart: four columns of the matrix at a time are transposed on the way
// into registers. That costs as much as the products, and spares a packed copy of the weights that might be stale.
template <int B>
void linear_row_block(const float* x, const float* w, std::ptrdiff_t row, std::ptrdiff_t inputs, Vec (&sum)[B]) {
  std::ptrdiff_t i = 0;
  for (; i + 4 <= inputs; i += 4) {
    CONVLET_UNROLL for (int b = 0; b < B; ++b) {
      Vec columns[4];
      load_columns(w + b * Vec::lanes * row + i, row, columns);
      CONVLET_UNROLL for (int k = 0; k < 4; ++k) sum[b] = fma(set(x[i + k]), columns[k], sum[b]);
    }
  }
  for (; i < inputs; ++i) {
    for (int b = 0; b < B; ++b) {
      float column[Vec::lanes];
      for (int lane = 0; lane < Vec::lanes; ++lane) column[lane] = w[(b * Vec::lanes + lane) * row + i];
      sum[b] = fma(set(x[i]), load(column), sum[b]);
    }
  }
}

template <int B>
void linear_row_outputs(const float* x, const float* w, const float* bias, std::ptrdiff_t inputs, float* y) {
  Vec total[B];
  for (std::ptrdiff_t cut = 0; cut == 0 || cut < inputs; cut += kChain) {  // where chains are cut
    Vec sum[B];
    CONVLET_UNROLL for (int b = 0; b < B; ++b) sum[b] = cut || !bias ? set(0.0f) : load(bias + b * Vec::lanes);
    linear_row_block<B>(x + cut, w + cut, inputs, inputs - cut < kChain ? inputs - cut : kChain, sum);
    CONVLET_UNROLL for (int b = 0; b < B; ++b) total[b] = cut ? total[b] + sum[b] : sum[b];
  }
  CONVLET_UNROLL for (int b = 0; b < B; ++b) store(y + b * Vec::lanes, total[b]);
}

// For at least a vector of outputs. The last ones are computed together with some before them, to the same bits.
void linear_row(const float* x, const float* w, const float* bias, std::ptrdiff_t inputs, std::ptrdiff_t outputs,
                float* y) {
  constexpr int L = Vec::lanes;
  std::ptrdiff_t o = 0;
  for (; o + 2 * L <= outputs; o += 2 * L) {
    linear_row_outputs<2>(x, w + o * inputs, bias ? bias + o : nullptr, inputs, y + o);
  }
  if (o < outputs && outputs >= 2 * L) {
    o = outputs - 2 * L;
    linear_row_outputs<2>(x, w + o * inputs, bias ? bias + o : nullptr, inputs, y + o);
  } else if (o < outputs) {
    linear_row_outputs<1>(x, w, bias, inputs, y);
    o = outputs - L;
    linear_row_outputs<1>(x, w + o * inputs, bias ? bias + o : nullptr, inputs, y + o);
  }
}

// Weight gradient of a dense layer over all the images of a step, as one matrix product.
//
//   dw[o][i] = sum over images n, in order, of dy[n][o] x[n][i]
//
// dy in tiles (N/16, O, 16), x by image (N, x_image), dw (O, I). Lanes run over inputs, so no lane sums are needed.
// Rows of x are padded to whole vectors; chains are cut every kChain / 8 images.

constexpr int kOuterInputs = kAccumulators >= 24 ? 4 : 3;  // vectors of a block
constexpr int kOuterOutputs = kAccumulators / kOuterInputs;
constexpr std::ptrdiff_t kImagesAhead = 16;  // whose inputs are fetched: another thread may have written them

struct OuterBlock {
  const float *dy, *x;  // dy at the first output, x at the first input
  float* dw;
  std::ptrdiff_t dy_tile, x_image, images, dw_output;
  std::ptrdiff_t last;  // inputs of the last vector
  Store store;
};

template <int M, int P>
void outer_block(const OuterBlock& b) {
  Vec sum[M][P];
  CONVLET_UNROLL for (int m = 0; m < M; ++m) { CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = set(0.0f); }
  const float* x = b.x;
  for (std::ptrdiff_t first = 0; first < b.images; first += kTile) {
    const float* dy = b.dy + first / kTile * b.dy_tile;
    const int images = static_cast<int>(b.images - first < kTile ? b.images - first : kTile);
    for (int n = 0; n < images; ++n, x += b.x_image) {
      Vec input[P];
      CONVLET_UNROLL for (int p = 0; p < P; ++p) {
        __builtin_prefetch(x + kImagesAhead * b.x_image + p * Vec::lanes);
        input[p] = load(x + p * Vec::lanes);
      }
      CONVLET_UNROLL for (int m = 0; m < M; ++m) {
        const Vec slope = set(dy[m * kTile + n]);
        CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = fma(slope, input[p], sum[m][p]);
      }
    }
  }
  CONVLET_UNROLL for (int m = 0; m < M; ++m) {
    CONVLET_UNROLL for (int p = 0; p < P; ++p) {
      float* dw = b.dw + m * b.dw_output + p * Vec::lanes;
      const std::ptrdiff_t width = p == P - 1 ? b.last : Vec::lanes;
      store_first(dw, b.store == Store::Accumulate ? load_first(dw, width) + sum[m][p] : sum[m][p], width);
    }
  }
}

struct OuterTable {
  void (*at[kOuterOutputs + 1][kOuterInputs + 1])(const OuterBlock&);
};

template <int M, int P>
constexpr void fill(OuterTable& table) {
  table.at[M][P] = outer_block<M, P>;
  if constexpr (P < kOuterInputs) {
    fill<M, P + 1>(table);
  } else if constexpr (M < kOuterOutputs) {
    fill<M + 1, 1>(table);
  }
}

constexpr OuterTable make_outer_blocks() {
  OuterTable table{};
  fill<1, 1>(table);
  return table;
}

constexpr OuterTable kOuterBlocks = make_outer_blocks();

void outer_product(const float* dy, std::ptrdiff_t dy_tile, const float* x, std::ptrdiff_t x_image,
                   std::ptrdiff_t images, std::ptrdiff_t outputs, std::ptrdiff_t inputs, Store mode, float* dw) {
  constexpr std::ptrdiff_t kImages = kChain / 8;
  const int vectors = static_cast<int>((inputs + Vec::lanes - 1) / Vec::lanes);
  const int parts = (vectors + kOuterInputs - 1) / kOuterInputs;
  for (std::ptrdiff_t first = 0; first < images || first == 0; first += kImages) {
    OuterBlock b{};
    b.dy_tile = dy_tile;
    b.x_image = x_image;
    b.images = images - first < kImages ? images - first : kImages;
    b.dw_output = inputs;
    b.store = first ? Store::Accumulate : mode;
    for (int i = 0, v = 0; i < parts; ++i) {
      const int width = (vectors - v + parts - i - 1) / (parts - i);
      const std::ptrdiff_t left = inputs - std::ptrdiff_t{v + width - 1} * Vec::lanes;
      b.last = left < Vec::lanes ? left : Vec::lanes;
      b.x = x + first * x_image + std::ptrdiff_t{v} * Vec::lanes;
      for (std::ptrdiff_t o = 0; o < outputs; o += kOuterOutputs) {
        const int m = static_cast<int>(outputs - o < kOuterOutputs ? outputs - o : kOuterOutputs);
        b.dy = dy + first / kTile * dy_tile + o * kTile;
        b.dw = dw + o * inputs + std::ptrdiff_t{v} * Vec::lanes;
        kOuterBlocks.at[m][width](b);
      }
      v += width;
    }
  }
}
