// Between images, each contiguous (size values), and a tile [size][16 images]: transposed block by block.

// Calls block(i, n) for values i .. i + n - 1, n <= L, of which the first few come by themselves.
template <class Block>
CONVLET_INLINE void for_each_row_block(std::ptrdiff_t size, int head, Block&& block) {
  constexpr int L = Vec::lanes;
  if (head) block(std::ptrdiff_t{0}, static_cast<int>(head < size ? head : size));
  for (std::ptrdiff_t i = head; i < size; i += L) block(i, static_cast<int>(size - i < L ? size - i : L));
}

// Values that come before the first cache line that all images begin alike; 0 where they do not.
CONVLET_INLINE int values_to_line(const float* const* images) {
  constexpr std::uintptr_t kLine = 64;
  const std::uintptr_t past = reinterpret_cast<std::uintptr_t>(images[0]) % kLine;
  for (int n = 1; n < kTile; ++n) {
    if (images[n] && reinterpret_cast<std::uintptr_t>(images[n]) % kLine != past) return 0;
  }
  return static_cast<int>((kLine - past) % kLine / sizeof(float)) % Vec::lanes;
}

// Values i .. i + L - 1 of L images become L rows of the tile; rest < L values of the last block.
template <class Load>
CONVLET_INLINE void pack(std::ptrdiff_t size, int head, float* tile, Load&& load_values) {
  constexpr int L = Vec::lanes;
  for_each_row_block(size, head, [&](std::ptrdiff_t i, int rest) {
    for (int lane = 0; lane < kTile; lane += L) {
      Vec rows[L];
      CONVLET_UNROLL for (int n = 0; n < L; ++n) rows[n] = load_values(lane + n, i, rest);
      transpose(rows);
      CONVLET_UNROLL for (int r = 0; r < L; ++r) {
        if (r < rest) store(tile + (i + r) * kTile + lane, rows[r]);
      }
    }
  });
}

// A whole number 0..255 over 255, correctly rounded: with 1/255 in two parts, of which the product with the first is
// exact, all 256 results are those of a division (tests/engine/test_layer_by_layer.py), which would take five times as
// long.
CONVLET_INLINE Vec unit_interval(Vec pixel) { return fma(pixel, set(0x1.010102p-24f), pixel * set(0x1.01p-8f)); }

void pack_bytes(const std::uint8_t* const* images, std::ptrdiff_t size, float* tile) {
  constexpr int L = Vec::lanes;
  pack(size, 0, tile, [&](int n, std::ptrdiff_t i, int rest) {
    if (!images[n]) return set(0.0f);
    if (rest == L) return unit_interval(load_bytes(images[n] + i));
    std::uint8_t last[L] = {};
    for (int k = 0; k < rest; ++k) last[k] = images[n][i + k];
    return unit_interval(load_bytes(last));
  });
}

void scale_bytes(const std::uint8_t* image, std::ptrdiff_t size, float* scaled) {
  constexpr int L = Vec::lanes;
  std::ptrdiff_t i = 0;
  for (; i + L <= size; i += L) store(scaled + i, unit_interval(load_bytes(image + i)));
  std::uint8_t last[L] = {};
  for (std::ptrdiff_t k = i; k < size; ++k) last[k - i] = image[k];
  store_first(scaled + i, unit_interval(load_bytes(last)), size - i);
}

// As pack_floats of 16 rows of a matrix, `row` floats apart, into a tile whose own rows are `tile_row` floats apart.
void pack_rows(const float* first, std::ptrdiff_t row, std::ptrdiff_t size, std::ptrdiff_t tile_row, float* tile) {
  std::ptrdiff_t i = 0;
  for (; i + 4 <= size; i += 4) {
    for (int lane = 0; lane < kTile; lane += Vec::lanes) {
      Vec columns[4];
      load_columns(first + lane * row + i, row, columns);
      CONVLET_UNROLL for (int k = 0; k < 4; ++k) store(tile + (i + k) * tile_row + lane, columns[k]);
    }
  }
  for (; i < size; ++i) {
    for (int lane = 0; lane < kTile; ++lane) tile[i * tile_row + lane] = first[lane * row + i];
  }
}

void pack_floats(const float* const* images, std::ptrdiff_t size, float* tile) {
  constexpr std::ptrdiff_t kSameSet = 1024;  // floats from one line of the L1 cache to the next in its set
  bool matrix = true;                        // every image there, at equal distances
  for (int n = 1; n < kTile; ++n) matrix = matrix && images[n] && images[n] - images[n - 1] == images[1] - images[0];
  if (images[0] && matrix && (images[1] - images[0]) % kSameSet != 0)
    return pack_rows(images[0], images[1] - images[0], size, kTile, tile);
  pack(size, values_to_line(images), tile, [&](int n, std::ptrdiff_t i, int rest) {
    if (!images[n]) return set(0.0f);
    return rest == Vec::lanes ? load(images[n] + i) : load_first(images[n] + i, rest);
  });
}

void unpack(const float* tile, std::ptrdiff_t size, float* const* images) {
  constexpr int L = Vec::lanes;
  for_each_row_block(size, values_to_line(images), [&](std::ptrdiff_t i, int rest) {
    for (int lane = 0; lane < kTile; lane += L) {
      Vec rows[L];
      CONVLET_UNROLL for (int r = 0; r < L; ++r) {
        rows[r] = r < rest ? load(tile + (i + r) * kTile + lane) : set(0.0f);
      }
      transpose(rows);
      CONVLET_UNROLL for (int n = 0; n < L; ++n) {
        if (!images[lane + n]) continue;
        if (rest == L) {
          store(images[lane + n] + i, rows[n]);
        } else {
          store_first(images[lane + n] + i, rows[n], rest);
        }
      }
    }
  });
}
