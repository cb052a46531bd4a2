// Weight gradient of conv2d over a tile, with images in the lanes, and the sums that gradients of biases need.
//
//   dw[o][c][kh][kw] = sum over lanes n and positions p of dy[o][p][n] x[c][p + (kh, kw)][n]
//
// dy (O, OH, OW, 16), x (C, H, W, 16), dw (O, C, KH, KW). The order of the additions is set by the shapes alone: for
// every span of rows that see the same kernel rows, and every band of its positions, one chain for each lane over the
// columns that have a pixel under the tap; the bands are added in order, and last the lanes, as a tree. M output
// channels take all their taps over a band before the next one, so that its dy stays in the L1 cache; their sums, 16
// for each weight, stay in L2.

struct GradientBlock {
  const float *dy, *x;
  float* sums;
  const Tap* taps;  // of the first column of each kernel row: offsets of the sum and of the input
  std::ptrdiff_t dy_channel, dy_row, x_row, x_column, sums_channel;
  int rows, columns;  // positions, of which each has a pixel under at least one of the K taps
  int left, right;    // taps without one at the first column, the first taps, and at the last column, the last taps
};

// M output channels x R kernel rows x K kernel columns stay in registers. Where K > 1, a column of x serves K taps one
// after the other and moves on from register to register: M R K multiply-adds cost M + R loads. (Full vectors are what
// counts: on a Xeon 24 multiply-adds with 10 such loads reach 86 % of the peak, with 6 of them 94 %.) Border: not every
// column has pixels under all K taps.
template <int M, int R, int K, bool Border>
void gradient_block(const GradientBlock& b) {
  const std::ptrdiff_t dy_channel = b.dy_channel, x_column = b.x_column, sums_channel = b.sums_channel;
  const int columns = b.columns, left = Border ? b.left : 0, right = Border ? b.right : 0;
  std::ptrdiff_t offset[R];
  float* sums[R];
  CONVLET_UNROLL for (int r = 0; r < R; ++r) {
    offset[r] = b.taps[r].b + (K - 1) * kTile;
    sums[r] = b.sums + b.taps[r].a;
  }
  for (int lane = 0; lane < kTile; lane += Vec::lanes) {
    Vec sum[M][R][K];
    CONVLET_UNROLL for (int i = 0; i < M * R * K; ++i) sum[i / (R * K)][i / K % R][i % K] = set(0.0f);
    const float *dy_row = b.dy + lane, *x_row = b.x + lane;
    for (int row = 0; row < b.rows; ++row, dy_row += b.dy_row, x_row += b.x_row) {
      const float *dy = dy_row, *x = x_row;
      Vec pixel[R][K];
      CONVLET_UNROLL for (int r = 0; r < R; ++r) {
        CONVLET_UNROLL for (int k = 0; k < K; ++k) {  // for tap k - 1; what is not there is never used
          const bool there = k > left && (!Border || k < K - right + columns);
          pixel[r][k] = load(there ? x + offset[r] + (k - K) * kTile : dy);
        }
      }
      for (int column = 0;; ++column, dy += kTile, x += x_column) {
        if (column >= left) {
          for (; column < columns - right; ++column, dy += kTile, x += x_column) {
            CONVLET_UNROLL for (int r = 0; r < R; ++r) {
              CONVLET_UNROLL for (int k = 0; k + 1 < K; ++k) pixel[r][k] = pixel[r][k + 1];
              pixel[r][K - 1] = load(x + offset[r]);
              keep(pixel[r][K - 1]);
            }
            CONVLET_UNROLL for (int m = 0; m < M; ++m) {
              Vec slope = load(dy + m * dy_channel);
              keep(slope);
              CONVLET_UNROLL for (int i = 0; i < R * K; ++i) {
                sum[m][i / K][i % K] = fma(slope, pixel[i / K][i % K], sum[m][i / K][i % K]);
              }
            }
          }
        }
        if (!Border || column == columns) break;
        const int first = left - column, end = K - right + (columns - 1 - column);  // taps with a pixel
        CONVLET_UNROLL for (int k = 0; k < K; ++k) {
          CONVLET_UNROLL for (int r = 0; r < R; ++r) {
            if (k + 1 < K) {
              pixel[r][k] = pixel[r][k + 1];
            } else if (k < end) {
              pixel[r][k] = load(x + offset[r]);
            }
          }
          if (k < first || k >= end) continue;
          CONVLET_UNROLL for (int m = 0; m < M; ++m) {
            const Vec slope = load(dy + m * dy_channel);
            CONVLET_UNROLL for (int r = 0; r < R; ++r) sum[m][r][k] = fma(slope, pixel[r][k], sum[m][r][k]);
          }
        }
      }
    }
    CONVLET_UNROLL for (int i = 0; i < M * R * K; ++i) {
      float* own = sums[i / K % R] + i / (R * K) * sums_channel + i % K * kTile + lane;
      store(own, load(own) + sum[i / (R * K)][i / K % R][i % K]);
    }
  }
}

constexpr int kMaxRows = 8, kMaxColumns = 5;

// Columns of all kernel rows of a block of m output channels: each has a pixel and m sums in registers, beside one that
// holds an operand. The two loops of a border want two more.
constexpr int max_taps(int m, bool border) { return (kRegisters - (border ? 3 : 1)) / (m + 1); }
constexpr int max_rows(int m, int k, bool border) { return smaller(kMaxRows, max_taps(m, border) / k); }

struct GradientTable {
  void (*at[kGradientBlock + 1][kMaxColumns + 1][kMaxRows + 1])(const GradientBlock&);
};

template <int M, int R, int K, bool Border>
constexpr void fill(GradientTable& table) {
  if constexpr (R <= max_rows(M, K, Border)) table.at[M][K][R] = gradient_block < M, R, K, Border && (K > 1) > ;
  if constexpr (R < max_rows(M, K, Border)) {
    fill<M, R + 1, K, Border>(table);
  } else if constexpr (K < kMaxColumns) {
    fill<M, 1, K + 1, Border>(table);
  } else if constexpr (M < kGradientBlock) {
    fill<M + 1, 1, 1, Border>(table);
  }
}

template <bool Border>
constexpr GradientTable make_gradient_blocks() {
  GradientTable table{};
  fill<1, 1, 1, Border>(table);
  return table;
}

constexpr GradientTable kGradientBlocks = make_gradient_blocks<false>();
constexpr GradientTable kBorderBlocks = make_gradient_blocks<true>();

// Kernel columns that a column of x may serve one after the other; the parts of a kernel row are as equal as possible.
CONVLET_INLINE int columns_of_part(const WeightGradient& t, int taps) {
  if (t.column_stride != 1 || t.column_dilation != 1) return 1;
  const int parts = (taps + kMaxColumns - 1) / kMaxColumns;
  return (taps + parts - 1) / parts;
}

// Output channels of a block: the fewest clocks for all of them, in twelfths, where a position of a block takes half
// a clock a multiply-add, a sixth a load, and at least the latency of its sums.
int choose_gradient_block(const WeightGradient& t) {
  const int k = columns_of_part(t, t.kernel_width);
  const std::ptrdiff_t all_rows = std::ptrdiff_t{t.in_channels} * t.kernel_height * ((t.kernel_width + k - 1) / k);
  int best = 1;
  std::ptrdiff_t best_clocks = 0;
  for (int m = 1; m <= smaller(kGradientBlock, t.out_channels); ++m) {
    if (max_rows(m, k, false) < 1) continue;
    const std::ptrdiff_t r = all_rows < max_rows(m, k, false) ? all_rows : max_rows(m, k, false);
    const std::ptrdiff_t blocks = (t.out_channels + m - 1) / m, parts = (all_rows + r - 1) / r;
    const std::ptrdiff_t work = 6 * m * r * k + 2 * (m + r);
    const std::ptrdiff_t clocks = blocks * parts * (work < 48 ? 48 : work);
    if (best_clocks == 0 || clocks < best_clocks) {
      best = m;
      best_clocks = clocks;
    }
  }
  return best;
}

// Lists the kernel rows of all channels that a span of rows sees, each from kernel column `column` on: offsets of the
// sum and of the input. list(taps, count) is called for every kTaps of them.
template <class List>
CONVLET_INLINE void for_each_kernel_row(const WeightGradient& t, const Span& rows, int column, std::ptrdiff_t x_column,
                                        List&& list) {
  Tap taps[kTaps];
  int count = 0;
  for (int c = 0; c < t.in_channels; ++c) {
    for (int i = 0; i < rows.taps; ++i) {
      const std::ptrdiff_t row = std::ptrdiff_t{c} * t.kernel_height + rows.tap + i;
      taps[count++] = {(row * t.kernel_width + column) * kTile,
                       c * t.x_channel + i * t.row_dilation * t.x_row + x_column};
      if (count == kTaps) {
        list(taps, count);
        count = 0;
      }
    }
  }
  if (count) list(taps, count);
}

// Positions of a chain: with the dy of four channels they fill an L1 cache of 32 KiB. The bits depend on it.
constexpr int kBand = 128;

// Calls band(row, rows, column, columns) for each band of a span's rows.
template <class Band>
CONVLET_INLINE void for_each_band(const WeightGradient& t, const Span& rows, Band&& band) {
  const int width = smaller(t.dy_width, kBand), height = larger(1, kBand / t.dy_width);
  for (int row = 0; row < rows.outs; row += height) {
    for (int column = 0; column < t.dy_width; column += width) {
      band(row, smaller(height, rows.outs - row), column, smaller(width, t.dy_width - column));
    }
  }
}

// Output columns that have a pixel under a kernel column; with a stride of 1 the end may lie before the first of all.
struct Columns {
  int first, end;
};

CONVLET_INLINE Columns columns_under(const WeightGradient& t, int kernel_column) {
  const int before = t.left - kernel_column * t.column_dilation;  // columns of padding before the tap's first pixel
  const int first = before > 0 ? (before + t.column_stride - 1) / t.column_stride : 0;
  const int last = t.x_width - 1 + before;  // from the first output's pixel to the last of the row
  return {first, smaller(t.dy_width, last < 0 ? last + 1 : last / t.column_stride + 1)};
}

// The outputs of a span of rows, for m output channels.
void gradient_rows(const WeightGradient& t, const Span& rows, int m, const float* dy, const float* x, float* sums) {
  GradientBlock b{};
  b.dy_channel = t.dy_channel;
  b.dy_row = t.dy_row;
  b.x_row = t.row_stride * t.x_row;
  b.x_column = std::ptrdiff_t{t.column_stride} * kTile;
  b.sums_channel = std::ptrdiff_t{t.in_channels} * t.kernel_height * t.kernel_width * kTile;
  b.sums = sums;
  const bool padded = columns_under(t, 0).first > 0 || columns_under(t, t.kernel_width - 1).end < t.dy_width;
  for (int column = 0, k = 0; column < t.kernel_width; column += k) {
    k = smaller(smaller(columns_of_part(t, t.kernel_width), t.kernel_width - column), max_taps(m, padded));
    const Columns under_first = columns_under(t, column), under_last = columns_under(t, column + k - 1);
    const std::ptrdiff_t x_column = (std::ptrdiff_t{column} * t.column_dilation - t.left) * kTile;
    for_each_kernel_row(t, rows, column, x_column, [&](const Tap* taps, int count) {
      for_each_band(t, rows, [&](int row, int row_count, int column_of_band, int column_count) {
        const int first = larger(column_of_band, under_last.first);
        const int end = smaller(column_of_band + column_count, under_first.end);
        if (first >= end) return;
        b.rows = row_count;
        b.columns = end - first;
        b.left = larger(0, under_first.first - first);
        b.right = larger(0, end - under_last.end);
        b.dy = dy + (rows.out + row) * t.dy_row + std::ptrdiff_t{first} * kTile;
        b.x = x + rows.in * t.x_row + row * b.x_row + first * b.x_column;
        const bool border = b.left || b.right;
        const GradientTable& blocks = border ? kBorderBlocks : kGradientBlocks;
        for (int i = 0, r = 0; i < count; i += r) {
          r = smaller(max_rows(m, k, border), count - i);
          b.taps = taps + i;
          blocks.at[m][k][r](b);
        }
      });
    });
  }
}

// sums[c][n] += sum over `count` positions of dy[c][p][n], in four interleaved chains that hide the adder's latency.
void add_positions(const float* dy, std::ptrdiff_t dy_channel, int channels, std::ptrdiff_t count, float* sums) {
  for (int c = 0; c < channels; ++c, dy += dy_channel, sums += kTile) {
    for (int lane = 0; lane < kTile; lane += Vec::lanes) {
      const float* p = dy + lane;
      Vec chain[4] = {set(0.0f), set(0.0f), set(0.0f), set(0.0f)};
      std::ptrdiff_t i = 0;
      for (; i + 4 <= count; i += 4, p += 4 * kTile) {
        CONVLET_UNROLL for (int k = 0; k < 4; ++k) chain[k] = chain[k] + load(p + k * kTile);
      }
      for (int k = 0; i < count; ++i, ++k, p += kTile) chain[k] = chain[k] + load(p);
      store(sums + lane, load(sums + lane) + ((chain[0] + chain[1]) + (chain[2] + chain[3])));
    }
  }
}

// sums[i] = the 16 lanes of x[i] as a tree: lane n + lane n + 8, then 4, 2, 1, whatever the width of a register. Lanes
// from `images` on count as zeros: under an infinite weight even a slope of zero becomes NaN there.
void sum_lanes(const float* x, std::ptrdiff_t count, std::int32_t images, float* sums) {
  constexpr int L = Vec::lanes;
  const int lanes = (1 << images) - 1;
  for (std::ptrdiff_t i = 0; i < count; i += L) {
    const int rest = static_cast<int>(count - i < L ? count - i : L);
    Vec rows[L];  // of which each has already been added down to the L lanes of a register
    CONVLET_UNROLL for (int r = 0; r < L; ++r) {
      Vec part[kTile / L];
      CONVLET_UNROLL for (int k = 0; k < kTile / L; ++k) {
        const float* own = x + (i + r) * kTile + k * L;
        part[k] = r >= rest ? set(0.0f) : images == kTile ? load(own) : load_where(mask_of(lanes >> k * L), own);
      }
      CONVLET_UNROLL for (int step = kTile / L / 2; step > 0; step /= 2) {
        CONVLET_UNROLL for (int k = 0; k < step; ++k) part[k] = part[k] + part[k + step];
      }
      rows[r] = part[0];
    }
    store_first(sums + i, add_lanes(rows), rest);
  }
}

// dw and db (O, or null) are overwritten; `sums` has room for kGradientBlock (C KH KW + 1) tiles' pixels.
void weight_gradient(const WeightGradient& t, const float* dy, const float* x, float* sums, float* dw, float* db) {
  const std::ptrdiff_t weights = std::ptrdiff_t{t.in_channels} * t.kernel_height * t.kernel_width;  // of an output
  const int widest = choose_gradient_block(t);
  const int parts = (t.out_channels + widest - 1) / widest;
  for (int g = 0; g < t.groups; ++g, x += t.in_channels * t.x_channel) {
    for (int i = 0, o = 0; i < parts; ++i) {
      const int m = (t.out_channels - o + parts - i - 1) / (parts - i);
      float* bias_sums = sums + m * weights * kTile;
      for (std::ptrdiff_t k = 0; k < m * (weights + 1) * kTile; k += Vec::lanes) store(sums + k, set(0.0f));
      for (int r = 0; r < t.row_spans; ++r) gradient_rows(t, t.rows[r], m, dy, x, sums);
      if (db) add_positions(dy, t.dy_channel, m, t.dy_channel / kTile, bias_sums);
      for (int c = 0; c < m; ++c, dw += weights) sum_lanes(sums + c * weights * kTile, weights, t.images, dw);
      if (db) {
        sum_lanes(bias_sums, m, t.images, db);
        db += m;
      }
      dy += m * t.dy_channel;
      o += m;
    }
  }
}
