// Weight gradient of conv2d over a tile, and the sums that gradients of biases need.
//
//   dw[o][c][kh][kw][n] = sum over positions p of dy[o][p][n] x[c][p + (kh, kw)][n]
//
// dy (O, OH, OW, 16), x (C, H, W, 16), dw (O, C, KH, KW, 16): one partial sum for each image lane; sum_lanes adds
// the lanes. The order of the additions is set by the shapes alone: for each span of columns (outputs that see the
// same taps) a chain over its positions, row by row; then the spans in order.

struct GradientBlock {
  const float *dy, *x;
  float* dw;
  std::ptrdiff_t dy_channel, dy_row, x_row, x_column, x_tap, dw_channel, dw_tap;
  std::int32_t rows, columns;  // positions
  Store store;
};

// M output channels x T taps stay in registers: M * T multiply-adds cost M + T loads.
template <int M, int T>
void gradient_block(const GradientBlock& b) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    Vec sum[M][T];
    CONVLET_UNROLL for (int m = 0; m < M; ++m) { CONVLET_UNROLL for (int t = 0; t < T; ++t) sum[m][t] = set(0.0f); }
    for (int row = 0; row < b.rows; ++row) {
      const float* dy = b.dy + row * b.dy_row + lane;
      const float* x = b.x + row * b.x_row + lane;
      for (int column = 0; column < b.columns; ++column, dy += kTile, x += b.x_column) {
        Vec pixel[T];
        CONVLET_UNROLL for (int t = 0; t < T; ++t) {
          pixel[t] = load(x + t * b.x_tap);
          keep(pixel[t]);
        }
        CONVLET_UNROLL for (int m = 0; m < M; ++m) {
          Vec slope = load(dy + m * b.dy_channel);
          keep(slope);
          CONVLET_UNROLL for (int t = 0; t < T; ++t) sum[m][t] = fma(slope, pixel[t], sum[m][t]);
        }
      }
    }
    CONVLET_UNROLL for (int m = 0; m < M; ++m) {
      float* dw = b.dw + m * b.dw_channel + lane;
      CONVLET_UNROLL for (int t = 0; t < T; ++t) {
        store(dw + t * b.dw_tap, b.store == Store::Accumulate ? load(dw + t * b.dw_tap) + sum[m][t] : sum[m][t]);
      }
    }
  }
}

constexpr int kMaxGradientBlock = 8, kMaxTaps = 7;

struct GradientTable {
  void (*at[kMaxGradientBlock + 1][kMaxTaps + 1])(const GradientBlock&);
};

constexpr int max_gradient_block(int taps) { return smaller(kMaxGradientBlock, larger(1, kAccumulators / taps)); }

template <int M, int T>
constexpr void fill(GradientTable& table) {
  table.at[M][T] = gradient_block<M, T>;
  if constexpr (M < max_gradient_block(T)) {
    fill<M + 1, T>(table);
  } else if constexpr (T < kMaxTaps) {
    fill<1, T + 1>(table);
  }
}

constexpr GradientTable make_gradient_blocks() {
  GradientTable table{};
  fill<1, 1>(table);
  return table;
}

constexpr GradientTable kGradientBlocks = make_gradient_blocks();

// All output channels for `taps` taps that lie x_tap apart, over a rectangle of positions. Chains are cut every
// kChain positions.
void gradient_rectangle(const WeightGradient& t, GradientBlock b, int rows, int columns, int taps) {
  const int widest = smaller(max_gradient_block(smaller(taps, kMaxTaps)), t.out_channels);
  const int parts = (t.out_channels + widest - 1) / widest;
  const int tap_parts = (taps + kMaxTaps - 1) / kMaxTaps;
  const int chain_rows = larger(1, kChain / columns);
  b.columns = columns;
  for (int first = 0; first < rows; first += chain_rows) {
    b.rows = smaller(chain_rows, rows - first);
    for (int i = 0, o = 0; i < parts; ++i) {
      const int m = (t.out_channels - o + parts - i - 1) / (parts - i);
      for (int j = 0, tap = 0; j < tap_parts; ++j) {
        const int width = (taps - tap + tap_parts - j - 1) / (tap_parts - j);
        GradientBlock block = b;
        block.dy += o * b.dy_channel;
        block.x += tap * b.x_tap;
        block.dw += o * b.dw_channel + tap * b.dw_tap;
        kGradientBlocks.at[m][width](block);
        tap += width;
      }
      o += m;
    }
    b.dy += chain_rows * b.dy_row;
    b.x += chain_rows * b.x_row;
    b.store = Store::Accumulate;
  }
}

// The output rows that see kernel row kh, and the input row that the first of them meets there.
struct RowRange {
  std::int32_t out, outs, in;
};

inline RowRange rows_of_tap(const WeightGradient& t, int kh) {
  RowRange range{0, 0, 0};
  for (int s = 0; s < t.row_spans; ++s) {
    const Span& span = t.rows[s];
    if (kh < span.tap || kh >= span.tap + span.taps) continue;
    if (range.outs == 0) range = {span.out, 0, span.in + (kh - span.tap) * t.row_dilation};
    range.outs += span.outs;
  }
  return range;
}

// Sets dw of one kernel row of one group to zero.
void clear_row(const WeightGradient& t, int kh, float* dw) {
  const std::ptrdiff_t row = std::ptrdiff_t{t.kernel_width} * kTile;
  for (std::ptrdiff_t k = 0; k < std::ptrdiff_t{t.out_channels} * t.in_channels; ++k) {
    float* start = dw + (k * t.kernel_height + kh) * row;
    for (std::ptrdiff_t i = 0; i < row; i += Vec::lanes) store(start + i, set(0.0f));
  }
}

// One kernel row of one group: 1x1 kernels block input channels as others block the taps of a row.
void gradient_row(const WeightGradient& t, int kh, const float* dy, const float* x, float* dw) {
  const bool pointwise = t.kernel_height * t.kernel_width == 1;
  const std::ptrdiff_t taps_of_channel = std::ptrdiff_t{t.kernel_height} * t.kernel_width * kTile;
  const RowRange range = rows_of_tap(t, kh);
  // Where all outputs of a row see the same taps, the first rectangle may overwrite what is there.
  const bool one_span = t.column_spans == 1 && t.columns[0].taps == t.kernel_width && range.outs > 0;
  if (!one_span) clear_row(t, kh, dw);
  if (range.outs == 0) return;
  GradientBlock b{};
  b.store = one_span ? Store::Overwrite : Store::Accumulate;
  b.dy_channel = t.dy_channel;
  b.dy_row = t.dy_row;
  b.x_row = t.row_stride * t.x_row;
  b.x_column = std::ptrdiff_t{t.column_stride} * kTile;
  b.x_tap = pointwise ? t.x_channel : std::ptrdiff_t{t.column_dilation} * kTile;
  b.dw_tap = kTile;
  b.dw_channel = t.in_channels * taps_of_channel;
  for (int c = 0; c < (pointwise ? 1 : t.in_channels); ++c) {
    for (int s = 0; s < t.column_spans; ++s) {
      const Span& columns = t.columns[s];
      if (columns.taps == 0) continue;
      b.dy = dy + range.out * t.dy_row + std::ptrdiff_t{columns.out} * kTile;
      b.x = x + c * t.x_channel + range.in * t.x_row + std::ptrdiff_t{columns.in} * kTile;
      b.dw = dw + c * taps_of_channel + (std::ptrdiff_t{kh} * t.kernel_width + columns.tap) * kTile;
      gradient_rectangle(t, b, range.outs, columns.outs, pointwise ? t.in_channels : columns.taps);
    }
  }
}

// dw is overwritten.
void weight_gradient(const WeightGradient& t, const float* dy, const float* x, float* dw) {
  const std::ptrdiff_t group_weights =
      std::ptrdiff_t{t.out_channels} * t.in_channels * t.kernel_height * t.kernel_width * kTile;
  for (int g = 0; g < t.groups; ++g) {
    for (int kh = 0; kh < t.kernel_height; ++kh) {
      gradient_row(t, kh, dy + g * t.out_channels * t.dy_channel, x + g * t.in_channels * t.x_channel,
                   dw + g * group_weights);
    }
  }
}

// sums[c][n] = sum over the plane of dy[c][p][n], in four interleaved chains that hide the adder's latency.
void channel_sums(const float* dy, std::ptrdiff_t channels, std::ptrdiff_t plane, float* sums) {
  for (std::ptrdiff_t c = 0; c < channels; ++c) {
    for (int lane = 0; lane < kTile; lane += Vec::lanes) {
      const float* p = dy + c * plane * kTile + lane;
      Vec chain[4] = {set(0.0f), set(0.0f), set(0.0f), set(0.0f)};
      for (std::ptrdiff_t i = 0; i < plane; ++i) chain[i % 4] = chain[i % 4] + load(p + i * kTile);
      store(sums + c * kTile + lane, (chain[0] + chain[1]) + (chain[2] + chain[3]));
    }
  }
}

// sums[i] = the 16 lanes of x[i] as a tree: lane n + lane n + 8, then 4, 2, 1, whatever the width of a register.
void sum_lanes(const float* x, std::ptrdiff_t count, float* sums) {
  constexpr int L = Vec::lanes;
  for (std::ptrdiff_t i = 0; i < count; i += L) {
    const int rest = static_cast<int>(count - i < L ? count - i : L);
    Vec lane[kTile];  // lane[n] holds lane n of L consecutive x
    for (int part = 0; part < kTile; part += L) {
      Vec rows[L];
      CONVLET_UNROLL for (int r = 0; r < L; ++r) rows[r] = r < rest ? load(x + (i + r) * kTile + part) : set(0.0f);
      transpose(rows);
      CONVLET_UNROLL for (int r = 0; r < L; ++r) lane[part + r] = rows[r];
    }
    CONVLET_UNROLL for (int step = kTile / 2; step > 0; step /= 2) {
      CONVLET_UNROLL for (int n = 0; n < step; ++n) lane[n] = lane[n] + lane[n + step];
    }
    store_first(sums + i, lane[0], rest);
  }
}
