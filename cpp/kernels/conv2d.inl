// conv2d, forward and input gradient, as one correlation, with the 16 lanes of a vector along one of two axes; linear
// is its case of 1x1 images.
//
//   y[o][p] = bias[o] + sum over c, kh, kw of w[o][c][kh][kw] x[c][p + (kh, kw)]
//
// Lanes::Images, for a tile of 16 images: x (C, H, W, 16), w in blocks of M output channels (O/M, C, KH, KW, M),
// bias (O), y (O, OH, OW, 16). Lanes::Channels, for one image: x (C, H, W), w (O/16, C, KH, KW, 16), bias (O/16, 16),
// y (O/16, OH, OW, 16).
//
// Every output is one chain of fused multiply-adds in the order c, kh, kw that starts at the bias; taps in the padding
// are not in the chain. Chains are cut where the Correlation says, at places that depend on the shape alone; the parts
// are added in order. So both ways give the same bits.

constexpr int kTaps = 1024;  // of a table

// A range of the taps (c, kh, kw) of a chain.
struct TapRange {
  int c0, c1, row0, row1, column0, column1;
};

// The outputs of one span of columns in one band of a span of rows.
struct Rectangle {
  const Span *rows, *columns;
  int outs;        // rows of the band
  const float* x;  // the input of its first output at the first tap
  float* y;        // its first output
};

CONVLET_INLINE TapRange whole_chain(const Correlation& t) {
  return {0, t.in_channels, 0, t.kernel_height, 0, t.kernel_width};
}

// Calls part(range, first) for every piece between two cuts of the chains, in order.
template <class Part>
CONVLET_INLINE void for_each_part(const Correlation& t, Part&& part) {
  for (int c = 0; c < t.in_channels; c += t.chain_channels) {
    for (int row = 0; row < t.kernel_height; row += t.chain_rows) {
      for (int column = 0; column < t.kernel_width; column += t.chain_columns) {
        part(
            TapRange{c, smaller(c + t.chain_channels, t.in_channels), row, smaller(row + t.chain_rows, t.kernel_height),
                     column, smaller(column + t.chain_columns, t.kernel_width)},
            c == 0 && row == 0 && column == 0);
      }
    }
  }
}

// Calls chunk(range) for the pieces of a part whose channels share a table of taps; a channel has so many of them.
template <class Chunk>
CONVLET_INLINE void for_each_chunk(const Correlation& t, const TapRange& part, std::ptrdiff_t taps, Chunk&& chunk) {
  const int width = part.column1 - part.column0, height = part.row1 - part.row0;
  const int columns = smaller(width, kTaps), rows = smaller(height, larger(1, kTaps / columns));
  const int channels = columns == width && rows == height
                           ? static_cast<int>(taps < t.chunk_taps ? t.chunk_taps / (taps ? taps : 1) : 1)
                           : 1;
  for (int c = part.c0; c < part.c1; c += channels) {
    for (int row = part.row0; row < part.row1; row += rows) {
      for (int column = part.column0; column < part.column1; column += columns) {
        chunk(TapRange{c, smaller(c + channels, part.c1), row, smaller(row + rows, part.row1), column,
                       smaller(column + columns, part.column1)});
      }
    }
  }
}

// Lists those taps of one channel within a range that outputs of two spans see: offsets of the broadcast operand and of
// the vector, which are weight and input, or input and weight.
template <Lanes L>
CONVLET_INLINE int list_taps(const Correlation& t, const Span& rows, const Span& columns, const TapRange& range,
                             Tap* taps) {
  const std::ptrdiff_t x_down = t.row_per_tap * t.x_row, x_right = t.column_per_tap * t.x_column;
  int count = 0;
  for (int i = 0; i < rows.taps; ++i) {
    const int kh = rows.tap + i * rows.tap_step;
    if (kh < range.row0 || kh >= range.row1) continue;
    const int before = range.column0 - columns.tap;  // columns of the range that this span does not see
    for (int j = before > 0 ? (before + columns.tap_step - 1) / columns.tap_step : 0; j < columns.taps; ++j) {
      const int kw = columns.tap + j * columns.tap_step;
      if (kw >= range.column1) break;
      const std::ptrdiff_t w = (std::ptrdiff_t{kh} * t.kernel_width + kw) * t.w_tap, x = i * x_down + j * x_right;
      taps[count++] = L == Lanes::Images ? Tap{w, x} : Tap{x, w};
    }
  }
  return count;
}

// Points a block at the channels and taps of a chunk.
template <Lanes L>
CONVLET_INLINE void take_chunk(const Correlation& t, const Rectangle& r, const TapRange& chunk, Tap* taps, Block& b) {
  b.taps = taps;
  b.tap_count = list_taps<L>(t, *r.rows, *r.columns, chunk, taps);
  b.channels = chunk.c1 - chunk.c0;
  b.a_channel = L == Lanes::Images ? t.w_channel : t.x_channel;
  b.b_channel = L == Lanes::Images ? t.x_channel : t.w_channel;
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

// Outputs side by side, in lines: along the longest side of a rectangle (columns, rows or images), so that narrow
// borders fill the registers too.
struct Lines {
  struct Side {
    int length;
    std::ptrdiff_t x_step, y_step;
  };
  Side line, across, over;
};

CONVLET_INLINE Lines lines_of(const Correlation& t, const Rectangle& r, int images) {
  const Lines::Side right{r.columns->outs, t.column_per_out * t.x_column, std::ptrdiff_t{r.columns->out_step} * kTile};
  const Lines::Side down{r.outs, t.row_per_out * t.x_row, r.rows->out_step * t.y_row};
  const Lines::Side image{images, t.x_image, t.y_image};
  if (right.length >= larger(down.length, images)) return {right, down, image};
  if (down.length >= images) return {down, right, image};
  return {image, right, down};
}

// Calls run(block, kernel, m, p) for all blocks of a rectangle, at the first tap of input channel c.
template <Lanes L, class Run>
CONVLET_INLINE void for_each_block(const Correlation& t, const Rectangle& r, int c, const float* w, const float* bias,
                                   Block& b, Run&& run) {
  const Lines lines = lines_of(t, r, L == Lanes::Images ? 1 : t.images);
  const Lines::Side &line = lines.line, &across = lines.across, &over = lines.over;
  const bool neighbours = L == Lanes::Images || line.x_step == 1;  // the broadcast values
  const BlockTable& table = neighbours ? kBlocks : kStridedBlocks;
  for (int o = 0; o < t.out_channels; o += t.block) {
    const int outputs = smaller(t.block, t.out_channels - o);  // channels, or vectors of 16 of them
    const int most = L == Lanes::Images ? max_positions(outputs) : max_values(outputs, neighbours);
    const int parts = (line.length + most - 1) / most;
    const float* weight = w + c * t.w_channel + o / t.block * t.w_block;
    (L == Lanes::Images ? b.bias : b.start) = bias ? bias + o * (L == Lanes::Images ? 1 : kTile) : nullptr;
    b.a_step = line.x_step;
    b.b_step = L == Lanes::Images ? line.x_step : t.w_vector;
    b.y_m = L == Lanes::Images ? t.y_channel : line.y_step;
    b.y_p = L == Lanes::Images ? line.y_step : t.y_channel;
    for (int i = 0; i < over.length * across.length; ++i) {
      const int far = i / across.length, near = i % across.length;
      const float* x = r.x + c * t.x_channel + far * over.x_step + near * across.x_step;
      b.y = r.y + o * t.y_channel + far * over.y_step + near * across.y_step;
      for (int part = 0, rest = line.length; part < parts; ++part) {
        const int positions = (rest + parts - part - 1) / (parts - part);  // as equal as whole numbers allow
        const int m = L == Lanes::Images ? outputs : positions, p = L == Lanes::Images ? positions : outputs;
        b.a = L == Lanes::Images ? weight : x;
        b.b = L == Lanes::Images ? x : weight;
        run(b, table.at[m][p], m, p);
        x += positions * line.x_step;
        b.y += positions * line.y_step;
        rest -= positions;
      }
    }
  }
}

template <Lanes L>
void correlate_rectangle(const Correlation& t, const Rectangle& r, Chain chain, const float* w, const float* bias) {
  Tap taps[kTaps];
  Block b{};
  for_each_part(t, [&](const TapRange& part, bool first) {
    const bool last = part.c1 == t.in_channels && part.row1 == t.kernel_height && part.column1 == t.kernel_width;
    const auto finish = [&](const Block& block, int m, int p) {
      if (last && t.after != Activation::None) activate_block(t.after, block, m, p);
    };
    if (first) {
      b.chain = chain;
      for_each_chunk(t, part, std::ptrdiff_t{r.rows->taps} * r.columns->taps, [&](const TapRange& chunk) {
        const bool ends = chunk.c1 == part.c1 && chunk.row1 == part.row1 && chunk.column1 == part.column1;
        take_chunk<L>(t, r, chunk, taps, b);
        for_each_block<L>(t, r, chunk.c0, w, bias, b, [&](const Block& block, BlockKernel kernel, int m, int p) {
          kernel(block);
          if (ends) finish(block, m, p);
        });
        b.chain = Chain::Resume;
      });
    } else {  // y holds the sum of the parts before: this one rests elsewhere between its chunks
      for_each_block<L>(t, r, 0, w, nullptr, b, [&](const Block& block, BlockKernel kernel, int m, int p) {
        float sums[kRegisters * kTile];
        Block own = block;
        own.y = sums;
        own.y_p = kTile;
        own.y_m = p * kTile;
        own.chain = Chain::Begin;
        for_each_chunk(t, part, std::ptrdiff_t{r.rows->taps} * r.columns->taps, [&](const TapRange& chunk) {
          take_chunk<L>(t, r, chunk, taps, own);
          own.a = block.a + chunk.c0 * own.a_channel;
          own.b = block.b + chunk.c0 * own.b_channel;
          kernel(own);
          own.chain = Chain::Resume;
        });
        for (int i = 0; i < m * p; ++i) {
          float* y = block.y + i / p * block.y_m + i % p * block.y_p;
          for (int lane = 0; lane < kTile; lane += Vec::lanes) {
            store(y + lane, load(y + lane) + load(sums + i * kTile + lane));
          }
        }
        finish(block, m, p);
      });
    }
  });
}

// How many of a span's outputs, which lie every out_step, come before output `end`.
CONVLET_INLINE int outputs_before(const Span& span, int end) {
  return end <= span.out ? 0 : smaller(span.outs, (end - span.out + span.out_step - 1) / span.out_step);
}

template <Lanes L>
CONVLET_INLINE void correlate_rows(const Correlation& t, Chain chain, const float* x, const float* w, const float* bias,
                                   float* y) {
  for (int s = 0; s < t.row_spans; ++s) {
    const Span& rows = t.rows[s];
    const int end = outputs_before(rows, t.row_end);
    for (int first = outputs_before(rows, t.row_begin); first < end; first += t.band_rows) {
      const std::ptrdiff_t x_row = (rows.in + std::ptrdiff_t{first} * t.row_per_out) * t.x_row;
      const std::ptrdiff_t y_row = (rows.out + std::ptrdiff_t{first} * rows.out_step - t.row_begin) * t.y_row;
      for (int k = 0; k < t.column_spans; ++k) {
        const Span& columns = t.columns[k];
        const Rectangle r{&rows, &columns, smaller(t.band_rows, end - first), x + x_row + columns.in * t.x_column,
                          y + y_row + std::ptrdiff_t{columns.out} * kTile};
        correlate_rectangle<L>(t, r, chain, w, bias);
      }
    }
  }
}

void correlate(const Correlation& t, const float* x, const float* w, const float* bias, float* y) {
  for (int g = 0; g < t.groups; ++g) {
    correlate_rows<Lanes::Images>(t, Chain::Begin, x + g * t.in_channels * t.x_channel, w + g * t.w_group,
                                  bias ? bias + std::ptrdiff_t{g} * t.out_channels : nullptr,
                                  y + g * t.out_channels * t.y_channel);
  }
}

void correlate_channels(const Correlation& t, Chain chain, const float* x, const float* w, const float* bias,
                        float* y) {
  for (int g = 0; g < t.groups; ++g) {
    correlate_rows<Lanes::Channels>(t, chain, x + g * t.in_channels * t.x_channel, w + g * t.w_group,
                                    bias ? bias + std::ptrdiff_t{g} * t.out_channels * kTile : nullptr,
                                    y + g * t.out_channels * t.y_channel);
  }
}
