// conv2d of one image, forward and input gradient, with 16 neighbouring columns of a row in the lanes.
//
//   y[o][oh][ow] = bias[o] + sum over c, kh, kw of w[o][c][kh][kw] x[c][oh + kh][ow + kw]
//
// x (C, H, W), w in blocks of M output channels (O/M, C, KH, KW, M), y (O, OH, OW). For chains that are not cut, those
// of conv2d.inl, and a stride of 1 across. Lanes whose tap lies in the padding leave it out by a mask, as do lanes
// beyond the end of a row; vectors without either go through the block kernels.

struct MaskedBlock {
  Block block;
  const std::uint16_t* tap_lanes;  // of each tap: lanes whose pixel exists
  std::uint16_t lanes;             // that lie in the row
};

template <int M, int P>
void masked_block(const MaskedBlock& masked) {
  const Block& b = masked.block;
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    const Mask row_lanes = mask_of(masked.lanes >> lane);
    Vec sum[M][P];
    CONVLET_UNROLL for (int i = 0; i < M * P; ++i) {
      sum[i / P][i % P] = b.chain == Chain::Resume ? load_where(row_lanes, b.y + i / P * b.y_m + i % P * b.y_p + lane)
                                                   : set(b.bias ? b.bias[i / P] : 0.0f);
    }
    const float *a = b.a, *v = b.b + lane;
    for (std::ptrdiff_t c = 0; c < b.channels; ++c, a += b.a_channel, v += b.b_channel) {
      for (std::ptrdiff_t t = 0; t < b.tap_count; ++t) {
        const float *weight = a + b.taps[t].a, *x = v + b.taps[t].b;
        const Mask lanes = mask_of(masked.tap_lanes[t] >> lane);
        Vec pixel[P];
        CONVLET_UNROLL for (int p = 0; p < P; ++p) pixel[p] = load_where(lanes, x + p * b.b_step);
        CONVLET_UNROLL for (int m = 0; m < M; ++m) {
          const Vec value = set(weight[m]);
          CONVLET_UNROLL for (int p = 0; p < P; ++p) sum[m][p] = fma_where(lanes, value, pixel[p], sum[m][p]);
        }
      }
    }
    CONVLET_UNROLL for (int i = 0; i < M * P; ++i) {
      store_where(row_lanes, b.y + i / P * b.y_m + i % P * b.y_p + lane, sum[i / P][i % P]);
    }
  }
}

constexpr int kMaxMasked = 8;  // output channels of a block
constexpr int kMaxMaskedRows = 8;
// Besides sums and pixels, registers hold a weight and, on some CPUs, masks.
constexpr int max_masked_rows(int m) { return smaller(kMaxMaskedRows, larger(1, (kRegisters - 4) / (m + 1))); }

struct MaskedTable {
  void (*at[kMaxMasked + 1][kMaxMaskedRows + 1])(const MaskedBlock&);
};

template <int M, int P>
constexpr void fill(MaskedTable& table) {
  table.at[M][P] = masked_block<M, P>;
  if constexpr (P < max_masked_rows(M)) {
    fill<M, P + 1>(table);
  } else if constexpr (M < kMaxMasked) {
    fill<M + 1, 1>(table);
  }
}

constexpr MaskedTable make_masked_blocks() {
  MaskedTable table{};
  fill<1, 1>(table);
  return table;
}

constexpr MaskedTable kMaskedBlocks = make_masked_blocks();

// The lanes of a vector that begins at index `first` of an axis of n.
CONVLET_INLINE std::uint16_t lanes_inside(std::ptrdiff_t first, std::ptrdiff_t n) {
  const std::ptrdiff_t begin = first < 0 ? -first : 0, end = n - first < kTile ? n - first : kTile;
  if (begin >= end) return 0;
  return static_cast<std::uint16_t>((0xffffu >> (kTile - (end - begin))) << begin);
}

// The taps of one channel within a range for the outputs from column `column` on: offsets of the weight and of the
// input from the start of its row, and the lanes that see them.
CONVLET_INLINE int list_column_taps(const Correlation& t, const Span& rows, int column, const TapRange& range,
                                    Tap* taps, std::uint16_t* lanes) {
  int count = 0;
  for (int i = 0; i < rows.taps; ++i) {
    const int kh = rows.tap + i * rows.tap_step;
    if (kh < range.row0 || kh >= range.row1) continue;
    for (int kw = range.column0; kw < range.column1; ++kw) {
      const std::ptrdiff_t first = column + t.column_origin + std::ptrdiff_t{kw} * t.column_per_tap;
      lanes[count] = lanes_inside(first, t.x_row) & lanes_inside(column, t.y_row);
      if (lanes[count] == 0) continue;
      taps[count++] = {(std::ptrdiff_t{kh} * t.kernel_width + kw) * t.w_tap, i * t.row_per_tap * t.x_row + first};
    }
  }
  return count;
}

// Up to 16 columns of a band of rows: x and y at the band's first row.
void correlate_columns_of(const Correlation& t, const Span& rows, int outs, int column, const float* x, const float* w,
                          const float* bias, float* y) {
  Tap taps[kTaps];
  std::uint16_t lanes[kTaps];
  MaskedBlock masked{{}, lanes, lanes_inside(column, t.y_row)};
  Block& b = masked.block;
  b.taps = taps;
  b.a_channel = t.w_channel;
  b.b_channel = t.x_channel;
  b.b_step = t.row_per_out * t.x_row;
  b.y_m = t.y_channel;
  b.y_p = rows.out_step * t.y_row;
  b.chain = Chain::Begin;
  for_each_chunk(t, whole_chain(t), std::ptrdiff_t{rows.taps} * t.kernel_width, [&](const TapRange& chunk) {
    b.tap_count = list_column_taps(t, rows, column, chunk, taps, lanes);
    b.channels = chunk.c1 - chunk.c0;
    bool whole = column + kTile <= t.y_row;
    for (int i = 0; i < b.tap_count; ++i) whole = whole && lanes[i] == 0xffff;
    for (int o = 0; o < t.out_channels; o += t.block) {
      const int m = smaller(t.block, t.out_channels - o);
      const int most = whole ? max_positions(m) : max_masked_rows(m), parts = (outs + most - 1) / most;
      b.bias = bias ? bias + o : nullptr;
      b.a = w + o / t.block * t.w_block + chunk.c0 * t.w_channel;
      b.b = x + chunk.c0 * t.x_channel;
      b.y = y + o * t.y_channel + column;
      for (int i = 0, rest = outs; i < parts; ++i) {
        const int p = (rest + parts - i - 1) / (parts - i);
        if (whole) {
          kBlocks.at[m][p](b);
        } else {
          kMaskedBlocks.at[m][p](masked);
        }
        b.b += p * b.b_step;
        b.y += p * b.y_p;
        rest -= p;
      }
    }
    b.chain = Chain::Resume;
  });
}

void correlate_columns(const Correlation& t, const float* x, const float* w, const float* bias, float* y) {
  for (int g = 0; g < t.groups; ++g) {
    const float* group_bias = bias ? bias + std::ptrdiff_t{g} * t.out_channels : nullptr;
    const float *group_x = x + g * t.in_channels * t.x_channel, *group_w = w + g * t.w_group;
    float* group_y = y + g * t.out_channels * t.y_channel;
    for (int s = 0; s < t.row_spans; ++s) {
      const Span& rows = t.rows[s];
      const int end = outputs_before(rows, t.row_end);
      for (int first = outputs_before(rows, t.row_begin); first < end; first += t.band_rows) {
        const float* x_band = group_x + (rows.in + std::ptrdiff_t{first} * t.row_per_out) * t.x_row;
        float* y_band = group_y + (rows.out + std::ptrdiff_t{first} * rows.out_step) * t.y_row;
        const int outs = smaller(t.band_rows, end - first);
        for (int column = 0; column < t.y_row; column += kTile) {
          correlate_columns_of(t, rows, outs, column, x_band, group_w, group_bias, y_band);
        }
      }
    }
  }
}
