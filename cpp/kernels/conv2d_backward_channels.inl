// Weight gradient of conv2d for one image, with 16 output channels in the lanes.
//
//   sums[c][kh][kw][o] += sum over positions p of dy[p][o] x[c][p + (kh, kw)]
//
// dy in vectors of 16 output channels (O/16, OH, OW, 16), x (C, H, W), sums (O/16, C, KH, KW, 16). As in
// conv2d_backward.inl every span of rows that see the same kernel rows is cut into bands; a band is one chain over the
// columns that have a pixel under the tap, and the bands are added in order.

struct ChannelGradientBlock {
  const float *dy, *x;
  float* sums;
  const Tap* taps;  // offsets of the sum and of the input
  std::ptrdiff_t dy_vector, dy_row, x_row, x_column, sums_vector;
  int rows, columns;  // positions
};

// M taps x P vectors of output channels stay in registers.
template <int M, int P>
void channel_gradient_block(const ChannelGradientBlock& b) {
  const std::ptrdiff_t dy_vector = b.dy_vector, x_column = b.x_column, sums_vector = b.sums_vector;
  std::ptrdiff_t offset[M];
  float* sums[M];
  CONVLET_UNROLL for (int m = 0; m < M; ++m) {
    offset[m] = b.taps[m].b;
    sums[m] = b.sums + b.taps[m].a;
  }
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    Vec sum[M][P];
    CONVLET_UNROLL for (int i = 0; i < M * P; ++i) sum[i / P][i % P] = set(0.0f);
    const float *dy_row = b.dy + lane, *x_row = b.x;
    for (int row = 0; row < b.rows; ++row, dy_row += b.dy_row, x_row += b.x_row) {
      const float *dy = dy_row, *x = x_row;
      for (int column = 0; column < b.columns; ++column, dy += kTile, x += x_column) {
        Vec slope[P];
        CONVLET_UNROLL for (int p = 0; p < P; ++p) {
          slope[p] = load(dy + p * dy_vector);
          keep(slope[p]);
        }
        CONVLET_UNROLL for (int m = 0; m < M; ++m) {
          const Vec pixel = set(x[offset[m]]);
          CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = fma(pixel, slope[p], sum[m][p]);
        }
      }
    }
    CONVLET_UNROLL for (int i = 0; i < M * P; ++i) {
      float* own = sums[i / P] + i % P * sums_vector + lane;
      store(own, load(own) + sum[i / P][i % P]);
    }
  }
}

constexpr int kMaxGradientTaps = 8, kMaxGradientVectors = 4;
constexpr int max_gradient_taps(int p) {  // one register holds a pixel, p hold dy
  return smaller(kMaxGradientTaps, smaller(kAccumulators, kRegisters - 1 - p) / p);
}

struct ChannelGradientTable {
  void (*at[kMaxGradientVectors + 1][kMaxGradientTaps + 1])(const ChannelGradientBlock&);
};

template <int M, int P>
constexpr void fill(ChannelGradientTable& table) {
  table.at[P][M] = channel_gradient_block<M, P>;
  if constexpr (M < max_gradient_taps(P)) {
    fill<M + 1, P>(table);
  } else if constexpr (P < kMaxGradientVectors) {
    fill<1, P + 1>(table);
  }
}

constexpr ChannelGradientTable make_channel_gradient_blocks() {
  ChannelGradientTable table{};
  fill<1, 1>(table);
  return table;
}

constexpr ChannelGradientTable kChannelGradientBlocks = make_channel_gradient_blocks();

// All vectors for a list of taps over one band.
void channel_gradient_band(const WeightGradient& t, ChannelGradientBlock b, const Tap* taps, int count) {
  const int widest = smaller(smaller(kMaxGradientVectors, kAccumulators / 4), t.out_channels);
  const int blocks = (t.out_channels + widest - 1) / widest;
  const float* dy = b.dy;
  float* sums = b.sums;
  for (int i = 0, v = 0; i < blocks; ++i) {
    const int p = (t.out_channels - v + blocks - i - 1) / (blocks - i);
    const int parts = (count + max_gradient_taps(p) - 1) / max_gradient_taps(p);
    b.dy = dy + v * b.dy_vector;
    b.sums = sums + v * b.sums_vector;
    for (int j = 0, tap = 0; j < parts; ++j) {
      const int m = (count - tap + parts - j - 1) / (parts - j);
      b.taps = taps + tap;
      kChannelGradientBlocks.at[p][m](b);
      tap += m;
    }
    v += p;
  }
}

// t: out_channels counts vectors, dy_channel lies between two of them; dy and x have strides of NumPy's images.
void weight_gradient_channels(const WeightGradient& t, const float* dy, const float* x, float* sums) {
  ChannelGradientBlock b{};
  b.dy_vector = t.dy_channel;
  b.dy_row = t.dy_row;
  b.x_row = t.row_stride * t.x_row;
  b.x_column = t.column_stride;
  b.sums = sums;
  b.sums_vector = std::ptrdiff_t{t.in_channels} * t.kernel_height * t.kernel_width * kTile;
  for (int r = 0; r < t.row_spans; ++r) {
    const Span& rows = t.rows[r];
    for (int kernel_column = 0; kernel_column < t.kernel_width; ++kernel_column) {
      const Columns under = columns_under(t, kernel_column);
      const std::ptrdiff_t x_column = std::ptrdiff_t{kernel_column} * t.column_dilation - t.left;
      for_each_kernel_row(t, rows, kernel_column, x_column, [&](const Tap* taps, int count) {
        for_each_band(t, rows, [&](int row, int row_count, int column, int column_count) {
          const int first = larger(column, under.first), end = smaller(column + column_count, under.end);
          if (first >= end) return;
          b.rows = row_count;
          b.columns = end - first;
          b.dy = dy + (rows.out + row) * t.dy_row + std::ptrdiff_t{first} * kTile;
          b.x = x + (rows.in + row * t.row_stride) * t.x_row + first * b.x_column;
          channel_gradient_band(t, b, taps, count);
        });
      });
    }
  }
}

// sums[v][o] += sum over positions of dy[v][p][o]
void bias_gradient_channels(const WeightGradient& t, const float* dy, std::ptrdiff_t positions, float* sums) {
  add_positions(dy, t.dy_channel, t.out_channels, positions, sums);
}
