// conv2d of a tile, forward and input gradient, as one correlation with images in the lanes; linear is its case of
// 1x1 images.
//
//   y[o][p][n] = bias[o] + sum over c, kh, kw of w[o][c][kh][kw] x[c][p + (kh, kw)][n]
//
// x (C, H, W, 16), w in blocks of M output channels (O/M, C, KH, KW, M), y (O, OH, OW, 16). Every output is one
// chain of fused multiply-adds in the order c, kh, kw that starts at the bias; taps in the padding are not in
// the chain. Chains are cut where the Correlation says, at places that depend on the shape alone; the parts are added
// in order.

constexpr int kTaps = 1024;  // of a table
constexpr int kChunk = 512;  // taps after which a block's chain rests in y, so that the weights stay in the L1 cache

// A range of the taps (c, kh, kw) of a chain.
struct TapRange {
  int c0, c1, row0, row1, column0, column1;
};

// The outputs of one span of columns in one band of a span of rows.
struct Rectangle {
  const Span *rows, *columns;
  int first, outs;  // rows of the band
  const float* x;   // the input of its first output at the first tap
  float* y;         // its first output
};

// Calls part(range, first) for every piece between two cuts of the chains, in order.
template <class Part>
CONVLET_INLINE void for_each_part(const Correlation& t, Part&& part) {
  for (int c = 0; c < t.in_channels; c += t.chain_channels) {
    for (int row = 0; row < t.kernel_height; row += t.chain_rows) {
      part(TapRange{c, smaller(c + t.chain_channels, t.in_channels), row, smaller(row + t.chain_rows, t.kernel_height),
                    0, t.kernel_width},
           c == 0 && row == 0);
    }
  }
}

// Calls chunk(range) for the pieces of a part whose channels share a table of taps.
template <class Chunk>
CONVLET_INLINE void for_each_chunk(const TapRange& part, Chunk&& chunk) {
  const int width = part.column1 - part.column0, height = part.row1 - part.row0;
  const int columns = smaller(width, kTaps), rows = smaller(height, larger(1, kTaps / columns));
  const int channels = columns == width && rows == height ? larger(1, kChunk / (columns * rows)) : 1;
  for (int c = part.c0; c < part.c1; c += channels) {
    for (int row = part.row0; row < part.row1; row += rows) {
      for (int column = part.column0; column < part.column1; column += columns) {
        chunk(TapRange{c, smaller(c + channels, part.c1), row, smaller(row + rows, part.row1), column,
                       smaller(column + columns, part.column1)});
      }
    }
  }
}

// Lists those taps of one channel within a range that outputs of two spans see: offsets of weight and input.
CONVLET_INLINE int list_taps(const Correlation& t, const Span& rows, const Span& columns, const TapRange& range,
                             Tap* taps) {
  const std::ptrdiff_t x_down = t.row_per_tap * t.x_row, x_right = t.column_per_tap * t.x_column;
  int count = 0;
  for (int i = 0; i < rows.taps; ++i) {
    const int kh = rows.tap + i * rows.tap_step;
    if (kh < range.row0 || kh >= range.row1) continue;
    for (int j = 0; j < columns.taps; ++j) {
      const int kw = columns.tap + j * columns.tap_step;
      if (kw < range.column0 || kw >= range.column1) continue;
      taps[count++] = {(std::ptrdiff_t{kh} * t.kernel_width + kw) * t.w_tap, i * x_down + j * x_right};
    }
  }
  return count;
}

// Points a block at the channels and taps of a chunk.
CONVLET_INLINE void take_chunk(const Correlation& t, const Rectangle& r, const TapRange& chunk, Tap* taps, Block& b) {
  b.taps = taps;
  b.tap_count = list_taps(t, *r.rows, *r.columns, chunk, taps);
  b.channels = chunk.c1 - chunk.c0;
  b.a_channel = t.w_channel;
  b.b_channel = t.x_channel;
}

// The activation of a block's outputs, in place.
void activate_block(Activation kind, const Block& b, int m, int positions) {
  with_activation(kind, [&](auto activation) {
    for (int channel = 0; channel < m; ++channel) {
      for (int p = 0; p < positions; ++p) {
        float* y = b.y + channel * b.y_m + p * b.y_p;
        CONVLET_UNROLL for (int lane = 0; lane < kTile; lane += Vec::lanes) store(y + lane, activation(load(y + lane)));
      }
    }
  });
}

// Calls run(block, m, positions) for all blocks of a rectangle: m output channels at neighbouring positions. Positions
// run along the longer side, so that narrow borders fill the registers too.
template <class Run>
CONVLET_INLINE void for_each_block(const Correlation& t, const Rectangle& r, const float* w, const float* bias,
                                   Block b, Run&& run) {
  const std::ptrdiff_t x_down = t.row_per_out * t.x_row, x_right = t.column_per_out * t.x_column;
  const std::ptrdiff_t y_down = r.rows->out_step * t.y_row, y_right = r.columns->out_step * t.x_column;
  const bool across = r.columns->outs >= r.outs;
  const int length = across ? r.columns->outs : r.outs, lines = across ? r.outs : r.columns->outs;
  const std::ptrdiff_t x_line = across ? x_down : x_right, y_line = across ? y_down : y_right;
  b.b_step = across ? x_right : x_down;
  b.y_p = across ? y_right : y_down;
  b.y_m = t.y_channel;
  for (int o = 0; o < t.out_channels; o += t.block) {
    const int m = smaller(t.block, t.out_channels - o);
    const int parts = (length + max_positions(m) - 1) / max_positions(m);
    b.a = w + o / t.block * t.w_block;
    b.bias = bias ? bias + o : nullptr;
    for (int line = 0; line < lines; ++line) {
      b.b = r.x + line * x_line;
      b.y = r.y + o * t.y_channel + line * y_line;
      for (int i = 0, rest = length; i < parts; ++i) {
        const int positions = (rest + parts - i - 1) / (parts - i);  // as equal as whole numbers allow
        run(b, m, positions);
        b.b += positions * b.b_step;
        b.y += positions * b.y_p;
        rest -= positions;
      }
    }
  }
}

void correlate_rectangle(const Correlation& t, const Rectangle& r, const float* w, const float* bias) {
  Tap taps[kTaps];
  Block b{};
  for_each_part(t, [&](const TapRange& part, bool first) {
    const bool last = part.c1 == t.in_channels && part.row1 == t.kernel_height;
    const auto finish = [&](const Block& block, int m, int positions) {
      if (last && t.after != Activation::None) activate_block(t.after, block, m, positions);
    };
    if (first) {
      b.chain = Chain::Begin;
      for_each_chunk(part, [&](const TapRange& chunk) {
        const bool ends = chunk.c1 == part.c1 && chunk.row1 == part.row1 && chunk.column1 == part.column1;
        take_chunk(t, r, chunk, taps, b);
        for_each_block(t, r, w, bias, b, [&](Block block, int m, int positions) {
          block.a += chunk.c0 * t.w_channel;
          block.b += chunk.c0 * t.x_channel;
          kBlocks.at[m][positions](block);
          if (ends) finish(block, m, positions);
        });
        b.chain = Chain::Resume;
      });
    } else {  // y holds the sum of the parts before: this one rests elsewhere between its chunks
      for_each_block(t, r, w, nullptr, b, [&](const Block& block, int m, int positions) {
        float sums[larger(kAccumulators, kMaxBlock) * kTile];
        Block own = block;
        own.y = sums;
        own.y_p = kTile;
        own.y_m = positions * kTile;
        own.chain = Chain::Begin;
        for_each_chunk(part, [&](const TapRange& chunk) {
          take_chunk(t, r, chunk, taps, own);
          own.a = block.a + chunk.c0 * t.w_channel;
          own.b = block.b + chunk.c0 * t.x_channel;
          kBlocks.at[m][positions](own);
          own.chain = Chain::Resume;
        });
        for (int i = 0; i < m * positions; ++i) {
          float* y = block.y + i / positions * block.y_m + i % positions * block.y_p;
          for (int lane = 0; lane < kTile; lane += Vec::lanes) {
            store(y + lane, load(y + lane) + load(sums + i * kTile + lane));
          }
        }
        finish(block, m, positions);
      });
    }
  });
}

void correlate(const Correlation& t, const float* x, const float* w, const float* bias, float* y) {
  for (int g = 0; g < t.groups; ++g) {
    const float* group_bias = bias ? bias + std::ptrdiff_t{g} * t.out_channels : nullptr;
    const float* group_x = x + std::ptrdiff_t{g} * t.in_channels * t.x_channel;
    float* group_y = y + std::ptrdiff_t{g} * t.out_channels * t.y_channel;
    for (int s = 0; s < t.row_spans; ++s) {
      const Span& rows = t.rows[s];
      for (int first = 0; first < rows.outs; first += t.band_rows) {
        const std::ptrdiff_t x_row = (rows.in + std::ptrdiff_t{first} * t.row_per_out) * t.x_row;
        const std::ptrdiff_t y_row = (rows.out + std::ptrdiff_t{first} * rows.out_step) * t.y_row;
        for (int k = 0; k < t.column_spans; ++k) {
          const Span& columns = t.columns[k];
          const Rectangle r{&rows,
                            &columns,
                            first,
                            smaller(t.band_rows, rows.outs - first),
                            group_x + x_row + columns.in * t.x_column,
                            group_y + y_row + columns.out * t.x_column};
          correlate_rectangle(t, r, w + g * t.w_group, group_bias);
        }
      }
    }
  }
}
