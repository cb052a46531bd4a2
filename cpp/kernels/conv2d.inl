// conv2d of a tile, forward and input gradient, as one correlation; linear is its case of 1x1 images.
//
//   y[o][p][n] = bias[o] + sum over c, kh, kw of w[o][c][kh][kw] x[c][p + (kh, kw)][n]
//
// x (C, H, W, 16), w in blocks of M output channels (O/M, C, KH, KW, M), y (O, OH, OW, 16). Every output is one
// chain of fused multiply-adds in the order c, kh, kw that starts at the bias; taps in the padding are not in
// the chain. So the block sizes below change the speed and never a bit. Chains are cut every chain_channels
// channels; the parts are added in order.

struct Block {
  const float *x, *w, *bias;  // at the first tap of the first position; bias may be null
  float* y;
  std::ptrdiff_t x_channel, x_row, x_column, x_position, w_channel, w_row, w_column, y_channel, y_position;
  std::int32_t channels, rows, columns;  // taps
  Store store;
};

// M output channels x P positions stay in registers: M * P multiply-adds cost M + P loads.
template <int M, int P>
void correlate_block(const Block& b) {
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    Vec sum[M][P];
    CONVLET_UNROLL for (int m = 0; m < M; ++m) {
      const Vec start = set(b.bias ? b.bias[m] : 0.0f);
      CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = start;
    }
    const float* x_channel = b.x + lane;
    const float* w_channel = b.w;
    for (int c = 0; c < b.channels; ++c, x_channel += b.x_channel, w_channel += b.w_channel) {
      const float* x_row = x_channel;
      const float* w_row = w_channel;
      for (int kh = 0; kh < b.rows; ++kh, x_row += b.x_row, w_row += b.w_row) {
        const float* x = x_row;
        const float* w = w_row;
        for (int kw = 0; kw < b.columns; ++kw, x += b.x_column, w += b.w_column) {
          // The fewer operands wait in registers, the others pass through one.
          if constexpr (M < P) {
            Vec weight[M];
            CONVLET_UNROLL for (int m = 0; m < M; ++m) weight[m] = set(w[m]);
            CONVLET_UNROLL for (int p = 0; p < P; ++p) {
              Vec pixel = load(x + p * b.x_position);
              keep(pixel);
              CONVLET_UNROLL for (int m = 0; m < M; ++m) sum[m][p] = fma(weight[m], pixel, sum[m][p]);
            }
          } else {
            Vec pixel[P];
            CONVLET_UNROLL for (int p = 0; p < P; ++p) {
              pixel[p] = load(x + p * b.x_position);
              keep(pixel[p]);
            }
            CONVLET_UNROLL for (int m = 0; m < M; ++m) {
              const Vec weight = set(w[m]);
              CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = fma(weight, pixel[p], sum[m][p]);
            }
          }
        }
      }
    }
    CONVLET_UNROLL for (int m = 0; m < M; ++m) {
      float* y = b.y + m * b.y_channel + lane;
      CONVLET_UNROLL for (int p = 0; p < P; ++p) {
        store(y + p * b.y_position, b.store == Store::Accumulate ? load(y + p * b.y_position) + sum[m][p] : sum[m][p]);
      }
    }
  }
}

struct BlockTable {
  void (*at[kMaxBlock + 1][kMaxPositions + 1])(const Block&);
};

constexpr int max_positions(int m) { return smaller(kMaxPositions, larger(1, kAccumulators / m)); }

template <int M, int P>
constexpr void fill(BlockTable& table) {
  table.at[M][P] = correlate_block<M, P>;
  if constexpr (P < max_positions(M)) {
    fill<M, P + 1>(table);
  } else if constexpr (M < kMaxBlock) {
    fill<M + 1, 1>(table);
  }
}

constexpr BlockTable make_blocks() {
  BlockTable table{};
  fill<1, 1>(table);
  return table;
}

constexpr BlockTable kBlocks = make_blocks();

// The activation of a block's outputs, in place.
void activate_block(Activation kind, const Block& b, int m, int positions) {
  with_activation(kind, [&](auto activation) {
    for (int channel = 0; channel < m; ++channel) {
      for (int p = 0; p < positions; ++p) {
        float* y = b.y + channel * b.y_channel + p * b.y_position;
        CONVLET_UNROLL for (int lane = 0; lane < kTile; lane += Vec::lanes) store(y + lane, activation(load(y + lane)));
      }
    }
  });
}

// The outputs of one span of columns in one band of a span of rows, for one block of m output channels.
// Positions run along the longer side, so that narrow borders fill the registers too.
void correlate_rectangle(const Correlation& t, Block b, int m, const Span& columns, int band_rows,
                         std::ptrdiff_t x_down, std::ptrdiff_t y_down, Activation after) {
  const std::ptrdiff_t x_right = std::ptrdiff_t{t.column_per_out} * kTile;
  const std::ptrdiff_t y_right = std::ptrdiff_t{columns.out_step} * kTile;
  const bool across = columns.outs >= band_rows;
  const int length = across ? columns.outs : band_rows, lines = across ? band_rows : columns.outs;
  const std::ptrdiff_t x_line = across ? x_down : x_right, y_line = across ? y_down : y_right;
  b.x_position = across ? x_right : x_down;
  b.y_position = across ? y_right : y_down;
  const int parts = (length + max_positions(m) - 1) / max_positions(m);
  for (int line = 0; line < lines; ++line, b.x += x_line, b.y += y_line) {
    Block part = b;
    for (int i = 0, rest = length; i < parts; ++i) {
      const int positions = (rest + parts - i - 1) / (parts - i);  // as equal as whole numbers allow
      kBlocks.at[m][positions](part);
      if (after != Activation::None) activate_block(after, part, m, positions);
      part.x += positions * b.x_position;
      part.y += positions * b.y_position;
      rest -= positions;
    }
  }
}

// All output channels of `rows` output rows from row `first` of a span, for input channels c0 to c1.
void correlate_band(const Correlation& t, const Span& span, int first, int rows, int c0, int c1, const float* x,
                    const float* w, const float* bias, float* y) {
  const std::ptrdiff_t x_down = t.row_per_out * t.x_row, y_down = span.out_step * t.y_row;
  const float* x_band = x + c0 * t.x_channel + span.in * t.x_row + first * x_down;
  float* y_band = y + span.out * t.y_row + first * y_down;
  for (int o = 0; o < t.out_channels; o += t.block) {
    const int m = smaller(t.block, t.out_channels - o);
    const std::ptrdiff_t taps = std::ptrdiff_t{t.kernel_height} * t.kernel_width * m;
    Block b{};
    b.w_channel = t.w_channel ? t.w_channel : taps;
    b.bias = bias && c0 == 0 ? bias + o : nullptr;
    b.x_channel = t.x_channel;
    b.x_row = t.row_per_tap * t.x_row;
    b.x_column = std::ptrdiff_t{t.column_per_tap} * kTile;
    b.y_channel = t.y_channel;
    b.channels = c1 - c0;
    b.rows = span.taps;
    b.store = c0 == 0 ? Store::Overwrite : Store::Accumulate;
    b.w_row = std::ptrdiff_t{span.tap_step} * t.kernel_width * m;
    for (int s = 0; s < t.column_spans; ++s) {
      const Span& columns = t.columns[s];
      b.x = x_band + std::ptrdiff_t{columns.in} * kTile;
      b.y = y_band + o * t.y_channel + std::ptrdiff_t{columns.out} * kTile;
      b.w = w + o / t.block * t.w_block + c0 * b.w_channel +
            (std::ptrdiff_t{span.tap} * t.kernel_width + columns.tap) * m;
      b.w_column = std::ptrdiff_t{columns.tap_step} * m;
      b.columns = columns.taps;
      correlate_rectangle(t, b, m, columns, rows, x_down, y_down, c1 == t.in_channels ? t.after : Activation::None);
    }
  }
}

void correlate(const Correlation& t, const float* x, const float* w, const float* bias, float* y) {
  for (int g = 0; g < t.groups; ++g) {
    const float* group_bias = bias ? bias + std::ptrdiff_t{g} * t.out_channels : nullptr;
    const float* group_x = x + std::ptrdiff_t{g} * t.in_channels * t.x_channel;
    float* group_y = y + std::ptrdiff_t{g} * t.out_channels * t.y_channel;
    for (int s = 0; s < t.row_spans; ++s) {
      const Span& span = t.rows[s];
      for (int first = 0; first < span.outs; first += t.band_rows) {
        const int rows = smaller(t.band_rows, span.outs - first);
        for (int c = 0; c < t.in_channels; c += t.chain_channels) {
          correlate_band(t, span, first, rows, c, smaller(c + t.chain_channels, t.in_channels), group_x,
                         w + g * t.w_group, group_bias, group_y);
        }
      }
    }
  }
}
