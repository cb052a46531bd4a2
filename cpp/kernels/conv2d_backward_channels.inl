// Weight gradient of conv2d for one image, with 16 output channels in the lanes.
//
//   sums[c][kh][kw][o] += sum over positions p of dy[p][o] x[c][p + (kh, kw)]
//
// dy in vectors of 16 output channels (O/16, OH, OW, 16), x (C, H, W), sums (O/16, C, KH, KW, 16). As in
// conv2d_backward.inl the outputs are cut into bands; a band is one chain over its positions that have a pixel under
// the tap, and the bands are added in order.

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
static_assert(kMaxGradientTaps <= kMaxRows, "for_each_kernel_row lists no more");
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

// t: out_channels counts vectors, dy_channel lies between two of them; dy and x have strides of NumPy's images.
void weight_gradient_channels(const WeightGradient& t, const float* dy, const float* x, float* sums) {
  ChannelGradientBlock b{};
  b.dy_vector = t.dy_channel;
  b.dy_row = t.dy_row;
  b.x_row = t.rows.stride * t.x_row;
  b.x_column = t.columns.stride;
  b.sums_vector = std::ptrdiff_t{t.in_channels} * t.rows.taps * t.columns.taps * kTile;
  const int widest = smaller(smaller(kMaxGradientVectors, kAccumulators / 4), t.out_channels);
  const int parts = (t.out_channels + widest - 1) / widest;
  for (int part = 0, v = 0; part < parts; ++part) {
    const int p = (t.out_channels - v + parts - part - 1) / (parts - part);
    b.sums = sums + v * b.sums_vector;
    for_each_band(t, [&](const Outputs& band_rows, const Outputs& band_columns) {
      for (int column = 0; column < t.columns.taps; ++column) {
        const Outputs columns = common(band_columns, outputs_under(t.columns, column));
        if (columns.first >= columns.end) continue;
        const std::ptrdiff_t x_column = std::ptrdiff_t{column} * t.columns.dilation - t.columns.padding;
        for_each_kernel_row(
            t, max_gradient_taps(p), band_rows, column, x_column, [&](const Tap* taps, int count, const Outputs& rows) {
              b.taps = taps;
              b.rows = rows.end - rows.first;
              b.columns = columns.end - columns.first;
              b.dy = dy + v * b.dy_vector + rows.first * t.dy_row + std::ptrdiff_t{columns.first} * kTile;
              b.x = x + rows.first * b.x_row + columns.first * b.x_column;
              kChannelGradientBlocks.at[p][count](b);
            });
      }
    });
    v += p;
  }
}

// sums[v][o] += sum over positions of dy[v][p][o]
void bias_gradient_channels(const WeightGradient& t, const float* dy, std::ptrdiff_t positions, float* sums) {
  add_positions(dy, t.dy_channel, t.out_channels, positions, sums);
}
