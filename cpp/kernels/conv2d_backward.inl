// Weight gradient of conv2d over a tile, with images in the lanes, and the sums that gradients of biases need.
//
//   dw[o][c][kh][kw] = sum over lanes n and positions p of dy[o][p][n] x[c][p + (kh, kw)][n]
//
// dy (O, OH, OW, 16), x (C, H, W, 16), dw (O, C, KH, KW). The order of the additions is set by the shapes alone: the
// outputs are cut into bands, and a band is one chain for each lane over its positions that have a pixel under the tap;
// the bands are added in order, and last the lanes, as a tree. M output channels take all their taps over a band before
// the next one, so that its dy stays in the L1 cache; their sums, 16 for each weight, stay in L2.

struct GradientBlock {
  const float *dy, *x;
  float* sums;
  const Tap* taps;  // of the first column of each kernel row: offsets of the sum and of the input
  std::ptrdiff_t dy_channel, dy_row, x_row, x_column, sums_channel;
  int rows, columns;  // positions, of which each has a pixel under all K taps
};

// M output channels x R kernel rows x K kernel columns stay in registers. Where K > 1, a column of x serves K taps one
// after the other and moves on from register to register: M R K multiply-adds cost M + R loads. (Full vectors are what
// counts: on a Xeon 24 multiply-adds with 10 such loads reach 86 % of the peak, with 6 of them 94 %.)
template <int M, int R, int K>
void gradient_block(const GradientBlock& b) {
  const std::ptrdiff_t dy_channel = b.dy_channel, x_column = b.x_column, sums_channel = b.sums_channel;
  const int columns = b.columns;
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
        CONVLET_UNROLL for (int k = 1; k < K; ++k) pixel[r][k] = load(x + offset[r] + (k - K) * kTile);  // of tap k - 1
      }
      for (int column = 0; column < columns; ++column, dy += kTile, x += x_column) {
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
    CONVLET_UNROLL for (int i = 0; i < M * R * K; ++i) {
      float* own = sums[i / K % R] + i / (R * K) * sums_channel + i % K * kTile + lane;
      store(own, load(own) + sum[i / (R * K)][i / K % R][i % K]);
    }
  }
}

constexpr int kMaxRows = 8, kMaxColumns = 5;

// Columns of all kernel rows of a block of m output channels: each has a pixel and m sums in registers, beside one that
// holds an operand.
constexpr int max_taps(int m) { return (kRegisters - 1) / (m + 1); }
constexpr int max_rows(int m, int k) { return smaller(kMaxRows, max_taps(m) / k); }

struct GradientTable {
  void (*at[kGradientBlock + 1][kMaxColumns + 1][kMaxRows + 1])(const GradientBlock&);
};

template <int M, int R, int K>
constexpr void fill(GradientTable& table) {
  if constexpr (R <= max_rows(M, K)) table.at[M][K][R] = gradient_block<M, R, K>;
  if constexpr (R < max_rows(M, K)) {
    fill<M, R + 1, K>(table);
  } else if constexpr (K < kMaxColumns) {
    fill<M, 1, K + 1>(table);
  } else if constexpr (M < kGradientBlock) {
    fill<M + 1, 1, 1>(table);
  }
}

constexpr GradientTable make_gradient_blocks() {
  GradientTable table{};
  fill<1, 1, 1>(table);
  return table;
}

constexpr GradientTable kGradientBlocks = make_gradient_blocks();

// Outputs that have a pixel under a tap.
struct Outputs {
  int first, end;
};

CONVLET_INLINE Outputs outputs_under(const TapAxis& axis, int tap) {
  const int before = axis.padding - tap * axis.dilation;  // of padding before the tap's first pixel
  const int first = before > 0 ? (before + axis.stride - 1) / axis.stride : 0;
  const int last = axis.in - 1 + before;  // from the first output's pixel to the last one
  return {first, last < 0 ? 0 : smaller(axis.out, last / axis.stride + 1)};
}

CONVLET_INLINE bool padded(const TapAxis& axis) {
  return outputs_under(axis, 0).first > 0 || outputs_under(axis, axis.taps - 1).end < axis.out;
}

// Kernel columns that a column of x may serve one after the other; the parts of a kernel row are as equal as possible.
CONVLET_INLINE int columns_of_part(const TapAxis& columns) {
  if (columns.stride != 1 || columns.dilation != 1) return 1;
  const int parts = (columns.taps + kMaxColumns - 1) / kMaxColumns;
  return (columns.taps + parts - 1) / parts;
}

// Output channels of a block: the fewest clocks for all of them, in twelfths, where a position of a block takes half
// a clock a multiply-add, a sixth a load, and at least the latency of its sums.
int choose_gradient_block(const WeightGradient& t) {
  const int k = columns_of_part(t.columns);
  const int together = padded(t.rows) ? 1 : t.rows.taps;  // kernel rows under which the same rows have pixels
  const std::ptrdiff_t all_rows = std::ptrdiff_t{t.in_channels} * together;
  int best = 1;
  std::ptrdiff_t best_clocks = 0;
  for (int m = 1; m <= smaller(kGradientBlock, t.out_channels); ++m) {
    if (max_rows(m, k) < 1) continue;
    const std::ptrdiff_t r = all_rows < max_rows(m, k) ? all_rows : max_rows(m, k);
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

// Positions of a chain: with the dy of four channels they fill an L1 cache of 32 KiB. The bits depend on it.
constexpr int kBand = 128;

// Calls band(rows, columns) for all bands of the outputs.
template <class Band>
CONVLET_INLINE void for_each_band(const WeightGradient& t, Band&& band) {
  const int width = smaller(t.columns.out, kBand), height = larger(1, kBand / t.columns.out);
  for (int row = 0; row < t.rows.out; row += height) {
    for (int column = 0; column < t.columns.out; column += width) {
      band(Outputs{row, smaller(row + height, t.rows.out)}, Outputs{column, smaller(column + width, t.columns.out)});
    }
  }
}

CONVLET_INLINE Outputs common(const Outputs& a, const Outputs& b) {
  return {larger(a.first, b.first), smaller(a.end, b.end)};
}

// Calls block(taps, count, rows) for the kernel rows of all channels, at most so many together, from kernel column
// `column` on: offsets of the sum and of the input, and those rows of a band that have pixels under all of them.
template <class F>
CONVLET_INLINE void for_each_kernel_row(const WeightGradient& t, int most, const Outputs& band, int column,
                                        std::ptrdiff_t x_column, F&& block) {
  Tap taps[kMaxRows];
  const auto tap_of = [&](int c, int row) {
    const std::ptrdiff_t weight = (std::ptrdiff_t{c} * t.rows.taps + row) * t.columns.taps + column;
    const std::ptrdiff_t x_row = std::ptrdiff_t{row} * t.rows.dilation - t.rows.padding;
    return Tap{weight * kTile, c * t.x_channel + x_row * t.x_row + x_column};
  };
  const bool alike = !padded(t.rows);  // all kernel rows see all rows; otherwise a block takes one of several channels
  const int all = t.in_channels * (alike ? t.rows.taps : 1), parts = (all + most - 1) / most;
  for (int part = 0, first = 0; part < parts; ++part) {
    const int count = (all - first + parts - part - 1) / (parts - part);  // as equal as whole numbers allow
    for (int row = 0; row < (alike ? 1 : t.rows.taps); ++row) {
      const Outputs rows = common(band, outputs_under(t.rows, row));
      if (rows.first >= rows.end) continue;
      for (int i = 0; i < count; ++i) {
        taps[i] = alike ? tap_of((first + i) / t.rows.taps, (first + i) % t.rows.taps) : tap_of(first + i, row);
      }
      block(taps, count, rows);
    }
    first += count;
  }
}

// For m output channels, at most so many columns of a kernel row together.
void gradient_of_channels(const WeightGradient& t, int m, int most, const float* dy, const float* x, float* sums) {
  GradientBlock b{};
  b.dy_channel = t.dy_channel;
  b.dy_row = t.dy_row;
  b.x_row = t.rows.stride * t.x_row;
  b.x_column = std::ptrdiff_t{t.columns.stride} * kTile;
  b.sums_channel = std::ptrdiff_t{t.in_channels} * t.rows.taps * t.columns.taps * kTile;
  b.sums = sums;
  for_each_band(t, [&](const Outputs& band_rows, const Outputs& band_columns) {
    for (int column = 0, k = 0; column < t.columns.taps; column += k) {
      k = smaller(smaller(most, t.columns.taps - column), max_taps(m));
      const Outputs columns = common(band_columns, outputs_under(t.columns, column));  // under all k alike
      if (columns.first >= columns.end) continue;
      const std::ptrdiff_t x_column = (std::ptrdiff_t{column} * t.columns.dilation - t.columns.padding) * kTile;
      for_each_kernel_row(t, max_rows(m, k), band_rows, column, x_column,
                          [&](const Tap* taps, int count, const Outputs& rows) {
                            b.taps = taps;
                            b.rows = rows.end - rows.first;
                            b.columns = columns.end - columns.first;
                            b.dy = dy + rows.first * t.dy_row + std::ptrdiff_t{columns.first} * kTile;
                            b.x = x + rows.first * b.x_row + columns.first * b.x_column;
                            kGradientBlocks.at[m][k][count](b);
                          });
    }
  });
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

CONVLET_INLINE void fill_zeros(float* x, std::ptrdiff_t count) {
  for (std::ptrdiff_t i = 0; i < count; i += Vec::lanes) store(x + i, set(0.0f));
}

// db (M, or null) = the sums of the dy of M output channels over positions and images. Returns whether all are finite,
// and with them all of that dy.
bool bias_gradient(const WeightGradient& t, int m, const float* dy, float* sums, float* db) {
  fill_zeros(sums, m * kTile);
  add_positions(dy, t.dy_channel, m, t.dy_channel / kTile, sums);
  float zero = 0;
  for (int i = 0; i < m * kTile; ++i) zero += i % kTile < t.images ? sums[i] - sums[i] : 0;
  if (db) sum_lanes(sums, m, t.images, db);
  return zero == 0;
}

// Copies x with zeros in place of the padding of its rows; returns t for such an x.
WeightGradient widen_rows(WeightGradient t, const float* x, float* wide) {
  const TapAxis& columns = t.columns;
  const int width = columns.out + columns.taps - 1, right = width - columns.padding - columns.in;
  for (int c = 0; c < t.in_channels; ++c) {
    for (int row = 0; row < t.rows.in; ++row, wide += width * kTile) {
      const float* own = x + c * t.x_channel + row * t.x_row;
      float* inside = wide + columns.padding * kTile;
      fill_zeros(wide, columns.padding * kTile);
      for (int i = 0; i < columns.in * kTile; i += Vec::lanes) store(inside + i, load(own + i));
      fill_zeros(inside + columns.in * kTile, right * kTile);
    }
  }
  t.x_row = std::ptrdiff_t{width} * kTile;
  t.x_channel = t.rows.in * t.x_row;
  t.columns.in = width;
  t.columns.padding = 0;
  return t;
}

// dw and db (O, or null) are overwritten; `room` is for Conv2d::gradient_room() tiles' pixels. A few input channels at
// a time: they stay in L2 for all output channels. Padding costs no branch where rows are widened by zeros, which add
// nothing to a sum as long as dy is finite; where it turns out not to be, each kernel column by itself takes the
// columns that it meets.
void weight_gradient(const WeightGradient& t, const float* dy, const float* x, float* room, float* dw, float* db) {
  const std::ptrdiff_t taps = std::ptrdiff_t{t.rows.taps} * t.columns.taps;
  const int together = columns_of_part(t.columns);
  bool widens = padded(t.columns) && together > 1;
  for (int g = 0; g < t.groups; ++g) {
    for (int c = 0; c < t.in_channels; c += t.together) {
      WeightGradient own = t;
      own.in_channels = smaller(t.together, t.in_channels - c);
      const std::ptrdiff_t weights = own.in_channels * taps;
      const float* pixels = x + c * t.x_channel;
      float* bias_sums = room + kGradientBlock * weights * kTile;
      float* wide_pixels = bias_sums + kGradientBlock * kTile;
      const WeightGradient wide = widens ? widen_rows(own, pixels, wide_pixels) : own;
      const int widest = choose_gradient_block(own), parts = (t.out_channels + widest - 1) / widest;
      for (int i = 0, o = 0; i < parts; ++i) {
        const int m = (t.out_channels - o + parts - i - 1) / (parts - i);
        const float* slopes = dy + o * t.dy_channel;
        const auto sum = [&] {
          fill_zeros(room, m * weights * kTile);
          if (widens) {
            gradient_of_channels(wide, m, together, slopes, wide_pixels, room);
          } else {
            gradient_of_channels(own, m, padded(t.columns) ? 1 : together, slopes, pixels, room);
          }
        };
        sum();
        if (c == 0 && (db || widens)) {
          const bool finite = bias_gradient(t, m, slopes, bias_sums, db ? db + o : nullptr);
          if (widens && !finite) {
            widens = false;
            sum();
          }
        }
        for (int k = 0; k < m; ++k, ++o) {
          sum_lanes(room + k * weights * kTile, weights, t.images, dw + (o * t.in_channels + c) * taps);
        }
      }
    }
    x += t.in_channels * t.x_channel;
    dy += t.out_channels * t.dy_channel;
    dw += t.out_channels * t.in_channels * taps;
    if (db) db += t.out_channels;
  }
}
