// Convolutions whose products are of bf16 and whose sums are of float32, on matrix tiles with images in their columns.
//
//   forward, and the input gradient      sums[o][n] += w[o][k] x[k][n]      16 outputs, 32 taps, 16 images a product
//   the weight gradient               sums[kw][o] += x[kw][k] dy[k][o]      a row of taps, 32 (position, image), 16
//   outputs
//
// The second factor of a product lies as pairs along k, which are two channels of an image, or two images of a channel.

constexpr int kCell = 32;      // values
constexpr int kTileRows = 16;  // of a second factor: cells, or pairs of images
constexpr int kTileBytes = 64;

template <int I>
struct Index {
  static constexpr int value = I;
};

template <int N, class F>
CONVLET_INLINE void each(F&& f) {
  if constexpr (N > 0) {
    each<N - 1>(f);
    f(Index<N - 1>{});
  }
}

void round(const float* x, std::ptrdiff_t count, std::uint16_t* y) {
  std::ptrdiff_t i = 0;
  for (; i + 16 <= count; i += 16) store_half(y + i, load(x + i), 0xffff);
  if (i < count) store_half_first(y + i, load_first(x + i, count - i), count - i);
}

void to_cells(const CellPlan& t, const float* x, std::uint16_t* cells) {
  const int sources = t.channels * t.folded, pairs = (sources + 1) / 2;
  const Vec none = set(0.0f);
  for (int r = 0; r < t.rows; ++r) {
    for (int pair = 0; pair < pairs; ++pair) {
      const float* row[2] = {nullptr, nullptr};  // of a source, or null where it has none here
      for (int i = 0; i < 2 && 2 * pair + i < sources; ++i) {
        const int channel = (2 * pair + i) / t.folded, fold = (2 * pair + i) % t.folded;
        const int h = r * t.row_step + fold * t.fold_step - t.top;
        if (0 <= h && h < t.height) row[i] = x + (std::ptrdiff_t{channel} * t.height + h) * t.width * kTile;
      }
      std::uint16_t* to = cells + (std::ptrdiff_t{r} * t.columns * pairs + pair) * kCell;
      for (int column = 0; column < t.columns; ++column, to += std::ptrdiff_t{pairs} * kCell) {
        const std::ptrdiff_t w = column - t.left;
        const bool inside = 0 <= w && w < t.width;
        store(to, interleaved(inside && row[0] ? load(row[0] + w * kTile) : none,
                              inside && row[1] ? load(row[1] + w * kTile) : none));
      }
    }
  }
}

// Registers: four sums, and both factors of whole pieces of a run (16 cells) and of what is left of it.
constexpr int kSums = 4, kWeights = 4, kWeightsRest = 5, kCells = 6, kCellsRest = 7;

// M chunks of output channels at one position, or P positions of one chunk.
template <int M, int P, int A, int B>
CONVLET_INLINE void add_piece(const std::uint16_t* w, std::ptrdiff_t w_chunk, const std::uint16_t* x,
                              std::ptrdiff_t x_column) {
  static_assert(M == 1 || P == 1, "the other factor is loaded once");
  if constexpr (M == 1) {
    load_tile<A>(w, kTileBytes);
    each<P>([&](auto p) {
      load_tile<B>(x + p.value * x_column, kTileBytes);
      add_products<p.value, A, B>();
    });
  } else {
    load_tile<B>(x, kTileBytes);
    each<M>([&](auto m) {
      load_tile<A>(w + m.value * w_chunk, kTileBytes);
      add_products<m.value, A, B>();
    });
  }
}

// y, the bias and `channels` are those of the first chunk.
template <int M, int P>
void correlate_tiles(const CellCorrelation& t, const std::uint16_t* x, const std::uint16_t* w, const float* bias,
                     int channels, float* y) {
  const int whole = t.run_cells / kTileRows, rest = t.run_cells % kTileRows;
  const std::ptrdiff_t piece = std::ptrdiff_t{t.chunk} * kCell, x_column = t.x_column * kCell;
  const std::ptrdiff_t w_chunk = t.runs * (whole + (rest > 0)) * piece;
  each<M * P>([](auto i) { zero_tile<i.value>(); });
  for (int run = 0; run < t.runs; ++run) {
    const std::uint16_t* cell = x + run * t.x_run * kCell;
    for (int i = 0; i < whole; ++i, w += piece, cell += kTileRows * kCell) {
      add_piece<M, P, kWeights, kCells>(w, w_chunk, cell, x_column);
    }
    if (rest) {
      add_piece<M, P, kWeightsRest, kCellsRest>(w, w_chunk, cell, x_column);
      w += piece;
    }
  }
  alignas(64) float sums[M * P][kTileRows * kTile];
  each<M * P>([&](auto i) { store_tile<i.value>(sums[i.value], kTileBytes); });
  with_activation(t.after, [&](auto activation) {
    for (int o = 0; o < channels; ++o, y += t.y_channel) {
      const float* sum = sums[M == 1 ? 0 : o / t.chunk] + (M == 1 ? o : o % t.chunk) * kTile;
      const Vec from = set(bias ? bias[o] : 0.0f);
      each<P>([&](auto p) { store(y + p.value * kTile, activation(load(sum + p.value * kTileRows * kTile) + from)); });
    }
  });
}

void correlate(const CellCorrelation& t, const std::uint16_t* x, const std::uint16_t* w, const float* bias, float* y) {
  const int whole = t.run_cells / kTileRows, rest = t.run_cells % kTileRows;
  const std::ptrdiff_t w_chunk = std::ptrdiff_t{t.runs} * (whole + (rest > 0)) * t.chunk * kCell;
  TileShapes shapes;
  for (int i = 0; i < 8; ++i) {
    shapes.row_bytes[i] = kTileBytes;
    shapes.rows[i] = static_cast<std::uint8_t>(i < kCells ? t.chunk : kTileRows);
  }
  if (rest) {
    shapes.row_bytes[kWeightsRest] = static_cast<std::uint16_t>(4 * rest);
    shapes.rows[kCellsRest] = static_cast<std::uint8_t>(rest);
  }
  configure_tiles(shapes);
  const bool point = t.out_columns == 1;
  const int step = point ? kSums * t.chunk : t.chunk;
  for (int o = 0; o < t.out_channels; o += step, w += step / t.chunk * w_chunk) {
    const int channels = t.out_channels - o < step ? t.out_channels - o : step;
    const float* from = bias ? bias + o : nullptr;
    for (int row = 0; row < t.out_rows; ++row) {
      const std::uint16_t* cell = x + row * t.x_row * kCell;
      float* to = y + o * t.y_channel + row * t.y_row;
      if (point) {
        switch ((channels + t.chunk - 1) / t.chunk) {
          case 1:
            correlate_tiles<1, 1>(t, cell, w, from, channels, to);
            break;
          case 2:
            correlate_tiles<2, 1>(t, cell, w, from, channels, to);
            break;
          case 3:
            correlate_tiles<3, 1>(t, cell, w, from, channels, to);
            break;
          default:
            correlate_tiles<4, 1>(t, cell, w, from, channels, to);
        }
        continue;
      }
      for (int column = 0; column < t.out_columns; column += kSums) {
        switch (t.out_columns - column) {
          case 1:
            correlate_tiles<1, 1>(t, cell, w, from, channels, to);
            break;
          case 2:
            correlate_tiles<1, 2>(t, cell, w, from, channels, to);
            break;
          case 3:
            correlate_tiles<1, 3>(t, cell, w, from, channels, to);
            break;
          default:
            correlate_tiles<1, 4>(t, cell, w, from, channels, to);
        }
        cell += kSums * t.x_column * kCell;
        to += kSums * kTile;
      }
    }
  }
  release_tiles();
}

constexpr std::ptrdiff_t kSlopeTile = std::ptrdiff_t{kTileRows} * kCell;

// What a weight gradient reads: x as (C, rows, columns, 16 images), dy as (chunk of 16 outputs, OH, OW / 2, 16 pairs of
// images at two positions, 16 outputs), both of bf16.
struct GradientRoom {
  std::ptrdiff_t rows, columns, pairs_of_columns;
  std::ptrdiff_t pixels, slopes;  // values of x, up to a cache line, and of dy

  explicit GradientRoom(const CellWeightGradient& t)
      : rows(t.out_height + std::ptrdiff_t{t.row_dilation} * (t.kernel_height - 1)),
        columns(2 * ((t.out_width + 1) / 2) + t.kernel_width - 1),
        pairs_of_columns((t.out_width + 1) / 2),
        pixels((t.in_channels * rows * columns * kTile + kCell - 1) / kCell * kCell),
        slopes((t.out_channels + kTileRows - 1) / kTileRows * t.out_height * pairs_of_columns * kSlopeTile) {}
};

std::ptrdiff_t weight_gradient_room(const CellWeightGradient& t) {
  const GradientRoom room(t);
  return room.pixels + room.slopes;
}

void round_pixels(const CellWeightGradient& t, const GradientRoom& room, std::uint32_t lanes, const float* x,
                  std::uint16_t* to) {
  for (int c = 0; c < t.in_channels; ++c) {
    for (int r = 0; r < room.rows; ++r) {
      const int h = r - t.top;
      const float* row = x + (std::ptrdiff_t{c} * t.height + h) * t.width * kTile;
      for (int column = 0; column < room.columns; ++column, to += kTile) {
        const int w = column - t.left;
        const bool inside = 0 <= h && h < t.height && 0 <= w && w < t.width;
        store_half(to, inside ? load(row + std::ptrdiff_t{w} * kTile) : set(0.0f), lanes);
      }
    }
  }
}

void turn_slopes(const CellWeightGradient& t, std::uint32_t lanes, const float* dy, std::uint16_t* to) {
  const std::ptrdiff_t plane = std::ptrdiff_t{t.out_height} * t.out_width * kTile;
  for (int o = 0; o < t.out_channels; o += kTileRows) {
    for (int h = 0; h < t.out_height; ++h) {
      for (int w = 0; w < t.out_width; w += 2, to += kSlopeTile) {
        const float* at = dy + (std::ptrdiff_t{h} * t.out_width + w) * kTile;
        for (int four = 0; four < kTileRows && o + four < t.out_channels; four += 4) {
          Halves r[4];
          for (int i = 0; i < 4; ++i) {
            const int channel = o + four + i < t.out_channels ? o + four + i : o;  // what is beyond goes to no sum
            const float* p = at + channel * plane;
            r[i] = side_by_side(load(p), w + 1 < t.out_width ? load(p + kTile) : set(0.0f), lanes | lanes << 16);
          }
          store_pairs_transposed(r, to + 2 * four, kTileRows);
        }
      }
    }
  }
}

constexpr int kRowsOfTaps = 6, kPixels = 6, kSlopes = 7;  // that many sums, and the registers of both factors

// sums of Rows rows of taps, whose pixels begin at x[i], over all positions.
template <int Rows>
void gradient_tiles(const CellWeightGradient& t, const GradientRoom& room, const std::uint16_t* const* x,
                    const std::uint16_t* dy, float (*sums)[kTileRows * kTile]) {
  each<Rows>([](auto i) { zero_tile<i.value>(); });
  for (int h = 0; h < t.out_height; ++h) {
    for (std::ptrdiff_t pair = 0; pair < room.pairs_of_columns; ++pair, dy += kSlopeTile) {
      const std::ptrdiff_t at = (h * room.columns + 2 * pair) * kTile;
      load_tile<kSlopes>(dy, kTileBytes);
      each<Rows>([&](auto i) {
        load_tile<kPixels>(x[i.value] + at, kTileBytes / 2);
        add_products<i.value, kPixels, kSlopes>();
      });
    }
  }
  each<Rows>([&](auto i) { store_tile<i.value>(sums[i.value], kTileBytes); });
}

void bias_gradient(const CellWeightGradient& t, const float* dy, float* db) {
  const std::ptrdiff_t positions = std::ptrdiff_t{t.out_height} * t.out_width;
  for (int o = 0; o < t.out_channels; ++o, dy += positions * kTile) {
    Vec chain[4] = {set(0.0f), set(0.0f), set(0.0f), set(0.0f)};
    std::ptrdiff_t i = 0;
    for (; i + 4 <= positions; i += 4) {
      each<4>([&](auto k) { chain[k.value] = chain[k.value] + load(dy + (i + k.value) * kTile); });
    }
    for (; i < positions; ++i) chain[0] = chain[0] + load(dy + i * kTile);
    alignas(64) float lanes[kTile];
    store(lanes, (chain[0] + chain[1]) + (chain[2] + chain[3]));
    db[o] = 0.0f;
    for (int n = 0; n < t.images; ++n) db[o] += lanes[n];
  }
}

void weight_gradient(const CellWeightGradient& t, const float* dy, const float* x, std::uint16_t* memory, float* dw,
                     float* db) {
  const GradientRoom room(t);
  const std::uint32_t lanes = (1u << t.images) - 1;
  std::uint16_t* pixels = memory;
  std::uint16_t* slopes = pixels + room.pixels;
  round_pixels(t, room, lanes, x, pixels);
  turn_slopes(t, lanes, dy, slopes);

  TileShapes shapes;
  for (int i = 0; i < 8; ++i) {
    shapes.row_bytes[i] = kTileBytes;
    shapes.rows[i] = static_cast<std::uint8_t>(i == kSlopes ? kTileRows : t.kernel_width);
  }
  configure_tiles(shapes);
  alignas(64) float sums[kRowsOfTaps][kTileRows * kTile];
  const int rows_of_taps = t.in_channels * t.kernel_height;
  for (int o = 0; o < t.out_channels; o += kTileRows) {
    for (int first = 0; first < rows_of_taps; first += kRowsOfTaps) {
      const int rows = rows_of_taps - first < kRowsOfTaps ? rows_of_taps - first : kRowsOfTaps;
      const std::uint16_t* begin[kRowsOfTaps];
      for (int i = 0; i < rows; ++i) {
        const int c = (first + i) / t.kernel_height, kh = (first + i) % t.kernel_height;
        begin[i] = pixels + (c * room.rows + kh * t.row_dilation) * room.columns * kTile;
      }
      switch (rows) {
        case 1:
          gradient_tiles<1>(t, room, begin, slopes, sums);
          break;
        case 2:
          gradient_tiles<2>(t, room, begin, slopes, sums);
          break;
        case 3:
          gradient_tiles<3>(t, room, begin, slopes, sums);
          break;
        case 4:
          gradient_tiles<4>(t, room, begin, slopes, sums);
          break;
        case 5:
          gradient_tiles<5>(t, room, begin, slopes, sums);
          break;
        default:
          gradient_tiles<6>(t, room, begin, slopes, sums);
      }
      for (int m = 0; m < kTileRows && o + m < t.out_channels; ++m) {
        for (int i = 0; i < rows; ++i) {
          float* to = dw + (std::ptrdiff_t{o + m} * rows_of_taps + first + i) * t.kernel_width;
          for (int kw = 0; kw < t.kernel_width; ++kw) to[kw] = sums[i][kw * kTileRows + m];
        }
      }
    }
    slopes += t.out_height * room.pairs_of_columns * kSlopeTile;
  }
  release_tiles();
  if (db) bias_gradient(t, dy, db);
}
